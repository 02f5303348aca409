//! Entity tags against `If-Match` and `If-None-Match`.

/// RFC 9110 section 8.8.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `If-Match`: the tags are the same bytes.
    Strong,
    /// `If-None-Match`: a `W/` before a tag does not count.
    Weak,
}

/// Whether `list`, the value of the header, names `etag`, the response's tag as it would be
/// sent. `*` names anything, even a response without a tag.
///
/// Source: `ngx_http_test_if_match()`, nginx 1.31.5.
#[must_use]
pub fn matches(list: &[u8], etag: Option<&[u8]>, comparison: Comparison) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(etag) = etag else {
        return false;
    };
    let etag = opaque(etag, comparison);

    let mut rest = list;
    while !rest.is_empty() {
        if let Some(after) = opaque(rest, comparison).strip_prefix(etag)
            && matches!(after.trim_ascii_start().first(), None | Some(b','))
        {
            return true;
        }
        // A tag may have a comma inside, which only makes more places to look at.
        let comma = memchr::memchr(b',', rest).unwrap_or(rest.len());
        let next = rest.get(comma..).unwrap_or_default();
        let blanks = next
            .iter()
            .take_while(|&&byte| matches!(byte, b' ' | b'\t' | b','))
            .count();
        rest = next.get(blanks..).unwrap_or_default();
    }
    false
}

/// Whether `If-Range` with this `value` names the response's `etag`: byte for byte, as nginx
/// compares them. Whether the value is a tag and not a date shows its last byte, a quote.
#[must_use]
pub fn if_range_matches(value: &[u8], etag: Option<&[u8]>) -> bool {
    etag.is_some_and(|etag| etag == value)
}

/// Whether a value of `If-Range` is an entity tag rather than a date.
#[must_use]
pub fn is_etag(value: &[u8]) -> bool {
    value.len() >= 2 && value.ends_with(b"\"")
}

fn opaque(tag: &[u8], comparison: Comparison) -> &[u8] {
    match (comparison, tag.strip_prefix(b"W/")) {
        (Comparison::Weak, Some(opaque)) if !opaque.is_empty() => opaque,
        _ => tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, etag: &str, strong: bool, weak: bool) {
        let etag = (!etag.is_empty()).then_some(etag.as_bytes());
        assert_eq!(
            matches(list.as_bytes(), etag, Comparison::Strong),
            strong,
            "strong {list}"
        );
        assert_eq!(
            matches(list.as_bytes(), etag, Comparison::Weak),
            weak,
            "weak {list}"
        );
    }

    #[test]
    fn lists_and_weak_tags() {
        check("*", "", true, true);
        check("\"a\"", "", false, false);
        check("\"a\"", "\"a\"", true, true);
        check("\"b\", \"a\"", "\"a\"", true, true);
        check("\"b\",\t ,\"a\" ,\"c\"", "\"a\"", true, true);
        check("\"b\"", "\"a\"", false, false);
        check("W/\"a\"", "\"a\"", false, true);
        check("\"a\"", "W/\"a\"", false, true);
        check("W/\"a\"", "W/\"a\"", true, true);
        check("\"a\"x", "\"a\"", false, false);
        check("\"a", "\"a\"", false, false);
        check("", "\"a\"", false, false);
        check("*, \"b\"", "\"a\"", false, false);
        check("\"a,b\"", "\"a,b\"", true, true);
    }

    #[test]
    fn if_range() {
        assert!(is_etag(b"\"a\"") && !is_etag(b"\"") && !is_etag(b"Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(if_range_matches(b"\"a\"", Some(b"\"a\"")));
        assert!(!if_range_matches(b"\"a\"", None));
        assert!(!if_range_matches(b"W/\"a\"", Some(b"\"a\"")));
    }
}
