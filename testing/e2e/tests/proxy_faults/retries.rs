//! When another server is tried: never for what may have been done already.

use super::{binaries, ends, get, good, outcome, post, resets, start, stays};
use harness::Binary;
use harness::scripted::{Refusing, Scripted, Step};

/// A server with `rules` that asks the one on `port`, then the one on `next`.
fn serve(binary: &Binary, port: u16, next: u16, rules: &str) -> harness::Server {
    let text = format!(
        "proxy_connect_timeout 600ms;
         proxy_read_timeout 600ms;
         keepalive_timeout 0;
         upstream group {{
             server 127.0.0.1:{{port_first}} max_fails=0;
             server 127.0.0.1:{{port_next}} backup;
         }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://group; {rules} }}
         }}"
    );
    let ports = [("first".to_owned(), port), ("next".to_owned(), next)];
    start(binary.clone(), &text, &ports)
}

/// Asks through both programs; checks what the client sees and how often the second server is
/// asked.
#[track_caller]
fn check(first: &[Step], rules: &str, request: &str, expected: &str) {
    for binary in binaries() {
        let faulty = Scripted::new(first);
        let next = Scripted::new(&good("next"));
        let server = serve(&binary, faulty.port(), next.port(), rules);
        let seen = outcome(server.port(), request);
        assert_eq!(seen, expected, "{binary:?}, {first:?}, {rules}, {request}");
        let asked = next.requests().len();
        let is_asked = expected == "200 next";
        assert_eq!(
            asked,
            usize::from(is_asked),
            "{binary:?}, {first:?}, {rules}"
        );
        assert!(faulty.seen().iter().all(|one| one.heads() <= 1));
    }
}

/// The ways to fail without an answer, and what they come to when no other server is asked.
fn failures() -> [(Vec<Step>, &'static str); 5] {
    [
        (vec![Step::Touch, Step::Reset], "502"),
        (vec![Step::Request], "502"),
        (vec![Step::Request, Step::Hang], "504"),
        (resets("HTTP/1.1 200 OK\r\nA"), "502"),
        (ends("HTTP/1.1 200 OK\r\nA"), "502"),
    ]
}

#[test]
fn what_can_be_repeated_is_asked_of_another() {
    let put = post("/").replace("POST", "PUT");
    for (steps, _) in failures() {
        check(&steps, "", &get("/"), "200 next");
    }
    check(&[Step::Request], "", &put, "200 next");
    // The body is here already, whether it came in one piece with its head or not.
    check(
        &[Step::Request],
        "proxy_request_buffering off;",
        &get("/"),
        "200 next",
    );
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    for (steps, alone) in failures() {
        check(&steps, "", &post("/"), alone);
    }
    let all = "proxy_next_upstream error timeout non_idempotent;";
    check(&[Step::Request], all, &post("/"), "200 next");
    check(&[Step::Request, Step::Hang], all, &post("/"), "200 next");
}

#[test]
fn nothing_is_repeated_where_that_is_off() {
    for (steps, alone) in failures() {
        check(&steps, "proxy_next_upstream off;", &get("/"), alone);
    }
    check(
        &[Step::Request],
        "proxy_next_upstream_tries 1;",
        &get("/"),
        "502",
    );
}

/// Nobody was asked yet, so even a POST may go elsewhere.
#[test]
fn a_refused_connection_was_asked_nothing() {
    for binary in binaries() {
        let refusing = Refusing::new();
        let next = Scripted::new(&good("next"));
        let server = serve(&binary, refusing.port(), next.port(), "");
        assert_eq!(outcome(server.port(), &post("/")), "200 next", "{binary:?}");
        assert_eq!(next.requests().len(), 1);
    }
}

#[test]
fn heads_that_are_none_count_where_configured() {
    let bad = stays("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n");
    check(&bad, "", &get("/"), "502");
    let rules = "proxy_next_upstream invalid_header;";
    check(&bad, rules, &get("/"), "200 next");
    check(&bad, rules, &post("/"), "502");
    let large = stays(format!(
        "HTTP/1.1 200 OK\r\nA: {}\r\n\r\n",
        "b".repeat(100_000)
    ));
    check(&large, rules, &get("/"), "200 next");
}

#[test]
fn statuses_count_where_configured() {
    let busy = stays("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    check(&busy, "", &get("/"), "503");
    let rules = "proxy_next_upstream http_503;";
    check(&busy, rules, &get("/"), "200 next");
    check(&busy, rules, &post("/"), "503");
    let rules = "proxy_next_upstream http_503 non_idempotent;";
    check(&busy, rules, &post("/"), "200 next");
}

/// Once the client has seen a part of an answer there is no other.
#[test]
fn an_answer_that_began_is_not_begun_again() {
    let cut = ends("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    let all = "proxy_next_upstream error timeout invalid_header non_idempotent;";
    check(&cut, all, &get("/"), "cut");
    check(
        &cut,
        &format!("{all} proxy_buffering off;"),
        &get("/"),
        "cut",
    );
}
