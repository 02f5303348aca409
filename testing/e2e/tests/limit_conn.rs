//! `limit_conn`.

use harness::{Client, Differential, Exchange, Server, Signal, clock, process};
use std::time::Duration;

const LIMITED: &str = r#"
    limit_conn_zone $arg_key zone=keys:1m;
    server {
        listen 127.0.0.1:{port};
        add_header X-Status $limit_conn_status always;
        limit_conn_status 429;
        location / { limit_conn keys 1; }
        location /slow { limit_conn keys 1; limit_rate 1; }
        location /dry { limit_conn keys 1; limit_conn_dry_run on; }
        location /two { limit_conn keys 2; }
    }
"#;

fn server() -> Server {
    Server::new(LIMITED)
        .with_file("html/slow", vec![b'x'; 1 << 20])
        .with_file("html/a", "a")
        .with_file("html/dry", "a")
        .with_file("html/two", "a")
        .allow_log("limiting connections")
        .allow_log("exited on signal 9")
        .start()
}

/// A connection whose response takes longer than any test.
fn hold(server: &Server) -> Client {
    let mut client = server.connect();
    let request = "GET /slow?key=x HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send(request).expect("the server reads");
    // The request is counted at the latest when the next one of this key is refused.
    let counted = || server.get("/a?key=x").status == 429;
    assert!(clock::becomes_true(Duration::from_secs(5), counted));
    client
}

#[test]
fn connections_are_counted_while_they_have_a_request() {
    let server = server();
    assert_eq!(server.get("/a?key=x").header("x-status"), Some("PASSED"));
    assert_eq!(server.get("/a").header("x-status"), None);
    let held = hold(&server);
    let refused = server.get("/a?key=x");
    assert_eq!(
        (refused.status, refused.header("x-status")),
        (429, Some("REJECTED"))
    );
    assert_eq!(server.get("/a?key=y").status, 200);
    assert_eq!(server.get("/two?key=x").status, 200);
    let dry = server.get("/dry?key=x");
    assert_eq!(
        (dry.status, dry.header("x-status")),
        (200, Some("REJECTED_DRY_RUN"))
    );
    server.wait_for_error_log("limiting connections by zone \"keys\"");
    server.wait_for_error_log("limiting connections, dry run, by zone \"keys\"");
    drop(held);
    let is_free = || server.get("/a?key=x").status == 200;
    assert!(clock::becomes_true(Duration::from_secs(10), is_free));
}

/// Whom a zone has no room for is refused, and the operator told why, in nginx's words.
#[test]
fn a_full_zone_refuses_and_is_told_of() {
    let server = Server::new(
        "limit_conn_zone $arg_key zone=few:32k;
         server {
             listen 127.0.0.1:{port};
             limit_conn few 9;
             location /slow { limit_rate 1; }
         }",
    )
    .with_file("html/slow", vec![b'x'; 1 << 20])
    .with_file("html/a", "a")
    .start();
    let key = "k".repeat(200);
    let mut held = Vec::new();
    // Far more than fit.
    for number in 0..200 {
        let mut client = server.connect();
        let request = format!("GET /slow?key={key}{number} HTTP/1.1\r\nHost: x\r\n\r\n");
        client.send(request).expect("the server reads");
        held.push(client);
    }
    server.wait_for_error_log("ngx_slab_alloc() failed: no memory in limit_conn_zone \"few\"");
    assert_eq!(server.get(&format!("/a?key={key}new")).status, 503);
    assert_eq!(server.get("/a").status, 200);
    drop(held);
    let is_free = || server.get(&format!("/a?key={key}new")).status == 200;
    assert!(clock::becomes_true(Duration::from_secs(10), is_free));
}

/// What a killed worker had counted is taken back. (nginx keeps it until it is restarted.)
#[test]
fn a_killed_worker_gives_its_places_back() {
    let server = server();
    let _held = hold(&server);
    let worker = server.workers()[0];
    process::send(worker, Signal::Kill).unwrap();
    let is_free = || {
        let mut client = server.connect();
        let request = "GET /a?key=x HTTP/1.0\r\nHost: x\r\n\r\n";
        matches!(client.converse(request).as_deref(), Ok([response, ..]) if response.status == 200)
    };
    assert!(clock::becomes_true(Duration::from_secs(10), is_free));
}

/// Requests that the server makes of itself while it counts the first, so that there are two.
#[test]
fn a_second_request_is_refused_as_by_nginx() {
    let inside = r#"
        limit_conn_status 429;
        add_header X-Status $limit_conn_status always;
        location /inner { limit_conn keys 1; alias html/a; }
        location /outer { limit_conn keys 1; proxy_pass http://127.0.0.1:{port}/inner$is_args$args; }
        location /wide { limit_conn keys 2; proxy_pass http://127.0.0.1:{port}/wider$is_args$args; }
        location /wider { limit_conn keys 2; alias html/a; }
        location /dry { limit_conn keys 1; proxy_pass http://127.0.0.1:{port}/drier$is_args$args; }
        location /drier { limit_conn keys 1; limit_conn_dry_run on; alias html/a; }
        location /several { limit_conn keys 9; limit_conn others 1; proxy_pass http://127.0.0.1:{port}/others$is_args$args; }
        location /others { limit_conn keys 9; limit_conn others 1; limit_conn_status 503; alias html/a; }
        location /paged { limit_conn keys 1; proxy_pass http://127.0.0.1:{port}/page$is_args$args; }
        location /page { limit_conn keys 1; error_page 429 =200 /busy; alias html/a; }
        location /busy { limit_conn keys 1; return 200 "busy $limit_conn_status"; }
        location /counted { limit_conn keys 1; error_page 404 = /inner; alias html/none; }
    "#;
    let server = Server::new(&format!(
        "limit_conn_zone $arg_key zone=keys:1m;
         limit_conn_zone $server_port$arg_other zone=others:1m;
         server {{ listen 127.0.0.1:{{port}}; {inside} }}"
    ))
    .with_file("html/a", "a")
    .allow_log("limiting connections");
    let long = "x".repeat(300);
    let paths = [
        "/inner?key=x",
        "/outer?key=x",
        "/outer?key=x",
        "/outer",
        "/wide?key=x",
        "/dry?key=x",
        "/several?key=x",
        "/several",
        "/paged?key=x",
        "/counted?key=x",
        "/inner?key=x",
    ];
    Differential::new(server)
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .with_exchanges([Exchange::get(&format!("/outer?key={long}"), "")])
        .run();
}
