//! `add_trailer`, `add_header_inherit` and what `expires` does to fields that are there.

use harness::{Builder, Differential, Exchange, Server};

fn server() -> Builder {
    Server::of_one(
        r#"
        add_header X-Outer outer;
        location /t/ {
            alias html/;
            add_trailer X-Uri $uri;
            add_trailer X-Empty "";
            add_trailer X-Tag $sent_http_etag;
            add_trailer X-Always yes always;
        }
        location /max/ { alias html/; add_header Cache-Control private; expires max; }
        location /epoch/ { alias html/; expires epoch; }
        location /modified/ { alias html/; expires modified 50y; }
        location /past/ { alias html/; expires modified -1; }
        location /computed/ { alias html/; expires $arg_e; }
        "#,
    )
    .with_file("html/a.txt", "0123456789")
}

#[test]
fn fields_are_those_of_nginx() {
    let paths = [
        "/max/a.txt",
        "/max/none",
        "/epoch/a.txt",
        "/past/a.txt",
        "/computed/a.txt?e=max",
        "/computed/a.txt?e=epoch",
        "/computed/a.txt?e=off",
        "/computed/a.txt?e=nonsense",
        "/computed/a.txt",
        "/t/a.txt",
        "/t/none",
    ];
    let exchanges = paths.iter().map(|path| Exchange::get(path, ""));
    Differential::new(server()).with_exchanges(exchanges).run();
}

/// Trailers need chunks, which old clients and HEAD do not get.
#[test]
fn trailers_follow_a_body_in_chunks() {
    let server = server().start();
    let answer = server.get("/t/a.txt");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.header("content-length"), None);
    let tag = answer.header("etag").unwrap_or_default();
    let trailers: Vec<(&str, &str)> = answer
        .trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [("X-Uri", "/t/a.txt"), ("X-Tag", tag), ("X-Always", "yes")];
    assert_eq!(trailers, expected);

    let missing = server.get("/t/none");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.trailers, [("X-Always".into(), "yes".into())]);

    let old = server.request("GET /t/a.txt HTTP/1.0\r\n\r\n");
    assert_eq!(old.header("content-length"), Some("10"));
    assert_eq!(old.trailers, []);

    let head = server.request("HEAD /t/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(head.header("content-length"), Some("10"));
    assert_eq!(head.header("transfer-encoding"), None);
}

/// Installed versions of nginx do not know the directive, so that nothing is compared here.
#[test]
fn fields_of_outer_levels_are_kept_replaced_or_merged() {
    let server = Server::of_one(
        r#"
        add_header X-Outer outer;
        location /merge/ {
            alias html/; add_header_inherit merge; add_header X-Inner inner;
            location /merge/deep/ { alias html/; add_header X-Deep deep; }
        }
        location /off/ {
            alias html/; add_header_inherit off;
            location /off/deep/ { alias html/; }
        }
        location /on/ { alias html/; add_header X-Own own; }
        "#,
    )
    .with_file("html/a.txt", "x")
    .start();
    for (path, expected) in [
        ("/merge/a.txt", &["X-Inner", "X-Outer"][..]),
        ("/merge/deep/a.txt", &["X-Deep", "X-Inner", "X-Outer"]),
        ("/off/a.txt", &[]),
        ("/off/deep/a.txt", &[]),
        ("/on/a.txt", &["X-Own"]),
    ] {
        let answer = server.get(path);
        let names = answer.headers.iter().map(|(name, _)| name.as_str());
        let added: Vec<&str> = names.filter(|name| name.starts_with("X-")).collect();
        assert_eq!(added, expected, "{path}");
    }
}
