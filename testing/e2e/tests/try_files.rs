//! `try_files`.

use harness::{Differential, Exchange, Server};

/// Files, folders and fallbacks, below a root and below aliases.
#[test]
fn files_are_tried_as_nginx_tries_them() {
    let server = Server::of_one(
        r#"
        location / { try_files $uri /fallback; }
        location /fallback { return 200 "fallback for $request_uri: $uri $args"; }
        location /first/ { try_files /none.html /x.html $uri =404; }
        location /short/ { try_files /short $uri =404; }
        location /file-as-folder { try_files /x.html/ =404; }
        location /folder-as-file { try_files /folder =404; }
        location /folder { try_files $uri/ =404; }
        location /args { try_files $uri /fallback/new?a=$uri; }
        location /named { try_files $uri @name; }
        location @name { return 200 "named $uri $args"; }
        location /unknown { try_files $uri @unknown; }
        location /204 { try_files $uri =204; }
        location /301 { try_files $uri =301; }
        location /444 { try_files $uri =444; }
        location /0 { try_files $uri =0; }
        location /alias/ { alias html/; try_files $uri $uri.html =404; }
        location /alias-constant/ { alias html/; try_files /x.html x.html =404; }
        location /alias-fallback/ {
            alias html/none/;
            try_files $uri /alias-fallback//fallback?$args;
        }
        location ~ ^/pattern/(\w+) { alias html/folder; try_files /$1.html =404; }
        location ~ ^/pattern-folder/ { alias html/; try_files folder/ =404; }
        location /nested/ { alias html/; location ~ html { try_files $uri =404; } }
        location /if { try_files /x.html =404; if ($arg_a) { set $a 1; } }
        "#,
    )
    .with_file("html/x.html", "x")
    .with_file("html/folder/a.html", "a");
    let paths = [
        "/x.html",
        "/none?a",
        "/first/",
        "/short/long",
        "/file-as-folder",
        "/folder-as-file",
        "/folder",
        "/args?b",
        "/named?b",
        "/unknown",
        "/204",
        "/301",
        "/444",
        "/0",
        "/alias/x.html",
        "/alias/x",
        "/alias/none",
        "/alias-constant/any",
        "/alias-fallback/any?b",
        "/pattern/a",
        "/pattern/none",
        "/pattern-folder/",
        "/nested/x.html",
        "/nested/none.html",
        "/if",
        "/if?a=1",
    ];
    Differential::new(server)
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .run();
}

/// A server's own `try_files` is for URIs that no location takes, and is not inherited.
#[test]
fn a_servers_files_are_not_its_locations() {
    let server = Server::of_one("try_files /x.html =404; location /own { root html; }")
        .with_file("html/x.html", "x")
        .start();
    assert_eq!(server.get("/any").text(), "x");
    assert_eq!(server.get("/own").status, 404);
}
