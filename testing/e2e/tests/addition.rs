//! `addition`: other responses before and after a response, as nginx puts them there.

use harness::{Builder, Differential, Exchange, Server};

const SERVER: &str = "
    charset_map koi8-r utf-8 { C1 D0B0; C2 D0B1; }
    log_format sub '$uri $status $request_uri';
    server {
        listen 127.0.0.1:{port};
        default_type text/html;
        location /before { add_before_body /part/head; }
        location /after { add_after_body /part/tail; }
        location /both { add_before_body /part/head; add_after_body /part/tail; }
        location /both/off { add_before_body ''; }
        location /plain { add_after_body /part/tail; default_type text/plain; }
        location /any { add_after_body /part/tail; default_type text/plain; addition_types *; }
        location /edited { add_after_body /part/tail; sub_filter a b; }
        location /paged { add_before_body /part/head; ssi on; }
        location /failing { add_before_body /part/missing; add_after_body /part/empty; }
        location /named { add_after_body /part/named; }
        location /nested { add_after_body /both/file; }
        location /cycle { add_after_body /cycle/file; }
        location /recoded { charset utf-8; add_before_body /part/koi; }
        location /variables { set $x main; add_before_body /part/set; return 200 $x$uri; }
        location /loop { add_before_body /loop/a; rewrite ^ /loop/b; }
        location /part/ { internal; }
        location /part/empty { return 204; }
        location /part/koi { source_charset koi8-r; }
        location /part/named { error_page 404 = @named; }
        location @named { return 200 'named $uri'; }
        location /part/set { set $x part; return 200 \"$x $uri $request_uri $request_method|\"; }
    }";

fn server() -> Builder {
    let mut builder = Server::new(SERVER);
    for place in [
        "before", "after", "both", "both/off", "plain", "any", "failing", "named",
    ] {
        builder = builder.with_file(&format!("html/{place}/file"), place);
    }
    for place in ["nested", "cycle", "recoded"] {
        builder = builder.with_file(&format!("html/{place}/file"), "\u{430}b");
    }
    builder
        .with_file("html/edited/file", "")
        .with_file("html/paged/file", "")
        .with_file("html/part/head", "<head>")
        .with_file("html/part/tail", "<tail>")
        .with_file("html/part/koi", b"\xc1\xc2")
        .with_file("html/empty", "")
}

#[test]
fn responses_are_framed_as_in_nginx() {
    let places = [
        "before",
        "after",
        "both",
        "both/off",
        "plain",
        "any",
        "edited",
        "paged",
        "failing",
        "named",
        "nested",
        "cycle",
        "recoded",
        "variables",
    ];
    let paths = places.map(|place| format!("/{place}/file"));
    let all = paths.iter().map(|path| Exchange::get(path, ""));
    Differential::new(server())
        .with_exchanges(all)
        .with_exchanges([
            Exchange::get("/before/missing", ""),
            Exchange::get("/part/head", ""),
            Exchange::get("/both/file", "Range: bytes=0-3\r\n"),
            Exchange::get(
                "/both/file",
                "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT\r\n",
            ),
            Exchange::new("HEAD /both/file HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Exchange::new("GET /both/file HTTP/1.0\r\n\r\n"),
            Exchange::new(
                "POST /variables/file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            ),
        ])
        .run();
}

/// A subrequest is logged where its location says so, with its own URI.
#[test]
fn parts_are_logged_where_wanted() {
    let server = Server::new(
        "log_format sub '$uri $status $body_bytes_sent';
         server {
             listen 127.0.0.1:{port};
             default_type text/html;
             access_log {prefix}/logs/sub.log sub;
             location / { add_before_body /quiet; add_after_body /loud; }
             location /quiet { return 200 1; }
             location /loud { log_subrequest on; return 200 1; }
         }",
    )
    .with_file("html/page", "x")
    .start();
    assert_eq!(server.get("/page").text(), "1x1");
    let lines = server.log_lines("sub.log", 2);
    let uris: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(uris, ["/loud", "/page"]);
}
