//! Connections that run out here: the servers of a group are not to blame for it.

use harness::scripted::{Scripted, Step};
use harness::{Client, Server, clock};
use std::collections::BTreeSet;
use std::iter::repeat_n;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);

fn answering() -> Scripted {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let steps = [Step::Request, Step::send(answer)];
    Scripted::new(&repeat_n(steps, 1000).flatten().collect::<Vec<_>>())
}

/// Takes up `connections`, and asks for more; gives what clients were told meanwhile.
fn run_short(connections: usize) -> BTreeSet<u16> {
    let (a, b) = (answering(), answering());
    let held = Scripted::new(&[Step::Request, Step::Hang]);
    let server = Server::new(
        "upstream u { zone u 64k; server 127.0.0.1:{port_a}; server 127.0.0.1:{port_b}; }
         server {
             listen 127.0.0.1:{port};
             location / {
                 proxy_pass http://u;
                 add_header X-Peer $upstream_addr;
                 health_check interval=50ms;
             }
             location /held { proxy_pass http://127.0.0.1:{port_held}; proxy_read_timeout 1h; }
         }",
    )
    .with_events(&format!("worker_connections {connections};"))
    .with_port("a", a.port())
    .with_port("b", b.port())
    .with_port("held", held.port())
    .allow_log("worker_connections are not enough")
    .start();
    assert_eq!(server.get("/").status, 200);

    let ask = |path: &str| -> Option<Client> {
        let mut client = Client::connect(([127, 0, 0, 1], server.port()).into()).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        client.send(request).ok()?;
        // One that is not even accepted waits in vain.
        client.set_read_limit(Duration::from_millis(500)).ok()?;
        Some(client)
    };
    let holding: Vec<_> = (0..connections).map(|_| ask("/held")).collect();
    server.wait_for_error_log("worker_connections are not enough");
    let checks = || {
        server
            .error_log()
            .matches("health check \"\" of peer")
            .count()
    };
    assert!(
        clock::becomes_true(LIMIT, || checks() >= 4),
        "{}",
        server.error_log()
    );
    let asked = (0..4).filter_map(|_| ask("/")?.try_receive().ok()?);
    let told = asked.map(|answer| answer.status).collect();

    drop(holding);
    let mut peers = BTreeSet::new();
    let answers = || {
        let answer = server.get("/");
        peers.extend(answer.header("X-Peer").map(str::to_owned));
        answer.status == 200 && peers.len() == 2
    };
    assert!(
        clock::becomes_true(LIMIT, answers),
        "{}",
        server.error_log()
    );
    let log = server.error_log();
    assert!(
        !log.contains("unhealthy") && !log.contains("temporarily disabled"),
        "{log}"
    );
    told
}

#[test]
fn no_server_is_blamed_for_connections_that_ran_out_here() {
    // With one of them, a place is left for the client, and none for the server, unless a check
    // has just given one back.
    let mut told = run_short(16);
    told.extend(run_short(17));
    assert!(told.is_subset(&[200, 500].into()), "{told:?}");
}
