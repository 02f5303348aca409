//! Signed tokens (JWS, RFC 7515), in the compact form.

use crate::algorithm::Signing;
use crate::key::{Key, Keys, Material};
use crate::limits::TRIES_MAX;
use crate::parts::{decode, header, key_id, split, text};
use crate::refusal::Refusal;
use aws_lc_rs::hmac;
use base::json::Object;
use std::sync::Arc;

/// A signed token as it came; whoever made it may have been anybody until it is verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Jws {
    header: Object,
    payload: Vec<u8>,
    /// Header and payload as they were signed.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// It is malformed, or has an extension.
    pub fn parse(token: &[u8]) -> Result<Self, Refusal> {
        let [head, payload, signature] = split(token)?;
        let wrong = "token payload or signature is not base64url";
        let part = |part| decode(part).ok_or(Refusal::Malformed(wrong));
        Ok(Self {
            header: header(head)?,
            signed: [head, b".", payload].concat(),
            payload: part(payload)?,
            signature: part(signature)?,
        })
    }

    /// The header's members.
    #[must_use]
    pub fn header(&self) -> &Object {
        &self.header
    }

    /// What is signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether one of the keys has signed it: one with the name that the token gives, if it gives
    /// one, or without a name; and made for its algorithm.
    ///
    /// # Errors
    ///
    /// None has, or there is none that could have.
    pub fn verify(&self, sets: &[Arc<Keys>]) -> Result<(), Refusal> {
        let name = text(&self.header, "alg").ok_or(Refusal::Algorithm)?;
        let algorithm = Signing::parse(name).ok_or(Refusal::Algorithm)?;
        let id = key_id(&self.header)?;
        let mut candidates = sets
            .iter()
            .flat_map(|keys| &keys.usable)
            .filter(|key| key.is_named(id) && key.is_for_signing(algorithm))
            .take(TRIES_MAX)
            .peekable();
        if candidates.peek().is_none() {
            return Err(Refusal::NoKey);
        }
        let is_verified = candidates.any(|key| self.is_by(key, algorithm));
        is_verified.then_some(()).ok_or(Refusal::Signature)
    }

    fn is_by(&self, key: &Key, algorithm: Signing) -> bool {
        let (signed, signature) = (&self.signed, &self.signature);
        match &key.material {
            Material::Secret(secret) => algorithm.hmac().is_some_and(|algorithm| {
                let key = hmac::Key::new(algorithm, secret);
                hmac::verify(&key, signed, signature).is_ok()
            }),
            Material::Rsa(rsa) => rsa.has_signed(algorithm, signed, signature),
            Material::Elliptic(_, key) => key.verify_sig(signed, signature).is_ok(),
        }
    }
}

impl Key {
    /// Whether a token that gives the name `id` may mean it.
    pub(crate) fn is_named(&self, id: Option<&str>) -> bool {
        match (id, &self.id) {
            (Some(id), Some(own)) => id == own,
            _ => true,
        }
    }
}
