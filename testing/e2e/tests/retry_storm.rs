//! Groups of which all servers fail: how much more they are asked for it.

use harness::scripted::{Scripted, Step};
use harness::{Server, clock};
use std::iter::repeat_n;
use std::time::Duration;

const CLIENTS: usize = 4;
const REQUESTS: usize = 150;

/// Servers that answer every request by `status`.
fn failing(status: &str) -> [Scripted; 3] {
    let text = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
    let steps = [Step::Request, Step::send(text)];
    let script: Vec<Step> = repeat_n(steps, CLIENTS * REQUESTS * 3).flatten().collect();
    std::array::from_fn(|_| Scripted::new(&script))
}

/// How often `servers` were asked while [`CLIENTS`] made [`REQUESTS`] requests each.
fn asked(servers: &[Scripted; 3], budget: &str) -> usize {
    let server = Server::new(&format!(
        "upstream u {{
             server 127.0.0.1:{{port_a}} max_fails=0;
             server 127.0.0.1:{{port_b}} max_fails=0;
             server 127.0.0.1:{{port_c}} max_fails=0;
             {budget}
         }}
         server {{
             listen 127.0.0.1:{{port}};
             keepalive_requests 1000000;
             proxy_next_upstream error http_503;
             location / {{ proxy_pass http://u; }}
         }}"
    ))
    .with_port("a", servers[0].port())
    .with_port("b", servers[1].port())
    .with_port("c", servers[2].port())
    .start();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..REQUESTS {
                    assert_eq!(client.get("/").status, 503);
                }
            });
        }
    });
    let count = || -> usize {
        let seen = servers.iter().flat_map(Scripted::seen);
        seen.map(|seen| seen.requests.len()).sum()
    };
    if budget.contains("20%") {
        server.wait_for_error_log("retry budget of upstream \"u\" is exhausted");
    }
    // What was asked has been written down once it was answered, or is about to be.
    let limit = Duration::from_secs(5);
    assert!(clock::becomes_true(limit, || count() >= CLIENTS * REQUESTS));
    count()
}

#[test]
fn without_a_budget_each_server_gets_each_request() {
    assert_eq!(
        asked(&failing("503"), "retry_budget off;"),
        CLIENTS * REQUESTS * 3
    );
}

#[test]
fn retries_stay_within_the_budget() {
    let requests = CLIENTS * REQUESTS;
    let asked = asked(&failing("503"), "retry_budget 20% min=0;");
    // A fifth of them, and what was saved up for twenty retries at the start.
    let retries = asked - requests;
    assert!(
        retries <= requests / 5 + 20,
        "{retries} retries of {requests} requests"
    );
    assert!(
        retries >= requests / 5,
        "{retries} retries of {requests} requests"
    );
}
