//! Servers that die and come back, one after the other, while requests come: no client notices.

use crate::two_workers;
use harness::{Binary, Prefix, Server, clock, process};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Who asks at the same time.
const CLIENTS: usize = 4;

/// How long a server is dead, and how long all of them live then.
const DEATH: Duration = Duration::from_millis(500);

/// How long a server may take to come back.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A server in a process of its own, which can be killed.
struct Mortal {
    port: u16,
    prefix: Prefix,
    child: Option<Child>,
}

impl Mortal {
    /// A port that nobody listens on yet.
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        Self {
            port: listener.local_addr().expect("it is bound").port(),
            prefix: Prefix::new(),
            child: None,
        }
    }

    fn live(&mut self) {
        let conf = format!(
            "daemon off; master_process off; error_log logs/error.log; events {{ }}
             http {{
                 access_log off;
                 keepalive_requests 1000000;
                 server {{ listen 127.0.0.1:{}; location / {{ return 200 {}; }} }}
             }}",
            self.port, self.port
        );
        let conf = self.prefix.write("mortal.conf", conf.as_bytes());
        let program = Binary::Tidegate.path().expect("it was built");
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(self.prefix.path())
            .arg("-c")
            .arg(conf);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("the program runs"));
        let listens = clock::becomes_true(START_LIMIT, || process::is_listening(self.port));
        assert!(listens, "no server came back");
    }

    fn die(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it lived");
            child.wait().expect("it is a child");
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.die();
    }
}

/// Asks until `ends`; gives what went wrong.
fn ask(server: &Server, ends: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let mut failures = Vec::new();
    let mut client = server.connect();
    while !ends.load(Ordering::Relaxed) {
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let sent = client.send(request);
        let answer = sent.and_then(|()| client.try_receive());
        match answer {
            Ok(Some(answer)) if answer.status == 200 => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            other => {
                failures.push(format!("{other:?}"));
                client = server.connect();
            }
        }
    }
    failures
}

/// Kills and revives each of three servers in turn, `deaths` times in all.
fn nobody_notices(deaths: usize) {
    let mut servers = [Mortal::new(), Mortal::new(), Mortal::new()];
    servers.iter_mut().for_each(Mortal::live);
    let front = two_workers(
        "upstream u {
             zone u 64k;
             server 127.0.0.1:{port_a}; server 127.0.0.1:{port_b}; server 127.0.0.1:{port_c};
         }",
        "keepalive_requests 1000000;
         location / { proxy_pass http://u; health_check interval=100ms; }",
    )
    .with_port("a", servers[0].port)
    .with_port("b", servers[1].port)
    .with_port("c", servers[2].port)
    .start();
    let (ends, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let count = || answered.load(Ordering::Relaxed);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let asks = || scope.spawn(|| ask(&front, &ends, &answered));
        let clients: Vec<_> = (0..CLIENTS).map(|_| asks()).collect();
        for number in 0..deaths {
            let server = &mut servers[number % 3];
            std::thread::sleep(DEATH);
            server.die();
            std::thread::sleep(DEATH);
            server.live();
            // Two of three live, but a moment ago this one did not.
            let before = count();
            assert!(
                clock::becomes_true(START_LIMIT, || count() > before),
                "no answers"
            );
        }
        ends.store(true, Ordering::Relaxed);
        let join = |client: std::thread::ScopedJoinHandle<'_, Vec<String>>| client.join();
        clients
            .into_iter()
            .flat_map(|c| join(c).expect("no client panics"))
            .collect()
    });
    let first = failures.first();
    assert!(
        failures.is_empty(),
        "{} of {}: {first:?}",
        failures.len(),
        count()
    );
    assert!(count() > deaths * 100, "{} answers", count());
}

#[test]
fn servers_die_and_come_back_and_nobody_notices() {
    nobody_notices(4);
}

/// `cargo test -p tidegate-e2e --test health_check -- --ignored`
#[test]
#[ignore = "takes a minute"]
fn servers_die_and_come_back_for_a_minute() {
    nobody_notices(60);
}
