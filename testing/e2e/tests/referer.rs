//! `valid_referers`.

use harness::{Differential, Exchange, Server};

#[test]
fn referers_are_judged_as_nginx_judges_them() {
    let server = Server::of_one(
        r#"
        server_name example.com *.example.org www.own.* ~^(?<part>\w+)\.pattern\.com$;
        location /all/ {
            valid_referers none blocked server_names
                *.friend.com friend.org/galleries/ www.google.* ~\.search\.;
            return 200 "[$invalid_referer]";
        }
        location /strict/ {
            valid_referers friend.com;
            location /strict/inner/ { return 200 "[$invalid_referer]"; }
            location /strict/own/ { valid_referers ~^only; return 200 "[$invalid_referer]"; }
            return 200 "[$invalid_referer]";
        }
        location /none/ { return 200 "[$invalid_referer]"; }
        location /set/ { valid_referers friend.com; set $invalid_referer x; return 200 $invalid_referer; }
        "#,
    );
    let referers = [
        "http://example.com/",
        "http://EXAMPLE.com:8080/a",
        "https://x.example.org",
        "http://own.net",
        "http://www.own.net/",
        "http://a.pattern.com/x",
        "http://x.friend.com",
        "http://friend.com",
        "http://friend.org/galleries/1",
        "http://friend.org:81/galleries/",
        "http://friend.org/",
        "http://friend.org",
        "http://www.google.co.uk/",
        "http://my.search.engine/",
        "ftp://a.b/c",
        "nothing",
        "http://a",
        "http://other.site/",
        "https://only.this/",
        "HTTP://friend.com/",
    ];
    let ask = |path: &str, referer: &str| Exchange::get(path, &format!("Referer: {referer}\r\n"));
    let paths = [
        "/all/",
        "/strict/",
        "/strict/inner/",
        "/strict/own/",
        "/none/",
        "/set/",
    ];
    let with = paths
        .iter()
        .flat_map(|path| referers.map(|referer| ask(path, referer)));
    let without = paths.map(|path| Exchange::get(path, ""));
    Differential::new(server)
        .with_exchanges(with)
        .with_exchanges(without)
        .run();
}

/// It is found once a request, so that what the server asked holds in its locations.
#[test]
fn the_first_answer_holds_for_the_request() {
    let server = Server::of_one(
        r#"
        set $first "$invalid_referer";
        location /strict/ { valid_referers friend.com; return 200 "[$first][$invalid_referer]"; }
        location / { return 200 "[$first][$invalid_referer]"; }
        "#,
    );
    let other = "Referer: http://other.site/\r\n";
    Differential::new(server)
        .with_exchanges([Exchange::get("/strict/", other), Exchange::get("/", other)])
        .run();
}
