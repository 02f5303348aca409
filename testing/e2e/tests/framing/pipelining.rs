//! Requests sent ahead of their answers: one answer each, in order, on every connection.

use super::{answers, start};
use harness::{Server, Signal, process};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// Requests of every kind of body, each with a tag of its own.
fn requests(seed: usize, count: usize) -> (Vec<u8>, Vec<String>) {
    let tags: Vec<String> = (0..count).map(|at| format!("{seed}-{at}")).collect();
    let mut bytes = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        let body = "x".repeat(at * 37 % 500);
        let length = body.len();
        let end = if at + 1 == count {
            "close"
        } else {
            "keep-alive"
        };
        let head = format!("HTTP/1.1\r\nHost: h\r\nConnection: {end}\r\n");
        let request = match at % 3 {
            0 => format!("GET /tag?{tag} {head}\r\n"),
            1 => format!("POST /tag?{tag} {head}Content-Length: {length}\r\n\r\n{body}"),
            _ if body.is_empty() => {
                format!("PUT /tag?{tag} {head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            }
            _ => format!(
                "PUT /tag?{tag} {head}Transfer-Encoding: chunked\r\n\r\n\
                 {length:x}\r\n{body}\r\n0\r\n\r\n"
            ),
        };
        bytes.extend_from_slice(request.as_bytes());
    }
    (bytes, tags)
}

#[test]
fn answers_come_once_and_in_order() {
    let server = start();
    let (bytes, tags) = requests(0, 200);
    let answers: Vec<String> = answers(&server, &bytes)
        .into_iter()
        .map(|(status, tag)| {
            if status == 200 {
                tag
            } else {
                format!("{status}")
            }
        })
        .collect();
    assert_eq!(answers, tags);
}

/// Cut anywhere, and on many connections at once, so that one's answers could meet another's.
#[test]
fn no_answer_is_lost_or_meets_another_connection() {
    let server = start();
    thread::scope(|scope| {
        for seed in 1..9 {
            let server: &Server = &server;
            scope.spawn(move || {
                let (bytes, tags) = requests(seed, 60);
                let mut client = server.connect();
                for piece in bytes.chunks(seed * 53) {
                    client.send_more(piece).unwrap();
                }
                let answers: Vec<String> = client
                    .converse("")
                    .unwrap()
                    .iter()
                    .map(|response| response.text())
                    .collect();
                assert_eq!(answers, tags);
            });
        }
    });
}

/// After a refusal nothing that was sent ahead is answered.
#[test]
fn a_refusal_ends_what_was_sent_ahead() {
    let server = start();
    let (mut bytes, _) = requests(0, 3);
    let close = b"Connection: close";
    let at = bytes
        .windows(close.len())
        .position(|piece| piece == close)
        .unwrap();
    bytes.splice(at..at + close.len(), *b"X-Not: at all now");
    bytes.extend_from_slice(b"GET /tag?bad HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
    bytes.extend_from_slice(super::HIDDEN);
    let statuses: Vec<u16> = answers(&server, &bytes)
        .iter()
        .map(|(status, _)| *status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 400]);
}

/// An answer that could leave together with the next does not wait for it when that takes time.
#[test]
fn no_answer_waits_for_a_request_that_waits_itself() {
    let server = Server::of_one(
        "location = /tag { return 200 $args; }
         location / { auth_basic x; auth_basic_user_file users; auth_delay 4s; }
         location /put/ { dav_methods PUT; }",
    )
    .with_file("users", "")
    .with_file("put", "")
    .start();
    let slow = "GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let unsent =
        "PUT /put/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab";
    let early =
        "POST /tag?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab";
    for second in [slow, unsent, early] {
        let mut client = server.connect();
        client.set_read_limit(Duration::from_millis(3500)).unwrap();
        client
            .send(format!("GET /tag?a HTTP/1.1\r\nHost: h\r\n\r\n{second}"))
            .unwrap();
        assert_eq!(client.receive().text(), "a", "{second}");
        if second == early {
            assert_eq!(client.receive().text(), "b");
        }
    }
}

/// Whatever becomes of a request, what was answered before it is the client's.
#[test]
fn answers_leave_before_a_connection_that_ends_without_one() {
    let server = Server::of_one(
        "location /r { return 200 text; }
        location /p { proxy_pass http://127.0.0.1:{port}/r; }
        location /444 { return 444; }",
    )
    .start();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    for (requests, leaves, expected) in [
        (get("/r").repeat(5) + &get("/444"), false, 5),
        (get("/r") + &get("/p") + &get("/444"), false, 2),
        (get("/r") + "GET", true, 1),
        (get("/r") + &get("/p"), true, 1),
    ] {
        let mut client = server.connect();
        assert_eq!(client.get("/r").text(), "text");
        // All of it, and the end, before the server looks.
        let signal = |signal| {
            for worker in server.workers() {
                process::send(worker, signal).unwrap();
            }
        };
        signal(Signal::Stop);
        client.send_more(&requests).unwrap();
        if leaves {
            client.finish_sending().unwrap();
        }
        signal(Signal::Continue);
        let mut count = 0;
        while let Ok(Some(response)) = client.try_receive() {
            assert!(response.status != 200 || response.text() == "text");
            count += usize::from(response.status == 200);
        }
        assert_eq!(count, expected, "{requests}");
    }
}

/// An answer does not wait for the one behind it.
#[test]
fn an_answer_leaves_before_the_next_one_is_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::of_one(
        "location /r { return 200 text; }
        location /page.html { ssi on; }
        location /slow { proxy_pass http://127.0.0.1:{port_silent}; }",
    )
    .with_port("silent", silent.local_addr().unwrap().port())
    .with_file(
        "html/page.html",
        "<!--#include virtual=\"/slow\" set=\"part\" -->",
    )
    .start();
    let mut client = server.connect();
    client.set_read_limit(Duration::from_secs(10)).unwrap();
    let requests =
        ["/r", "/page.html"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    client.send(requests.concat()).unwrap();
    assert_eq!(client.receive().text(), "text");
}
