//! Reloads: nobody notices a good one, and a bad one changes nothing.

use harness::{Builder, Client, Server, clock, length, process};
use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const RELOADS: usize = 20;

fn tags() -> Builder {
    Server::of_one("location = /tag { return 200 $args; }")
}

/// Requests on one connection for as long as the server keeps it, and then on the next.
/// Gives the number of requests that failed.
fn keep_asking(
    addr: SocketAddr,
    request: &str,
    is_done: &AtomicBool,
    asked: &AtomicUsize,
) -> usize {
    let mut failures = 0;
    let mut kept: Option<Client> = None;
    while !is_done.load(Ordering::Relaxed) {
        let client = kept.take().map_or_else(|| Client::connect(addr), Ok);
        let answer = client.and_then(|mut client| {
            client.send(request)?;
            Ok((client.try_receive()?, client))
        });
        asked.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok((Some(response), client)) if response.text() == "x" => {
                kept = (!response.is_last()).then_some(client);
            }
            other => {
                failures += 1;
                eprintln!("failed: {other:?}");
            }
        }
    }
    failures
}

/// Requests on kept connections, by GET and by POST, new connections, and slow downloads: not one
/// fails through reloads, in full a hundred in half a minute, and old workers go.
#[test]
fn no_request_fails_through_reloads() {
    if harness::nginx_is_tested() {
        return;
    }
    let large = "0123456789abcdef".repeat(512 * 1024);
    let server = tags()
        .with_main("worker_processes 2;")
        .with_file("html/large", &large)
        .start();
    let addr = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let get = "GET /tag?x HTTP/1.1\r\nHost: h\r\n\r\n";
    let post = "POST /tag?x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let close = "GET /tag?x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let (is_done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let (is_done, asked) = (&is_done, &asked);
        let askers: Vec<_> = [get, get, post, post, close, close]
            .map(|request| scope.spawn(move || keep_asking(addr, request, is_done, asked)))
            .into_iter()
            .collect();
        let downloads = scope.spawn(|| slow_downloads(addr, large.as_bytes(), is_done));
        let (reloads, pause) = length::of((RELOADS, 20), (100, 300));
        let mut most = 0;
        for _ in 0..reloads {
            let started = clock::now();
            server.reload().unwrap();
            most = most.max(process::children(server.master()).len());
            thread::sleep(Duration::from_millis(pause).saturating_sub(started.elapsed()));
        }
        is_done.store(true, Ordering::Relaxed);
        let failed: usize = askers.into_iter().map(|asker| asker.join().unwrap()).sum();
        let total = asked.load(Ordering::Relaxed);
        let (whole, cut) = downloads.join().unwrap();
        eprintln!(
            "{failed} of {total} requests and {cut} of {} downloads failed in {reloads} reloads; \
             at most {most} workers at once",
            whole + cut
        );
        assert_eq!((failed, cut), (0, 0), "of {total} requests");
        assert!(whole > 0);
    });
    let are_alone = || process::children(server.master()).len() == 2;
    assert!(clock::becomes_true(Duration::from_secs(10), are_alone));
}

/// Slow downloads of `file`, one after the other; how many were whole and how many were not.
fn slow_downloads(addr: SocketAddr, file: &[u8], is_done: &AtomicBool) -> (usize, usize) {
    let (mut whole, mut cut) = (0, 0);
    while !is_done.load(Ordering::Relaxed) {
        match slow_download(addr, is_done) {
            Ok(bytes) if bytes.ends_with(file) => whole += 1,
            _ => cut += 1,
        }
    }
    (whole, cut)
}

/// Reads slowly until `is_done`, and then to the end.
fn slow_download(addr: SocketAddr, is_done: &AtomicBool) -> io::Result<Vec<u8>> {
    let mut client = Client::connect(addr)?;
    client.send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    let mut got = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = client.stream().read(&mut piece)?;
        if count == 0 {
            return Ok(got);
        }
        got.extend_from_slice(&piece[..count]);
        if !is_done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(30));
        }
    }
}

/// A connection that was idle through the reload still has its next request answered.
#[test]
fn idle_connections_survive_a_reload_to_their_next_request() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = tags().start();
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/tag?a").text(), "a");
    }
    server.reload().unwrap();
    for client in &mut clients {
        let response = client.get("/tag?b");
        assert_eq!(response.text(), "b");
        assert!(
            response.is_last(),
            "told to come back on another connection"
        );
    }
}

/// Reloads leave neither workers nor descriptors behind.
#[test]
fn reloads_leave_nothing_behind() {
    let server = tags().start();
    server.reload().unwrap();
    let count = |pid| process::open_descriptors(pid);
    let before = (count(server.master()), count(server.workers()[0]));
    for _ in 0..RELOADS {
        server.reload().unwrap();
    }
    let is_alone = || process::children(server.master()).len() == 1;
    assert!(clock::becomes_true(Duration::from_secs(10), is_alone));
    assert_eq!((count(server.master()), count(server.workers()[0])), before);
}

/// Runs the program with `-s reload` against `server`.
fn reload_by_command(server: &Server) -> io::Result<Output> {
    let program = harness::Binary::Tidegate.path().map_err(io::Error::other)?;
    Command::new(program)
        .arg("-p")
        .arg(server.prefix().path())
        .args(["-c", "nginx.conf", "-e", "logs/error.log", "-s", "reload"])
        .output()
}

/// What is odd about a configuration is told to whoever reloads, once.
#[test]
fn warnings_are_told_once() {
    let server = tags().with_events("use poll;").allow_alerts().start();
    let output = reload_by_command(&server).unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = |text: &str| text.matches("event method is not built in").count();
    if !harness::nginx_is_tested() {
        assert_eq!(count(&said), 1, "{said}");
        assert_eq!(count(&server.error_log()), 2, "at the start and here");
    }
    let conf = server.prefix().read("nginx.conf");
    let broken = conf.replace("location", "locution");
    fs::write(server.path("nginx.conf"), broken).unwrap();
    let output = reload_by_command(&server).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("unknown directive").count(), 1, "{said}");
}

/// A reload that cannot be, says why and fails; what runs, runs on.
#[test]
fn reloads_that_cannot_be_change_nothing() {
    let server = tags().allow_alerts().start();
    let conf = server.prefix().read("nginx.conf");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("listen {};", taken.local_addr().unwrap());
    let broken = [
        (
            conf.replace("location", "locution"),
            "unknown directive \"locution\"",
        ),
        (
            conf.replace("return 200 $args;", "include missing.conf;"),
            "missing.conf",
        ),
        (
            conf.replace("return 200 $args;", "return 200 $args"),
            "unexpected \"}\"",
        ),
        (
            conf.replace("location =", &format!("{taken} location =")),
            "Address already in use",
        ),
        (
            conf.replace("location =", "access_log /none/such/place; location ="),
            "/none/such/place",
        ),
        (String::from("events {"), "unexpected end of file"),
    ];
    let workers = server.workers();
    let mut client = server.connect();
    for (text, reason) in broken {
        fs::write(server.path("nginx.conf"), &text).unwrap();
        let output = reload_by_command(&server).unwrap();
        if !harness::nginx_is_tested() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{reason}: {output:?}");
            assert!(said.contains(reason), "{reason}: {said}");
        }
        server.wait_for_error_log(reason);
        assert_eq!(client.get("/tag?a").text(), "a", "{reason}");
        assert_eq!(server.get("/tag?a").text(), "a", "{reason}");
        assert_eq!(server.workers(), workers, "{reason}");
    }
    fs::write(server.path("nginx.conf"), conf.replace("$args", "new")).unwrap();
    let output = reload_by_command(&server).unwrap();
    assert!(output.status.success(), "{output:?}");
    let is_new = || server.get("/tag?a").text() == "new";
    assert!(clock::becomes_true(Duration::from_secs(10), is_new));
}
