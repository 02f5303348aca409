//! Chunked bodies: sizes, extensions, trailers, line ends, and every way to cut them.

use super::{HIDDEN, PROBE, answers, assert_refused, assert_served, start};
use std::thread;
use std::time::Duration;

const HEAD: &[u8] = b"POST /tag?a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

fn with_head(body: &[u8]) -> Vec<u8> {
    [HEAD, body].concat()
}

/// What is no chunk by RFC 9112 section 7.1 is refused when it comes with its head.
#[test]
fn broken_chunks_are_refused() {
    let server = start();
    let bodies: [&[u8]; 34] = [
        b"g\r\n\r\n0\r\n\r\n",
        b"-1\r\na\r\n0\r\n\r\n",
        b"+1\r\na\r\n0\r\n\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"1_0\r\na\r\n0\r\n\r\n",
        b"\r\n1\r\na\r\n0\r\n\r\n",
        b";a\r\n",
        b"\"1\"\r\na\r\n0\r\n\r\n",
        // 2^63, 2^64 and beyond; and what would be 5 if it were cut to 64 or to 32 bits.
        b"8000000000000000\r\na\r\n",
        b"ffffffffffffffff\r\na\r\n",
        b"10000000000000000\r\na\r\n",
        b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\na\r\n",
        b"123456789abcdef01\r\na\r\n",
        // The line end after the size.
        b"1\na\r\n0\r\n\r\n",
        b"1\ra\r\n0\r\n\r\n",
        b"1\r\r\na\r\n0\r\n\r\n",
        b"1\r a\r\n0\r\n\r\n",
        // The line end after the data, and data beyond the size.
        b"1\r\na\n0\r\n\r\n",
        b"1\r\na\r0\r\n\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
        b"5\r\nabcdefgh\r\n0\r\n\r\n",
        b"2\r\na\r\n0\r\n\r\n",
        // The end of the last chunk and of the trailers.
        b"0\n\r\n",
        b"0\r\r\n\r\n",
        b"0\r\n\n",
        b"0\r\n\rX\r\n",
        b"0\r\n\r\r\n",
        b"0\r\nA: b\n\r\n",
        b"0\r\nA: b\rX\r\n\r\n",
        // Line ends inside an extension.
        b"1;a\rb\r\na\r\n0\r\n\r\n",
        b"1;a\n\r\na\r\n0\r\n\r\n",
        b"1;\na\r\n0\r\n\r\n",
    ];
    let cases = bodies.map(with_head);
    assert_refused(&server, cases.iter().map(|case| (&case[..], 400)));
}

/// Stricter than nginx: bytes that no chunk extension may have, and blanks in odd places.
#[test]
fn odd_extensions_are_refused() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = start();
    let long = [&b"1;"[..], &[b'a'; 64 << 10], b"\r\na\r\n0\r\n\r\n"].concat();
    let many = [&b"1;a=b\r\na\r\n".repeat(2000)[..], b"0\r\n\r\n"].concat();
    let bodies: [&[u8]; 6] = [
        b"1;a\0b\r\na\r\n0\r\n\r\n",
        b"1;a\x7f\r\na\r\n0\r\n\r\n",
        b" 1\r\na\r\n0\r\n\r\n",
        b"1 a\r\na\r\n0\r\n\r\n",
        &long,
        &many,
    ];
    for body in bodies {
        let answers = answers(&server, &[HEAD, body, HIDDEN, PROBE].concat());
        let shown = body[..body.len().min(60)].escape_ascii().to_string();
        // What is found broken only after the answer has left ends the connection alone.
        assert!(
            matches!(&answers[..], [(400, _)] | [(200, _)]),
            "{shown}: {answers:?}"
        );
    }
}

/// Letters, leading zeros, extensions and trailers that the RFC allows.
#[test]
fn whole_chunks_are_skipped_to_the_next_request() {
    let server = start();
    let bodies: [&[u8]; 9] = [
        b"0\r\n\r\n",
        b"000\r\n\r\n",
        b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        b"00001\r\na\r\n0\r\n\r\n",
        b"1;a\r\na\r\n0;b=c\r\n\r\n",
        b"1;a=\"b\"\r\na\r\n0\r\n\r\n",
        b"23\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n\r\n0\r\n\r\n",
        b"0\r\nA: b\r\nC: d\r\n\r\n",
        b"0\r\nContent-Length: 100\r\nHost: evil\r\nTransfer-Encoding: x\r\n\
          Authorization: Basic eDp5\r\n\r\n",
    ];
    let cases = bodies.map(with_head);
    assert_served(&server, cases.iter().map(|case| (&case[..], 200)));
}

/// However the segments are cut, the body ends in the same place.
#[test]
fn every_cut_of_a_body_means_the_same() {
    let server = start();
    let whole = with_head(b"1;x=y\r\na\r\n0b\r\n\r\nGET / HTT\r\n0\r\nA: b\r\n\r\n");
    for at in 1..whole.len() {
        let mut client = server.connect();
        client.send(&whole[..at]).unwrap();
        thread::sleep(Duration::from_millis(1));
        client.send_more(&whole[at..]).unwrap();
        let first = client.receive();
        assert_eq!(
            (first.status, first.text().as_str()),
            (200, "a"),
            "cut at {at}"
        );
        let rest = client.converse(PROBE).unwrap();
        assert!(
            matches!(&rest[..], [last] if last.text() == "last"),
            "cut at {at}: {rest:?}"
        );
    }
}

/// A chunk that turns out broken after the answer ends the connection.
#[test]
fn late_broken_chunks_end_the_connection() {
    let server = start();
    for (begin, end) in [
        (&b"5\r\nabc"[..], &b"defgh\r\n"[..]),
        (b"5\r\n", b"abcde0\r\n\r\n"),
        (b"", b"fffffffffffffffffff\r\n"),
        (b"0\r\n", b"A\nB"),
    ] {
        let mut client = server.connect();
        client.send(with_head(begin)).unwrap();
        assert_eq!(client.receive().status, 200);
        let rest = client.converse([end, HIDDEN, PROBE].concat()).unwrap();
        assert!(rest.is_empty(), "{}: {rest:?}", end.escape_ascii());
    }
}
