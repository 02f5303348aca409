//! `rewrite`, `return`, `if`, `set`, `break`.

use harness::{Differential, Exchange, Server};
use std::time::Duration;

/// Asks both servers with the rules `inside` for each of `paths`.
#[track_caller]
fn as_nginx(inside: &str, paths: &[&str]) {
    Differential::new(server(inside))
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, "")))
        .run();
}

/// A server with rules, and with files for them to find.
fn server(inside: &str) -> harness::Builder {
    Server::of_one(inside)
        .with_file("html/x.html", "x")
        .with_file("html/dir/a.html", "a")
}

/// Statuses, texts, addresses, and statuses that nginx does not tell the client.
#[test]
fn return_answers_as_nginx_does() {
    as_nginx(
        r#"
        location /200 { return 200; }
        location /text.html { return 200 "text of $uri"; }
        location /204 { return 204 "none"; }
        location /301 { return 301; }
        location /302 { return 302 /other; }
        location /303 { return 303 other; }
        location /307 { return 307 http://example.com$uri?$args; }
        location /url { return https://example.com$request_uri; }
        location /404 { return 404; }
        location /404text { return 404 "none: $uri"; }
        location /408 { return 408; }
        location /444 { return 444; }
        location /444text { return 444 "text"; }
        location /499 { return 499; }
        location /999 { return 999; }
        "#,
        &[
            "/200",
            "/text.html",
            "/204",
            "/301",
            "/302",
            "/303",
            "/307?a=b",
            "/url?a%20b",
            "/404",
            "/404text",
            "/408",
            "/444",
            "/444text",
            "/499",
            "/999",
        ],
    );
}

/// A `return` in an error page: a text keeps the error's status, an error or a redirect does not.
#[test]
fn return_in_an_error_page() {
    as_nginx(
        r#"
        error_page 404 /text;
        error_page 410 =418 /forbidden;
        error_page 403 /elsewhere;
        error_page 302 /moved;
        location = /text { return 200 "nothing here"; }
        location = /forbidden { return 400; }
        location = /elsewhere { return 301 /new; }
        location = /moved { return 200 "moved"; }
        location /a { return 404; }
        location /b { return 410; }
        location /c { return 403; }
        location /d { return 302 /there; }
        location /e { rewrite ^ /there redirect; }
        "#,
        &["/a", "/b", "/c", "/d", "/e"],
    );
}

/// Flags, arguments, and escaping of captures in paths, queries and redirects.
#[test]
fn rewrite_makes_the_uris_that_nginx_makes() {
    as_nginx(
        r#"
        location /end { return 200 "$uri?$args"; }
        location /internal { internal; return 200 "internal"; }
        location /to-internal { rewrite ^ /internal last; }
        location /adds { rewrite ^/adds/(.*)$ /end/$1?a=$1; }
        location /drops { rewrite ^/drops/(.*)$ /end/$1? last; }
        location /replaces { rewrite ^/replaces/(.*)$ /end/$1?a=$1? last; }
        location /stays { rewrite ^/stays/(.*)$ /$1 break; return 200 "no"; }
        location /twice { rewrite ^/twice/(.*)$ /b/$1; rewrite ^/b/(.*)$ /end/b$1; }
        location /path { rewrite ^/path/(.*)$ /new/$1? redirect; }
        location /moved { rewrite ^/moved/(.*)$ http://example.com/$1?x=$1 permanent; }
        location /given { rewrite ^ http://example.com/$arg_a; }
        location /empty { rewrite ^ ?; }
        location /none { rewrite ^ $arg_none last; }
        "#,
        &[
            "/to-internal",
            "/internal",
            "/adds/x%20y?o=1",
            "/adds/a+b",
            "/adds/ab?z",
            "/drops/a?z",
            "/replaces/a%26b?z",
            "/stays/x.html",
            "/twice/c",
            "/path/a%2520?o",
            "/path/a",
            "/path/%c3%a9",
            "/moved/a%20b%2fc%3f?z=1",
            "/moved/ab",
            "/given?a=x%0d%0ay%3fz%2Fq",
            "/given?a=x&y",
            "/empty",
            "/none",
        ],
    );
}

/// Rules of a server run first; their `break` and their changes leave the location's alone.
#[test]
fn rules_of_a_server_run_before_the_location_is_found() {
    as_nginx(
        r#"
        rewrite ^/last/(.*)$ /end/$1 last;
        rewrite ^/first/(.*)$ /second/$1;
        rewrite ^/second/(.*)$ /end/two/$1;
        if ($arg_deny) { return 403 "denied: $arg_deny"; }
        if ($arg_break) { break; }
        set $reached "yes";
        location /end { return 200 "$uri $args $reached"; }
        "#,
        &[
            "/last/x?y",
            "/first/z",
            "/end?deny=1",
            "/end?break=1",
            "/other",
        ],
    );
}

/// Every form of a condition, with what captures are left after it.
#[test]
fn conditions_hold_as_in_nginx() {
    as_nginx(
        r#"
        location /set { if ($arg_a) { return 200 "true"; } return 200 "false"; }
        location /equal {
            if ($arg_a = b) { return 200 "b"; }
            if ($arg_a != "") { return 200 "not empty"; }
            return 200 "empty";
        }
        location /match {
            if ($arg_a ~ ^b(.)) { return 200 "b, then $1"; }
            if ($arg_a ~* ^b(.)) { return 200 "B, then $1"; }
            if ($arg_a !~* ^c) { return 200 "neither b nor c"; }
            return 200 "c";
        }
        location /file {
            if (-f $document_root$arg_a) { return 200 "file"; }
            if (-d $document_root$arg_a) { return 200 "folder"; }
            if (!-e $document_root$arg_a) { return 200 "nothing"; }
        }
        location /run { if (!-x $document_root$arg_a) { return 200 "no"; } return 200 "yes"; }
        location ~ ^/lost/(.*)$ { if ($uri ~ nothing) { } return 200 "[$1]"; }
        location ~ ^/kept/(?<name>.*)$ { if ($uri !~ x(.)) { } return 200 "[$1] [$name]"; }
        location ~ ^/escaped/(.*)$ { if ($arg_a = $1) { return 200 "$1"; } return 200 "no"; }
        "#,
        &[
            "/set?a=1",
            "/set?a=0",
            "/set?a=00",
            "/set",
            "/equal?a=b",
            "/equal?a=c",
            "/equal",
            "/match?a=bc",
            "/match?a=BC",
            "/match?a=cc",
            "/match",
            "/file?a=/x.html",
            "/file?a=/dir",
            "/file?a=/none",
            "/run?a=/x.html",
            "/run?a=/dir",
            "/lost/abc",
            "/kept/abc",
            "/kept/xyz",
            "/escaped/a%20b?a=a%20b",
            "/escaped/ab?a=ab",
        ],
    );
}

/// The settings of the last `if` that was true are the request's.
#[test]
fn an_if_chooses_settings() {
    as_nginx(
        r#"
        location /base {
            root html/nowhere;
            if ($arg_a) { root html/neither; }
            if ($arg_b) { root html; }
            rewrite ^/base(.*)$ $1 break;
        }
        location /last {
            if ($arg_a) { rewrite ^ /end/a; }
            if ($arg_b) { rewrite ^ /end/b last; }
            return 200 "not reached with b";
        }
        location /end { return 200 "$uri"; }
        "#,
        &[
            "/base/x.html",
            "/base/x.html?a=1",
            "/base/x.html?a=1&b=1",
            "/last?a=1",
            "/last?a=1&b=1",
            "/last",
        ],
    );
}

/// Variables of ours, of the request, and of its fields.
#[test]
fn set_gives_variables_values() {
    as_nginx(
        r#"
        location /own { set $a "x"; set $a "$a$a"; return 200 "$a ${a}y"; }
        location /args { set $args "n=1"; return 200 "$args $arg_n $query_string$is_args"; }
        location /rate { set $limit_rate 10k; return 200 "$limit_rate"; }
        location /field { set $http_foo "set"; return 200 "$http_foo"; }
        location /other { return 200 "[$http_foo]"; }
        location ~ ^/escaped/(.*)$ { set $a $1; return 200 "$a $1"; }
        location ~ ^/plain/(.*)$ { rewrite ^/plain/(.*)$ /$1; set $a $1; break; }
        "#,
        &[
            "/own",
            "/args?o=2",
            "/rate",
            "/field",
            "/other",
            "/escaped/a%20b",
            "/escaped/a+b",
            "/escaped/ab",
            "/plain/x.html",
        ],
    );
}

/// Ten changes of the URI may follow each other, not eleven.
#[test]
fn a_cycle_ends() {
    const RULES: &str = r"
        location /a { rewrite ^/a/(.*)$ /b/x$1; }
        location /b { rewrite ^/b/(.*)$ /a/x$1; }
        location ~ ^/(\d)(\d*)$ { rewrite ^/\d(\d*)$ /$1; }
        location = / { return 200 done; }
    ";
    as_nginx(RULES, &["/a/", "/1234567890", "/12345678901"]);
    let server = server(RULES).start();
    assert_eq!(server.get("/1234567890").text(), "done");
    assert_eq!(server.get("/12345678901").status, 500);
    server.wait_for_error_log("rewrite or internal redirection cycle while processing \"/\"");
}

/// `rewrite_log` tells of every match and of what it made.
#[test]
fn the_log_tells_what_matched() {
    let server = server(
        r"
        rewrite_log on;
        location /a { rewrite ^/x /y; rewrite ^/a/(.*)$ /end/$1?n=1 last; }
        location /b { rewrite ^ http://example.com/; }
        location /end { rewrite_log off; rewrite ^/unseen /; return 200 end; }
        ",
    )
    .start();
    assert_eq!(server.get("/a/b?c").text(), "end");
    assert_eq!(server.get("/b").status, 302);
    for line in [
        "[notice]",
        "\"^/x\" does not match \"/a/b\", client: 127.0.0.1",
        "\"^/a/(.*)$\" matches \"/a/b\"",
        "rewritten data: \"/end/b\", args: \"n=1&c\"",
        "rewritten redirect: \"http://example.com/\"",
    ] {
        server.wait_for_error_log(line);
    }
    assert!(!server.error_log().contains("unseen"));
}

/// A variable that no `set` has reached is empty, and named in the log unless that is off.
#[test]
fn an_unset_variable_is_warned_of() {
    let server = server(
        r#"
        location /warned { return 200 "[$one]"; }
        location /quiet { uninitialized_variable_warn off; return 200 "[$two]"; }
        location /never { set $one 1; set $two 2; }
        "#,
    )
    .start();
    assert_eq!(server.get("/quiet").text(), "[]");
    assert_eq!(server.get("/warned").text(), "[]");
    server.wait_for_error_log("[warn]");
    server.wait_for_error_log("using uninitialized \"one\" variable, client: 127.0.0.1");
    assert!(!server.error_log().contains("\"two\""));
}

/// A body that `return` has no use for is read away, and the connection serves on.
#[test]
fn a_body_is_skipped() {
    let server = server("location / { return 200 $uri; }").start();
    let mut client = server.connect();
    for path in ["/a", "/b"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
        let response = client.request(head + "hello");
        assert_eq!((response.status, response.text().as_str()), (200, path));
    }
}

/// 444 closes the connection without a byte.
#[test]
fn a_444_is_no_answer() {
    let server = server("return 444;").start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(client.is_closed_within(Duration::from_secs(5)));
}

/// `$` also stands before a line break that ends the text.
#[test]
fn a_dollar_stands_before_a_last_line_break() {
    as_nginx(
        r#"
        location ~ \.php$ { return 200 "php"; }
        location / { rewrite ^/(a|b)$ /x.html; return 200 "other"; }
        "#,
        &[
            "/a.php",
            "/a.php%0A",
            "/a.php%0A%0A",
            "/a%0A",
            "/a%0Ab",
            "/%0A.php",
        ],
    );
}

/// A match that is given up decides nothing: neither what is refused by it nor what is let through.
#[test]
fn what_a_match_would_decide_is_not_known_once_it_is_given_up() {
    let path = format!("/{}c", "a".repeat(200));
    for rules in [
        r"location ~ ^/(a|aa)+$(?<!b) { deny all; } location / { return 200; }",
        r"location / { if ($uri !~ ^/(a|aa)+$(?<!b)) { return 200; } return 403; }",
        r"rewrite ^/(a|aa)+$(?<!b) /x.html; location / { return 200; }",
    ] {
        let server = server(rules).start();
        assert_eq!(server.get(&path).status, 500, "{rules}");
        server.wait_for_error_log("was given up after too many steps");
        assert_eq!(server.get("/b").status, 200, "{rules}");
    }
}
