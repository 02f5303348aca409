//! Clients that leave, and clients that do not read.

use super::{binaries, start, stays};
use harness::scripted::{Scripted, Seen, Step};
use harness::{Binary, Client, Server, clock, process};
use std::time::Duration;

/// How long nothing is expected to happen.
const QUIET: Duration = Duration::from_millis(600);

fn serve(binary: &Binary, upstream: &Scripted, rules: &str) -> Server {
    let text = format!(
        "client_max_body_size 0;
         upstream up {{ server 127.0.0.1:{{port_up}}; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://up; {rules} }}
             location /asked {{ auth_request /; }}
             location /page {{ add_before_body /; default_type text/html; return 200 page; }}
         }}"
    );
    start(binary.clone(), &text, &[("up".to_owned(), upstream.port())])
}

fn has_request(seen: &[Seen]) -> bool {
    seen.iter().any(|one| !one.requests.is_empty())
}

/// Asks with `request`, waits until the server was asked, and leaves.
#[track_caller]
fn ask_and_leave(server: &Server, upstream: &Scripted, request: &str) {
    let mut client = server.connect();
    client.send(request).expect("sent");
    assert!(upstream.waits_for(has_request), "never asked");
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello";

/// Whatever the server is about, nobody waits for it any more.
#[test]
fn one_that_leaves_frees_the_server() {
    let stages = [
        (
            "before the head",
            vec![Step::Request, Step::Hang],
            GET.to_owned(),
        ),
        (
            "in the head",
            stays("HTTP/1.1 200 OK\r\nA:"),
            GET.to_owned(),
        ),
        ("in the body", stays(BEGUN), GET.to_owned()),
        (
            "after a body",
            vec![Step::Request, Step::Hang],
            super::post("/"),
        ),
    ];
    for binary in binaries() {
        for rules in ["", "proxy_buffering off;"] {
            for (stage, steps, request) in &stages {
                let upstream = Scripted::new(steps);
                let server = serve(&binary, &upstream, rules);
                ask_and_leave(&server, &upstream, request);
                assert!(upstream.is_left_alone(), "{binary:?}, {rules} {stage}");
            }
        }
    }
}

/// Nor do those wait who would use the answer: access, or a page that it is to stand in.
#[test]
fn one_that_leaves_frees_the_server_of_a_subrequest() {
    for binary in binaries() {
        for path in ["/asked", "/page"] {
            for steps in [vec![Step::Request, Step::Hang], stays(BEGUN)] {
                let upstream = Scripted::new(&steps);
                let server = serve(&binary, &upstream, "");
                let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
                ask_and_leave(&server, &upstream, &request);
                assert!(upstream.is_left_alone(), "{binary:?}, {path}, {steps:?}");
            }
        }
    }
}

/// One whose body is passed on as it comes.
#[test]
fn one_that_leaves_in_its_body_frees_the_server() {
    for binary in binaries() {
        let upstream = Scripted::new(&[Step::Head, Step::Hang]);
        let rules = "proxy_request_buffering off; proxy_http_version 1.1;";
        let server = serve(&binary, &upstream, rules);
        let begun = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc";
        ask_and_leave(&server, &upstream, begun);
        assert!(upstream.is_left_alone(), "{binary:?}");
    }
}

/// With `proxy_ignore_client_abort` the server is let finish.
#[test]
fn one_that_leaves_does_not_matter_where_configured() {
    for binary in binaries() {
        for (stage, steps) in [
            ("before the head", vec![Step::Request, Step::Hang]),
            ("in the body", stays(BEGUN)),
        ] {
            let upstream = Scripted::new(&steps);
            let server = serve(
                &binary,
                &upstream,
                "proxy_ignore_client_abort on; proxy_read_timeout 3s;",
            );
            ask_and_leave(&server, &upstream, GET);
            std::thread::sleep(QUIET);
            assert!(!upstream.seen()[0].is_over, "{binary:?}, {stage}");
            // It is not waited for longer than for any other.
            assert!(upstream.is_left_alone(), "{binary:?}, {stage}");
        }
    }
}

/// A client that has sent its last byte and closed its half is one that left, as for nginx,
/// unless that is ignored.
#[test]
fn one_that_closes_its_half_has_left() {
    for binary in binaries() {
        for (rules, is_answered) in [("", false), ("proxy_ignore_client_abort on;", true)] {
            let answer = Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            // Later than a busy machine needs to see that it has left.
            let pauses = vec![Step::Pause; if is_answered { 3 } else { 30 }];
            let late = [vec![Step::Request], pauses, vec![answer, Step::Stay]];
            let upstream = Scripted::new(&late.concat());
            let server = serve(&binary, &upstream, rules);
            let mut client = server.connect();
            client.send(GET).expect("sent");
            client.finish_sending().expect("closed");
            let bytes = client.read_to_end().unwrap_or_default();
            assert_eq!(bytes.ends_with(b"ok"), is_answered, "{binary:?}, {rules}");
        }
    }
}

/// Bytes of an answer that no socket's buffers take, whatever the system lets them grow to.
const LARGE: usize = 48 << 20;

/// Bytes of one that is more than the buffers of sockets that grow only while they are read, and
/// little enough to be written to a file by a busy machine.
const READ_AHEAD: usize = 16 << 20;

fn sends_much() -> Vec<Step> {
    sends(LARGE)
}

fn sends(length: usize) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let piece = vec![b'x'; 64 << 10];
    let count = length / piece.len();
    vec![
        Step::Request,
        Step::send(head),
        Step::Repeat(piece, count),
        Step::Stay,
    ]
}

/// Connects and asks, and reads nothing.
fn ask(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(GET).expect("sent");
    client
}

/// With room in a temporary file a server is free as soon as it has answered.
#[test]
fn one_that_does_not_read_frees_the_server() {
    for binary in binaries() {
        let upstream = Scripted::new(&sends(READ_AHEAD));
        let server = serve(&binary, &upstream, "proxy_max_temp_file_size 64m;");
        let mut client = ask(&server);
        // A busy machine may take its time, and does not stand still.
        let mut sent = 0;
        while sent < READ_AHEAD {
            let moves = |seen: &[Seen]| seen.iter().any(|one| one.sent > sent);
            assert!(upstream.waits_for(moves), "{binary:?}: {sent} bytes");
            sent = upstream.seen().iter().map(|one| one.sent).sum();
        }
        let answer = client.receive();
        assert!(
            answer.is_complete && answer.body.len() == READ_AHEAD,
            "{binary:?}"
        );
    }
}

/// Without such room the server waits with the client, and little of the answer is held here.
#[test]
fn one_that_does_not_read_is_waited_for_in_little_memory() {
    for rules in [
        "proxy_max_temp_file_size 0;",
        "proxy_buffering off;",
        "proxy_max_temp_file_size 1m; proxy_temp_file_write_size 64k;",
    ] {
        let upstream = Scripted::new(&sends_much());
        let server = serve(&Binary::Tidegate, &upstream, rules);
        let memory = || -> u64 {
            let of = |pid: u32| process::memory_bytes(pid, "status", "RssAnon").unwrap_or(0);
            server.workers().into_iter().map(of).sum()
        };
        let before = memory();
        let client = ask(&server);
        let sent = || upstream.seen().iter().map(|one| one.sent).sum::<usize>();
        // It stands still once all buffers are full.
        let mut last = 0;
        let stands = clock::becomes_true(Duration::from_secs(10), || {
            std::thread::sleep(Duration::from_millis(100));
            sent() > 0 && sent() == std::mem::replace(&mut last, sent())
        });
        assert!(stands && sent() < LARGE, "{rules}: {} bytes", sent());
        let grown = memory().saturating_sub(before);
        assert!(grown < 2 << 20, "{rules}: {grown} bytes more");
        drop(client);
        assert!(upstream.is_left_alone(), "{rules}");
    }
}

/// A client that reads nothing is given up after `send_timeout`, and its server with it.
#[test]
fn one_that_never_reads_is_given_up() {
    for rules in ["proxy_max_temp_file_size 0;", "proxy_buffering off;"] {
        let upstream = Scripted::new(&sends_much());
        let server = serve(
            &Binary::Tidegate,
            &upstream,
            &format!("send_timeout 1s; {rules}"),
        );
        let _client = ask(&server);
        assert!(upstream.waits_for(has_request), "{rules}");
        assert!(upstream.is_left_alone(), "{rules}");
    }
}
