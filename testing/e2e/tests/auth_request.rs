//! `auth_request`: who may come in, by the answer of a subrequest.

use harness::{Differential, Exchange, Server};

const SERVER: &str = r#"
    auth_request_set $answer "$arg_outer";
    location / { auth_request /ask/$arg_status; }
    location /ok { auth_request /ask/200; auth_request_set $seen "$uri $args $request_uri";
        add_header X-Seen "$seen" always; }
    location /accepted { auth_request /ask/202; }
    location /denied { auth_request /ask/403; error_page 403 /pages/denied; }
    location /unknown { auth_request /ask/401; }
    location /broken { auth_request /ask/500; }
    location /moved { auth_request /ask/301; }
    location /missing { auth_request /nothing; }
    location /static { auth_request /allow; }
    location /off { auth_request off; }
    location /any { satisfy any; deny all; auth_request /ask/200; }
    location /any/denied { satisfy any; deny all; auth_request /ask/403; }
    location /any/allowed { satisfy any; allow all; auth_request /ask/403; }
    location /all { allow all; auth_request /ask/403; }
    location /nested { auth_request /ask/nested; }
    location /pages/ { }
    location = /ask/200 { return 200 "asked"; }
    location = /ask/202 { return 202; }
    location = /ask/301 { return 301 /; }
    location = /ask/401 { return 401; add_header WWW-Authenticate "Basic realm=x" always; }
    location = /ask/403 { return 403; }
    location = /ask/500 { return 500; }
    location = /ask/nested { auth_request /ask/403; return 204; }
    location = /allow { internal; }
"#;

#[test]
fn answers_decide_as_in_nginx() {
    let paths = [
        "/ok",
        "/accepted",
        "/denied",
        "/unknown",
        "/broken",
        "/moved",
        "/missing",
        "/static",
        "/off",
        "/any",
        "/any/denied",
        "/any/allowed",
        "/all",
        "/nested",
    ];
    let mut builder = Server::of_one(SERVER)
        .with_file("html/allow", "allowed")
        .with_file("html/pages/denied", "go away");
    for path in paths {
        builder = builder.with_file(&format!("html{path}/file"), "content");
    }
    let files = paths.map(|path| format!("{path}/file"));
    let post = "POST /ok/file?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
    Differential::new(builder)
        .with_exchanges(files.iter().map(|path| Exchange::get(path, "")))
        .with_exchanges([
            Exchange::get("/allow", ""),
            Exchange::get("/ok/file?a=b", "Range: bytes=1-2\r\n"),
            Exchange::new("HEAD /ok/file HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Exchange::new(post),
            Exchange::pipelined(
                format!("{post}GET /denied/file HTTP/1.1\r\nHost: a\r\n\r\n"),
                2,
            ),
        ])
        .run();
}
