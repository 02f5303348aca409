//! Byte ranges: parts of bodies, and what they may cost.

use harness::{Builder, Differential, Exchange, Response, Server};
use std::fmt::Write as _;

const SIZE: usize = 10 << 20;

/// The byte at position `at` of the large file.
fn byte(at: usize) -> u8 {
    b'a' + u8::try_from(at % 23).unwrap_or(0)
}

fn large() -> Builder {
    let bytes: Vec<u8> = (0..SIZE).map(byte).collect();
    Server::of_one("location /one/ { alias html/; max_ranges 1; }")
        .with_file("html/large", bytes)
        .with_file("html/a.txt", "0123456789")
}

fn ask(server: &Server, path: &str, ranges: &str) -> Response {
    server.request(format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes={ranges}\r\n\r\n"
    ))
}

#[test]
fn one_range_of_a_large_file() {
    let server = large().start();
    for (start, end) in [(0, 1), (65_000, 70_000), (SIZE - 5, SIZE), (1, SIZE)] {
        let answer = ask(&server, "/large", &format!("{start}-{}", end - 1));
        assert_eq!(answer.status, 206);
        assert_eq!(
            answer.header("content-range"),
            Some(format!("bytes {start}-{}/{SIZE}", end - 1).as_str())
        );
        let expected: Vec<u8> = (start..end).map(byte).collect();
        assert!(answer.body == expected, "{start}-{end}");
    }
}

#[test]
fn several_ranges_are_parts_of_one_body() {
    let server = large().start();
    let answer = ask(&server, "/a.txt", "8-9,2-4");
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a boundary");
    let part = |range: &str, text: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain\r\n\
             Content-Range: bytes {range}/10\r\n\r\n{text}"
        )
    };
    let expected = part("8-9", "89") + &part("2-4", "234") + &format!("\r\n--{boundary}--\r\n");
    assert_eq!(answer.text(), expected);
}

/// However a client asks, it gets no more than about the file once.
#[test]
fn overlapping_ranges_cost_no_more_than_the_file() {
    let server = large().start();
    let mut ranges = String::new();
    for index in 0..1000 {
        // Writing to memory does not fail.
        let _ = write!(ranges, "{}{index}-", if index == 0 { "" } else { "," });
    }
    let answer = ask(&server, "/large", &ranges);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), SIZE);

    let tiny: Vec<String> = (0..1000).map(|at| format!("{at}-{at}")).collect();
    let answer = ask(&server, "/large", &tiny.join(","));
    assert_eq!(answer.status, 206);
    assert!(answer.raw.len() < 1000 * 256, "{}", answer.raw.len());

    let answer = ask(&server, "/one/large", "0-0,1-1");
    assert_eq!((answer.status, answer.body.len()), (200, SIZE));
}

#[test]
fn ranges_of_bodies_that_are_no_files() {
    let builder = large();
    let fields = [
        "bytes=0-0",
        "bytes=-1",
        "bytes=10-",
        "bytes=5-",
        "bytes=x",
        "bytes=5-4",
        "items=0-1",
        "bytes=0-,0-",
        "bytes=0-18446744073709551616",
        "BYTES=1-2",
        "bytes= 1 - 2 ",
    ];
    let exchanges = fields.iter().flat_map(|value| {
        ["GET", "HEAD"].map(|method| {
            Exchange::new(format!(
                "{method} /a.txt HTTP/1.1\r\nHost: x\r\nRange: {value}\r\n\r\n"
            ))
        })
    });
    Differential::new(builder).with_exchanges(exchanges).run();
}

/// What was added to the response that was meant stays on the error in its place. nginx adds it
/// again where it is for errors too; we do not, since that would be twice.
#[test]
fn fields_stay_on_what_cannot_be_cut() {
    let server = Server::of_one(
        "location /added/ { alias html/; add_header X-Added $uri; expires epoch; }
         location /paged/ { alias html/; add_header X-Added $uri; error_page 416 /page; etag off; }
         location /page { return 200 page; add_header X-Page page; }
         location /always/ { alias html/; add_header X-Added always always; }",
    )
    .with_file("html/a.txt", "0123456789")
    .with_file("html/empty.txt", "");
    let ask = |path: &str| Exchange::get(path, "Range: bytes=10-\r\n");
    Differential::new(server.clone())
        .with_exchanges(["/added/a.txt", "/added/empty.txt", "/paged/a.txt"].map(ask))
        .run();
    let answer = server.start().request(
        "GET /always/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=10-\r\n\r\n",
    );
    assert_eq!(answer.status, 416);
    assert_eq!(answer.headers_named("x-added").count(), 1);
}
