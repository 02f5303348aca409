//! Where redirects point to, with every switch that has a say: the same as in nginx.

use harness::{Differential, Exchange, Server};

/// `/folder` asked for in the ways that make a difference to the address.
fn asks() -> Vec<Exchange> {
    let hosts = [
        "localhost",
        "example.org:8080",
        "EXAMPLE.org",
        "[::1]",
        "[::1]:99",
        "b.test",
        "example.org.",
    ];
    let paths = [
        "/folder",
        "/folder?x=y",
        "/a%20b",
        "/r",
        "/abs",
        "/rel?q",
        "/q%22%3C",
    ];
    let mut asks: Vec<Exchange> = hosts
        .iter()
        .flat_map(|host| {
            paths.iter().map(move |path| {
                Exchange::new(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            })
        })
        .collect();
    asks.push(Exchange::new("GET /folder HTTP/1.0\r\n\r\n"));
    asks.push(Exchange::new("GET /r HTTP/1.0\r\n\r\n"));
    asks.push(Exchange::new(
        "GET http://c.test/folder HTTP/1.1\r\nHost: b.test\r\n\r\n",
    ));
    asks.push(Exchange::new(
        "HEAD /folder HTTP/1.1\r\nHost: b.test\r\n\r\n",
    ));
    asks
}

/// Compares with `switches` in the server block.
#[track_caller]
fn check(switches: &str) {
    let builder = Server::of_one(&format!(
        "server_name named.test other.test;\n{switches}\n\
         location = /r {{ return 301 /target; }}\n\
         location = /abs {{ return 302 https://elsewhere.test/x; }}\n\
         location = /rel {{ rewrite ^ /moved?a=b redirect; }}\n\
         location = /q\"< {{ rewrite ^(.*)$ $1/ permanent; }}"
    ))
    .with_file("html/folder/x", "")
    .with_file("html/a b/x", "");
    Differential::new(builder).with_exchanges(asks()).run();
}

#[test]
fn by_default() {
    check("");
}

#[test]
fn without_the_port() {
    check("port_in_redirect off;");
}

#[test]
fn with_the_servers_own_name() {
    check("server_name_in_redirect on;");
}

#[test]
fn with_the_servers_own_name_without_the_port() {
    check("server_name_in_redirect on; port_in_redirect off;");
}

#[test]
fn relative() {
    check("absolute_redirect off;");
}

/// Each code of `return`, with an address and with a text.
#[test]
fn return_codes() {
    let codes = [
        200, 201, 204, 206, 300, 301, 302, 303, 305, 306, 307, 308, 309, 400, 401, 402, 403, 404,
        405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 421, 422, 429, 431, 451, 494, 495,
        496, 497, 499, 500, 501, 502, 503, 504, 505, 507, 508, 599, 600, 999, 444, 7,
    ];
    let mut text = String::new();
    for code in codes {
        text += &format!("location = /{code} {{ return {code}; }}\n");
        text += &format!("location = /{code}/text {{ return {code} \"text of $uri\"; }}\n");
        text += &format!("location = /{code}/url {{ return {code} http://x.test/$arg_a; }}\n");
    }
    text += "location = /url { return http://x.test/; }\nlocation = /empty { return 200 \"\"; }\n\
             location = /scheme { return $scheme://y.test$request_uri; }";
    let exchanges = codes.iter().flat_map(|code| {
        [
            Exchange::get(&format!("/{code}"), ""),
            Exchange::get(&format!("/{code}/text"), ""),
            Exchange::get(&format!("/{code}/url?a=b"), ""),
            Exchange::new(format!("HEAD /{code}/text HTTP/1.1\r\nHost: x\r\n\r\n")),
            Exchange::new(format!("GET /{code} HTTP/1.0\r\n\r\n")),
        ]
    });
    Differential::new(Server::of_one(&text))
        .with_exchanges(exchanges)
        .with_exchanges([
            Exchange::get("/url", ""),
            Exchange::get("/empty", ""),
            Exchange::get("/scheme?x", ""),
        ])
        .run();
}
