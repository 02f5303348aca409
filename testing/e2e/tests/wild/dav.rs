//! A WebDAV share: everybody reads, people with a password write.

use harness::Response;

use crate::Site;

/// `ann:secret-of-ann` and `bob:secret-of-bob`.
const ANN: &str = "Authorization: Basic YW5uOnNlY3JldC1vZi1hbm4=\r\n";
const BOB: &str = "Authorization: Basic Ym9iOnNlY3JldC1vZi1ib2I=\r\n";

fn start() -> Site {
    let site = Site::start(
        "dav",
        &[
            ("srv/share/read.txt", b"for all"),
            ("srv/homes/nobody/x", b""),
            ("srv/local/here.txt", b"here"),
        ],
    );
    for folder in ["srv/share", "srv/homes/ann", "srv/homes/bob"] {
        site.make_writable(folder);
    }
    site
}

fn dav(site: &Site, method: &str, path: &str, fields: &str, body: &str) -> Response {
    site.ask(method, "dav.example.org", path, fields, body)
}

#[test]
fn reading_needs_no_password_and_writing_does() {
    let site = start();
    assert_eq!(
        dav(&site, "GET", "/share/read.txt", "", "").text(),
        "for all"
    );
    assert_eq!(dav(&site, "HEAD", "/share/read.txt", "", "").status, 200);
    assert!(
        dav(&site, "GET", "/share/", "", "")
            .text()
            .contains("read.txt")
    );
    for method in ["PUT", "DELETE", "MKCOL", "POST", "OPTIONS", "COPY"] {
        let refused = dav(&site, method, "/share/new.txt", "", "");
        assert_eq!(refused.status, 401, "{method}");
        let realm = refused.header("WWW-Authenticate");
        assert_eq!(realm, Some("Basic realm=\"Share\""), "{method}");
    }
    let wrong = "Authorization: Basic YW5uOnNlY3JldC1vZi1ib2I=\r\n";
    assert_eq!(dav(&site, "PUT", "/share/new.txt", wrong, "x").status, 401);
    assert_eq!(dav(&site, "GET", "/share/new.txt", "", "").status, 404);
}

#[test]
fn a_file_from_its_creation_to_its_end() {
    let site = start();
    let status = |method, path, fields: &str, body| dav(&site, method, path, fields, body).status;
    assert_eq!(status("PUT", "/share/a/b/new.txt", ANN, "first"), 201);
    assert_eq!(status("PUT", "/share/a/b/new.txt", BOB, "second"), 204);
    assert_eq!(
        dav(&site, "GET", "/share/a/b/new.txt", "", "").text(),
        "second"
    );
    assert_eq!(status("MKCOL", "/share/c/", ANN, ""), 201);
    assert_eq!(status("MKCOL", "/share/c/", ANN, ""), 405);
    let to = |place: &str| format!("{ANN}Destination: http://dav.example.org{place}\r\n");
    assert_eq!(
        status("COPY", "/share/a/b/new.txt", &to("/share/c/copy.txt"), ""),
        204
    );
    assert_eq!(
        status("MOVE", "/share/a/b/new.txt", &to("/share/c/moved.txt"), ""),
        204
    );
    assert_eq!(status("GET", "/share/a/b/new.txt", "", ""), 404);
    assert_eq!(
        dav(&site, "GET", "/share/c/copy.txt", "", "").text(),
        "second"
    );
    let no_overwrite = to("/share/c/copy.txt") + "Overwrite: F\r\n";
    assert_eq!(status("MOVE", "/share/c/moved.txt", &no_overwrite, ""), 412);
    assert_eq!(status("DELETE", "/share/c/moved.txt", ANN, ""), 204);
    assert_eq!(status("DELETE", "/share/c/moved.txt", ANN, ""), 404);
    assert_eq!(status("DELETE", "/share/c/", ANN, ""), 204);
    // Not as deep as `min_delete_depth` asks for.
    assert_eq!(status("DELETE", "/share/", ANN, ""), 409);
}

/// Beyond the buffer a body waits in a temporary file; beyond the limit it is refused.
#[test]
fn sizes_of_bodies() {
    let site = start();
    let large = "0123456789".repeat(60_000);
    assert_eq!(
        dav(&site, "PUT", "/share/large.txt", ANN, &large).status,
        201
    );
    let stored = dav(&site, "GET", "/share/large.txt", "", "");
    assert!(stored.text() == large, "{} bytes", stored.body.len());
    let fields = format!("{ANN}Content-Length: 2000000\r\n");
    assert_eq!(
        dav(&site, "PUT", "/share/huge.txt", &fields, "").status,
        413
    );
    let chunks = format!("{ANN}Transfer-Encoding: chunked\r\n");
    let request = format!(
        "PUT /share/chunks.txt HTTP/1.1\r\nHost: x\r\n{chunks}\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
    );
    assert_eq!(site.connect().request(request).status, 201);
    assert_eq!(
        dav(&site, "GET", "/share/chunks.txt", "", "").text(),
        "hello, world"
    );
}

/// Everybody has a folder of their own, by the name they log in with.
#[test]
fn private_folders() {
    let site = start();
    assert_eq!(dav(&site, "GET", "/private/x", "", "").status, 401);
    assert_eq!(
        dav(&site, "PUT", "/private/diary.txt", ANN, "dear diary").status,
        201
    );
    assert_eq!(
        dav(&site, "GET", "/private/diary.txt", ANN, "").text(),
        "dear diary"
    );
    assert_eq!(dav(&site, "GET", "/private/diary.txt", BOB, "").status, 404);
    assert_eq!(site.prefix.read("srv/homes/ann/diary.txt"), "dear diary");
    assert_eq!(dav(&site, "GET", "/local/here.txt", "", "").text(), "here");
    assert_eq!(dav(&site, "GET", "/elsewhere", ANN, "").status, 404);
    let lines = site.log("dav.log", 2);
    assert!(lines[1].starts_with("127.0.0.1 - ann ["), "{}", lines[1]);
}
