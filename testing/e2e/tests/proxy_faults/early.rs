//! Servers that answer before they have read a request, or that do not read it at all.

use super::{binaries, outcome, start};
use harness::scripted::{Refusing, Scripted, Seen, Step};
use harness::{Binary, Client, Server};

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
        upstream up { server 127.0.0.1:{port_up}; }
        server {
            listen 127.0.0.1:{port};
            location / { proxy_pass http://up; }
            location /streamed {
                proxy_pass http://up;
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
    // Long enough for a busy worker to see the answer apart from what follows.
    let pauses = vec![Step::Pause; 20];
    let refuses = [vec![Step::Head, Step::send(REFUSAL)], pauses].concat();
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

/// A server with `first` before and `second` behind an error page and a redirection, and a
/// client that has sent half of its body to it, in the framing of which `chunked` is one.
fn begin_upload(first: u16, second: &Scripted, chunked: bool) -> (Server, Client) {
    let text = "
        upstream first { server 127.0.0.1:{port_first}; }
        upstream second { server 127.0.0.1:{port_second}; }
        server {
            listen 127.0.0.1:{port};
            proxy_request_buffering off;
            proxy_http_version 1.1;
            location / {
                proxy_pass http://first;
                error_page 502 = @next;
            }
            location /next { proxy_pass http://second; }
            location @next { proxy_pass http://second; }
        }";
    let ports = [
        ("first".to_owned(), first),
        ("second".to_owned(), second.port()),
    ];
    let server = start(Binary::Tidegate, text, &ports);
    let mut client = server.connect();
    let begun = if chunked {
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    } else {
        "Content-Length: 6\r\n\r\nabc"
    };
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
    client.send(format!("{head}{begun}")).expect("sent");
    (server, client)
}

/// The rest of such a body.
fn end_upload(client: &mut Client, chunked: bool) -> Option<u16> {
    let rest = if chunked {
        "3\r\ndef\r\n0\r\n\r\n"
    } else {
        "def"
    };
    let _ = client.send(rest);
    let answer = client.try_receive().ok().flatten();
    answer.map(|answer| answer.status)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What came of a body that is passed on as it comes was once lost with a server that could not
/// be reached: the next one got the rest as if that were all.
#[test]
fn a_body_that_nobody_saw_goes_whole_to_the_next() {
    for chunked in [false, true] {
        let gone = Refusing::new();
        let second = Scripted::new(&[Step::Request, Step::send(OK), Step::Stay]);
        let (_server, mut client) = begin_upload(gone.port(), &second, chunked);
        assert!(second.waits_for(|seen| !seen.is_empty()), "never asked");
        assert_eq!(end_upload(&mut client, chunked), Some(200));
        let seen = second.requests();
        let body = seen[0].1.split_once("\r\n\r\n").expect("a head").1;
        assert_eq!(
            body.replace("3\r\n", "")
                .replace("\r\n", "")
                .replace('0', ""),
            "abcdef"
        );
    }
}

/// A part of a body was once passed on, with new framing around it, as if that were all, after
/// another server had got the beginning.
#[test]
fn what_is_left_of_a_body_is_never_passed_as_all_of_it() {
    for chunked in [false, true] {
        let first = Scripted::new(&[Step::Head, Step::Pause, Step::Pause, Step::Reset]);
        let second = Scripted::new(&[Step::Request, Step::send(OK), Step::Stay]);
        let (_server, mut client) = begin_upload(first.port(), &second, chunked);
        let has_left = |seen: &[Seen]| seen.first().is_some_and(|one| one.is_over);
        assert!(first.waits_for(has_left), "held");
        assert_eq!(end_upload(&mut client, chunked), Some(500));
        assert_eq!(second.seen().len(), 0, "{:?}", second.requests());
    }
}

/// Nor after a server that named another URI before it had got the body.
#[test]
fn an_early_redirection_takes_no_body_along() {
    let elsewhere = "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /next\r\nContent-Length: 0\r\n\r\n";
    for chunked in [false, true] {
        let first = Scripted::new(&[Step::Head, Step::send(elsewhere), Step::Stay]);
        let second = Scripted::new(&[Step::Request, Step::send(OK), Step::Stay]);
        let (_server, mut client) = begin_upload(first.port(), &second, chunked);
        assert!(second.waits_for(|seen| !seen.is_empty()), "never asked");
        assert_eq!(end_upload(&mut client, chunked), Some(200));
        let seen = second.requests();
        assert!(seen[0].1.starts_with("GET /next HTTP/1.1\r\n"), "{seen:?}");
        assert!(seen[0].1.ends_with("\r\n\r\n"), "{seen:?}");
        let lower = seen[0].1.to_ascii_lowercase();
        assert!(!lower.contains("content-length") && !lower.contains("transfer-encoding"));
        assert_eq!(second.seen()[0].heads(), 1);
    }
}

/// What a client does wrong while its body is passed on is no status of the server's.
#[test]
fn a_client_that_fails_gives_the_server_no_status() {
    for binary in binaries() {
        let upstream = Scripted::new(&[Step::Head, Step::Stay]);
        let text = "
            log_format tries '$status $upstream_status';
            access_log logs/access.log tries;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            server {
                listen 127.0.0.1:{port};
                location / { proxy_pass http://127.0.0.1:{port_up}; }
            }";
        let ports = [("up".to_owned(), upstream.port())];
        let server = start(binary.clone(), text, &ports);
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
        for (number, end) in [Some("zz\r\n"), None].into_iter().enumerate() {
            let mut client = server.connect();
            client.send(head).expect("sent");
            assert!(upstream.waits_for(|seen| seen.len() > number), "{binary:?}");
            match end {
                Some(end) => client.send(end).expect("sent"),
                None => client.finish_sending().expect("closed"),
            }
            client.read_to_end().expect("an end");
            let lines = server.log_lines("access.log", number + 1);
            assert_eq!(lines[number], "400 -", "{binary:?}, {end:?}");
        }
    }
}
