//! Clients that hold on to all they can get, beside honest ones, who must not notice.
//!
//! Short with every change; `TIDEGATE_TEST_LENGTH=full` makes them as many and as long as
//! `docs/performance.md` says.

mod probes;

use harness::{Builder, Client, Server, clock, length, process};
use probes::Kind;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

fn addr(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// One worker with room for `connections`.
fn roomy(inside: &str, connections: usize) -> Builder {
    let inside = format!("location = /tag {{ return 200 $args; }} {inside}");
    Server::of_one(&inside)
        .with_main("worker_rlimit_nofile 20000;")
        .with_events(&format!("worker_connections {connections};"))
}

/// Memory that the only worker has for itself, in bytes: counted page by page, as the quicker sums
/// of other files may be wrong by pages for each processor.
#[track_caller]
fn memory(server: &Server) -> u64 {
    let bytes = process::memory_bytes(server.workers()[0], "smaps_rollup", "Anonymous");
    bytes.expect("Linux 4.14 or later counts it")
}

/// Attackers, each with one connection.
struct Crowd {
    addr: SocketAddr,
    /// What each begins with, and what it goes on with.
    start: &'static str,
    more: &'static str,
    clients: Vec<Client>,
}

impl Crowd {
    fn new(addr: SocketAddr, count: usize, start: &'static str, more: &'static str) -> Self {
        let mut crowd = Self {
            addr,
            start,
            more,
            clients: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let client = crowd.begin();
            crowd.clients.push(client);
        }
        crowd
    }

    fn begin(&self) -> Client {
        let mut client = Client::connect(self.addr).expect("loopback takes connections");
        // One that is given up at once is begun anew in the next round.
        let _ = client.send(self.start);
        client
    }

    /// Everyone goes on, or begins anew.
    fn go_on(&mut self) {
        for at in 0..self.clients.len() {
            if self.clients[at].send_more(self.more).is_err() {
                self.clients[at] = self.begin();
            }
        }
    }

    /// Goes on every `pause` for `time`; gives the most that `measured` ever was.
    fn press(&mut self, time: Duration, pause: Duration, measured: impl Fn() -> u64) -> u64 {
        let started = clock::now();
        let mut most = measured();
        while started.elapsed() < time {
            let round = clock::now();
            self.go_on();
            most = most.max(measured());
            thread::sleep(pause.saturating_sub(round.elapsed()));
        }
        most
    }
}

/// What a connection costs at most, and what is left when all are gone.
#[track_caller]
fn assert_memory(server: &Server, before: u64, most: u64, count: usize, limit: u64) {
    let count = u64::try_from(count).unwrap_or(1);
    let each = most.saturating_sub(before) / count;
    // The tables of connections keep their room for the next crowd.
    let kept = (2 << 20).max(count * 256);
    let is_given_back = || memory(server) <= before + kept;
    let is_back = clock::becomes_true(Duration::from_secs(10), is_given_back);
    eprintln!(
        "{each} bytes a connection of {count}; at rest {before}, at most {most}, afterwards {}",
        memory(server)
    );
    assert!(each <= limit, "{each} bytes a connection");
    assert!(is_back, "{} bytes stay", memory(server) - before);
}

/// Slow heads, while there is room for them: they cost little, and honest clients are served as ever.
#[test]
fn slow_heads_cost_little() {
    let count = length::of(400, 15_000);
    let server = roomy("", count + 1000).start();
    let quiet = probes::quiet(addr(&server));
    let before = memory(&server);
    let time = length::of(Duration::from_secs(2), Duration::from_secs(600));
    let pause = length::of(Duration::from_millis(500), Duration::from_secs(5));
    let (report, most) = probes::during(addr(&server), Kind::All, || {
        let start = "GET / HTTP/1.1\r\nHost: h\r\n";
        let mut crowd = Crowd::new(addr(&server), count, start, "A: b\r\n");
        crowd.press(time, pause, || memory(&server))
    });
    report.assert_undisturbed(&quiet);
    assert_memory(&server, before, most, count, 4 << 10);
}

/// Slow heads, several for each place there is: newcomers get one all the same.
#[test]
fn newcomers_find_room_among_slow_heads() {
    let (count, room) = length::of((400, 128), (5000, 1024));
    let server = roomy("", room)
        .allow_log("worker_connections are not enough")
        .start();
    let quiet = probes::quiet(addr(&server));
    let before = memory(&server);
    let time = length::of(Duration::from_secs(2), Duration::from_secs(60));
    let (report, most) = probes::during(addr(&server), Kind::New, || {
        let start = "GET / HTTP/1.1\r\nHost: h\r\n";
        let mut crowd = Crowd::new(addr(&server), count, start, "A: b\r\n");
        crowd.press(time, Duration::from_millis(500), || memory(&server))
    });
    let (served, asked) = (report.served(), report.asked());
    eprintln!(
        "{served} of {asked} newcomers were served within a second; p99 {:?}, in quiet times {:?}",
        report.p99(),
        quiet.p99()
    );
    assert!(served * 100 >= asked * 99, "{served} of {asked}");
    assert!(most - before <= 8 << 20, "{} bytes more", most - before);
}

/// Slow bodies: a buffer each and no more.
#[test]
fn slow_bodies_cost_a_buffer() {
    let count = length::of(200, 5000);
    let server = roomy("location /put/ { dav_methods PUT; }", count + 1000).start();
    let quiet = probes::quiet(addr(&server));
    let before = memory(&server);
    let time = length::of(Duration::from_secs(2), Duration::from_secs(60));
    let pause = length::of(Duration::from_millis(500), Duration::from_secs(2));
    let (report, most) = probes::during(addr(&server), Kind::All, || {
        let start = "PUT /put/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
        let mut crowd = Crowd::new(addr(&server), count, start, "x");
        crowd.press(time, pause, || memory(&server))
    });
    report.assert_undisturbed(&quiet);
    assert_memory(&server, before, most, count, 24 << 10);
}

/// Clients that ask for a large file and hardly read: no more than a buffer each, by `sendfile` or
/// without.
#[test]
fn slow_readers_cost_a_buffer() {
    let count = length::of(100, 2000);
    let large = "0123456789".repeat(1 << 20);
    for how in ["sendfile on;", "sendfile off; output_buffers 1 8k;"] {
        // What waits in the system's own buffers is not ours, and must fit.
        let inside = format!("listen 127.0.0.1:{{port_small}} sndbuf=64k; {how}");
        let server = roomy(&inside, count + 1000)
            .with_file("html/large", &large)
            .start();
        let quiet = probes::quiet(addr(&server));
        let before = memory(&server);
        let time = length::of(Duration::from_secs(2), Duration::from_secs(60));
        let (report, most) = probes::during(addr(&server), Kind::All, || {
            let small = SocketAddr::from(([127, 0, 0, 1], server.port_of("small")));
            let start = "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
            let crowd = Crowd::new(small, count, start, "");
            read_slowly(&crowd.clients, time, || memory(&server))
        });
        report.assert_undisturbed(&quiet);
        assert_memory(&server, before, most, count, 16 << 10);
    }
}

/// Everyone takes a kilobyte a second for `time`; gives the most that `measured` ever was.
fn read_slowly(clients: &[Client], time: Duration, measured: impl Fn() -> u64) -> u64 {
    use std::io::Read;
    let started = clock::now();
    let mut most = 0;
    let mut piece = [0; 1024];
    while started.elapsed() < time {
        let round = clock::now();
        for client in clients {
            assert!(
                client
                    .stream()
                    .read(&mut piece)
                    .is_ok_and(|count| count > 0)
            );
        }
        most = most.max(measured());
        thread::sleep(Duration::from_secs(1).saturating_sub(round.elapsed()));
    }
    most
}

/// The largest heads that are allowed, on many connections at once, and never finished.
#[test]
fn largest_heads_cost_their_buffers() {
    let count = length::of(200, 1000);
    let server = roomy("", count + 1000).start();
    let quiet = probes::quiet(addr(&server));
    let before = memory(&server);
    let time = length::of(Duration::from_secs(1), Duration::from_secs(60));
    let line = format!("A: {}\r\n", "a".repeat(8000));
    let head = format!("GET /tag HTTP/1.1\r\nHost: h\r\n{}", line.repeat(4));
    let (report, most) = probes::during(addr(&server), Kind::All, || {
        let mut crowd = Crowd::new(addr(&server), count, String::leak(head), "");
        crowd.press(time, Duration::from_millis(500), || memory(&server))
    });
    report.assert_undisturbed(&quiet);
    // Four buffers and a little, and less than five.
    assert_memory(&server, before, most, count, 40 << 10);
}

/// Requests over which processor time is taken.
const ROUNDS: u32 = 20;

/// What is too much costs hardly more than any other request, and never ten milliseconds.
#[test]
fn bombs_cost_little_time() {
    let server = roomy("location /put/ { dav_methods PUT; }", 512).start();
    let head = "GET /tag HTTP/1.1\r\nHost: h\r\n";
    let chunked = "PUT /put/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, request, statuses) in [
        (
            "fields",
            format!("{head}{}\r\n", "A: b\r\n".repeat(100_000)),
            [400, 400],
        ),
        (
            "a line",
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)),
            [414, 414],
        ),
        (
            "a field",
            format!("{head}A: {}\r\n\r\n", "a".repeat(1 << 20)),
            [400, 400],
        ),
        // All buffers full, and the last byte is one too many.
        (
            "large fields",
            format!(
                "{head}{}\r\n",
                format!("A: {}\r\n", "a".repeat(8100)).repeat(5)
            ),
            [400, 400],
        ),
        // nginx takes extensions of any length.
        (
            "an extension",
            format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(64 << 10)),
            [400, 413],
        ),
    ] {
        let worker = server.workers()[0];
        let before = process::cpu_time(worker).unwrap();
        for _ in 0..ROUNDS {
            let responses = server.connect().converse(&request).unwrap();
            let said: Vec<u16> = responses.iter().map(|response| response.status).collect();
            assert!(
                said.len() == 1 && statuses.contains(&said[0]),
                "{name}: {said:?}"
            );
        }
        let each = (process::cpu_time(worker).unwrap() - before) / ROUNDS;
        eprintln!("{name}: {each:?}");
        assert!(each <= Duration::from_millis(10), "{name}: {each:?}");
    }
}

/// Expressions that take exponential time where an engine goes back and forth, for texts that
/// nearly match. Some need such an engine: for them it has a limit, past which there is a 500.
const EXPLOSIVE: [&str; 20] = [
    r"^(a+)+$",
    r"^(a|aa)+$",
    r"^(a|a?)+$",
    r"^(a*)*$",
    r"^(.*a){12}$",
    r"^(a+)+(?<!b)$",
    r"^(a|aa)+(?=z)$",
    r"^(a*)*\1$",
    r"^((a+)+)+(?!x)b$",
    r"^(\w+\s?)*$",
    r"^(.+)+\1?b$",
    r"^(?=(a+)+$)b",
    r"^(a+)*b\1",
    r"(a+)+b(?<=c)",
    r"^(.*?,){11}P",
    r"(x+x+)+y",
    r"^([a-z0-9])(([-.]|[_]+)?([a-z0-9]+))*(@){1}$",
    r"^(?:a?){50}a{50}$",
    r"^(a?a?)*(?<!q)b$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
];

#[test]
fn explosive_expressions_cost_little_time() {
    let mut inside = String::from("large_client_header_buffers 4 16k;");
    for (at, expression) in EXPLOSIVE.iter().enumerate() {
        inside += &format!(
            "location = /{at} {{ if ($args ~ \"{expression}\") {{ return 200; }} return 204; }}\n"
        );
    }
    let server = roomy(&inside, 512).start();
    let worker = server.workers()[0];
    let texts = [
        "a".repeat(8191) + "!",
        "aaa,".repeat(2048),
        "x".repeat(8192),
    ];
    let mut most = Duration::ZERO;
    for (at, expression) in EXPLOSIVE.iter().enumerate() {
        for text in &texts {
            let before = process::cpu_time(worker).unwrap();
            for _ in 0..ROUNDS {
                let status = server.get(&format!("/{at}?{text}")).status;
                assert!(matches!(status, 200 | 204 | 500), "{expression}: {status}");
            }
            let each = (process::cpu_time(worker).unwrap() - before) / ROUNDS;
            assert!(each <= Duration::from_millis(10), "{expression}: {each:?}");
            most = most.max(each);
        }
    }
    eprintln!("at most {most:?} for an expression that explodes");
}

/// A thousand ranges that overlap are answered by the file, once, in no more memory than it.
#[test]
fn many_ranges_cost_no_memory() {
    let size = length::of(1 << 20, 10 << 20);
    let file = "0123456789abcdef".repeat(size / 16);
    let server = roomy("", 512).with_file("html/large", &file).start();
    let ranges: Vec<String> = (0..1000).map(|at| format!("{at}-")).collect();
    let request = |ranges: &str| {
        let response = server.request(format!(
            "GET /large HTTP/1.1\r\nHost: h\r\nRange: bytes={ranges}\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(response.body.len(), file.len());
    };
    // What the first request of all makes room for.
    request("0-");
    let before = memory(&server);
    for _ in 0..20 {
        request(&ranges.join(","));
    }
    let more = memory(&server).saturating_sub(before);
    eprintln!("{more} bytes more after requests for a thousand ranges");
    assert!(more <= 64 << 10, "{more} bytes more");
}
