//! Clients that are never out of work: the others are served all the same.

use harness::{Server, clock};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How long an honest request may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Until the others have filled every buffer.
const HEAD_START: Duration = Duration::from_millis(300);

/// Requests of an honest client.
const REQUESTS: usize = 10;

/// Sends `first`, then `again` and again, and throws away what comes, until `is_over`.
fn flood(
    addr: SocketAddr,
    first: &'static str,
    again: &'static str,
    is_over: &Arc<AtomicBool>,
) -> io::Result<()> {
    let mut sender = TcpStream::connect(addr)?;
    let mut reader = sender.try_clone()?;
    thread::spawn(move || {
        let mut sink = vec![0; 1 << 16];
        while matches!(reader.read(&mut sink), Ok(1..)) {}
    });
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        let many = again.repeat(1000);
        let _ = sender.write_all(first.as_bytes());
        while !is_over.load(Ordering::Relaxed) && sender.write_all(many.as_bytes()).is_ok() {}
        let _ = sender.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// Another client is served while some send without an end.
fn others_are_served_during(first: &'static str, again: &'static str) {
    let server = Server::new(
        "keepalive_requests 1000000000;
        client_max_body_size 0;
        server {
            listen 127.0.0.1:{port};
            location / { return 200 hello; }
        }",
    )
    .start();
    let addr = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let is_over = Arc::new(AtomicBool::new(false));
    for _ in 0..3 {
        let begun = flood(addr, first, again, &is_over);
        assert!(begun.is_ok(), "{begun:?}");
    }
    thread::sleep(HEAD_START);
    let mut client = server.connect();
    for _ in 0..REQUESTS {
        let start = clock::now();
        assert_eq!(client.get("/").status, 200);
        let took = start.elapsed();
        assert!(took < LIMIT, "{took:?}");
    }
    is_over.store(true, Ordering::Relaxed);
}

/// Served until nothing more was there, each such client kept the worker for seconds.
#[test]
fn of_clients_that_pipeline_without_an_end() {
    others_are_served_during("", "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn of_clients_that_send_a_body_without_an_end() {
    others_are_served_during(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n",
    );
}
