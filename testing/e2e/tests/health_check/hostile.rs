//! Servers that answer checks with malice: whatever they do, it is over soon, costs little, and
//! disturbs nobody else.

use crate::{LIMIT, WELL, two_workers};
use harness::scripted::{Scripted, Step};
use harness::{Server, clock, process};
use std::iter::repeat_n;
use std::time::Duration;

/// More bytes than sockets hold, and a small part of what a worker may not take up.
const PIECES: usize = 2000;
const PIECE: usize = 16 << 10;

/// Most bytes that a worker may grow by.
const GROWTH_MAX: u64 = 32 << 20;

/// What a server does once it was asked, and what the log says of it.
struct Trick {
    name: &'static str,
    steps: Vec<Step>,
    said: &'static str,
}

fn trick(name: &'static str, steps: Vec<Step>, said: &'static str) -> Trick {
    Trick { name, steps, said }
}

/// Sends `begin`, and then `text` without end.
fn floods(begin: &str, text: &str) -> Vec<Step> {
    let piece = text.repeat(PIECE.div_ceil(text.len()));
    vec![
        Step::send(begin),
        Step::Repeat(piece.into_bytes(), PIECES),
        Step::Stay,
    ]
}

/// Sends `begin`, and then `text` again and again, never pausing for as long as it would take
/// for a server to be too slow.
fn drips(begin: &str, text: &str) -> Vec<Step> {
    let drop = [Step::Pause, Step::send(text)];
    let drops = drop.iter().cycle().take(2 * 400).cloned();
    [Step::send(begin)].into_iter().chain(drops).collect()
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const READING_HEAD: &str = "while reading response header from upstream";
const READING_BODY: &str = "while reading upstream";

fn tricks() -> Vec<Trick> {
    let endless_chunk = "f\r\nhay hay hay hay\r\n";
    vec![
        trick(
            "fields",
            floods("HTTP/1.1 200 OK\r\n", "A: b\r\n"),
            READING_HEAD,
        ),
        trick("field", floods("HTTP/1.1 200 OK\r\nA: ", "b"), READING_HEAD),
        trick("line", floods("HTTP/1.1 200 ", "O"), READING_HEAD),
        trick("garbage", floods("", "\0\r\n\u{1}"), READING_HEAD),
        trick(
            "interim",
            floods("", "HTTP/1.1 103 Hi\r\n\r\n"),
            READING_HEAD,
        ),
        trick(
            "body",
            floods("HTTP/1.0 200 OK\r\n\r\n", "hay"),
            "while checking body",
        ),
        trick(
            "chunks",
            floods(CHUNKED, endless_chunk),
            "while checking body",
        ),
        trick(
            "extension",
            floods(&format!("{CHUNKED}1;"), "a"),
            READING_BODY,
        ),
        trick(
            "trailers",
            floods(&format!("{CHUNKED}0\r\n"), "A: b\r\n"),
            READING_BODY,
        ),
        trick(
            "drip_head",
            drips("HTTP/1.1 200 OK\r\nA: ", "b"),
            READING_HEAD,
        ),
        trick(
            "drip_body",
            drips("HTTP/1.0 200 OK\r\n\r\n", "b"),
            READING_BODY,
        ),
        trick("silence", vec![Step::Stay], READING_HEAD),
        trick("reset", vec![Step::Reset], READING_HEAD),
        trick("close", vec![], READING_HEAD),
        trick(
            "reset_body",
            vec![
                Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nneedle"),
                Step::Pause,
                Step::Reset,
            ],
            READING_BODY,
        ),
        // A pattern that takes ever longer the more there is to try.
        trick(
            "pattern",
            vec![Step::send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}!",
                200_001,
                "a".repeat(200_000)
            ))],
            "while checking body",
        ),
    ]
}

fn start(tricks: &[Trick], servers: &[Scripted], good: &Scripted) -> Server {
    let mut groups = "upstream good { zone good 64k; server 127.0.0.1:{port_good}; }
         match good { status 200; }
         match needle { status 200; body ~ needle; }
         match slow { status 200; body ~ \"^(?=a)(a|aa)+$\"; }"
        .to_owned();
    let mut locations = "proxy_read_timeout 500ms;
         location / { proxy_pass http://good; health_check interval=100ms uri=/health match=good; }"
        .to_owned();
    for Trick { name, .. } in tricks {
        let tests = if *name == "pattern" { "slow" } else { "needle" };
        groups +=
            &format!("upstream {name} {{ zone {name} 64k; server 127.0.0.1:{{port_{name}}}; }}");
        locations += &format!(
            "location /{name}/ {{
                 proxy_pass http://{name};
                 health_check interval=200ms match={tests} keepalive_time=60s;
             }}"
        );
    }
    let named = tricks.iter().map(|trick| trick.name).chain(["good"]);
    let ports = servers.iter().chain([good]).map(Scripted::port);
    named
        .zip(ports)
        .fold(two_workers(&groups, &locations), |builder, (name, port)| {
            builder.with_port(name, port)
        })
        .start()
}

fn resident_bytes(server: &Server) -> u64 {
    let workers = server.workers();
    let of_one = |pid: u32| process::memory_bytes(pid, "status", "VmRSS").unwrap_or(0);
    workers.into_iter().map(of_one).sum()
}

#[test]
fn whatever_a_server_answers_is_bounded() {
    let tricks = tricks();
    let begin = |trick: &Trick| {
        let steps: Vec<Step> = [Step::Request]
            .into_iter()
            .chain(trick.steps.clone())
            .collect();
        Scripted::new(&steps)
    };
    let servers: Vec<Scripted> = tricks.iter().map(begin).collect();
    let steps = [Step::Request, Step::send(WELL)];
    let answers: Vec<Step> = repeat_n(steps, 10_000).flatten().collect();
    let good = Scripted::new(&answers);
    let server = start(&tricks, &servers, &good);
    let before = resident_bytes(&server);
    for (trick, scripted) in tricks.iter().zip(&servers) {
        let name = trick.name;
        server.wait_for_error_log(&format!("peer is unhealthy {}, health check", trick.said));
        // Again, and the connection before is given up.
        let is_over = scripted.waits_for(|seen| seen.len() >= 3 && seen[0].is_over);
        assert!(is_over, "{name}: {:?}", scripted.seen().len());
        let sent = scripted.seen()[0].sent;
        assert!(sent < PIECES * PIECE / 2, "{name}: {sent} bytes were taken");
        assert_eq!(server.get(&format!("/{name}/")).status, 502, "{name}");
        assert_eq!(server.get("/").status, 200, "{name}");
    }
    let log = server.error_log();
    let of_each = |port: u16| format!("of peer 127.0.0.1:{port} in upstream");
    for (trick, scripted) in tricks.iter().zip(&servers) {
        let about = of_each(scripted.port());
        let line = log
            .lines()
            .find(|line| line.contains("peer is unhealthy") && line.contains(&about));
        let line = line.unwrap_or_default();
        assert!(line.contains(trick.said), "{}: {line}", trick.name);
    }
    assert!(!log.contains(&of_each(good.port())), "{log}");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
    drop(servers);
    let calms = || server.get("/").status == 200;
    assert!(clock::becomes_true(
        LIMIT.min(Duration::from_secs(5)),
        calms
    ));
}

/// Checks that wait for a server end with the configuration that asked for them.
#[test]
fn a_worker_that_ends_waits_for_no_check() {
    let silent = Scripted::new(&[Step::Request, Step::Stay]);
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; }",
        "location / { return 200; }
         location /u { proxy_pass http://u; health_check interval=100ms; }",
    )
    .with_port("a", silent.port())
    .start();
    assert!(silent.waits_for(|seen| seen.iter().any(|seen| !seen.requests.is_empty())));
    let before = server.workers();
    server.reload().unwrap();
    let are_gone = || before.iter().all(|pid| !process::is_running(*pid));
    assert!(clock::becomes_true(Duration::from_secs(5), are_gone));
    assert!(
        !server.error_log().contains("unhealthy"),
        "{}",
        server.error_log()
    );
}
