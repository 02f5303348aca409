//! `geoip2`, with databases that the tests write, beside the module for nginx and libmaxminddb.

use crate::trie::{Side, Trie};
use harness::clock::becomes_true;
use harness::{Builder, Differential, Exchange, Server};
use std::time::Duration;

/// A value of the database, as its format writes it.
fn control(kind: u8, len: usize) -> Vec<u8> {
    let len = u8::try_from(len).expect("a short value");
    assert!(len < 29);
    if kind < 8 {
        vec![kind << 5 | len]
    } else {
        vec![len, kind - 7]
    }
}

fn string(text: &str) -> Vec<u8> {
    [control(2, text.len()), text.into()].concat()
}

fn number(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [control(kind, bytes.len()), bytes.to_vec()].concat()
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pair = |(key, value): &(&str, Vec<u8>)| [string(key), value.clone()].concat();
    let pairs_bytes = pairs.iter().flat_map(pair);
    control(7, pairs.len())
        .into_iter()
        .chain(pairs_bytes)
        .collect()
}

fn array(values: &[Vec<u8>]) -> Vec<u8> {
    [control(11, values.len()), values.concat()].concat()
}

/// A record, or a number of nodes.
fn bits(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a small tree").to_be_bytes()
}

/// A database of `networks`, built at `epoch`.
fn database(epoch: u32, networks: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut trie = Trie::new(128);
    let mut data: Vec<u8> = Vec::new();
    for (network, value) in networks {
        trie.insert(network, "::", data.len());
        data.extend(value);
    }
    let nodes = trie.nodes.len();
    let record = |side: &Side| match *side {
        Side::Nothing => nodes,
        Side::Node(node) => node,
        Side::Leaf(at) => nodes + 16 + at,
    };
    let sides = trie.nodes.iter().flatten();
    let mut out: Vec<u8> = sides.flat_map(|side| bits(record(side))).collect();
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    out.extend(map(&[
        ("binary_format_major_version", number(5, &[2])),
        ("binary_format_minor_version", number(5, &[])),
        ("build_epoch", number(9, &epoch.to_be_bytes())),
        ("database_type", string("Test")),
        ("description", map(&[("en", string("Test"))])),
        ("ip_version", number(5, &[6])),
        ("languages", array(&[string("en")])),
        ("node_count", number(6, &bits(nodes))),
        ("record_size", number(5, &[32])),
    ]));
    out
}

fn country(code: &str) -> Vec<u8> {
    map(&[("country", map(&[("iso_code", string(code))]))])
}

fn server(block: &str) -> Builder {
    Server::new(&format!(
        r#"
        geoip2 {{prefix}}/test.mmdb {{ {block} }}
        geoip2_proxy 127.0.0.0/8;
        server {{
            listen 127.0.0.1:{{port}};
            location / {{ return 200 "$code|$from_arg|$built|$city|$first|$last|$flag|$port|$depth|$id|$height|$raw"; }}
        }}
        "#
    ))
    .with_nginx_module("ngx_http_geoip2_module")
}

/// One variable of each type that a database has, and some that are not there.
const VARIABLES: &str = r#"
    $code default=none country iso_code;
    $from_arg source=$arg_ip country iso_code;
    $built metadata build_epoch;
    $city country city name;
    $first list 0;
    $last default=empty list -1;
    $flag flag;
    $port port;
    $depth depth;
    $id id;
    $height height;
    $raw raw;
"#;

#[test]
fn values_are_those_that_the_module_for_nginx_finds() {
    let everything = map(&[
        ("country", map(&[("iso_code", string("GB"))])),
        ("list", array(&[string("a"), string(""), string("c")])),
        ("flag", vec![0x01, 0x07]),
        ("port", number(5, &[0x1f, 0x90])),
        ("depth", number(8, &(-7_i32).to_be_bytes())),
        ("id", number(9, &[1, 2, 3, 4, 5, 6, 7, 8])),
        ("height", number(3, &(-1_234.567_891_f64).to_be_bytes())),
        ("raw", number(4, b"bytes")),
    ]);
    let networks = [
        ("10.0.0.0/8", everything),
        ("10.1.0.0/16", country("DE")),
        ("2001:db8::/32", country("FR")),
        ("192.0.2.0/24", string("only text")),
    ];
    let addresses = [
        "10.0.0.1",
        "10.1.0.1",
        "2001:db8::1",
        "2001:db9::1",
        "192.0.2.1",
        "203.0.113.1",
        "nonsense",
    ];
    let by_field =
        addresses.map(|address| Exchange::get("/", &format!("X-Forwarded-For: {address}\r\n")));
    let by_argument = addresses.map(|address| Exchange::get(&format!("/?ip={address}"), ""));
    let server = server(VARIABLES).with_file("test.mmdb", database(1_700_000_000, &networks));
    Differential::new(server)
        .with_exchanges(by_field)
        .with_exchanges(by_argument)
        .run();
}

/// A file that is replaced is read again by the workers; one that is no database is not.
#[test]
fn a_replaced_file_is_read_again() {
    let networks = |code| [("127.0.0.0/8", country(code))];
    let block = "auto_reload 1s; $code country iso_code;";
    let http = format!(
        r#"geoip2 {{prefix}}/test.mmdb {{ {block} }}
        server {{ listen 127.0.0.1:{{port}}; location / {{ return 200 $code; }} }}"#
    );
    let server = Server::new(&http)
        .with_file("test.mmdb", database(1, &networks("DE")))
        .start();
    assert_eq!(server.get("/").text(), "DE");
    let replace = |bytes: &[u8]| {
        let (new, old) = ("new.mmdb", "test.mmdb");
        let folder = server.prefix().path();
        std::fs::write(folder.join(new), bytes).unwrap();
        std::fs::rename(folder.join(new), folder.join(old)).unwrap();
    };
    let limit = Duration::from_secs(20);
    replace(b"no database");
    let is_told = || {
        let _ = server.get("/");
        server.error_log().contains("failed to reload - ")
    };
    assert!(becomes_true(limit, is_told));
    assert_eq!(server.get("/").text(), "DE");
    replace(&database(2, &networks("FR")));
    assert!(becomes_true(limit, || server.get("/").text() == "FR"));
    assert!(server.error_log().contains("Reload MMDB \""));
}

/// Damage is told when the configuration is loaded, or has no value later.
#[test]
fn damaged_files() {
    let whole = database(1, &[("127.0.0.0/8", country("DE"))]);
    let start = |bytes: &[u8]| server(VARIABLES).with_file("test.mmdb", bytes).try_start();
    let half = start(&whole[..whole.len() / 2])
        .err()
        .map(|error| error.said);
    let half = half.unwrap_or_default();
    assert!(
        half.contains("MMDB_open(") && half.contains("test.mmdb\") failed - "),
        "{half}"
    );
    // Records that lead out of the file.
    let mut wild = whole;
    let nodes = wild.windows(16).position(|bytes| bytes == [0; 16]).unwrap();
    for byte in &mut wild[..nodes] {
        if *byte != 0 {
            *byte ^= 0x55;
        }
    }
    if let Ok(server) = start(&wild) {
        assert!(server.get("/").text().starts_with("none|"));
    }
}
