//! `stub_status` and our own `status_page`.

use harness::{Differential, Exchange, Server, clock, skip};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// The numbers of nginx's page, in its order.
fn numbers(page: &str) -> Vec<u64> {
    page.split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn the_page_counts_connections_and_requests_of_all_workers() {
    let server = Server::new(
        "server { listen 127.0.0.1:{port}; location /s { stub_status; } location / { return 200 x; } }",
    )
    .with_main("worker_processes 2;")
    .start();
    let before = numbers(&server.get("/s").text());
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    assert_eq!(idle.get("/").status, 200);
    for _ in 0..3 {
        let _ = server.get("/");
    }
    let answer = server.get("/s");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let text = answer.text();
    let after = numbers(&text);
    let [
        active,
        accepts,
        handled,
        requests,
        reading,
        writing,
        waiting,
    ] = after[..]
    else {
        panic!("{text}");
    };
    assert_eq!(
        text,
        format!(
            "Active connections: {active} \nserver accepts handled requests\n \
             {accepts} {handled} {requests} \n\
             Reading: {reading} Writing: {writing} Waiting: {waiting} \n"
        )
    );
    // One idle connection, three short ones, and the one that asks.
    assert_eq!(accepts - before[1], 5);
    assert_eq!(handled, accepts);
    assert_eq!(requests - before[3], 6);
    // The other worker may still be about to say what it has.
    let mut text = text;
    let is_right = || {
        text = server.get("/s").text();
        let [active, .., reading, writing, waiting] = numbers(&text)[..] else {
            panic!("{text}");
        };
        let (asks, idles) = (writing >= 1, waiting >= 1);
        asks && idles && active == reading + writing + waiting
    };
    assert!(clock::becomes_true(LIMIT, is_right), "{text}");
}

#[test]
fn variables_say_the_same() {
    let server = Server::of_one(
        "location / { return 200 \"$connections_active $connections_reading $connections_writing $connections_waiting\"; }",
    )
    .start();
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    assert_eq!(server.get("/").text(), "2 0 1 1");
}

#[test]
fn the_page_is_nginxs() {
    let server = Server::of_one(
        "location / { stub_status; }
         location /old { stub_status on; }
         location /variables { return 200 \"$connections_active $connections_reading $connections_writing $connections_waiting\"; }",
    );
    // Each connection is closed by the server, as one that the client has just closed may still be
    // counted when the next one asks.
    let ask = |method: &str, path: &str, fields: &str| {
        Exchange::new(format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"
        ))
    };
    let paths = ["/", "/?x", "/old", "/variables", "/any/thing"];
    Differential::new(server)
        .with_exchanges(paths.map(|path| ask("GET", path, "")))
        .with_exchanges([
            ask("HEAD", "/", ""),
            ask("GET", "/", "Range: bytes=0-1\r\nIf-None-Match: *\r\n"),
            ask("PUT", "/", "Content-Length: 0\r\n"),
            // Its connection may linger, so it is the last.
            Exchange::new(
                "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
            ),
        ])
        .run();
}

#[test]
fn our_page_is_for_people_and_for_programs() {
    if harness::nginx_is_tested() {
        return skip::skip("status_page is ours");
    }
    let server = Server::of_one("location / { status_page; }").start();
    let page = server.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(
        page.text()
            .contains("const first = {\"server\":\"tidegate\",")
    );

    let json = server.get("/?format=json");
    assert_eq!(json.header("content-type"), Some("application/json"));
    let text = json.text();
    for part in [
        "\"requests\":2,".to_owned(),
        "\"writing\":1,".to_owned(),
        format!("\"listening\":[\"127.0.0.1:{}\"]", server.port()),
    ] {
        assert!(text.contains(&part), "{part} in {text}");
    }
}

/// An `if` block of a location that tells its status tells it too.
#[test]
fn the_status_is_told_from_an_if_block() {
    let inside = "location /nginx { stub_status; if ($arg_x) { set $y 1; } }
        location /own { status_page; if ($arg_x) { set $y 1; } }";
    let server = Server::of_one(inside).start();
    let told = server.get("/nginx?x=1").text();
    assert!(told.starts_with("Active connections: "), "{told}");
    assert_eq!(server.get("/own?x=1").status, server.get("/own").status);
    assert_eq!(server.get("/own?x=1").status, 200);
}
