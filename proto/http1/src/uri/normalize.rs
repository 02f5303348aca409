//! The path that locations and files are looked up by.

use super::{BadUri, decode};
use std::ops::Range;

/// What [`normalize_into`] found beside the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalized {
    /// The query in the input: after the `?`, up to a `#` or the end.
    pub query: Option<Range<usize>>,
    /// Whether the path differs from what was sent.
    pub changed: bool,
    /// Whether it had an escape.
    pub quoted: bool,
    /// Whether it has a `+`, escaped or not.
    pub plus: bool,
}

/// Decodes and cleans `uri`, the path and query of a target; the path goes to `out`, which is
/// emptied first.
///
/// Escapes are decoded once, then `.` and `..` segments are resolved, escaped or not, and with
/// `merge_slashes` several slashes become one. `%25`, `%23` and `%3F` become plain text that
/// means nothing further. A `#` ends the path and the query. An empty path is `/`.
///
/// The path begins with `/`, and has no NUL, no `/./` and no `/../`. Escaped again
/// (`base::escape::Uri::Path`) it normalises to itself.
///
/// # Errors
///
/// [`BadUri`] for a `%` without two hexadecimal digits, for `%00`, for a `..` above the root,
/// and for a path that does not begin with `/`.
///
/// Source: `ngx_http_parse_complex_uri()`, nginx 1.31.5.
pub fn normalize_into(
    uri: &[u8],
    merge_slashes: bool,
    out: &mut Vec<u8>,
) -> Result<Normalized, BadUri> {
    out.clear();
    let path_len = uri
        .iter()
        .position(|byte| b"?#".contains(byte))
        .unwrap_or(uri.len());
    let path = uri.get(..path_len).unwrap_or_default();
    let mut found = Normalized {
        query: query(uri, path_len),
        ..Normalized::default()
    };

    let mut segments = Segments {
        out,
        start: 0,
        merge_slashes,
    };
    segments.slash()?;
    let mut rest = match path.split_first() {
        None => &[][..],
        Some((b'/', rest)) => rest,
        Some(_) => return Err(BadUri),
    };
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = if byte == b'%' {
            found.quoted = true;
            (
                decode(rest).ok_or(BadUri)?,
                rest.get(3..).unwrap_or_default(),
            )
        } else {
            (byte, tail)
        };
        found.plus |= byte == b'+';
        match byte {
            0 => return Err(BadUri),
            b'/' => segments.slash()?,
            _ => segments.out.push(byte),
        }
        rest = tail;
    }
    segments.resolve_dots()?;

    found.changed = out.as_slice() != path;
    Ok(found)
}

/// As [`normalize_into`], into a vector of its own.
///
/// # Errors
///
/// As [`normalize_into`].
pub fn normalize(uri: &[u8], merge_slashes: bool) -> Result<(Vec<u8>, Normalized), BadUri> {
    let mut out = Vec::with_capacity(uri.len() + 1);
    let found = normalize_into(uri, merge_slashes, &mut out)?;
    Ok((out, found))
}

fn query(uri: &[u8], path_len: usize) -> Option<Range<usize>> {
    let (b'?', query) = uri.get(path_len..)?.split_first()? else {
        return None;
    };
    let length = memchr::memchr(b'#', query).unwrap_or(query.len());
    let start = path_len + 1;
    Some(start..start + length)
}

/// The path so far; its last segment may still turn out to be `.` or `..`.
struct Segments<'a> {
    out: &'a mut Vec<u8>,
    /// Where the last segment begins, after its slash.
    start: usize,
    merge_slashes: bool,
}

impl Segments<'_> {
    /// Ends the last segment with a slash, and begins the next one.
    fn slash(&mut self) -> Result<(), BadUri> {
        // A resolved dot segment has left its slash behind.
        if self.resolve_dots()? {
            return Ok(());
        }
        let is_empty = self.out.len() == self.start;
        if self.out.is_empty() || !is_empty || !self.merge_slashes {
            self.out.push(b'/');
        }
        self.start = self.out.len();
        Ok(())
    }

    /// Takes the last segment away if it is `.`, and the one before too if it is `..`.
    fn resolve_dots(&mut self) -> Result<bool, BadUri> {
        match self.out.get(self.start..) {
            Some(b".") => {
                self.out.truncate(self.start);
                Ok(true)
            }
            Some(b"..") => {
                let before = self.start.checked_sub(1).ok_or(BadUri)?;
                let parents = self.out.get(..before).unwrap_or_default();
                let slash = memchr::memrchr(b'/', parents).ok_or(BadUri)?;
                self.start = slash + 1;
                self.out.truncate(self.start);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::escape;

    #[track_caller]
    fn check(uri: &str, path: Option<&str>) {
        let found = normalize(uri.as_bytes(), true).ok();
        let found = found.map(|(path, _)| String::from_utf8_lossy(&path).into_owned());
        assert_eq!(found.as_deref(), path, "{uri}");
    }

    #[test]
    fn decodes_merges_and_resolves() {
        for (uri, path) in [
            ("/", "/"),
            ("", "/"),
            ("?a", "/"),
            ("/a/b", "/a/b"),
            ("//a///b//", "/a/b/"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/../..", "/"),
            ("/a//../b", "/b"),
            ("/a/..//b", "/b"),
            ("/%61%2Fb", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2f..%2fb", "/b"),
            ("/%2561", "/%61"),
            ("/%23%3f%25?x", "/#?%"),
            ("/a#b?c", "/a"),
            ("/a/..#b", "/"),
            ("/a/.?b", "/a/"),
            ("/...", "/..."),
            ("/..a/.b/a..", "/..a/.b/a.."),
            ("/a\\..\\b", "/a\\..\\b"),
            ("/%E9", "/\u{fffd}"),
            ("/a;/..;/b", "/a;/..;/b"),
        ] {
            check(uri, Some(path));
        }
    }

    #[test]
    fn refuses_bad_escapes_and_climbs() {
        for uri in [
            "/..",
            "/../a",
            "/a/../..",
            "/a/../../b",
            "/%2e%2e/",
            "/%",
            "/%4",
            "/%4x",
            "/%x4",
            "/%00",
            "/a%00b",
            "/\0",
            "a",
            "*",
            "%2f",
            "/a/%2e%2e%2f..",
        ] {
            check(uri, None);
        }
    }

    #[test]
    fn slashes_may_be_kept() {
        let keep = |uri: &str| {
            let (path, _) = normalize(uri.as_bytes(), false).unwrap();
            String::from_utf8(path).unwrap()
        };
        assert_eq!(keep("//a///b//"), "//a///b//");
        assert_eq!(keep("/a//../b"), "/a/b");
        assert_eq!(keep("/a/.//b"), "/a//b");
        assert_eq!(keep("/a%2f%2fb"), "/a//b");
    }

    #[test]
    fn tells_what_it_found() {
        let (_, found) = normalize(b"/a%2Bb?c=d?e#f", true).unwrap();
        assert_eq!(found.query, Some(7..12));
        assert!(found.changed && found.quoted && found.plus);

        let (_, found) = normalize(b"/a", true).unwrap();
        assert_eq!(found, Normalized::default());
        assert_eq!(normalize(b"/a?", true).unwrap().1.query, Some(3..3));
        assert_eq!(normalize(b"/a#?b", true).unwrap().1.query, None);
    }

    /// All short texts of the bytes that mean something: what comes out is clean, and once
    /// escaped it comes out the same.
    #[test]
    fn is_clean_and_stays_so() {
        const ALPHABET: &[u8] = b"/.%2eFa?#+";
        let mut text = Vec::new();
        for code in 0..10u32.pow(6) {
            text.clear();
            text.push(b'/');
            let mut code = code;
            for _ in 0..6 {
                text.push(ALPHABET[code as usize % 10]);
                code /= 10;
            }
            for merge in [true, false] {
                let Ok((path, _)) = normalize(&text, merge) else {
                    continue;
                };
                assert_clean(&path, merge, &text);
            }
        }
    }

    fn assert_clean(path: &[u8], merge: bool, text: &[u8]) {
        let has = |part: &[u8]| path.windows(part.len()).any(|window| window == part);
        let ends = path.ends_with(b"/.") || path.ends_with(b"/..");
        let doubled = merge && has(b"//");
        let is_bad = ends || doubled || has(b"/./") || has(b"/../");
        assert!(path.starts_with(b"/") && !is_bad, "{}", text.escape_ascii());

        let mut escaped = Vec::new();
        escape::uri(escape::Uri::Path, path, &mut escaped);
        assert_eq!(
            normalize(&escaped, merge).unwrap().0,
            path,
            "{}",
            text.escape_ascii()
        );
    }
}
