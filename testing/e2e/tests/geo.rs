//! `geo`.

use harness::{Binary, Builder, Differential, Exchange, Prefix, Server, skip};
use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

const TABLES: &str = r#"
    geo $arg_ip $network {
        default any;
        10.0.0.0/8 ten;
        10.1.0.0/16 one;
        10.1.2.3 host;
        2001:db8::/32 doc;
        2001:db8::5 five;
        10.7.0.0/16 seven;
        delete 10.7.0.0/16;
        include {prefix}/html/networks;
        255.255.255.255 nowhere;
    }
    geo $arg_ip $range {
        ranges;
        default none;
        10.0.0.0-10.3.0.9 outer;
        10.0.0.5-10.0.0.9 inner;
        10.3.0.0-10.3.0.9 replaced;
        delete 10.2.0.0-10.2.255.255;
    }
    geo $behind { proxy 127.0.0.0/8; 192.0.2.0/24 test; 127.0.0.1 local; 2001:db8::/32 doc; }
    geo $deep { proxy 127.0.0.1; proxy 192.0.2.0/24; proxy_recursive; 198.51.100.1 far; 192.0.2.7 near; }
    geo $arg_ip $without_default { 10.0.0.0/8 $literal; }
    server {
        listen 127.0.0.1:{port};
        location / {
            return 200 "$network|$range|$behind|$deep|$without_default";
        }
    }
"#;

/// Networks, ranges, addresses of variables and of clients behind proxies.
#[test]
fn values_are_found_as_nginx_finds_them() {
    let addresses = [
        "10.9.9.9",
        "10.1.9.9",
        "10.1.2.3",
        "10.7.0.1",
        "10.0.0.4",
        "10.0.0.5",
        "10.0.0.9",
        "10.2.5.5",
        "10.3.0.5",
        "10.3.0.10",
        "2001:db8::1",
        "2001:db8::5",
        "::ffff:10.1.2.3",
        "172.16.0.1",
        "192.0.2.1",
        "",
        "none",
        "255.255.255.255",
        "10.1.2.3:80",
    ];
    let forwarded = [
        "192.0.2.7",
        "192.0.2.7:80",
        "198.51.100.1, 192.0.2.7",
        "[2001:db8::1]:5",
        "2001:db8::1",
        "x, 192.0.2.7",
        "x",
        "",
        "127.0.0.1",
        "198.51.100.1,127.0.0.1,,192.0.2.7, ",
    ];
    let by_address = addresses.map(|ip| Exchange::get(&format!("/?ip={ip}"), ""));
    let by_field =
        forwarded.map(|list| Exchange::get("/", &format!("X-Forwarded-For: {list}\r\n")));
    let two_fields = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.7\r\n";
    let server = Server::new(TABLES).with_file("html/networks", "172.16.0.0/12 included;");
    Differential::new(server)
        .with_exchanges(by_address)
        .with_exchanges(by_field)
        .with_exchanges([Exchange::get("/", two_fields)])
        .run();
}

/// A value that was found is kept for the request, unless it is volatile.
#[test]
fn a_volatile_value_is_found_each_time() {
    let http = r#"
        geo $address $kept { 10.0.0.1 first; 10.0.0.2 second; }
        geo $address $volatile { volatile; 10.0.0.1 first; 10.0.0.2 second; }
        server {
            listen 127.0.0.1:{port};
            location / {
                set $address 10.0.0.1;
                set $before "$kept $volatile";
                set $address 10.0.0.2;
                return 200 "$before, $kept $volatile";
            }
        }
    "#;
    let server = Server::new(http).start();
    assert_eq!(server.get("/").text(), "first first, first second");
}

/// Numbers that look random and are the same each time.
fn numbers() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1_u64), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    })
    .map(|state| (state >> 32) as u32)
}

/// Why writing to a string cannot fail.
const ALWAYS: &str = "a string takes everything";

/// More ranges than it takes for a base to be written, some over borders, some within others.
fn many_ranges() -> String {
    let mut text = String::new();
    let mut first = 0x0100_0000_u32;
    for (index, number) in numbers().take(100_002).enumerate() {
        let last = first + 1 + number % 40_000;
        let value = number % 250;
        let (first_ip, last_ip) = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
        writeln!(text, "{first_ip}-{last_ip} value-{value};").expect(ALWAYS);
        if index % 1000 == 0 {
            writeln!(text, "{first_ip}-{first_ip} inner;").expect(ALWAYS);
        }
        first = last + 1 + number % 3;
    }
    text
}

/// A server that tells the values of addresses by the file `ranges` in `folder`.
fn by_ranges_of(folder: &Prefix) -> Builder {
    let path = folder.path().display();
    Server::new(&format!(
        "geo $arg_ip $value {{ ranges; default none; include {path}/ranges; }}
         server {{
             listen 127.0.0.1:{{port}};
             keepalive_requests 1000000;
             location / {{ return 200 $value; }}
         }}"
    ))
}

/// What a server says of some thousand addresses.
fn values(server: &Server) -> Vec<String> {
    let mut client = server.connect();
    let addresses = numbers().skip(7).take(2000).map(|number| number >> 1);
    let ends = [0x0100_0000, 0x0100_ffff, 0x0101_0000, u32::MAX];
    let ask = |number| {
        let ip = Ipv4Addr::from_bits(number);
        let request = format!("GET /?ip={ip} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.request(request).text()
    };
    addresses.chain(ends).map(ask).collect()
}

/// Each of the two writes the base, and reads the other's.
#[test]
fn binary_bases_are_exchanged_with_nginx() {
    if !Binary::Nginx.is_available() {
        return skip::skip("nginx is not installed");
    }
    let folder = Prefix::new();
    folder.write("ranges", many_ranges().as_bytes());
    let base = folder.path().join("ranges.bin");
    let start = |binary, said: &str| {
        let server = by_ranges_of(&folder).binary(binary).start();
        let line = format!("{said} binary geo range base \"{}\"", base.display());
        server.wait_for_error_log(&line);
        let log = server.error_log();
        assert!(!log.contains("[warn]") && !log.contains("[crit]"), "{log}");
        values(&server)
    };
    let expected = start(Binary::Nginx, "creating");
    let found = expected.iter().filter(|value| *value != "none").count();
    assert!(found > 500, "{found}");
    let of_nginx = fs::read(&base).unwrap();
    assert_eq!(start(Binary::Tidegate, "using"), expected);
    assert_eq!(fs::read(&base).unwrap(), of_nginx);

    fs::remove_file(&base).unwrap();
    assert_eq!(start(Binary::Tidegate, "creating"), expected);
    // nginx keeps the default as well, which no range has.
    let default = 16 + "none".len().next_multiple_of(8);
    assert_eq!(fs::read(&base).unwrap().len(), of_nginx.len() - default);
    assert_eq!(start(Binary::Tidegate, "using"), expected);
    assert_eq!(start(Binary::Nginx, "using"), expected);
}

/// A base that cannot be used, read or written is told of, and the server starts with the text.
#[test]
fn a_base_is_no_reason_not_to_start() {
    let folder = Prefix::new();
    let text = folder.write("ranges", many_ranges().as_bytes());
    let base = folder.path().join("ranges.bin");
    let shown = base.display().to_string();
    let builder = by_ranges_of(&folder);
    // A test of the configuration keeps what it made.
    assert!(builder.run(&["-t"]).status.success());
    let whole = fs::read(&base).unwrap();
    let server = || by_ranges_of(&folder).start();
    let expected = {
        let server = server();
        server.wait_for_error_log("using binary geo range base");
        values(&server)
    };

    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    fs::write(&base, changed).unwrap();
    let said = String::from_utf8(builder.run(&["-t"]).stderr).unwrap();
    let mismatch = format!("nginx: [warn] CRC32 mismatch in binary geo range base \"{shown}\" in ");
    assert!(said.starts_with(&mismatch), "{said}");
    assert!(!said.contains("creating"), "{said}");
    assert_eq!(fs::read(&base).unwrap(), whole, "made anew");

    let text = fs::File::options().write(true).open(text).unwrap();
    let written = fs::metadata(&base).unwrap().modified().unwrap();
    text.set_modified(written + Duration::from_secs(5)).unwrap();
    let said = String::from_utf8(builder.run(&["-t"]).stderr).unwrap();
    let stale = format!("nginx: [warn] stale binary geo range base \"{shown}\" in ");
    assert!(said.starts_with(&stale), "{said}");
    let said = String::from_utf8(builder.run(&["-t"]).stderr).unwrap();
    assert!(!said.contains("stale"), "{said}");

    fs::remove_file(&base).unwrap();
    folder.write("ranges.bin/file", b"");
    text.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let server = server();
    for call in ["pread", "open"] {
        server.wait_for_error_log(&format!("{call}() \"{shown}\" failed (21: Is a directory)"));
    }
    assert_eq!(values(&server), expected);
}
