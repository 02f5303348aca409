//! Connections to proxied servers: where they come from, how they begin, who may have them.

use harness::Server;
use harness::scripted::{Scripted, read_head};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that answers each connection as often as it is asked; gives what each began with, up
/// to the first request.
fn beginnings(
    head: impl Fn(&mut TcpStream) -> Vec<u8> + Send + 'static,
) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = sender.send(head(&mut stream));
            while read_head(&mut stream).is_some() {
                if stream.write_all(ANSWER).is_err() {
                    break;
                }
            }
        }
    });
    (port, receiver)
}

fn through(port: u16, rules: &str) -> Server {
    let location = format!("location / {{ proxy_pass http://127.0.0.1:{port}; {rules} }}");
    Server::of_one(&location).allow_log("upstream").start()
}

fn read_line(stream: &mut TcpStream) -> Vec<u8> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        line.push(byte[0]);
    }
    line
}

#[test]
fn every_connection_says_who_its_client_is() {
    let (port, seen) = beginnings(read_line);
    let server = through(port, "proxy_protocol on;");
    let mut client = server.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/").text(), "ok");
        let line = String::from_utf8(seen.recv().expect("a connection")).expect("text");
        let own = client.stream().local_addr().expect("an address").port();
        let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {own} {}\r\n", server.port());
        assert_eq!(line, expected);
    }
}

#[test]
fn version_2_is_binary() {
    let (port, seen) = beginnings(|stream| {
        let mut header = vec![0; 28];
        stream.read_exact(&mut header).expect("a header");
        header
    });
    let server = through(port, "proxy_protocol v2;");
    let mut client = server.connect();
    assert_eq!(client.get("/").text(), "ok");
    let header = seen.recv().expect("a connection");
    assert_eq!(&header[..12], b"\r\n\r\n\0\r\nQUIT\n");
    assert_eq!(header[12..14], [0x21, 0x11]);
    let own = client.stream().local_addr().expect("an address").port();
    assert_eq!(header[24..26], own.to_be_bytes());
}

#[test]
fn a_server_is_asked_only_where_that_is_allowed() {
    let (port, seen) = beginnings(|_| Vec::new());
    let rules = "proxy_allow_upstream $http_allowed $upstream_last_addr;
                 add_header Last $upstream_last_addr always;
                 error_page 403 = /denied;";
    let server = Server::of_one(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; {rules} }}
         location /denied {{ return 200 denied; }}"
    ))
    .allow_log("upstream")
    .start();
    let ask = |allowed: &str| {
        let fields = format!("Allowed: {allowed}\r\nConnection: close\r\n");
        server.request(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    };
    assert_eq!(ask("0").text(), "denied");
    let answer = ask("1");
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.header("Last"), Some("127.0.0.1"));
    assert_eq!(seen.try_iter().count(), 1);
    server.wait_for_error_log("access to upstream denied while connecting to upstream");
}

#[test]
fn a_request_may_differ_from_server_to_server() {
    for (dynamic, expected) in [("on", "127.0.0.1"), ("off", "")] {
        let upstream = Scripted::answering(|_, stream, _| stream.write_all(ANSWER).is_ok());
        let to = upstream.port();
        let server = Server::new(&format!(
            "upstream two {{ server 127.0.0.1:1; server 127.0.0.1:{to}; }}
             server {{
                 listen 127.0.0.1:{{port}};
                 location / {{
                     proxy_pass http://two;
                     proxy_request_dynamic {dynamic};
                     proxy_set_header X-To $upstream_last_addr;
                 }}
             }}"
        ))
        .allow_log("upstream")
        .start();
        assert_eq!(server.get("/").text(), "ok");
        let (_, head) = upstream.requests().pop().expect("a request");
        let has = head.contains(&format!("X-To: {expected}\r\n"));
        assert_eq!(has, !expected.is_empty(), "{dynamic}: {head}");
    }
}

#[test]
fn connections_come_from_where_they_are_told_to() {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    let text = |rule: &str| {
        format!(
            "server {{ listen 127.0.0.1:{{port}};
                 location / {{ proxy_pass http://127.0.0.1:{{port_up}}; {rule} }} }}
             server {{ listen 127.0.0.1:{{port_up}}; return 200 $remote_addr; }}"
        )
    };
    let server = Server::new(&text("proxy_bind 127.0.0.3;")).start();
    assert_eq!(server.get("/").text(), "127.0.0.3");
    if !is_root {
        harness::skip::skip("transparent connections need root");
        return;
    }
    // Workers are another user's and still may.
    let server = Server::new(&text("proxy_bind 127.0.0.4 transparent;"))
        .with_main("user nobody nogroup;")
        .start();
    assert_eq!(server.get("/").text(), "127.0.0.4");
}
