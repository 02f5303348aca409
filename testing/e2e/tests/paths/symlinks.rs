//! Symbolic links that change while they are looked at: `disable_symlinks` sees the file that
//! is opened, not one that was there a moment ago.

use harness::Server;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How often links are exchanged while requests come.
const SWAPS: usize = 3000;

fn start() -> Server {
    let server = Server::of_one(
        "location /all/ { disable_symlinks on from={prefix}/html; }
         location /folder/ { disable_symlinks on from={prefix}/html; }
         location /cached/ { disable_symlinks on from={prefix}/html; open_file_cache max=10; }",
    )
    .with_file("secret.txt", "SECRET")
    .with_file("outside/a.txt", "SECRET")
    .with_file("html/all/real.txt", "public")
    .with_file("html/folder/real/a.txt", "public")
    .with_file("html/cached/real.txt", "public")
    .start();
    let html = server.path("html");
    symlink(server.path("secret.txt"), html.join("all/link.txt")).unwrap();
    symlink(server.path("outside"), html.join("folder/link")).unwrap();
    symlink(server.path("secret.txt"), html.join("cached/link.txt")).unwrap();
    server
}

#[test]
fn links_are_refused() {
    let server = start();
    // A link in the place of a folder is no folder, which nginx tells as "not found".
    for (path, status) in [
        ("/all/link.txt", 403),
        ("/folder/link/a.txt", 404),
        ("/cached/link.txt", 403),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    for path in ["/all/real.txt", "/folder/real/a.txt", "/cached/real.txt"] {
        assert_eq!(server.get(path).text(), "public", "{path}");
    }
}

/// A name that is a file at one moment and a link at the next never gives the link's file.
#[test]
fn links_that_change_places_with_files_are_never_followed() {
    let server = start();
    let html = server.path("html");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..SWAPS {
                let (file, folder) = if at % 2 == 0 {
                    ("link.txt", "link")
                } else {
                    ("real.txt", "real")
                };
                for (kind, name) in [("all", file), ("cached", file), ("folder", folder)] {
                    let target = html.join(kind).join(name);
                    // A name of its own for each: a link to what is wanted, and a copy of it.
                    let next = html.join(kind).join("next");
                    if at % 2 == 0 {
                        let _ = symlink(fs::read_link(&target).unwrap(), &next);
                    } else if kind == "folder" {
                        let _ = fs::create_dir(&next);
                        fs::write(next.join("a.txt"), "public").unwrap();
                    } else {
                        fs::write(&next, "public").unwrap();
                    }
                    let place = html.join(kind).join("swap");
                    if kind == "folder" {
                        // A folder is not renamed over a link, nor a link over a folder.
                        let _ = fs::remove_dir_all(&place).or_else(|_| fs::remove_file(&place));
                    }
                    fs::rename(&next, &place).unwrap();
                }
            }
            is_done.store(true, Ordering::Relaxed);
        });
        for path in ["/all/swap", "/cached/swap", "/folder/swap/a.txt"] {
            let (server, is_done) = (&server, &is_done);
            scope.spawn(move || {
                let mut client = server.connect();
                let mut answers = 0_usize;
                while !is_done.load(Ordering::Relaxed) {
                    let response = client.get(path);
                    assert!(!response.text().contains("SECRET"), "{path}: {response:?}");
                    answers += usize::from(response.status == 200);
                    if response.is_last() {
                        client = server.connect();
                    }
                }
                assert!(answers > 0, "{path} was never served");
            });
        }
    });
}
