//! Three servers under load, of which one after the other is killed and comes back.

use super::script;
use harness::{Server, clock, process, skip};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Seconds that it goes on, where the environment does not say otherwise.
const SECONDS: u64 = 8;

/// Clients that ask without pause.
const CLIENTS: usize = 4;

/// The application on `port`, once it listens; killed when dropped.
struct Running(Child);

impl Running {
    fn start(port: u16) -> Option<Self> {
        let mut command = Command::new("node");
        command
            .arg(script("app.js"))
            .arg("/dev/null")
            .arg(port.to_string());
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let running = Self(child);
        let listens = || process::is_listening(port);
        assert!(
            clock::becomes_true(Duration::from_secs(20), listens),
            "never listens"
        );
        Some(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_ports() -> Vec<u16> {
    let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let listeners: Vec<TcpListener> = (0..3).map(|_| any()).collect();
    let port = |one: &TcpListener| one.local_addr().expect("an address").port();
    listeners.iter().map(port).collect()
}

/// Asks until `is_over`; gives how many answers there were, and those that were not right.
fn ask(server: &Server, is_over: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let mut failed = Vec::new();
    let mut client = server.connect();
    while !is_over.load(Ordering::Acquire) {
        let _ = client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        match client.try_receive() {
            Ok(Some(answer)) if answer.status == 200 && answer.text() == "hello from h" => {
                answered.fetch_add(1, Ordering::AcqRel);
            }
            other => {
                failed.push(format!("{other:?}"));
                client = server.connect();
            }
        }
    }
    failed
}

#[test]
fn no_request_that_can_be_repeated_fails() {
    if Command::new("node").arg("--version").output().is_err() {
        return skip::skip("node is not installed");
    }
    let seconds = std::env::var("TIDEGATE_DYING_SECONDS").ok();
    let seconds = seconds
        .and_then(|text| text.parse().ok())
        .unwrap_or(SECONDS);
    let ports = free_ports();
    let start = |port: &u16| Running::start(*port);
    let mut running: Vec<Option<Running>> = ports.iter().map(start).collect();
    let servers: String = ports
        .iter()
        .map(|port| format!("server 127.0.0.1:{port} fail_timeout=1s;\n"))
        .collect();
    let server = Server::new(&format!(
        "upstream app {{ {servers} keepalive 16; }}
         server {{
             listen 127.0.0.1:{{port}};
             keepalive_requests 1000000;
             location / {{ proxy_pass http://app; proxy_set_header Host $host; }}
         }}"
    ))
    .start();
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = thread::scope(|scope| {
        let client = || ask(&server, &is_over, &answered);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let end = clock::now() + Duration::from_secs(seconds);
        for turn in (0..ports.len()).cycle() {
            if clock::now() >= end {
                break;
            }
            thread::sleep(Duration::from_millis(500));
            running[turn] = None;
            thread::sleep(Duration::from_millis(400));
            running[turn] = Running::start(ports[turn]);
        }
        is_over.store(true, Ordering::Release);
        let joined = clients
            .into_iter()
            .map(|client| client.join().expect("a client"));
        joined.flatten().collect::<Vec<String>>()
    });
    let answered = answered.load(Ordering::Acquire);
    assert!(
        failed.is_empty(),
        "{} of {answered}: {failed:?}",
        failed.len()
    );
    assert!(answered > 100, "{answered} answers");
    eprintln!("{answered} requests in {seconds} s, none failed");
}
