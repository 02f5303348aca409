//! `zone`: what workers know of a group together.

use harness::scripted::{Scripted, Step};
use harness::{Client, Response, Server, Signal, clock, process};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);

/// Two workers, groups `upstreams`, and servers that say who they are.
fn two_workers(upstreams: &str, locations: &str) -> harness::Builder {
    Server::new(&format!(
        "{upstreams}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             add_header X-Worker $pid always;
             add_header X-Peers \"$upstream_addr\" always;
             proxy_set_header X-Worker $pid;
             {locations}
         }}
         server {{ listen 127.0.0.1:{{port_a}}; location / {{ return 200 a; }} }}
         server {{ listen 127.0.0.1:{{port_b}}; location / {{ return 200 b; }} }}"
    ))
    .with_main("worker_processes 2;")
    .allow_log("no live upstreams")
    .allow_log("connect() failed")
    .allow_log("exited on signal 9")
}

/// Asks over connections of their own until both workers answered, and `count` times at least.
fn ask_both(server: &Server, path: &str, count: usize) -> Vec<Response> {
    let mut seen = BTreeSet::new();
    let mut answers = Vec::new();
    let asked = clock::becomes_true(LIMIT, || {
        let answer = server.get(path);
        seen.extend(answer.header("X-Worker").map(str::to_owned));
        answers.push(answer);
        seen.len() > 1 && answers.len() >= count
    });
    assert!(asked, "both workers answer: {seen:?}");
    answers
}

#[test]
fn turns_are_taken_together() {
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; server 127.0.0.1:{port_b}; }",
        "location / { proxy_pass http://u; }",
    )
    .start();
    let answers = ask_both(&server, "/", 12);
    let turns: String = answers.iter().map(Response::text).collect();
    let expected: String = "ab".chars().cycle().take(turns.len()).collect();
    assert_eq!(turns, expected);
}

#[test]
fn a_failure_that_one_worker_met_is_known_to_the_other_and_after_a_reload() {
    let builder = two_workers(
        "upstream u {
             zone u 64k;
             server 127.0.0.1:1 fail_timeout=1h;
             server 127.0.0.1:{port_a};
             server 127.0.0.1:{port_b};
         }",
        "location / { proxy_pass http://u; }",
    );
    let server = builder.start();
    let answers = ask_both(&server, "/", 12);
    let tried = |answers: &[Response]| {
        let peers = answers.iter().filter_map(|answer| answer.header("X-Peers"));
        peers.filter(|peers| peers.contains("127.0.0.1:1,")).count()
    };
    assert_eq!(tried(&answers), 1);
    server.reload().unwrap();
    assert_eq!(tried(&ask_both(&server, "/", 12)), 0);
}

/// A server that never answers, and the requests that it has.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port is free"))
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }

    /// The next request, and the worker that it came from.
    fn accept(&self) -> (TcpStream, u32) {
        let (stream, _) = self.0.accept().expect("somebody comes");
        let lines = BufReader::new(stream.try_clone().expect("descriptors are left")).lines();
        let mut workers = lines.map_while(Result::ok);
        let worker = workers.find_map(|line| line.strip_prefix("X-Worker: ")?.parse().ok());
        (stream, worker.expect("the worker says who it is"))
    }
}

/// A request that the silent server keeps.
fn hold(server: &Server) -> Client {
    let mut client = server.connect();
    let request = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send(request).expect("the server reads");
    client
}

#[test]
fn max_conns_holds_for_all_workers_and_the_dead_count_nothing() {
    let silent = Silent::new();
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_silent} max_conns=2; }",
        "location / { proxy_pass http://u; proxy_read_timeout 1h; }",
    )
    .with_port("silent", silent.port())
    .start();
    let first = hold(&server);
    let (_first_stream, worker) = silent.accept();
    let _second = hold(&server);
    let (_second_stream, other) = silent.accept();
    assert!(ask_both(&server, "/", 6).iter().all(|a| a.status == 502));

    process::send(worker, Signal::Kill).unwrap();
    drop(first);
    // What it held is free, and no more than that.
    let free = if worker == other { 2 } else { 1 };
    let replaced = || {
        let workers = server.workers();
        workers.len() == 2 && !workers.contains(&worker)
    };
    assert!(clock::becomes_true(LIMIT, replaced));
    let mut held = Vec::new();
    for _ in 0..free {
        held.push((hold(&server), silent.accept()));
    }
    assert!(ask_both(&server, "/", 6).iter().all(|a| a.status == 502));
}

#[test]
fn servers_of_a_state_file_come_with_a_reload() {
    let server = two_workers(
        "upstream u { zone u 64k; state servers.conf; }",
        "location / { proxy_pass http://u; }",
    )
    .start();
    assert_eq!(server.get("/").status, 502);
    let (a, b) = (server.port_of("a"), server.port_of("b"));
    let servers = format!("server 127.0.0.1:{a};\nserver 127.0.0.1:{b} backup;\n");
    std::fs::write(server.path("servers.conf"), servers).unwrap();
    server.reload().unwrap();
    let answers = ask_both(&server, "/", 4);
    assert!(answers.iter().all(|answer| answer.text() == "a"));
}

/// What is known of peers that stay, by their server and address, is kept by a reload of a group
/// of the same name in a zone of the same name: failures, weights that these took, times.
#[test]
fn a_reload_that_changes_the_group_keeps_what_is_known_of_those_that_stay() {
    let group = |servers: &str| {
        two_workers(
            &format!("upstream u {{ zone u 64k; least_time header; {servers} }}"),
            "location / { proxy_pass http://u; }",
        )
    };
    let slow = Scripted::new(&[
        Step::Request,
        Step::Pause,
        Step::Pause,
        Step::Pause,
        Step::send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow"),
    ]);
    let with = |group: harness::Builder| group.with_port("slow", slow.port());
    let before = "server 127.0.0.1:{port_slow} fail_timeout=1h; server 127.0.0.1:{port_a};";
    let mut server = with(group(before)).start();
    let slowly = |answers: &[Response]| answers.iter().filter(|a| a.text() == "slow").count();
    assert_eq!(slowly(&ask_both(&server, "/", 8)), 1);
    let after = "server 127.0.0.1:{port_b}; server 127.0.0.1:{port_a};
                 server 127.0.0.1:{port_slow} fail_timeout=1h;";
    server.reload_with(&with(group(after))).unwrap();
    let answers = ask_both(&server, "/", 8);
    assert_eq!(slowly(&answers), 0);
    assert!(answers.iter().any(|answer| answer.text() == "b"));
}
