//! Bytes that are no request, or hardly one: refused as nginx refuses them, and taken where it
//! takes them.
//!
//! What nginx has refused only since 1.22, Debian's version, is in `since_1_22`, with what 1.31
//! answers.

use harness::{Builder, Differential, Exchange, Server};

fn builder() -> Builder {
    // A body that never comes is not waited for.
    Server::of_one(
        r#"
        client_header_timeout 1s;
        client_header_buffer_size 256;
        large_client_header_buffers 2 512;
        lingering_timeout 100ms;
        location / { return 200 "$request_method $uri?$args $host"; }
        location /file { alias html/a.txt; }
        "#,
    )
    .with_file("html/a.txt", "abc")
}

/// A line that was not understood names no version, so a page of unknown length ends with the
/// connection; one that was understood names 1.1.
#[test]
fn pages_of_unknown_length() {
    let edited = Server::of_one("sub_filter zzz yyy; location / { return 200; }");
    let requests = [
        "GET * HTTP/1.1",
        "GET / HTTP/9.1",
        "GE\x01T / HTTP/1.1",
        "GET /.. HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: x",
        "GET / HTTP/1.0\r\nHost: x",
    ];
    let requests = requests.map(|line| Exchange::new(format!("{line}\r\nHost: x\r\n\r\n")));
    Differential::new(edited).with_exchanges(requests).run();
}

/// Each of `requests` on a connection of its own.
#[track_caller]
fn check<'a>(requests: impl IntoIterator<Item = &'a [u8]>) {
    Differential::new(builder())
        .with_exchanges(requests.into_iter().map(Exchange::new))
        .run();
}

/// First lines; the field Host follows.
const LINES: [&[u8]; 58] = [
    b"\r\n\r\n",
    b"\n\n",
    b"\r\nGET / HTTP/1.1",
    b"\n\nGET / HTTP/1.1",
    b" GET / HTTP/1.1",
    b"\tGET / HTTP/1.1",
    b"GET  / HTTP/1.1",
    b"GET /  HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"GET / HTTP/1.1  ",
    b"GET\t/ HTTP/1.1",
    b"GET /\tHTTP/1.1",
    b"GET",
    b"GET ",
    b"GET /",
    b"GET / ",
    b"GET / HTTP",
    b"GET / HTTP/",
    b"GET / HTTP/1",
    b"GET / HTTP/1.",
    b"GET / HTTP/.1",
    b"GET / HTTP/1.1x",
    b"GET / HTTP/1.10",
    b"GET / HTTP/1.01",
    b"GET / HTTP/01.1",
    b"GET / HTTP/11.1",
    b"GET / HTTP/1,1",
    b"GET / http/1.1",
    b"GET / Http/1.1",
    b"GET / HTTPS/1.1",
    b"GET / HTTP/-1.1",
    b"GET / HTTP/3.0",
    b"GET / HTTP/1.1\rX",
    b"GET / x HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET /a%zz HTTP/1.1",
    b"GET /a% HTTP/1.1",
    b"GET /a%4 HTTP/1.1",
    b"GET /a%00b HTTP/1.1",
    b"GET /?%00 HTTP/1.1",
    b"GET /?%zz HTTP/1.1",
    b"GET /\x01 HTTP/1.1",
    b"GET /\x7f HTTP/1.1",
    b"GET /\xff\xfe HTTP/1.1",
    b"GET /\xc3\xa9 HTTP/1.1",
    b"GET /? HTTP/1.1",
    b"GET /#a HTTP/1.1",
    b"GET /?a#b HTTP/1.1",
    b"GET //// HTTP/1.1",
    b"GET /../../ HTTP/1.1",
    b"GET /%2e%2e/%2e%2e/ HTTP/1.1",
    b"GET /.. HTTP/1.1",
    b"GET \\ HTTP/1.1",
    b"GET /\\..\\ HTTP/1.1",
    b"GET http:/ HTTP/1.1",
    b"GET ht_tp://x/ HTTP/1.1",
    b"GET ://x/ HTTP/1.1",
    b"GET http://x:y/ HTTP/1.1",
];

#[test]
fn request_lines() {
    let requests: Vec<Vec<u8>> = LINES
        .iter()
        .map(|line| [line, b"\r\nHost: h\r\n\r\n".as_slice()].concat())
        .collect();
    check(requests.iter().map(Vec::as_slice));
}

#[test]
fn methods() {
    let methods: [&[u8]; 12] = [
        b"get",
        b"Get",
        b"G",
        b"A_B",
        b"A-B",
        b"A1",
        b"G\x00T",
        b"G\xc3T",
        b"GETGETGETGETGETGETGETGETGETGET",
        b"(GET)",
        b"PRI",
        b"M-SEARCH",
    ];
    let requests: Vec<Vec<u8>> = methods
        .iter()
        .map(|method| [method, b" / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice()].concat())
        .collect();
    check(requests.iter().map(Vec::as_slice));
}

#[test]
fn fields() {
    let fields: [&[u8]; 32] = [
        b"",
        b"X",
        b"X\r\n",
        b":\r\n",
        b": x\r\n",
        b"X:\r\n",
        b"X: \r\n",
        b"X:y\r\n",
        b"X : y\r\n",
        b" X: y\r\n",
        b"X: y\r\n z\r\n",
        b"X: y\r\n\tz\r\n",
        b"X: y\n",
        b"X: y\rZ: w\r\n",
        b"X: a\x00b\r\n",
        b"X\x00: a\r\n",
        b"X: \x01\x7f\r\n",
        b"X\xc3\xa9: a\r\n",
        b"X: \xc3\xa9\r\n",
        b"X_Y: a\r\n",
        b"X.Y: a\r\n",
        b"X Y: a\r\n",
        b"X(Y): a\r\n",
        b"X\x7f: a\r\n",
        b"\x01: a\r\n",
        b"X: y\r\r\n",
        b"\rX: y\r\n",
        b"Content-Length: 0\r\nContent-Length: 0\r\n",
        b"User-Agent: a\r\nUser-Agent: b\r\n",
        b"If-Modified-Since: a\r\nIf-Modified-Since: b\r\n",
        b"Range: bytes=0-0\r\nRange: bytes=1-1\r\n",
        b"Cookie: a=b\r\nCookie: c=d\r\n",
    ];
    let requests: Vec<Vec<u8>> = fields
        .iter()
        .map(|fields| {
            [
                b"GET /file HTTP/1.1\r\nHost: h\r\n".as_slice(),
                fields,
                b"\r\n",
            ]
            .concat()
        })
        .collect();
    check(requests.iter().map(Vec::as_slice));
}

#[test]
fn hosts() {
    let hosts: [&[u8]; 18] = [
        b"", b" ", b"h", b"h:80", b"h:", b"h/x", b"h x", b"h\x00", b"h\x01", b"..", b"h..x", b".h",
        b"h.", b"h..", b"[::1]", b"[]", b"H_-", b"a, b",
    ];
    let requests: Vec<Vec<u8>> = hosts
        .iter()
        .map(|host| [b"GET / HTTP/1.1\r\nHost: ".as_slice(), host, b"\r\n\r\n"].concat())
        .collect();
    check(requests.iter().map(Vec::as_slice));
    check([
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    ]);
}

#[test]
fn framings() {
    let framings: [&str; 29] = [
        "Content-Length: x\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: +1\r\n\r\n",
        "Content-Length: 1 \r\n\r\na",
        "Content-Length: 1 1\r\n\r\na",
        "Content-Length: 0x1\r\n\r\na",
        "Content-Length: 1, 1\r\n\r\na",
        "Content-Length:\r\n\r\n",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0001\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
        "Expect: something\r\n\r\n",
    ];
    let requests: Vec<String> = ["1.1", "1.0"]
        .iter()
        .flat_map(|version| {
            framings.map(|rest| format!("POST / HTTP/{version}\r\nHost: h\r\n{rest}"))
        })
        .collect();
    check(requests.iter().map(String::as_bytes));
}

/// Lines and fields around the sizes of the buffers.
#[test]
fn sizes() {
    let long = |count: usize| "a".repeat(count);
    let mut requests = Vec::new();
    for size in [200, 240, 256, 300, 490, 500, 512, 600, 1100] {
        requests.push(format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", long(size)));
        requests.push(format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
            long(size)
        ));
        requests.push(format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}: x\r\n\r\n",
            long(size)
        ));
        let two = format!("X: {0}\r\nY: {0}\r\n", long(size));
        requests.push(format!("GET / HTTP/1.1\r\nHost: h\r\n{two}\r\n"));
        let many = format!("X: {0}\r\nY: {0}\r\nZ: {0}\r\n", long(size));
        requests.push(format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n"));
    }
    check(requests.iter().map(String::as_bytes));
}

/// What became an error, or another one, between 1.22 and 1.31.
#[test]
fn since_1_22() {
    let server = builder().start();
    for host in ["h:x", "h:80:90", "[::1", "[::1]x"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(server.request(request).status, 400, "{host}");
    }
    let connect = server.request("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
    assert_eq!(connect.status, 405);
}

/// A request that is refused is answered by the server whose name was read before it broke, by
/// the default one otherwise.
#[test]
fn the_server_that_answers_what_is_refused() {
    let server = |listen: &str, name: &str, text: &str| {
        format!(
            "server {{ listen 127.0.0.1:%%PORT%%{listen}; server_name {name};
                error_page 400 405 413 414 494 501 /refused;
                location = /refused {{ internal; return 200 '{text} $host'; }}
                location / {{ return 200 '{text} reached'; }} }}"
        )
    };
    let http = [
        server(" default_server", "first", "first"),
        server("", "second", "second"),
        server("", "''", "without"),
    ]
    .join("\n");
    let heads = [
        "GET / HTTP/1.1\r\nHost: second\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\nHost: second\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: second\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\nHost: second\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: second\r\nHost: first\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: second\r\n:\r\n\r\n",
        "GET / HTTP/1.1\r\n:\r\nHost: second\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: sec/ond\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: second\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET http://second/ HTTP/1.1\r\nHost: first\r\nContent-Length: x\r\n\r\n",
        "GET http://second/ HTTP/1.1\r\n\r\n",
        "GET http://sec^ond/ HTTP/1.1\r\nHost: second\r\n\r\n",
        "GET /% HTTP/1.1\r\nHost: second\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: second\r\n\r\n",
    ];
    Differential::new(Server::new(&http))
        .with_exchanges(heads.iter().map(Exchange::new))
        .run();
}

/// Of several broken rules the one whose bytes came first is told, and before the rest comes.
#[test]
fn the_first_broken_rule_counts() {
    let server = Server::of_one(
        "client_header_buffer_size 256;
         large_client_header_buffers 2 512;
         error_page 400 /e400;
         error_page 494 /e494;
         location /e { return 200 '$uri $host'; }
         location / { return 200; }",
    );
    let long = format!("X: {}\r\n", "x".repeat(2000));
    let beginnings = [
        "GET /%zz HTTP/1.1\r\nHost: h\r\n",
        "GET /../ HTTP/1.1\r\n",
        "GET http://h^/ HTTP/1.1\r\nHost: h\r\n",
        "GET / HTTP/1.1\r\nHost: h/x\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\nExpect: x\r\n",
    ];
    // These are judged at the end alone.
    let later = [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n",
        "GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: x\r\n",
        "TRACE / HTTP/1.1\r\nHost: h\r\n",
    ];
    let unfinished = beginnings.iter().map(|head| (*head).to_owned());
    let all = beginnings.iter().chain(&later);
    let followed = all.flat_map(|head| {
        let long = format!("{head}{long}\r\n");
        [long, format!("{head}: x\r\n\r\n"), format!("{head}\r\n")]
    });
    Differential::new(server)
        .with_exchanges(unfinished.chain(followed).map(Exchange::new))
        .run();
}

/// Nginx's words for what broke first, with the bytes that did.
#[test]
fn the_log_says_what_was_refused() {
    let server = Server::of_one("max_headers 2; location / { return 200; }").start();
    for (head, text) in [
        (
            "GET /%zz HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n",
            "client sent invalid request while reading client request line, ",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n",
            "client sent too many header lines while reading client request headers, ",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nHost: g\r\nC: d\r\n\r\n",
            "client sent duplicate host header: \"Host: g\", previous value: \"Host: h\" while \
             reading client request headers, ",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n",
            "client sent invalid header line: \"A\\x20...\" while reading client request headers, ",
        ),
    ] {
        assert_eq!(server.request(head).status, 400, "{head:?}");
        server.wait_for_error_log(text);
    }
}

/// Once the host is known, its server says how header lines are read.
#[test]
fn header_lines_are_read_as_the_named_server_says() {
    let builder = Server::new(
        "server { listen 127.0.0.1:%%PORT%% default_server; server_name first;
            location / { return 200 \"first $http_a_b\"; } }
        server { listen 127.0.0.1:%%PORT%%; server_name second; underscores_in_headers on;
            large_client_header_buffers 2 2k; client_header_buffer_size 1k;
            location / { return 200 \"second $http_a_b\"; } }
        server { listen 127.0.0.1:%%PORT%%; server_name third; ignore_invalid_headers off;
            large_client_header_buffers 4 16k;
            location / { return 200 \"third $http_a_b\"; } }",
    );
    let long = "x".repeat(3000);
    let longer = "x".repeat(12_000);
    let mut heads = Vec::new();
    for host in ["first", "second", "third"] {
        for field in ["a_b: 1", &format!("X: {long}"), &format!("X: {longer}")] {
            heads.push(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{field}\r\n\r\n"));
            heads.push(format!("GET / HTTP/1.1\r\n{field}\r\nHost: {host}\r\n\r\n"));
            heads.push(format!(
                "GET http://{host}/ HTTP/1.1\r\n{field}\r\nHost: other\r\n\r\n"
            ));
        }
    }
    Differential::new(builder)
        .with_exchanges(heads.iter().map(Exchange::new))
        .run();
}
