//! How much each server of a group gets when it is slower than others, or comes back.

use harness::scripted::{Scripted, Step};
use harness::{Server, clock};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na";

/// A group with two servers: `first` as `parameters` say, and one that answers `b` at once.
fn group(group: &str, first: &Scripted) -> Server {
    Server::new(&format!(
        "upstream u {{
             zone u 64k;
             {group}
             server 127.0.0.1:{{port_b}};
         }}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             location / {{ proxy_pass http://u; }}
         }}
         server {{ listen 127.0.0.1:{{port_b}}; location / {{ return 200 b; }} }}"
    ))
    .with_main("worker_processes 2;")
    .with_port("a", first.port())
    .allow_log("prematurely closed")
    .allow_log("reset by peer")
    .allow_log("temporarily disabled")
    .start()
}

/// Who answers `count` requests, which come over connections of their own.
fn asked(server: &Server, count: usize) -> String {
    (0..count).map(|_| server.get("/").text()).collect()
}

/// A server that takes its time.
fn slow() -> Scripted {
    let mut script = vec![Step::Request];
    script.resize(21, Step::Pause);
    script.push(Step::send(ANSWER));
    Scripted::new(&script)
}

#[test]
fn least_time_asks_a_slow_server_once_whatever_worker_it_is() {
    for method in [
        "least_time header;",
        "least_time last_byte inflight;",
        "random two least_time=header;",
    ] {
        let slow = slow();
        let server = group(&format!("{method} server 127.0.0.1:{{port_a}};"), &slow);
        let answers = asked(&server, 20);
        let slowly = answers.matches('a').count();
        // Of two whose times are not known yet, or are the same, neither is preferred.
        assert_eq!(slowly, 1, "{method} {answers}");
    }
}

#[test]
fn a_server_that_comes_back_begins_slowly() {
    let first = Scripted::in_turn(&[
        &[Step::Request, Step::Reset],
        &[Step::Request, Step::send(ANSWER)],
    ]);
    let server = group(
        "server 127.0.0.1:{port_a} fail_timeout=2s slow_start=1h;",
        &first,
    );
    assert_eq!(asked(&server, 4), "bbbb");
    // It is asked once to see whether it is well, and after that hardly ever.
    let is_back = || server.get("/").text() == "a";
    assert!(clock::becomes_true(LIMIT, is_back));
    assert_eq!(asked(&server, 20), "b".repeat(20));
}

#[test]
fn a_server_that_drains_gets_nothing_new() {
    let first = Scripted::new(&[Step::Request, Step::send(ANSWER)]);
    let server = group("server 127.0.0.1:{port_a} drain;", &first);
    assert_eq!(asked(&server, 6), "bbbbbb");
}
