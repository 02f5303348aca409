//! `eject`: servers that do worse than the others of their group.

use harness::scripted::{Scripted, Step};
use harness::{Builder, Server, clock};
use std::iter::repeat_n;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A server that answers by `status`, after so many pauses.
fn answering(status: &str, pauses: usize) -> Scripted {
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
    let pause = repeat_n(Step::Pause, pauses);
    let one: Vec<Step> = [Step::Request]
        .into_iter()
        .chain(pause)
        .chain([Step::send(answer)])
        .collect();
    Scripted::new(&repeat_n(one, 10_000).flatten().collect::<Vec<_>>())
}

fn three(servers: &[Scripted; 3], rules: &str) -> Builder {
    Server::new(&format!(
        "upstream u {{
             zone u 64k;
             server 127.0.0.1:{{port_a}}; server 127.0.0.1:{{port_b}}; server 127.0.0.1:{{port_c}};
             {rules}
         }}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             keepalive_requests 1000000;
             location / {{ proxy_pass http://u; add_header X-Peer $upstream_addr always; }}
         }}"
    ))
    .with_main("worker_processes 2; error_log logs/error.log notice;")
    .with_port("a", servers[0].port())
    .with_port("b", servers[1].port())
    .with_port("c", servers[2].port())
}

/// Whether the log says `text` of `peer`.
fn says(server: &Server, text: &str, peer: &Scripted) -> bool {
    let about = format!(", peer 127.0.0.1:{} in upstream \"u\"", peer.port());
    let log = server.error_log();
    log.lines()
        .any(|line| line.contains(text) && line.contains(&about))
}

/// Asks until the log says `text` of `peer`.
#[track_caller]
fn ask_until(server: &Server, text: &str, peer: &Scripted) {
    let asks = || {
        let _ = server.get("/");
        says(server, text, peer)
    };
    assert!(
        clock::becomes_true(LIMIT, asks),
        "{text}\n{}",
        server.error_log()
    );
}

fn requests(peer: &Scripted) -> usize {
    peer.seen().iter().map(|seen| seen.requests.len()).sum()
}

#[test]
fn who_answers_with_errors_is_left_alone_for_longer_each_time() {
    let servers = [
        answering("500", 0),
        answering("200", 0),
        answering("200", 0),
    ];
    let bad = &servers[0];
    let server = three(&servers, "eject errors=50% requests=5 time=300ms;").start();
    ask_until(&server, "peer is ejected for 300ms, ", bad);
    let before = requests(bad);
    ask_until(&server, "peer is admitted again", bad);
    // The first request after its time, of whichever worker.
    assert_eq!(requests(bad), before + 1);
    ask_until(&server, "peer is ejected for 600ms, ", bad);
    ask_until(&server, "peer is ejected for 1200ms, ", bad);
    for good in &servers[1..] {
        assert!(
            !says(&server, "peer is ejected", good),
            "{}",
            server.error_log()
        );
    }
}

#[test]
fn no_more_than_a_share_is_ever_out() {
    let servers = [
        answering("500", 0),
        answering("500", 0),
        answering("500", 0),
    ];
    let server = three(&servers, "eject errors=50% requests=3;").start();
    for _ in 0..60 {
        assert_eq!(server.get("/").status, 500);
    }
    let log = server.error_log();
    assert_eq!(log.matches("peer is ejected").count(), 1, "{log}");
}

#[test]
fn who_is_slow_is_left_alone_over_a_reload_too() {
    let servers = [
        answering("200", 10),
        answering("200", 0),
        answering("200", 0),
    ];
    let slow = &servers[0];
    let server = three(&servers, "eject latency=20 requests=2 interval=1500ms;").start();
    ask_until(&server, "peer is ejected for 30000ms, answers take ", slow);
    let before = requests(slow);
    server.reload().unwrap();
    for _ in 0..30 {
        assert_eq!(server.get("/").status, 200);
    }
    assert_eq!(requests(slow), before);
}
