//! A single-page application: every path is the application, files are cached by their kind.

use harness::Response;

use crate::Site;

fn start() -> Site {
    Site::start(
        "spa",
        &[
            ("srv/app/dist/index.html", b"<app>"),
            ("srv/app/dist/assets/main.3f2a.js", b"run()"),
            ("srv/app/dist/assets/main.77aa.css", b"a{}"),
            ("srv/app/dist/logo.png", b"png"),
            ("srv/app/dist/site.webmanifest", b"{}"),
            ("srv/app/dist/.env", b"SECRET=1"),
        ],
    )
}

#[track_caller]
fn check_safe(response: &Response) {
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ] {
        assert_eq!(response.header(name), Some(value), "{response:?}");
    }
}

/// A location that adds fields of its own has none of the server's: a trap, and nginx's rule.
#[test]
fn every_path_is_the_application() {
    let site = start();
    for path in ["/", "/users/42", "/deep/er/?q=1", "/index.htm"] {
        let response = site.get("localhost", path);
        assert_eq!((response.status, response.text().as_str()), (200, "<app>"));
        assert_eq!(response.header("Content-Type"), Some("text/html"));
        let cache: Vec<&str> = response.headers_named("Cache-Control").collect();
        let expected = ["no-cache", "no-store, no-cache, must-revalidate"];
        assert_eq!(cache, expected, "{path}");
        assert_eq!(response.header("X-Frame-Options"), None, "{path}");
    }
    assert_eq!(site.get("localhost", "/index.html").status, 404);
}

#[test]
fn files_are_cached_by_kind() {
    let site = start();
    let script = site.get("localhost", "/assets/main.3f2a.js");
    assert_eq!(
        script.header("Content-Type"),
        Some("application/javascript")
    );
    let cache: Vec<&str> = script.headers_named("Cache-Control").collect();
    assert_eq!(cache, ["max-age=315360000", "public, immutable"]);
    let expires = script.header("Expires");
    assert_eq!(expires, Some("Thu, 31 Dec 2037 23:55:55 GMT"));
    assert_eq!(site.get("localhost", "/assets/gone.js").status, 404);
    let logo = site.get("localhost", "/logo.png");
    assert_eq!(logo.header("Cache-Control"), Some("max-age=2592000"));
    check_safe(&logo);
    let manifest = site.get("localhost", "/site.webmanifest");
    assert_eq!(manifest.header("Cache-Control"), None);
    check_safe(&manifest);
    let tag = logo.header("ETag").unwrap_or_default().to_owned();
    let fields = format!("If-None-Match: {tag}\r\n");
    let again = site.ask("GET", "localhost", "/logo.png", &fields, "");
    assert_eq!(again.status, 304);
    check_safe(&again);
}

#[test]
fn answers_of_its_own() {
    let site = start();
    let health = site.get("localhost", "/healthz");
    assert_eq!(health.text(), "ok\n");
    assert_eq!(health.header("Content-Type"), Some("text/plain"));
    let config = site.get("app.test", "/config.js");
    let expected = "window.config = { \"host\": \"app.test\", \"scheme\": \"http\" };";
    assert_eq!(config.text(), expected);
    let api = site.ask("POST", "localhost", "/api/x", "", "{}");
    assert_eq!(
        (api.status, api.text().as_str()),
        (503, "{\"error\":\"maintenance\"}")
    );
    check_safe(&api);
    let secret = site.get("localhost", "/.env");
    assert_eq!(secret.status, 403);
    check_safe(&secret);
    let lines = site.log("access.log", 3);
    assert_eq!(lines.len(), 3, "health checks and assets are not logged");
    let posted = "\"method\":\"POST\",\"uri\":\"/api/x\",\"status\":503,";
    assert!(lines.iter().any(|line| line.contains(posted)), "{lines:?}");
}

/// What is no JSON stays none in a log of JSON.
#[test]
fn a_log_of_json() {
    let site = start();
    let fields = "User-Agent: a \"quote\" \\ and \x02\r\n";
    assert_eq!(site.ask("GET", "localhost", "/x", fields, "").status, 200);
    let line = site.log("access.log", 1).remove(0);
    let expected = "\"agent\":\"a \\\"quote\\\" \\\\ and \\u0002\"}";
    assert!(line.ends_with(expected), "{line}");
}
