//! Answers given before the body has come: the rest is read away, or the connection closed.
//!
//! The body is itself a request, so a server that forgets it answers `SMUGGLED`.

use super::{HIDDEN, PROBE, SMUGGLED};
use harness::{Response, Server};

/// How a body is announced.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Length,
    Chunked,
    /// With a length, by a client that waits for 100.
    Expect,
}

const KINDS: [Kind; 3] = [Kind::Length, Kind::Chunked, Kind::Expect];

/// One way to an early answer.
struct Path {
    /// Method and target.
    start: &'static str,
    /// Lines that the request needs.
    fields: &'static str,
    status: u16,
    /// Whether the connection is kept, once the body is read away. A client that waits for 100
    /// is sent away in any case: it may send the body or not.
    keeps: bool,
}

const fn path(start: &'static str, fields: &'static str, status: u16, keeps: bool) -> Path {
    Path {
        start,
        fields,
        status,
        keeps,
    }
}

const PATHS: [Path; 23] = [
    path("POST /return", "", 200, true),
    path("GET /return", "", 200, true),
    path("HEAD /return", "", 200, true),
    path("DELETE /return", "", 200, true),
    path("POST /forbidden", "", 403, true),
    path("POST /unauthorized", "", 401, true),
    path("POST /private", "", 401, true),
    path("POST /denied", "", 403, true),
    path("GET /gif", "", 200, true),
    path("POST /redirect", "", 301, true),
    path("POST /page", "", 404, true),
    path("POST /named", "", 200, true),
    path("POST /rewritten", "", 200, true),
    path("GET /a.txt", "", 200, true),
    path("POST /a.txt", "", 405, true),
    path("GET /missing", "", 404, true),
    path("GET /folder", "", 301, true),
    path("GET /folder/", "", 403, true),
    path("GET /try", "", 200, true),
    path(
        "GET /a.txt",
        "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
        304,
        true,
    ),
    path("GET /a.txt", "If-Match: \"x\"\r\n", 412, false),
    path("GET /a.txt", "Range: bytes=100-\r\n", 416, true),
    path("GET /return", "Host: again\r\n", 400, false),
];

fn start() -> Server {
    Server::of_one(&format!(
        "client_max_body_size 1k;
         location = /smuggled {{ return 200 {SMUGGLED}; }}
         location = /tag {{ return 200 $args; }}
         location = /return {{ return 200 text; }}
         location = /forbidden {{ return 403; }}
         location = /unauthorized {{ return 401; }}
         location = /private {{ auth_basic x; auth_basic_user_file users; }}
         location = /denied {{ deny all; }}
         location = /gif {{ empty_gif; }}
         location = /redirect {{ return 301 /elsewhere; }}
         location = /page {{ error_page 404 /page404; return 404; }}
         location = /page404 {{ return 404 page; }}
         location = /named {{ error_page 403 =200 @named; return 403; }}
         location @named {{ return 200 named; }}
         location = /rewritten {{ rewrite ^ /return; }}
         location = /try {{ try_files /nothing /a.txt =404; }}"
    ))
    .with_file("users", "")
    .with_file("html/a.txt", "static")
    .with_file("html/folder/a.txt", "")
    .start()
}

/// A request with `body` in two parts: its head, and the body as it is framed.
fn request(path: &Path, kind: Kind, body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let length = body.len();
    let framing = match kind {
        Kind::Length => format!("Content-Length: {length}\r\n"),
        Kind::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        Kind::Expect => format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"),
    };
    let (start, fields) = (path.start, path.fields);
    let head = format!("{start} HTTP/1.1\r\nHost: h\r\n{fields}{framing}\r\n");
    let framed = match kind {
        Kind::Chunked => {
            let size = format!("{length:x}\r\n");
            [size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
        }
        Kind::Length | Kind::Expect => body.to_vec(),
    };
    (head.into_bytes(), framed)
}

fn describe(responses: &[Response]) -> Vec<(u16, String)> {
    responses.iter().map(super::summary).collect()
}

/// What is wrong with the answers to one request with an early answer, if anything.
fn fault(path: &Path, kind: Kind, responses: &[Response]) -> Option<String> {
    // nginx tells the client to go on even if it will throw the body away.
    let is_interim = |response: &&Response| response.status == 100;
    let interim = responses.iter().take_while(is_interim).count();
    let Some((first, rest)) = responses[interim..].split_first() else {
        return Some(format!("{} {kind:?}: no answer", path.start));
    };
    let is_probe = |rest: &[Response]| matches!(rest, [last] if last.text() == "last");
    let keeps = path.keeps && !matches!(kind, Kind::Expect);
    let is_right = first.status == path.status
        && (rest.is_empty() || is_probe(rest))
        && (!keeps || is_probe(rest));
    (!is_right).then(|| {
        format!(
            "{} {}{kind:?}: {:?}",
            path.start,
            path.fields,
            describe(responses)
        )
    })
}

/// The body comes with its head.
#[test]
fn a_body_that_came_already_is_no_request() {
    let server = start();
    let mut faults = Vec::new();
    for path in &PATHS {
        for kind in KINDS {
            let (head, body) = request(path, kind, HIDDEN);
            let responses = server.connect().converse([&head, &body, PROBE].concat());
            faults.extend(fault(path, kind, &responses.unwrap()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The body comes after the answer, as from a client that has not read it yet.
#[test]
fn a_body_that_comes_after_the_answer_is_no_request() {
    let server = start();
    let mut faults = Vec::new();
    for path in &PATHS {
        for kind in KINDS {
            let (head, body) = request(path, kind, HIDDEN);
            let mut client = server.connect();
            let mut responses = vec![client.request(&head)];
            responses.extend(client.converse([&body, PROBE].concat()).unwrap());
            faults.extend(fault(path, kind, &responses));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A client that waits for 100 and got its answer may go on with its next request: that is
/// not its body, so the connection must not survive in a way that would make it so. nginx
/// tells it to go on instead, and waits for the body.
#[test]
fn a_client_that_was_not_told_to_go_on_is_never_misread() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = start();
    for path in &PATHS {
        let (head, _) = request(path, Kind::Expect, &HIDDEN.repeat(3));
        let mut client = server.connect();
        let first = client.request(&head);
        let rest = client.converse([HIDDEN, PROBE].concat()).unwrap();
        let what = format!("{} {}: {:?}", path.start, path.fields, describe(&rest));
        assert_eq!(first.status, path.status, "{what}");
        assert!(rest.is_empty(), "{what}");
    }
}

/// A body over the limit is refused by its announcement and closes the connection. One in
/// chunks that nobody reads has no limit, as in nginx: it is thrown away.
#[test]
fn a_body_over_the_limit_is_refused() {
    let server = start();
    let large = HIDDEN.repeat(64);
    for start in ["POST /return", "GET /a.txt", "POST /a.txt"] {
        for kind in [Kind::Length, Kind::Expect] {
            let (head, body) = request(&path(start, "", 413, false), kind, &large);
            let together = server
                .connect()
                .converse([&head, &body, PROBE].concat())
                .unwrap();
            assert_eq!(together[0].status, 413, "{start} {kind:?}");
            assert_eq!(
                together.len(),
                1,
                "{start} {kind:?}: {:?}",
                describe(&together)
            );

            let mut client = server.connect();
            assert_eq!(client.request(&head).status, 413, "{start} {kind:?}");
            let rest = client.converse([&body, PROBE].concat()).unwrap();
            assert!(rest.is_empty(), "{start} {kind:?}: {:?}", describe(&rest));
        }
    }
}
