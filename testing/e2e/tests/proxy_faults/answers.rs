//! What is wrong with answers: one row a fault, in every mode.

use super::{ends, get, outcome, resets, start, stays};
use harness::scripted::{Refusing, Scripted, Step, Unreachable};
use harness::{Binary, Server, clock, skip};
use std::fmt::Write as _;
use std::time::Duration;

/// A fault, what a client sees of it here, and what of it behind nginx.
struct Fault {
    name: &'static str,
    steps: Vec<Step>,
    ours: &'static str,
    /// Several, separated by `|`, where versions or modes of it differ; empty for the same.
    nginx: &'static str,
}

/// A fault that nginx takes the same way.
fn same(name: &'static str, steps: Vec<Step>, ours: &'static str) -> Fault {
    differs(name, steps, ours, "")
}

/// A fault that nginx takes in another way, on purpose.
fn differs(name: &'static str, steps: Vec<Step>, ours: &'static str, nginx: &'static str) -> Fault {
    Fault {
        name,
        steps,
        ours,
        nginx,
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const CLOSE: &str = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";

/// What happens before there is a head. nginx before 1.29 takes an interim answer for the final
/// one.
fn before_the_head() -> Vec<Fault> {
    vec![
        same("resets at once", vec![Step::Touch, Step::Reset], "502"),
        same("closes at once", vec![Step::Touch], "502"),
        same("closes unanswered", vec![Step::Request], "502"),
        same("resets unanswered", vec![Step::Request, Step::Reset], "502"),
        same("hangs unanswered", vec![Step::Request, Step::Hang], "504"),
        same("hangs in the status line", stays("HTTP/1.1 20"), "504"),
        same(
            "hangs in the head",
            stays("HTTP/1.1 200 OK\r\nA: b\r\n"),
            "504",
        ),
        same(
            "closes in the head",
            ends("HTTP/1.1 200 OK\r\nContent-Le"),
            "502",
        ),
        same(
            "resets in the head",
            resets("HTTP/1.1 200 OK\r\nContent-Le"),
            "502",
        ),
        differs(
            "hangs after 100",
            stays("HTTP/1.1 100 Continue\r\n\r\n"),
            "504",
            "100|504",
        ),
        differs(
            "closes after 100",
            ends("HTTP/1.1 100 Continue\r\n\r\n"),
            "502",
            "100|502",
        ),
    ]
}

/// Heads that are no heads. nginx takes whatever does not begin with a status line for an answer
/// of HTTP/0.9, and any number for a status.
#[expect(clippy::too_many_lines, reason = "a table")]
fn heads() -> Vec<Fault> {
    let field = |field: &str| format!("{OK}{field}\r\nContent-Length: 2\r\n\r\nok");
    let large = format!("{OK}X: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("{OK}{}\r\n", "X: y\r\n".repeat(20_000));
    vec![
        same("a large field", stays(large), "502"),
        same("many fields", stays(many), "502"),
        same(
            "a head without an end",
            vec![
                Step::Request,
                Step::send(OK),
                Step::Repeat(b"X: y\r\n".repeat(100), 100_000),
                Step::Stay,
            ],
            "502",
        ),
        same(
            "a status line without an end",
            stays(format!("HTTP/1.1 200 {}", "x".repeat(70_000))),
            "502",
        ),
        differs(
            "two status lines",
            stays(format!("{OK}{}", field("A: b"))),
            "502",
            "200 ok",
        ),
        same("a folded field", stays(field("A: b\r\n c")), "502"),
        same("a NUL in a value", stays(field("A: b\0c")), "502"),
        same("a NUL in a name", stays(field("A\0: b")), "502"),
        same("a CR in a value", stays(field("A: b\rc")), "502"),
        same("a space before a colon", stays(field("A : b")), "502"),
        same("no name", stays(field(": b")), "502"),
        same("no colon", ends(field("Ab")), "200 ok"),
        same(
            "bare LF",
            ends("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
            "200 ok",
        ),
        differs("no head", ends("hello"), "502", "cut"),
        differs(
            "an empty line first",
            ends(format!("\r\n{}", field("A: b"))),
            "502",
            "200 ok",
        ),
        differs(
            "a status of two digits",
            ends("HTTP/1.1 99 x\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "99",
        ),
        differs(
            "a status of four digits",
            ends("HTTP/1.1 2000 x\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "2000",
        ),
        differs(
            "a status of letters",
            ends("HTTP/1.1 abc x\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "abc",
        ),
        differs(
            "status zero",
            ends("HTTP/1.1 000 x\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "000",
        ),
        differs(
            "another protocol",
            ends("ICY 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "200 ok",
        ),
        differs(
            "a huge version",
            ends("HTTP/99999999999.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "200 ok",
        ),
        differs(
            "a NUL in the status line",
            ends("HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok"),
            "502",
            "200 ok",
        ),
        differs(
            "a switch nobody asked for",
            stays("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
            "502",
            "101",
        ),
        differs(
            "interim answers without an end",
            vec![
                Step::Request,
                Step::Repeat(
                    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec(),
                    20_000,
                ),
                Step::Stay,
            ],
            "502",
            "502|504|103",
        ),
    ]
}

/// Framing that two readers could understand in two ways.
fn framing() -> Vec<Fault> {
    let length = |value: &str| stays(format!("{OK}Content-Length: {value}\r\n\r\nok"));
    let coding = |fields: &str, body: &str| stays(format!("{OK}{fields}\r\n{body}"));
    let one = "Transfer-Encoding: chunked\r\n";
    let ok = "2\r\nok\r\n0\r\n\r\n";
    let rows = vec![
        same("a negative length", length("-1"), "502"),
        same("a signed length", length("+2"), "502"),
        same("a length in hexadecimal", length("0x2"), "502"),
        same("a length and junk", length("2x"), "502"),
        same("a length with a point", length("2.0"), "502"),
        same("a list of lengths", length("2, 2"), "502"),
        same(
            "a length beyond 2^64",
            length("18446744073709551618"),
            "502",
        ),
        same("a length beyond 2^63", length("9223372036854775810"), "502"),
        same("an empty length", length(""), "502"),
        same(
            "two lengths",
            coding("Content-Length: 2\r\nContent-Length: 3\r\n", "ok"),
            "502",
        ),
        same(
            "the same length twice",
            coding("Content-Length: 2\r\nContent-Length: 2\r\n", "ok"),
            "502",
        ),
        same(
            "length and chunks",
            coding(&format!("Content-Length: 2\r\n{one}"), ok),
            "502",
        ),
        same(
            "chunks and length",
            coding(&format!("{one}Content-Length: 2\r\n"), ok),
            "502",
        ),
        same("chunks twice", coding(&format!("{one}{one}"), ok), "502"),
        same(
            "a coding nobody knows",
            coding("Transfer-Encoding: x\r\n", ok),
            "502",
        ),
        same(
            "a list of codings",
            coding("Transfer-Encoding: gzip, chunked\r\n", ok),
            "502",
        ),
        same(
            "an identity",
            coding("Transfer-Encoding: identity\r\n", "ok"),
            "502",
        ),
        same(
            "an empty coding",
            coding("Transfer-Encoding:\r\n", ok),
            "502",
        ),
    ];
    // Before 1.23 nginx passed a bad length on, or took one of two.
    let lenient = rows.into_iter().map(|row| Fault {
        nginx: "502|cut|200 ok",
        ..row
    });
    lenient.collect()
}

/// Bodies that end too early, or never.
fn short_bodies() -> Vec<Fault> {
    vec![
        same(
            "closes in a body of a length",
            ends(format!("{LENGTH}hello")),
            "cut",
        ),
        same(
            "resets in a body of a length",
            resets(format!("{LENGTH}hello")),
            "cut",
        ),
        same(
            "hangs in a body of a length",
            stays(format!("{LENGTH}hello")),
            "cut",
        ),
        same("closes before a body of a length", ends(LENGTH), "cut"),
        same(
            "resets in a body until the close",
            resets(format!("{CLOSE}hello")),
            "cut",
        ),
        same(
            "hangs in a body until the close",
            stays(format!("{CLOSE}hello")),
            "cut",
        ),
        same(
            "closes in a chunk's size",
            ends(format!("{CHUNKS}5\r\nhello\r\n1")),
            "cut",
        ),
        same(
            "closes in a chunk",
            ends(format!("{CHUNKS}a\r\nhello")),
            "cut",
        ),
        same(
            "closes after a chunk's data",
            ends(format!("{CHUNKS}5\r\nhello")),
            "cut",
        ),
        same(
            "closes after a chunk",
            ends(format!("{CHUNKS}5\r\nhello\r\n")),
            "cut",
        ),
        same(
            "closes after the last size",
            ends(format!("{CHUNKS}5\r\nhello\r\n0\r\n")),
            "cut",
        ),
        same(
            "closes in the trailers",
            ends(format!("{CHUNKS}5\r\nhello\r\n0\r\nA: b\r\n")),
            "cut",
        ),
        same(
            "resets in chunks",
            resets(format!("{CHUNKS}5\r\nhello\r\n")),
            "cut",
        ),
        same(
            "hangs in chunks",
            stays(format!("{CHUNKS}5\r\nhello\r\n")),
            "cut",
        ),
        same("closes before chunks", ends(CHUNKS), "cut"),
    ]
}

/// Chunks that are none. nginx before 1.29 takes other line ends.
#[expect(clippy::too_many_lines, reason = "a table")]
fn chunks() -> Vec<Fault> {
    let bad = |chunks: &str| {
        let parts = [
            Step::Request,
            Step::send(CHUNKS),
            Step::Pause,
            Step::send(chunks),
            Step::Stay,
        ];
        parts.to_vec()
    };
    vec![
        same("a size of letters", bad("zz\r\nhello\r\n0\r\n\r\n"), "cut"),
        same("a negative size", bad("-5\r\nhello\r\n0\r\n\r\n"), "cut"),
        same("a signed size", bad("+5\r\nhello\r\n0\r\n\r\n"), "cut"),
        same(
            "a size with a prefix",
            bad("0x5\r\nhello\r\n0\r\n\r\n"),
            "cut",
        ),
        same(
            "a size with a point",
            bad("5.0\r\nhello\r\n0\r\n\r\n"),
            "cut",
        ),
        same(
            "a size beyond 2^64",
            bad("10000000000000005\r\nhello\r\n0\r\n\r\n"),
            "cut",
        ),
        same(
            "a size beyond 2^63",
            bad("8000000000000005\r\nhello\r\n0\r\n\r\n"),
            "cut",
        ),
        same("an empty size", bad("\r\nhello\r\n0\r\n\r\n"), "cut"),
        same(
            "a chunk that is too long",
            bad("4\r\nhello\r\n0\r\n\r\n"),
            "cut",
        ),
        differs(
            "a chunk that is too short",
            bad("6\r\nhello\r\n0\r\n\r\n"),
            "cut",
            "cut|200 hello\r",
        ),
        same(
            "a space before a size",
            bad(" 5\r\nhello\r\n0\r\n\r\n"),
            "cut",
        ),
        same("a CR in a size", bad("5\r5\r\nhello\r\n0\r\n\r\n"), "cut"),
        differs(
            "a NUL in an extension",
            bad("5;\0\r\nhello\r\n0\r\n\r\n"),
            "cut",
            "200 hello",
        ),
        differs(
            "a bare LF after a size",
            bad("5\nhello\r\n0\r\n\r\n"),
            "cut",
            "cut|200 hello",
        ),
        differs(
            "a bare LF after a chunk",
            bad("5\r\nhello\n0\r\n\r\n"),
            "cut",
            "cut|200 hello",
        ),
        same(
            "an endless extension",
            bad(&format!("5;{}", "x".repeat(1 << 20))),
            "cut",
        ),
        same(
            "endless trailers",
            bad(&format!("0\r\n{}", "X: y\r\n".repeat(1 << 18))),
            "cut",
        ),
    ]
}

/// Whole answers, and more than that.
fn surplus() -> Vec<Fault> {
    let another = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSMUGGLED";
    let body = "0123456789";
    vec![
        same(
            "an answer after a length",
            stays(format!("{LENGTH}{body}{another}")),
            "200 0123456789",
        ),
        same(
            "a byte after a length",
            stays(format!("{LENGTH}{body}x")),
            "200 0123456789",
        ),
        same(
            "an answer after chunks",
            stays(format!("{CHUNKS}2\r\nok\r\n0\r\n\r\n{another}")),
            "200 ok",
        ),
        same(
            "an answer after no body",
            stays(format!("{OK}Content-Length: 0\r\n\r\n{another}")),
            "200 ",
        ),
        same(
            "204 with a body",
            stays(format!("HTTP/1.1 204 No Content\r\n\r\n{another}")),
            "204",
        ),
        same(
            "204 with a length",
            stays("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
            "204",
        ),
        same(
            "304 with a body",
            stays(format!("HTTP/1.1 304 Not Modified\r\n\r\n{another}")),
            "304",
        ),
        same(
            "304 with chunks",
            stays(format!(
                "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n{another}"
            )),
            "304",
        ),
        same(
            "ends where it closes",
            ends(format!("{CLOSE}hello")),
            "200 hello",
        ),
        differs(
            "interim answers first",
            ends(format!(
                "{}{LENGTH}{body}",
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10)
            )),
            "200 0123456789",
            "200 0123456789|103",
        ),
    ]
}

/// The modes of proxying, by the first part of the path.
const MODES: [(&str, &str); 3] = [
    ("buffered", ""),
    ("unbuffered", "proxy_buffering off;"),
    ("old", "proxy_http_version 1.0;"),
];

/// What stands in the path for the ways that lead nowhere at all.
const NOWHERE: [(&str, &str); 2] = [("refuses", "502"), ("unreachable", "504")];

/// A server with a location for each way to each of `ports`.
fn serve(binary: Binary, ports: &[(String, u16)]) -> Server {
    let mut locations = String::new();
    for (name, _) in ports {
        for (mode, rules) in MODES {
            let _ = writeln!(
                locations,
                "location = /{mode}/{name} {{ proxy_pass http://127.0.0.1:{{port_{name}}}; {rules} }}"
            );
        }
    }
    let text = format!(
        "proxy_connect_timeout 400ms;
         proxy_read_timeout 400ms;
         keepalive_timeout 0;
         server {{ listen 127.0.0.1:{{port}}; {locations} }}"
    );
    start(binary, &text, ports)
}

/// Plays all of `faults` through `binary`, and gives a line for each client that saw something
/// else than `expected` says.
fn play(binary: &Binary, faults: &[Fault], expected: fn(&Fault) -> &'static str) -> Vec<String> {
    let upstreams: Vec<Scripted> = faults.iter().map(|f| Scripted::new(&f.steps)).collect();
    let ports: Vec<(String, u16)> = upstreams
        .iter()
        .enumerate()
        .map(|(number, upstream)| (number.to_string(), upstream.port()))
        .collect();
    let server = serve(binary.clone(), &ports);
    let before = server.open_descriptors();
    let of_one = |number: usize, fault: &Fault| -> Vec<String> {
        let requests = MODES.iter().flat_map(|(mode, _)| {
            let request = get(&format!("/{mode}/{number}"));
            // Twice, as the first one's connection must not serve the second.
            [(*mode, request.clone()), (*mode, request)]
        });
        let seen = requests.map(|(mode, request)| (mode, outcome(server.port(), &request)));
        let wrong = seen.filter(|(_, seen)| !expected(fault).split('|').any(|one| one == seen));
        wrong
            .map(|(mode, seen)| format!("{}, {mode}: {seen}, not {}", fault.name, expected(fault)))
            .collect()
    };
    let mut wrong: Vec<String> = std::thread::scope(|scope| {
        let of_one = &of_one;
        let threads: Vec<_> = faults
            .iter()
            .enumerate()
            .map(|(number, fault)| scope.spawn(move || of_one(number, fault)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|lines| lines.expect("no panic")).collect()
    });
    if *binary != Binary::Tidegate {
        return wrong;
    }
    for (fault, upstream) in faults.iter().zip(&upstreams) {
        let is_used_again = upstream.seen().iter().any(|one| one.heads() > 1);
        if is_used_again {
            wrong.push(format!("{}: the connection was used again", fault.name));
        }
    }
    drop(upstreams);
    let limit = Duration::from_secs(5);
    if !clock::becomes_true(limit, || server.open_descriptors() <= before) {
        wrong.push(format!(
            "{} descriptors, {before} before",
            server.open_descriptors()
        ));
    }
    wrong
}

/// Compares with the table, ours and nginx's.
#[track_caller]
fn check(faults: &[Fault]) {
    let ours = play(&Binary::Tidegate, faults, |fault| fault.ours);
    assert!(ours.is_empty(), "{}", ours.join("\n"));
    if !Binary::Nginx.is_available() {
        return skip::skip("nginx is not installed");
    }
    let theirs = play(&Binary::Nginx, faults, |fault| match fault.nginx {
        "" => fault.ours,
        own => own,
    });
    assert!(theirs.is_empty(), "nginx:\n{}", theirs.join("\n"));
}

#[test]
fn nothing_before_the_head() {
    check(&before_the_head());
}

#[test]
fn heads_that_are_none() {
    check(&heads());
}

#[test]
fn framing_in_two_ways() {
    check(&framing());
}

#[test]
fn bodies_cut_short() {
    check(&short_bodies());
}

#[test]
fn chunks_that_are_none() {
    check(&chunks());
}

#[test]
fn more_than_an_answer() {
    check(&surplus());
}

/// Ways that lead to no server.
#[test]
fn nobody_there() {
    let (refusing, full) = (Refusing::new(), Unreachable::new());
    let ports = [
        ("refuses".to_owned(), refusing.port()),
        ("unreachable".to_owned(), full.port()),
    ];
    let server = serve(Binary::Tidegate, &ports);
    for (name, expected) in NOWHERE {
        for (mode, _) in MODES {
            let seen = outcome(server.port(), &get(&format!("/{mode}/{name}")));
            assert_eq!(seen, expected, "{name}, {mode}");
        }
    }
    server.wait_for_error_log("connect() failed (111: Connection refused) while connecting");
    server.wait_for_error_log("upstream timed out (110: Connection timed out) while connecting");
}

/// A body that ends with its connection looks whole however it ends, unless it ends by a reset.
#[test]
fn old_clients_see_what_is_cut_too() {
    let faults = short_bodies();
    let upstreams: Vec<Scripted> = faults.iter().map(|f| Scripted::new(&f.steps)).collect();
    let ports: Vec<(String, u16)> = upstreams
        .iter()
        .enumerate()
        .map(|(number, upstream)| (number.to_string(), upstream.port()))
        .collect();
    let server = serve(Binary::Tidegate, &ports);
    let mut wrong = Vec::new();
    for (number, fault) in faults.iter().enumerate() {
        for (mode, _) in MODES {
            let seen = outcome(
                server.port(),
                &format!("GET /{mode}/{number} HTTP/1.0\r\n\r\n"),
            );
            if seen != "cut" {
                wrong.push(format!("{}, {mode}: {seen}", fault.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An answer to HEAD has no body, whatever follows it.
#[test]
fn heads_alone_have_no_body() {
    let whole = format!("{LENGTH}0123456789");
    let chunked = format!("{CHUNKS}2\r\nok\r\n0\r\n\r\n");
    for (text, is_kept) in [
        (&*whole, false),
        (&chunked, false),
        (LENGTH, true),
        (CHUNKS, true),
    ] {
        let upstream = Scripted::new(&stays(text));
        let server = serve(Binary::Tidegate, &[("0".to_owned(), upstream.port())]);
        for (mode, _) in MODES {
            let request =
                format!("HEAD /{mode}/0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            assert_eq!(outcome(server.port(), &request), "200 ", "{text}, {mode}");
        }
        let is_left = |seen: &[harness::scripted::Seen]| seen.iter().all(|one| one.is_over);
        if is_kept {
            assert!(!is_left(&upstream.seen()), "{text}");
        } else {
            assert!(upstream.waits_for(is_left), "{text}");
        }
    }
}
