//! Small questions about byte strings.

use crate::words;

/// `text` without the bytes of `set` at its two ends.
#[must_use]
pub fn trim_set<'a>(text: &'a [u8], set: &[u8]) -> &'a [u8] {
    let start = text
        .iter()
        .position(|byte| !set.contains(byte))
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| !set.contains(byte))
        .map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// `text` without the spaces and tabs around it: the blanks of HTTP (RFC 9110 section 5.6.3).
#[must_use]
pub fn trim_blanks(text: &[u8]) -> &[u8] {
    trim_set(text, b" \t")
}

/// Position of `needle` in `text`, whatever the case of its ASCII letters.
#[must_use]
pub fn find_ignore_case(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    text.windows(needle.len())
        .position(|window| window.eq_ignore_ascii_case(needle))
}

/// Whether `text` begins with `prefix`, whatever the case of its ASCII letters.
#[must_use]
pub fn starts_with_ignore_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether the comma-separated `list` has `token`, whatever the case of its letters: how
/// `Connection` and its like are asked (RFC 9110 section 5.6.1).
#[must_use]
pub fn list_has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',')
        .any(|item| trim_blanks(item).eq_ignore_ascii_case(token))
}

/// Splits at the first `separator`, which goes to neither part.
#[must_use]
pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Whether both are the same, in a time that does not tell where they differ: for what must not
/// be guessed byte by byte. That they are of different lengths may be told.
#[must_use]
pub fn is_same_secret(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

/// Whether `text` may stand in a header: no CR, LF or NUL.
#[must_use]
pub fn is_header_safe(text: &[u8]) -> bool {
    words::line_control(text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims() {
        assert_eq!(trim_blanks(b" \ta b\t "), b"a b");
        assert_eq!(trim_blanks(b" \t"), b"");
        assert_eq!(trim_set(b"//a//", b"/"), b"a");
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same_secret(b"", b""));
        assert!(is_same_secret(b"abc", b"abc"));
        for other in [&b"abd"[..], b"bbc", b"ab", b"abcd", b""] {
            assert!(!is_same_secret(b"abc", other));
        }
    }

    #[test]
    fn finds_without_case() {
        assert_eq!(find_ignore_case(b"Keep-Alive", b"ALIVE"), Some(5));
        assert_eq!(find_ignore_case(b"a", b"ab"), None);
        assert_eq!(find_ignore_case(b"a", b""), Some(0));
        assert!(starts_with_ignore_case(b"Basic x", b"basic "));
        assert!(!starts_with_ignore_case(b"Bas", b"basic "));
        assert!(list_has_token(b"a, Close ,b", b"close"));
        assert!(!list_has_token(b"closed", b"close"));
    }

    #[test]
    fn splits_and_checks() {
        assert_eq!(split_once(b"a=b=c", b'='), Some((&b"a"[..], &b"b=c"[..])));
        assert_eq!(split_once(b"a", b'='), None);
        assert!(is_header_safe(b"a\tb\xff") && !is_header_safe(b"a\rb"));
        assert!(!is_header_safe(b"\n") && !is_header_safe(b"\0"));
    }
}
