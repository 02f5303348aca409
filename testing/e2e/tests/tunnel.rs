//! CONNECT: who may ask for a tunnel, where it leads, and how it ends.

use harness::scripted::read_head;
use harness::{Client, Server};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// A server that sends back what it gets, and says `bye` at the end of it. Gives its port.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..count]).is_err() {
                        return;
                    }
                }
                let _ = stream.write_all(b"bye");
            });
        }
    });
    port
}

/// Asks for a tunnel to `target`; gives the head of the answer.
fn connect(client: &mut Client, target: &str, fields: &str) -> String {
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{fields}\r\n");
    client.send(request).expect("sent");
    let head = read_head(&mut stream_of(client)).expect("a head");
    String::from_utf8_lossy(&head).into_owned()
}

fn stream_of(client: &Client) -> TcpStream {
    let stream = client.stream().try_clone().expect("a clone");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("a limit");
    stream
}

#[test]
fn a_client_gets_whom_it_names() {
    let port = echo();
    let server = Server::of_one("tunnel_pass;").start();
    let mut client = server.connect();
    let head = connect(&mut client, &format!("127.0.0.1:{port}"), "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"));
    let mut stream = stream_of(&client);
    let long = vec![b'x'; 200_000];
    let mut sender = stream.try_clone().expect("a clone");
    let sending = std::thread::spawn({
        let long = long.clone();
        move || sender.write_all(&long)
    });
    let mut got = vec![0; long.len()];
    stream.read_exact(&mut got).expect("an echo");
    assert!(got == long);
    sending.join().expect("a thread").expect("sent");
    // As in nginx: the end of one side is the end.
    stream.shutdown(Shutdown::Write).expect("ended");
    assert_eq!(stream.read(&mut got).expect("closed"), 0);
}

#[test]
fn half_of_a_tunnel_may_close_alone() {
    let port = echo();
    let server = Server::of_one("tunnel_pass; tunnel_half_close on;").start();
    let mut client = server.connect();
    connect(&mut client, &format!("127.0.0.1:{port}"), "");
    let mut stream = stream_of(&client);
    stream.write_all(b"hi ").expect("sent");
    stream.shutdown(Shutdown::Write).expect("ended");
    let mut got = String::new();
    stream.read_to_string(&mut got).expect("closed");
    assert_eq!(got, "hi bye");
}

#[test]
fn who_is_not_to_be_reached_is_not() {
    let port = echo();
    let rules = format!(
        "if ($request_port != {port}) {{ return 403; }}
         location / {{
             tunnel_pass;
             tunnel_allow_upstream $http_allowed;
         }}"
    );
    let server = Server::of_one(&rules).allow_log("upstream").start();
    let ask = |target: &str, fields: &str| {
        let mut client = server.connect();
        let head = connect(&mut client, target, fields);
        head[9..12].to_owned()
    };
    let known = format!("127.0.0.1:{port}");
    assert_eq!(ask("127.0.0.1:1", "Allowed: 1\r\n"), "403");
    assert_eq!(ask(&known, "Allowed: 0\r\n"), "403");
    assert_eq!(ask(&known, "Allowed: 1\r\n"), "200");
    assert_eq!(ask("127.0.0.1", "Allowed: 1\r\n"), "400");
    assert!(server.error_log().contains("access to upstream denied"));
}

#[test]
fn what_is_no_tunnel_is_refused() {
    let server = Server::new(
        "server { listen 127.0.0.1:{port}; tunnel_pass; }
         server { listen 127.0.0.1:{port_none}; location / { return 200 x; } }",
    )
    .allow_log("upstream")
    .allow_log("resolve")
    .start();
    assert_eq!(server.get("/").status, 405);
    let mut client = server.connect();
    let head = connect(&mut client, "127.0.0.1:1", "");
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    // A name that stands for sockets of this system, where nginx would open one.
    let mut client = server.connect();
    let head = connect(&mut client, "unix:1", "");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let mut client = server.connect_to(server.port_of("none"));
    let head = connect(&mut client, "127.0.0.1:1", "");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
}

#[test]
fn silence_ends_a_tunnel_and_the_log_tells() {
    let port = echo();
    let rules = "tunnel_pass; tunnel_read_timeout 300ms; access_log logs/tunnels.log;";
    let server = Server::of_one(rules).start();
    let mut client = server.connect();
    connect(&mut client, &format!("127.0.0.1:{port}"), "");
    let mut stream = stream_of(&client);
    let mut got = [0; 8];
    stream.write_all(b"once").expect("sent");
    stream.read_exact(&mut got[..4]).expect("an echo");
    assert_eq!(stream.read(&mut got).expect("closed"), 0);
    let lines = server.log_lines("tunnels.log", 1);
    assert!(lines[0].contains(" HTTP/1.1\" 200 "), "{lines:?}");
}
