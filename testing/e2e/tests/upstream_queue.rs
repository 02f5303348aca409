//! `queue`: requests that wait until a server of their group has room.

use harness::{Builder, Client, Server, Signal, clock, process};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);

/// A server that answers when the test says so.
struct Backend(TcpListener);

/// A request that waits for its answer.
struct Asked {
    stream: TcpStream,
    path: String,
}

impl Backend {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port is free"))
    }

    fn next(&self) -> Asked {
        let (stream, _) = self.0.accept().expect("somebody comes");
        Self::read(stream)
    }

    /// The same, where it is not sure that anybody comes.
    fn next_in_time(&self) -> Asked {
        self.0.set_nonblocking(true).expect("it is open");
        let come = clock::wait_for(LIMIT, || self.0.accept().ok());
        self.0.set_nonblocking(false).expect("it is open");
        let (stream, _) = come.expect("somebody comes");
        stream.set_nonblocking(false).expect("it is open");
        Self::read(stream)
    }

    fn read(stream: TcpStream) -> Asked {
        let mut lines = BufReader::new(stream.try_clone().expect("descriptors are left")).lines();
        let first = lines.next().expect("a line").expect("the connection holds");
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_end = |line: &Result<String, _>| line.as_ref().is_ok_and(String::is_empty);
        assert!(lines.any(|line| is_end(&line)), "the head ends");
        Asked { stream, path }
    }

    /// Whether nobody has come that was not taken yet.
    fn is_left_alone(&self) -> bool {
        self.0.set_nonblocking(true).expect("it is open");
        let is_alone = self.0.accept().is_err();
        self.0.set_nonblocking(false).expect("it is open");
        is_alone
    }
}

impl Asked {
    fn answer(mut self) {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        self.stream.write_all(text.as_bytes()).expect("it is read");
    }
}

fn server(queue: &str, backend: &Backend) -> Server {
    Server::new(&format!(
        "log_format times '$status $upstream_status $upstream_queue_time';
         access_log logs/times times;
         upstream u {{
             zone u 64k;
             server 127.0.0.1:{{port_backend}} max_conns=1;
             {queue}
         }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://u; proxy_read_timeout 1h; }}
             location = /status {{ stub_status; access_log off; }}
         }}"
    ))
    .with_port(
        "backend",
        backend.0.local_addr().expect("it is bound").port(),
    )
    .allow_log("no live upstreams")
    .start()
}

/// Asks for `path`, and waits for nothing but that the server is at work on `busy` requests.
fn ask(server: &Server, path: &str, busy: usize) -> Client {
    let mut client = server.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.send(request).expect("the server reads");
    wait_for(server, busy);
    client
}

/// Waits until the server is at work on `busy` requests.
fn wait_for(server: &Server, busy: usize) {
    let writing = || -> usize {
        let status = server.get("/status").text();
        let mut words = status.split_whitespace();
        words.find(|&word| word == "Writing:");
        let number = words.next().and_then(|word| word.parse().ok());
        number.expect("a number")
    };
    // The question itself is one of them.
    assert!(clock::becomes_true(LIMIT, || writing() == busy + 1));
}

#[test]
fn those_who_wait_are_served_in_their_order() {
    let backend = Backend::new();
    let server = server("queue 3;", &backend);
    let paths = ["/0", "/1", "/2", "/3"];
    let mut clients: Vec<Client> = Vec::new();
    for (busy, path) in (1..).zip(paths) {
        clients.push(ask(&server, path, busy));
    }
    for (path, client) in paths.iter().zip(&mut clients) {
        let asked = backend.next();
        assert_eq!(asked.path, *path);
        assert!(backend.is_left_alone());
        asked.answer();
        assert_eq!(client.receive().text(), "ok");
    }
    let lines = server.log_lines("times", 4);
    let times: Vec<&str> = lines
        .iter()
        .map(|line| line.strip_prefix("200 200 ").expect("a success"))
        .collect();
    assert_eq!(times[0], "-");
    assert!(
        times[1..].iter().all(|time| time.contains('.')),
        "{times:?}"
    );
}

#[test]
fn a_full_queue_and_one_that_times_out_refuse() {
    let backend = Backend::new();
    let server = server("queue 1 timeout=4s;", &backend);
    let _first = ask(&server, "/first", 1);
    let _asked = backend.next();
    let mut second = ask(&server, "/second", 2);
    assert_eq!(server.get("/third").status, 502);
    server.wait_for_error_log("no live upstreams and the queue is full while connecting");
    assert_eq!(second.receive().status, 502);
    server.wait_for_error_log("no live upstreams until the queue timed out while connecting");
    assert!(backend.is_left_alone());
}

#[test]
fn a_client_that_leaves_leaves_its_place() {
    let backend = Backend::new();
    let server = server("queue 1 timeout=1h;", &backend);
    let mut first = ask(&server, "/first", 1);
    let asked = backend.next();
    drop(ask(&server, "/gone", 2));
    wait_for(&server, 1);
    let mut next = ask(&server, "/next", 2);
    asked.answer();
    assert_eq!(first.receive().text(), "ok");
    let asked = backend.next();
    assert_eq!(asked.path, "/next");
    asked.answer();
    assert_eq!(next.receive().text(), "ok");
    let lines = server.log_lines("times", 3);
    assert!(lines[0].starts_with("499 "), "{lines:?}");
}

/// The servers of a group in two workers: room that one makes is found by the other.
#[test]
fn a_request_in_one_worker_waits_for_another_worker() {
    let backend = Backend::new();
    let port = backend.0.local_addr().expect("it is bound").port();
    let server = Server::new(
        "upstream u { zone u 64k; server 127.0.0.1:{port_backend} max_conns=1; queue 8; }
         server { listen 127.0.0.1:{port} reuseport; location / { proxy_pass http://u; } }",
    )
    .with_main("worker_processes 2;")
    .with_port("backend", port)
    .start();
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        client.send(request).expect("the server reads");
    }
    for _ in 0..clients.len() {
        backend.next().answer();
    }
    for client in &mut clients {
        assert_eq!(client.receive().text(), "ok");
    }
}

/// Two workers before `backend`, of whose group `rules` say how much it takes.
fn two_workers(backend: &Backend, rules: &str) -> Builder {
    let text = format!(
        "upstream u {{ zone u 64k; server 127.0.0.1:{{port_backend}} {rules} }}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             location / {{ proxy_pass http://u; proxy_read_timeout 1h; }}
             location = /pid {{ return 200 $pid; }}
             location = /status {{ stub_status; access_log off; }}
         }}"
    );
    let port = backend.0.local_addr().expect("it is bound").port();
    Server::new(&text)
        .with_main("worker_processes 2;")
        .with_port("backend", port)
}

/// A client, and the worker that it came to.
fn connect(server: &Server) -> (Client, u32) {
    let mut client = server.connect();
    let pid = "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send(pid).expect("the server reads");
    let pid = client.receive().text().parse().expect("a number");
    (client, pid)
}

/// Asks the worker that `client` came to for `path`, and waits until so many requests are `busy`.
fn ask_over(server: &Server, client: &mut Client, path: &str, busy: usize) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send(request).expect("the server reads");
    wait_for(server, busy);
}

/// Of the group's server another worker has made use, and tells when it is free again.
#[test]
fn a_server_that_another_worker_frees_is_used_at_once() {
    let backend = Backend::new();
    let server = two_workers(&backend, "max_conns=1; queue 3;").start();
    let connect = || connect(&server);
    let mut round = || {
        let (mut first, pid) = connect();
        let (mut second, _) = std::iter::repeat_with(connect)
            .find(|(_, other)| *other != pid)
            .expect("workers share the connections");
        ask_over(&server, &mut first, "/first", 1);
        let asked = backend.next();
        ask_over(&server, &mut second, "/second", 2);
        let freed = clock::now();
        asked.answer();
        assert_eq!(first.receive().text(), "ok");
        let asked = backend.next();
        let took = freed.elapsed();
        asked.answer();
        assert_eq!(second.receive().text(), "ok");
        took
    };
    // One that looks now and then takes an eighth of a second on average.
    let mut is_quick = || {
        let mut times: Vec<Duration> = std::iter::repeat_with(&mut round).take(9).collect();
        times.sort_unstable();
        times[4] < Duration::from_millis(25)
    };
    assert!((0..5).any(|_| is_quick()));
}

/// A worker is killed that holds all the room there is, and has a request that waits for more. Those
/// who wait in the other worker get the room, all of it, and nobody gets more.
#[test]
fn room_of_a_killed_worker_goes_to_those_who_wait_elsewhere() {
    let backend = Backend::new();
    let server = two_workers(&backend, "max_conns=2; queue 8 timeout=1h;")
        .allow_log("exited on signal 9")
        .start();
    let connect = || connect(&server);
    let send = |client: &mut Client, path: &str, busy| ask_over(&server, client, path, busy);
    for round in 0..3 {
        let (first, victim) = connect();
        let of = |is_victim: bool| {
            let mut all = std::iter::repeat_with(connect).take(1000);
            let found = all.find(|(_, pid)| (*pid == victim) == is_victim);
            found.expect("workers share the connections").0
        };
        let mut doomed = [first, of(true), of(true)];
        let mut waiting = [of(false), of(false), of(false)];
        send(&mut doomed[0], "/held", 1);
        send(&mut doomed[1], "/held", 2);
        let held = [backend.next(), backend.next()];
        send(&mut doomed[2], "/doomed", 3);
        for (number, client) in waiting.iter_mut().enumerate() {
            send(client, &format!("/{number}"), 4 + number);
        }
        assert!(backend.is_left_alone());

        process::send(victim, Signal::Kill).expect("it is there");
        let got = [backend.next_in_time(), backend.next_in_time()];
        let paths = got.each_ref().map(|asked| &*asked.path);
        assert_eq!(paths, ["/0", "/1"], "round {round}");
        drop(held);
        // The worker that took its place finds no room either.
        let is_replaced = || server.workers().len() == 2;
        assert!(clock::becomes_true(LIMIT, is_replaced));
        let mut newcomer = of(false);
        send(&mut newcomer, "/new", 4);
        assert!(backend.is_left_alone());

        let mut still = BTreeSet::from(["/2".to_owned(), "/new".to_owned()]);
        for asked in got {
            asked.answer();
            let next = backend.next_in_time();
            assert!(still.remove(&next.path), "round {round}: {}", next.path);
            next.answer();
        }
        for mut client in waiting.into_iter().chain([newcomer]) {
            assert_eq!(client.receive().text(), "ok");
        }
        wait_for(&server, 0);
    }
}
