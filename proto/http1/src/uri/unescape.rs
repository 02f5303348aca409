//! Escapes taken out of URIs that are not request targets.

use super::{BadUri, hex_digit};
use std::borrow::Cow;

/// How far, and what, to decode.
///
/// Source: `ngx_unescape_uri()`, nginx 1.31.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unescape {
    /// Everything.
    All,
    /// `NGX_UNESCAPE_URI`: up to and including the first `?`, escaped or not.
    Path,
    /// `NGX_UNESCAPE_REDIRECT`: as `Path`, and only what is printable and after `%` in ASCII.
    Redirect,
}

/// Appends `bytes` to `out` without their escapes, and answers how many bytes it has read:
/// all of them, or up to and including the `?` where it stopped.
///
/// A `%` without two hexadecimal digits loses itself and its first digit, as in nginx; a digit
/// that is none stays if it is the first one.
pub fn unescape(kind: Unescape, bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'%' {
            out.push(byte);
            if byte == b'?' && kind != Unescape::All {
                return at;
            }
            continue;
        }

        let Some(&first) = bytes.get(at) else {
            break;
        };
        at += 1;
        let Some(high) = hex_digit(first) else {
            out.push(first);
            continue;
        };
        let Some(&second) = bytes.get(at) else {
            break;
        };
        at += 1;
        let Some(low) = hex_digit(second) else {
            continue;
        };

        let decoded = high << 4 | low;
        if kind == Unescape::Redirect && !(b'&'..0x7f).contains(&decoded) {
            out.extend_from_slice(&[b'%', first, second]);
            continue;
        }
        out.push(decoded);
        if decoded == b'?' && kind != Unescape::All {
            return at;
        }
    }
    at
}

/// A decoded path, and the query as it was.
pub type PathAndQuery<'a> = (Cow<'a, [u8]>, Option<&'a [u8]>);

/// Splits a URI that came from elsewhere than a client (a header of an upstream, an SSI
/// command) into its decoded path and its query, if it is safe to look up.
///
/// # Errors
///
/// [`BadUri`] for an empty path, a NUL, and a `..` segment, escaped or not.
///
/// Source: `ngx_http_parse_unsafe_uri()`, nginx 1.31.5.
pub fn split_unsafe(uri: &[u8]) -> Result<PathAndQuery<'_>, BadUri> {
    let (path, query) = match memchr::memchr(b'?', uri) {
        Some(at) => (uri.get(..at).unwrap_or_default(), uri.get(at + 1..)),
        None => (uri, None),
    };
    if !is_safe(path) {
        return Err(BadUri);
    }
    if memchr::memchr(b'%', path).is_none() {
        return Ok((Cow::Borrowed(path), query));
    }

    let mut decoded = Vec::with_capacity(path.len());
    unescape(Unescape::All, path, &mut decoded);
    if !is_safe(&decoded) {
        return Err(BadUri);
    }
    Ok((Cow::Owned(decoded), query))
}

fn is_safe(path: &[u8]) -> bool {
    let climbs = path
        .split(|&byte| byte == b'/')
        .any(|segment| segment == b"..");
    !path.is_empty() && !climbs && memchr::memchr(0, path).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Unescape, text: &str, expected: &str, read: usize) {
        let mut out = Vec::new();
        let found = unescape(kind, text.as_bytes(), &mut out);
        assert_eq!(
            (String::from_utf8_lossy(&out).as_ref(), found),
            (expected, read),
            "{text}"
        );
    }

    #[test]
    fn unescapes_as_nginx() {
        check(Unescape::All, "a%20b%3Fc?d%25", "a b?c?d%", 14);
        check(Unescape::All, "%zz%4z%4", "zz", 8);
        check(Unescape::All, "%", "", 1);
        check(Unescape::Path, "a%20?b%20", "a ?", 5);
        check(Unescape::Path, "a%3fb", "a?", 4);
        check(
            Unescape::Redirect,
            "%41%20%25%26%7f%e9",
            "A%20%25&%7f%e9",
            18,
        );
        check(Unescape::Redirect, "a%3fb", "a?", 4);
    }

    #[test]
    fn unsafe_uris_are_split_or_refused() {
        let split = |uri: &'static str| split_unsafe(uri.as_bytes());
        assert_eq!(
            split("/a%20b?c%20"),
            Ok((Cow::Owned(b"/a b".to_vec()), Some(&b"c%20"[..])))
        );
        assert_eq!(split("a"), Ok((Cow::Borrowed(&b"a"[..]), None)));
        assert_eq!(
            split("/a..b/..c"),
            Ok((Cow::Borrowed(&b"/a..b/..c"[..]), None))
        );
        for uri in [
            "",
            "?a",
            "..",
            "../a",
            "/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a\0",
            "/%00",
        ] {
            assert_eq!(split(uri), Err(BadUri), "{uri}");
        }
    }
}
