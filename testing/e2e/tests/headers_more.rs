//! `more_set_headers`, `more_clear_headers` and their input halves, beside nginx's module.

use harness::{Builder, Differential, Exchange, Server};

fn server(inside: &str) -> Builder {
    Server::of_one(inside)
        .with_nginx_module("ngx_http_headers_more_filter_module")
        .with_file("html/a.txt", "0123456789")
        .with_file("html/a.html", "<p>")
}

fn gets(paths: &[&str]) -> Vec<Exchange> {
    paths.iter().map(|path| Exchange::get(path, "")).collect()
}

#[test]
fn fields_of_responses() {
    let inside = r#"
        charset utf-8;
        more_set_headers "X-Outer: outer" "X-Both: outer";
        add_header X-Added added always;
        location /set/ {
            alias html/;
            more_set_headers 'X-Foo: Bar' 'X-Both: inner' 'X-Uri: $uri$sent_http_x_foo' "X-Empty:" 'Cache-Control: private';
            more_set_headers -s '404 500' 'X-Failed: $status';
            more_set_headers -t 'text/plain text/css' 'X-Text: yes';
            more_set_headers -s 200 -t 'text/html' 'X-Html: yes';
        }
        location /type { return 200 text; more_set_headers 'Content-Type: text/x-a; charset=koi8-r'; }
        location /notype { return 200 text; more_clear_headers Content-Type; }
        location /server { return 200 text; more_set_headers 'Server: mine'; }
        location /tag/ { alias html/; more_set_headers 'ETag: "x"' 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT'; }
        location /none/ { alias html/; more_clear_headers Server Date ETag Last-Modified Accept-Ranges X-Outer; }
        location /said/ { alias html/; add_header Last-Modified then; more_clear_headers 'Last-*'; }
        location /chunks/ { alias html/; more_clear_headers Content-Length; }
        location /moved { return 301 /x; more_set_headers 'Location: /elsewhere'; }
        location /stays { return 301 /x; more_clear_headers Location; }
        location /if/ {
            alias html/;
            more_set_headers 'X-If: no';
            if ($arg_a) { more_set_headers 'X-If: $arg_a' 'X-In: if'; }
        }
        location /many/ {
            alias html/;
            more_set_headers 'X-Hidden-A: a' 'X-Hidden-B: b' 'X-Hidde: c';
            more_clear_headers 'X-Hidden-*';
        }
        location /secret { auth_basic a; auth_basic_user_file none; more_clear_headers WWW-Authenticate; }
        error_page 404 /404.html;
    "#;
    let paths = [
        "/set/a.txt",
        "/set/a.html",
        "/set/none",
        "/type",
        "/notype",
        "/server",
        "/tag/a.txt",
        "/none/a.txt",
        "/said/a.txt",
        "/chunks/a.txt",
        "/moved",
        "/stays",
        "/if/a.txt",
        "/if/a.txt?a=1",
        "/many/a.txt",
        "/secret",
        "/other",
    ];
    let conditional = [
        Exchange::get("/none/a.txt", "Range: bytes=1-2\r\n"),
        Exchange::get("/tag/a.txt", "If-None-Match: \"x\"\r\n"),
        Exchange::new("HEAD /set/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"),
        Exchange::new("GET /set/a.txt HTTP/1.0\r\n\r\n"),
    ];
    Differential::new(server(inside))
        .with_exchanges(gets(&paths))
        .with_exchanges(conditional)
        .run();
}

/// What the server's own fields are called is another matter than whether they are there.
#[test]
fn the_servers_name() {
    let inside = "location /set { return 200; more_set_headers 'Server: mine'; }
        location /clear { return 200; more_clear_headers Server Date; }";
    let server = Server::of_one(inside).start();
    assert_eq!(server.get("/set").header("server"), Some("mine"));
    let cleared = server.get("/clear");
    assert_eq!(
        (cleared.header("server"), cleared.header("date")),
        (None, None)
    );
}

#[test]
fn fields_of_requests() {
    let inside = r#"
        location / {
            set $word new;
            more_set_input_headers 'X-New: $word' 'X-Old: $word' 'User-Agent: agent';
            more_set_input_headers -r 'X-Not: there' 'X-Many: one';
            more_set_input_headers -t 'text/plain' 'X-Text: yes';
            more_clear_input_headers Referer 'X-Hidden-*' -t 'text/css' Cookie;
            return 200 "never";
        }
        location /all {
            more_set_input_headers 'X-New: new$arg_a' 'X-Old: new' 'User-Agent: agent' 'Host: Other.example:81';
            more_set_input_headers -r 'X-Not: there' 'X-Many: one';
            more_set_input_headers -t 'text/plain' 'X-Text: yes';
            more_clear_input_headers Referer 'X-Hidden-*';
            more_clear_input_headers -t 'text/plain' Cookie;
            add_header X-Saw "$http_x_new|$http_x_old|$http_user_agent|$http_x_not|$http_x_many|$http_x_text|$http_referer|$http_x_hidden_a|$cookie_a|$http_host" always;
            alias html/a.txt;
        }
        location /range { more_clear_input_headers Range If-None-Match; alias html/a.txt; }
        location /proxy { more_set_input_headers 'X-Sent: $uri' 'Content-Type: text/x'; more_clear_input_headers X-Gone; proxy_pass http://127.0.0.1:{port}/back; }
        location /back { add_header X-Got "$http_x_sent|$http_x_gone|$content_type|$content_length" always; return 204; }
    "#;
    let fields = "X-Old: old\r\nUser-Agent: a\r\nX-Many: 1\r\nX-Many: 2\r\nReferer: http://a/\r\n\
         X-Hidden-A: a\r\nx-hidden-b: b\r\nCookie: a=b\r\n";
    let text = format!("{fields}Content-Type: text/plain\r\n");
    let exchanges = [
        Exchange::get("/all", ""),
        Exchange::get("/all?a=b", fields),
        Exchange::get("/all", &text),
        Exchange::get("/", fields),
        Exchange::get("/range", "Range: bytes=1-2\r\nIf-None-Match: *\r\n"),
        Exchange::get("/proxy", "X-Gone: x\r\n"),
        Exchange::new(
            "POST /proxy HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Gone: x\r\n\r\nabc",
        ),
        Exchange::pipelined(
            "GET /all HTTP/1.1\r\nHost: a\r\nX-Old: 1\r\n\r\nGET /back HTTP/1.1\r\nHost: a\r\n\r\n",
            2,
        ),
    ];
    Differential::new(server(inside))
        .with_exchanges(exchanges)
        .run();
}

/// What would split a request or a response in two is not sent, whatever a variable holds.
#[test]
fn no_line_break_is_sent() {
    let inside = "location ~ ^/out/(.*) { more_set_headers 'X-Path: $1'; return 200; }
        location ~ ^/in/(.*) { more_set_input_headers 'X-Path: $1'; proxy_pass http://127.0.0.1:{port}; }";
    let server = Server::of_one(inside).start();
    for path in ["/out/a%0d%0aX-Evil:%20b", "/in/a%0d%0aX-Evil:%20b"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.header("x-evil"), None);
    }
    assert_eq!(server.get("/out/a").header("x-path"), Some("a"));
}
