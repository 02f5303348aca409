//! Which server and which location answers: the same as in nginx.

use harness::{Differential, Exchange, Server};

/// Asks each of `paths` on a connection of its own.
fn gets(paths: &[&str]) -> Vec<Exchange> {
    paths.iter().map(|path| Exchange::get(path, "")).collect()
}

/// Asks `/` of each of `hosts`; the text stands behind `Host: `.
fn hosts(hosts: &[&str]) -> Vec<Exchange> {
    hosts
        .iter()
        .map(|host| Exchange::new(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")))
        .collect()
}

/// Exact, prefix, `^~` and regular expressions, and the order among them.
#[test]
fn locations_are_chosen_as_nginx_chooses_them() {
    let builder = Server::of_one(
        r#"
        location / { return 200 root; }
        location = / { return 200 exact-root; }
        location /images { return 200 images; }
        location ^~ /images/raw/ { return 200 raw; }
        location ~* \.(gif|jpg)$ { return 200 "picture $1"; }
        location ~ \.GIF$ { return 200 never; }
        location = /images/a.gif { return 200 exact-gif; }
        location ~ ^/u/(?<name>\w+)/(\d+) { return 200 "$name-$2-$1"; }
        location "/with space" { return 200 space; }
        location /caf%C3%A9 { return 200 raw-cafe; }
        location /café { return 200 cafe; }
        location /Case { return 200 upper; }
        location /case { return 200 lower; }
        location /trailing/ { return 200 slash; }
        location ~ ^/(a|b)(c)?$ { return 200 "<$1|$2>"; }
        location = /a { return 200 exact-a; }
        location ~ "^/q/[0-9]{3}$" { return 200 three; }
        "#,
    );
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/",
            "/?x",
            "/other",
            "/images",
            "/images/",
            "/imagesque",
            "/images/a.gif",
            "/images/b.GIF",
            "/images/raw/b.gif",
            "/images/raw",
            "/x.jpg?y=.gif",
            "/u/Jo_3/42/more",
            "/u/Jo-3/42",
            "/with%20space",
            "/with%20space/x",
            "/caf%C3%A9",
            "/caf%c3%a9/x",
            "/caf%25C3%25A9",
            "/Case",
            "/case",
            "/CASE",
            "/trailing",
            "/trailing/",
            "/a",
            "/b",
            "/bc",
            "/q/123",
            "/q/1234",
            "//images",
            "/./images/../u/x/1",
            "/%2e%2e/images",
            "/images%2fraw%2fb.gif",
            "/images/raw/..",
        ]))
        .run();
}

/// Nested locations are searched inside the outer one that matched.
#[test]
fn nested_locations() {
    let builder = Server::of_one(
        r#"
        location /a/ {
            return 200 outer;
            location /a/b/ {
                return 200 inner;
                location ~ \.x$ { return 200 "inner $uri"; }
                location = /a/b/exact { return 200 exact; }
            }
            location ~ \.x$ { return 200 "outer $uri"; }
        }
        location ~ ^/r(.*) {
            location ~ /r/(z+) { return 200 "r $1"; }
            return 200 "r-all $1";
        }
        location ~ \.x$ { return 200 "server $uri"; }
        location ^~ /s/ {
            location ~ \.y$ { return 200 sy; }
            return 200 s;
        }
        "#,
    );
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/a/",
            "/a/n.x",
            "/a/b/",
            "/a/b/n.x",
            "/a/b/exact",
            "/a/b/exact.x",
            "/n.x",
            "/r/zz",
            "/r/y",
            "/rest.x",
            "/s/n.x",
            "/s/n.y",
        ]))
        .run();
}

/// Exact names, wildcards at either end, expressions, the empty name, the default.
#[test]
fn server_names() {
    let names = [
        "one.test www.one.test",
        "*.test",
        ".dotted.test",
        "mail.*",
        "*.long.test",
        r"~^(?<user>\w+)\.users\.example$",
        r"~^[0-9]+\.example$",
        "_",
        "\"\"",
        "127.0.0.1",
    ];
    let mut http = String::from(
        "server_names_hash_bucket_size 128;\nserver { listen 127.0.0.1:{port} default_server;\n\
         server_name default.test; return 200 \"default $host $server_name\"; }\n",
    );
    for name in names {
        http += &format!(
            "server {{ listen 127.0.0.1:{{port}}; server_name {name};\n\
             return 200 '{} $host $server_name {}'; }}\n",
            name.replace(['"', '~', '^', '$', '\\', '?', '<', '>', '(', ')'], ""),
            if name.contains("user") { "$user" } else { "" },
        );
    }
    Differential::new(Server::new(&http))
        .with_exchanges(hosts(&[
            "one.test",
            "ONE.test",
            "www.one.test",
            "www.one.test:81",
            "www.one.test.",
            "x.test",
            "a.b.test",
            "test",
            "dotted.test",
            "x.dotted.test",
            "a.x.dotted.test",
            "mail.anything",
            "mail.any.thing",
            "mail.test",
            "mail.",
            "mail",
            "x.long.test",
            "long.test",
            "joe.users.example",
            "Joe.Users.Example",
            "12.example",
            "x12.example",
            "_",
            "127.0.0.1",
            "[::1]:80",
            "",
            "unknown",
            "default.test",
        ]))
        .with_exchanges([
            Exchange::new("GET /x HTTP/1.0\r\n\r\n"),
            Exchange::new("GET http://www.one.test:99/x HTTP/1.1\r\nHost: x.long.test\r\n\r\n"),
            Exchange::new("GET http://WWW.one.test HTTP/1.1\r\nHost: x.long.test\r\n\r\n"),
            Exchange::new("GET http://www.one.test?a=b HTTP/1.1\r\nHost: x.long.test\r\n\r\n"),
        ])
        .run();
}

/// Without `default_server`, the first server of an address is it; addresses are apart.
#[test]
fn addresses_have_servers_of_their_own() {
    let http = r#"
        server { listen 127.0.0.1:{port}; server_name a; return 200 "first $server_name"; }
        server { listen 127.0.0.1:{port}; listen 127.0.0.2:{port}; server_name b; return 200 "b $server_addr"; }
        server { listen *:{port}; server_name c; return 200 "star $server_addr $server_name"; }
        server { listen *:{port}; server_name a; return 200 "star $server_addr $server_name"; }
    "#;
    Differential::new(Server::new(http))
        .with_exchanges(hosts(&["a", "b", "c", "d"]))
        .run();
}

/// Named locations are reached from `error_page` and `try_files` alone.
#[test]
fn named_locations() {
    let builder = Server::of_one(
        r#"
        location / { try_files /none @fallback; }
        location @fallback { return 200 "fallback $uri $request_uri"; }
        location /e { error_page 404 = @error; return 404; }
        location @error { return 202 "error $status $uri"; }
        location /e/keep { error_page 404 @error; return 404; }
        location /lost { try_files /none @missing; }
        location /files { try_files /none @files; }
        location @files { root html; }
        location /loop { error_page 500 = @loop; return 500; }
        location @loop { error_page 500 = @loop; return 500; }
        "#,
    )
    .with_file("html/files/a.txt", "text");
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/",
            "/x?y=z",
            "/e",
            "/e/keep",
            "/@fallback",
            "@fallback",
            "/lost",
            "/files/a.txt",
            "/files/b.txt",
            "/loop",
        ]))
        .run();
}

/// Internal locations answer 404 to clients, and `alias` replaces what matched.
#[test]
fn internal_and_alias() {
    let builder = Server::of_one(
        r#"
        location /secret/ { internal; return 200 secret; }
        location /hidden { internal; location /hidden/in { return 200 hidden; } }
        location /into { try_files /none /secret/x; }
        location = /page { internal; return 200 page; }
        error_page 404 /page;
        location /al/ { alias html/real/; }
        location /al-no-slash { alias html/real; }
        location ~ ^/re/(.+)\.(\w+)$ { alias html/real/$1.$2; }
        location = /exact { alias html/real/a.txt; }
        location /rooted/ { root html/real; }
        location /var/ { alias html/$arg_folder/; }
        "#,
    )
    .with_file("html/real/a.txt", "a")
    .with_file("html/real/index.html", "index")
    .with_file("html/real/rooted/r.txt", "r");
    Differential::new(builder)
        .with_exchanges(gets(&[
            "/secret/x",
            "/hidden/in",
            "/into",
            "/page",
            "/none",
            "/al/a.txt",
            "/al/",
            "/al",
            "/al/../al/a.txt",
            "/al-no-slash/a.txt",
            "/al-no-slash",
            "/re/a.txt",
            "/re/none.txt",
            "/exact",
            "/exact/",
            "/rooted/r.txt",
            "/var/a.txt?folder=real",
            "/var/?folder=real",
        ]))
        .run();
}

/// What a location's expression captured is there in what the location does.
#[test]
fn captures_of_locations_and_names() {
    let builder = Server::new(
        r#"
        server {
            listen 127.0.0.1:{port};
            server_name ~^(?<sub>[a-z]+)\.(?<dom>.+)$;
            location / { return 200 "$sub $dom [$1]"; }
            location ~ ^/(?<first>[^/]+)/(?<rest>.*)$ {
                add_header X-First $first always;
                add_header X-Rest $rest;
                return 200 "$sub:$first:$rest:$2";
            }
            location ~* ^/ci/([a-z]+)$ { return 200 $1; }
            location ~ ^/if(\d)(\d) {
                if ($arg_v ~ ^(.)(.)) { return 200 "$1$2"; }
                return 200 "$2$1";
            }
        }
        "#,
    );
    let ask = |path: &str| {
        Exchange::new(format!(
            "GET {path} HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
        ))
    };
    Differential::new(builder)
        .with_exchanges([
            ask("/"),
            ask("/one/two/three"),
            ask("/one/"),
            ask("/a%20b/c%2Fd"),
            ask("/CI/xyz"),
            ask("/if12"),
            ask("/if12?v=xy"),
        ])
        .run();
}

/// Of directives that make a location's content their own, the last one does; an `if` block has its
/// location's, unless it has one itself. Nested locations have neither.
#[test]
fn the_last_content_of_a_block_is_taken() {
    let up = "http://127.0.0.1:{port_up}";
    let builder = Server::new(&format!(
        r#"
        server {{
            listen 127.0.0.1:{{port_up}};
            return 200 "proxied $request_uri";
        }}
        server {{
            listen 127.0.0.1:{{port}};
            location = /proxy {{ empty_gif; stub_status; proxy_pass {up}; }}
            location = /gif {{ proxy_pass {up}; stub_status; empty_gif; }}
            location = /others {{ index b; dav_methods PUT; autoindex on; random_index on; empty_gif; }}
            location = /return {{ return 200 text; proxy_pass {up}; }}
            location = /if/own {{ if ($arg_x) {{ proxy_pass {up}; }} empty_gif; }}
            location = /if/own/last {{ empty_gif; if ($arg_x) {{ proxy_pass {up}; }} }}
            location = /if/gif {{ proxy_pass {up}; empty_gif; if ($arg_x) {{ add_header X-If a; }} }}
            location = /if/proxy {{ empty_gif; proxy_pass {up}; if ($arg_x) {{ add_header X-If a; }} }}
            location /outer/ {{
                proxy_pass {up};
                empty_gif;
                location /outer/none/ {{ }}
                location /outer/proxy/ {{ proxy_pass {up}; }}
            }}
            location /limited/gif {{ proxy_pass {up}; empty_gif; limit_except POST {{ allow all; }} }}
            location /limited/proxy {{ empty_gif; proxy_pass {up}; limit_except POST {{ allow all; }} }}
        }}
        "#
    ));
    let paths = [
        "/proxy",
        "/gif",
        "/others",
        "/return",
        "/if/own",
        "/if/own?x=1",
        "/if/own/last",
        "/if/own/last?x=1",
        "/if/gif",
        "/if/gif?x=1",
        "/if/proxy",
        "/if/proxy?x=1",
        "/outer/",
        "/outer/none/a",
        "/outer/proxy/a",
        "/limited/gif",
        "/limited/proxy",
    ];
    let post = |path: &str| {
        let text = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        Exchange::new(text)
    };
    Differential::new(builder.with_file("html/outer/none/a", "file"))
        .with_exchanges(gets(&paths))
        .with_exchanges(["/limited/gif", "/limited/proxy", "/others"].map(post))
        .run();
}
