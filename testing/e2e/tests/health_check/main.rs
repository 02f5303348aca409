//! `health_check` and `match`: servers that fall ill and recover, and workers that watch them.

mod hostile;
mod revival;

use harness::{Builder, Server, Signal, clock, process};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const ILL: &str = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";

/// A server that says its name, and answers checks (`/health`) as it was told last.
struct Backend {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The answer to checks; `None` to give none, and keep who asks waiting.
    answer: Mutex<Option<String>>,
    /// The checks so far: the number of the connection, and the head.
    checks: Mutex<Vec<(usize, String)>>,
}

impl Backend {
    fn new(name: &'static str, answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::<Shared>::default();
        shared.set(Some(answer));
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || served.serve(number, stream, name));
            }
        });
        Self { port, shared }
    }

    fn answer(&self, answer: &str) {
        self.shared.set(Some(answer));
    }

    fn be_silent(&self) {
        self.shared.set(None);
    }

    fn checks(&self) -> Vec<(usize, String)> {
        self.shared
            .checks
            .lock()
            .expect("no thread panicked")
            .clone()
    }

    /// Waits for `count` checks that begin after this call, and gives these.
    fn next_checks(&self, count: usize) -> Vec<(usize, String)> {
        let seen = self.checks().len();
        let came = clock::becomes_true(LIMIT, || self.checks().len() >= seen + count);
        assert!(came, "no {count} more checks");
        self.checks().split_off(seen)
    }
}

impl Shared {
    fn set(&self, answer: Option<&str>) {
        *self.answer.lock().expect("no thread panicked") = answer.map(str::to_owned);
    }

    fn serve(&self, number: usize, mut stream: TcpStream, name: &str) {
        let _ = stream.set_read_timeout(Some(LIMIT));
        while let Some(head) = harness::scripted::read_head(&mut stream) {
            let head = String::from_utf8_lossy(&head).into_owned();
            let is_check = head.starts_with("GET /health");
            if is_check {
                self.checks
                    .lock()
                    .expect("no thread panicked")
                    .push((number, head));
            }
            let answer = || self.answer.lock().expect("no thread panicked").clone();
            let text = if is_check {
                clock::wait_for(LIMIT, answer)
            } else {
                let length = name.len();
                Some(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}"
                ))
            };
            let Some(text) = text else { return };
            if stream.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Two workers in front of `upstreams`.
fn two_workers(upstreams: &str, locations: &str) -> Builder {
    Server::new(&format!(
        "{upstreams}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             server_name x.test;
             add_header X-Worker $pid always;
             proxy_set_header X-Worker $pid;
             proxy_set_header Host $host;
             {locations}
         }}"
    ))
    .with_main("worker_processes 2; error_log logs/error.log notice;")
}

/// What `path` is answered by both workers, in at least 8 requests.
fn answers(server: &Server, path: &str) -> BTreeSet<String> {
    let (mut workers, mut texts) = (BTreeSet::new(), BTreeSet::new());
    let mut count = 0;
    let asked = clock::becomes_true(LIMIT, || {
        let answer = server.get(path);
        workers.extend(answer.header("X-Worker").map(str::to_owned));
        texts.insert(match answer.status {
            200 => answer.text(),
            status => status.to_string(),
        });
        count += 1;
        workers.len() > 1 && count >= 8
    });
    assert!(asked, "both workers answer: {workers:?}");
    texts
}

#[track_caller]
fn check_answers(server: &Server, path: &str, expected: &[&str]) {
    let got = answers(server, path);
    let got: Vec<&str> = got.iter().map(String::as_str).collect();
    assert_eq!(got, expected, "{path}\n{}", server.error_log());
}

/// The worker that sent a check.
fn worker_of((_, head): &(usize, String)) -> u32 {
    let mut lines = head.lines();
    let worker = lines.find_map(|line| line.strip_prefix("X-Worker: ")?.parse().ok());
    worker.expect("checks have the fields of the location")
}

#[test]
fn an_ill_server_gets_no_requests_of_any_worker_until_it_is_well() {
    let (a, b) = (Backend::new("a", WELL), Backend::new("b", WELL));
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; server 127.0.0.1:{port_b}; }",
        "location / {
             proxy_pass http://u;
             health_check interval=100ms fails=2 passes=2 uri=/health?x;
         }",
    )
    .with_port("a", a.port)
    .with_port("b", b.port)
    .start();
    check_answers(&server, "/", &["a", "b"]);
    let about = format!(
        "health check \"\" of peer 127.0.0.1:{} in upstream \"u\"",
        a.port
    );

    a.answer(ILL);
    server.wait_for_error_log(&format!(
        "peer is unhealthy while checking status code, {about}"
    ));
    check_answers(&server, "/", &["b"]);

    a.answer(WELL);
    server.wait_for_error_log(&format!(
        "peer is healthy while checking status code, {about}"
    ));
    check_answers(&server, "/", &["a", "b"]);

    // Requests are made as the location says.
    let (_, head) = a.checks().remove(0);
    assert!(head.starts_with("GET /health?x HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: x.test\r\n"), "{head}");
}

#[test]
fn without_servers_that_are_well_there_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; }",
        "location / { proxy_pass http://u; health_check interval=100ms; }",
    )
    .with_port("a", port);
    drop(listener);
    let server = server.start();
    let about = format!("health check \"\" of peer 127.0.0.1:{port} in upstream \"u\"");
    server.wait_for_error_log(&format!(
        "peer is unhealthy while connecting to upstream, {about}"
    ));
    check_answers(&server, "/", &["502"]);
    let refused = "connect() failed (111: Connection refused) while connecting to upstream";
    server.wait_for_error_log(&format!("{refused}, {about}"));
    server.wait_for_error_log("no live upstreams while connecting to upstream");
}

/// Names and tests of `match` blocks, an answer that passes, one that does not, and what of it.
const MATCHES: [(&str, &str, &str, &str, &str); 4] = [
    (
        "codes",
        "status 404;",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        WELL,
        "status code",
    ),
    (
        "fields",
        "header X-State = ready; header ! X-Maintenance; header Server ~ ^b;",
        "HTTP/1.1 500 No\r\nx-state: ready\r\nServer: b/1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-State: ready\r\nServer: a/1\r\nContent-Length: 0\r\n\r\n",
        "headers",
    ),
    (
        "body",
        "status 200; body ~ \"all is (well|good)\"; body !~ maintenance;",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n7\r\nis well\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nall is well maintenance",
        "body",
    ),
    (
        "variables",
        "require $is_good;",
        "HTTP/1.1 200 OK\r\nX-Load: low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Load: high\r\nContent-Length: 0\r\n\r\n",
        "variables",
    ),
];

#[test]
fn answers_are_judged_by_what_match_says() {
    let cases = &MATCHES;
    let backends: Vec<Backend> = cases.iter().map(|case| Backend::new("a", case.2)).collect();
    let mut groups = "map $upstream_http_x_load $is_good { low 1; default 0; }".to_owned();
    let mut locations = String::new();
    for (name, tests, ..) in cases {
        groups += &format!(
            "upstream {name} {{ zone {name} 64k; server 127.0.0.1:{{port_{name}}}; }}
             match {name} {{ {tests} }}"
        );
        locations += &format!(
            "location /{name} {{
                 proxy_pass http://{name};
                 health_check interval=100ms uri=/health match={name};
             }}"
        );
    }
    let mut builder = two_workers(&groups, &locations);
    for (case, backend) in cases.iter().zip(&backends) {
        builder = builder.with_port(case.0, backend.port);
    }
    let server = builder.start();
    for backend in &backends {
        backend.next_checks(2);
    }
    assert!(
        !server.error_log().contains("unhealthy"),
        "{}",
        server.error_log()
    );
    for (case, backend) in cases.iter().zip(&backends) {
        backend.answer(case.3);
    }
    let about = |case: &(&str, &str, &str, &str, &str)| {
        format!(
            "while checking {}, health check \"{}\" of peer",
            case.4, case.0
        )
    };
    for case in cases {
        server.wait_for_error_log(&format!("peer is unhealthy {}", about(case)));
        assert_eq!(server.get(&format!("/{}", case.0)).status, 502);
    }
    for (case, backend) in cases.iter().zip(&backends) {
        backend.answer(case.2);
        server.wait_for_error_log(&format!("peer is healthy {}", about(case)));
        assert_eq!(server.get(&format!("/{}", case.0)).status, 200);
    }
}

/// A body that ends too early is no answer, whatever of it has come.
#[test]
fn an_answer_that_is_cut_off_fails() {
    let a = Backend::new("a", WELL);
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; } match m { body ~ x; }",
        "location / { proxy_pass http://u; health_check interval=100ms uri=/health match=m; }",
    )
    .with_port("a", a.port)
    .start();
    server.wait_for_error_log("peer is unhealthy while checking body, health check \"m\"");
    a.answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    server.wait_for_error_log("peer is healthy while checking body, health check \"m\"");
    a.answer("HTTP/1.1 200 OK\r\n\rContent-Length: 1\r\n\r\nx");
    server.wait_for_error_log(
        "peer is unhealthy while reading response header from upstream, health check \"m\"",
    );
    assert_eq!(server.get("/").status, 502);
}

#[test]
fn reloads_keep_what_is_known() {
    let (a, b) = (Backend::new("a", WELL), Backend::new("b", WELL));
    let location = |name: &str, parameters: &str| {
        format!(
            "location /{name} {{
                 proxy_pass http://{name};
                 health_check interval=100ms uri=/health {parameters};
             }}"
        )
    };
    let locations = location("plain", "")
        + &location("mandatory", "mandatory")
        + &location("persistent", "mandatory persistent");
    let group = |name: &str| {
        format!(
            "upstream {name} {{
                 zone zones 256k;
                 server 127.0.0.1:{{port_a}}; server 127.0.0.1:{{port_b}};
             }}"
        )
    };
    let groups = group("plain") + &group("mandatory") + &group("persistent");
    a.be_silent();
    b.be_silent();
    let server = two_workers(&groups, &locations)
        .with_port("a", a.port)
        .with_port("b", b.port)
        .start();
    // Nothing is known yet.
    check_answers(&server, "/plain", &["a", "b"]);
    check_answers(&server, "/mandatory", &["502"]);
    check_answers(&server, "/persistent", &["502"]);

    a.answer(WELL);
    b.answer(ILL);
    for group in ["plain", "mandatory", "persistent"] {
        let about = format!("peer 127.0.0.1:{} in upstream \"{group}\"", b.port);
        server.wait_for_error_log(&format!(
            "peer is unhealthy while checking status code, health check \"\" of {about}"
        ));
        let becomes = || answers(&server, &format!("/{group}")) == ["a".to_owned()].into();
        assert!(clock::becomes_true(LIMIT, becomes), "{group}");
    }

    a.be_silent();
    b.be_silent();
    server.reload().unwrap();
    check_answers(&server, "/plain", &["a"]);
    check_answers(&server, "/mandatory", &["502"]);
    check_answers(&server, "/persistent", &["a"]);
}

#[test]
fn one_worker_checks_and_another_when_it_is_killed() {
    let a = Backend::new("a", WELL);
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; server 127.0.0.1:{port_a} backup; }",
        "location / { proxy_pass http://u; health_check interval=50ms uri=/health; }",
    )
    .with_port("a", a.port)
    .allow_log("exited on signal 9")
    .start();
    let workers =
        |checks: &[(usize, String)]| checks.iter().map(worker_of).collect::<BTreeSet<_>>();
    let first = workers(&a.next_checks(10));
    assert_eq!(first.len(), 1, "one worker checks for all");

    let leader = *first.first().unwrap();
    process::send(leader, Signal::Kill).unwrap();
    let is_led_anew = || !workers(&a.next_checks(4)).contains(&leader);
    assert!(clock::becomes_true(LIMIT, is_led_anew));
    assert_eq!(workers(&a.next_checks(10)).len(), 1);

    a.answer(ILL);
    server.wait_for_error_log("peer is unhealthy while checking status code");
    let is_known = || answers(&server, "/") == ["502".to_owned()].into();
    assert!(clock::becomes_true(LIMIT, is_known));
}

#[test]
fn a_worker_that_stands_still_is_relieved_and_stays_so() {
    let a = Backend::new("a", WELL);
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; }",
        "location / { proxy_pass http://u; health_check interval=50ms uri=/health; }",
    )
    .with_port("a", a.port)
    .start();
    let leader = worker_of(a.next_checks(1).first().unwrap());
    process::send(leader, Signal::Stop).unwrap();
    let others = |checks: &[(usize, String)]| checks.iter().all(|check| worker_of(check) != leader);
    let is_relieved = || others(&a.next_checks(2));
    let was_relieved = clock::becomes_true(LIMIT, is_relieved);
    process::send(leader, Signal::Continue).unwrap();
    assert!(was_relieved, "{}", server.error_log());
    // It may finish what it was about to ask.
    let are_others = || others(&a.next_checks(20));
    assert!(clock::becomes_true(LIMIT, are_others), "two workers check");
}

#[test]
fn connections_are_used_again_where_that_is_asked_for() {
    let (a, b) = (Backend::new("a", WELL), Backend::new("b", WELL));
    let server = two_workers(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; }
         upstream v { zone v 64k; server 127.0.0.1:1 max_fails=0; }",
        "location / {
             proxy_pass http://u;
             health_check interval=50ms uri=/health keepalive_time=60s;
         }
         location @other {
             proxy_pass http://v;
             health_check interval=50ms uri=/health port={port_b};
         }",
    )
    .with_port("a", a.port)
    .with_port("b", b.port)
    .start();
    let connections = |backend: &Backend| {
        let checks = backend.next_checks(5);
        checks
            .iter()
            .map(|check| check.0)
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(connections(&a), 1);
    assert_eq!(connections(&b), 5);
    // What is closed meanwhile is no failure.
    a.answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    a.next_checks(3);
    assert_eq!(connections(&a), 5);
    assert!(
        !server.error_log().contains("unhealthy"),
        "{}",
        server.error_log()
    );

    b.answer(ILL);
    let port = b.port;
    server.wait_for_error_log(&format!(
        "peer is unhealthy while checking status code, health check \"\" of peer 127.0.0.1:1 in \
         upstream \"v\", port {port}"
    ));
}
