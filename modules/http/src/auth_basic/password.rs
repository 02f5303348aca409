//! A stored password, in whatever form, against one that a client gave.

use base::bytes::is_same_secret;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest, Md5};
use sha1::Sha1;

/// Files come with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Bytes of a SHA-1 digest.
const SHA1_LEN: usize = 20;

/// Bytes of an `apr1` salt that count.
const APR1_SALT_MAX: usize = 8;

/// Rounds of `apr1`.
const APR1_ROUNDS: usize = 1000;

/// What comparing takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// Microseconds.
    Low,
    /// Up to seconds, by design.
    High,
}

/// A stored password. Source: nginx documentation, `auth_basic_user_file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Password {
    /// `{PLAIN}`: as it is.
    Plain(Vec<u8>),
    /// `{SHA}` and `{SSHA}` (RFC 2307): SHA-1 of password and salt, then the salt.
    Sha(Vec<u8>),
    /// `$apr1$salt$hash`: Apache's variant of the MD5 scheme of FreeBSD.
    Apr1(Vec<u8>),
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt(String),
    /// Anything else: what crypt(3) knows.
    Crypt(Vec<u8>),
}

impl Password {
    /// Reads what a file says.
    pub(super) fn parse(text: &[u8]) -> Self {
        let base64 = |text| BASE64.decode(text).unwrap_or_default();
        if let Some(plain) = text.strip_prefix(b"{PLAIN}") {
            return Self::Plain(plain.to_vec());
        }
        if let Some(digest) = text.strip_prefix(b"{SSHA}") {
            return Self::Sha(base64(digest));
        }
        if let Some(digest) = text.strip_prefix(b"{SHA}") {
            let mut digest = base64(digest);
            digest.truncate(SHA1_LEN);
            return Self::Sha(digest);
        }
        if text.starts_with(b"$apr1$") {
            return Self::Apr1(text.to_vec());
        }
        match std::str::from_utf8(text) {
            Ok(text) if text.starts_with("$2") => Self::Bcrypt(text.to_owned()),
            _ => Self::Crypt(text.to_vec()),
        }
    }

    /// What [`Password::fits`] will take.
    pub(super) fn cost(&self) -> Cost {
        match self {
            Self::Plain(_) | Self::Sha(_) => Cost::Low,
            Self::Apr1(_) | Self::Bcrypt(_) | Self::Crypt(_) => Cost::High,
        }
    }

    /// Whether `given` is the password.
    pub(super) fn fits(&self, given: &[u8]) -> bool {
        match self {
            Self::Plain(plain) => is_same_secret(plain, given),
            Self::Sha(stored) => {
                let Some((digest, salt)) = stored.split_at_checked(SHA1_LEN) else {
                    return false;
                };
                is_same_secret(
                    digest,
                    &Sha1::new()
                        .chain_update(given)
                        .chain_update(salt)
                        .finalize(),
                )
            }
            Self::Apr1(stored) => is_same_secret(stored, &apr1(given, stored)),
            Self::Bcrypt(stored) => bcrypt::verify(given, stored).unwrap_or(false),
            Self::Crypt(stored) => {
                sys::crypt::crypt(given, stored).is_some_and(|hash| is_same_secret(stored, &hash))
            }
        }
    }
}

/// The whole `$apr1$salt$hash` of `password` with the salt of `stored`.
///
/// Source: the MD5 scheme of crypt(5), with another name.
fn apr1(password: &[u8], stored: &[u8]) -> Vec<u8> {
    const MAGIC: &[u8] = b"$apr1$";
    let salt = stored.strip_prefix(MAGIC).unwrap_or_default();
    let salt = salt.split(|byte| *byte == b'$').next().unwrap_or_default();
    let salt = &salt[..salt.len().min(APR1_SALT_MAX)];

    let inner = Md5::new().chain_update(password).chain_update(salt);
    let inner = inner.chain_update(password).finalize();
    let mut first = Md5::new()
        .chain_update(password)
        .chain_update(MAGIC)
        .chain_update(salt);
    for part in password.chunks(inner.len()) {
        first.update(&inner[..part.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        // A zero byte, or the password's first.
        first.update(if bits & 1 == 1 { &[0] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest: [u8; 16] = first.finalize().into();
    for round in 0..APR1_ROUNDS {
        digest = apr1_round(round, password, salt, &digest);
    }

    let mut out = [MAGIC, salt, b"$"].concat();
    for (high, middle, low) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        push_base64(&[digest[high], digest[middle], digest[low]], 4, &mut out);
    }
    push_base64(&[0, 0, digest[11]], 2, &mut out);
    out
}

fn apr1_round(round: usize, password: &[u8], salt: &[u8], digest: &[u8; 16]) -> [u8; 16] {
    let is_odd = round % 2 == 1;
    let (start, end) = if is_odd {
        (password, &digest[..])
    } else {
        (&digest[..], password)
    };
    let mut md5 = Md5::new().chain_update(start);
    if !round.is_multiple_of(3) {
        md5.update(salt);
    }
    if !round.is_multiple_of(7) {
        md5.update(password);
    }
    md5.chain_update(end).finalize().into()
}

/// Appends `count` letters of crypt's alphabet, six bits each, lowest first.
fn push_base64(bytes: &[u8; 3], count: usize, out: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut value = bytes
        .iter()
        .fold(0usize, |value, byte| value << 8 | usize::from(*byte));
    for _ in 0..count {
        out.push(LETTERS[value & 63]);
        value >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl passwd`, `openssl dgst -sha1` and `perl -e 'print crypt(...)'`.
    const SECRET: &[&str] = &[
        "{PLAIN}password",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g",
        APR1,
        "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.",
        "sa3tHJ3/KuYvI",
        BCRYPT,
        SSHA,
    ];
    const APR1: &str = "$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0";
    const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm";
    const SSHA: &str = "{SSHA}h1QbhpcpPHrlzUW5QglCeBdx6ihzYWx0MQ==";

    #[test]
    fn every_form_knows_its_password() {
        for stored in SECRET {
            let stored = Password::parse(stored.as_bytes());
            assert!(stored.fits(b"password"), "{stored:?}");
            for wrong in [&b"passwore"[..], b"", b"pass", b"pass\0word"] {
                assert!(!stored.fits(wrong), "{stored:?}");
            }
        }
    }

    #[test]
    fn long_and_empty_passwords_by_apr1() {
        let long = "0123456789abcdefghijklmnopqrstuvwxyz";
        let stored = Password::parse(b"$apr1$ab$lmG7gty99GUL5bWLzSIf3/");
        assert!(stored.fits(long.as_bytes()));
        let stored = Password::parse(b"$apr1$q$qnoBAcGhblL0pIKbcxCkt0");
        assert!(stored.fits(b""));
    }

    #[test]
    fn what_is_no_hash_fits_nothing() {
        for stored in ["", "{SHA}", "{SSHA}xxx", "$2b$x", "$apr1$", "plain", "*"] {
            let stored = Password::parse(stored.as_bytes());
            for given in [&b"plain"[..], b"", b"*"] {
                assert!(!stored.fits(given), "{stored:?}");
            }
        }
    }

    #[test]
    fn only_made_to_be_slow_is_slow() {
        let cost = |stored: &str| Password::parse(stored.as_bytes()).cost();
        assert_eq!(cost("{PLAIN}x"), Cost::Low);
        assert_eq!(cost(SSHA), Cost::Low);
        assert_eq!(cost(APR1), Cost::High);
        assert_eq!(cost("$6$x$y"), Cost::High);
    }
}
