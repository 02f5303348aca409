//! `autoindex`: lists of folders, as nginx writes them.

use harness::{Builder, Differential, Exchange, Prefix, Server};
use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

/// A folder with whatever a listing could trip over, of which both servers list the same.
#[expect(
    clippy::unwrap_used,
    reason = "a test that cannot reach its files has failed"
)]
fn tricky() -> Prefix {
    let folder = Prefix::new();
    let size = |bytes: usize| "x".repeat(bytes).into_bytes();
    let names = [
        ("a", size(0)),
        ("b", size(9999)),
        ("c", size(10_000)),
        ("d", size(3 << 20)),
        (".hidden", size(1)),
        ("colon:x", size(1)),
        ("percent-%", size(1)),
        ("question-?", size(1)),
        ("space and <&>\"'", size(1)),
        ("plus+ä", size(1)),
        ("line\nbreak\\", size(1)),
    ];
    for (name, bytes) in &names {
        folder.write(&format!("list/{name}"), bytes);
    }
    for length in [49, 50, 51, 60] {
        folder.write(&format!("list/{}", "n".repeat(length)), b"");
        folder.write(&format!("list/{}", "<".repeat(length)), b"");
        folder.write(&format!("list/{}", "ф".repeat(length)), b"");
        folder.write(&format!("list/{}/x", "F".repeat(length)), b"");
    }
    folder.write("list/sub/inner", b"");
    folder.write("list/<sub>/inner", b"");
    folder.write("list/empty/.keep", b"");
    let list = folder.path().join("list");
    symlink("a", list.join("link-to-file")).unwrap();
    symlink("sub", list.join("link-to-folder")).unwrap();
    symlink("nowhere", list.join("link-to-nothing")).unwrap();
    symlink("loop", list.join("loop")).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    File::open(list.join("a"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    folder
}

fn server(folder: &Prefix) -> Builder {
    let root = folder.path().display();
    Server::of_one(&format!(
        "autoindex on;
         location /html/ {{ alias {root}/list/; }}
         location /rounded/ {{ alias {root}/list/; autoindex_exact_size off; }}
         location /local/ {{ alias {root}/list/; autoindex_localtime on; }}
         location /json/ {{ alias {root}/list/; autoindex_format json; }}
         location /jsonp/ {{ alias {root}/list/; autoindex_format jsonp; }}
         location /xml/ {{ alias {root}/list/; autoindex_format xml; }}
         location /off/ {{ alias {root}/list/; autoindex off; }}"
    ))
    .with_main("env TZ=Asia/Kolkata;")
}

#[test]
fn listings_are_nginxs_byte_for_byte() {
    let folder = tricky();
    let paths = [
        "/html/",
        "/html/%3Csub%3E/",
        "/html/empty/",
        "/html/link-to-folder/",
        "/html/missing/",
        "/html/a/",
        "/html/sub",
        "/rounded/",
        "/local/",
        "/json/",
        "/json/empty/",
        "/jsonp/",
        "/jsonp/?callback=",
        "/jsonp/?callback=app.show_1",
        "/jsonp/?x&CALLBACK=f",
        "/jsonp/?callback=a(b)",
        "/jsonp/?callback=%61",
        "/xml/",
        "/xml/sub/",
        "/off/",
    ];
    let long = format!("/jsonp/?callback={}", "n".repeat(128));
    let too_long = format!("/jsonp/?callback={}", "n".repeat(129));
    let other = |method: &str| {
        Exchange::new(format!(
            "{method} /html/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    Differential::new(server(&folder))
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .with_exchanges([Exchange::get(&long, ""), Exchange::get(&too_long, "")])
        .with_exchanges(["HEAD", "POST", "PUT"].map(other))
        .with_exchanges([Exchange::new("GET /html/ HTTP/1.0\r\n\r\n")])
        .run();
}

/// The listing comes from another thread, and is the same.
#[test]
fn threads_list_the_same() {
    let folder = tricky();
    let root = folder.path().display();
    let server = Server::of_one(&format!(
        "autoindex on;
         location /inline/ {{ alias {root}/list/; }}
         location /threads/ {{ alias {root}/list/; aio threads; }}"
    ))
    .start();
    let inline = server.get("/inline/").text();
    let threads = server.get("/threads/").text();
    assert!(inline.contains("link-to-nothing"));
    assert_eq!(threads.replace("/threads/", "/inline/"), inline);
    assert_eq!(server.get("/threads/missing/").status, 404);
}

/// Names are counted in characters only where the page says that it is UTF-8.
#[test]
fn names_in_utf8_are_cut_between_characters() {
    let folder = tricky();
    let root = folder.path().display();
    Differential::new(Server::of_one(&format!(
        "autoindex on; charset utf-8; location / {{ alias {root}/list/; }}"
    )))
    .with_exchanges([Exchange::get("/", "")])
    .run();
}
