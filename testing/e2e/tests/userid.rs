//! `userid`.

use harness::{Differential, Exchange, Server};

const SERVICES: &str = r#"
    userid on;
    userid_service 16909060;
    userid_p3p 'policyref="/w3c/p3p.xml"';
    add_header X-Got $uid_got;
    add_header X-Set $uid_set;
    location / { return 200; }
    location /first/ { userid v1; userid_p3p none; return 200; }
    location /dressed/ {
        userid_name who;
        userid_domain .example.com;
        userid_path /dressed;
        userid_expires max;
        userid_flags samesite=strict httponly secure;
        return 200;
    }
    location /marked/ { userid_mark t; return 200; }
    location /log/ { userid log; return 200; }
    location /off/ { userid off; return 200; }
    location /reset/ { set $uid_reset $arg_reset; return 200; }
"#;

/// Cookies that come back unchanged or with another mark are the same byte for byte.
#[test]
fn known_browsers_are_treated_as_nginx_treats_them() {
    let number = "fwAAAQAAAFEAAAAAAwMDAg";
    let cookies = [
        format!("uid={number}=="),
        format!("UID = {number}"),
        format!("a=b; uid={number}t="),
        format!("uid={number}t"),
        format!("who={number}=="),
        "uid=short".to_owned(),
        format!("uid=*{}", &number[1..]),
    ];
    let paths = ["/marked/", "/log/", "/off/", "/reset/?reset=0"];
    let ask = |path: &str, cookie: &str| Exchange::get(path, &format!("Cookie: {cookie}\r\n"));
    // The last three cookies make a new number, which no two servers have in common.
    let known = paths
        .iter()
        .flat_map(|path| cookies[..4].iter().map(|cookie| ask(path, cookie)));
    let read = cookies.iter().map(|cookie| ask("/log/", cookie));
    Differential::new(Server::of_one(SERVICES).allow_log("userid cookie"))
        .with_exchanges(known)
        .with_exchanges(read)
        .run();
}

/// The cookie's parts, and that its number is the one in the variables.
#[test]
fn new_browsers_get_a_number_of_their_own() {
    let server = Server::of_one(SERVICES).start();
    let response = server.get("/");
    let cookie = response.header("set-cookie").unwrap();
    let (number, rest) = cookie.strip_prefix("uid=").unwrap().split_at(24);
    assert_eq!(rest, "; path=/");
    assert!(
        number.starts_with("AQIDB") && number.ends_with("=="),
        "{cookie}"
    );
    assert_eq!(response.header("p3p"), Some("policyref=\"/w3c/p3p.xml\""));
    let set = response.header("x-set").unwrap();
    assert!(set.starts_with("uid=04030201"), "{set}");
    assert_eq!(response.header("x-got"), None);

    let known = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n");
    let again = server.request(known);
    assert_eq!(again.header("x-got"), Some(set));
    assert_eq!(again.header("set-cookie"), None);

    let next = server.get("/");
    assert_ne!(next.header("x-set"), Some(set));
}

#[test]
fn the_cookie_is_dressed_as_configured() {
    let server = Server::of_one(SERVICES).start();
    let response = server.get("/dressed/");
    let cookie = response.header("set-cookie").unwrap();
    let rest = &cookie["who=".len() + 24..];
    assert_eq!(
        rest,
        "; expires=Thu, 31-Dec-37 23:55:55 GMT; domain=.example.com; path=/dressed\
         ; secure; httponly; samesite=strict"
    );
    let marked = server.get("/marked/");
    assert_eq!(
        &marked.header("set-cookie").unwrap()["uid=".len() + 22..][..2],
        "t="
    );
    let first = server.get("/first/");
    assert!(first.header("x-set").unwrap().starts_with("uid=01020304"));
    assert_eq!(first.header("p3p"), None);
}

/// `$uid_reset` gives a known browser a new number, and "log" says so.
#[test]
fn a_number_can_be_reset() {
    let server = Server::of_one(SERVICES).start();
    let ask = |reset: &str| {
        let cookie = "Cookie: uid=fwAAAQAAAFEAAAAAAwMDAg==";
        server.request(format!(
            "GET /reset/?reset={reset} HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n"
        ))
    };
    assert_eq!(ask("").header("set-cookie"), None);
    let reset = ask("1");
    assert_ne!(reset.header("x-set"), reset.header("x-got"));
    assert!(reset.header("set-cookie").is_some());
    assert!(ask("log").header("set-cookie").is_some());
    server.wait_for_error_log("userid cookie \"uid=0100007F510000000000000002030303\" was reset");
}
