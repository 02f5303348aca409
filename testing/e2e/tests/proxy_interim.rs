//! Interim responses of proxied servers: hints that clients get, others that they do not, and
//! how many there may be.

use harness::Server;
use harness::scripted::{Scripted, read_head};
use std::io::Write;

/// A server before one that sends `interim` before its answer.
fn behind(interim: &'static [u8], rules: &str) -> (Server, Scripted) {
    let upstream = Scripted::answering(move |_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(interim).is_ok() && stream.write_all(answer).is_ok()
    });
    let port = upstream.port();
    let text = format!(
        "upstream kept {{ server 127.0.0.1:{port}; }}
         server {{ listen 127.0.0.1:{{port}}; location / {{ proxy_pass http://kept; {rules} }} }}"
    );
    (Server::new(&text).allow_log("upstream").start(), upstream)
}

fn bytes_of(server: &Server, request: &str) -> String {
    let mut client = server.connect();
    client.send(request).expect("sent");
    let bytes = client.read_to_end().expect("closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

const HINTS: &[u8] =
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Pad: no\r\n\r\n\
    HTTP/1.1 102 Processing\r\nX-Work: half\r\n\r\n\
    HTTP/1.1 103 Early Hints\r\nLink: </b.js>\r\nContent-Length: 7\r\n\r\n";

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nHint: 1\r\nConnection: close\r\n\r\n";

#[test]
fn hints_are_passed_where_a_condition_says_so() {
    let (server, _upstream) = behind(HINTS, "early_hints \"\" $http_hint;");
    let got = bytes_of(&server, REQUEST);
    let expected = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
                    HTTP/1.1 103 Early Hints\r\nLink: </b.js>\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(got.starts_with(expected) && got.ends_with("ok"), "{got}");
    let unasked = REQUEST.replace("Hint: 1", "Hint: 0");
    let old = REQUEST.replace("HTTP/1.1", "HTTP/1.0");
    for request in [unasked, old] {
        let got = bytes_of(&server, &request);
        assert!(!got.contains(" 103 ") && got.ends_with("ok"), "{got}");
    }
}

#[test]
fn hints_leave_before_the_answer_is_there() {
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let upstream = Scripted::answering(move |_, stream, _| {
        let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let sent = stream.write_all(hint).is_ok();
        sent && may_go.recv().is_ok()
            && stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok()
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; early_hints 1; }}"
    ))
    .start();
    let mut client = server.connect();
    client.send(REQUEST).expect("sent");
    let mut stream = client.stream().try_clone().expect("a clone");
    let hint = read_head(&mut stream).expect("a hint");
    assert!(hint.starts_with(b"HTTP/1.1 103 Early Hints\r\n"));
    go.send(()).expect("the server waits");
    let answer = read_head(&mut stream).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 204 No Content\r\n"));
}

#[test]
fn hints_beyond_the_buffer_are_dropped_and_storms_end() {
    let hint = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n",
        "a".repeat(900)
    );
    let many: &'static [u8] = hint.repeat(8).into_bytes().leak();
    let (server, _upstream) = behind(many, "early_hints 1; proxy_buffer_size 4k;");
    let got = bytes_of(&server, REQUEST);
    assert_eq!(got.matches(" 103 ").count(), 4, "{got}");
    assert!(got.ends_with("ok"), "{got}");

    let storm: &'static [u8] = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(101).leak();
    let (server, _upstream) = behind(storm, "");
    assert_eq!(server.get("/").status, 502);
    let (server, _upstream) = behind(&storm[..25 * 100], "");
    assert_eq!(server.get("/").text(), "ok");
}
