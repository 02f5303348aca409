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

/// Position of the first byte that is not a letter, a digit or a dash: where the name of a usual
/// header line ends.
#[inline]
pub(crate) fn name_end(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let odd = not_plain(u64::from_le_bytes(*word));
        if odd != 0 {
            return Some(bytes.len() - rest.len() + first_byte(odd));
        }
        rest = tail;
    }
    rest.iter()
        .position(|&byte| NAME[usize::from(byte)] != NameByte::Plain)
        .map(|found| bytes.len() - rest.len() + found)
}

/// Position of the first CR, LF or NUL: what ends a header value or may not be in one.
#[must_use]
#[inline]
pub fn line_control(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let low = below_14(u64::from_le_bytes(*word));
        if low != 0 {
            // The first may be a tab, or another byte that means nothing.
            let first = first_byte(low);
            let found = if word.get(first).is_some_and(is_line_control) {
                Some(first)
            } else {
                word.iter().position(is_line_control)
            };
            if let Some(found) = found {
                return Some(bytes.len() - rest.len() + found);
            }
        }
        rest = tail;
    }
    // The last bytes, some of them for the second time, are less work than each of the rest.
    if last_word(bytes).is_some_and(|last| below_14(last) == 0) {
        return None;
    }
    let found = rest.iter().position(is_line_control)?;
    Some(bytes.len() - rest.len() + found)
}

#[inline]
fn is_line_control(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// The last eight bytes, or all of four to seven, some of these twice.
#[inline]
pub(crate) fn last_word(bytes: &[u8]) -> Option<u64> {
    if let Some(last) = bytes.last_chunk::<8>() {
        return Some(u64::from_le_bytes(*last));
    }
    let (first, last) = (bytes.first_chunk::<4>()?, bytes.last_chunk::<4>()?);
    Some(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
}

// Eight bytes are asked at once, the first of them being the lowest. An answer is the high bit
// of each byte that is meant. A sum may carry into the next byte, or a difference borrow from
// it, but only out of a byte that is meant itself, so that the first one is always right.

const HIGHS: u64 = each(0x80);

/// `byte` eight times.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Which of eight bytes the first high bit of `answer`, which has one, belongs to.
#[inline]
fn first_byte(answer: u64) -> usize {
    (answer.trailing_zeros() / 8) as usize
}

/// The bytes below 14, which CR, LF and NUL are.
#[inline]
fn below_14(word: u64) -> u64 {
    word.wrapping_sub(each(14)) & !word & HIGHS
}

/// The bytes that are not [`NameByte::Plain`].
#[inline]
fn not_plain(word: u64) -> u64 {
    // Of bytes below 0x80.
    let at_least = |word: u64, least: u8| word.wrapping_add(each(0x80 - least));
    let lower = word | each(0x20);
    let letter = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    let digit = at_least(word, b'0') & !at_least(word, b'9' + 1);
    let dash = !at_least(word ^ each(b'-'), 1);
    !((letter | digit | dash) & !word) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight-at-a-time searches answer as the plain ones, wherever the byte stands.
    #[test]
    fn agrees_with_plain_searches() {
        for length in 0..40 {
            for at in 0..=length {
                for byte in 0..=255u8 {
                    check(length, &[(at, byte)]);
                }
            }
        }
    }

    /// What stands after a byte that is found changes nothing, nor does what before it is not.
    #[test]
    fn neighbours_do_not_matter() {
        for byte in 0..=255 {
            for other in 0..=255 {
                check(8, &[(3, byte), (4, other)]);
            }
        }
    }

    #[track_caller]
    fn check(length: usize, bytes: &[(usize, u8)]) {
        let mut text = vec![b'x'; length];
        for (at, byte) in bytes {
            if let Some(place) = text.get_mut(*at) {
                *place = *byte;
            }
        }
        let expected = text.iter().position(is_line_control);
        assert_eq!(line_control(&text), expected, "{text:?}");
        let is_odd = |byte: &u8| NAME[usize::from(*byte)] != NameByte::Plain;
        assert_eq!(name_end(&text), text.iter().position(is_odd), "{text:?}");
    }
}
