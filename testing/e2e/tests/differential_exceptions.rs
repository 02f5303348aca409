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
    assert_eq!(
        response.header("X-Found"),
        Some("b"),
        "of the file, and kept"
    );
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

/// nginx 1.31 answers these without a head, as if to HTTP/0.9. Only GET is a request of HTTP/0.9,
/// so whoever sent them spoke something newer and can read a status.
#[test]
fn lines_without_version_that_are_not_get_are_refused_with_a_status() {
    let server = Server::of_one("").with_file("html/a.txt", "abc").start();
    for line in ["POST /a.txt\r\n", "HEAD /a.txt\r\n"] {
        assert_eq!(server.request(line).status, 400, "{line}");
    }
}

/// nginx 1.31 asks for a body (100 Continue) that it then throws away. An answer that needs no
/// body is given at once (RFC 9110 section 10.1.1).
#[test]
fn nobody_is_told_to_continue_for_nothing() {
    let server = Server::of_one("location / { return 200 text; }").start();
    let mut client = server.connect();
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(client.receive().status, 200);
}

/// nginx 1.31 reads Base64 up to the first byte that is none, and a password up to its first NUL.
#[test]
fn credentials_are_read_whole() {
    let server = Server::of_one("auth_basic closed; auth_basic_user_file users;")
        .with_file("users", "user:{PLAIN}pass\n")
        .with_file("html/a.txt", "abc")
        .start();
    let status = |credentials: &str| {
        let request =
            format!("GET /a.txt HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\r\n");
        server.request(request).status
    };
    assert_eq!(status("dXNlcjpwYXNz"), 200);
    assert_eq!(status("dXNlcjpwYXNz="), 401);
    assert_eq!(status("dXNlcjpwYXNzAA=="), 401);
}

/// nginx 1.31 goes by the last `Connection` field. Whoever says `close` at all is believed
/// (RFC 9112 section 9.3).
#[test]
fn close_is_close_whatever_follows() {
    let server = Server::of_one("location / { return 200 text; }").start();
    let response = server.request(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
    );
    assert!(response.is_last());
}

/// nginx 1.31 leaves a body that it threw away out of `$request_length`, though its documentation
/// counts bodies in.
#[test]
fn a_body_that_nobody_read_is_part_of_the_request() {
    let http = "log_format length $request_length; access_log logs/access.log length;\n\
                server { listen 127.0.0.1:{port}; return 200 text; }";
    let server = Server::new(http).start();
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(server.request(request).status, 200);
    assert_eq!(
        server.log_lines("access.log", 1),
        [request.len().to_string()]
    );
}
