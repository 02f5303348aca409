//! What is found in text eight bytes at a time: ends of lines and names, words in any case.

/// Position of the first byte that is not a letter, a digit or a dash: where the name of a usual
/// header line ends.
#[must_use]
#[inline]
pub fn name_end(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let odd = not_plain(u64::from_le_bytes(*word));
        if odd != 0 {
            return Some(bytes.len() - rest.len() + first_byte(odd));
        }
        rest = tail;
    }
    let found = rest.iter().position(is_odd)?;
    Some(bytes.len() - rest.len() + found)
}

fn is_odd(byte: &u8) -> bool {
    !byte.is_ascii_alphanumeric() && *byte != b'-'
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

/// Whether `text` is `word`, which is of letters and dashes, whatever the case of the letters.
#[must_use]
#[inline]
pub fn is_word(text: &[u8], word: &[u8]) -> bool {
    if text.len() != word.len() {
        return false;
    }
    let (Some(text_end), Some(word_end)) = (last_word(text), last_word(word)) else {
        return text.eq_ignore_ascii_case(word);
    };
    let (texts, words) = (text.as_chunks::<8>().0, word.as_chunks::<8>().0);
    let mut starts = texts.iter().zip(words);
    is_same(text_end, word_end)
        && starts.all(|(a, b)| is_same(u64::from_le_bytes(*a), u64::from_le_bytes(*b)))
}

/// [`is_word`] for eight bytes: letters, unlike a dash, have the bit 0x40, and those of one case
/// the bit 0x20.
#[inline]
fn is_same(text: u64, word: u64) -> bool {
    let case = (word & each(0x40)) >> 1;
    (text ^ word) & !case == 0
}

/// The last eight bytes, or all of four to seven, some of these twice.
#[inline]
fn last_word(bytes: &[u8]) -> Option<u64> {
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

/// The bytes that are neither letters, digits nor dashes.
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
        assert_eq!(name_end(&text), text.iter().position(is_odd), "{text:?}");
    }

    #[test]
    fn words_in_any_case_and_no_others() {
        for word in [
            &b"te"[..],
            b"host",
            b"upgrade",
            b"keep-alive",
            b"X-Accel-Redirect",
        ] {
            assert!(is_word(&word.to_ascii_uppercase(), word));
            assert!(is_word(&word.to_ascii_lowercase(), word));
            assert!(!is_word(&word[1..], word) && !is_word(b"", word));
            for at in 0..word.len() {
                for byte in 0..=255 {
                    let mut text = word.to_vec();
                    text[at] = byte;
                    let expected = text.eq_ignore_ascii_case(word);
                    assert_eq!(is_word(&text, word), expected, "{text:?}");
                }
            }
        }
    }
}
