//! What happens before there is a head, and heads that are none.

use super::{End, Fault, OK, differs, same};
use crate::{ends, stays};
use harness::scripted::Step;

/// A server that comes to no head: what it does, and what a client sees.
const NOTHING: [(&str, &[Step], &str); 5] = [
    ("resets at once", &[Step::Touch, Step::Reset], "502"),
    ("closes at once", &[Step::Touch], "502"),
    ("closes unanswered", &[Step::Request], "502"),
    ("resets unanswered", &[Step::Request, Step::Reset], "502"),
    ("hangs unanswered", &[Step::Request, Step::Hang], "504"),
];

/// Beginnings of heads.
const BEGUN: [(&str, End, &str, &str); 4] = [
    ("hangs in the status line", End::Stays, "HTTP/1.1 20", "504"),
    (
        "hangs in the head",
        End::Stays,
        "HTTP/1.1 200 OK\r\nA: b\r\n",
        "504",
    ),
    (
        "closes in the head",
        End::Closes,
        "HTTP/1.1 200 OK\r\nContent-Le",
        "502",
    ),
    (
        "resets in the head",
        End::Resets,
        "HTTP/1.1 200 OK\r\nContent-Le",
        "502",
    ),
];

/// nginx before 1.29 takes an interim answer for the final one.
pub(super) fn before() -> Vec<Fault> {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let nothing = NOTHING.map(|(name, steps, ours)| same(name, steps.to_vec(), ours));
    let begun = BEGUN.map(|(name, end, text, ours)| same(name, end.after(text), ours));
    let after_interim = [
        differs("hangs after 100", stays(interim), "504", "100|504"),
        differs("closes after 100", ends(interim), "502", "100|502"),
    ];
    nothing
        .into_iter()
        .chain(begun)
        .chain(after_interim)
        .collect()
}

/// Fields that are none, and what is between them and the status line.
const FIELDS: [(&str, &str); 6] = [
    ("a folded field", "A: b\r\n c"),
    ("a NUL in a value", "A: b\0c"),
    ("a NUL in a name", "A\0: b"),
    ("a CR in a value", "A: b\rc"),
    ("a space before a colon", "A : b"),
    ("no name", ": b"),
];

/// Status lines that are none. nginx takes whatever does not begin with a status line for an
/// answer of HTTP/0.9, and any number for a status.
const STATUS_LINES: [(&str, &str, &str); 8] = [
    (
        "an empty line first",
        "\r\nHTTP/1.1 200 OK\r\nA: b",
        "200 ok",
    ),
    ("a status of two digits", "HTTP/1.1 99 x", "99"),
    ("a status of four digits", "HTTP/1.1 2000 x", "2000"),
    ("a status of letters", "HTTP/1.1 abc x", "abc"),
    ("status zero", "HTTP/1.1 000 x", "000"),
    ("another protocol", "ICY 200 OK", "200 ok"),
    ("a huge version", "HTTP/99999999999.1 200 OK", "200 ok"),
    ("a NUL in the status line", "HTTP/1.1 200 O\0K", "200 ok"),
];

/// The rest of a head, and a body.
const REST: &str = "\r\nContent-Length: 2\r\n\r\nok";

/// Heads that are none.
pub(super) fn bad() -> Vec<Fault> {
    let fields = FIELDS.map(|(name, field)| same(name, stays(format!("{OK}{field}{REST}")), "502"));
    let lines = STATUS_LINES
        .map(|(name, line, nginx)| differs(name, ends(format!("{line}{REST}")), "502", nginx));
    let others = [
        same("no colon", ends(format!("{OK}Ab{REST}")), "200 ok"),
        same(
            "bare LF",
            ends("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
            "200 ok",
        ),
        differs("no head", ends("hello"), "502", "cut"),
        same(
            "two status lines",
            ends(format!("{OK}{OK}A: b{REST}")),
            "200 ok",
        ),
        differs(
            "a switch nobody asked for",
            stays("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
            "502",
            "101",
        ),
    ];
    let all = fields.into_iter().chain(lines).chain(others);
    all.chain(endless()).collect()
}

/// Heads that are too large, and some that never end.
fn endless() -> [Fault; 5] {
    let repeats = |steps: [Step; 2]| {
        let [first, repeat] = steps;
        vec![Step::Request, first, repeat, Step::Stay]
    };
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
    [
        same(
            "a large field",
            stays(format!("{OK}X: {}\r\n\r\n", "x".repeat(100_000))),
            "502",
        ),
        same(
            "many fields",
            stays(format!("{OK}{}\r\n", "X: y\r\n".repeat(20_000))),
            "502",
        ),
        same(
            "a head without an end",
            repeats([
                Step::send(OK),
                Step::Repeat(b"X: y\r\n".repeat(100), 100_000),
            ]),
            "502",
        ),
        same(
            "a status line without an end",
            stays(format!("HTTP/1.1 200 {}", "x".repeat(70_000))),
            "502",
        ),
        differs(
            "interim answers without an end",
            vec![Step::Request, Step::Repeat(hint, 20_000), Step::Stay],
            "502",
            "502|504|103",
        ),
    ]
}
