//! Paths of request targets: decoded, without dot segments, checked.

mod normalize;
mod unescape;

pub use normalize::{Normalized, normalize, normalize_into};
pub use unescape::{PathAndQuery, Unescape, split_unsafe, unescape};

/// A URI that no request may have: a broken or NUL escape, or a climb above the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUri;

/// The value of a hexadecimal digit.
fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The byte that `%XX` at the beginning of `escape` stands for.
fn decode(escape: &[u8]) -> Option<u8> {
    match escape {
        [b'%', high, low, ..] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    }
}
