//! `random_index`: any file of a folder stands for it.

use harness::Server;
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
