//! Answers that must be nginx's, byte for byte where that is possible.

use harness::{Differential, Exchange, Server};

/// Files, ranges, conditions, redirects to folders, errors, and requests that are none.
#[test]
fn static_files_are_served_as_nginx_serves_them() {
    const HALF: &str = "Range: bytes=0-1\r\n";
    const FRESH: &str = "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n";
    const OTHER_TAG: &str = "If-Match: \"x\"\r\n";
    let builder = Server::of_one("location = /forbidden { return 403; }")
        .with_file("html/a.html", "abcdef")
        .with_file("html/folder/index.html", "index")
        .with_file("html/empty.bin", "");
    Differential::new(builder)
        .with_exchanges([
            Exchange::get("/a.html", ""),
            Exchange::get("/a.html", HALF),
            Exchange::get("/a.html", "Range: bytes=9-\r\n"),
            Exchange::get("/a.html", FRESH),
            Exchange::get("/a.html", OTHER_TAG),
            Exchange::get("/empty.bin", ""),
            Exchange::get("/folder", ""),
            Exchange::get("/folder/", ""),
            Exchange::get("/missing", ""),
            Exchange::get("/forbidden", ""),
            Exchange::get("/%61.html?x=y", ""),
            Exchange::get("/../a.html", ""),
            Exchange::new("HEAD /a.html HTTP/1.1\r\nHost: x\r\n\r\n"),
            Exchange::new("POST /a.html HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
            Exchange::new("GET /a.html HTTP/1.0\r\n\r\n"),
            Exchange::new("GET /a.html\r\n"),
            Exchange::new("GET /a.html HTTP/1.1\r\n\r\n"),
            Exchange::new("nonsense\r\n\r\n"),
            Exchange::pipelined("GET /a.html HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20), 20),
        ])
        .run();
}
