//! Groups of servers: whose turn it is, who is left alone, what is told about it.

use harness::scripted::{Scripted, Seen, Step};
use harness::{Client, Server, clock};
use std::collections::BTreeMap;
use std::time::Duration;

/// Three servers that say who they are, one that is not there, and groups of them.
fn group(upstreams: &str, locations: &str) -> Server {
    Server::new(&format!(
        "{upstreams}
         server {{
             listen 127.0.0.1:{{port}};
             add_header X-Status $upstream_status;
             add_header X-Count \"$upstream_addr\";
             {locations}
         }}
         server {{ listen 127.0.0.1:{{port_a}}; location / {{ return 200 a; }} }}
         server {{ listen 127.0.0.1:{{port_b}}; location / {{ return 200 b; }} }}
         server {{ listen 127.0.0.1:{{port_c}}; location / {{ return 500 c; }} }}"
    ))
    .allow_log("connect() failed")
    .allow_log("no live upstreams")
    .start()
}

/// How often each server answered `count` requests.
fn tally(server: &Server, path: &str, count: usize) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..count {
        *tally.entry(server.get(path).text()).or_default() += 1;
    }
    tally
}

fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn turns_follow_weights() {
    let server = group(
        "upstream u { server 127.0.0.1:{port_a} weight=2; server 127.0.0.1:{port_b}; }",
        "location / { proxy_pass http://u; }",
    );
    assert_eq!(tally(&server, "/", 9), counts(&[("a", 6), ("b", 3)]));
}

#[test]
fn a_failed_server_is_passed_over_and_told() {
    let server = group(
        "upstream u { server 127.0.0.1:1; server 127.0.0.1:{port_b}; }",
        "location / { proxy_pass http://u; }
         location /once { proxy_pass http://u; proxy_next_upstream off; }",
    );
    let first = server.get("/");
    let second = server.get("/");
    assert_eq!(
        (first.text(), second.text()),
        ("b".to_owned(), "b".to_owned())
    );
    let port = server.port_of("b");
    let told =
        [&first, &second].map(|answer| answer.header("X-Count").unwrap_or_default().to_owned());
    assert!(
        told.contains(&format!("127.0.0.1:1, 127.0.0.1:{port}")),
        "{told:?}"
    );
    assert!(told.contains(&format!("127.0.0.1:{port}")), "{told:?}");
    server.wait_for_error_log(
        "connect() failed (111: Connection refused) while connecting to upstream",
    );
}

/// Each failure of a server that is given up anew is told, and what was being done. What the system
/// refuses at once has another level than what the network answers.
#[test]
fn what_fails_is_told_as_nginx_tells_it() {
    let server = group(
        "upstream u {
             server unix:{prefix}/nobody fail_timeout=0;
             server 127.0.0.1:{port_c} fail_timeout=0;
         }",
        "location / { proxy_pass http://u; proxy_next_upstream error http_500; }",
    );
    let told = |text: &str| server.error_log().matches(text).count();
    let ended = clock::becomes_true(Duration::from_secs(15), || {
        assert_eq!(server.get("/").status / 100, 5);
        told("disabled while reading response header from upstream") >= 2
            && told("disabled while connecting to upstream") >= 2
    });
    assert!(ended, "{}", server.error_log());
    let log = server.error_log();
    let mut lines = log
        .lines()
        .filter(|line| line.contains("connect() to unix:"));
    assert!(lines.all(|line| line.contains("[crit]") && line.contains("(2: No such file")));
    assert!(log.contains("[crit]"));
}

#[test]
fn statuses_send_a_request_on_where_they_should() {
    let server = group(
        "upstream u { server 127.0.0.1:{port_c}; server 127.0.0.1:{port_a} backup; }",
        "location / { proxy_pass http://u; }
         location /next { proxy_pass http://u; proxy_next_upstream http_500 error; }",
    );
    assert_eq!(server.get("/").status, 500);
    let answer = server.get("/next");
    assert_eq!((answer.status, answer.text()), (200, "a".to_owned()));
    assert_eq!(answer.header("X-Status"), Some("500, 200"));
}

#[test]
fn nobody_left_is_a_502() {
    let server = group(
        "upstream u { server 127.0.0.1:1 down; server 127.0.0.1:2 down; }",
        "location / { proxy_pass http://u; }",
    );
    assert_eq!(server.get("/").status, 502);
    server.wait_for_error_log("no live upstreams while connecting to upstream");
    assert!(server.error_log().contains("upstream: \"http://u/\""));
}

#[test]
fn a_name_with_variables_is_a_group_an_address_or_a_502() {
    let server = Server::new(
        "upstream u { server 127.0.0.1:{port_a}; }
         server {
             listen 127.0.0.1:{port};
             location / { proxy_pass http://$arg_to/; }
         }
         server { listen 127.0.0.1:{port_a}; location / { return 200 a; } }",
    )
    .allow_log("no resolver defined")
    .start();
    let port = server.port_of("a");
    assert_eq!(server.get("/?to=u").text(), "a");
    assert_eq!(server.get(&format!("/?to=127.0.0.1:{port}")).text(), "a");
    assert_eq!(server.get("/?to=name.test").status, 502);
    server.wait_for_error_log("no resolver defined to resolve name.test");
}

#[test]
fn a_connection_that_the_pool_has_no_room_for_is_closed() {
    let server = group(
        "upstream u {
             server 127.0.0.1:{port_a};
             server 127.0.0.1:{port_b};
             keepalive 1;
         }",
        "location / { proxy_pass http://u; }",
    );
    tally(&server, "/", 4);
    let before = server.open_descriptors();
    tally(&server, "/", 40);
    let after = server.open_descriptors();
    assert!(after <= before + 4, "{before} descriptors became {after}");
}

/// Over which connections to a server that tells their numbers the requests for `paths` are sent.
fn kept(limits: &str, paths: &str) -> String {
    let backend = numbering();
    let server = before_one(&backend, limits);
    let ask = |path| server.get(&format!("/{path}")).text();
    paths.split(' ').map(ask).collect::<Vec<_>>().join(" ")
}

/// A server that answers with the number of the connection that it is asked over.
fn numbering() -> Scripted {
    Scripted::by(|number| {
        let body = number.to_string();
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        let turn = [Step::Request, Step::send(answer)];
        turn.iter().cycle().take(20).cloned().collect()
    })
}

fn before_one(backend: &Scripted, limits: &str) -> Server {
    let port = backend.port();
    group(
        &format!("upstream u {{ server 127.0.0.1:{port}; {limits} }}"),
        "location /a { proxy_pass http://u; } location /b { proxy_pass http://u; }",
    )
}

/// As nginx 1.31.5, whose default is `32 local`.
#[test]
fn connections_are_kept_as_a_group_says() {
    for (limits, paths, expected) in [
        ("", "a a b a b", "0 0 1 0 1"),
        ("keepalive 4 local;", "a b a b", "0 1 0 1"),
        ("keepalive 4;", "a b a b", "0 0 0 0"),
        ("keepalive 1 local;", "a b a b", "0 1 2 3"),
        ("keepalive 0;", "a a", "0 1"),
        ("keepalive_requests 2;", "a a a a a", "0 0 1 1 2"),
        ("keepalive_requests 1;", "a a a", "0 1 2"),
        ("keepalive_requests 0;", "a a", "0 1"),
    ] {
        assert_eq!(kept(limits, paths), expected, "{limits} {paths}");
    }
}

/// `keepalive_time` counts from a connection's making, and ends it after the request that is
/// past it; `keepalive_timeout` counts from the last request.
#[test]
fn connections_are_kept_for_as_long_as_a_group_says() {
    let backend = numbering();
    let server = before_one(&backend, "keepalive_time 2s;");
    assert_eq!(server.get("/a").text(), "0");
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(server.get("/a").text(), "0");
    assert_eq!(server.get("/a").text(), "1");

    let backend = numbering();
    let server = before_one(&backend, "keepalive_timeout 2s;");
    assert_eq!(server.get("/a").text(), "0");
    assert_eq!(server.get("/a").text(), "0");
    assert!(backend.is_left_alone());
    assert_eq!(server.get("/a").text(), "1");
}

#[test]
fn a_connection_that_a_client_authenticates_is_its_own() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let turn = [Step::Request, Step::send(answer)];
    let backends = [(); 2].map(|()| Scripted::new(&[&turn[..]; 8].concat()));
    let server = Server::new(
        "upstream u { server 127.0.0.1:{port_a}; server 127.0.0.1:{port_b}; ntlm; }
         server { listen 127.0.0.1:{port}; location / { proxy_pass http://u; } }",
    )
    .with_port("a", backends[0].port())
    .with_port("b", backends[1].port())
    .start();
    let ask = |client: &mut Client, name: &str, fields: &str| {
        let request = format!("GET /{name} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        assert_eq!(client.request(request).status, 200);
    };
    let [mut first, mut second] = [(); 2].map(|()| server.connect());
    // What it takes for its own was another's before.
    ask(&mut second, "second", "");
    ask(&mut second, "second", "");
    ask(&mut first, "first", "Authorization: ntlm TlRMTVNTUAAB\r\n");
    for _ in 0..3 {
        ask(&mut second, "second", "Authorization: Basic YTpi\r\n");
        ask(&mut first, "first", "");
    }
    let is_first = |request: &Vec<u8>| request.starts_with(b"GET /first ");
    let of_first = |seen: &Seen| seen.requests.iter().filter(|r| is_first(r)).count();
    let all: Vec<Seen> = backends.iter().flat_map(Scripted::seen).collect();
    let own: Vec<&Seen> = all.iter().filter(|seen| of_first(seen) > 0).collect();
    assert_eq!(own.len(), 1);
    let begin = own[0].requests.iter().position(is_first).unwrap();
    assert!(own[0].requests[begin..].iter().all(is_first));
    assert_eq!(own[0].requests[begin..].len(), 4);
    // It ends with the client's connection, and no other does.
    drop(first);
    let is_over = |all: &[Seen]| all.iter().any(|seen| seen.is_over && of_first(seen) > 0);
    let home = backends
        .iter()
        .find(|backend| backend.seen().iter().any(|s| of_first(s) > 0));
    assert!(home.unwrap().waits_for(is_over));
    ask(&mut second, "second", "");
    let others = backends
        .iter()
        .flat_map(Scripted::seen)
        .filter(|seen| of_first(seen) == 0);
    assert!(others.into_iter().all(|seen| !seen.is_over));
}
