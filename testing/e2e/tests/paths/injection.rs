//! No variable carries a line break or NUL into a header, whatever the configuration says.
//!
//! nginx sends such values as they are; here the answer is a 500, and the error log says why.

use harness::Server;

fn start() -> Server {
    Server::of_one(
        "location /redirect/ { return 301 https://h$uri; }
         location /temporary/ { return 302 $uri; }
         location /rewritten/ { rewrite (?s)^/rewritten/(.*)$ https://h/$1 redirect; }
         location ~ (?s)^/added/(.*)$ { add_header X-Name $1 always; return 200 text; }
         location /type/ { add_header Content-Type $uri; return 200 text; }
         location /trailer/ { add_trailer X-Late $uri; }
         location = /argument { add_header X-Name $arg_a; return 200 text; }
         location = /header { add_header X-Name $http_a; return 200 text; }
         location = /cookie { add_header X-Name $cookie_a; return 200 text; }
         location = /location { return 302 /next?$args; }",
    )
    .with_file("html/trailer/a.txt", "text")
    .with_file("html/trailer/a\nX-Evil:1", "text")
    .with_file("html/trailer/a\r\nX-Evil:1", "text")
    .with_file("html/trailer/a\rX-Evil:1", "text")
    .start()
}

/// The variants of a line break that a URI can carry, and NUL, which it cannot.
const BREAKS: [&str; 4] = [
    "%0d%0aX-Evil:1",
    "%0aX-Evil:1",
    "%0dX-Evil:1",
    "%0d%0a%0d%0aevil",
];

#[test]
fn line_breaks_from_variables_never_leave() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = start();
    for path in ["/redirect/", "/temporary/", "/added/", "/type/"] {
        for line_break in BREAKS {
            let response = server.get(&format!("{path}a{line_break}"));
            let head = response
                .raw
                .split(|byte| *byte == b'<')
                .next()
                .unwrap_or_default();
            let head = String::from_utf8_lossy(head).to_lowercase();
            assert_eq!(response.status, 500, "{path}{line_break}: {response:?}");
            assert!(!head.contains("evil"), "{path}{line_break}: {response:?}");
        }
        // The connection is not spoilt, and neither is the path.
        assert_ne!(server.get(&format!("{path}a")).status, 500, "{path}");
    }
    server.wait_for_error_log("would carry a line break or NUL");
}

/// A trailer that must not leave is left out: the answer has begun.
#[test]
fn line_breaks_never_leave_in_trailers() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = start();
    for path in [
        "/trailer/a%0aX-Evil:1",
        "/trailer/a%0d%0aX-Evil:1",
        "/trailer/a%0dX-Evil:1",
    ] {
        let response = server.get(path);
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "text"),
            "{path}"
        );
        assert!(
            response.is_complete && response.trailers.is_empty(),
            "{response:?}"
        );
    }
    let response = server.get("/trailer/a.txt");
    let expected = ("X-Late".to_owned(), "/trailer/a.txt".to_owned());
    assert_eq!(response.trailers, [expected]);
}

/// The name of the server is in every answer, that of the 500 too.
#[test]
fn line_breaks_never_leave_in_the_servers_name() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = Server::of_one("server_tokens $uri; location / { return 200 text; }").start();
    let response = server.get("/a%0d%0aX-Evil:1");
    assert_eq!((response.status, response.header("Server")), (200, None));
    assert_eq!(server.get("/name").header("Server"), Some("/name"));
}

/// What is not decoded has no line break, and passes.
#[test]
fn encoded_line_breaks_stay_encoded() {
    let server = start();
    let response = server.get("/argument?a=%0d%0aX-Evil:1");
    assert_eq!(response.header("X-Name"), Some("%0d%0aX-Evil:1"));
    let response = server.get("/location?a=%0d%0aX-Evil:1");
    let location = response.header("Location").unwrap_or_default();
    assert!(location.ends_with("/next?a=%0d%0aX-Evil:1"), "{location}");
    assert_eq!(response.header("X-Evil"), None);
}

/// What a rewrite took from the path is encoded again.
#[test]
fn captures_in_redirects_are_encoded() {
    let response = start().get("/rewritten/a%0d%0aX-Evil:1");
    assert_eq!(
        response.header("Location"),
        Some("https://h/a%0D%0AX-Evil:1")
    );
}

/// A slash appended by the server itself escapes what it found in the path.
#[test]
fn the_servers_own_redirects_are_escaped() {
    let server = Server::of_one("absolute_redirect off;")
        .with_file("html/a\r\nX-Evil: 1/index.html", "")
        .start();
    let response = server.get("/a%0d%0aX-Evil:%201");
    assert_eq!(response.status, 301);
    assert_eq!(response.header("Location"), Some("/a%0D%0AX-Evil:%201/"));
}
