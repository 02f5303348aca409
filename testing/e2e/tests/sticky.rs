//! `sticky`: sessions that stay with the server that they began with.

use harness::{Response, Server, clock};
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(15);

/// Groups `upstreams`, and servers `a` and `b` that say who they are, with a cookie of each on
/// `/begin`.
fn group(upstreams: &str) -> harness::Builder {
    let server = |name: &str| {
        format!(
            "server {{
                 listen 127.0.0.1:{{port_{name}}};
                 location / {{ return 200 {name}; }}
                 location /begin {{ add_header Set-Cookie s=$arg_s; return 200 {name}; }}
             }}"
        )
    };
    Server::new(&format!(
        "{upstreams}
         server {{
             listen 127.0.0.1:{{port}} reuseport;
             add_header X-Worker $pid always;
             location / {{ proxy_pass http://u; }}
             location /begin {{ proxy_pass http://u; proxy_pass_header Set-Cookie; }}
         }}
         {} {}",
        server("a"),
        server("b")
    ))
    .allow_log("connect() failed")
    .allow_log("temporarily disabled")
}

fn get(server: &Server, path: &str, cookie: &str) -> Response {
    server.request(format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    ))
}

#[test]
fn a_cookie_names_the_server_with_what_is_said_about_it() {
    let server = group(
        "upstream u {
             server 127.0.0.1:{port_a} route=first;
             server 127.0.0.1:{port_b};
             sticky cookie id expires=1h domain=.$host httponly secure samesite=$arg_site path=/p;
         }",
    )
    .start();
    let answers = [server.get("/?site=LAX"), server.get("/?site=some")];
    let cookies = answers
        .iter()
        .map(|answer| (answer.text(), answer.header("Set-Cookie").unwrap_or("-")));
    for (name, cookie) in cookies {
        let (id, rest) = cookie.split_once("; ").expect("parameters");
        let id = id.strip_prefix("id=").expect("the name");
        let site = match &*name {
            "a" => {
                assert_eq!(id, "first");
                "LAX"
            }
            _ => {
                assert_eq!((id.len(), id.to_lowercase()), (32, id.to_owned()));
                "strict"
            }
        };
        let rest = rest.strip_prefix("expires=").expect("a time");
        let (time, rest) = rest.split_once("; ").expect("more parameters");
        assert!(time.ends_with(" GMT"), "{time}");
        let expected = "max-age=3600; domain=.localhost; httponly; secure";
        assert_eq!(rest, format!("{expected}; samesite={site}; path=/p"));
        for _ in 0..3 {
            assert_eq!(get(&server, "/", &format!("id={id}")).text(), name);
        }
    }
    // Nobody has this name: as if there were no session.
    let strangers = [0; 4].map(|_| get(&server, "/", "id=nobody").text());
    assert_eq!(BTreeSet::from(strangers).len(), 2);
}

#[test]
fn a_session_moves_when_its_server_is_gone_and_its_cookie_with_it() {
    let server = group(
        "upstream u {
             server 127.0.0.1:1 route=gone;
             server 127.0.0.1:{port_b} route=b;
             sticky cookie id;
         }",
    )
    .start();
    let moved = get(&server, "/", "id=gone");
    assert_eq!(moved.text(), "b");
    let cookies: Vec<&str> = moved.headers_named("Set-Cookie").collect();
    assert_eq!(cookies, ["id=b"]);
}

#[test]
fn a_route_is_the_first_variable_that_is_not_empty() {
    let server = group(
        "upstream u {
             server 127.0.0.1:{port_a} route=a;
             server 127.0.0.1:{port_b} route=b drain;
             sticky route $cookie_r $arg_r;
         }",
    )
    .start();
    assert_eq!(get(&server, "/?r=b", "x=y").text(), "b");
    assert_eq!(get(&server, "/?r=b", "r=a").text(), "a");
    // A server that drains takes nothing but sessions that it has.
    for _ in 0..3 {
        assert_eq!(get(&server, "/", "x=y").text(), "a");
    }
}

/// Asks over connections of their own until both workers answered.
fn ask_both(server: &Server, path: &str, cookie: &str) -> BTreeSet<String> {
    let mut workers = BTreeSet::new();
    let mut names = BTreeSet::new();
    let asked = clock::becomes_true(LIMIT, || {
        let answer = get(server, path, cookie);
        workers.extend(answer.header("X-Worker").map(str::to_owned));
        names.insert(answer.text());
        workers.len() > 1
    });
    assert!(asked, "both workers answer: {workers:?}");
    names
}

#[test]
fn what_one_worker_learns_all_know_and_a_reload_keeps() {
    let server = group(
        "upstream u {
             zone u 64k;
             server 127.0.0.1:{port_a};
             server 127.0.0.1:{port_b};
             sticky learn create=$upstream_cookie_s lookup=$cookie_s zone=sessions:64k;
         }",
    )
    .with_main("worker_processes 2;")
    .start();
    let sessions = ["one", "two", "three"].map(|name| {
        let begun = get(&server, &format!("/begin?s={name}"), "x=y");
        (format!("s={name}"), begun.text())
    });
    let check = || {
        for (cookie, name) in &sessions {
            let names = ask_both(&server, "/", cookie);
            assert_eq!(names, BTreeSet::from([name.clone()]), "{cookie}");
        }
    };
    check();
    server.reload().unwrap();
    check();
    assert_eq!(ask_both(&server, "/", "s=none").len(), 2);
}

#[test]
fn a_session_ends_when_nobody_asks_for_it() {
    let server = group(
        "upstream u {
             server 127.0.0.1:{port_a};
             server 127.0.0.1:{port_b};
             sticky learn create=$upstream_cookie_s lookup=$cookie_s zone=sessions:64k timeout=1s
                          header;
         }",
    )
    .start();
    let begun = get(&server, "/begin?s=one", "x=y").text();
    assert_eq!(get(&server, "/", "s=one").text(), begun);
    // Each look keeps it alive, so that looks must be further apart than its time.
    let has_moved = clock::becomes_true(LIMIT, || {
        std::thread::sleep(Duration::from_millis(1200));
        [0, 1]
            .iter()
            .any(|_| get(&server, "/", "s=one").text() != begun)
    });
    assert!(has_moved, "the session ends");
}
