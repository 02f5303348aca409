//! `allow`, `deny`, `auth_basic`, `satisfy` and `limit_except` together: the same as in nginx.

use harness::{Builder, Differential, Exchange, Server};

/// Name and password `user:pass`, as RFC 7617 writes them.
const GOOD: &str = "Authorization: Basic dXNlcjpwYXNz\r\n";

/// `user:wrong`
const WRONG: &str = "Authorization: Basic dXNlcjp3cm9uZw==\r\n";

fn gets(paths: &[&str], fields: &str) -> Vec<Exchange> {
    paths
        .iter()
        .map(|path| Exchange::get(path, fields))
        .collect()
}

fn protected(inside: &str) -> Builder {
    Server::of_one(inside)
        .with_file(
            "users",
            "# people\nuser:{PLAIN}pass\nempty:{PLAIN}\n\nlate:{PLAIN}x:y:z\n",
        )
        .with_file("html/a.txt", "a")
}

/// Rules in their order, by level; the way in counts, not the URI.
#[test]
fn addresses() {
    let builder = protected(
        r#"
        location /all/ { deny all; return 200 unreached; }
        location /deny-me { deny 127.0.0.1; allow all; alias html/a.txt; }
        location /allow-me { allow 127.0.0.0/8; deny all; alias html/a.txt; }
        location /not-me { allow 10.0.0.0/8; deny all; alias html/a.txt; }
        location /nobody { allow 10.0.0.0/8; alias html/a.txt; }
        location /six { allow ::1; deny all; alias html/a.txt; }
        location /unix { allow unix:; deny all; alias html/a.txt; }
        location /first { allow 127.0.0.1; deny 127.0.0.1; alias html/a.txt; }
        location /out/ {
            deny all;
            location /out/in { alias html/a.txt; }
            location /out/own { allow all; alias html/a.txt; }
        }
        location /page { deny all; error_page 403 /a.txt; }
        location /rewritten { deny all; rewrite ^ /a.txt last; }
        location /if { if ($arg_x) { rewrite ^ /a.txt; } deny all; }
        "#,
    );
    let paths = [
        "/all/",
        "/deny-me",
        "/allow-me",
        "/not-me",
        "/nobody",
        "/six",
        "/unix",
        "/first",
        "/out/in",
        "/out/own",
        "/page",
        "/rewritten",
        "/if",
        "/if?x=1",
    ];
    Differential::new(builder)
        .with_exchanges(gets(&paths, ""))
        .run();
}

/// Right, wrong, missing and odd credentials.
#[test]
fn passwords() {
    let builder = protected(
        r#"
        auth_basic "the realm";
        auth_basic_user_file users;
        location / { }
        location /open/ { auth_basic off; alias html/; }
        location /realm/ { auth_basic "realm of $arg_r"; alias html/; }
        location /quote/ { auth_basic 'a "quoted" realm'; alias html/; }
        location /var-off/ { auth_basic $arg_r; alias html/; }
        location /no-file/ { auth_basic_user_file none; alias html/; }
        location /page/ { error_page 401 /open/a.txt; alias html/; }
        location /return { return 200 "user [$remote_user]"; }
        "#,
    )
    .allow_log("none\" failed");
    let fields = [
        "",
        GOOD,
        WRONG,
        "authorization: basic dXNlcjpwYXNz\r\n",
        "Authorization: BASIC   dXNlcjpwYXNz\r\n",
        "Authorization: Basic dXNlcjpwYXNz \r\n",
        "Authorization: Basic\r\n",
        "Authorization: Basic \r\n",
        "Authorization: Basic !!!\r\n",
        "Authorization: Basic dXNlcg==\r\n",
        "Authorization: Basic OnBhc3M=\r\n",
        "Authorization: Basic dXNlcjo=\r\n",
        "Authorization: Basic dXNlcjpwYXNzeA\r\n",
        "Authorization: Basic dXNlcjpwYXNz\r\nAuthorization: Basic eA==\r\n",
        "Authorization: Bearer dXNlcjpwYXNz\r\n",
        "Authorization: Digest username=\"user\"\r\n",
        "Authorization: Basic bGF0ZTp4Onk6eg==\r\n",
        "Authorization: Basic ZW1wdHk6\r\n",
    ];
    Differential::new(builder)
        .with_exchanges(fields.map(|fields| Exchange::get("/a.txt", fields)))
        .with_exchanges(gets(
            &[
                "/open/a.txt",
                "/realm/a.txt?r=x",
                "/quote/a.txt",
                "/var-off/a.txt?r=off",
                "/var-off/a.txt",
                "/page/a.txt",
                "/return",
                "/none",
            ],
            "",
        ))
        .with_exchanges(gets(&["/return", "/none", "/no-file/a.txt"], GOOD))
        .with_exchanges(gets(&["/no-file/a.txt", "/return"], WRONG))
        .run();
}

/// `satisfy any` lets in by one of both, `all` by both.
#[test]
fn satisfy() {
    let builder = protected(
        r#"
        auth_basic closed;
        auth_basic_user_file users;
        location /any-in/ { satisfy any; allow 127.0.0.1; deny all; alias html/; }
        location /any-out/ { satisfy any; deny all; alias html/; }
        location /all-in/ { satisfy all; allow 127.0.0.1; deny all; alias html/; }
        location /all-out/ { deny all; alias html/; }
        location /any-none/ { satisfy any; alias html/; }
        location /any-page/ { satisfy any; deny all; error_page 401 403 /page; alias html/; }
        location /page { auth_basic off; return 200 "page $status"; }
        "#,
    );
    let paths = [
        "/any-in/a.txt",
        "/any-out/a.txt",
        "/all-in/a.txt",
        "/all-out/a.txt",
        "/any-none/a.txt",
        "/any-page/a.txt",
    ];
    Differential::new(builder)
        .with_exchanges(gets(&paths, ""))
        .with_exchanges(gets(&paths, GOOD))
        .with_exchanges(gets(&paths, WRONG))
        .run();
}

/// Methods that `limit_except` does not name are judged by what stands in it.
#[test]
fn limit_except() {
    let builder = protected(
        r#"
        location /read/ { alias html/; limit_except GET { deny all; } }
        location /post/ { limit_except POST { deny all; } return 200 "posted"; }
        location /auth/ {
            alias html/;
            limit_except GET { auth_basic closed; auth_basic_user_file users; }
        }
        location /inherit/ {
            deny all;
            limit_except GET HEAD { allow all; }
            alias html/;
        }
        location /two/ { alias html/; limit_except GET OPTIONS { allow 10.0.0.1; deny all; } }
        location /named/ { try_files /none @named; }
        location @named { limit_except GET { deny all; } return 200 "named"; }
        "#,
    );
    let methods = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "FOO"];
    let paths = [
        "/read/a.txt",
        "/post/",
        "/auth/a.txt",
        "/inherit/a.txt",
        "/two/a.txt",
        "/named/",
    ];
    let exchanges = paths.iter().flat_map(|path| {
        methods.iter().flat_map(move |method| {
            ["", GOOD].map(|fields| {
                Exchange::new(format!(
                    "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{fields}\r\n"
                ))
            })
        })
    });
    Differential::new(builder).with_exchanges(exchanges).run();
}
