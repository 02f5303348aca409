//! Algorithms by their names (RFC 7518, RFC 8037, RFC 8812).

use aws_lc_rs::aead;
use aws_lc_rs::cipher;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED,
    ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signing {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    Es256k,
    EdDsa,
}

impl Signing {
    /// The algorithm of this name. `none` is none.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "ES256K" => Self::Es256k,
            // The second is what RFC 9864 has instead.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    pub(crate) fn hmac(self) -> Option<hmac::Algorithm> {
        Some(match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        })
    }

    pub(crate) fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }

    pub(crate) fn curve(self) -> Option<Curve> {
        Some(match self {
            Self::Es256 => Curve::P256,
            Self::Es384 => Curve::P384,
            Self::Es512 => Curve::P521,
            Self::Es256k => Curve::Secp256k1,
            Self::EdDsa => Curve::Ed25519,
            _ => return None,
        })
    }
}

/// A curve, each of which has one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
    Ed25519,
}

impl Curve {
    /// The curve of `crv` in a key of type `kind`.
    pub(crate) fn parse(kind: &str, name: &str) -> Option<Self> {
        Some(match (kind, name) {
            ("EC", "P-256") => Self::P256,
            ("EC", "P-384") => Self::P384,
            ("EC", "P-521") => Self::P521,
            ("EC", "secp256k1") => Self::Secp256k1,
            ("OKP", "Ed25519") => Self::Ed25519,
            _ => return None,
        })
    }

    /// Bytes of a coordinate.
    pub(crate) fn coordinate(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 | Self::Ed25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
            Self::Secp256k1 => &ECDSA_P256K1_SHA256_FIXED,
            Self::Ed25519 => &ED25519,
        }
    }
}

/// Bits of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bits {
    B128,
    B192,
    B256,
}

impl Bits {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::B128 => 16,
            Self::B192 => 24,
            Self::B256 => 32,
        }
    }

    pub(crate) fn cipher(self) -> &'static cipher::Algorithm {
        match self {
            Self::B128 => &cipher::AES_128,
            Self::B192 => &cipher::AES_192,
            Self::B256 => &cipher::AES_256,
        }
    }

    pub(crate) fn gcm(self) -> &'static aead::Algorithm {
        match self {
            Self::B128 => &aead::AES_128_GCM,
            Self::B192 => &aead::AES_192_GCM,
            Self::B256 => &aead::AES_256_GCM,
        }
    }
}

/// How the key of an encrypted content is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Management {
    /// It is the shared key itself.
    Direct,
    /// AES key wrap (RFC 3394).
    Wrapped(Bits),
    /// AES-GCM.
    WrappedGcm(Bits),
    /// RSA-OAEP with this digest.
    Oaep(Digest),
}

/// A digest of RSA-OAEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Management {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "dir" => Self::Direct,
            "A128KW" => Self::Wrapped(Bits::B128),
            "A192KW" => Self::Wrapped(Bits::B192),
            "A256KW" => Self::Wrapped(Bits::B256),
            "A128GCMKW" => Self::WrappedGcm(Bits::B128),
            "A192GCMKW" => Self::WrappedGcm(Bits::B192),
            "A256GCMKW" => Self::WrappedGcm(Bits::B256),
            "RSA-OAEP" => Self::Oaep(Digest::Sha1),
            "RSA-OAEP-256" => Self::Oaep(Digest::Sha256),
            "RSA-OAEP-384" => Self::Oaep(Digest::Sha384),
            "RSA-OAEP-512" => Self::Oaep(Digest::Sha512),
            _ => return None,
        })
    }

    /// Whether a secret of so many bytes may be its key.
    pub(crate) fn fits_secret(self, length: usize) -> bool {
        match self {
            Self::Direct => true,
            Self::Wrapped(bits) | Self::WrappedGcm(bits) => length == bits.bytes(),
            Self::Oaep(_) => false,
        }
    }

    pub(crate) fn oaep(self) -> Option<&'static OaepAlgorithm> {
        match self {
            Self::Oaep(Digest::Sha1) => Some(&OAEP_SHA1_MGF1SHA1),
            Self::Oaep(Digest::Sha256) => Some(&OAEP_SHA256_MGF1SHA256),
            Self::Oaep(Digest::Sha384) => Some(&OAEP_SHA384_MGF1SHA384),
            Self::Oaep(Digest::Sha512) => Some(&OAEP_SHA512_MGF1SHA512),
            _ => None,
        }
    }
}

/// How a content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Gcm(Bits),
    /// AES-CBC with these bits, and HMAC with twice as many.
    CbcHmac(Bits),
}

impl Content {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "A128GCM" => Self::Gcm(Bits::B128),
            "A192GCM" => Self::Gcm(Bits::B192),
            "A256GCM" => Self::Gcm(Bits::B256),
            "A128CBC-HS256" => Self::CbcHmac(Bits::B128),
            "A192CBC-HS384" => Self::CbcHmac(Bits::B192),
            "A256CBC-HS512" => Self::CbcHmac(Bits::B256),
            _ => return None,
        })
    }

    /// Bytes of its key.
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Gcm(bits) => bits.bytes(),
            Self::CbcHmac(bits) => 2 * bits.bytes(),
        }
    }
}
