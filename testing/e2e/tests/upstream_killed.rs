//! Workers that are killed at any moment, in a group with `max_conns`: what they held is given
//! back to the last connection, and not one too many.

use harness::scripted::{Scripted, Step};
use harness::{Client, Server, Signal, clock, process};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);
const CLIENTS: usize = 6;
const KILLS: usize = 15;
/// `max_conns` of each of two servers.
const MAX_CONNS: usize = 3;

/// A server that answers, and from a certain moment on does not.
fn moody(holds: &Arc<AtomicBool>) -> Scripted {
    let holds = Arc::clone(holds);
    Scripted::by(move |_| {
        if holds.load(Ordering::Acquire) {
            return vec![Step::Request, Step::Stay];
        }
        let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        vec![Step::Request, Step::send(answer)]
    })
}

/// Asks again and again until `ends`, whatever becomes of it.
fn ask(server: &Server, ends: &AtomicBool, answered: &AtomicUsize) {
    while !ends.load(Ordering::Relaxed) {
        let Ok(mut client) = Client::connect(([127, 0, 0, 1], server.port()).into()) else {
            continue;
        };
        for _ in 0..20 {
            let sent = client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            match sent.and_then(|()| client.try_receive()) {
                Ok(Some(answer)) if answer.status == 200 => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Some(_)) => {}
                _ => break,
            }
        }
    }
}

#[test]
fn killed_workers_leave_no_connection_counted() {
    let holds = Arc::<AtomicBool>::default();
    let servers = [moody(&holds), moody(&holds)];
    let server = Server::new(&format!(
        "upstream u {{
             zone u 64k;
             server 127.0.0.1:{{port_a}} max_conns={MAX_CONNS};
             server 127.0.0.1:{{port_b}} max_conns={MAX_CONNS};
         }}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             location / {{ proxy_pass http://u; proxy_read_timeout 1h; }}
         }}"
    ))
    .with_main("worker_processes 2;")
    .with_port("a", servers[0].port())
    .with_port("b", servers[1].port())
    .allow_log("exited on signal 9")
    // Some are killed while they count.
    .allow_log("was locked by")
    .start();

    let (ends, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| ask(&server, &ends, &answered));
        }
        for number in 0..KILLS {
            let before = answered.load(Ordering::Relaxed);
            let goes_on = || answered.load(Ordering::Relaxed) > before + 20;
            assert!(
                clock::becomes_true(LIMIT, goes_on),
                "nobody answers after {number} kills"
            );
            if let Some(worker) = server.workers().get(number % 2) {
                // It may just have been replaced.
                let _ = process::send(*worker, Signal::Kill);
            }
        }
        ends.store(true, Ordering::Relaxed);
    });
    let are_there = || server.workers().len() == 2;
    assert!(clock::becomes_true(LIMIT, are_there));

    // As many connections as there may be, and no more.
    holds.store(true, Ordering::Release);
    let held = |count: usize| {
        let held = || -> usize {
            let heads = |peer: &Scripted| peer.seen().iter().filter(|s| !s.is_over).count();
            servers.iter().map(heads).sum()
        };
        clock::becomes_true(LIMIT, || held() == count)
    };
    assert!(held(0), "connections of the dead are closed");
    let mut clients = Vec::new();
    for count in 1..=2 * MAX_CONNS {
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        clients.push(client);
        assert!(held(count), "{count} connections\n{}", server.error_log());
    }
    for _ in 0..4 {
        assert_eq!(server.get("/").status, 502);
    }
}
