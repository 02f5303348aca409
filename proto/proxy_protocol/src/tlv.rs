//! Records of version 2 (type, length, value), and those inside of the one about TLS.

use std::borrow::Cow;

/// Types of records.
pub mod kind {
    /// The protocol chosen by ALPN.
    pub const ALPN: u8 = 0x01;
    /// The host name that the client asked for: SNI.
    pub const AUTHORITY: u8 = 0x02;
    /// A checksum of the whole header.
    pub const CRC32C: u8 = 0x03;
    /// An opaque name of the connection.
    pub const UNIQUE_ID: u8 = 0x05;
    /// TLS: one byte of flags, four of verification result, records inside.
    pub const SSL: u8 = 0x20;
    /// Inside of [`SSL`]: `TLSv1.3` and the like.
    pub const SSL_VERSION: u8 = 0x21;
    /// Inside of [`SSL`]: common name of the client certificate.
    pub const SSL_CN: u8 = 0x22;
    /// Inside of [`SSL`]: cipher.
    pub const SSL_CIPHER: u8 = 0x23;
    /// Inside of [`SSL`]: signature algorithm of the certificate.
    pub const SSL_SIG_ALG: u8 = 0x24;
    /// Inside of [`SSL`]: key algorithm of the certificate.
    pub const SSL_KEY_ALG: u8 = 0x25;
    /// Name of the network namespace.
    pub const NETNS: u8 = 0x30;
}

/// Bytes of [`kind::SSL`] before its own records.
const SSL_FIXED: usize = 5;

/// The records of a header. They are looked through when asked for, as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
}

/// A record is longer than what is there. nginx logs `broken PROXY protocol TLV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenTlv;

/// No record can have this name: `$proxy_protocol_tlv_` is followed by something unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTlv;

impl<'a> Tlvs<'a> {
    /// The records in `bytes`, which are kept as they are.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The records as received, to be kept beyond the receive buffer.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records one after the other; the last one may be an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<(u8, &'a [u8]), BrokenTlv>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (record, tail) = split_record(rest).map_or((Err(BrokenTlv), &[][..]), |record| {
                let (kind, value, tail) = record;
                (Ok((kind, value)), tail)
            });
            rest = tail;
            Some(record)
        })
    }

    /// The value of the first record of `kind`.
    ///
    /// # Errors
    ///
    /// [`BrokenTlv`] if one before it is broken.
    pub fn find(&self, kind: u8) -> Result<Option<&'a [u8]>, BrokenTlv> {
        for record in self.iter() {
            let (found, value) = record?;
            if found == kind {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The value of a record inside of the one about TLS.
    ///
    /// # Errors
    ///
    /// [`BrokenTlv`] if a record before it is broken, or the one about TLS too short.
    pub fn find_ssl(&self, kind: u8) -> Result<Option<&'a [u8]>, BrokenTlv> {
        let Some(ssl) = self.find(kind::SSL)? else {
            return Ok(None);
        };
        Tlvs::new(ssl.get(SSL_FIXED..).ok_or(BrokenTlv)?).find(kind)
    }

    /// The verification result of the record about TLS: 0 for a valid client certificate.
    ///
    /// # Errors
    ///
    /// [`BrokenTlv`] if a record before it is broken, or the one about TLS too short.
    pub fn ssl_verify(&self) -> Result<Option<u32>, BrokenTlv> {
        let Some(ssl) = self.find(kind::SSL)? else {
            return Ok(None);
        };
        match ssl {
            [_flags, verify @ ..] => {
                let verify = verify.first_chunk().ok_or(BrokenTlv)?;
                Ok(Some(u32::from_be_bytes(*verify)))
            }
            [] => Err(BrokenTlv),
        }
    }

    /// The value of `$proxy_protocol_tlv_NAME`; `name` is `alpn`, `ssl_cn`, `ssl_verify`,
    /// `0x05`, `ssl_0x21` and so on. `None` where there is no such record, or a broken one.
    ///
    /// # Errors
    ///
    /// [`UnknownTlv`] for a name that nginx does not know. [`check_name`](Self::check_name)
    /// asks that of a configuration.
    ///
    /// Source: `ngx_proxy_protocol_get_tlv()`, nginx 1.31.5.
    pub fn value(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, UnknownTlv> {
        let found = match Name::parse(name).ok_or(UnknownTlv)? {
            Name::Plain(kind) => self.find(kind),
            Name::Ssl(kind) => self.find_ssl(kind),
            Name::SslVerify => {
                let verify = self.ssl_verify().unwrap_or_default();
                return Ok(verify.map(|verify| Cow::Owned(verify.to_string().into_bytes())));
            }
        };
        Ok(found.unwrap_or_default().map(Cow::Borrowed))
    }

    /// Whether [`value`](Self::value) knows `name`.
    #[must_use]
    pub fn check_name(name: &str) -> bool {
        Name::parse(name).is_some()
    }
}

/// Which record a variable's name asks for.
enum Name {
    Plain(u8),
    Ssl(u8),
    SslVerify,
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        if let Some(inner) = name.strip_prefix("ssl_") {
            return Some(match inner {
                "verify" => Self::SslVerify,
                "version" => Self::Ssl(kind::SSL_VERSION),
                "cn" => Self::Ssl(kind::SSL_CN),
                "cipher" => Self::Ssl(kind::SSL_CIPHER),
                "sig_alg" => Self::Ssl(kind::SSL_SIG_ALG),
                "key_alg" => Self::Ssl(kind::SSL_KEY_ALG),
                _ => Self::Ssl(numeric(inner)?),
            });
        }
        Some(Self::Plain(match name {
            "alpn" => kind::ALPN,
            "authority" => kind::AUTHORITY,
            "unique_id" => kind::UNIQUE_ID,
            "ssl" => kind::SSL,
            "netns" => kind::NETNS,
            _ => numeric(name)?,
        }))
    }
}

/// `0x05`.
fn numeric(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("0x")?;
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Kind, value and what follows.
fn split_record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk()?;
    let (value, tail) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, value, tail))
}
