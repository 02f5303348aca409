//! Response heads of upstreams.

use crate::pieces;
use base::bytes::is_header_safe;
use http1::{BadResponse, ResponseBody, ResponseHead, ResponseParser, response_framing};

/// Parses a response head, at once and in pieces.
///
/// # Panics
///
/// When the pieces matter, a value could split a header, or a judgement contradicts itself.
pub fn http1_response(data: &[u8]) {
    let whole = parse(data, &[data.len()]);
    let pieces = parse(data, &pieces::cuts(data));
    match (whole, pieces) {
        (Ok(Some((head, len))), Ok(Some((again, again_len)))) => {
            assert_eq!(len, again_len, "in pieces");
            assert_eq!(format!("{head:?}"), format!("{again:?}"), "in pieces");
            check(&data[..len], &head);
        }
        (Ok(None), Ok(None)) => {}
        (Err(bad), Err(again)) => {
            let mut out = Vec::new();
            bad.describe(data, &mut out);
            assert!(is_header_safe(&out));
            assert_eq!(
                std::mem::discriminant(&bad),
                std::mem::discriminant(&again),
                "in pieces"
            );
        }
        (whole, pieces) => panic!("{whole:?}, in pieces {pieces:?}"),
    }
}

fn parse(data: &[u8], cuts: &[usize]) -> Result<Option<(ResponseHead, usize)>, BadResponse> {
    let mut parser = ResponseParser::new(0);
    let mut head = ResponseHead::default();
    for &cut in cuts {
        if let Some(len) = parser.parse(&data[..cut], &mut head)? {
            return Ok(Some((head, len)));
        }
    }
    Ok(None)
}

fn check(bytes: &[u8], head: &ResponseHead) {
    assert!((100..=999).contains(&head.status));
    assert!(is_header_safe(head.status_line.of(bytes)));
    for field in &head.fields {
        assert!(is_header_safe(field.name.of(bytes)));
        assert!(is_header_safe(field.value.of(bytes)));
    }
    for to_head in [true, false] {
        match response_framing(head, bytes, to_head) {
            Ok(framing) => {
                assert!(!to_head || framing.body == ResponseBody::None);
                assert!(!framing.keep_alive || framing.body != ResponseBody::UntilClose);
            }
            Err(bad) => {
                let mut out = Vec::new();
                bad.describe(bytes, &mut out);
                assert!(is_header_safe(&out));
            }
        }
    }
}
