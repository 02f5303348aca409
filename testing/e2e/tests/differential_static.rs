//! Files, ranges, conditions and redirects to folders: the same as in nginx.

use std::fmt::Write as _;

use harness::{Builder, Differential, Exchange, Server};

/// When the harness says that every file was changed.
const FILE_TIME: &str = "Mon, 01 Jan 2024 00:00:00 GMT";

/// The entity tag of a file of six bytes of that time: seconds and size, in hexadecimal.
const TAG: &str = "\"65920080-6\"";

fn files() -> Builder {
    Server::of_one(
        r#"
        types { text/html html; text/plain txt; image/svg+xml svg svgz; }
        default_type application/octet-stream;
        location /no-tag/ { alias html/; etag off; }
        location /before/ { alias html/; if_modified_since before; }
        location /off/ { alias html/; if_modified_since off; }
        location /one/ { alias html/; max_ranges 1; }
        location /none/ { alias html/; max_ranges 0; }
        location /plain/ { alias html/; types { } default_type text/x-plain; }
        location /typeless/ { alias html/; types { } default_type ""; }
        "#,
    )
    .with_file("html/a.html", "abcdef")
    .with_file("html/b.TXT", "upper")
    .with_file("html/c.svgz", "svgz")
    .with_file("html/noext", "noext")
    .with_file("html/.hidden", "hidden")
    .with_file("html/two.dots.txt", "dots")
    .with_file("html/sp ace.txt", "space")
    .with_file("html/per%cent.txt", "percent")
    .with_file("html/plus+.txt", "plus")
    .with_file("html/empty.txt", "")
    .with_file("html/folder/index.html", "index")
    .with_file("html/bare/x.txt", "x")
}

fn with_paths(paths: &[&str]) -> Vec<Exchange> {
    paths.iter().map(|path| Exchange::get(path, "")).collect()
}

/// `/a.html` once for each of `values` of the field `name`.
fn with_field<'a>(name: &'a str, values: &'a [&'a str]) -> impl Iterator<Item = Exchange> + 'a {
    values
        .iter()
        .map(move |value| Exchange::get("/a.html", &format!("{name}: {value}\r\n")))
}

#[test]
fn files_and_their_types() {
    let exchanges = with_paths(&[
        "/a.html",
        "/b.TXT",
        "/c.svgz",
        "/noext",
        "/.hidden",
        "/two.dots.txt",
        "/sp%20ace.txt",
        "/sp+ace.txt",
        "/per%25cent.txt",
        "/plus+.txt",
        "/plus%2B.txt",
        "/empty.txt",
        "/folder",
        "/folder/",
        "/folder?x=y",
        "/folder/index.html",
        "/folder/index.html/",
        "/a.html/",
        "/a.html/x",
        "/bare/",
        "/bare",
        "/missing",
        "/missing/",
        "/no-tag/a.html",
        "/plain/a.html",
        "/typeless/a.html",
        "/a.html?",
        "/a.html?x#y",
        "/a.html#fragment",
        "/a.html%00",
        "/a.html%20",
        "/a.html.",
        "//a.html",
        "/folder/../a.html",
        "/folder/%2e%2e/a.html",
        "/..%2fa.html",
        "/../a.html",
        "/folder/..",
        "/folder/.",
        "/folder/...",
        "/A.html",
    ]);
    Differential::new(files()).with_exchanges(exchanges).run();
}

#[test]
fn methods_on_files() {
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "MKCOL", "LOCK",
        "FOO", "get",
    ];
    let paths = ["/a.html", "/folder", "/folder/", "/missing"];
    let exchanges = methods.iter().flat_map(|method| {
        paths.iter().map(move |path| {
            Exchange::new(format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            ))
        })
    });
    Differential::new(files()).with_exchanges(exchanges).run();
}

#[test]
fn single_ranges() {
    let ranges = [
        "bytes=0-0",
        "bytes=0-",
        "bytes=0-5",
        "bytes=0-6",
        "bytes=5-",
        "bytes=5-5",
        "bytes=6-",
        "bytes=6-7",
        "bytes=3-2",
        "bytes=-1",
        "bytes=-6",
        "bytes=-7",
        "bytes=-0",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=1",
        "bytes=a-b",
        "bytes= 1-2",
        "bytes=1 - 2",
        "bytes=1-2 ",
        "bytes=\t1-2",
        "Bytes=1-2",
        "BYTES=1-2",
        "bytes =1-2",
        "items=1-2",
        "bytes=1-2x",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=18446744073709551615-",
        "bytes=0-18446744073709551615",
        "bytes=0-9223372036854775807",
        "bytes=99999999999999999999-",
        "bytes=-99999999999999999999",
        "bytes=-9223372036854775807",
        "bytes=0-99999999999999999999",
    ];
    Differential::new(files())
        .with_exchanges(with_field("Range", &ranges))
        .run();
}

/// The boundary is a counter of each server, so what is compared is how many parts there are and
/// whether there is more than one; the parts themselves are compared by `multipart_bodies`.
#[test]
fn several_ranges_that_end_as_one_or_none() {
    let ranges = [
        "bytes=0-0,7-8",
        "bytes=7-8,0-0",
        "bytes=7-8,9-10",
        "bytes=0-0,",
        "bytes=,0-0",
        "bytes=0-0,,1-1",
        "bytes=0-0;1-1",
        "bytes=0-0,x",
        "bytes=0-5,0-5",
        "bytes=0-5,0-5,0-5,0-5,0-5,0-5,0-5,0-5",
        "bytes=0-,1-",
        "bytes=3-2,0-0",
    ];
    Differential::new(files())
        .with_exchanges(with_field("Range", &ranges))
        .run();
}

/// Two parts and more: everything but the boundary.
#[test]
fn multipart_bodies() {
    let server = files().start();
    for (range, parts) in [
        ("0-0,2-2", &[(0, 0), (2, 2)][..]),
        ("0-0, 2-2", &[(0, 0), (2, 2)]),
        ("-1,0-0", &[(5, 5), (0, 0)]),
        ("0-1,1-2", &[(0, 1), (1, 2)]),
        ("0-0,7-8,5-", &[(0, 0), (5, 5)]),
    ] {
        let fields = format!("Range: bytes={range}\r\n");
        let response = server.request(format!(
            "GET /a.html HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n"
        ));
        let kind = response.header("Content-Type").unwrap_or_default();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=");
        let boundary = boundary.unwrap_or_else(|| panic!("{range}: {kind}"));
        assert_eq!(boundary.len(), 20, "{range}");
        assert_eq!(response.status, 206, "{range}");
        assert_eq!(response.header("Content-Range"), None, "{range}");
        let length = response.header("Content-Length").unwrap_or_default();
        assert_eq!(length, response.body.len().to_string(), "{range}");
        assert_eq!(response.text(), body_of(parts, boundary), "{range}");
    }
}

/// What RFC 9110 section 14.6 makes of `parts` of `/a.html`, as nginx writes it.
fn body_of(parts: &[(usize, usize)], boundary: &str) -> String {
    let mut body = String::new();
    for &(start, end) in parts {
        let content = &"abcdef"[start..=end];
        let _ = write!(
            body,
            "\r\n--{boundary}\r\nContent-Type: text/html\r\n\
             Content-Range: bytes {start}-{end}/6\r\n\r\n{content}"
        );
    }
    body + &format!("\r\n--{boundary}--\r\n")
}

#[test]
fn ranges_depend_on_the_location_and_on_if_range() {
    let range = "Range: bytes=0-1\r\n";
    let with = |field: &str| Exchange::get("/a.html", &format!("{range}If-Range: {field}\r\n"));
    Differential::new(files())
        .with_exchanges([
            Exchange::get("/one/a.html", range),
            Exchange::get("/one/a.html", "Range: bytes=0-0,2-2\r\n"),
            Exchange::get("/none/a.html", range),
            Exchange::get("/missing", range),
            Exchange::get("/folder/", range),
            Exchange::get("/empty.txt", range),
            Exchange::get("/empty.txt", "Range: bytes=0-\r\n"),
            Exchange::get("/empty.txt", "Range: bytes=-1\r\n"),
            Exchange::new(format!("HEAD /a.html HTTP/1.1\r\nHost: x\r\n{range}\r\n")),
            Exchange::new(format!("POST /a.html HTTP/1.1\r\nHost: x\r\n{range}\r\n")),
            Exchange::new(format!("GET /a.html HTTP/1.0\r\n{range}\r\n")),
            with(FILE_TIME),
            with(TAG),
            with(&format!("W/{TAG}")),
            with("\"other\""),
            with("Mon, 01 Jan 2024 00:00:01 GMT"),
            with("Sun, 31 Dec 2023 23:59:59 GMT"),
            with("nonsense"),
            with(""),
            with("\""),
        ])
        .run();
}

#[test]
fn conditions() {
    let dates = [
        FILE_TIME,
        "Monday, 01-Jan-24 00:00:00 GMT",
        "Mon Jan  1 00:00:00 2024",
        "Mon, 01 Jan 2024 00:00:01 GMT",
        "Sun, 31 Dec 2023 23:59:59 GMT",
        "Mon, 01 Jan 2024 00:00:00",
        "nonsense",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "",
    ];
    let weak = format!("W/{TAG}");
    let listed = format!("\"x\", {TAG}");
    let listed_weak = format!("\"x\" ,W/{TAG} , \"y\"");
    let tags = [
        TAG,
        weak.as_str(),
        listed.as_str(),
        listed_weak.as_str(),
        "*",
        "\"x\"",
        "x",
        "\"65920080-6",
        "65920080-6",
        "",
        "\"x\",*",
        "w/\"65920080-6\"",
    ];
    Differential::new(files())
        .with_exchanges(with_field("If-Modified-Since", &dates))
        .with_exchanges(with_field("If-Unmodified-Since", &dates))
        .with_exchanges(with_field("If-None-Match", &tags))
        .with_exchanges(with_field("If-Match", &tags))
        .run();
}

#[test]
fn conditions_together_and_by_location() {
    let old = "If-Modified-Since: Sun, 31 Dec 2023 23:59:59 GMT\r\n";
    let same = format!("If-Modified-Since: {FILE_TIME}\r\n");
    let later = "If-Modified-Since: Mon, 01 Jan 2024 00:00:01 GMT\r\n";
    let tag = format!("If-None-Match: {TAG}\r\n");
    let other = "If-None-Match: \"x\"\r\n";
    Differential::new(files())
        .with_exchanges([
            Exchange::get("/a.html", &format!("{same}{tag}")),
            Exchange::get("/a.html", &format!("{same}{other}")),
            Exchange::get("/a.html", &format!("{old}{tag}")),
            Exchange::get("/a.html", &format!("{tag}Range: bytes=0-1\r\n")),
            Exchange::get("/a.html", &format!("If-Match: \"x\"\r\n{tag}")),
            Exchange::get("/before/a.html", later),
            Exchange::get("/before/a.html", old),
            Exchange::get("/off/a.html", &same),
            Exchange::get("/off/a.html", &tag),
            Exchange::get("/no-tag/a.html", &tag),
            Exchange::get("/missing", &same),
            Exchange::get(
                "/folder/",
                "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
            ),
            Exchange::new(format!("HEAD /a.html HTTP/1.1\r\nHost: x\r\n{tag}\r\n")),
            Exchange::new(format!("GET /a.html HTTP/1.0\r\n{same}\r\n")),
        ])
        .run();
}
