//! Chunked bodies: in every split, and the attacks of the framing list.

use tidegate_http1::{Chunk, ChunkLimits, ChunkedDecoder, encode_chunk_head};

/// What a body came to: its bytes, how much of the wire it took, its trailers.
#[derive(Debug, PartialEq)]
struct Body {
    bytes: Vec<u8>,
    wire_len: usize,
    trailers: Vec<(String, String)>,
    done: bool,
}

/// Decodes `pieces` one after the other, up to the end of the body.
fn decode(pieces: &[&[u8]], limits: ChunkLimits) -> Option<Body> {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut body = Body {
        bytes: Vec::new(),
        wire_len: 0,
        trailers: Vec::new(),
        done: false,
    };
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !body.done {
            let Chunk {
                consumed,
                data,
                done,
            } = decoder.decode(rest).ok()?;
            body.bytes
                .extend_from_slice(data.map_or(&[][..], |data| &rest[data]));
            body.wire_len += consumed;
            body.done = done;
            rest = &rest[consumed..];
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    body.trailers = decoder
        .trailers()
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    Some(body)
}

/// Decodes `wire` whole, in every two pieces and byte by byte, which must not matter.
#[track_caller]
fn decoded(wire: &[u8]) -> Option<Body> {
    let limits = ChunkLimits::default();
    let whole = decode(&[wire], limits);
    for cut in 0..=wire.len().min(2000) {
        let (head, tail) = wire.split_at(cut);
        assert_eq!(
            decode(&[head, tail], limits),
            whole,
            "cut at {cut}: {}",
            wire.escape_ascii()
        );
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(
        decode(&bytes, limits),
        whole,
        "byte by byte: {}",
        wire.escape_ascii()
    );
    whole
}

#[test]
fn decodes_in_any_pieces() {
    let wire = b"5\r\nhello\r\n006 ; a = \"x;\\\"\" ;b;c=d\r\n world\r\n0;e\r\nX: y\r\n\r\nGET /";
    let body = decoded(wire).expect("valid");
    assert_eq!(body.bytes, b"hello world");
    assert_eq!(body.wire_len, wire.len() - b"GET /".len());
    assert!(body.done);
    assert_eq!(body.trailers, [("X".to_owned(), "y".to_owned())]);

    assert_eq!(decoded(b"0\r\n\r\n").unwrap().bytes, b"");
    assert_eq!(decoded(b"1 \t \r\nx\r\n0  \r\n\r\n").unwrap().bytes, b"x");
    let cut = decoded(b"A\r\n12345").unwrap();
    assert!(!cut.done && cut.bytes == b"12345");
}

/// S-4 and S-5.
#[test]
fn refuses_what_others_have_misread() {
    for wire in [
        &b"\r\n"[..],
        b" 5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\n",
        b"g\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\r\nhello\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello\rx",
        b"5\r\nhello6\r\n",
        b"5\r\nhelloworld\r\n",
        b"0\n\r\n",
        b"0\r\n\n",
        b"0\r\n\rx",
        b"0\r\nX: y\n\r\n",
        b"0\r\nX: y\r\r\n\r\n",
        b"0\r\nX: y\r\n\n",
        b"0\r\n X: y\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\r\n z\r\n\r\n",
        b"0\r\nX: a\0\r\n\r\n",
        b"0\r\n: y\r\n\r\n",
        b"5;\r\nhello\r\n",
        b"5;;a\r\nhello\r\n",
        b"5;a=\r\nhello\r\n",
        b"5;a=\"b\r\nhello\r\n",
        b"5;a=\"b\"c\r\nhello\r\n",
        b"5;a\0\r\nhello\r\n",
        b"5;a\nhello\r\n",
        b"5;a=\"\x01\"\r\nhello\r\n",
        b"5 5\r\nhello\r\n",
        b"5=a\r\nhello\r\n",
        b"800000000000000\r\nx",
        b"8000000000000000\r\n",
        b"10000000000000000\r\n",
        b"10000000000000005\r\nhello\r\n",
        b"fffffffffffffffff\r\n",
    ] {
        assert_eq!(decoded(wire), None, "{}", wire.escape_ascii());
    }
    assert!(decoded(b"7ffffffffffffff\r\nx").is_some());
}

#[test]
fn bounds_what_is_not_body() {
    let chunk = [b"1;".to_vec(), vec![b'a'; 1000], b"\r\nx\r\n".to_vec()].concat();
    let body = |chunks| [chunk.repeat(chunks), b"0\r\n\r\n".to_vec()].concat();
    assert!(decode(&[&body(4)], ChunkLimits::default()).is_some());
    assert!(decode(&[&body(5)], ChunkLimits::default()).is_none());

    let zeros = [vec![b'0'; 5000], b"1\r\nx\r\n".to_vec()].concat();
    assert!(decode(&[&zeros], ChunkLimits::default()).is_none());

    let trailers = |count| {
        [
            b"0\r\n".to_vec(),
            b"A: b\r\n".repeat(count),
            b"\r\n".to_vec(),
        ]
        .concat()
    };
    assert!(decode(&[&trailers(100)], ChunkLimits::default()).is_some());
    assert!(decode(&[&trailers(101)], ChunkLimits::default()).is_none());
    let long = |length| {
        [
            b"0\r\nA: ".to_vec(),
            vec![b'b'; length],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    assert!(decode(&[&long(8192 - 7)], ChunkLimits::default()).is_some());
    assert!(decode(&[&long(8192 - 6)], ChunkLimits::default()).is_none());
}

/// S-13.
#[test]
fn drops_trailers_that_belong_into_the_head() {
    let wire = b"0\r\nContent-Length: 5\r\nX-Sum: 1\r\ntransfer-encoding: chunked\r\nHost: a\r\n\
        Authorization: b\r\nSet-Cookie: c\r\nx(y: z\r\nGrpc-Status:  0  \r\n\
        Content-Disposition: d\r\nCONTENT-MD5: e\r\nX-Forwarded-Port: 1\r\nTrailer: f\r\n\
        Proxy-Status: g\r\nX-Forward: h\r\n\r\n";
    let names: Vec<_> = decoded(wire).unwrap().trailers;
    assert_eq!(
        names,
        [
            ("X-Sum".to_owned(), "1".to_owned()),
            ("Grpc-Status".to_owned(), "0".to_owned()),
            ("CONTENT-MD5".to_owned(), "e".to_owned()),
            ("X-Forward".to_owned(), "h".to_owned())
        ]
    );
}

#[test]
fn encodes_what_it_decodes() {
    assert_eq!(encode_chunk_head(0x1a2b).as_bytes(), b"1a2b\r\n");
    assert_eq!(encode_chunk_head(0).as_bytes(), b"0\r\n");
    assert_eq!(
        encode_chunk_head(u64::MAX).as_bytes(),
        b"ffffffffffffffff\r\n"
    );
    let wire = [encode_chunk_head(3).as_bytes(), b"abc\r\n0\r\n\r\n"].concat();
    assert_eq!(decoded(&wire).unwrap().bytes, b"abc");
}
