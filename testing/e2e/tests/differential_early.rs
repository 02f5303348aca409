//! Clients that leave before their answer has come: what the access log says of them, as in nginx.

use harness::scripted::{Scripted, Step};
use harness::{Binary, Server, clock, skip};
use std::io::Read;
use std::thread;
use std::time::Duration;

/// More than the buffers between two sockets take.
const LARGE: usize = 20_000_000;

/// What a client sends, and whether it waits for the begin of an answer before it leaves.
const VISITS: [(&str, bool); 8] = [
    ("GET /large HTTP/1.1\r\nHost: h\r\n\r\n", true),
    ("GET /read/large HTTP/1.1\r\nHost: h\r\n\r\n", true),
    ("GET /slow/large HTTP/1.1\r\nHost: h\r\n\r\n", true),
    ("GET /slow/large?unread HTTP/1.1\r\nHost: h\r\n\r\n", false),
    ("GET /up/silent HTTP/1.1\r\nHost: h\r\n\r\n", false),
    ("GET /delayed/2 HTTP/1.1\r\nHost: h\r\n\r\n", false),
    (
        "POST /up/body HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc",
        false,
    ),
    ("GET /head HTTP/1.1\r\nHos", false),
];

fn lines_of(binary: Binary) -> Vec<String> {
    let silent = Scripted::new(&[Step::Head, Step::Hang]);
    let server = Server::new(&format!(
        "limit_req_zone $server_name zone=one:1m rate=20r/m;
         log_format early '$request $status [$request_completion] $body_bytes_sent';
         access_log logs/early.log early;
         server {{
             listen 127.0.0.1:{{port}};
             location /read {{ alias html; sendfile off; }}
             location /slow {{ alias html; limit_rate 10k; }}
             location /up {{ proxy_pass http://127.0.0.1:{}; }}
             location /delayed {{ limit_req zone=one burst=9; }}
         }}",
        silent.port()
    ))
    .binary(binary)
    .with_file("html/large", vec![b'a'; LARGE])
    .start();
    // The next one is delayed by three seconds.
    assert_eq!(server.get("/delayed/1").status, 404);
    let mut lines = server.log_lines("early.log", 1);
    for (request, waits) in VISITS {
        let mut client = server.connect();
        client
            .send(request)
            .expect("a new connection takes a request");
        if waits {
            let begun = client.stream().read_exact(&mut [0; 500]);
            assert!(begun.is_ok(), "{request}: {begun:?}");
        }
        // What was sent is under way when the client leaves.
        thread::sleep(Duration::from_millis(100));
        drop(client);
        lines = server.log_lines("early.log", lines.len() + 1);
    }
    lines.drain(1..).map(|line| shown(&line)).collect()
}

/// A line with what was sent of the body told in words, since it differs from run to run.
fn shown(line: &str) -> String {
    let (rest, sent) = line.rsplit_once(' ').unwrap_or_default();
    let sent = match sent.parse() {
        Ok(0) => "nothing",
        Ok(1..LARGE) => "a part",
        Ok(_) => "all",
        Err(_) => sent,
    };
    format!("{rest} {sent}")
}

#[test]
fn those_who_leave_are_logged_as_by_nginx() {
    let ours = lines_of(Binary::Tidegate);
    assert!(ours[2].ends_with("200 [] a part"), "{ours:?}");
    assert!(ours[4].ends_with("499 [] nothing"), "{ours:?}");
    if !Binary::Nginx.is_available() {
        skip::skip("nginx is not installed");
        return;
    }
    assert_eq!(ours, lines_of(Binary::Nginx));
}

/// A client that leaves while its answer waits for its rate gives up its place.
#[test]
fn those_who_leave_slow_answers_free_their_place() {
    let server = Server::of_one(
        "location = /status { stub_status; }
         location / { limit_rate 100; access_log logs/early.log; }",
    )
    .with_file("html/large", vec![b'a'; 100_000])
    .start();
    let active = || server.get("/status").text();
    let mut client = server.connect();
    client
        .send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    client.stream().read_exact(&mut [0; 10]).unwrap();
    assert!(
        active().starts_with("Active connections: 2"),
        "{}",
        active()
    );
    drop(client);
    let is_gone = || active().starts_with("Active connections: 1");
    assert!(clock::becomes_true(Duration::from_secs(10), is_gone));
    assert_eq!(server.log_lines("early.log", 1).len(), 1);
}
