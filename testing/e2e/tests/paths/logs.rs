//! What a client sends cannot forge a line of a log, nor reach the terminal that shows it.

use harness::Server;
use std::fs;

/// A request with control bytes, quotes, terminal escapes and high bytes wherever one may be.
const NASTY: &[u8] =
    b"GET /a%0a%1b[31m\"\\?q=\"\x1b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

#[test]
fn access_logs_escape_what_clients_sent() {
    let server = Server::new(
        "log_format all '[$request][$uri][$args][$http_user_agent]';
         log_format j escape=json '{\"u\":\"$uri\",\"a\":\"$http_user_agent\"}';
         access_log logs/all.log all;
         access_log logs/json.log j;
         server { listen 127.0.0.1:{port}; location / { return 200 text; } }",
    )
    .start();
    let response = server
        .request(&b"GET /a%0a%1b[31m\"\\%00 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"[..]);
    assert_eq!(response.status, 400);
    let response = server.request(
        &b"GET /a%0a%0d%1b[31m%22%5c%7f%80 HTTP/1.1\r\nHost: h\r\nUser-Agent: \"\\\x1b[2J\x7f\xff\t\r\n\
           Connection: close\r\n\r\n"[..],
    );
    assert_eq!(response.status, 200);
    let lines = server.log_lines("all.log", 2);
    assert_eq!(
        lines[1],
        "[GET /a%0a%0d%1b[31m%22%5c%7f%80 HTTP/1.1][/a\\x0A\\x0D\\x1B[31m\\x22\\x5C\\x7F\\x80][-]\
         [\\x22\\x5C\\x1B[2J\\x7F\\xFF\\x09]"
    );
    let json = fs::read(server.path("logs/json.log")).unwrap();
    let json = json.split(|byte| *byte == b'\n').nth(1).unwrap();
    let expected: &[u8] =
        b"{\"u\":\"/a\\n\\r\\u001B[31m\\\"\\\\\x7f\x80\",\"a\":\"\\\"\\\\\\u001B[2J\x7f\xff\\t\"}";
    assert_eq!(
        json.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

/// Stricter than nginx, whose error log has what clients sent as it came (CVE-2009-4487).
#[test]
fn error_logs_escape_what_clients_sent() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = Server::of_one("location /x { root {prefix}/none; }").start();
    assert_eq!(server.request(NASTY).status, 400);
    let path = &b"GET /a%0a%0d%1b[31m%7f%80%0a2026/01/01%20forged HTTP/1.1\r\n\
                  Host: h\r\nReferer: \x1b[2J\x7f\xff\"\r\nConnection: close\r\n\r\n"[..];
    assert_eq!(server.request(path).status, 404);
    server.wait_for_error_log("No such file");
    let log = fs::read(server.path("logs/error.log")).unwrap();
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let odd: Vec<&[u8]> = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.iter().all(is_printable) || line.starts_with(b"2026/01/01 forged"))
        .collect();
    let shown: Vec<String> = odd
        .iter()
        .map(|line| line.escape_ascii().to_string())
        .collect();
    assert!(odd.is_empty(), "{}", shown.join("\n"));
}
