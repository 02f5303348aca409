//! `add_header`, `expires`, `charset`-free types and what is inherited: the same as in nginx.

use harness::{Differential, Exchange, Server};

/// The time of every file of the harness.
const FRESH: &str = "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n";

fn gets(paths: &[&str]) -> Vec<Exchange> {
    paths.iter().map(|path| Exchange::get(path, "")).collect()
}

/// Fields by the level that adds them and by the status they are added to.
#[test]
fn added_fields() {
    let codes = [
        200, 201, 202, 204, 206, 301, 302, 303, 307, 308, 400, 404, 500,
    ];
    let mut inside = String::from(
        r#"
        add_header X-Server server;
        add_header X-Always always always;
        location / { }
        location /status/ { alias html/; add_header X-Status $status always; }
        location /own/ { add_header X-Own "own $uri"; }
        location /own/deeper/ { }
        location /nest/ {
            add_header X-Nest 1;
            location /nest/in/ { }
            location /nest/own/ { add_header X-In 1; }
        }
        "#,
    );
    for code in codes {
        let text = if code < 204 { "x" } else { "" };
        inside += &format!("location = /{code} {{ return {code} {text}; }}\n");
    }
    let mut paths: Vec<String> = codes.iter().map(|code| format!("/{code}")).collect();
    paths.extend(
        [
            "/a.txt",
            "/none",
            "/status/a.txt",
            "/status/none",
            "/own/a.txt",
            "/own/none",
            "/own/deeper/x",
            "/nest/in/a.txt",
            "/nest/own/a.txt",
        ]
        .map(str::to_owned),
    );
    let builder = Server::of_one(&inside)
        .with_file("html/a.txt", "abc")
        .with_file("html/own/a.txt", "own")
        .with_file("html/nest/in/a.txt", "in")
        .with_file("html/nest/own/a.txt", "own");
    Differential::new(builder)
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, "")))
        .with_exchanges([
            Exchange::get("/a.txt", "Range: bytes=0-1\r\n"),
            Exchange::get("/a.txt", FRESH),
            Exchange::new("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"),
        ])
        .run();
}

/// Fields that the server makes itself, empty ones, repeated ones, trailers.
#[test]
fn fields_that_mean_something() {
    let builder = Server::of_one(
        r#"
        location /empty { add_header X-Empty ""; add_header X-Var $arg_v; return 200 x; }
        location /twice { add_header X-Two 1; add_header X-Two 2; return 200 x; }
        location /known {
            add_header Last-Modified "Tue, 02 Jan 2024 00:00:00 GMT";
            add_header ETag '"mine"';
            add_header Cache-Control no-cache;
            add_header Content-Language de;
            add_header Content-Type text/x-more;
            alias html/a.txt;
        }
        location /clear { add_header Last-Modified ""; add_header ETag ""; alias html/a.txt; }
        location /time302 { add_header Last-Modified "Tue, 02 Jan 2024 00:00:00 GMT"; return 302 /x; }
        location /said204 { add_header Last-Modified then; return 204; }
        location /said404 { add_header Last-Modified then always; return 404; }
        location /said/ { alias html/; add_header Last-Modified then always; }
        location /cc {
            add_header Cache-Control public;
            add_header Cache-Control "max-age=3";
            return 200 x;
        }
        location /link { add_header Link "</a>; rel=x"; add_header Link "</b>"; return 200 x; }
        location /if { if ($arg_x) { add_header X-If yes; } alias html/; }
        location /trailer { add_trailer X-Sum $uri; add_header X-Head 1; return 200 x; }
        "#,
    )
    .with_file("html/a.txt", "abc");
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/empty",
            "/empty?v=1",
            "/twice",
            "/known",
            "/clear",
            "/time302",
            "/said204",
            "/said404",
            "/said/a.txt",
            "/said/none",
            "/cc",
            "/link",
            "/if/a.txt",
            "/if/a.txt?x=1",
            "/trailer",
        ]))
        .with_exchanges([
            Exchange::get("/known", FRESH),
            Exchange::get("/said/a.txt", "Range: bytes=9-\r\n"),
            Exchange::new("GET /trailer HTTP/1.0\r\n\r\n"),
        ])
        .run();
}

/// `Expires` itself names the moment, so it is left out where it depends on it.
#[test]
fn expires_by_the_moment() {
    let builder = Server::of_one(
        r#"
        expires 1h;
        location / { }
        location /off/ { alias html/; expires off; }
        location /neg/ { alias html/; expires -1; }
        location /minus/ { alias html/; expires -5m; }
        location /zero/ { alias html/; expires 0; }
        location /days/ { alias html/; expires 30d; }
        location /mixed/ { alias html/; expires 1d2h; }
        location /var/ { alias html/; expires $arg_e; }
        location /and/ { alias html/; expires 10s; add_header Cache-Control public; }
        location /404 { expires 1h; return 404; }
        location /302 { expires 1h; return 302 /x; }
        location /204 { expires 1h; return 204; }
        "#,
    )
    .with_file("html/a.txt", "abc");
    Differential::new(builder)
        .ignoring_header("Expires")
        .with_exchanges(gets(&[
            "/a.txt",
            "/off/a.txt",
            "/neg/a.txt",
            "/minus/a.txt",
            "/zero/a.txt",
            "/days/a.txt",
            "/mixed/a.txt",
            "/var/a.txt?e=1h",
            "/var/a.txt?e=off",
            "/var/a.txt?e=epoch",
            "/var/a.txt?e=max",
            "/var/a.txt?e=nonsense",
            "/var/a.txt",
            "/and/a.txt",
            "/404",
            "/302",
            "/204",
            "/none",
        ]))
        .run();
}

#[test]
fn expires_at_a_fixed_time() {
    let builder = Server::of_one(
        r#"
        location /epoch/ { alias html/; expires epoch; }
        location /max/ { alias html/; expires max; }
        location /mod/ { alias html/; expires modified 1d; }
        location /mod-neg/ { alias html/; expires modified -1d; }
        location /mod-return { expires modified 1d; return 200 x; }
        location /in-if/ { alias html/; if ($arg_x) { expires max; } }
        "#,
    )
    .with_file("html/a.txt", "abc");
    Differential::new(builder)
        .ignoring_header("Cache-Control")
        .with_exchanges(gets(&[
            "/epoch/a.txt",
            "/max/a.txt",
            "/mod/a.txt",
            "/mod-neg/a.txt",
            "/in-if/a.txt?x=1",
            "/in-if/a.txt",
        ]))
        .run();
}

#[test]
fn keep_alive_fields() {
    let builder = Server::of_one(
        r#"
        location /timeout { keepalive_timeout 10 20; return 200 x; }
        location /zero { keepalive_timeout 0; return 200 x; }
        location /two { keepalive_requests 2; return 200 x; }
        location /msie { keepalive_disable msie6; return 200 x; }
        location /none { keepalive_disable none; return 200 x; }
        location /chunked-off { chunked_transfer_encoding off; add_trailer X 1; return 200 x; }
        "#,
    );
    let msie = "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)\r\n";
    Differential::new(builder)
        .with_exchanges([
            Exchange::get("/timeout", ""),
            Exchange::get("/zero", ""),
            Exchange::pipelined("GET /two HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3), 3),
            Exchange::get("/msie", msie),
            Exchange::get("/none", msie),
            Exchange::new(format!(
                "POST /msie HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{msie}\r\n"
            )),
            Exchange::get("/chunked-off", ""),
            Exchange::new("GET /timeout HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        ])
        .run();
}
