//! The number in the cookie: 16 bytes, in Base64.
//!
//! ```text
//! first form (bytes in the machine's order): service, time, start and pid, sequence
//! second form (bytes in network order):      service, time, start and pid, sequence
//! ```
//!
//! Source: nginx documentation, ngx_http_userid_module; what mod_uid of Apache reads too.

use base64::Engine;
use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many bytes of a cookie's value hold the number. What follows is a mark, or what old
/// browsers made of the padding.
pub(super) const TEXT_LENGTH: usize = 22;

/// A number, as nginx keeps it: four words in the machine's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uid([u32; 4]);

/// Base64 without padding; bits beyond the last byte do not matter.
const BASE64: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What the second form's sequence begins with, and with it every byte of such a number.
const SEQUENCE_V2_FIRST: u32 = 0x0303_0302;

static SEQUENCE_V1: AtomicU32 = AtomicU32::new(1);
static SEQUENCE_V2: AtomicU32 = AtomicU32::new(SEQUENCE_V2_FIRST);

/// What tells this process from others that give out numbers in the same second.
fn start() -> u32 {
    static START: OnceLock<u32> = OnceLock::new();
    *START.get_or_init(|| {
        let micros = sys::clock::wall().nanos / 1000;
        ((micros / 20) << 16) | sys::process::id()
    })
}

/// Seconds since 1970 in 32 bits, which is what the number has room for.
fn seconds(now: i64) -> u32 {
    u32::try_from(now & i64::from(u32::MAX)).unwrap_or(0)
}

impl Uid {
    /// A new number of the first form.
    pub(super) fn new_v1(service: u32, now: i64) -> Self {
        let sequence = SEQUENCE_V1.fetch_add(0x100, Ordering::Relaxed);
        Self([service, seconds(now), start(), sequence])
    }

    /// A new number of the second form.
    pub(super) fn new_v2(service: [u8; 4], now: i64) -> Self {
        let after = |sequence: u32| sequence.wrapping_add(0x100).max(SEQUENCE_V2_FIRST);
        let sequence = SEQUENCE_V2
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(after(last))
            })
            .unwrap_or(SEQUENCE_V2_FIRST);
        Self([
            u32::from_ne_bytes(service),
            seconds(now).to_be(),
            start().to_be(),
            sequence.to_be(),
        ])
    }

    /// Reads the number at the start of a cookie's value.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let bytes = BASE64.decode(text.get(..TEXT_LENGTH)?).ok()?;
        let (words, []) = bytes.as_chunks::<4>() else {
            return None;
        };
        let words: &[[u8; 4]; 4] = words.try_into().ok()?;
        Some(Self(words.map(u32::from_ne_bytes)))
    }

    /// The cookie's value, with `mark` for the first byte of the padding.
    pub(super) fn encode(self, mark: Option<u8>) -> Vec<u8> {
        let bytes = self.0.map(u32::to_ne_bytes);
        let mut text = BASE64.encode(bytes.as_flattened()).into_bytes();
        text.extend_from_slice(&[mark.unwrap_or(b'='), b'=']);
        text
    }

    /// Whether it is a number that was given out: those have a sequence.
    pub(super) fn is_valid(self) -> bool {
        self.0[3] != 0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:08X}"))
    }
}

/// The cookie's value with another mark.
pub(super) fn remarked(text: &[u8], mark: Option<u8>) -> Vec<u8> {
    let number = text.get(..TEXT_LENGTH).unwrap_or(text);
    [number, &[mark.unwrap_or(b'='), b'=']].concat()
}

/// Whether a cookie's value has the mark; without one to have, every value does.
pub(super) fn has_mark(text: &[u8], mark: Option<u8>) -> bool {
    mark.is_none_or(|mark| text.get(TEXT_LENGTH..TEXT_LENGTH + 2) == Some(&[mark, b'=']))
}

/// What stands for the service where none is configured: the end of the server's address.
pub(super) fn service_of(address: Option<IpAddr>) -> [u8; 4] {
    match address {
        Some(IpAddr::V4(v4)) => v4.octets(),
        Some(IpAddr::V6(v6)) => v6.octets().last_chunk().copied().unwrap_or_default(),
        None => [0; 4],
    }
}

/// The value of cookie `name` in a `Cookie` field; the name's case does not matter.
///
/// Source: `ngx_http_parse_multi_header_lines()`, nginx 1.31.5.
pub(super) fn find_cookie<'f>(field: &'f [u8], name: &[u8]) -> Option<&'f [u8]> {
    field.split(|byte| *byte == b';').find_map(|pair| {
        let (known, value) = base::bytes::split_once(pair, b'=')?;
        let known = base::bytes::trim_set(known, b" ");
        let is_it = known.eq_ignore_ascii_case(name);
        is_it.then(|| match value.iter().position(|byte| *byte != b' ') {
            Some(start) => &value[start..],
            None => b"",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_four_words_in_base64() {
        let uid = Uid([0x0100_007f, 0x5100_0000, 0, 0x0203_0303]);
        let bytes = uid.0.map(u32::to_ne_bytes);
        let text = uid.encode(None);
        assert_eq!(text.len(), 24);
        assert_eq!(Uid::decode(&text), Some(uid));
        assert_eq!(Uid::decode(&uid.encode(Some(b'x'))), Some(uid));
        if cfg!(target_endian = "little") {
            assert_eq!(bytes[0], [127, 0, 0, 1]);
            assert_eq!(text, b"fwAAAQAAAFEAAAAAAwMDAg==");
        }
        assert_eq!(uid.to_string(), "0100007F510000000000000002030303");
        assert_eq!(Uid::decode(b"fwAAAQAAAFEAAAAAAwMDA"), None);
        assert_eq!(Uid::decode(b"fwAAAQAAAFEAAAAAAwMD*g"), None);
    }

    #[test]
    fn new_numbers_differ_and_have_a_sequence() {
        let (one, two) = (Uid::new_v1(5, 1), Uid::new_v1(5, 1));
        assert_ne!(one, two);
        assert!(one.is_valid() && two.is_valid());
        assert_eq!(one.0[..2], [5, 1]);
        let (one, two) = (
            Uid::new_v2([127, 0, 0, 1], 1),
            Uid::new_v2([127, 0, 0, 1], 1),
        );
        assert_ne!(one, two);
        assert_eq!(one.0[0].to_ne_bytes(), [127, 0, 0, 1]);
        assert_eq!(one.0[1].to_ne_bytes(), [0, 0, 0, 1]);
        assert_eq!(one.0[3].to_ne_bytes()[..1], [3]);
    }

    #[test]
    fn marks_follow_the_number() {
        let text = b"fwAAAQAAAFEAAAAAAwMDAgx=";
        assert!(has_mark(text, None));
        assert!(has_mark(text, Some(b'x')));
        assert!(!has_mark(text, Some(b'y')));
        assert!(!has_mark(b"fwAAAQAAAFEAAAAAAwMDAg", Some(b'x')));
        assert_eq!(remarked(text, Some(b'y')), b"fwAAAQAAAFEAAAAAAwMDAgy=");
    }

    #[test]
    fn cookies_are_found_by_name() {
        assert_eq!(find_cookie(b"a=1; uid=2; b=3", b"uid"), Some(&b"2"[..]));
        assert_eq!(find_cookie(b"UID = 2=3", b"uid"), Some(&b"2=3"[..]));
        assert_eq!(find_cookie(b"xuid=1", b"uid"), None);
        assert_eq!(find_cookie(b"uid", b"uid"), None);
        assert_eq!(find_cookie(b"uid=", b"uid"), Some(&b""[..]));
    }
}
