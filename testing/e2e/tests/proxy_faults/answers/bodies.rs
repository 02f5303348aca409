//! Bodies that end too early or never, whole ones, and more than that.

use super::{CHUNKS, CLOSE, End, Fault, LENGTH, OK, differs, same};
use crate::{ends, stays};

/// Heads, the parts of bodies after them, and what comes then: a client sees that it is cut.
const SHORT: [(&str, End, &str, &str); 15] = [
    ("closes in a body of a length", End::Closes, LENGTH, "hello"),
    ("resets in a body of a length", End::Resets, LENGTH, "hello"),
    ("hangs in a body of a length", End::Stays, LENGTH, "hello"),
    ("closes before a body of a length", End::Closes, LENGTH, ""),
    (
        "resets in a body until the close",
        End::Resets,
        CLOSE,
        "hello",
    ),
    (
        "hangs in a body until the close",
        End::Stays,
        CLOSE,
        "hello",
    ),
    (
        "closes in a chunk's size",
        End::Closes,
        CHUNKS,
        "5\r\nhello\r\n1",
    ),
    ("closes in a chunk", End::Closes, CHUNKS, "a\r\nhello"),
    (
        "closes after a chunk's data",
        End::Closes,
        CHUNKS,
        "5\r\nhello",
    ),
    (
        "closes after a chunk",
        End::Closes,
        CHUNKS,
        "5\r\nhello\r\n",
    ),
    (
        "closes after the last size",
        End::Closes,
        CHUNKS,
        "5\r\nhello\r\n0\r\n",
    ),
    (
        "closes in the trailers",
        End::Closes,
        CHUNKS,
        "5\r\nhello\r\n0\r\nA: b\r\n",
    ),
    ("resets in chunks", End::Resets, CHUNKS, "5\r\nhello\r\n"),
    ("hangs in chunks", End::Stays, CHUNKS, "5\r\nhello\r\n"),
    ("closes before chunks", End::Closes, CHUNKS, ""),
];

/// Bodies that end too early, or never.
pub(super) fn short() -> Vec<Fault> {
    let row = |(name, end, head, part): (_, End, _, _)| {
        same(name, end.after(&format!("{head}{part}")), "cut")
    };
    SHORT.map(row).into()
}

const ANOTHER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSMUGGLED";

/// Ten bytes, as [`LENGTH`] says.
const BODY: &str = "0123456789";

/// Whole answers, and more than that.
pub(super) fn surplus() -> Vec<Fault> {
    let of_length = format!("{LENGTH}{BODY}");
    let in_chunks = format!("{CHUNKS}2\r\nok\r\n0\r\n\r\n");
    let no_content = "HTTP/1.1 204 No Content\r\n";
    let unchanged = "HTTP/1.1 304 Not Modified\r\n";
    let followed = [
        (
            "an answer after a length",
            format!("{of_length}{ANOTHER}"),
            "200 0123456789",
        ),
        (
            "a byte after a length",
            format!("{of_length}x"),
            "200 0123456789",
        ),
        (
            "an answer after chunks",
            format!("{in_chunks}{ANOTHER}"),
            "200 ok",
        ),
        (
            "an answer after no body",
            format!("{OK}Content-Length: 0\r\n\r\n{ANOTHER}"),
            "200 ",
        ),
        (
            "204 with a body",
            format!("{no_content}\r\n{ANOTHER}"),
            "204",
        ),
        (
            "204 with a length",
            format!("{no_content}Content-Length: 5\r\n\r\nhello"),
            "204",
        ),
        (
            "304 with a body",
            format!("{unchanged}\r\n{ANOTHER}"),
            "304",
        ),
        (
            "304 with chunks",
            format!("{unchanged}Transfer-Encoding: chunked\r\n\r\n{ANOTHER}"),
            "304",
        ),
    ];
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10);
    let whole = [
        same(
            "ends where it closes",
            ends(format!("{CLOSE}hello")),
            "200 hello",
        ),
        differs(
            "interim answers first",
            ends(format!("{hints}{of_length}")),
            "200 0123456789",
            "200 0123456789|103",
        ),
    ];
    let followed = followed.map(|(name, text, ours)| same(name, stays(text), ours));
    followed.into_iter().chain(whole).collect()
}
