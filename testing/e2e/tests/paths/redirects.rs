//! Redirects, internal and not: none goes round for ever, none leads to another host.

use harness::Server;

/// Each of these goes in a circle, which the server ends after ten steps.
#[test]
fn circles_end_in_an_error() {
    let server = Server::of_one(
        "location /rewrite/ { rewrite ^/rewrite/(.*)$ /rewrite/$1/ last; }
         location /files/ { try_files /nothing /files/other; }
         location /page/ { error_page 404 /page/; return 404; }
         location /named/ { error_page 404 = @one; return 404; }
         location @one { error_page 404 = @two; recursive_error_pages on; return 404; }
         location @two { error_page 404 = @one; recursive_error_pages on; return 404; }
         location /recursive/ { recursive_error_pages on; error_page 404 /recursive/x; return 404; }
         location /index/ { index index.html /index/; }",
    )
    .start();
    for (path, status) in [
        ("/rewrite/a", 500),
        ("/files/a", 500),
        ("/page/a", 404),
        ("/named/a", 404),
        ("/recursive/a", 500),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
}

/// What is internal is not found from outside, however its path is written.
#[test]
fn internal_locations_have_no_door() {
    let server = Server::of_one(
        "location /inside/ { internal; }
         location = /page { internal; return 200 page; }
         location = /to { rewrite ^ /inside/a.txt; }
         error_page 403 /page;
         location = /refused { return 403; }",
    )
    .with_file("html/inside/a.txt", "inside")
    .start();
    for path in [
        "/inside/a.txt",
        "//inside/a.txt",
        "/x/../inside/a.txt",
        "/%69nside/a.txt",
        "/inside%2fa.txt",
        "http://localhost/inside/a.txt",
        "/page",
        "/page?",
        "/page#",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.get("/to").text(), "inside");
    assert_eq!(server.get("/refused").text(), "page");
    assert_eq!(server.get("/refused").status, 403);
}

/// A redirect that the server makes itself stays on its host. A path that begins with two
/// slashes would be another host to a browser; nginx sends it so.
#[test]
fn appended_slashes_do_not_lead_to_another_host() {
    let server = Server::of_one("merge_slashes off; absolute_redirect off;")
        .with_file("html/evil.test/index.html", "")
        .start();
    assert_eq!(
        server.get("/evil.test").header("Location"),
        Some("/evil.test/")
    );
    if harness::nginx_is_tested() {
        return;
    }
    for path in ["//evil.test", "///evil.test", "/./%2fevil.test"] {
        let response = server.get(path);
        let location = response.header("Location").unwrap_or_default();
        assert!(!location.starts_with("//"), "{path}: {response:?}");
        assert!(!location.starts_with("/\\"), "{path}: {response:?}");
    }
}
