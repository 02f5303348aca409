//! More than there is room for: slots, descriptors, headers, ranges.

use harness::{Client, Server, clock, length, process};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How soon an honest client wants its answer; those that are given up for it would stay a minute.
fn patience() -> Duration {
    length::of(Duration::from_secs(5), Duration::from_secs(1))
}

fn addr(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// Whether a new client gets its answer within its patience.
fn is_served(addr: SocketAddr, tag: &str) -> bool {
    let started = clock::now();
    let Ok(mut client) = Client::connect(addr) else {
        return false;
    };
    let request = format!("GET /tag?{tag} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    if client.set_read_limit(patience()).is_err() || client.send(request).is_err() {
        return false;
    }
    let answer = client.try_receive();
    let is_right = matches!(answer, Ok(Some(response)) if response.text() == tag);
    is_right && started.elapsed() <= patience()
}

/// How many of `count` honest clients, one after the other, are served.
fn served(addr: SocketAddr, count: usize) -> usize {
    (0..count)
        .filter(|at| is_served(addr, &at.to_string()))
        .count()
}

/// Far more clients that never finish their heads than there are slots. nginx keeps them for
/// a minute, and turns everyone else away.
#[test]
fn slow_heads_give_way_to_new_clients() {
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_main("worker_processes 2;")
        .with_events("worker_connections 512;")
        .allow_log("worker_connections are not enough")
        .start();
    if harness::nginx_is_tested() {
        return;
    }
    let mut slow = Vec::new();
    for _ in 0..1500 {
        let mut client = Client::connect(addr(&server)).unwrap();
        // One that was given up already may be closed by now.
        let _ = client.send("GET / HTTP/1.1\r\nHost: h\r\nA: ");
        slow.push(client);
    }
    let count = served(addr(&server), 40);
    eprintln!("{count} of 40 honest clients were served");
    assert!(count >= 38, "{count} of 40 were served");
    server.wait_for_error_log("worker_connections are not enough");
    drop(slow);
    assert_eq!(served(addr(&server), 10), 10, "after the attack");
}

/// The same with clients that go on and on: progress alone does not keep a slot.
#[test]
fn dripping_heads_give_way_to_new_clients() {
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_events("worker_connections 128;")
        .allow_log("worker_connections are not enough")
        .start();
    if harness::nginx_is_tested() {
        return;
    }
    let mut slow: Vec<Client> = (0..400)
        .map(|_| Client::connect(addr(&server)).unwrap())
        .collect();
    let mut count = 0;
    for round in 0..20 {
        for client in &mut slow {
            let _ = client.send_more(if round == 0 {
                "GET / HTTP/1.1\r\n"
            } else {
                "A: b\r\n"
            });
        }
        count += served(addr(&server), 2);
    }
    assert!(count >= 38, "{count} of 40 were served");
}

/// Bodies that never come are given up too, when nothing else is left to give up: those that
/// are waited for, and those that are read away.
#[test]
fn slow_bodies_give_way_to_new_clients() {
    if harness::nginx_is_tested() {
        return;
    }
    for start in ["POST /tag", "PUT /a"] {
        let server = Server::of_one("dav_methods PUT; location = /tag { return 200 $args; }")
            .with_events("worker_connections 64;")
            .allow_log("worker_connections are not enough")
            .start();
        let slow: Vec<Client> = (0..200)
            .map(|_| {
                let mut client = Client::connect(addr(&server)).unwrap();
                let _ = client.send(format!(
                    "{start} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx"
                ));
                client
            })
            .collect();
        let count = served(addr(&server), 40);
        assert!(count >= 38, "{start}: {count} of 40 were served");
        drop(slow);
    }
}

/// Clients that take nothing of a large answer are given up last, before newcomers go without; one
/// that takes it, however slowly, keeps its place.
#[test]
fn slow_readers_give_way_to_new_clients() {
    if harness::nginx_is_tested() {
        return;
    }
    let large = "0123456789abcdef".repeat(1024 * 1024);
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_events("worker_connections 64;")
        .with_file("html/large", &large)
        .allow_log("worker_connections are not enough")
        .start();
    let request = "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let steady = {
        let mut client = server.connect();
        client.send(request).unwrap();
        std::thread::spawn(move || {
            let mut body = 0;
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match std::io::Read::read(&mut client.stream(), &mut buffer) {
                    Ok(0) | Err(_) => return body,
                    Ok(count) => body += count,
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let slow: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = Client::connect(addr(&server)).unwrap();
            let _ = client.send(request);
            client
        })
        .collect();
    let count = served(addr(&server), 40);
    assert!(count >= 38, "{count} of 40 were served");
    assert!(
        steady.join().unwrap() > large.len(),
        "a reader was given up"
    );
    drop(slow);
}

/// Idle connections are given up before anything that is under way.
#[test]
fn idle_connections_give_way_and_requests_do_not() {
    let large = "0123456789abcdef".repeat(1024 * 1024);
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_events("worker_connections 64;")
        .with_file("html/large", &large)
        .allow_log("worker_connections are not enough")
        .start();
    let mut download = server.connect();
    download
        .send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut client = Client::connect(addr(&server)).unwrap();
        assert_eq!(client.get("/tag?x").text(), "x");
        idle.push(client);
    }
    assert!(download.receive().body == large.as_bytes());
}

/// Without descriptors the server waits, idle, and goes on as soon as there are some.
#[test]
fn descriptors_run_out_without_a_spin_and_come_back() {
    let (limit, kept, crowd) = length::of((64, 40, 300), (512, 400, 4000));
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_main(&format!("worker_rlimit_nofile {limit};"))
        .with_events("worker_connections 1024;")
        .with_file("html/a.txt", "static")
        .allow_log("Too many open files")
        .allow_log("worker_connections exceed open file resource limit")
        .start();
    let mut kept: Vec<Client> = (0..kept).map(|_| server.connect()).collect();
    for client in &mut kept {
        assert_eq!(client.get("/tag?a").text(), "a");
        // Under way, so that it is not an idle connection to be given up.
        let _ = client.send("GET / HTTP/1.1\r\nHost: h\r\nA: ");
    }
    let crowd: Vec<TcpStream> = (0..crowd)
        .map(|_| TcpStream::connect(addr(&server)).unwrap())
        .collect();
    let worker = server.workers()[0];
    server.wait_for_error_log("Too many open files");
    std::thread::sleep(Duration::from_millis(200));
    let seconds = length::of(2, 60);
    let before = process::cpu_time(worker).unwrap();
    std::thread::sleep(Duration::from_secs(seconds));
    let spent = process::cpu_time(worker).unwrap() - before;
    eprintln!("{spent:?} of processor time in {seconds} seconds of starving");
    assert!(spent < Duration::from_secs(seconds) / 10, "{spent:?}");
    drop(crowd);
    drop(kept);
    let started = clock::now();
    let recovers = || is_served(addr(&server), "a") && server.get("/a.txt").text() == "static";
    assert!(clock::becomes_true(Duration::from_secs(20), recovers));
    eprintln!("served {:?} after the end of it", started.elapsed());
    assert_eq!(served(addr(&server), 20), 20);
}

/// Heads beyond `large_client_header_buffers` and `max_headers` are refused, each as by nginx,
/// and cost no more memory than their limit.
#[test]
fn header_bombs_are_refused() {
    let server = Server::of_one("location = /tag { return 200 $args; }").start();
    let head = "GET /tag HTTP/1.1\r\nHost: h\r\n";
    let uri = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(9000));
    let line = format!("{head}A: {}\r\n\r\n", "a".repeat(9000));
    let name = format!("{head}{}: a\r\n\r\n", "a".repeat(9000));
    let long_lines = format!(
        "{head}{}\r\n",
        format!("A: {}\r\n", "a".repeat(7000)).repeat(6)
    );
    let many = format!("{head}{}\r\n", "A: b\r\n".repeat(1001));
    let crumbs = format!("{head}{}\r\n", "Cookie: a=b\r\n".repeat(1001));
    let endless = format!("{head}{}", "A: b\r\n".repeat(100_000));
    for (case, status) in [
        (&uri, 414),
        (&line, 400),
        (&name, 400),
        (&long_lines, 400),
        (&many, 400),
        (&crumbs, 400),
        (&endless, 400),
    ] {
        let responses = server.connect().converse(case).unwrap();
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [status], "{}", &case[..60]);
    }
    let largest = format!(
        "{head}{}\r\n",
        format!("A: {}\r\n", "a".repeat(7000)).repeat(4)
    );
    let fields = format!("{head}{}\r\n", "A: b\r\n".repeat(900));
    let mut client = server.connect();
    for case in [&largest, &fields] {
        assert_eq!(client.request(case).status, 200);
    }
}

/// Many ranges that overlap: never more bytes than the file has.
#[test]
fn ranges_do_not_multiply_a_file() {
    let size = 1 << 20;
    let file = "0123456789abcdef".repeat(size / 16);
    let server = Server::of_one("").with_file("html/large", &file).start();
    let overlapping = |count: usize| {
        let ranges: Vec<String> = (0..count).map(|at| format!("{at}-")).collect();
        ranges.join(",")
    };
    for ranges in [
        overlapping(2),
        overlapping(1000),
        "0-,".repeat(1000) + "0-",
        "-1048576,".repeat(500) + "0-0",
        "0-1048575,0-1048575".to_owned(),
    ] {
        let response = server.request(format!(
            "GET /large HTTP/1.1\r\nHost: h\r\nRange: bytes={ranges}\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(response.status, 200, "{}", &ranges[..7]);
        assert!(response.body == file.as_bytes(), "{}", &ranges[..7]);
    }
    // Far apart and small they are served, with no more than their own heads added.
    let ranges: Vec<String> = (0..100).map(|at| format!("{0}-{0}", at * 100)).collect();
    let response = server.request(format!(
        "GET /large HTTP/1.1\r\nHost: h\r\nRange: bytes={}\r\nConnection: close\r\n\r\n",
        ranges.join(",")
    ));
    assert_eq!(response.status, 206);
    assert!(response.body.len() < 100 * 200, "{}", response.body.len());
    for ranges in [
        "18446744073709551616-",
        "9223372036854775807-9223372036854775807",
        "5-4",
        "a-b",
    ] {
        let response = server.request(format!(
            "GET /large HTTP/1.1\r\nHost: h\r\nRange: bytes={ranges}\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(response.status, 416, "{ranges}");
    }
}
