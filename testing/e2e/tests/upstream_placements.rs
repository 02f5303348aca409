//! Which server of a group gets which request, beside nginx: every placement must be the same,
//! or caches behind either server would turn cold when it takes the other's place.

use harness::scripted::{Scripted, Step};
use harness::{Binary, Client, Differential, Exchange, Server, clock, skip};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);

/// Groups whose servers refuse connections, so that nothing but the choice is seen: the answer
/// tells in a field who was tried.
fn tried(upstreams: &str, locations: &str) -> harness::Builder {
    Server::new(&format!(
        "{upstreams}
         error_log logs/error.log crit;
         server {{
             listen 127.0.0.1:{{port}};
             keepalive_requests 100000;
             set_real_ip_from 127.0.0.1;
             real_ip_header X-Real-IP;
             error_page 502 =200 /tried;
             location = /tried {{ add_header X-Tried \"$upstream_addr\"; return 200 ok; }}
             {locations}
         }}"
    ))
}

/// Requests for `count` paths, and fields with them, over few connections.
fn requests(count: usize, line: impl Fn(usize) -> (String, String)) -> Vec<Exchange> {
    let numbers: Vec<usize> = (0..count).collect();
    let exchange = |numbers: &[usize]| {
        let texts = numbers.iter().map(|&number| {
            let (path, fields) = line(number);
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
        });
        Exchange::pipelined(texts.collect::<String>(), numbers.len())
    };
    numbers.chunks(50).map(exchange).collect()
}

/// `location`s that hand on to groups of their names without another try.
fn once(names: &[&str]) -> String {
    let location = |name: &&str| {
        format!("location /{name}/ {{ proxy_pass http://{name}; proxy_next_upstream off; }}")
    };
    names.iter().map(location).collect()
}

const FIVE: &str = "server 127.0.0.1:1 max_fails=0; server 127.0.0.1:2 max_fails=0 weight=3;
                    server 127.0.0.1:3 max_fails=0; server 127.0.0.2 max_fails=0 weight=2;
                    server [::1]:5 max_fails=0; server unix:/nonexistent/a max_fails=0;";

#[test]
fn keys_have_the_same_servers() {
    let names = ["plain", "ketama", "less"];
    let builder = tried(
        &format!(
            "upstream plain {{ hash $request_uri; {FIVE} }}
             upstream ketama {{ hash $request_uri consistent; {FIVE} }}
             upstream less {{ hash $arg_k consistent; {FIVE} server 127.0.0.1:6 down; }}"
        ),
        &once(&names),
    );
    let keys = requests(3000, |number| {
        let name = names[number % names.len()];
        (format!("/{name}/{number}?k=key-{number}"), String::new())
    });
    Differential::new(builder).with_exchanges(keys).run();
}

#[test]
fn keys_move_on_to_the_same_servers_when_theirs_fail() {
    let builder = tried(
        &format!(
            "upstream plain {{ hash $request_uri; {FIVE} }}
             upstream ketama {{ hash $request_uri consistent; {FIVE} }}"
        ),
        "location /plain/ { proxy_pass http://plain; }
         location /ketama/ { proxy_pass http://ketama; }",
    );
    let keys = requests(400, |number| {
        let name = ["plain", "ketama"][number % 2];
        (format!("/{name}/{number}"), String::new())
    });
    Differential::new(builder).with_exchanges(keys).run();
}

#[test]
fn clients_have_the_same_servers() {
    let builder = tried(
        &format!(
            "upstream all {{ ip_hash; {FIVE} }}
             upstream less {{
                 ip_hash;
                 server 127.0.0.1:1 max_fails=0; server 127.0.0.1:2 max_fails=0 down;
                 server 127.0.0.1:3 max_fails=0 weight=2;
             }}"
        ),
        &once(&["all", "less"]),
    );
    let clients = requests(1200, |number| {
        let (high, low) = (number / 7 % 256, number % 251);
        let ip = match number % 3 {
            0 => format!("2001:db8:{high:x}::{low:x}"),
            _ => format!("192.{high}.{low}.{}", number % 13),
        };
        let name = ["all", "less"][number % 2];
        (format!("/{name}/"), format!("X-Real-IP: {ip}\r\n"))
    });
    Differential::new(builder).with_exchanges(clients).run();
}

#[test]
fn turns_are_the_same_with_and_without_failures() {
    let groups = [
        ("even", FIVE),
        (
            "uneven",
            "server 127.0.0.1:1 max_fails=0 weight=5; server 127.0.0.1:2 max_fails=0;
             server 127.0.0.1:3 max_fails=0 weight=2; server 127.0.0.1:4 down;
             server 127.0.0.1:5 backup;",
        ),
        (
            "failing",
            "server 127.0.0.1:1 max_fails=4 fail_timeout=1h weight=8;
             server 127.0.0.1:2 max_fails=0 weight=5; server 127.0.0.1:3 max_fails=2 fail_timeout=1h;
             server 127.0.0.1:4 backup fail_timeout=1h; server 127.0.0.1:5 backup max_fails=0;",
        ),
        (
            "gone",
            "server 127.0.0.1:1 fail_timeout=1h; server 127.0.0.1:2 fail_timeout=1h;
             server 127.0.0.1:3 fail_timeout=1h backup;",
        ),
        (
            "keyed",
            "server 127.0.0.1:1 fail_timeout=1h; server 127.0.0.1:2 fail_timeout=1h;
             server 127.0.0.1:3 backup max_fails=0; server 127.0.0.1:4 backup max_fails=0;
             hash $request_uri;",
        ),
        ("least", FIVE),
    ];
    let upstreams: String = groups
        .iter()
        .map(|(name, servers)| {
            let method = if *name == "least" { "least_conn;" } else { "" };
            format!("upstream {name} {{ {method} {servers} }}")
        })
        .collect();
    let mut locations = once(&groups.map(|(name, _)| name));
    for (name, _) in groups {
        locations += &format!("location /all/{name}/ {{ proxy_pass http://{name}; }}");
    }
    let turns = requests(600, |number| {
        let (name, _) = groups[number % groups.len()];
        // The first rounds try each server once, later ones all that are left.
        let all = if number < 300 { "" } else { "/all" };
        (format!("{all}/{name}/"), String::new())
    });
    let builder = tried(&upstreams, &locations);
    Differential::new(builder).with_exchanges(turns).run();
}

/// Sends requests that servers keep, one after the other; tells who got each.
fn kept(binary: Binary, upstream: &str, count: usize) -> String {
    let hang = || Scripted::new(&[Step::Request, Step::Hang]);
    let backends = ["a", "b", "c"].map(|name| (name, hang()));
    let mut builder = Server::new(&format!(
        "upstream u {{ {upstream} }}
         server {{ listen 127.0.0.1:{{port}}; location / {{ proxy_pass http://u; }} }}"
    ))
    .allow_log("no live upstreams")
    .binary(binary);
    for (name, backend) in &backends {
        builder = builder.with_port(name, backend.port());
    }
    let server = builder.start();
    let met = || backends.each_ref().map(|(_, backend)| backend.seen().len());
    let mut clients: Vec<Client> = Vec::new();
    let mut hits = String::new();
    for _ in 0..count {
        let before = met();
        let mut client = server.connect();
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        client.send(request).expect("the server reads");
        client
            .set_read_limit(Duration::from_millis(20))
            .expect("a socket");
        let mut status = None;
        let is_placed = || {
            if met() == before {
                status = client
                    .try_receive()
                    .ok()
                    .flatten()
                    .map(|answer| answer.status);
            }
            met() != before || status.is_some()
        };
        assert!(clock::becomes_true(LIMIT, is_placed));
        let after = met();
        let hit = backends.iter().zip(before.iter().zip(after));
        let hit = hit.filter(|(_, (before, after))| *before != after);
        hits += &hit.map(|((name, _), _)| *name).collect::<String>();
        hits += &status.map_or(String::new(), |status| format!(" {status} "));
        clients.push(client);
    }
    hits
}

#[track_caller]
fn keeps_as_nginx(upstream: &str, count: usize, expected: &str) {
    assert_eq!(kept(Binary::Tidegate, upstream, count), expected);
    if !Binary::Nginx.is_available() {
        skip::skip("nginx is not installed");
        return;
    }
    assert_eq!(kept(Binary::Nginx, upstream, count), expected);
}

#[test]
fn max_conns_sends_on_and_then_refuses() {
    keeps_as_nginx(
        "server 127.0.0.1:{port_a} max_conns=1 weight=5; server 127.0.0.1:{port_b} max_conns=2;
         server 127.0.0.1:{port_c} max_conns=1 backup;",
        5,
        "abbc 502 ",
    );
}

#[test]
fn least_conn_counts_what_is_kept() {
    keeps_as_nginx(
        "least_conn;
         server 127.0.0.1:{port_a} weight=2; server 127.0.0.1:{port_b};
         server 127.0.0.1:{port_c} max_conns=1;",
        7,
        "abcabaa",
    );
}

#[test]
fn random_is_fair_to_weights() {
    let server = tried(
        "upstream u { random; server 127.0.0.1:1 max_fails=0; server 127.0.0.1:2 max_fails=0 weight=2;
                      server 127.0.0.1:3 max_fails=0 weight=3; }",
        &once(&["u"]),
    )
    .start();
    let mut client = server.connect();
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..1200 {
        let answer = client.get("/u/");
        let peer = answer.header("X-Tried").expect("somebody was tried");
        *tally.entry(peer.to_owned()).or_default() += 1;
    }
    // Seven standard deviations of the middle one.
    let is_near = |peer: &str, expected: usize| tally[peer].abs_diff(expected) < 120;
    assert!(is_near("127.0.0.1:1", 200), "{tally:?}");
    assert!(is_near("127.0.0.1:2", 400), "{tally:?}");
    assert!(is_near("127.0.0.1:3", 600), "{tally:?}");
}
