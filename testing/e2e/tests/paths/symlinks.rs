//! Symbolic links that change while they are looked at: `disable_symlinks` sees the file that
//! is opened, not one that was there a moment ago.

use harness::Server;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How often links are exchanged while requests come.
const SWAPS: usize = 1000;

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
    for (target, link) in [
        ("secret.txt", "all/link.txt"),
        ("outside", "folder/link"),
        ("secret.txt", "cached/link.txt"),
    ] {
        let linked = symlink(server.path(target), html.join(link));
        assert!(linked.is_ok(), "{link}: {linked:?}");
    }
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

/// Puts a link to what is secret, or a copy of what is public, in the place of `swap`.
fn exchange(html: &Path, to_link: bool) -> io::Result<()> {
    for kind in ["all", "cached", "folder"] {
        let is_folder = kind == "folder";
        let (next, place) = (html.join(kind).join("next"), html.join(kind).join("swap"));
        let link = html
            .join(kind)
            .join(if is_folder { "link" } else { "link.txt" });
        match (to_link, is_folder) {
            (true, _) => symlink(fs::read_link(link)?, &next)?,
            (false, false) => fs::write(&next, "public")?,
            (false, true) => {
                fs::create_dir(&next)?;
                fs::write(next.join("a.txt"), "public")?;
            }
        }
        if is_folder {
            // A folder is not renamed over a link, nor a link over a folder.
            let _ = fs::remove_file(&place).or_else(|_| fs::remove_dir_all(&place));
        }
        fs::rename(&next, &place)?;
    }
    Ok(())
}

/// A name that is a file at one moment and a link at the next never gives the link's file.
#[test]
fn links_that_change_places_with_files_are_never_followed() {
    let server = start();
    let html = server.path("html");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (server, is_done) = (&server, &is_done);
        scope.spawn(move || {
            let swapped = (0..SWAPS).try_for_each(|at| exchange(&html, at % 2 == 0));
            is_done.store(true, Ordering::Relaxed);
            swapped.unwrap();
        });
        for path in ["/all/swap", "/cached/swap", "/folder/swap/a.txt"] {
            scope.spawn(move || {
                let mut client = server.connect();
                let mut served = 0_usize;
                while !is_done.load(Ordering::Relaxed) {
                    let response = client.get(path);
                    assert!(!response.text().contains("SECRET"), "{path}: {response:?}");
                    served += usize::from(response.status == 200);
                    if response.is_last() {
                        client = server.connect();
                    }
                }
                assert!(served > 0, "{path} was never served");
            });
        }
    });
}
