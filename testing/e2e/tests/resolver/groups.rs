//! Servers of groups that are looked up while the server works: `resolve` and `service=`.

use super::dns::{A, Dns, Question, SRV};
use super::programs;
use harness::backend::free_port;
use harness::{Response, Server, Signal, clock, process};
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server of the group whose name is looked up.
const APP: &str = "resolver_timeout 1s; server app.test:{port_app} resolve;";

const LIMIT: Duration = Duration::from_secs(15);

/// Servers at addresses of this machine that say which of them was asked.
fn group(servers: &str, dns_port: u16) -> harness::Builder {
    Server::new(&format!(
        "upstream u {{
             zone u 128k;
             resolver 127.0.0.1:{dns_port} ipv6=off valid=1s;
             {servers}
         }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 proxy_pass http://u;
                 proxy_connect_timeout 2s;
                 add_header X-Addr $upstream_addr always;
             }}
         }}
         server {{
             listen 127.0.0.1:{{port_app}};
             listen 127.0.0.2:{{port_app}};
             listen 127.0.0.3:{{port_app}};
             location / {{ return 200 $server_addr; }}
             location /held {{ proxy_pass http://127.0.0.1:{{port_held}}; }}
         }}"
    ))
    .with_main("worker_processes 2;")
    .allow_log("could not be resolved")
    .allow_log("no live upstreams")
}

/// What a name server says of each name, to be changed at any time.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<Vec<Entry>>>);

#[derive(Clone)]
struct Entry {
    name: &'static str,
    rcode: u8,
    kind: u8,
    records: Vec<Vec<u8>>,
}

impl Zone {
    fn set(&self, name: &'static str, kind: u8, records: &[Vec<u8>]) {
        self.put(name, 0, kind, records);
    }

    fn put(&self, name: &'static str, rcode: u8, kind: u8, records: &[Vec<u8>]) {
        let mut all = self.0.lock().expect("nobody panics with it");
        all.retain(|entry| entry.name != name);
        all.push(Entry {
            name,
            rcode,
            kind,
            records: records.to_vec(),
        });
    }

    /// The name has these addresses, `127.0.0.N` each.
    fn at(&self, name: &'static str, lasts: &[u8]) {
        let records: Vec<_> = lasts.iter().map(|&last| vec![127, 0, 0, last]).collect();
        self.set(name, A, &records);
    }

    fn answer(&self, question: &Question<'_>) {
        let all = self.0.lock().expect("nobody panics with it");
        let entry = all.iter().find(|entry| entry.name == question.name);
        let Some(entry) = entry else {
            return question.send(&question.reply(3, 1, &[]));
        };
        let of_kind = entry.records.iter().filter(|_| entry.kind == question.kind);
        let records: Vec<_> = of_kind.map(|data| (entry.kind, &data[..])).collect();
        question.send(&question.reply(entry.rcode, 1, &records));
    }

    fn serve(&self) -> Dns {
        let this = self.clone();
        Dns::start(move |question| this.answer(question))
    }
}

/// One server of a service: `target` is a name below `test`, a label.
fn srv(priority: u8, weight: u8, port: u16, target: &str) -> Vec<u8> {
    let mut data = vec![0, priority, 0, weight];
    data.extend_from_slice(&port.to_be_bytes());
    data.push(u8::try_from(target.len()).expect("a label"));
    data.extend_from_slice(target.as_bytes());
    data.extend_from_slice(b"\x04test\0");
    data
}

/// Who answers `count` requests.
fn seen(server: &Server, count: usize) -> Vec<String> {
    let answers = (0..count).map(|_| server.get("/").text());
    let mut seen: Vec<String> = answers.collect();
    seen.sort();
    seen.dedup();
    seen
}

#[track_caller]
fn becomes(server: &Server, expected: &[&str]) {
    let mut last = Vec::new();
    let is_so = clock::becomes_true(LIMIT, || {
        last = seen(server, 8);
        last == expected
    });
    assert!(is_so, "{last:?} instead of {expected:?}");
}

#[test]
fn a_name_that_is_not_there_yet_does_not_stop_the_start() {
    let zone = Zone::default();
    let dns = zone.serve();
    let server = group(APP, dns.port()).start();
    assert_eq!(server.get("/").status, 502);
    server.wait_for_error_log("app.test could not be resolved (3: Host not found)");
    zone.at("app.test", &[1, 2]);
    becomes(&server, &["127.0.0.1", "127.0.0.2"]);
}

/// `health_check mandatory` holds for servers that come while the server works.
#[test]
fn a_server_that_is_found_must_pass_its_check_first() {
    let zone = Zone::default();
    zone.at("app.test", &[1]);
    let dns = zone.serve();
    let server = Server::new(&format!(
        "upstream u {{
             zone u 128k;
             resolver 127.0.0.1:{} ipv6=off valid=1s;
             {APP}
         }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://u; }}
             location @check {{
                 proxy_pass http://u;
                 health_check mandatory interval=200ms uri=/check;
             }}
         }}
         server {{
             listen 127.0.0.1:{{port_app}};
             location / {{ return 200 $server_addr; }}
         }}
         server {{
             listen 127.0.0.2:{{port_app}};
             location / {{ return 200 $server_addr; }}
             location /check {{ return 503; }}
         }}",
        dns.port()
    ))
    .with_main("worker_processes 2; error_log logs/error.log notice;")
    .allow_log("no live upstreams")
    .start();
    becomes(&server, &["127.0.0.1"]);
    zone.at("app.test", &[1, 2]);
    let port = server.port_of("app");
    let about = format!("of peer 127.0.0.2:{port} in upstream");
    let is_found = || {
        assert_eq!(seen(&server, 8), ["127.0.0.1"]);
        let log = server.error_log();
        log.lines()
            .any(|line| line.contains("peer is unhealthy") && line.contains(&about))
    };
    assert!(
        clock::becomes_true(LIMIT, is_found),
        "{}",
        server.error_log()
    );
}

#[test]
fn addresses_change_under_load_without_a_failed_request() {
    let zone = Zone::default();
    zone.at("app.test", &[1, 2]);
    let dns = zone.serve();
    let server = group(APP, dns.port()).start();
    becomes(&server, &["127.0.0.1", "127.0.0.2"]);
    none_fails_while(&server, || {
        for (lasts, expected) in [
            (&[3][..], &["127.0.0.3"][..]),
            (&[1, 3], &["127.0.0.1", "127.0.0.3"]),
            (&[2], &["127.0.0.2"]),
        ] {
            zone.at("app.test", lasts);
            becomes(&server, expected);
        }
    });
}

/// Does `change` while clients send requests, of which none may fail.
#[track_caller]
fn none_fails_while(server: &Server, change: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ask = || {
            let mut bad = Vec::new();
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = server.get("/");
                count += 1;
                if answer.status != 200 {
                    bad.push(answer.status);
                }
                // Some of the machine is for who changes it.
                std::thread::sleep(Duration::from_millis(2));
            }
            (count, bad)
        };
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
        change();
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            let (count, bad) = client.join().expect("it does not panic");
            assert!(count > 0 && bad.is_empty(), "{bad:?} of {count}");
        }
    });
}

/// Addresses and services of dnsmasq.
#[test]
fn dnsmasq_moves_servers_under_load() {
    let app = free_port();
    let records = [
        format!("--srv-host=_http._tcp.app.test,a.test,{app},1,1"),
        format!("--srv-host=_http._tcp.app.test,b.test,{app},1,1"),
        format!("--srv-host=_http._tcp.app.test,c.test,{app},9,1"),
    ];
    let hosts = "127.0.0.1 a.test\n127.0.0.2 b.test\n127.0.0.3 c.test\n";
    let Some(dnsmasq) = programs::dnsmasq(&records, hosts) else {
        return;
    };
    let service = "resolver_timeout 1s; server app.test service=http resolve;";
    let server = group(service, dnsmasq.port()).with_port("app", app).start();
    becomes(&server, &["127.0.0.1", "127.0.0.2"]);
    none_fails_while(&server, || {
        programs::set_hosts(&dnsmasq, "127.0.0.3 a.test b.test\n127.0.0.1 c.test\n");
        becomes(&server, &["127.0.0.3"]);
        // One is not found any more.
        programs::set_hosts(&dnsmasq, "127.0.0.2 a.test\n127.0.0.1 c.test\n");
        becomes(&server, &["127.0.0.2"]);
        drop(dnsmasq);
        server.wait_for_error_log("app.test could not be resolved");
        becomes(&server, &["127.0.0.2"]);
    });
}

/// A resolver of its own between us and who knows.
#[test]
fn unbound_tells_of_changes_and_failures() {
    let zone = Zone::default();
    zone.at("app.test", &[1]);
    let dns = zone.serve();
    let Some(unbound) = programs::unbound(dns.port()) else {
        return;
    };
    let server = group(APP, unbound.port()).start();
    becomes(&server, &["127.0.0.1"]);
    none_fails_while(&server, || {
        zone.at("app.test", &[2, 3]);
        becomes(&server, &["127.0.0.2", "127.0.0.3"]);
        zone.put("app.test", 2, A, &[]);
        server.wait_for_error_log("app.test could not be resolved (2: Server failure)");
        becomes(&server, &["127.0.0.2", "127.0.0.3"]);
    });
}

#[test]
fn a_server_that_leaves_ends_what_it_has() {
    let zone = Zone::default();
    zone.at("app.test", &[1]);
    let dns = zone.serve();
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("it is bound").port();
    let server = group(APP, dns.port()).with_port("held", port).start();
    becomes(&server, &["127.0.0.1"]);
    let answer = std::thread::scope(|scope| {
        let client = scope.spawn(|| server.get("/held"));
        let (mut stream, _) = held.accept().expect("somebody comes");
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst";
        stream.write_all(head).expect("the server reads");
        zone.at("app.test", &[2]);
        becomes(&server, &["127.0.0.2"]);
        stream.write_all(b"last").expect("the server reads");
        client.join().expect("it does not panic")
    });
    assert_eq!(answer.text(), "firstlast");
    let port = server.port_of("app");
    let addr = format!("127.0.0.1:{port}");
    assert_eq!(answer.header("x-addr"), Some(&*addr));
}

/// For requests the last addresses are good for half a minute before anybody asks again; a group
/// that took them for news would not follow its servers for as long.
#[test]
fn a_silent_moment_of_the_name_server_is_over_when_it_is() {
    let zone = Zone::default();
    zone.at("app.test", &[2]);
    let dns = zone.serve();
    let server = group(APP, dns.port()).start();
    becomes(&server, &["127.0.0.2"]);
    dns.set(|_| {});
    server.wait_for_error_log("app.test could not be resolved (110: Operation timed out)");
    zone.at("app.test", &[3]);
    dns.set(move |question| zone.answer(question));
    becomes(&server, &["127.0.0.3"]);
}

#[test]
fn while_name_servers_are_dead_or_cannot_tell_the_servers_stay() {
    let zone = Zone::default();
    zone.at("app.test", &[2]);
    let dns = zone.serve();
    let server = group(APP, dns.port()).start();
    becomes(&server, &["127.0.0.2"]);
    zone.put("app.test", 2, A, &[]);
    server.wait_for_error_log("app.test could not be resolved (2: Server failure)");
    assert_eq!(seen(&server, 4), ["127.0.0.2"]);
    dns.set(|_| {});
    server.wait_for_error_log("app.test could not be resolved (110: Operation timed out)");
    assert_eq!(seen(&server, 4), ["127.0.0.2"]);
    // The new workers ask a name server that they never heard of anything.
    server.reload().expect("the configuration is good");
    assert_eq!(seen(&server, 4), ["127.0.0.2"]);

    let now = zone.clone();
    dns.set(move |question| now.answer(question));
    zone.put("app.test", 3, A, &[]);
    let is_gone = || server.get("/").status == 502;
    assert!(clock::becomes_true(LIMIT, is_gone), "it does not exist");
    zone.at("app.test", &[3]);
    becomes(&server, &["127.0.0.3"]);
}

#[test]
fn somebody_looks_when_the_worker_that_did_is_killed() {
    let zone = Zone::default();
    zone.at("app.test", &[1]);
    let dns = zone.serve();
    let server = group(APP, dns.port())
        .allow_log("exited on signal 9")
        .start();
    becomes(&server, &["127.0.0.1"]);
    let old = server.workers();
    for worker in &old {
        process::send(*worker, Signal::Kill).expect("it lives");
    }
    let are_new = || {
        let new = server.workers();
        new.len() == old.len() && new.iter().all(|pid| !old.contains(pid))
    };
    assert!(clock::becomes_true(LIMIT, are_new));
    zone.at("app.test", &[2]);
    becomes(&server, &["127.0.0.2"]);
}

#[test]
fn workers_that_are_to_end_do_not_wait_for_name_servers() {
    let silent = Dns::start(|_| {});
    let builder = group(
        "resolver_timeout 1h; server app.test resolve;",
        silent.port(),
    );
    let server = builder.quitting_within(Duration::from_secs(5)).start();
    assert!(clock::becomes_true(LIMIT, || silent.asked() > 0));
    assert_eq!(server.get("/").status, 502);
    // The harness makes sure that it ends.
    drop(server);
}

#[test]
fn forged_answers_change_nothing() {
    let zone = Zone::default();
    zone.at("app.test", &[2]);
    let dns = zone.serve();
    let server = group(APP, dns.port()).start();
    becomes(&server, &["127.0.0.2"]);
    dns.set(|question| super::hostile::forge(question, 60));
    server.wait_for_error_log("app.test could not be resolved (110: Operation timed out)");
    assert_eq!(seen(&server, 4), ["127.0.0.2"]);
}

#[test]
fn services_have_ports_priorities_and_weights() {
    let zone = Zone::default();
    let dns = zone.serve();
    let server = group(
        "resolver_timeout 1s; server app.test service=http resolve;",
        dns.port(),
    )
    .allow_log("connect() failed")
    .start();
    let port = server.port_of("app");
    zone.at("a.test", &[1]);
    zone.at("b.test", &[2]);
    zone.at("c.test", &[3]);
    let service = "_http._tcp.app.test";
    let both = [
        srv(1, 1, port, "a"),
        srv(1, 3, port, "b"),
        srv(9, 1, port, "c"),
    ];
    zone.set(service, SRV, &both);
    becomes(&server, &["127.0.0.1", "127.0.0.2"]);
    let count = |answers: &[Response], text| answers.iter().filter(|a| a.text() == text).count();
    let is_shared = clock::becomes_true(LIMIT, || {
        let answers: Vec<_> = (0..16).map(|_| server.get("/")).collect();
        count(&answers, "127.0.0.2") == 12
    });
    assert!(is_shared, "a quarter each by weight");

    // Nobody listens at the ports of those that are to be asked first.
    let dead = [srv(1, 1, 1, "a"), srv(2, 1, port, "c")];
    zone.set(service, SRV, &dead);
    becomes(&server, &["127.0.0.3"]);

    zone.set(
        service,
        SRV,
        &[srv(1, 1, port, "gone"), srv(2, 1, port, "b")],
    );
    becomes(&server, &["127.0.0.2"]);
    server.wait_for_error_log(
        "gone.test could not be resolved (3: Host not found) while resolving service http of \
         app.test",
    );
    zone.put(service, 3, SRV, &[]);
    server.wait_for_error_log("service http of app.test could not be resolved (3: Host not found)");
}
