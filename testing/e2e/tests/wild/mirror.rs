//! A download mirror: listings, large files in every way of sending them, ranges, limits.

use std::time::Duration;

use harness::clock;

use crate::Site;

/// Larger than every buffer and limit of the configuration, and no multiple of a page.
const SIZE: usize = (3 << 20) + 777;

/// Bytes that differ from place to place.
fn content() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(SIZE).collect()
}

fn start(content: &[u8]) -> Site {
    Site::start(
        "mirror",
        &[
            ("srv/mirror/big.iso", content),
            ("srv/mirror/big.bin", content),
            ("srv/mirror/small.iso", b"small"),
            ("srv/mirror/readme.txt", b"read me"),
            ("srv/mirror/pool/a.tgz", b"tgz"),
            ("srv/mirror/slow/file.bin", &content[..(1 << 20)]),
            ("srv/mirror/incoming/secret", b"x"),
            ("srv/mirror/timestamp", b"1704067200"),
        ],
    )
}

/// From memory or by sendfile, and past the page cache by threads: the same bytes.
#[test]
fn whole_files_and_parts() {
    let content = content();
    let site = start(&content);
    for name in ["/big.iso", "/big.bin"] {
        for _ in 0..3 {
            let response = site.get("mirror.example.org", name);
            assert_eq!(response.status, 200, "{name}");
            assert!(response.body == content, "{name} differs");
        }
        for (start, end) in [
            (0, 0),
            (1, SIZE - 1),
            (511, 513),
            (4095, 4097),
            (1 << 20, (1 << 20) + 300_000),
            (SIZE - 5, SIZE - 1),
        ] {
            let fields = format!("Range: bytes={start}-{end}\r\n");
            let response = site.ask("GET", "m", name, &fields, "");
            assert_eq!(response.status, 206, "{name} {start}-{end}");
            let expected = format!("bytes {start}-{end}/{SIZE}");
            assert_eq!(response.header("Content-Range"), Some(expected.as_str()));
            assert!(
                response.body == content[start..=end],
                "{name} {start}-{end}"
            );
        }
        let fields = "Range: bytes=10-19,1000000-1000009,-10\r\n";
        let parts = site.ask("GET", "m", name, fields, "");
        assert_eq!(parts.status, 206);
        for part in [
            &content[10..20],
            &content[1_000_000..1_000_010],
            &content[SIZE - 10..],
        ] {
            assert!(
                parts.body.windows(10).any(|window| window == part),
                "{name}"
            );
        }
    }
    assert_eq!(site.get("m", "/small.iso").text(), "small");
}

/// More ranges than `max_ranges` are answered with the whole.
#[test]
fn too_many_ranges() {
    let site = start(&content());
    let ranges: Vec<String> = (0..9).map(|n| format!("{n}-{n}")).collect();
    let ask = |count: usize| {
        let fields = format!("Range: bytes={}\r\n", ranges[..count].join(","));
        site.ask("GET", "m", "/timestamp", &fields, "").status
    };
    assert_eq!(ask(8), 206);
    assert_eq!(ask(9), 200);
}

#[test]
fn listings() {
    let site = start(&content());
    let listing = site.get("m", "/");
    assert_eq!(listing.header("Content-Type"), Some("text/html"));
    let text = listing.text();
    assert!(text.contains("<h1>Index of /</h1>"), "{text}");
    let line = |name: &str| {
        let found = text.lines().find(|line| line.contains(name));
        found.unwrap_or_default().to_owned()
    };
    assert!(
        line("big.iso").ends_with("01-Jan-2024 00:00      3M"),
        "{text}"
    );
    assert!(
        line("readme.txt").ends_with("01-Jan-2024 00:00       7"),
        "{text}"
    );
    assert!(line("pool/").ends_with('-'), "{text}");
    let json = site.get("m", "/json/pool/");
    assert_eq!(json.header("Content-Type"), Some("application/json"));
    assert_eq!(
        json.text(),
        "[\r\n{ \"name\":\"a.tgz\", \"type\":\"file\", \
         \"mtime\":\"Mon, 01 Jan 2024 00:00:00 GMT\", \"size\":3 }\r\n]"
    );
    assert_eq!(site.get("m", "/incoming/").status, 403);
    assert_eq!(site.get("m", "/incoming/secret").status, 403);
    let stamp = site.get("m", "/timestamp");
    assert_eq!(stamp.header("Cache-Control"), Some("no-cache"));
    assert!(
        stamp
            .header("X-Mirror")
            .is_some_and(|name| !name.is_empty())
    );
}

/// 256 KB at once and 512 KB in the first second, so a megabyte takes half a second more.
#[test]
fn slow_downloads() {
    let content = content();
    let site = start(&content);
    let started = clock::now();
    let response = site.get("m", "/slow/file.bin");
    let took = started.elapsed();
    assert!(response.body == content[..(1 << 20)]);
    assert!(took >= Duration::from_millis(300), "took {took:?}");
    assert!(took <= Duration::from_secs(6), "took {took:?}");
}

/// The log is written when its buffer has waited a second.
#[test]
fn a_buffered_log() {
    let site = start(&content());
    let fields = "Range: bytes=0-1\r\n";
    assert_eq!(site.ask("GET", "m", "/readme.txt", fields, "").status, 206);
    let line = site.log("mirror.log", 1).remove(0);
    assert!(
        line.starts_with("127.0.0.1 \"GET /readme.txt HTTP/1.1\" 206 "),
        "{line}"
    );
    assert!(line.ends_with(" \"bytes=0-1\" OK"), "{line}");
}
