//! `try_files`, `index`, `autoindex` and `random_index` together: the same as in nginx.

use harness::{Builder, Differential, Exchange, Server};

#[track_caller]
fn check(builder: Builder, paths: &[&str]) {
    Differential::new(builder)
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, "")))
        .run();
}

#[test]
fn try_files_and_what_it_falls_back_to() {
    let builder = Server::of_one(
        r#"
        location / { try_files $uri $uri/ /front.html; }
        location /code { try_files $uri =404; }
        location /code-503 { try_files $uri =503; }
        location /args { try_files $uri /show?from=$uri&$args; }
        location /show { return 200 "show $uri $args"; }
        location /dir-only { try_files $uri/ =404; }
        location /alias/ { alias html/real/; try_files $uri $uri/ /show; }
        location ~ ^/re/(.*)$ { try_files /real/$1 =410; }
        location /var { try_files /$arg_f /real/$arg_f @named; }
        location @named { return 200 "named $uri"; }
        location /last-uri { try_files /x1 /x2 /real/a.txt; }
        location /nested/ {
            try_files /none =405;
            location /nested/in { try_files /real/a.txt =404; }
        }
        location /if { if ($arg_x) { set $y 1; } try_files /real/a.txt =404; }
        location /index-dir { try_files /real/ =404; }
        "#,
    )
    .with_file("html/front.html", "front")
    .with_file("html/real/a.txt", "a")
    .with_file("html/real/index.html", "real index")
    .with_file("html/bare/x.txt", "x")
    .with_file("html/dir-only/index.html", "dir only");
    check(
        builder,
        &[
            "/",
            "/x/y?z",
            "/front.html",
            "/real",
            "/real/",
            "/real/a.txt",
            "/bare",
            "/bare/",
            "/code/none",
            "/code-503/none",
            "/args/q?a=b",
            "/dir-only",
            "/dir-only/",
            "/dir-only/none",
            "/alias/a.txt",
            "/alias/",
            "/alias/none?b",
            "/re/a.txt",
            "/re/none",
            "/var?f=front.html",
            "/var?f=a.txt",
            "/var?f=none",
            "/var",
            "/last-uri",
            "/nested/x",
            "/nested/in",
            "/if",
            "/if?x=1",
            "/index-dir",
            "/real/a.txt/",
            "/real%20x",
        ],
    );
}

#[test]
fn index_files() {
    let builder = Server::of_one(
        r#"
        index none.html index.$arg_kind.html index.html /real/a.txt;
        location /only/ { index a.txt; }
        location /abs/ { index none /show; }
        location /show { return 200 "show $uri"; }
        location ~ \.html$ { add_header X-Location html; }
        location /alias/ { alias html/real/; index a.txt; }
        "#,
    )
    .with_file("html/index.html", "top")
    .with_file("html/index.de.html", "oben")
    .with_file("html/only/a.txt", "only")
    .with_file("html/only/index.html", "not this")
    .with_file("html/abs/x", "")
    .with_file("html/real/a.txt", "a")
    .with_file("html/empty/x", "x")
    .with_file("html/folder-index/index.html/x", "index is a folder");
    check(
        builder,
        &[
            "/",
            "/?kind=de",
            "/only/",
            "/abs/",
            "/alias/",
            "/empty/",
            "/folder-index/",
            "/none/",
            "/index.html/",
        ],
    );
    let methods = ["HEAD", "POST", "PUT", "DELETE"].map(|method| {
        Exchange::new(format!(
            "{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        ))
    });
    let builder = Server::of_one("").with_file("html/index.html", "top");
    Differential::new(builder).with_exchanges(methods).run();
}

#[test]
fn listings() {
    let builder = Server::of_one(
        r#"
        autoindex on;
        location /exact/ { alias html/list/; autoindex_exact_size off; }
        location /local/ { alias html/list/; autoindex_localtime on; }
        location /json/ { alias html/list/; autoindex_format json; }
        location /xml/ { alias html/list/; autoindex_format xml; }
        location /jsonp/ { alias html/list/; autoindex_format jsonp; }
        location /off/ { alias html/list/; autoindex off; }
        "#,
    )
    .with_env("TZ", "UTC")
    .with_file("html/list/a.txt", "a")
    .with_file("html/list/B.txt", "bb")
    .with_file("html/list/empty", "")
    .with_file("html/list/.hidden", "h")
    .with_file("html/list/sp ace&amp;.txt", "s")
    .with_file("html/list/quote\"'<>.txt", "q")
    .with_file("html/list/percent%20?x#y.txt", "p")
    .with_file("html/list/ümlaut.txt", "u")
    .with_file("html/list/a:colon", "c")
    .with_file(&format!("html/list/{}", "long".repeat(20)), "l")
    .with_file("html/list/back\\slash", "b")
    .with_file("html/list/big", "x".repeat(3 << 20))
    .with_file("html/list/kilo", "x".repeat(1500));
    // Folders have no time that a test could set.
    check(
        builder,
        &[
            "/list/",
            "/list",
            "/list/none/",
            "/exact/",
            "/local/",
            "/json/",
            "/xml/",
            "/jsonp/?callback=a.b",
            "/jsonp/?callback=",
            "/jsonp/",
            "/off/",
            "/list/?x",
        ],
    );
}

#[test]
fn listings_of_other_methods() {
    let builder = Server::of_one("autoindex on;").with_file("html/list/a.txt", "a");
    let ask = |line: &str| Exchange::new(format!("{line}\r\nHost: x\r\n\r\n"));
    Differential::new(builder)
        .with_exchanges([
            ask("HEAD /list/ HTTP/1.1"),
            ask("POST /list/ HTTP/1.1"),
            ask("GET /list/ HTTP/1.0"),
            Exchange::get("/list/", "Range: bytes=0-5\r\n"),
            Exchange::get(
                "/list/",
                "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
            ),
        ])
        .run();
}
