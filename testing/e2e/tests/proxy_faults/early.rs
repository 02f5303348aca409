//! Servers that answer before they have read a request, or that do not read it at all.

use super::{binaries, outcome, start};
use harness::scripted::{Scripted, Step};
use harness::{Binary, Server};

/// More than all buffers on the way take.
const LARGE: usize = 12 << 20;

const REFUSAL: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch";

/// A server with a location for each way to send a body.
fn serve(binary: &Binary, upstream: &Scripted) -> Server {
    let text = "
        client_max_body_size 0;
        client_body_buffer_size 16k;
        proxy_send_timeout 500ms;
        proxy_read_timeout 2s;
        server {
            listen 127.0.0.1:{port};
            location / { proxy_pass http://127.0.0.1:{port_up}; }
            location /streamed {
                proxy_pass http://127.0.0.1:{port_up};
                proxy_request_buffering off;
                proxy_http_version 1.1;
            }
            location = /smuggled { return 200 SMUGGLED; }
            location = /next { return 200 next; }
        }";
    start(binary.clone(), text, &[("up".to_owned(), upstream.port())])
}

fn upload(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}",
        "x".repeat(length)
    )
}

/// The answer counts, and not that the rest of the body could not be sent.
#[test]
fn an_early_answer_is_passed_on() {
    let refuses = [Step::Head, Step::send(REFUSAL), Step::Pause];
    let ways: [&[Step]; 3] = [&[], &[Step::Reset], &[Step::Deaf]];
    for end in ways {
        let upstream = Scripted::new(&[&refuses, end].concat());
        let server = serve(&Binary::Tidegate, &upstream);
        for path in ["/", "/streamed"] {
            // Sent from another thread, as nobody may ever read all of it.
            let mut client = server.connect();
            let stream = client.stream().try_clone().expect("a clone");
            let request = upload(path, LARGE);
            let sending = std::thread::spawn(move || {
                let _ = std::io::Write::write_all(&mut &stream, request.as_bytes());
            });
            let answer = client.try_receive();
            let answer = answer
                .ok()
                .flatten()
                .map(|answer| (answer.status, answer.text()));
            assert_eq!(answer, Some((413, "much".to_owned())), "{path}, {end:?}");
            drop(client);
            sending.join().expect("sent");
        }
        assert!(
            upstream.seen().iter().all(|one| one.requests.len() == 1),
            "{end:?}"
        );
    }
}

/// What is left of a body is never read as a request, whoever reads it.
#[test]
fn the_rest_of_a_body_is_no_request() {
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for binary in binaries() {
        for chunked in [false, true] {
            let upstream = Scripted::new(&[Step::Head, Step::send(REFUSAL), Step::Stay]);
            let server = serve(&binary, &upstream);
            let mut client = server.connect();
            let (framing, first, rest) = if chunked {
                let size = hidden.len();
                let rest = format!("{size:x}\r\n{hidden}\r\n0\r\n\r\n");
                ("Transfer-Encoding: chunked".to_owned(), "1\r\nx\r\n", rest)
            } else {
                (
                    format!("Content-Length: {}", hidden.len() + 1),
                    "x",
                    hidden.to_owned(),
                )
            };
            let head = format!("POST /streamed HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{first}");
            client.send(head).expect("sent");
            assert_eq!(client.receive().status, 413);
            let next = "GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            let _ = client.send(format!("{rest}{next}"));
            let after = client.read_to_end().unwrap_or_default();
            let after = String::from_utf8_lossy(&after).into_owned();
            assert!(!after.contains("SMUGGLED"), "{binary:?}: {after}");
            assert!(
                after.is_empty() || after.ends_with("next"),
                "{binary:?}: {after}"
            );
            assert!(
                upstream.seen().iter().all(|one| one.heads() == 1),
                "{binary:?}: {:?}",
                upstream.seen()
            );
        }
    }
}

/// A server that reads nothing holds a client for `proxy_send_timeout`.
#[test]
fn a_server_that_reads_nothing_is_given_up() {
    for binary in binaries() {
        let upstream = Scripted::new(&[Step::Touch, Step::Deaf]);
        let server = serve(&binary, &upstream);
        for path in ["/", "/streamed"] {
            let seen = outcome(server.port(), &upload(path, LARGE));
            assert_eq!(seen, "504", "{binary:?}, {path}");
        }
    }
}

/// A server that closes in the middle of a request, without a word.
#[test]
fn a_server_that_leaves_is_a_502() {
    for binary in binaries() {
        for end in [
            vec![Step::Touch, Step::Reset],
            vec![Step::Head, Step::Reset],
        ] {
            let upstream = Scripted::new(&end);
            let server = serve(&binary, &upstream);
            for path in ["/", "/streamed"] {
                let seen = outcome(server.port(), &upload(path, LARGE));
                assert_eq!(seen, "502", "{binary:?}, {path}, {end:?}");
            }
        }
    }
}
