//! Where a message ends: nobody may hide a request inside another one.
//!
//! Every case of these tests is followed, on its connection, by a request that must never be
//! answered when the case is refused, and by one that must be when it is not. Statuses are
//! those of nginx 1.31, unless a test says that they are stricter.

mod bodies;
mod chunks;
mod early_answers;
mod lines;
mod pipelining;
mod proxy;

use harness::{Response, Server};

/// What the hidden request is answered with.
const SMUGGLED: &str = "SMUGGLED";

/// A request that must never be answered.
const HIDDEN: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// A request that ends its connection, and whose answer is the tag `last`.
const PROBE: &[u8] = b"GET /tag?last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// A server whose answers tell which request they belong to. It reads no body to answer.
fn start() -> Server {
    Server::of_one(&format!(
        "client_max_body_size 64k;
         location = /smuggled {{ return 200 {SMUGGLED}; }}
         location = /tag {{ return 200 $args; }}
         location = /method {{ return 200 $request_method; }}"
    ))
    .with_file("html/a.txt", "static")
    .start()
}

/// Status and text of every answer to `bytes`, up to the close that must follow.
#[track_caller]
fn answers(server: &Server, bytes: &[u8]) -> Vec<(u16, String)> {
    let mut client = server.connect();
    match client.converse(bytes) {
        Ok(responses) => responses.iter().map(summary).collect(),
        Err(error) => panic!("not closed: {error}\n{}", bytes.escape_ascii()),
    }
}

fn summary(response: &Response) -> (u16, String) {
    (response.status, response.text())
}

/// Fails with all of `cases` that are not refused with their status, once, and then closed.
#[track_caller]
fn assert_refused<'c>(server: &Server, cases: impl IntoIterator<Item = (&'c [u8], u16)>) {
    assert_refused_as(server, cases, |status, expected| status == expected);
}

/// As [`assert_refused`], for statuses that `is_right` compares with the expected one.
#[track_caller]
fn assert_refused_as<'c>(
    server: &Server,
    cases: impl IntoIterator<Item = (&'c [u8], u16)>,
    is_right: fn(u16, u16) -> bool,
) {
    let mut wrong = Vec::new();
    for (case, status) in cases {
        let answers = answers(server, &[case, HIDDEN, PROBE].concat());
        let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        if statuses.len() != 1 || !is_right(statuses[0], status) {
            let case = case.escape_ascii();
            wrong.push(format!("{case}\n    expected {status}, got {statuses:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fails with all of `cases` that are not answered with their status, and the probe after them.
#[track_caller]
fn assert_served<'c>(server: &Server, cases: impl IntoIterator<Item = (&'c [u8], u16)>) {
    let mut wrong = Vec::new();
    for (case, status) in cases {
        let answers = answers(server, &[case, PROBE].concat());
        let is_right =
            matches!(&answers[..], [(own, _), (200, tag)] if *own == status && tag == "last");
        if !is_right {
            let case = case.escape_ascii();
            wrong.push(format!(
                "{case}\n    expected {status} and the probe, got {answers:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
