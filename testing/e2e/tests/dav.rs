//! `dav`: files changed by clients, and files that must not be.

use harness::{Builder, Differential, Exchange, Server, skip};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A server where everything may be changed, with a few things to change.
fn server(more: &str) -> Builder {
    Server::of_one(&format!(
        "server_name localhost;
         dav_methods PUT DELETE MKCOL COPY MOVE;
         {more}"
    ))
    // Workers must be able to write where the test has put files.
    .with_main("user root;")
    .with_file("html/file", "content")
    .with_file("html/other", "other")
    .with_file("html/dir/a", "a")
    .with_file("html/dir/sub/b", "b")
    .with_file("html/full/x", "x")
}

/// A request of `method` with the lines of `fields`, which end in CRLF.
fn ask(method: &str, uri: &str, fields: &str) -> String {
    format!("{method} {uri} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

fn put(uri: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    ask("PUT", uri, &format!("Content-Length: {length}\r\n{fields}")) + body
}

fn to(destination: &str) -> String {
    format!("Destination: {destination}\r\n")
}

/// Names, kinds and the beginnings of everything below `folder`, one a line.
#[expect(
    clippy::unwrap_used,
    reason = "a test that cannot reach its files has failed"
)]
fn snapshot(folder: &Path) -> String {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_symlink() {
                lines.push(format!(
                    "{name} -> {}",
                    fs::read_link(&path).unwrap().display()
                ));
            } else if path.is_dir() {
                lines.push(format!("{name}/"));
                folders.push(path);
            } else {
                let content = fs::read_to_string(&path).unwrap();
                let beginning: String = content.chars().take(80).collect();
                lines.push(format!("{name}: {beginning} ({} bytes)", content.len()));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

/// A file, a folder, and what becomes of them, step by step as in nginx.
#[test]
fn a_life_of_files_is_as_in_nginx() {
    let steps = [
        put("/new", "", "0123456789"),
        ask("GET", "/new", ""),
        put("/new", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "again"),
        ask("GET", "/new", ""),
        put("/%D0%BC%20%3C", "", ""),
        put("/dir/", "", "x"),
        put("/dir", "", "x"),
        put("/missing/x", "", "x"),
        put("/new", "Content-Range: bytes 0-1/2\r\n", "xx"),
        ask("PUT", "/chunked", "Transfer-Encoding: chunked\r\n")
            + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ask("GET", "/chunked", ""),
        ask("MKCOL", "/col/", ""),
        ask("MKCOL", "/col/", ""),
        ask("MKCOL", "/col", ""),
        ask("MKCOL", "/missing/col/", ""),
        ask("MKCOL", "/b/", "Content-Length: 1\r\n") + "x",
        ask("COPY", "/file", &to("/col/copy")),
        ask("GET", "/col/copy", ""),
        ask("COPY", "/file", &to("/other")),
        ask("GET", "/other", ""),
        ask("COPY", "/dir/", &to("/dir2/")),
        ask("GET", "/dir2/sub/b", ""),
        ask("COPY", "/dir/", &to("/full/")),
        ask("GET", "/full/sub/b", ""),
        ask("GET", "/full/x", ""),
        ask("MOVE", "/col/copy", &to("/moved")),
        ask("GET", "/moved", ""),
        ask("GET", "/col/copy", ""),
        ask("MOVE", "/moved", &to("/deep/er/moved")),
        ask("GET", "/deep/er/moved", ""),
        ask("MOVE", "/dir2/", &to("/dir3/")),
        ask("GET", "/dir3/a", ""),
        ask("MOVE", "/dir3/", &to("/full/")),
        ask("GET", "/full/a", ""),
        ask("GET", "/dir3/a", ""),
        ask("DELETE", "/new", ""),
        ask("DELETE", "/new", ""),
        ask("DELETE", "/full", ""),
        ask("DELETE", "/full/", "Depth: 1\r\n"),
        ask("DELETE", "/full/", "Depth: infinity\r\n"),
        ask("GET", "/full/a", ""),
        ask("DELETE", "/file", "Depth: 1\r\n"),
        ask("DELETE", "/file/", ""),
        ask("DELETE", "/file", "Content-Length: 1\r\n") + "x",
        ask("DELETE", "/file", "Depth: 0\r\n"),
    ];
    Differential::new(server(""))
        .with_exchanges(steps.map(Exchange::new))
        .run();
}

/// What nginx refuses is refused in the same way.
#[test]
fn bad_transfers_are_refused_as_in_nginx() {
    let file = |fields: &str| ask("COPY", "/file", fields);
    let steps = [
        file(""),
        file(&to("")),
        file(&to("relative")),
        file(&to("http://localhost")),
        file(&to("https://localhost/x")),
        file(&to("http://elsewhere/x")),
        file(&to("http://localhost/by-host")),
        file(&to("/../x")),
        file(&to("/dir/../x")),
        file(&to("/dir/%2e%2e/x")),
        file(&to("/x%00")),
        file(&to("/x/")),
        file(&to("/dir")),
        file(&(to("/x") + "Depth: 1\r\n")),
        file(&(to("/x") + "Depth: 2\r\n")),
        file(&(to("/x") + "Overwrite: maybe\r\n")),
        file(&(to("/other") + "Overwrite: F\r\n")),
        file(&(to("/other") + "Content-Length: 1\r\n")) + "x",
        ask("COPY", "/missing", &to("/x")),
        ask("COPY", "/missing/", &to("/x/")),
        ask("COPY", "/dir", &to("/x")),
        ask("COPY", "/dir/", &to("/missing/x/")),
        ask("MOVE", "/file", &(to("/x") + "Depth: 0\r\n")),
        ask("MOVE", "/dir/", &to("/full")),
        "COPY /file HTTP/1.0\r\nDestination: http://localhost/x\r\n\r\n".to_owned(),
        ask("GET", "/file", ""),
        ask("GET", "/other", ""),
        ask("GET", "/dir/sub/b", ""),
        ask("GET", "/by-host", ""),
    ];
    Differential::new(server(""))
        .with_exchanges(steps.map(Exchange::new))
        .run();
}

#[test]
fn settings_mean_what_they_mean_in_nginx() {
    let builder = server(
        "location /off/ { dav_methods off; }
         location /puts/ { dav_methods put; create_full_put_path on; }
         location /users/ { min_delete_depth 3; }
         location /small/ { client_max_body_size 4; }",
    )
    .with_file("html/off/a", "a")
    .with_file("html/users/me/a", "a");
    let steps = [
        put("/off/new", "", "x"),
        ask("DELETE", "/off/a", ""),
        put("/puts/a/b/c", "", "deep"),
        ask("GET", "/puts/a/b/c", ""),
        ask("DELETE", "/puts/a/b/c", ""),
        ask("DELETE", "/users/me/", ""),
        ask("DELETE", "/users/me/a", ""),
        put("/small/a", "", "12345"),
    ];
    Differential::new(builder)
        .with_exchanges(steps.map(Exchange::new))
        .run();
}

#[test]
fn new_files_have_the_permissions_and_the_time_that_were_asked_for() {
    let builder = server(
        "location /shared/ { dav_access group:rw all:r; create_full_put_path on; }
         location /private/ { create_full_put_path on; }",
    );
    let server = builder.start();
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for uri in ["/shared/a", "/private/a"] {
        assert_eq!(server.request(put(uri, date, "x")).status, 201);
    }
    let mode = |name: &str| {
        let metadata = fs::metadata(server.path(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("html/shared/a"), 0o664);
    assert_eq!(mode("html/private/a"), 0o600);
    assert_eq!(mode("html/private"), 0o700);
    let modified = fs::metadata(server.path("html/private/a"))
        .unwrap()
        .modified()
        .unwrap();
    let asked = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(modified, asked);

    let copied = server.request(ask("COPY", "/shared/a", &to("/copy")));
    assert_eq!(copied.status, 204);
    assert_eq!(mode("html/copy"), 0o664);
    assert_eq!(
        fs::metadata(server.path("html/copy"))
            .unwrap()
            .modified()
            .unwrap(),
        asked
    );
}

/// Every way out of the folder that is served, and every way to have one file be two.
#[test]
fn attacks_change_nothing() {
    let server = server("location /i/ { alias html/dir/; } location /j { alias html/dir; }")
        .with_file("secret", "secret")
        .start();
    symlink("dir", server.path("html/link")).unwrap();
    symlink("../sub", server.path("html/dir/sub/up")).unwrap();
    let before = snapshot(server.prefix().path().join("html").as_path());

    let attempts = [
        // The alias is longer than the destination (CVE-2026-27654), or is not there at all.
        ("COPY", "/i/a", "/x", 400),
        ("MOVE", "/i/a", "/", 400),
        ("MOVE", "/i/sub/", "/", 400),
        ("COPY", "/i/a", "/elsewhere", 400),
        ("MOVE", "/j/a", "/j../secret", 404),
        // Another server's, with a name that begins like this one's.
        ("COPY", "/file", "http://localhost.example/x", 400),
        ("COPY", "/file", "http://localhost@example/x", 400),
        ("COPY", "/file", "http://example/x", 400),
        // Out of the root.
        ("COPY", "/file", "/../x", 400),
        ("COPY", "/file", "/%2e%2e/x", 400),
        ("COPY", "/file", "/dir/..%2f../x", 400),
        // The source itself, in it, or around it. Before 1.31 nginx emptied the file.
        ("COPY", "/file", "/file", 403),
        ("COPY", "/file", "//file", 403),
        ("MOVE", "/file", "/file", 403),
        ("COPY", "/dir/", "/dir/", 403),
        ("COPY", "/dir/", "/dir/sub/", 403),
        ("COPY", "/dir/sub/", "/dir/", 403),
        ("MOVE", "/dir/", "/dir/sub/x/", 403),
        // The same under names that do not look so.
        ("COPY", "/file", "/./file", 403),
        ("COPY", "/file", "/%66ile", 403),
        ("COPY", "/dir/", "/link/sub/new/", 403),
        ("COPY", "/link/", "/dir/new/", 403),
        ("MOVE", "/dir/", "/link/sub/new/", 403),
        ("COPY", "/dir/sub/", "/link/", 403),
        ("COPY", "/dir/sub/up/", "/dir/sub/", 403),
    ];
    for (method, uri, destination, status) in attempts {
        let response = server.request(ask(method, uri, &to(destination)));
        assert_eq!(response.status, status, "{method} {uri} to {destination}");
        let after = snapshot(server.prefix().path().join("html").as_path());
        assert_eq!(after, before, "{method} {uri} to {destination}");
    }
}

/// Deleting a link leaves what it leads to, with the slash of a collection, too: there nginx
/// empties the folder and answers 409.
#[test]
fn links_are_deleted_and_not_followed() {
    let server = server("").start();
    for uri in ["/link", "/link/"] {
        symlink("dir", server.path("html/link")).unwrap();
        assert_eq!(server.request(ask("DELETE", uri, "")).status, 204, "{uri}");
        assert!(!server.path("html/link").is_symlink());
    }
    symlink("../file", server.path("html/dir/link")).unwrap();
    assert_eq!(server.request(ask("DELETE", "/dir/", "")).status, 204);
    assert!(!server.path("html/dir").exists());
    assert_eq!(server.get("/file").text(), "content");
}

/// nginx looks at `disable_symlinks` only where it serves files.
#[test]
fn refused_links_are_not_crossed() {
    let server = server("disable_symlinks on from={prefix}; create_full_put_path on;").start();
    symlink("dir", server.path("html/link")).unwrap();
    let before = snapshot(&server.path("html"));
    let attempts = [
        put("/link/new", "", "x"),
        put("/link/deep/new", "", "x"),
        ask("DELETE", "/link/a", ""),
        ask("DELETE", "/link/sub/", ""),
        ask("MKCOL", "/link/new/", ""),
        ask("COPY", "/file", &to("/link/new")),
        ask("COPY", "/link/a", &to("/new")),
        ask("COPY", "/link/", &to("/new/")),
        ask("MOVE", "/link/a", &to("/new")),
        ask("MOVE", "/file", &to("/link/deep/new")),
        ask("MOVE", "/dir/sub/", &to("/link/new/")),
    ];
    for attempt in attempts {
        let status = server.request(&attempt).status;
        assert_eq!(status, 403, "{attempt}");
        assert_eq!(snapshot(&server.path("html")), before, "{attempt}");
    }
    // Folders that are no links can be used, whether they were there before or not.
    for (request, status) in [
        (put("/new/deep/file", "", "x"), 201),
        (ask("COPY", "/dir/", &to("/new/dir/")), 201),
        (ask("MOVE", "/new/deep/file", &to("/newer/file")), 204),
        (ask("DELETE", "/new/", ""), 204),
    ] {
        assert_eq!(server.request(&request).status, status, "{request}");
    }
    assert_eq!(server.get("/newer/file").text(), "x");
}

/// A client that leaves in the middle of a body has changed nothing and left nothing behind.
#[test]
fn an_upload_cut_short_leaves_the_old_file() {
    let server = server("").start();
    let before = snapshot(&server.path("html"));
    let mut client = server.connect();
    let head = ask("PUT", "/file", "Content-Length: 100000\r\n");
    client.send(head + &"x".repeat(50_000)).unwrap();
    client.finish_sending().unwrap();
    assert!(client.read_to_end().unwrap_or_default().is_empty());
    assert_eq!(snapshot(&server.path("html")), before);
    assert_eq!(snapshot(&server.path("client_body_temp")), "");
}

/// Every write fails from some size on, as on a full disk.
#[test]
fn a_full_disk_changes_nothing() {
    // Files of this server end at 64 KiB: writing more fails with EFBIG.
    let limited = "trap '' XFSZ; exec prlimit --fsize=65536 \"$@\"";
    let builder = server("client_max_body_size 0;").with_wrapper(&["sh", "-c", limited, "sh"]);
    let server = builder.start();
    let before = snapshot(&server.path("html"));
    let response = server.request(put("/file", "", &"x".repeat(100_000)));
    assert!(matches!(response.status, 500 | 507), "{}", response.status);
    assert_eq!(snapshot(&server.path("html")), before);
    assert_eq!(snapshot(&server.path("client_body_temp")), "");

    fs::write(server.path("html/big"), "x".repeat(100_000)).unwrap();
    fs::write(server.path("html/dir/big"), "x".repeat(100_000)).unwrap();
    let before = snapshot(&server.path("html"));
    for request in [
        ask("COPY", "/big", &to("/other")),
        ask("COPY", "/big", &to("/new")),
        ask("COPY", "/dir/", &to("/full/")),
        ask("COPY", "/dir/", &to("/new/")),
    ] {
        let status = server.request(&request).status;
        assert!(matches!(status, 500 | 507), "{status} for {request}");
        assert_eq!(snapshot(&server.path("html")), before, "{request}");
    }
}

/// A folder on another file system than the server's, removed at the end.
struct Elsewhere(PathBuf);

impl Elsewhere {
    #[expect(
        clippy::unwrap_used,
        reason = "a test that cannot reach its files has failed"
    )]
    fn new() -> Self {
        let name = format!("tidegate-dav-{}", std::process::id());
        let path = Path::new("/dev/shm").join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where a rename cannot be, there is a copy, and nothing is lost on the way.
#[test]
fn file_systems_are_crossed_by_copies() {
    if !Path::new("/dev/shm").is_dir() {
        return skip::skip("there is no /dev/shm");
    }
    let elsewhere = Elsewhere::new();
    let server = server("").start();
    if fs::metadata(&elsewhere.0).unwrap().dev() == fs::metadata(server.path("html")).unwrap().dev()
    {
        return skip::skip("there is only one file system");
    }
    symlink(&elsewhere.0, server.path("html/shm")).unwrap();
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for (request, status) in [
        (put("/shm/put", date, "put"), 201),
        (put("/shm/put", date, "again"), 204),
        (ask("MOVE", "/file", &to("/shm/file")), 204),
        (ask("MOVE", "/dir/", &to("/shm/dir/")), 201),
        (ask("COPY", "/full/", &to("/shm/dir/")), 201),
    ] {
        assert_eq!(server.request(&request).status, status, "{request}");
    }
    assert_eq!(
        snapshot(&elsewhere.0),
        "dir/\ndir/x: x (1 bytes)\nfile: content (7 bytes)\nput: again (5 bytes)"
    );
    let metadata = fs::metadata(elsewhere.0.join("put")).unwrap();
    assert_eq!(
        (metadata.mtime(), metadata.mode() & 0o777),
        (784_111_777, 0o600)
    );
    assert!(!server.path("html/file").exists() && !server.path("html/dir").exists());
    assert_eq!(snapshot(&server.path("client_body_temp")), "");

    // A link would not be in the copy, so the folder stays where it is.
    symlink("x", server.path("html/full/link")).unwrap();
    let before = snapshot(&server.path("html/full"));
    let moved = server.request(ask("MOVE", "/full/", &to("/shm/full/")));
    assert_eq!(moved.status, 500);
    assert_eq!(snapshot(&server.path("html/full")), before);
    assert!(!elsewhere.0.join("full").exists());
}

/// The same work, done by other threads.
#[test]
fn threads_change_the_same() {
    let server = server("aio threads;").start();
    for (request, status) in [
        (put("/new", "", "new"), 201),
        (ask("COPY", "/dir/", &to("/copy/")), 201),
        (ask("MOVE", "/new", &to("/copy/new")), 204),
        (ask("DELETE", "/dir/", ""), 204),
        (ask("DELETE", "/dir/", ""), 404),
    ] {
        assert_eq!(server.request(&request).status, status, "{request}");
    }
    assert_eq!(server.get("/copy/new").text(), "new");
    assert_eq!(server.get("/copy/sub/b").text(), "b");
}

#[test]
fn configurations_are_checked_as_nginx_checks_them() {
    let said = |line: &str| {
        let output = Server::of_one(line).run(&["-t"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said("dav_methods POST;").contains("invalid value \"POST\""));
    assert!(said("dav_methods PUT put;").contains("duplicate value \"put\""));
    assert!(said("dav_access user:x;").contains("invalid value \"user:x\""));
    assert!(said("min_delete_depth -1;").contains("invalid number"));
}
