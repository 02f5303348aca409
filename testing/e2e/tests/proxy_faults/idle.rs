//! Kept connections that turn out to be worthless.

use super::{binaries, good, outcome, post, start};
use harness::scripted::{Scripted, Step};
use harness::{Binary, Server};

fn serve(binary: &Binary, upstream: &Scripted, rules: &str) -> Server {
    let text = format!(
        "log_format tries '$upstream_status';
         access_log logs/access.log tries;
         upstream group {{ server 127.0.0.1:{{port_up}}; keepalive 4; }}
         proxy_http_version 1.1;
         proxy_set_header Connection \"\";
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://group; {rules} }}
         }}"
    );
    start(binary.clone(), &text, &[("up".to_owned(), upstream.port())])
}

fn get() -> String {
    super::get("/")
}

/// The steps of a whole answer, with the connection left as it is.
fn answers() -> Vec<Step> {
    good("kept")[..2].to_vec()
}

/// Answers `text` again and again.
fn answers_all(text: &str) -> Vec<Step> {
    vec![good(text)[..2].to_vec(); 20].concat()
}

/// A connection that ends in the moment it is used again says nothing about its server.
#[test]
fn one_that_ends_when_it_is_used_again() {
    for binary in binaries() {
        for end in [
            vec![Step::Touch, Step::Reset],
            vec![Step::Request],
            vec![Step::Request, Step::Reset],
        ] {
            let is_read = end.contains(&Step::Request);
            let first = [answers(), end].concat();
            let upstream = Scripted::in_turn(&[&first, &good("new")]);
            let server = serve(&binary, &upstream, "");
            assert_eq!(outcome(server.port(), &get()), "200 kept", "{binary:?}");
            assert_eq!(
                outcome(server.port(), &get()),
                "200 new",
                "{binary:?}, {first:?}"
            );
            if is_read {
                let tries = server.log_lines("access.log", 2);
                assert_eq!(tries, ["200", "502, 200"], "{binary:?}, {first:?}");
            }
        }
    }
}

/// What may have been done is not done again, not even then.
#[test]
fn a_post_on_one_that_ends_is_told_of() {
    for binary in binaries() {
        for (rules, expected) in [
            ("", "502"),
            ("proxy_next_upstream error non_idempotent;", "200 new"),
        ] {
            let first = [answers(), vec![Step::Request]].concat();
            let upstream = Scripted::in_turn(&[&first, &good("new")]);
            let server = serve(&binary, &upstream, rules);
            assert_eq!(outcome(server.port(), &get()), "200 kept", "{binary:?}");
            assert_eq!(outcome(server.port(), &post("/")), expected, "{binary:?}");
        }
    }
}

/// All kept connections may have gone at once, as when a server was started anew.
#[test]
fn all_of_them_at_once() {
    let ending = [answers(), vec![Step::Request, Step::Reset]].concat();
    let upstream = Scripted::by(move |number| match number {
        0..=3 => ending.clone(),
        _ => answers_all("new"),
    });
    let server = serve(&Binary::Tidegate, &upstream, "");
    let port = server.port();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || outcome(port, &get()));
        }
    });
    for _ in 0..8 {
        let seen = outcome(port, &get());
        assert!(seen.starts_with("200 "), "{seen}");
    }
    let log = server.error_log();
    assert!(!log.contains("temporarily disabled"), "{log}");
}

/// Nor does it matter that those of every server have gone: each is as good as new. nginx tries
/// each server once, and has none left.
#[test]
fn all_of_them_of_all_servers() {
    let ending = [answers(), vec![Step::Request, Step::Reset]].concat();
    let behind = || {
        let ending = ending.clone();
        Scripted::by(move |number| match number {
            0 => ending.clone(),
            _ => answers_all("new"),
        })
    };
    let (one, two) = (behind(), behind());
    let text = "
        upstream group {
            server 127.0.0.1:{port_one};
            server 127.0.0.1:{port_two};
            keepalive 4;
        }
        server { listen 127.0.0.1:{port}; location / { proxy_pass http://group; } }";
    let ports = [
        ("one".to_owned(), one.port()),
        ("two".to_owned(), two.port()),
    ];
    let server = start(Binary::Tidegate, text, &ports);
    let mut seen: Vec<String> = (0..2).map(|_| outcome(server.port(), &get())).collect();
    assert_eq!(seen, ["200 kept", "200 kept"]);
    seen = (0..4).map(|_| outcome(server.port(), &get())).collect();
    assert_eq!(seen, ["200 new"; 4]);
}

/// Bytes that nobody asked for end a connection while it is idle.
#[test]
fn one_that_speaks_unasked() {
    for binary in binaries() {
        let stray = Step::send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray");
        let first = [answers(), vec![Step::Pause, stray, Step::Hang]].concat();
        let upstream = Scripted::in_turn(&[&first, &good("new")]);
        let server = serve(&binary, &upstream, "");
        assert_eq!(outcome(server.port(), &get()), "200 kept", "{binary:?}");
        assert!(upstream.is_left_alone(), "{binary:?}");
        assert_eq!(outcome(server.port(), &get()), "200 new", "{binary:?}");
    }
}

/// A server that closes every connection after an answer, without a word, is no problem.
#[test]
fn ones_that_are_never_kept() {
    for binary in binaries() {
        let upstream = Scripted::new(&answers());
        let server = serve(&binary, &upstream, "");
        for _ in 0..50 {
            assert_eq!(outcome(server.port(), &get()), "200 kept", "{binary:?}");
        }
    }
}

/// A lost connection is not counted against its server: with `max_fails=1` and another server
/// it would be out for ten seconds. nginx does count it.
#[test]
fn a_server_is_not_given_up_for_one() {
    let first = [answers(), vec![Step::Request]].concat();
    let upstream = Scripted::in_turn(&[&first, &answers_all("new")]);
    let other = Scripted::new(&answers_all("other"));
    let text = "
        upstream group {
            server 127.0.0.1:{port_up};
            server 127.0.0.1:{port_other} backup;
            keepalive 4;
        }
        server { listen 127.0.0.1:{port}; location / { proxy_pass http://group; } }";
    let ports = [
        ("up".to_owned(), upstream.port()),
        ("other".to_owned(), other.port()),
    ];
    let server = start(Binary::Tidegate, text, &ports);
    assert_eq!(outcome(server.port(), &get()), "200 kept");
    let after: Vec<String> = (0..3).map(|_| outcome(server.port(), &get())).collect();
    assert!(
        after.iter().all(|seen| seen.starts_with("200 ")),
        "{after:?}"
    );
    assert_eq!(after[1..], ["200 new", "200 new"], "{after:?}");
}
