//! The `Range` header, as nginx reads it.

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Not ours to honour: send the whole body with 200.
    None,
    /// One part: 206 with `Content-Range`.
    Single(Range<u64>),
    /// Several parts: 206 with `multipart/byteranges`.
    Multiple(Vec<Range<u64>>),
    /// 416.
    Unsatisfiable,
}

/// What a part of a multipart answer costs beside its bytes, and how much of that nginx
/// grants where `max_ranges` is not set.
const PART_OVERHEAD: u64 = 256;
const OVERHEAD_GRANTED: u64 = 4096;

/// Reads `value` for a body of `content_length` bytes. `max_ranges` is the directive's number,
/// `None` where it is not set; more ranges than that, or ranges that overlap so much that they
/// are longer than the body, are answered with the whole body.
///
/// Source: `ngx_http_range_parse()`, nginx 1.31.5; RFC 9110 section 14.2.
#[must_use]
pub fn parse_ranges(value: &[u8], content_length: u64, max_ranges: Option<usize>) -> Ranges {
    let Some((unit, specs)) = value.split_at_checked(b"bytes=".len()) else {
        return Ranges::None;
    };
    if !unit.eq_ignore_ascii_case(b"bytes=") || specs.is_empty() || max_ranges == Some(0) {
        return Ranges::None;
    }

    let mut ranges = Vec::new();
    let mut total = 0u64;
    for spec in specs.split(|&byte| byte == b',') {
        let Some(spec) = Spec::parse(spec) else {
            return Ranges::Unsatisfiable;
        };
        let range = spec.within(content_length);
        if range.is_empty() {
            if range.start == 0 {
                return Ranges::None;
            }
            continue;
        }
        if max_ranges.is_some_and(|max| ranges.len() >= max) {
            return Ranges::None;
        }
        total = total.saturating_add(range.end - range.start);
        ranges.push(range);
    }
    choose(ranges, total, content_length, max_ranges)
}

fn choose(
    mut ranges: Vec<Range<u64>>,
    total: u64,
    content_length: u64,
    max_ranges: Option<usize>,
) -> Ranges {
    if ranges.len() < 2 {
        return ranges.pop().map_or(Ranges::Unsatisfiable, Ranges::Single);
    }
    let parts = u64::try_from(ranges.len()).unwrap_or(u64::MAX);
    let with_overhead = total.saturating_add(parts.saturating_mul(PART_OVERHEAD));
    let is_wasteful =
        max_ranges.is_none() && with_overhead > content_length.saturating_add(OVERHEAD_GRANTED);
    if total > content_length || is_wasteful {
        return Ranges::None;
    }
    Ranges::Multiple(ranges)
}

/// One range as written.
enum Spec {
    /// `first-` or `first-last`, both counted from 0, `last` included.
    From { first: u64, last: Option<u64> },
    /// `-length`.
    Suffix(u64),
}

impl Spec {
    /// Reads one range, with spaces wherever nginx has them.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = trim(text);
        let dash = memchr::memchr(b'-', text)?;
        let (before, after) = (text.get(..dash)?, text.get(dash + 1..)?);
        if before.is_empty() {
            // No space may follow this dash.
            return number(after).map(Self::Suffix);
        }
        let first = number(trim(before))?;
        let after = trim(after);
        let last = if after.is_empty() {
            None
        } else {
            Some(number(after)?)
        };
        Some(Self::From { first, last })
    }

    /// The bytes of a body of `length` that it names; empty where there are none, starting
    /// at 0 only where the body is empty or the range is backwards from 0.
    fn within(&self, length: u64) -> Range<u64> {
        match *self {
            Self::Suffix(suffix) => length.saturating_sub(suffix)..length,
            Self::From { first, last: None } => first..length,
            Self::From {
                first,
                last: Some(last),
            } => first..last.saturating_add(1).min(length),
        }
    }
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|&byte| byte != b' ')
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|&byte| byte != b' ')
        .map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// Decimal digits alone, up to 2^63 - 1.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        let number = number.checked_mul(10)?.checked_add(digit)?;
        (number <= i64::MAX.unsigned_abs()).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &Ranges) {
        let ranges = parse_ranges(value.as_bytes(), 100, None);
        assert_eq!(&ranges, expected, "{value}");
    }

    #[test]
    fn single_ranges() {
        check("bytes=0-9", &Ranges::Single(0..10));
        check("BYTES= 10 - 19 ", &Ranges::Single(10..20));
        check("bytes=90-", &Ranges::Single(90..100));
        check("bytes=-1", &Ranges::Single(99..100));
        check("bytes=-1000", &Ranges::Single(0..100));
        check("bytes=50-1000", &Ranges::Single(50..100));
        check("bytes=0-0,200-300", &Ranges::Single(0..1));
        check("bytes=9223372036854775807-,5-5", &Ranges::Single(5..6));
    }

    #[test]
    fn several_ranges() {
        check(
            "bytes=0-1,10-11 , -1",
            &Ranges::Multiple(vec![0..2, 10..12, 99..100]),
        );
        // Longer together than the body.
        check("bytes=0-,0-", &Ranges::None);
        check("bytes=0-59,50-99", &Ranges::None);
        // Twenty parts of a byte cost more than the body and nginx's allowance.
        let many = vec!["0-0"; 20].join(",");
        check(&format!("bytes={many}"), &Ranges::None);
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let parse = |max| parse_ranges(b"bytes=0-0,2-2", 100, Some(max));
        assert_eq!(parse(0), Ranges::None);
        assert_eq!(parse(1), Ranges::None);
        assert_eq!(parse(2), Ranges::Multiple(vec![0..1, 2..3]));
    }

    #[test]
    fn ignored_and_unsatisfiable() {
        check("bytes=", &Ranges::None);
        check("items=0-1", &Ranges::None);
        check("bytes 0-1", &Ranges::None);
        check("bytes=100-", &Ranges::Unsatisfiable);
        check("bytes=-0", &Ranges::Unsatisfiable);
        check("bytes=5-4", &Ranges::Unsatisfiable);
        for broken in [
            "-", "a-b", "1", "1-2x", "1-2-3", "+1-2", "- 5", "1-2,", ",1-2", "1-2;3-4",
        ] {
            check(&format!("bytes={broken}"), &Ranges::Unsatisfiable);
        }
        check("bytes=9223372036854775808-", &Ranges::Unsatisfiable);
        assert_eq!(parse_ranges(b"bytes=0-", 0, None), Ranges::None);
        assert_eq!(parse_ranges(b"bytes=-5", 0, None), Ranges::None);
        assert_eq!(parse_ranges(b"bytes=5-", 0, None), Ranges::Unsatisfiable);
    }

    /// Whatever is asked, what is sent lies in the body and is not longer than it.
    #[test]
    fn ranges_stay_inside_of_the_body() {
        let bounds = ["", "0", "1", "50", "99", "100", "9223372036854775807"];
        for length in [0, 1, 100, u64::MAX] {
            for (first, last) in bounds
                .iter()
                .flat_map(|first| bounds.map(|last| (first, last)))
            {
                let value = format!("bytes={first}-{last},0-0");
                let ranges = match parse_ranges(value.as_bytes(), length, None) {
                    Ranges::Single(range) => vec![range],
                    Ranges::Multiple(ranges) => ranges,
                    Ranges::None | Ranges::Unsatisfiable => continue,
                };
                assert!(
                    ranges
                        .iter()
                        .all(|range| range.start < range.end && range.end <= length)
                );
            }
        }
    }
}
