//! `rewrite`, `if`, `set` and `return` together: the same as in nginx.

use harness::{Builder, Differential, Exchange, Server};

#[track_caller]
fn check(builder: Builder, paths: &[&str]) {
    Differential::new(builder)
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, "")))
        .run();
}

/// What each flag of `rewrite` ends, and where the request goes on.
#[test]
fn flags() {
    let builder = Server::of_one(
        r#"
        rewrite ^/server/(.*)$ /$1;
        rewrite ^/stop$ /last/x last;
        rewrite ^/out$ http://other.test/$uri;
        rewrite ^/secure$ https://other.test/y?z permanent;
        rewrite ^/scheme$ $scheme://s.test/;
        location /last/ { rewrite ^/last/(.+)$ /plain/$1 last; return 200 unreached; }
        location /break/ {
            rewrite ^/break/(.+)$ /plain/$1 break;
            add_header X-Uri $uri;
            root html;
        }
        location /break-text/ { rewrite ^ /x break; return 200 "after break: $uri"; }
        location /plain/ { return 200 "plain $uri $args $request_uri"; }
        location /chain/ {
            rewrite ^/chain/a(.*)$ /chain/b$1;
            rewrite ^/chain/b(.*)$ /chain/c$1;
            rewrite ^/chain/c(.*)$ /plain/$1 last;
        }
        location /redirect/ { rewrite ^/redirect/(.*)$ /to/$1 redirect; }
        location /permanent/ { rewrite ^/permanent/(.*)$ /to/$1?fixed=1 permanent; }
        location /drop/ { rewrite ^/drop/(.*)$ /plain/$1? last; }
        location /keep/ { rewrite ^/keep/(.*)$ /plain/$1?a=b last; }
        location /args/ { rewrite ^/args/(.*)$ /plain/?path=$1 last; }
        location /loop { rewrite ^ /loop last; }
        location /encoded/ { rewrite ^/encoded/(.*)$ /to?x=$1 redirect; }
        location /none/ { rewrite ^/nothing$ /x last; return 200 none; }
        location /empty/ { rewrite ^/empty/(x)?(.*)$ /plain/[$1][$2] last; }
        location ~ ^/case/(.*)$ { rewrite (?i)^/CASE/(.*)$ /plain/$1 last; }
        "#,
    )
    .with_file("html/plain/f.txt", "file");
    check(
        builder,
        &[
            "/server/plain/1",
            "/server/last/1?q=1",
            "/stop",
            "/out?a=b",
            "/secure?w",
            "/scheme",
            "/last/1",
            "/break/f.txt",
            "/break/none",
            "/break-text/x",
            "/chain/a1",
            "/chain/c1",
            "/chain/d",
            "/redirect/x?y=z",
            "/permanent/x?y=z",
            "/drop/x?y=z",
            "/keep/x?y=z",
            "/keep/x",
            "/args/a/b?c",
            "/loop",
            "/encoded/a%20b%26c%3Fd?e",
            "/encoded/%C3%A9%25",
            "/none/",
            "/empty/",
            "/empty/xyz",
            "/case/q",
        ],
    );
}

/// Every test that `if` knows.
const CONDITIONS: &str = r#"
        location /file { root html; if (-f $document_root$arg_n) { return 200 file; } return 200 no; }
        location /dir { root html; if (-d $document_root$arg_n) { return 200 dir; } return 200 no; }
        location /exist { if (-e $document_root$arg_n) { return 200 exists; } return 200 no; }
        location /exec { if (-x $document_root$arg_n) { return 200 exec; } return 200 no; }
        location /nofile { if (!-f $document_root$arg_n) { return 200 nofile; } return 200 file; }
        location /noexist { if (!-e $document_root$arg_n) { return 200 none; } return 200 some; }
        location /true { if ($arg_v) { return 200 true; } return 200 false; }
        location /eq { if ($arg_v = one) { return 200 eq; } return 200 ne; }
        location /ne { if ($arg_v != one) { return 200 ne; } return 200 eq; }
        location /re { if ($arg_v ~ ^o(.*)$) { return 200 "re $1"; } return 200 no; }
        location /rei { if ($arg_v ~* ^o(?<tail>.*)$) { return 200 "rei $tail"; } return 200 no; }
        location /nre { if ($arg_v !~ ^o) { return 200 nre; } return 200 no; }
        location /nrei { if ($arg_v !~* ^o) { return 200 nrei; } return 200 no; }
        location /method { if ($request_method = HEAD) { return 405; } return 200 $request_method; }
        location /two {
            set $both "";
            if ($arg_a) { set $both a; }
            if ($arg_b) { set $both "${both}b"; }
            if ($both = ab) { return 200 both; }
            return 200 "<$both>";
        }
        location /quoted { if ($arg_v ~ "^a{2}$") { return 200 two; } return 200 no; }
        location /cookie { if ($http_cookie ~ "id=([^;]+)") { return 200 $1; } return 200 none; }
        "#;

#[test]
fn conditions() {
    let builder = Server::of_one(CONDITIONS)
        .with_file("html/f", "")
        .with_file("html/d/x", "");
    check(
        builder.clone(),
        &[
            "/file?n=/f",
            "/file?n=/d",
            "/file?n=/x",
            "/dir?n=/f",
            "/dir?n=/d",
            "/exist?n=/d",
            "/exist?n=/x",
            "/exec?n=/f",
            "/exec?n=/d",
            "/nofile?n=/x",
            "/nofile?n=/f",
            "/noexist?n=/f",
            "/noexist?n=/x",
            "/true",
            "/true?v=",
            "/true?v=0",
            "/true?v=00",
            "/true?v=1",
            "/true?v=false",
            "/eq?v=one",
            "/eq?v=One",
            "/eq",
            "/ne?v=one",
            "/ne?v=",
            "/re?v=one",
            "/re?v=One",
            "/rei?v=One",
            "/nre?v=one",
            "/nre?v=x",
            "/nrei?v=ONE",
            "/nrei?v=x",
            "/method",
            "/two",
            "/two?a=1",
            "/two?a=1&b=2",
            "/two?b=2",
            "/quoted?v=aa",
            "/quoted?v=aaa",
        ],
    );
    Differential::new(builder)
        .with_exchanges([
            Exchange::get("/cookie", "Cookie: a=b; id=77; c=d\r\n"),
            Exchange::get("/cookie", ""),
            Exchange::new("HEAD /method HTTP/1.1\r\nHost: x\r\n\r\n"),
        ])
        .run();
}

/// What an `if` block changes besides the URI.
#[test]
fn settings_inside_if() {
    let builder = Server::of_one(
        r#"
        add_header X-Server s;
        location /h/ {
            alias html/;
            add_header X-Location l;
            if ($arg_a) { add_header X-If a; }
            if ($arg_b) { add_header X-If b; }
            if ($arg_r) { root html/inner; }
            if ($arg_d) { rewrite ^ /inner/f.txt last; }
            if ($arg_k) { break; }
            if ($arg_e) { error_page 404 =200 /inner/f.txt; }
            if ($arg_t) { set $t 1; }
        }
        location /inner/ { root html; }
        if ($arg_server) { return 403; }
        "#,
    )
    .with_file("html/f.txt", "outer")
    .with_file("html/inner/f.txt", "inner");
    check(
        builder,
        &[
            "/h/f.txt",
            "/h/f.txt?a=1",
            "/h/f.txt?b=1",
            "/h/f.txt?a=1&b=1",
            "/h/f.txt?d=1",
            "/h/f.txt?d=1&a=1",
            "/h/f.txt?k=1&a=1",
            "/h/none?e=1",
            "/h/f.txt?t=1",
            "/h/f.txt?server=1",
            "/inner/f.txt?server=1",
        ],
    );
}

/// Variables that `set` makes, in every way a value can be written.
#[test]
fn set_and_variables() {
    let builder = Server::of_one(
        r#"
        set $from_server "s:$arg_a";
        location /s {
            set $a 1; set $b "${a}2"; set $c $b$a; set $d '"quoted"'; set $e "a;b{c}";
            set $f \x; set $g "tab\tend"; set $h "line\nend";
            return 200 "$from_server|$a|$b|$c|$d|$e|$f|$g|$h";
        }
        location /late { set $x $y; set $y 1; return 200 "[$x][$y]"; }
        location /overwrite { set $args "new=1"; return 200 "$args $arg_new $arg_old $is_args $query_string"; }
        location /pass { set $args "new=1"; rewrite ^ /show last; }
        location /show { return 200 "$uri?$args $request_uri"; }
        location /limit { set $limit_rate 1k; return 200 ok; }
        location /twice { set $v a; set $v "${v}b"; set $v "${v}c"; return 200 $v; }
        location ~ /cap/(?<word>\w+) { set $copy $word; rewrite ^/cap/(\w+) /show?w=$copy-$1 last; }
        "#,
    );
    check(
        builder,
        &[
            "/s?a=v",
            "/s",
            "/late",
            "/overwrite?old=1",
            "/overwrite",
            "/pass?x=y",
            "/show?a=%20b",
            "/limit",
            "/twice",
            "/cap/hello/x?y=z",
        ],
    );
}
