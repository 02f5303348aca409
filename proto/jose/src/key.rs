//! Keys (JWK, RFC 7517; their members: RFC 7518, section 6, and RFC 8037).

use crate::algorithm::{Content, Curve, Management, Signing};
use crate::limits::{KEYS_MAX, KEYS_TEXT_MAX};
use crate::parts::{bytes, text};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, OaepPrivateDecryptingKey, PrivateDecryptingKey, PublicKeyComponents};
use aws_lc_rs::signature::ParsedPublicKey;
use base::json::{self, Object, Value};
use std::fmt;
use std::sync::OnceLock;

/// Why keys cannot be used. The operator's doing, or that of whoever publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeys(String);

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidKeys {}

/// Keys, in the order of their text.
#[derive(Default)]
pub struct Keys {
    pub(crate) usable: Vec<Key>,
    skipped: Vec<Skipped>,
}

/// A key of a set that is broken, and that nothing is verified or decrypted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the set, from 0.
    index: usize,
    /// Its `kid`, or the beginning of it.
    id: Option<String>,
    why: &'static str,
}

/// Most characters of a broken key's name that are shown.
const SHOWN_ID_MAX: usize = 64;

impl Skipped {
    fn new(index: usize, key: &Value, why: &'static str) -> Self {
        let id = key.as_object().and_then(|object| text(object, "kid"));
        let id = id.map(|id| id.chars().take(SHOWN_ID_MAX).collect());
        Self { index, id, why }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.index)?;
        if let Some(id) = &self.id {
            write!(f, " (\"kid\" {id:?})")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// One key. What is secret of it is shown nowhere.
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    /// `alg`: the only algorithm that it is for.
    algorithm: Option<String>,
    purpose: Purpose,
    pub(crate) material: Material,
}

/// What a key is for: `use` and `key_ops`.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    Any,
    Signatures,
    Encryption,
    Neither,
}

pub(crate) enum Material {
    /// Shared bytes.
    Secret(Vec<u8>),
    Rsa(Box<Rsa>),
    /// A point of a curve.
    Elliptic(Curve, ParsedPublicKey),
}

pub(crate) struct Rsa {
    public: PublicKeyComponents<Vec<u8>>,
    /// The public key as it is used for the algorithm that was asked for first. Making it takes a
    /// fifth of a check's time, and whoever signs does so by one algorithm.
    first: OnceLock<(Signing, Option<ParsedPublicKey>)>,
    pub(crate) private: Option<OaepPrivateDecryptingKey>,
}

impl Keys {
    /// Reads a set (`{"keys":[...]}`) or one key. Keys of unknown types and curves are left out,
    /// and so are broken ones, which [`Keys::skipped`] tells of: whoever publishes one more key
    /// must not lock everybody out who has another (RFC 7517, section 5).
    ///
    /// # Errors
    ///
    /// It is not JSON, neither of these, too long, or no key is left since those that are there
    /// are broken.
    pub fn parse(source: &[u8]) -> Result<Self, InvalidKeys> {
        let wrong = |what: &str| InvalidKeys(what.to_owned());
        if source.len() > KEYS_TEXT_MAX {
            return Err(wrong("too long"));
        }
        let value = json::parse(source).map_err(|error| InvalidKeys(error.to_string()))?;
        let object = value.as_object().ok_or_else(|| wrong("not an object"))?;
        let single = std::slice::from_ref(&value);
        let list = match object.get("keys") {
            Some(Value::List(list)) => list,
            None if object.contains_key("kty") => single,
            _ => return Err(wrong("no \"keys\"")),
        };
        if list.len() > KEYS_MAX {
            return Err(wrong("too many keys"));
        }
        let mut keys = Self::default();
        for (index, key) in list.iter().enumerate() {
            match key.as_object().ok_or("not an object").and_then(Key::read) {
                Ok(read) => keys.usable.extend(read),
                Err(why) => keys.skipped.push(Skipped::new(index, key, why)),
            }
        }
        match keys.skipped.first() {
            Some(first) if keys.usable.is_empty() => Err(InvalidKeys(first.to_string())),
            _ => Ok(keys),
        }
    }

    /// The broken keys, in the order of their text.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Whether none can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    /// How many can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.usable.len()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.usable.iter().map(|key| &key.id);
        f.debug_list().entries(ids).finish()
    }
}

impl Key {
    /// Reads one key; `None` for one of an unknown type.
    fn read(object: &Object) -> Result<Option<Self>, &'static str> {
        let string = |name: &str| match object.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err("\"kid\", \"alg\" or \"use\" is not a string"),
        };
        let Some(material) = Material::read(object)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: string("kid")?,
            algorithm: string("alg")?,
            purpose: Purpose::read(string("use")?.as_deref(), object.get("key_ops")),
            material,
        }))
    }

    /// Whether it may verify signatures by `algorithm`.
    pub(crate) fn is_for_signing(&self, algorithm: Signing) -> bool {
        let fits = match &self.algorithm {
            None => true,
            Some(name) => Signing::parse(name) == Some(algorithm),
        };
        fits && matches!(self.purpose, Purpose::Any | Purpose::Signatures)
            && match &self.material {
                Material::Secret(_) => algorithm.hmac().is_some(),
                Material::Rsa(_) => algorithm.rsa().is_some(),
                Material::Elliptic(curve, _) => algorithm.curve() == Some(*curve),
            }
    }

    /// Whether it may give the key of a content, which is encrypted by `content`, by `algorithm`.
    pub(crate) fn is_for_management(&self, algorithm: Management, content: Content) -> bool {
        let fits = match &self.algorithm {
            None => true,
            Some(name) if algorithm == Management::Direct && name != "dir" => {
                // The key is that of the content, and so may be what it is for.
                Content::parse(name) == Some(content)
            }
            Some(name) => Management::parse(name) == Some(algorithm),
        };
        fits && matches!(self.purpose, Purpose::Any | Purpose::Encryption)
            && match &self.material {
                Material::Secret(secret) => algorithm.fits_secret(secret.len()),
                Material::Rsa(rsa) => algorithm.oaep().is_some() && rsa.private.is_some(),
                Material::Elliptic(..) => false,
            }
    }
}

impl Purpose {
    fn read(usage: Option<&str>, operations: Option<&Value>) -> Self {
        let (mut signs, mut encrypts) = match usage {
            None => (true, true),
            Some(word) => (word == "sig", word == "enc"),
        };
        if let Some(operations) = operations {
            let has = |names: &[&str]| match operations {
                Value::List(list) => list
                    .iter()
                    .filter_map(Value::as_text)
                    .any(|name| names.contains(&name)),
                _ => false,
            };
            signs &= has(&["verify", "sign"]);
            encrypts &= has(&["decrypt", "unwrapKey", "encrypt", "wrapKey"]);
        }
        match (signs, encrypts) {
            (true, true) => Self::Any,
            (true, false) => Self::Signatures,
            (false, true) => Self::Encryption,
            (false, false) => Self::Neither,
        }
    }
}

impl Material {
    fn read(object: &Object) -> Result<Option<Self>, &'static str> {
        Ok(match text(object, "kty").ok_or("no \"kty\"")? {
            "oct" => {
                let secret = bytes(object, "k").ok_or("\"k\" is missing or not base64url")?;
                // Anybody could sign with nothing.
                if secret.is_empty() {
                    return Err("\"k\" is empty");
                }
                Some(Self::Secret(secret))
            }
            "RSA" => Some(Self::Rsa(Box::new(Rsa::read(object)?))),
            kind @ ("EC" | "OKP") => Self::elliptic(object, kind)?,
            _ => None,
        })
    }

    fn elliptic(object: &Object, kind: &str) -> Result<Option<Self>, &'static str> {
        let name = text(object, "crv").ok_or("no \"crv\"")?;
        let Some(curve) = Curve::parse(kind, name) else {
            return Ok(None);
        };
        let coordinate = |name| {
            let bytes = bytes(object, name).filter(|bytes| bytes.len() == curve.coordinate());
            bytes.ok_or("a coordinate is missing, not base64url, or of another length")
        };
        let point = match curve {
            Curve::Ed25519 => coordinate("x")?,
            _ => [vec![4], coordinate("x")?, coordinate("y")?].concat(),
        };
        let key = ParsedPublicKey::new(curve.verification(), point)
            .map_err(|_| "it is no point of its curve")?;
        Ok(Some(Self::Elliptic(curve, key)))
    }
}

impl Rsa {
    fn read(object: &Object) -> Result<Self, &'static str> {
        let number = |name: &str| {
            let bytes = bytes(object, name)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes
                .get(zeros..)
                .filter(|rest| !rest.is_empty())
                .map(<[u8]>::to_vec)
        };
        let wrong = "\"n\" or \"e\" is missing or not base64url";
        let public = PublicKeyComponents {
            n: number("n").ok_or(wrong)?,
            e: number("e").ok_or(wrong)?,
        };
        let private = if object.contains_key("d") {
            let names = ["d", "p", "q", "dp", "dq", "qi"].map(number);
            let [Some(d), Some(p), Some(q), Some(dp), Some(dq), Some(qi)] = names else {
                return Err("a private key needs \"d\", \"p\", \"q\", \"dp\", \"dq\" and \"qi\"");
            };
            let components = rsa::KeyPairComponents {
                public_key: public.clone(),
                d,
                p,
                q,
                dP: dp,
                dQ: dq,
                qInv: qi,
            };
            Some(decrypting(&components).ok_or("its numbers do not fit each other")?)
        } else {
            None
        };
        Ok(Self {
            public,
            first: OnceLock::new(),
            private,
        })
    }

    /// Whether the key has made `signature` by `algorithm`.
    pub(crate) fn has_signed(&self, algorithm: Signing, signed: &[u8], signature: &[u8]) -> bool {
        let Some(parameters) = algorithm.rsa() else {
            return false;
        };
        let parse = || {
            let key = self.public.to_parsed_public_key(parameters);
            (algorithm, key.ok())
        };
        match self.first.get_or_init(parse) {
            (first, key) if *first == algorithm => key
                .as_ref()
                .is_some_and(|key| key.verify_sig(signed, signature).is_ok()),
            _ => self.public.verify(parameters, signed, signature).is_ok(),
        }
    }
}

fn decrypting(components: &rsa::KeyPairComponents<Vec<u8>>) -> Option<OaepPrivateDecryptingKey> {
    let pair = rsa::KeyPair::from_components(components).ok()?;
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).ok()?;
    OaepPrivateDecryptingKey::new(key).ok()
}
