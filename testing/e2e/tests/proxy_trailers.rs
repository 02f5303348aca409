//! Trailers of requests on their way to proxied servers, and of their answers.

use harness::scripted::{Scripted, read_head};
use harness::{Backend, Server};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server that notes what it is sent, head and body, and answers `ok` to it.
fn noting() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let sender = sender.clone();
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                while let Some(request) = read_request(&mut stream) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    if sender.send(request).is_err() || stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, receiver)
}

/// Reads a request whose body either has a length, or ends with the first empty line.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut all = read_head(stream)?;
    let head = String::from_utf8_lossy(&all).to_lowercase();
    let length = head.lines().find_map(|line| {
        let value = line.strip_prefix("content-length: ")?;
        value.parse::<usize>().ok()
    });
    if let Some(length) = length {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        all.extend(body);
    } else if head.contains("transfer-encoding: chunked") {
        all.extend(read_head(stream)?);
    }
    Some(String::from_utf8_lossy(&all).into_owned())
}

/// A server before the one on `port`, which has `rules` for it.
fn before(port: u16, rules: &str) -> Server {
    Server::new(&format!(
        "upstream u {{ server 127.0.0.1:{port}; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://u; proxy_pass_request_trailers on; {rules} }}
         }}"
    ))
    .allow_log("temporary file")
    .allow_log("upstream")
    .start()
}

/// A request with chunks of `body` and `trailers`, the last line of which has its end.
fn chunked(fields: &str, body: &str, trailers: &str) -> String {
    let chunk = if body.is_empty() {
        String::new()
    } else {
        format!("{:x}\r\n{body}\r\n", body.len())
    };
    format!(
        "PUT /x HTTP/1.1\r\nHost: h\r\n{fields}Transfer-Encoding: chunked\r\n\r\n\
         {chunk}0\r\n{trailers}\r\n"
    )
}

/// What the server behind is sent of `request`: its framing, and what follows the head.
#[track_caller]
fn passed(rules: &str, request: &str) -> (String, String) {
    let (port, seen) = noting();
    let server = before(port, rules);
    assert_eq!(server.request(request).text(), "ok", "{rules}");
    split(&seen.recv().expect("a request"))
}

fn split(request: &str) -> (String, String) {
    let (head, rest) = request.split_once("\r\n\r\n").expect("a head");
    let is_framing = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        name == "content-length" || name == "transfer-encoding"
    };
    let framing: Vec<&str> = head.lines().filter(is_framing).collect();
    (framing.join(", "), rest.to_owned())
}

const SUM: &str = "Checksum: 5d41\r\n";

#[test]
fn they_follow_the_body_where_that_is_asked_for() {
    let chunks = "Transfer-Encoding: chunked".to_owned();
    let expected = (chunks.clone(), format!("5\r\nhello\r\n0\r\n{SUM}\r\n"));
    let request = chunked("", "hello", SUM);
    assert_eq!(passed("", &request), expected);
    assert_eq!(passed("proxy_request_buffering off;", &request), expected);
    assert_eq!(passed("proxy_request_dynamic on;", &request), expected);
    let in_file = "client_body_in_file_only clean;";
    assert_eq!(passed(in_file, &request), expected);

    let bare = (chunks, format!("0\r\n{SUM}\r\n"));
    let request = chunked("", "", SUM);
    assert_eq!(passed("", &request), bare);
    assert_eq!(passed("proxy_request_buffering off;", &request), bare);
    assert_eq!(passed(in_file, &request), bare);
}

/// Of a body beyond its buffer the file's pieces are chunks.
#[test]
fn they_follow_a_body_out_of_a_file() {
    let body = "0123456789".repeat(20_000);
    let rules = "client_body_buffer_size 1k;";
    let (framing, rest) = passed(rules, &chunked("", &body, SUM));
    assert_eq!(framing, "Transfer-Encoding: chunked");
    let mut decoded = String::new();
    let mut left = rest.as_str();
    while let Some((size, after)) = left.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            left = after;
            break;
        }
        decoded.push_str(&after[..size]);
        left = after[size..].strip_prefix("\r\n").expect("a chunk's end");
    }
    assert!(decoded == body, "{} bytes of {}", decoded.len(), body.len());
    assert_eq!(left, format!("{SUM}\r\n"));
}

/// A body that comes while it is passed on.
#[test]
fn they_follow_a_body_that_comes_late() {
    let (port, seen) = noting();
    let server = before(port, "proxy_request_buffering off;");
    let mut client = server.connect();
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    client.send(head).expect("sent");
    std::thread::sleep(Duration::from_millis(20));
    client.send_more("0\r\nCheck").expect("sent");
    std::thread::sleep(Duration::from_millis(20));
    client.send_more("sum: 5d41\r\n\r\n").expect("sent");
    assert_eq!(client.receive().text(), "ok");
    let (_, rest) = split(&seen.recv().expect("a request"));
    assert_eq!(rest, format!("5\r\nhello\r\n0\r\n{SUM}\r\n"));
}

#[test]
fn they_follow_a_body_that_is_sent_again() {
    let closing_server = Scripted::answering(|_, _, _| false);
    let closing = closing_server.port();
    let (port, seen) = noting();
    let server = Server::new(&format!(
        "upstream u {{ server 127.0.0.1:{closing}; server 127.0.0.1:{port} backup; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://u; proxy_pass_request_trailers on; }}
         }}"
    ))
    .allow_log("upstream")
    .start();
    let answer = server.request(chunked("", "hello", SUM));
    assert_eq!(answer.text(), "ok");
    assert_eq!(closing_server.requests().len(), 1, "asked first");
    let (_, rest) = split(&seen.recv().expect("a request"));
    assert_eq!(rest, format!("5\r\nhello\r\n0\r\n{SUM}\r\n"));
}

/// By default they go no further, as in nginx; nor where the body is not the client's or cannot
/// be followed by anything.
#[test]
fn they_are_dropped_elsewhere() {
    let length = ("Content-Length: 5".to_owned(), "hello".to_owned());
    let request = chunked("", "hello", SUM);
    assert_eq!(passed("proxy_http_version 1.0;", &request), length);
    assert_eq!(
        passed("proxy_set_header Content-Length $content_length;", &request).1,
        "hello"
    );
    let own = ("Content-Length: 2".to_owned(), "me".to_owned());
    assert_eq!(passed("proxy_set_body me;", &request), own);
    let none = passed("proxy_pass_request_body off;", &request);
    assert_eq!(none, (String::new(), String::new()));
    // Without trailers nothing is different.
    assert_eq!(passed("", &chunked("", "hello", "")), length);

    let (port, seen) = noting();
    let location = |rules| format!("proxy_pass http://127.0.0.1:{port}; {rules}");
    let server = Server::new(&format!(
        "server {{
             listen 127.0.0.1:{{port}};
             location / {{ {} }}
             location /streamed/ {{ {} }}
         }}",
        location(""),
        location("proxy_request_buffering off;")
    ))
    .start();
    assert_eq!(server.request(&request).text(), "ok");
    assert_eq!(split(&seen.recv().expect("a request")), length);
    let streamed = request.replace("/x", "/streamed/");
    let mut client = server.connect();
    let (first, second) = streamed.split_once("0\r\n").expect("a last chunk");
    client.send(first).expect("sent");
    std::thread::sleep(Duration::from_millis(20));
    client.send_more(format!("0\r\n{second}")).expect("sent");
    assert_eq!(client.receive().text(), "ok");
    let (framing, rest) = split(&seen.recv().expect("a request"));
    assert_eq!(framing, "Transfer-Encoding: chunked");
    assert_eq!(rest, "5\r\nhello\r\n0\r\n\r\n");
}

/// S-13: what frames, routes, authenticates or describes stays out, as does what the
/// configuration says or the client's `Connection` names.
#[test]
fn names_that_belong_into_the_head_are_dropped() {
    let fields = [
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Host: admin",
        "Connection: close",
        "TE: trailers",
        "Trailer: X",
        "Upgrade: websocket",
        "Authorization: Basic eA==",
        "Proxy-Authorization: Basic eA==",
        "Cookie: a=b",
        "Content-Type: text/html",
        "content-disposition: inline",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Port: 1",
        "X-Real-IP: 127.0.0.1",
        "X-HTTP-Method-Override: DELETE",
        "Content_Length: 0",
        "X-User: root",
        "X-Listed: 1",
        "X-Also: 1",
    ];
    let trailers = format!("{}\r\n{SUM}", fields.join("\r\n"));
    let connection = "Connection: keep-alive\r\nConnection: x-listed, X-Also\r\n";
    let request = chunked(connection, "hello", &trailers);
    for rules in ["", "proxy_request_buffering off;"] {
        let rules = format!("{rules} proxy_set_header X-User \"\";");
        let (_, rest) = passed(&rules, &request);
        assert_eq!(rest, format!("5\r\nhello\r\n0\r\n{SUM}\r\n"));
    }
}

/// What is no field is no trailer either, and nobody is told a part of it.
#[test]
fn what_is_no_trailer_is_refused() {
    let (port, seen) = noting();
    let server = before(port, "");
    let many = "A: b\r\n".repeat(101);
    let long = format!("A: {}\r\n", "b".repeat(8192));
    for trailers in [
        "A: b\rContent-Length: 5\r\n",
        "A: b\nContent-Length: 5\r\n",
        "A: b\r\r\n",
        "A: b\0\r\n",
        "A : b\r\n",
        ": b\r\n",
        "A: b\r\n c\r\n",
        &many,
        &long,
    ] {
        let answer = server.request(chunked("", "hello", trailers));
        assert_eq!(answer.status, 400, "{trailers:?}");
    }
    assert!(seen.try_recv().is_err(), "something was passed on");
}

/// Node reads them as trailers, and the next request of the connection as the next.
#[test]
fn a_real_server_reads_them() {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("backends/echo.js");
    let Some(node) = Backend::of_script("node", &script) else {
        return;
    };
    for rules in ["", "proxy_request_buffering off;"] {
        let server = before(node.port(), rules);
        let mut client = server.connect();
        for _ in 0..2 {
            let answer = client.request(chunked("", "hello", SUM));
            assert_eq!(answer.text(), "PUT /x 5");
            let trailers = answer.header("X-Trailers");
            assert_eq!(trailers, Some("checksum: 5d41"), "{rules}");
        }
    }
}

/// All bytes of an answer, chunks and trailers as they are on the wire.
fn whole_answer(server: &Server) -> String {
    let mut client = server.connect();
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    client.send(request).expect("sent");
    let bytes = client.read_to_end().expect("closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Of an answer's trailers the client gets what it would get in the head.
#[test]
fn hidden_fields_are_hidden_after_the_body_too() {
    let upstream = Scripted::answering(|_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n\
                       2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Secret: 2\r\nX-Hop: 3\r\nServer: s\r\n\r\n";
        stream.write_all(answer).is_ok()
    });
    let port = upstream.port();
    for (rules, expected) in [
        ("", "X-Sum: 1\r\nX-Secret: 2\r\n"),
        ("proxy_hide_header x-secret;", "X-Sum: 1\r\n"),
        (
            "proxy_hide_header X-Sum; proxy_buffering off;",
            "X-Secret: 2\r\n",
        ),
    ] {
        let rules = format!("proxy_pass_trailers on; {rules}");
        let text = whole_answer(&before(port, &rules));
        let end = format!("2\r\nok\r\n0\r\n{expected}\r\n");
        assert!(text.ends_with(&end), "{rules}: {text}");
    }
}

/// The variable holds what the peer sent, where trailers are passed at all: of those that the
/// client does not get too.
#[test]
fn the_variable_holds_what_is_hidden_too() {
    let upstream = Scripted::answering(|_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       2\r\nok\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n";
        stream.write_all(answer).is_ok()
    });
    let port = upstream.port();
    for (rules, expected) in [
        ("", ""),
        ("proxy_buffering off;", ""),
        (
            "proxy_hide_header X-Sum; proxy_pass_trailers on;",
            "Seen: 1, 2\r\n",
        ),
    ] {
        let rules = format!("{rules} add_trailer Seen $upstream_trailer_x_sum;");
        let text = whole_answer(&before(port, &rules));
        let end = format!("2\r\nok\r\n0\r\n{expected}\r\n");
        assert!(text.ends_with(&end), "{rules}: {text}");
    }
}
