//! Clients that take their time: each phase has its limit, and nobody else waits for them.

use harness::{Client, Server, clock};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// How much later than configured a limit may strike on a busy machine.
const SLACK: Duration = Duration::from_secs(8);

/// Lets workers, which run as another user when the master is root, write into `folder`.
fn open_to_all(server: &Server, folder: &str) {
    let permissions = fs::Permissions::from_mode(0o777);
    let opened = fs::set_permissions(server.path(folder), permissions);
    assert!(opened.is_ok(), "{folder}: {opened:?}");
}

/// Closed within the limit plus slack, and after how long.
#[track_caller]
fn wait_for_close(client: &mut Client) -> Duration {
    let started = clock::now();
    assert!(client.is_closed_within(SLACK), "not closed");
    started.elapsed()
}

/// A head that never ends is given up after `client_header_timeout`, however it drips.
#[test]
fn slow_heads_are_given_up() {
    let server = Server::of_one("client_header_timeout 1s; access_log logs/access.log;").start();

    let mut silent = server.connect();
    let mut begun = server.connect();
    begun.send("GET / HT").unwrap();
    let mut dripping = server.connect();
    dripping.send("GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
    let started = clock::now();
    let is_cut = clock::becomes_true(SLACK, || {
        std::thread::sleep(Duration::from_millis(50));
        dripping.send_more("A: b\r\n").is_err()
    });
    assert!(is_cut, "a head dripped for {:?}", started.elapsed());
    wait_for_close(&mut silent);
    wait_for_close(&mut begun);
    // Those that began a request have a line in the log, and the silent one has none.
    let lines = server.log_lines("access.log", 2);
    assert!(lines.iter().all(|line| line.contains(" 408 ")), "{lines:?}");
}

/// A connection without requests is closed when `keepalive_timeout` has passed.
#[test]
fn idle_connections_are_closed() {
    let server = Server::of_one("keepalive_timeout 2s; location / { return 200 text; }").start();
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "text");
        std::thread::sleep(Duration::from_millis(500));
    }
    wait_for_close(&mut client);
}

/// A body that stops coming is given up after `client_body_timeout`. One that comes slowly
/// and steadily is not.
#[test]
fn silent_bodies_are_given_up() {
    let server = Server::of_one(
        "client_body_timeout 2s; access_log logs/access.log; root {prefix}/put;
         dav_methods PUT; create_full_put_path on;",
    )
    .with_file("put/keep", "")
    .start();
    open_to_all(&server, "put");
    let head = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n";

    let mut steady = server.connect();
    steady.send(head).unwrap();
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(200));
        steady.send_more("x").unwrap();
    }
    assert_eq!(steady.receive().status, 201);

    let mut silent = server.connect();
    silent.send(head).unwrap();
    silent.send_more("xx").unwrap();
    // nginx closes without an answer, and its log says 408.
    wait_for_close(&mut silent);
    let lines = server.log_lines("access.log", 2);
    assert!(lines[1].contains(" 408 "), "{lines:?}");
}

/// The rest of a body that nobody wants is waited for no longer than lingering allows.
#[test]
fn unwanted_bodies_are_not_waited_for() {
    let server =
        Server::of_one("lingering_time 2s; lingering_timeout 1s; location / { return 200 text; }")
            .start();
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";

    let mut silent = server.connect();
    assert_eq!(silent.request(head).status, 200);
    wait_for_close(&mut silent);

    let mut dripping = server.connect();
    assert_eq!(dripping.request(head).status, 200);
    let is_cut = clock::becomes_true(SLACK, || {
        std::thread::sleep(Duration::from_millis(100));
        dripping.send_more("x").is_err()
    });
    assert!(is_cut, "a body dripped for ever");
}

/// A client that takes nothing is given up after `send_timeout`; one that reads slowly gets
/// all of it.
#[test]
fn clients_that_do_not_read_are_given_up() {
    let large = "0123456789abcdef".repeat(512 * 1024);
    let server = Server::of_one("send_timeout 1s; access_log logs/access.log; sendfile on;")
        .with_file("html/large", &large)
        .start();
    let request = "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

    let mut stalled = server.connect();
    stalled.send(request).unwrap();
    let mut slow = server.connect();
    slow.send(request).unwrap();
    let mut got = Vec::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = slow.stream().read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        got.extend_from_slice(&piece[..count]);
        if got.len() < large.len() / 4 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert!(got.ends_with(large.as_bytes()), "{} bytes", got.len());

    let lines = server.log_lines("access.log", 2);
    assert!(lines.iter().any(|line| line.contains(" 200 ")), "{lines:?}");
    // What the system had taken before is still there; the whole never is.
    let rest = stalled.read_to_end().unwrap_or_default();
    assert!(rest.len() < large.len(), "{} bytes", rest.len());
}

/// With `reset_timedout_connection` those who were too slow get a reset and no more bytes.
#[test]
fn slow_clients_may_be_reset() {
    let large = "0123456789abcdef".repeat(512 * 1024);
    let server = Server::of_one("send_timeout 1s; reset_timedout_connection on;")
        .with_file("html/large", &large)
        .start();
    let mut stalled = server.connect();
    stalled
        .send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    // The client's own system forgets what it had taken when the reset comes.
    server.wait_for_error_log("client timed out");
    std::thread::sleep(Duration::from_millis(200));
    let mut buffer = vec![0; 64 << 20];
    let mut got = 0;
    let ended = loop {
        match stalled.stream().read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => got += count,
            Err(error) => break Err(error.kind()),
        }
    };
    assert!(got < large.len(), "{got} bytes");
    assert_eq!(
        ended,
        Err(std::io::ErrorKind::ConnectionReset),
        "{got} bytes"
    );
}

/// A PROXY header that never ends is given up as a head is.
#[test]
fn slow_proxy_headers_are_given_up() {
    let server =
        Server::new("server { listen 127.0.0.1:{port} proxy_protocol; client_header_timeout 1s; }")
            .start();
    let mut silent = server.connect();
    let mut begun = server.connect();
    begun.send_more("PROXY TCP4 1.2.3.4").unwrap();
    wait_for_close(&mut silent);
    wait_for_close(&mut begun);
    // The limit is on the whole of it.
    let mut dripping = server.connect();
    dripping.send_more("PROXY UNKNOWN ").unwrap();
    let is_cut = clock::becomes_true(SLACK, || {
        std::thread::sleep(Duration::from_millis(100));
        dripping.send_more("x").is_err()
    });
    assert!(is_cut, "a PROXY header dripped for ever");
}

/// Many slow clients of every kind, and honest ones among them who notice nothing.
#[test]
fn honest_clients_do_not_notice_slow_ones() {
    let large = "0123456789abcdef".repeat(256 * 1024);
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_events("worker_connections 2048;")
        .with_file("html/large", &large)
        .start();
    let addr = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let attacks: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: h\r\nA: ",
        b"POST /tag HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx",
        b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
        b"",
    ];
    let mut slow: Vec<Client> = (0..400)
        .map(|at| {
            let mut client = Client::connect(addr).unwrap();
            client.send_more(attacks[at % attacks.len()]).unwrap();
            client
        })
        .collect();
    for round in 0..50 {
        for client in slow.iter_mut().step_by(4) {
            client.send_more("x").unwrap();
        }
        let text = server.get(&format!("/tag?{round}")).text();
        assert_eq!(text, round.to_string());
    }
    assert_eq!(server.get("/large").body.len(), large.len());
}

#[test]
fn a_rate_holds_for_heads_and_for_short_bodies() {
    let server = Server::new(
        "server {
             listen 127.0.0.1:{port};
             location / { limit_rate 300; proxy_pass http://127.0.0.1:{port_a}; }
             location /head { limit_rate 300; add_header X-Long $arg_x; return 204; }
         }
         server { listen 127.0.0.1:{port_a}; location / { return 200 $arg_x; } }",
    )
    .start();
    for path in ["/", "/head"] {
        let began = clock::now();
        let answer = server.get(&format!("{path}?x={}", "x".repeat(700)));
        assert!(matches!(answer.status, 200 | 204));
        // Of 700 bytes and more, 300 leave at once.
        assert!(began.elapsed() > Duration::from_secs(1), "{path}");
    }
}
