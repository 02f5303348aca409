//! Sockets to other servers: what they are set to, and how long they may take.

use harness::scripted::{Scripted, Unreachable, read_head};
use harness::{Binary, Server, clock, skip};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

/// What the kernel says of connections to `port`: timers and memory; `None` where it cannot be
/// asked.
fn sockets_to(port: u16) -> Option<String> {
    let filter = format!("( dport = :{port} )");
    let words = ["-Htnmo", "state", "established", &filter];
    let Ok(output) = Command::new("ss").args(words).output() else {
        skip::skip("ss is not installed");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sets of directives, and what is said of a socket that they are for: part of it, and part of
/// what is not so. The kernel counts twice what is asked for.
const SETTINGS: &[(&str, &[&str], &[&str])] = &[
    (
        "",
        &["skmem:"],
        &["timer:(keepalive", "rb9216,", "tb18432,"],
    ),
    ("socket_keepalive on;", &["timer:(keepalive"], &[]),
    (
        "socket_rcvbuf 4608;",
        &["rb9216,"],
        &["tb9216,", "keepalive"],
    ),
    (
        "socket_sndbuf 9216;",
        &["tb18432,"],
        &["rb18432,", "keepalive"],
    ),
    (
        "socket_keepalive on; socket_rcvbuf 4608; socket_sndbuf 9216;",
        &["timer:(keepalive", "rb9216,", "tb18432,"],
        &[],
    ),
];

fn prefixed(prefix: &str, rules: &str) -> String {
    rules.replace("socket_", &format!("{prefix}_socket_"))
}

#[track_caller]
fn check(told: &str, expected: &[&str], others: &[&str]) {
    for part in expected {
        assert!(told.contains(part), "no {part}: {told}");
    }
    for part in others {
        assert!(!told.contains(part), "{part}: {told}");
    }
}

/// While a request waits for its answer, its socket is as the directives say.
#[test]
fn proxied_requests_have_sockets_as_they_are_set() {
    for (rules, expected, others) in SETTINGS {
        // That of Debian has none for buffers.
        let is_old = !rules.contains("buf");
        for binary in [Binary::Tidegate, Binary::Nginx] {
            if binary == Binary::Nginx && !(is_old && binary.is_available()) {
                continue;
            }
            let (send, told) = std::sync::mpsc::channel();
            let upstream = Scripted::answering(move |_, stream, _| {
                let port = stream.local_addr().expect("an address").port();
                send.send(sockets_to(port)).expect("a test");
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).is_ok()
            });
            let port = upstream.port();
            let rules = prefixed("proxy", rules);
            let location = format!("location / {{ proxy_pass http://127.0.0.1:{port}; {rules} }}");
            let server = Server::of_one(&location).binary(binary).start();
            assert_eq!(server.get("/").text(), "ok");
            let Some(told) = told.recv().expect("an answer") else {
                return;
            };
            check(&told, expected, others);
        }
    }
}

/// A server that accepts connections and does nothing with them until it is dropped.
fn silent() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// Asks for a tunnel to `port`; gives the answer's head and the connection.
fn tunnel(server: &Server, port: u16) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("a limit");
    stream.set_write_timeout(limit).expect("a limit");
    let request = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: h\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let head = read_head(&mut stream).expect("a head");
    (String::from_utf8_lossy(&head).into_owned(), stream)
}

#[test]
fn tunnels_have_sockets_as_they_are_set() {
    for (rules, expected, others) in SETTINGS {
        let listener = silent();
        let rules = prefixed("tunnel", rules);
        let server = Server::of_one(&format!("tunnel_pass; {rules}")).start();
        let (head, _stream) = tunnel(&server, port_of(&listener));
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let Some(told) = sockets_to(port_of(&listener)) else {
            return;
        };
        check(&told, expected, others);
    }
}

#[test]
fn a_tunnel_comes_from_the_address_that_is_bound() {
    let listener = silent();
    let server = Server::of_one("tunnel_pass; tunnel_bind 127.0.0.5;").start();
    let (head, _stream) = tunnel(&server, port_of(&listener));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (_, from): (_, SocketAddr) = listener.accept().expect("a connection");
    assert_eq!(from.ip().to_string(), "127.0.0.5");
}

/// Who is asked for a tunnel and does not answer is given up.
#[test]
fn a_tunnel_that_leads_nowhere_is_a_504() {
    let nowhere = Unreachable::new();
    let rules = "tunnel_pass; tunnel_connect_timeout 200ms;";
    let server = Server::of_one(rules).allow_log("timed out").start();
    let (head, _stream) = tunnel(&server, nowhere.port());
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
}

/// Whoever takes nothing of what is sent to it through a tunnel ends it.
#[test]
fn a_tunnel_whose_end_reads_nothing_is_given_up() {
    let listener = silent();
    // The client would be read on for a while, as it has more to say.
    let rules = "tunnel_pass; tunnel_send_timeout 300ms; lingering_close off;";
    let server = Server::of_one(rules).allow_log("timed out").start();
    let (head, mut stream) = tunnel(&server, port_of(&listener));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let piece = vec![b'x'; 64 << 10];
    let error = loop {
        if let Err(error) = stream.write_all(&piece) {
            break error;
        }
    };
    // And not that it was blocked until the test's own limit.
    assert!(
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
        "{error}"
    );
}

/// An answer is read no faster than that, the first second's worth at once.
#[test]
fn an_answer_is_read_no_faster_than_it_may() {
    for binary in [Binary::Tidegate, Binary::Nginx] {
        if !binary.is_available() {
            skip::skip("nginx is not installed");
            continue;
        }
        let body = "0123456789".repeat(6_000);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let upstream = Scripted::answering(move |_, stream, _| {
            let _ = stream.write_all(answer.as_bytes());
            false
        });
        let port = upstream.port();
        // Two seconds' worth and a half: nginx counts turns of its clock's seconds.
        let server = Server::of_one(&format!(
            "location / {{
                 proxy_pass http://127.0.0.1:{port};
                 proxy_buffer_size 4k;
                 proxy_buffers 4 4k;
                 proxy_busy_buffers_size 8k;
                 proxy_limit_rate 24k;
             }}"
        ))
        .binary(binary.clone())
        .start();
        let begun = clock::now();
        let got = server.get("/");
        assert!(got.text() == body, "{binary:?}: {} bytes", got.text().len());
        let taken = begun.elapsed();
        assert!(taken >= Duration::from_secs(1), "{binary:?}: {taken:?}");
    }
}
