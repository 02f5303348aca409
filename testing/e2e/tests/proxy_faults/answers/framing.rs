//! Framing that two readers could understand in two ways, and chunks that are none.

use super::{CHUNKS, Fault, OK, differs, same};
use crate::stays;
use harness::scripted::Step;

/// Values of `Content-Length`.
const LENGTHS: [(&str, &str); 9] = [
    ("a negative length", "-1"),
    ("a signed length", "+2"),
    ("a length in hexadecimal", "0x2"),
    ("a length and junk", "2x"),
    ("a length with a point", "2.0"),
    ("a list of lengths", "2, 2"),
    ("a length beyond 2^64", "18446744073709551618"),
    ("a length beyond 2^63", "9223372036854775810"),
    ("an empty length", ""),
];

/// Fields that frame a body, and it.
const CODINGS: [(&str, &str, &str); 9] = [
    (
        "two lengths",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "ok",
    ),
    (
        "the same length twice",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "ok",
    ),
    (
        "length and chunks",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        OK_IN_CHUNKS,
    ),
    (
        "chunks and length",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        OK_IN_CHUNKS,
    ),
    (
        "chunks twice",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        OK_IN_CHUNKS,
    ),
    (
        "a coding nobody knows",
        "Transfer-Encoding: x\r\n",
        OK_IN_CHUNKS,
    ),
    (
        "a list of codings",
        "Transfer-Encoding: gzip, chunked\r\n",
        OK_IN_CHUNKS,
    ),
    ("an identity", "Transfer-Encoding: identity\r\n", "ok"),
    ("an empty coding", "Transfer-Encoding:\r\n", OK_IN_CHUNKS),
];

const OK_IN_CHUNKS: &str = "2\r\nok\r\n0\r\n\r\n";

/// Framing in two ways. Before 1.23 nginx passed a bad length on, or took one of two.
pub(super) fn double() -> Vec<Fault> {
    let lengths = LENGTHS.map(|(name, value)| {
        let text = format!("{OK}Content-Length: {value}\r\n\r\nok");
        (name, text)
    });
    let codings = CODINGS.map(|(name, fields, body)| (name, format!("{OK}{fields}\r\n{body}")));
    let rows = lengths.into_iter().chain(codings);
    rows.map(|(name, text)| differs(name, stays(text), "502", "502|cut|200 ok"))
        .collect()
}

/// Chunks that are none, and what nginx makes of them. Before 1.29 it takes other line ends.
const BAD_CHUNKS: [(&str, &str, &str); 15] = [
    ("a size of letters", "zz\r\nhello\r\n0\r\n\r\n", ""),
    ("a negative size", "-5\r\nhello\r\n0\r\n\r\n", ""),
    ("a signed size", "+5\r\nhello\r\n0\r\n\r\n", ""),
    ("a size with a prefix", "0x5\r\nhello\r\n0\r\n\r\n", ""),
    ("a size with a point", "5.0\r\nhello\r\n0\r\n\r\n", ""),
    (
        "a size beyond 2^64",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "",
    ),
    (
        "a size beyond 2^63",
        "8000000000000005\r\nhello\r\n0\r\n\r\n",
        "",
    ),
    ("an empty size", "\r\nhello\r\n0\r\n\r\n", ""),
    ("a chunk that is too long", "4\r\nhello\r\n0\r\n\r\n", ""),
    (
        "a chunk that is too short",
        "6\r\nhello\r\n0\r\n\r\n",
        "cut|200 hello\r",
    ),
    ("a space before a size", " 5\r\nhello\r\n0\r\n\r\n", ""),
    ("a CR in a size", "5\r5\r\nhello\r\n0\r\n\r\n", ""),
    (
        "a NUL in an extension",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "200 hello",
    ),
    (
        "a bare LF after a size",
        "5\nhello\r\n0\r\n\r\n",
        "cut|200 hello",
    ),
    (
        "a bare LF after a chunk",
        "5\r\nhello\n0\r\n\r\n",
        "cut|200 hello",
    ),
];

pub(super) fn chunks() -> Vec<Fault> {
    let after_head = |chunks: &str| {
        let head = Step::send(CHUNKS);
        let parts = [Step::Request, head, Step::Pause, Step::send(chunks)];
        [&parts[..], &[Step::Stay]].concat()
    };
    let bad =
        BAD_CHUNKS.map(|(name, chunks, nginx)| differs(name, after_head(chunks), "cut", nginx));
    let extension = format!("5;{}", "x".repeat(1 << 20));
    let trailers = format!("0\r\n{}", "X: y\r\n".repeat(1 << 18));
    let endless = [
        same("an endless extension", after_head(&extension), "cut"),
        same("endless trailers", after_head(&trailers), "cut"),
    ];
    bad.into_iter().chain(endless).collect()
}
