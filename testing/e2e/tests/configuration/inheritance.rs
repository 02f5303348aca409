//! What inner levels have of outer ones: http, server, location, nested, `if`, `limit_except`.
//!
//! Compared with nginx where it is installed.

use harness::{Differential, Exchange, Server};

/// Each of `paths`, on every port name of `ports`' hosts.
fn gets(paths: &[&str]) -> Vec<Exchange> {
    paths.iter().map(|path| Exchange::get(path, "")).collect()
}

/// One value: the innermost level that sets it wins.
#[test]
fn single_values() {
    let builder = Server::new(
        r#"
        root html/http;
        default_type text/x-http;
        etag off;
        types { }
        server {
            listen 127.0.0.1:{port};
            default_type text/x-server;
            location / { }
            location /a/ {
                default_type text/x-a;
                location /a/b/ {
                    etag on;
                    location /a/b/c/ { default_type text/x-c; root html/c; }
                }
            }
            location /if/ {
                default_type text/x-location;
                expires epoch;
                if ($arg_x) { expires max; }
                if ($arg_y) { root html/c; }
            }
        }
        "#,
    )
    .with_file("html/http/f", "http")
    .with_file("html/http/a/f", "a")
    .with_file("html/http/a/b/f", "b")
    .with_file("html/c/a/b/c/f", "c")
    .with_file("html/http/if/f", "if")
    .with_file("html/c/if/f", "if in c");
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/f",
            "/a/f",
            "/a/b/f",
            "/a/b/c/f",
            "/if/f",
            "/if/f?x=1",
            "/if/f?y=1",
            "/if/f?x=1&y=1",
        ]))
        .run();
}

/// Several values: a level with any of its own has none of those above it.
#[test]
fn lists_are_replaced_whole() {
    let builder = Server::new(
        r#"
        add_header X-Level http;
        add_header X-Http only;
        index http.html;
        allow all;
        types { text/x-http h; text/x-both b; }
        server {
            listen 127.0.0.1:{port};
            location / { }
            location /own/ {
                add_header X-Level own;
                types { text/x-own b; }
                index own.html http.html;
                location /own/in/ { }
                location /own/more/ { add_header X-More 1; }
            }
            location /closed/ {
                deny all;
                location /closed/open/ { allow all; }
                location /closed/same/ { }
            }
            location /if/ {
                add_header X-Location 1;
                if ($arg_x) { add_header X-If 1; }
                if ($arg_y) { set $y 1; }
                if ($arg_z) { root html/own; }
            }
        }
        "#,
    )
    .with_file("html/f.h", "h")
    .with_file("html/f.b", "b")
    .with_file("html/http.html", "top")
    .with_file("html/own/f.h", "h")
    .with_file("html/own/f.b", "b")
    .with_file("html/own/http.html", "own")
    .with_file("html/own/in/f.b", "b")
    .with_file("html/own/in/own.html", "in")
    .with_file("html/own/more/f.b", "b")
    .with_file("html/closed/f.h", "c")
    .with_file("html/closed/open/f.h", "o")
    .with_file("html/closed/same/f.h", "s")
    .with_file("html/if/f.h", "if")
    .with_file("html/if/http.html", "http index")
    .with_file("html/own/if/f.h", "own if");
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/",
            "/f.h",
            "/f.b",
            "/own/",
            "/own/f.h",
            "/own/f.b",
            "/own/in/",
            "/own/in/f.b",
            "/own/more/f.b",
            "/closed/f.h",
            "/closed/open/f.h",
            "/closed/same/f.h",
            "/if/f.h",
            "/if/f.h?x=1",
            "/if/f.h?y=1",
            "/if/?x=1",
            "/if/f.h?z=1",
            "/if/f.h?x=1&z=1",
        ]))
        .run();
}

/// `limit_except` is a level below its location for access alone.
#[test]
fn limit_except_is_a_level() {
    let builder = Server::new(
        r#"
        auth_basic http;
        auth_basic_user_file users;
        server {
            listen 127.0.0.1:{port};
            location /inherit/ { alias html/; limit_except GET { allow all; } }
            location /open/ { alias html/; auth_basic off; limit_except GET { auth_basic inner; } }
            location /none/ { alias html/; auth_basic off; limit_except GET { deny all; } }
            location /nested/ {
                auth_basic off;
                limit_except GET { deny all; }
                location /nested/in/ { alias html/; }
            }
        }
        "#,
    )
    .with_file("users", "user:{PLAIN}pass\n")
    .with_file("html/f", "f");
    let exchanges = ["/inherit/f", "/open/f", "/none/f", "/nested/in/f"]
        .iter()
        .flat_map(|path| {
            ["GET", "HEAD", "DELETE"]
                .map(|method| Exchange::new(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")))
        });
    Differential::new(builder).with_exchanges(exchanges).run();
}

/// What stands in `http` is for every server, what stands in a server for its locations alone.
#[test]
fn servers_do_not_share() {
    let builder = Server::new(
        r#"
        error_page 404 = /from-http;
        server_tokens off;
        server {
            listen 127.0.0.1:{port};
            server_name a;
            server_tokens on;
            error_page 403 = /from-a;
            location / { return 404; }
            location /403 { return 403; }
            location /from- { return 200 $uri; }
        }
        server {
            listen 127.0.0.1:{port};
            server_name b;
            location / { return 404; }
            location /403 { return 403; }
            location /from- { return 200 $uri; }
        }
        "#,
    );
    let exchanges = ["a", "b"].iter().flat_map(|host| {
        ["/", "/403"]
            .map(|path| Exchange::new(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")))
    });
    Differential::new(builder).with_exchanges(exchanges).run();
}
