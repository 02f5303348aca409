//! `error_page` in all its forms: the same as in nginx.

use harness::{Differential, Exchange, Server};

/// The time of every file of the harness.
const FRESH: &str = "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n";

fn gets(paths: &[&str]) -> Vec<Exchange> {
    paths.iter().map(|path| Exchange::get(path, "")).collect()
}

/// To a file, a URI with arguments, an address elsewhere, a named location; with `=` and codes.
const PAGES: &str = r#"
    error_page 404 /404.html;
    error_page 403 = /ok.html;
    error_page 410 =200 /ok.html;
    error_page 402 =418 /ok.html;
    error_page 405 406 =303 /see;
    error_page 407 http://elsewhere.test/$uri;
    error_page 408 =301 https://elsewhere.test/moved;
    error_page 409 =308 /relative;
    error_page 411 @named;
    error_page 412 = @named;
    error_page 413 =202 @named;
    error_page 415 /missing.html;
    error_page 416 /404.html?from=416;
    error_page 500 502 503 504 /5xx.html;
    error_page 429 /vars/$status/$uri;
    error_page 307 /ok.html;
    location = /307 { return 307 /x; }
    location = /text { return 404 "own text"; }
    location @named { return 200 "named $status $uri $args"; }
    location /vars/ { return 200 "vars $uri"; }
    location = /5xx.html { internal; }
    location /see { return 200 "see $request_method"; }
"#;

/// Statuses that have a page there, and are returned by a location named after them.
const STATUSES: [u16; 15] = [
    402, 403, 405, 406, 407, 408, 409, 410, 411, 412, 413, 415, 429, 500, 503,
];

#[test]
fn where_error_pages_lead() {
    let mut inside = PAGES.to_owned();
    for status in STATUSES {
        inside += &format!("location = /{status} {{ return {status}; }}\n");
    }
    let builder = Server::of_one(&inside)
        .with_file("html/404.html", "not here")
        .with_file("html/ok.html", "all is well")
        .with_file("html/5xx.html", "broken");
    let statuses = STATUSES.map(|status| Exchange::get(&format!("/{status}?q=1"), ""));
    let none = |line: &str| Exchange::new(format!("{line}\r\nHost: x\r\n\r\n"));
    Differential::new(builder)
        .with_exchanges(statuses)
        .with_exchanges(gets(&[
            "/none",
            "/none?x=y",
            "/404.html",
            "/5xx.html",
            "/307",
            "/text",
        ]))
        .with_exchanges([
            none("HEAD /none HTTP/1.1"),
            none("GET /none HTTP/1.0"),
            none("GET /\0 HTTP/1.1"),
            Exchange::new("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
            Exchange::new("POST /ok.html HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
            Exchange::get("/none", "Range: bytes=0-2\r\n"),
            Exchange::get("/none", FRESH),
            Exchange::get("/none", "If-None-Match: *\r\n"),
            Exchange::new("GET /x HTTP/1.1\r\n\r\n"),
        ])
        .run();
}

/// Errors of error pages, with and without `recursive_error_pages`.
#[test]
fn errors_of_error_pages() {
    let builder = Server::of_one(
        r#"
        location /once {
            error_page 404 /page-once;
            return 404;
        }
        location /page-once { error_page 403 /deep; return 403; }
        location /rec {
            recursive_error_pages on;
            error_page 404 /page-rec;
            return 404;
        }
        location /page-rec { recursive_error_pages on; error_page 403 = /deep; return 403; }
        location /deep { return 200 "deep $status"; }
        location /cycle { recursive_error_pages on; error_page 404 /cycle; return 404; }
        location /missing-page { error_page 404 /nowhere; return 404; }
        location /missing-named { error_page 404 @nowhere; return 404; }
        location /fallback { error_page 404 = @first; return 404; }
        location @first { recursive_error_pages on; error_page 503 = @second; return 503; }
        location @second { return 200 "second $uri"; }
        "#,
    );
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/once",
            "/rec",
            "/cycle",
            "/missing-page",
            "/missing-named",
            "/fallback",
        ]))
        .run();
}

/// A level with `error_page` of its own has nothing of the levels above.
#[test]
fn error_pages_are_inherited_whole() {
    let builder = Server::new(
        r#"
        error_page 404 /http.html;
        error_page 403 /http.html;
        server {
            listen 127.0.0.1:{port};
            location /http.html { return 200 http; }
            location /own.html { return 200 own; }
            location /a/ { return 404; }
            location /b/ { error_page 403 /own.html; return 404; }
            location /b/f { error_page 403 /own.html; return 403; }
            location /c/ { error_page 404 /own.html; location /c/d { return 404; } }
            location /e/ { error_page 404 /own.html; if ($arg_x) { return 404; } return 403; }
            location /g/ { error_page 404 /own.html; if ($arg_x) { error_page 403 /own.html; return 404; } }
        }
        "#,
    );
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/a/", "/b/", "/b/f", "/c/d", "/e/?x=1", "/e/", "/g/?x=1", "/none",
        ]))
        .run();
}

/// What pages and fields name the product, by `server_tokens`; the padding for old browsers.
#[test]
fn built_in_pages() {
    let builder = Server::of_one(
        r#"
        location /off { server_tokens off; return 404; }
        location /pad { msie_padding on; return 404; }
        location /nopad { msie_padding off; return 404; }
        location /pad302 { return 302 /x; }
        "#,
    );
    let old = "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)\r\n";
    let chrome = "User-Agent: Mozilla/5.0 Chrome/90\r\n";
    Differential::new(builder)
        .with_exchanges([
            Exchange::get("/off", ""),
            Exchange::get("/pad", old),
            Exchange::get("/pad", chrome),
            Exchange::get("/pad", "User-Agent: MSIE 6.0; Opera\r\n"),
            Exchange::get("/nopad", old),
            Exchange::get("/pad302", old),
            Exchange::get("/none", old),
        ])
        .run();
}

/// A page in the place of a redirect, for Internet Explorer alone.
#[test]
fn pages_that_refresh() {
    let builder = Server::of_one(
        r#"
        msie_refresh on;
        location /301 { return 301 "/x y'z~\"?$args"; }
        location /302 { return 302 http://h.test/x; }
        location /303 { return 303 /x; }
        location /off { msie_refresh off; return 302 /x; }
        location /rewrite { rewrite ^ /x redirect; }
        location /page { error_page 404 http://h.test/page; return 404; }
        "#,
    )
    .with_file("html/folder/a", "");
    let agents = [
        "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows)\r\n",
        "User-Agent: MSIE 6.0; Opera\r\n",
        "",
    ];
    let paths = [
        "/301?a=%20<b>",
        "/302",
        "/303",
        "/off",
        "/rewrite",
        "/page",
        "/folder",
    ];
    let exchanges = agents
        .iter()
        .flat_map(|agent| paths.map(|path| Exchange::get(path, agent)));
    Differential::new(builder).with_exchanges(exchanges).run();
}

/// What is to be no content is content, with the status of the error whose page it is.
#[test]
fn pages_that_would_have_no_content() {
    let inside = r#"
        location /bare { error_page 404 /204; return 404; }
        location /text { error_page 404 /204/text; return 404; }
        location /named { error_page 404 @204; return 404; }
        location /own { error_page 404 = /204/text; return 404; }
        location /given { error_page 404 =204 /204/text; return 404; }
        location /both { error_page 404 =204 /200; return 404; }
        location /unmodified { error_page 404 /304; return 404; }
        location = /204 { return 204; }
        location = /204/text { return 204 text; }
        location = /200 { return 200 text; }
        location = /304 { return 304; }
        location @204 { return 204 "named $uri"; }
    "#;
    Differential::new(Server::of_one(inside))
        .with_exchanges(gets(&[
            "/bare",
            "/text",
            "/named",
            "/own",
            "/given",
            "/both",
            "/unmodified",
            "/204/text",
        ]))
        .run();
}
