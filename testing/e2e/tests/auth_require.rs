//! `auth_require`.

use harness::Server;

/// All values must be there, also those that others find while they judge.
#[test]
fn values_let_in() {
    let server = Server::of_one(
        r#"
        location /kept/ { auth_require $arg_a; location /kept/off { auth_require off; } }
        location /any/ { satisfy any; deny all; auth_require $arg_a; }
        location /asked {
            auth_request /ask;
            auth_request_set $role $http_x_role;
            auth_require $role error=404;
        }
        location = /ask { return 204; }
        "#,
    )
    .with_file("html/kept/off/file", "content")
    .with_file("html/kept/file", "content")
    .with_file("html/any/file", "content")
    .with_file("html/asked", "content")
    .start();
    let status = |path: &str| server.get(path).status;
    assert_eq!(status("/kept/file?a=1"), 200);
    assert_eq!(status("/kept/file?a=0"), 403);
    assert_eq!(status("/kept/file"), 403);
    assert_eq!(status("/kept/off/file"), 200);
    assert_eq!(status("/any/file?a=x"), 200);
    assert_eq!(status("/any/file"), 403);
    let admin = "GET /asked HTTP/1.1\r\nHost: a\r\nX-Role: admin\r\n\r\n";
    assert_eq!(server.request(admin).status, 200);
    assert_eq!(status("/asked"), 404);
    server.wait_for_error_log("access forbidden by rule: \"$role\" is required");
}

/// The order decides which status it is.
#[test]
fn the_first_that_is_not_met_decides() {
    let server =
        Server::of_one("location / { auth_require $arg_a $arg_b; auth_require $arg_c error=503; }")
            .with_file("html/file", "content")
            .start();
    let status = |args: &str| server.get(&format!("/file?{args}")).status;
    assert_eq!(status("a=1&b=1&c=1"), 200);
    assert_eq!(status("a=1&b=0&c=0"), 403);
    assert_eq!(status("a=1&b=1&c=0"), 503);
}
