//! Encrypted tokens (JWE, RFC 7516), in the compact form.

use crate::algorithm::{Bits, Content, Management};
use crate::key::{Key, Keys, Material};
use crate::limits::TRIES_MAX;
use crate::parts::{bytes, decode, header, key_id, split, text};
use crate::refusal::Refusal;
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    DecryptingKey, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base::json::Object;
use std::sync::Arc;

/// Bytes of AES's block, of a tag of GCM, and of the vector of CBC.
const BLOCK: usize = 16;

/// What key wrap puts before a key (RFC 3394, section 2.2.3.1).
const WRAP_MARK: [u8; 8] = [0xA6; 8];

/// An encrypted token as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Jwe {
    header: Object,
    management: Management,
    content: Content,
    /// The header as it came, which the tag covers.
    covered: Vec<u8>,
    encrypted_key: Vec<u8>,
    vector: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl Jwe {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// It is malformed, has an extension, or names an algorithm that we do not have.
    pub fn parse(token: &[u8]) -> Result<Self, Refusal> {
        let [head, encrypted_key, vector, ciphertext, tag] = split(token)?;
        let part = |part| decode(part).ok_or(Refusal::Malformed("token is not base64url"));
        let object = header(head)?;
        let management = text(&object, "alg").and_then(Management::parse);
        let content = text(&object, "enc").and_then(Content::parse);
        Ok(Self {
            management: management.ok_or(Refusal::Algorithm)?,
            content: content.ok_or(Refusal::Algorithm)?,
            header: object,
            covered: head.to_vec(),
            encrypted_key: part(encrypted_key)?,
            vector: part(vector)?,
            ciphertext: part(ciphertext)?,
            tag: part(tag)?,
        })
    }

    /// The header's members.
    #[must_use]
    pub fn header(&self) -> &Object {
        &self.header
    }

    /// Whether decrypting takes so long, milliseconds, that others should not wait for it.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        matches!(self.management, Management::Oaep(_))
    }

    /// What was encrypted, by one of the keys: of those with the name that the token gives, if it
    /// gives one, or without a name, that are made for its algorithm.
    ///
    /// # Errors
    ///
    /// None decrypts it, or there is none that could.
    pub fn decrypt(&self, sets: &[Arc<Keys>]) -> Result<Vec<u8>, Refusal> {
        let id = key_id(&self.header)?;
        let mut candidates = sets
            .iter()
            .flat_map(|keys| &keys.usable)
            .filter(|key| key.is_named(id) && key.is_for_management(self.management, self.content))
            .take(TRIES_MAX)
            .peekable();
        if candidates.peek().is_none() {
            return Err(Refusal::NoKey);
        }
        candidates
            .find_map(|key| self.decrypt_with(&self.content_key(key)?))
            .ok_or(Refusal::Decryption)
    }

    /// The key of the content.
    fn content_key(&self, key: &Key) -> Option<Vec<u8>> {
        let found = match (&key.material, self.management) {
            (Material::Secret(secret), Management::Direct) => {
                self.encrypted_key.is_empty().then(|| secret.clone())
            }
            (Material::Secret(secret), Management::Wrapped(bits)) => {
                unwrap_key(bits, secret, &self.encrypted_key)
            }
            (Material::Secret(secret), Management::WrappedGcm(bits)) => {
                let (vector, tag) = (bytes(&self.header, "iv")?, bytes(&self.header, "tag")?);
                let sealed = Sealed {
                    ciphertext: &self.encrypted_key,
                    vector: &vector,
                    tag: &tag,
                    covered: b"",
                };
                sealed.open_gcm(bits, secret)
            }
            (Material::Rsa(rsa), management) => {
                let (private, algorithm) = (rsa.private.as_ref()?, management.oaep()?);
                let mut out = vec![0; private.min_output_size()];
                let key = private.decrypt(algorithm, &self.encrypted_key, &mut out, None);
                Some(key.ok()?.to_vec())
            }
            _ => None,
        };
        found.filter(|key| key.len() == self.content.key_len())
    }

    fn decrypt_with(&self, key: &[u8]) -> Option<Vec<u8>> {
        let sealed = Sealed {
            ciphertext: &self.ciphertext,
            vector: &self.vector,
            tag: &self.tag,
            covered: &self.covered,
        };
        match self.content {
            Content::Gcm(bits) => sealed.open_gcm(bits, key),
            Content::CbcHmac(bits) => sealed.open_cbc(bits, key),
        }
    }
}

/// What was encrypted, and what it takes beside the key to open it.
struct Sealed<'t> {
    ciphertext: &'t [u8],
    vector: &'t [u8],
    tag: &'t [u8],
    /// What the tag vouches for too.
    covered: &'t [u8],
}

impl Sealed<'_> {
    /// Opens what AES-GCM has sealed.
    fn open_gcm(&self, bits: Bits, key: &[u8]) -> Option<Vec<u8>> {
        let key = LessSafeKey::new(UnboundKey::new(bits.gcm(), key).ok()?);
        let nonce = Nonce::try_assume_unique_for_key(self.vector).ok()?;
        if self.tag.len() != BLOCK {
            return None;
        }
        let mut text = self.ciphertext.to_vec();
        key.open_in_place_separate_tag(nonce, Aad::from(self.covered), self.tag, &mut text)
            .ok()?;
        Some(text)
    }

    /// Opens what AES-CBC and HMAC have sealed (RFC 7518, section 5.2.2.2). The tag is judged
    /// before anything is decrypted, so that nothing can be learned from the padding.
    fn open_cbc(&self, bits: Bits, key: &[u8]) -> Option<Vec<u8>> {
        let (for_tag, for_text) = key.split_at_checked(bits.bytes())?;
        let digest = match bits {
            Bits::B128 => hmac::HMAC_SHA256,
            Bits::B192 => hmac::HMAC_SHA384,
            Bits::B256 => hmac::HMAC_SHA512,
        };
        let covered_bits = (self.covered.len() as u64).checked_mul(8)?.to_be_bytes();
        let mut context = hmac::Context::with_key(&hmac::Key::new(digest, for_tag));
        for part in [self.covered, self.vector, self.ciphertext, &covered_bits] {
            context.update(part);
        }
        let expected = context.sign();
        verify_slices_are_equal(expected.as_ref().get(..bits.bytes())?, self.tag).ok()?;

        let key = UnboundCipherKey::new(bits.cipher(), for_text).ok()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
        let vector: [u8; BLOCK] = self.vector.try_into().ok()?;
        let mut text = self.ciphertext.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(vector));
        Some(key.decrypt(&mut text, context).ok()?.to_vec())
    }
}

/// Unwraps a key (RFC 3394, section 2.2.2).
fn unwrap_key(bits: Bits, secret: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    let (mark, halves) = wrapped.split_first_chunk::<8>()?;
    if halves.len() < BLOCK || halves.len() % 8 != 0 || halves.len() > 2 * 32 {
        return None;
    }
    let cipher = UnboundCipherKey::new(bits.cipher(), secret).ok()?;
    let cipher = DecryptingKey::ecb(cipher).ok()?;
    let (mut mark, mut key) = (*mark, halves.to_vec());
    let count = key.len() / 8;
    let mut step = 6 * count as u64;
    for _ in 0..6 {
        for half in key.chunks_exact_mut(8).rev() {
            let mut block = [0; BLOCK];
            let marked = (u64::from_be_bytes(mark) ^ step).to_be_bytes();
            let (first, second) = block.split_at_mut(8);
            first.copy_from_slice(&marked);
            second.copy_from_slice(half);
            cipher.decrypt(&mut block, DecryptionContext::None).ok()?;
            let (first, second) = block.split_at(8);
            mark.copy_from_slice(first);
            half.copy_from_slice(second);
            step -= 1;
        }
    }
    verify_slices_are_equal(&mark, &WRAP_MARK).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    /// RFC 3394, sections 4.1 to 4.6.
    #[test]
    fn keys_are_unwrapped() {
        let check = |bits: Bits, wrapped: &str, key_len: usize| {
            let kek: Vec<u8> = (0..32).collect();
            let expected = [&hex("00112233445566778899AABBCCDDEEFF")[..], &kek[..16]].concat();
            let wrapped = hex(wrapped);
            let unwrapped = unwrap_key(bits, &kek[..bits.bytes()], &wrapped);
            assert_eq!(unwrapped.as_deref(), Some(&expected[..key_len]));
            for index in 0..wrapped.len() {
                let mut broken = wrapped.clone();
                broken[index] ^= 1;
                assert_eq!(unwrap_key(bits, &kek[..bits.bytes()], &broken), None);
            }
            assert_eq!(unwrap_key(bits, &kek[..bits.bytes()], &wrapped[8..]), None);
            assert_eq!(unwrap_key(bits, &kek[..bits.bytes()], b""), None);
        };
        check(
            Bits::B128,
            "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5",
            16,
        );
        check(
            Bits::B192,
            "96778B25AE6CA435 F92B5B97C050AED2 468AB8A17AD84E5D",
            16,
        );
        check(
            Bits::B256,
            "64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7",
            16,
        );
        check(
            Bits::B256,
            "28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21",
            32,
        );
    }
}
