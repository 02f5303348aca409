//! Real applications behind the proxy: a Node and a Python one, WebSockets, and servers that die
//! and come back under load.

mod dying;
mod websocket;

use harness::Backend;
use harness::{Builder, Server};
use std::io::Read;
use std::path::{Path, PathBuf};

fn script(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("applications").join(name)
}

/// The applications that can run here.
fn applications() -> Vec<(&'static str, Backend)> {
    let all = [("node", "app.js"), ("python3", "app.py")];
    let started = all.map(|(program, file)| {
        let backend = Backend::of_script(program, &script(file))?;
        Some((program, backend))
    });
    started.into_iter().flatten().collect()
}

/// A server before the application on `port`, with a location that passes uploads on as they
/// come and one for WebSockets.
fn before(port: u16, rules: &str) -> Builder {
    let http = format!(
        "client_max_body_size 0;
         map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
         upstream app {{ server 127.0.0.1:{port}; }}
         server {{
             listen 127.0.0.1:{{port}};
             proxy_set_header Host $http_host;
             proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection $connection_upgrade;
             {rules}
             location / {{ proxy_pass http://app; }}
             location /streamed/ {{ proxy_pass http://app/; proxy_request_buffering off; }}
         }}"
    );
    Server::new(&http)
}

#[test]
fn answers_of_known_and_unknown_length_share_a_connection() {
    for (name, backend) in applications() {
        let server = before(backend.port(), "").start();
        let mut client = server.connect();
        for _ in 0..3 {
            let hello = client.get("/");
            assert!(hello.text().starts_with("hello from "), "{name}: {hello:?}");
            let chunks = client.get("/chunks");
            assert!(chunks.is_complete, "{name}");
            assert!(chunks.text().ends_with("piece 99\n"), "{name}: {chunks:?}");
            assert_eq!(chunks.text().lines().count(), 100, "{name}");
        }
    }
}

#[test]
fn uploads_arrive_whole() {
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|at| (at % 251).to_le_bytes()[0])
        .collect();
    let sum = body.iter().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    });
    for (name, backend) in applications() {
        let server = before(backend.port(), "").start();
        for path in ["/upload", "/streamed/upload"] {
            for chunked in [false, true] {
                let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\n");
                let request = if chunked {
                    let mut request =
                        format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
                    for part in body.chunks(70_001) {
                        request.extend(format!("{:x}\r\n", part.len()).bytes());
                        request.extend(part);
                        request.extend(b"\r\n");
                    }
                    request.extend(b"0\r\n\r\n");
                    request
                } else {
                    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                    [head.as_bytes(), &body].concat()
                };
                let answer = server.request(request);
                let expected = format!("{} {sum}", body.len());
                assert_eq!(
                    answer.text(),
                    expected,
                    "{name}, {path}, chunked: {chunked}"
                );
            }
        }
    }
}

/// The second event is sent after the first one was received.
#[test]
fn events_come_as_they_are_sent() {
    for (name, backend) in applications() {
        let server = before(backend.port(), "").start();
        let mut client = server.connect();
        client
            .send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
            .expect("sent");
        let mut seen = Vec::new();
        while !seen.windows(13).any(|part| part == b"data: begun\n\n") {
            let mut part = [0; 4096];
            let count = client.stream().read(&mut part).expect("an event");
            assert!(count > 0, "{name} closed");
            seen.extend_from_slice(&part[..count]);
        }
        assert_eq!(server.get("/release").text(), "released", "{name}");
        while !seen.ends_with(b"0\r\n\r\n") {
            let mut part = [0; 4096];
            let count = client.stream().read(&mut part).expect("the rest");
            assert!(count > 0, "{name} closed");
            seen.extend_from_slice(&part[..count]);
        }
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.contains("data: released\n\n"), "{name}: {seen}");
    }
}

#[test]
fn downloads_arrive_whole_buffered_or_not() {
    for (name, backend) in applications() {
        for rules in ["", "proxy_buffering off;", "proxy_max_temp_file_size 0;"] {
            let server = before(backend.port(), rules).start();
            let answer = server.get("/download");
            assert!(answer.is_complete, "{name}, {rules}");
            assert_eq!(answer.body.len(), 128 * 65536, "{name}, {rules}");
            assert!(
                answer.body.iter().all(|byte| *byte == b'd'),
                "{name}, {rules}"
            );
        }
    }
}
