//! Request heads.

use crate::pieces;
use base::bytes::is_header_safe;
use http1::{Detail, Head, Limits, Progress, Refusal, RequestParser, check_method, framing, uri};

/// Parses a request head under small limits, at once and in pieces.
///
/// # Panics
///
/// When the pieces matter, a value could split a header, or a judgement contradicts itself.
pub fn http1_request(data: &[u8]) {
    let limits = limits(data);
    let (whole, head) = parse(data, &[data.len()], &limits);
    let (pieces, other) = parse(data, &pieces::cuts(data), &limits);

    match (whole, pieces) {
        (Ok(Progress::Complete { head_len }), again) => {
            assert_eq!(Ok(Progress::Complete { head_len }), again, "in pieces");
            assert_eq!(format!("{head:?}"), format!("{other:?}"), "in pieces");
            check_head(data, head_len, &head);
        }
        (Ok(Progress::Partial), again) => {
            assert_eq!(Ok(Progress::Partial), again, "in pieces");
            assert!(data.len() <= limits.head_max(), "a head without a bound");
        }
        (Ok(Progress::HostKnown), _) => unreachable!("it was told to read on"),
        (Err(refusal), again) => {
            assert_eq!(Err(refusal), again, "in pieces");
            check_refusal(data, &refusal);
        }
    }
}

/// Small enough that short inputs meet every limit.
fn limits(data: &[u8]) -> Limits {
    let choice = data.len();
    Limits {
        initial_buffer: [16, 64, 1024][choice % 3],
        buffers: choice / 3 % 3,
        line_max: [32, 128, 8192][choice / 9 % 3],
        max_headers: [2, 1000][choice % 2],
        ignore_invalid_headers: !choice.is_multiple_of(5),
        underscores_in_headers: choice.is_multiple_of(7),
        stops_at_host: choice.is_multiple_of(4),
    }
}

fn parse(data: &[u8], cuts: &[usize], limits: &Limits) -> (Result<Progress, Refusal>, Head) {
    let mut parser = RequestParser::new();
    let mut head = Head::new();
    for &cut in cuts {
        let mut answer = parser.parse(&data[..cut], limits, &mut head);
        if answer == Ok(Progress::HostKnown) {
            let limits = Limits {
                stops_at_host: false,
                ..limits.clone()
            };
            answer = parser.parse(&data[..cut], &limits, &mut head);
        }
        if answer != Ok(Progress::Partial) {
            return (answer, head);
        }
    }
    (Ok(Progress::Partial), head)
}

fn check_head(data: &[u8], head_len: usize, head: &Head) {
    let head_bytes = &data[..head_len];
    assert!(head_bytes.ends_with(b"\n"));
    let spans = [
        head.method_span,
        head.request_line,
        head.target.uri,
        head.target.path,
    ];
    let values = head
        .fields
        .iter()
        .flat_map(|field| [field.name, field.value]);
    for span in spans.into_iter().chain(values) {
        assert!(
            span.start() <= span.end() && span.end() <= head_len,
            "{span:?}"
        );
        assert!(
            is_header_safe(span.of(head_bytes)),
            "{:?}",
            span.of(head_bytes).escape_ascii()
        );
    }
    assert!(head.fields.iter().all(|field| !field.name.is_empty()));

    if head.target.complex {
        let target = head.target.uri.of(head_bytes);
        if let Ok((path, _)) = uri::normalize(target, true) {
            assert!(path.starts_with(b"/"));
        }
    } else {
        let path = head.target.path.of(head_bytes);
        let (normal, found) = uri::normalize(head.target.uri.of(head_bytes), true).expect("clean");
        assert_eq!(path, normal, "a plain path is not changed");
        assert_eq!(
            found.query.map(|query| query.len()),
            head.target.query.map(|query| query.len())
        );
    }
    check_framing(head_bytes, head);
}

fn check_framing(head_bytes: &[u8], head: &Head) {
    match framing(head, head_bytes) {
        Ok(framing) => {
            if let Some(host) = &framing.host {
                assert!(!host.name.is_empty() && host.name.iter().all(u8::is_ascii_graphic));
                assert!(!host.name.iter().any(u8::is_ascii_uppercase));
            }
            if let Err(refusal) = check_method(head, head_bytes, framing.body, true) {
                check_refusal(head_bytes, &refusal);
            }
        }
        Err(refusal) => check_refusal(head_bytes, &refusal),
    }
}

fn check_refusal(data: &[u8], refusal: &Refusal) {
    assert!(matches!(refusal.status, 400 | 405 | 414 | 494 | 501 | 505));
    assert!(refusal.close && refusal.wire_status() != 494);
    let mut text = Vec::new();
    refusal.describe(data, &mut text);
    assert!(
        text.iter().all(|&byte| (0x20..0x7f).contains(&byte)),
        "{}",
        text.escape_ascii()
    );
    assert_eq!(
        refusal.detail == Detail::None,
        text == refusal.reason.as_bytes()
    );
}
