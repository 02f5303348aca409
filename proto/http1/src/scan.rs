//! Finding the bytes that mean something, many at a time.

/// What a byte means in a request target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum UriByte {
    Plain,
    Slash,
    Dot,
    Percent,
    Question,
    Hash,
    Plus,
    Space,
    Cr,
    Lf,
    Bad,
}

/// By byte: its meaning in a target. Control bytes are refused, bytes from 0x80 are text.
pub(crate) const URI: [UriByte; 256] = {
    let mut table = [UriByte::Plain; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = UriByte::Bad;
        byte += 1;
    }
    table[0x7f] = UriByte::Bad;
    table[b'/' as usize] = UriByte::Slash;
    table[b'.' as usize] = UriByte::Dot;
    table[b'%' as usize] = UriByte::Percent;
    table[b'?' as usize] = UriByte::Question;
    table[b'#' as usize] = UriByte::Hash;
    table[b'+' as usize] = UriByte::Plus;
    table[b' ' as usize] = UriByte::Space;
    table[b'\r' as usize] = UriByte::Cr;
    table[b'\n' as usize] = UriByte::Lf;
    table
};

/// What a byte means in a header name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameByte {
    /// A letter, a digit or a dash.
    Plain,
    Underscore,
    Colon,
    LineEnd,
    /// Makes the name invalid; the line may still be ignored.
    Odd,
    /// Makes the request invalid.
    Bad,
}

/// By byte: its meaning in a header name.
pub(crate) const NAME: [NameByte; 256] = {
    let mut table = [NameByte::Odd; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            table[byte as usize] = NameByte::Plain;
        } else if byte <= 0x20 || byte == 0x7f {
            table[byte as usize] = NameByte::Bad;
        }
        byte += 1;
    }
    table[b'_' as usize] = NameByte::Underscore;
    table[b':' as usize] = NameByte::Colon;
    table[b'\r' as usize] = NameByte::LineEnd;
    table[b'\n' as usize] = NameByte::LineEnd;
    table
};

/// Position of the first CR, LF or NUL: what ends a header value or may not be in one.
#[must_use]
#[inline]
pub fn line_control(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        if has_below_14(u64::from_le_bytes(*word))
            && let Some(found) = word.iter().position(|&byte| is_line_control(byte))
        {
            return Some(at + found);
        }
        at += word.len();
        rest = tail;
    }
    // The last eight bytes, some of them for the second time, are less work than each of the rest.
    if let Some(last) = bytes.last_chunk::<8>()
        && !has_below_14(u64::from_le_bytes(*last))
    {
        return None;
    }
    rest.iter()
        .position(|&byte| is_line_control(byte))
        .map(|found| at + found)
}

#[inline]
fn is_line_control(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// Whether one of eight bytes may be below 14, which CR, LF and NUL are. A subtraction that
/// borrows from the next byte can only accuse a byte after one that is below 14.
#[inline]
fn has_below_14(word: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    word.wrapping_sub(ONES.wrapping_mul(14)) & !word & HIGHS != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight-at-a-time search answers as the plain one, wherever the byte stands.
    #[test]
    fn line_control_agrees_with_a_plain_search() {
        for length in 0..40 {
            for at in 0..=length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'x'; length];
                    if let Some(place) = text.get_mut(at) {
                        *place = byte;
                    }
                    let expected = text.iter().position(|&byte| is_line_control(byte));
                    assert_eq!(line_control(&text), expected, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
