//! Chunked bodies.

use crate::pieces;
use base::bytes::is_header_safe;
use http1::{ChunkLimits, ChunkedDecoder, Refusal};

/// What a body came to.
#[derive(Debug, PartialEq)]
struct Decoded {
    body: Vec<u8>,
    wire_len: usize,
    done: bool,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Decodes a chunked body, at once and in pieces.
///
/// # Panics
///
/// When the pieces matter, more comes out than went in, or the decoder stands still.
pub fn chunked(data: &[u8]) {
    let whole = decode(data, &[data.len()]);
    assert_eq!(whole, decode(data, &pieces::cuts(data)), "in pieces");

    let Ok(decoded) = whole else {
        return;
    };
    assert!(decoded.body.len() <= decoded.wire_len && decoded.wire_len <= data.len());
    if !decoded.done {
        assert_eq!(
            decoded.wire_len,
            data.len(),
            "an unfinished body takes everything"
        );
    }
    for (name, value) in &decoded.trailers {
        assert!(!name.is_empty() && is_header_safe(name) && is_header_safe(value));
        for forbidden in [
            "content-length",
            "transfer-encoding",
            "host",
            "authorization",
            "content-type",
            "x-forwarded-for",
        ] {
            assert!(
                !name.eq_ignore_ascii_case(forbidden.as_bytes()),
                "{forbidden} in a trailer"
            );
        }
    }
}

fn decode(data: &[u8], cuts: &[usize]) -> Result<Decoded, Refusal> {
    let mut decoder = ChunkedDecoder::new(ChunkLimits {
        extension_max: 64,
        trailer_max: 128,
        trailer_fields_max: 8,
    });
    let mut body = Vec::new();
    let mut at = 0;
    for &cut in cuts {
        while at < cut && !decoder.is_done() {
            let input = &data[at..cut];
            let chunk = decoder.decode(input)?;
            assert!(chunk.consumed > 0, "the decoder stands still");
            if let Some(data) = chunk.data {
                assert!(!data.is_empty() && data.end == chunk.consumed);
                body.extend_from_slice(&input[data]);
            }
            assert_eq!(chunk.done, decoder.is_done());
            at += chunk.consumed;
        }
    }
    let trailers = decoder.trailers().iter();
    let trailers = trailers
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect();
    Ok(Decoded {
        body,
        wire_len: at,
        done: decoder.is_done(),
        trailers,
    })
}
