//! What conditional and range requests are made of: ranges, dates, tags; and hosts and
//! address ranges, which are as small.

use base::{cidr::Cidr, date};
use http1::etag::{Comparison, matches};
use http1::range::{Ranges, parse_ranges};
use http1::validate_host;

/// Takes the input for the value of each of these headers.
///
/// # Panics
///
/// When a range leaves the body, a date does not come back, or a value contradicts itself.
pub fn ranges_and_dates(data: &[u8]) {
    for length in [0, 1, 10, 1000, i64::MAX.unsigned_abs()] {
        for max_ranges in [None, Some(1), Some(3)] {
            check_ranges(data, length, max_ranges);
        }
    }

    if let Some(unix) = date::parse_http(data) {
        let text = date::http(unix);
        assert_eq!(date::parse_http(text.as_bytes()), Some(unix), "{text}");
        assert_eq!(date::Civil::from_unix(unix).to_unix(), unix);
    }

    // A tag that is the whole list is in the list, if it could be a tag at all.
    if data.starts_with(b"\"") && !data.contains(&b',') {
        assert!(matches(data, Some(data), Comparison::Strong));
        assert!(matches(data, Some(data), Comparison::Weak));
    }

    if let Ok(host) = validate_host(data) {
        let name = host.name.into_owned();
        assert!(!name.is_empty() && name.iter().all(u8::is_ascii_graphic));
        assert!(
            !name
                .iter()
                .any(|byte| b"/\\?#@\"<> ".contains(byte) || byte.is_ascii_uppercase())
        );
    }

    if let Some(parsed) = std::str::from_utf8(data).ok().and_then(Cidr::parse) {
        let again = Cidr::parse(&parsed.cidr.to_string());
        assert!(again.is_some_and(|again| again.cidr == parsed.cidr && !again.low_bits));
        assert!(parsed.cidr.contains(parsed.cidr.address()));
        assert!(parsed.cidr.contains(parsed.cidr.last()));
    }
}

fn check_ranges(data: &[u8], length: u64, max_ranges: Option<usize>) {
    let ranges = match parse_ranges(data, length, max_ranges) {
        Ranges::Single(range) => vec![range],
        Ranges::Multiple(ranges) => {
            assert!(ranges.len() > 1);
            ranges
        }
        Ranges::None | Ranges::Unsatisfiable => return,
    };
    assert!(
        ranges
            .iter()
            .all(|range| range.start < range.end && range.end <= length)
    );
    assert!(
        ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum::<u64>()
            <= length
    );
    assert!(max_ranges.is_none_or(|max| ranges.len() <= max));
}
