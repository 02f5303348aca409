//! `random_index`: any file of a folder stands for it.

use harness::{Differential, Exchange, Server};
use std::collections::BTreeSet;

#[test]
fn every_visible_file_is_chosen_in_time_and_nothing_else() {
    let mut builder = Server::of_one(
        "add_header X-URI $uri;
         location /many/ { random_index on; }
         location /none/ { random_index on; }",
    )
    .with_file("html/many/.hidden", "no")
    .with_file("html/many/folder/file", "no")
    .with_file("html/none/index.html", "no")
    .with_file("html/none/.hidden", "no");
    let names = ["a", "b", "c", "index.html"];
    for name in names {
        builder = builder.with_file(&format!("html/many/{name}"), name);
    }
    let server = builder.start();

    let mut chosen = BTreeSet::new();
    // One of four is missed in 200 draws once in 10^24 runs.
    for _ in 0..200 {
        let response = server.get("/many/?x");
        assert_eq!(response.status, 200);
        let uri = response.header("X-URI").unwrap().to_owned();
        assert_eq!(uri, format!("/many/{}", response.text()));
        chosen.insert(response.text());
    }
    assert_eq!(chosen, names.map(str::to_owned).into());
    assert_eq!(server.get("/missing/").status, 404);
}

#[test]
fn folders_without_files_are_left_to_others() {
    let server = Server::of_one("location / { random_index on; }")
        .with_file("html/empty/folder/file", "no")
        .start();
    assert_eq!(server.get("/empty/").status, 403);
    assert_eq!(server.get("/missing/").status, 404);
    assert_eq!(server.get("/empty/folder/file/").status, 404);
}

/// Where there is nothing to choose, so that the answer is always the same.
#[test]
fn the_only_file_is_served_as_by_nginx() {
    let server = Server::of_one(
        "add_header X-URI $uri always;
         location / {
             random_index on;
             location /listed/ { autoindex on; }
             location /off/ { random_index off; index a.txt; }
             location /indexed/ { index a.txt; }
         }",
    )
    .with_file("html/one/a.txt", "0123456789")
    .with_file("html/one/.hidden", "no")
    .with_file("html/one/folder/file", "no")
    .with_file("html/percent/a%20b?c.html", "page")
    .with_file("html/listed/.hidden", "no")
    .with_file("html/off/a.txt", "a")
    .with_file("html/indexed/b.txt", "b")
    .with_file("html/folders/folder/file", "no");
    let paths = [
        "/one/",
        "/one/?x=y",
        "/one",
        "/one/a.txt",
        "/one/a.txt/",
        "/percent/",
        "/listed/",
        "/off/",
        "/indexed/",
        "/folders/",
        "/missing/",
    ];
    Differential::new(server)
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .with_exchanges([
            Exchange::new("HEAD /one/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            Exchange::new("POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
            Exchange::new("DELETE /one/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            Exchange::get("/one/", "Range: bytes=2-3\r\n"),
        ])
        .run();
}
