//! No spelling of a path leaves the root or an alias, and rules see what files see.

use harness::{Builder, Server};

/// Nothing of this may ever be sent.
const SECRET: &str = "SECRET";

fn builder() -> Builder {
    Server::of_one(
        "location / { root {prefix}/html; }
         location /protected/ { return 403; }
         location /data { alias {prefix}/html/inner/; }
         location = /uri { return 200 \"$uri\"; }
         location ~ \\.hidden { return 403; }",
    )
    .with_file("secret.txt", SECRET)
    .with_file("html/secret.txt", SECRET)
    .with_file("html/inner/a.txt", "inner")
    .with_file("html/protected/a.txt", SECRET)
    .with_file("html/x.hidden", SECRET)
    .with_file("html/a b.txt", "blank")
    .with_file("html/a.txt", "a")
}

/// Requests, and the statuses they must have.
#[track_caller]
fn assert_statuses(server: &Server, cases: &[(&str, u16)]) {
    let mut wrong = Vec::new();
    for (target, status) in cases {
        let response = server.request(format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        ));
        if response.status != *status || response.text().contains(SECRET) {
            wrong.push(format!("{target}: expected {status}, got {response:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_above_the_root_is_served() {
    let server = builder().start();
    assert_statuses(
        &server,
        &[
            ("/../secret.txt", 400),
            ("/..", 400),
            ("/a/../../secret.txt", 400),
            ("/%2e%2e/secret.txt", 400),
            ("/%2e%2e%2fsecret.txt", 400),
            ("/..%2fsecret.txt", 400),
            ("/.%2e/secret.txt", 400),
            ("/%2E%2E/secret.txt", 400),
            ("/./../secret.txt", 400),
            ("//../secret.txt", 400),
            ("/a/..//../secret.txt", 400),
            ("/a/../../", 400),
            ("http://h/../secret.txt", 400),
            // Decoded once, and not again.
            ("/%252e%252e/secret.txt", 404),
            ("/%252e%252e%252fsecret.txt", 404),
            ("/..%252fsecret.txt", 404),
            // Not dots, to this system.
            ("/..;/secret.txt", 404),
            ("/..%5csecret.txt", 404),
            ("/..\\secret.txt", 404),
            ("/%c0%ae%c0%ae/secret.txt", 404),
            ("/%c0%ae%c0%ae%c0%afsecret.txt", 404),
            ("/%e0%80%ae%e0%80%ae/secret.txt", 404),
            ("/.../secret.txt", 404),
            ("/%u002e%u002e/secret.txt", 400),
            // NUL, and a blank that once let the next byte through.
            ("/a.txt%00.hidden", 400),
            ("/%00", 400),
            ("/a%20b.txt", 200),
            ("/a.txt%20", 404),
        ],
    );
}

#[test]
fn every_spelling_meets_the_same_rules() {
    let server = builder().start();
    assert_statuses(
        &server,
        &[
            ("/protected/a.txt", 403),
            ("//protected/a.txt", 403),
            ("///protected///a.txt", 403),
            ("/./protected/a.txt", 403),
            ("/x/../protected/a.txt", 403),
            ("/%70rotected/a.txt", 403),
            ("/protected%2fa.txt", 403),
            ("/protected/./a.txt", 403),
            ("/%2e/protected/a.txt", 403),
            ("http://h/protected/a.txt", 403),
            ("http://h//protected/a.txt", 403),
            ("/x.hidden", 403),
            ("/x%2ehidden", 403),
            ("/x.%68idden?a=b", 403),
            ("/x.hidden#a", 403),
        ],
    );
}

/// What comes out of the normaliser goes through it unchanged.
#[test]
fn a_normalised_path_is_normal() {
    let server = builder().start();
    for target in [
        "/uri",
        "//uri",
        "/./uri",
        "/a/../uri",
        "/a/b/../../uri",
        "/%75ri",
        "/a/%2e%2e/uri",
        "/a//..//uri",
        "/uri?a=/../b",
        "/uri#x",
        "http://h/uri",
    ] {
        assert_eq!(server.get(target).text(), "/uri", "{target}");
    }
}

/// A location that lacks the slash which its alias has. nginx serves the file beside the alias.
#[test]
fn nothing_beside_an_alias_is_served() {
    let server = builder().start();
    assert_eq!(server.get("/data/a.txt").text(), "inner");
    if harness::nginx_is_tested() {
        return;
    }
    assert_statuses(
        &server,
        &[
            ("/data../secret.txt", 404),
            ("/data../inner/../secret.txt", 404),
            ("/data..%2fsecret.txt", 404),
            ("/data..", 404),
            ("/data../", 404),
        ],
    );
}
