//! What goes on over one connection: the same as in nginx.

use harness::{Builder, Differential, Exchange, Server};

fn builder() -> Builder {
    Server::of_one(
        r#"
        location /text { return 200 "text $request_method $connection_requests"; }
        location /echo { return 200 "$request_uri|$host|$http_host|$server_protocol|$request"; }
        lingering_timeout 100ms;
        location /close { keepalive_timeout 0; return 200 x; }
        location /small { client_max_body_size 4; return 200 small; }
        location /small-file { client_max_body_size 4; alias html/a.txt; }
        "#,
    )
    .with_file("html/a.txt", "abcdef")
    .with_file("html/folder/index.html", "index")
}

/// One connection's bytes, of which `responses` are answers.
fn all(exchanges: &[(&str, usize)]) -> Vec<Exchange> {
    exchanges
        .iter()
        .map(|(bytes, responses)| Exchange::pipelined(bytes, *responses))
        .collect()
}

#[test]
fn pipelines() {
    Differential::new(builder())
        .with_exchanges(all(&[
            (
                "GET /text HTTP/1.1\r\nHost: a\r\n\r\nHEAD /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                1,
            ),
            (
                "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /text HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /text HTTP/1.1\r\nHost: a\r\n\r\n",
                4,
            ),
            (
                "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                2,
            ),
            (
                "POST /text HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                2,
            ),
            (
                "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                2,
            ),
            (
                "GET /text HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                2,
            ),
            (
                "GET /text HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n\nGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                2,
            ),
            (
                "GET /text HTTP/1.1\r\nHost: a\r\n\r\nbroken\r\n\r\nGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                3,
            ),
            (
                "GET /close HTTP/1.1\r\nHost: a\r\n\r\nGET /text HTTP/1.1\r\nHost: b\r\n\r\n",
                2,
            ),
            (
                "GET /text HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /text HTTP/1.0\r\n\r\n",
                2,
            ),
        ]))
        .run();
}

#[test]
fn versions_and_targets() {
    let requests = [
        "GET /echo HTTP/1.0\r\n\r\n",
        "GET /echo HTTP/1.0\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/1.2\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/1.9\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/2.0\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/0.9\r\nHost: h\r\n\r\n",
        "GET /echo\r\n",
        "GET /a.txt\r\n",
        "GET /none\r\n",
        "GET http://h/echo?x HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET http://h:8080/echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET HTTP://h/echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET https://h/echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET ftp://h/echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET http://h HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET http://h/echo HTTP/1.0\r\n\r\n",
        "GET http:///echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET http://[::1]/echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET http:/echo HTTP/1.1\r\nHost: other\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        "TRACE /echo HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET ?x HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET echo HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD /a.txt HTTP/1.0\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close, foo\r\n\r\n",
        "GET /echo HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];
    Differential::new(builder())
        .with_exchanges(requests.map(Exchange::new))
        .run();
}

/// Bodies that nobody asked for, and such as are too large.
#[test]
fn bodies_to_what_takes_none() {
    let post = |path: &str, fields: &str, body: &str| {
        Exchange::new(format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}"
        ))
    };
    Differential::new(builder())
        .with_exchanges([
            post("/text", "Content-Length: 5\r\n", "hello"),
            post("/text", "", ""),
            post("/a.txt", "Content-Length: 5\r\n", "hello"),
            post("/small", "Content-Length: 4\r\n", "1234"),
            post("/small", "Content-Length: 5\r\n", "12345"),
            post("/small-file", "Content-Length: 5\r\n", "12345"),
            post(
                "/small",
                "Transfer-Encoding: chunked\r\n",
                "5\r\n12345\r\n0\r\n\r\n",
            ),
            post(
                "/small-file",
                "Transfer-Encoding: chunked\r\n",
                "5\r\n12345\r\n0\r\n\r\n",
            ),
            post(
                "/small",
                "Content-Length: 5\r\nExpect: 100-continue\r\n",
                "",
            ),
            post("/folder", "Content-Length: 5\r\n", "hello"),
            post("/folder/", "Content-Length: 5\r\n", "hello"),
            post("/none", "Content-Length: 5\r\n", "hello"),
            Exchange::get("/a.txt", "Content-Length: 0\r\n"),
            Exchange::new("GET /a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
            Exchange::new("GET /a.txt HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"),
            Exchange::new("GET /small HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n"),
        ])
        .run();
}
