//! Answers that are not nginx's, each with the reason why.

use harness::Server;

/// nginx 1.31 sends fields of `add_header` twice with 416: its header filters run once for the
/// file and once more for the error that a range became.
#[test]
fn fields_are_added_once_to_416() {
    let server = Server::of_one("add_header X-Always a always; add_header X-Found b;")
        .with_file("html/a.txt", "abc")
        .start();
    let response = server
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=9-\r\nConnection: close\r\n\r\n");
    assert_eq!(response.status, 416);
    assert_eq!(
        response.headers_named("X-Always").collect::<Vec<_>>(),
        ["a"]
    );
    assert_eq!(response.header("X-Found"), None);
}

/// nginx 1.31 sends `Content-Length: 0` with `return 304`. A 304 may only repeat the length that
/// the 200 would have (RFC 9110 section 8.6), which nobody knows here.
#[test]
fn a_304_announces_no_length() {
    let server = Server::of_one("location / { return 304; }").start();
    let response = server.get("/");
    assert_eq!(response.status, 304);
    assert_eq!(response.header("Content-Length"), None);
}
