//! `geoip_country`, `geoip_city`, `geoip_org`, with databases that the tests write, beside
//! nginx's module and libGeoIP.

use crate::trie::{Side, Trie};
use harness::{Builder, Differential, Exchange, Server};

/// A database of countries by their numbers.
fn countries(width: u32, networks: &[(&str, usize)]) -> Vec<u8> {
    let mut trie = Trie::new(width);
    for (network, country) in networks {
        trie.insert(network, "::ffff:0:0", *country);
    }
    let begin = 16_776_960;
    let mut out = tree(&trie, 3, |leaf| begin + leaf, begin);
    out.extend([255, 255, 255, if width == 32 { 1 } else { 12 }]);
    out
}

/// A database of edition `number` with one of `records` for each network.
fn behind_tree(number: u8, networks: &[(&str, &[u8])]) -> Vec<u8> {
    let width = if matches!(number, 21..=24 | 30 | 31) {
        128
    } else {
        32
    };
    let record_len = if matches!(number, 4 | 5 | 11 | 22..=24) {
        4
    } else {
        3
    };
    let mut trie = Trie::new(width);
    // The record with which none would begin stands for nothing.
    let mut data = vec![0];
    for (network, record) in networks {
        trie.insert(network, "::ffff:0:0", data.len());
        data.extend(*record);
    }
    let nodes = trie.nodes.len();
    let mut out = tree(&trie, record_len, |leaf| nodes + leaf, nodes);
    out.extend(data);
    out.extend([255, 255, 255, number]);
    out.extend(&nodes.to_le_bytes()[..3]);
    out
}

fn tree(trie: &Trie, len: usize, leaf: impl Fn(usize) -> usize, nothing: usize) -> Vec<u8> {
    let sides = trie.nodes.iter().flatten();
    let record = |side: &Side| match *side {
        Side::Nothing => nothing,
        Side::Node(node) => node,
        Side::Leaf(number) => leaf(number),
    };
    sides
        .flat_map(|side| record(side).to_le_bytes()[..len].to_vec())
        .collect()
}

/// A record of a city, with ten-thousandths of degrees.
fn place(country: u8, texts: [&[u8]; 3], degrees: [i32; 2], codes: i32) -> Vec<u8> {
    let counted = degrees.map(|degrees| degrees + 1_800_000);
    let mut out = vec![country];
    for text in texts {
        out.extend(text);
        out.push(0);
    }
    for number in [counted[0], counted[1], codes] {
        out.extend(&number.to_le_bytes()[..3]);
    }
    out
}

const RETURN: &str = r#"
    geoip_proxy 127.0.0.0/8;
    server {
        listen 127.0.0.1:{port};
        location / {
            return 200 "$geoip_country_code|$geoip_country_code3|$geoip_country_name|$geoip_org|$geoip_city_continent_code|$geoip_city_country_code|$geoip_city_country_code3|$geoip_city_country_name|$geoip_region|$geoip_region_name|$geoip_city|$geoip_postal_code|$geoip_latitude|$geoip_longitude|$geoip_dma_code|$geoip_area_code";
        }
    }
"#;

fn server(databases: &str) -> Builder {
    Server::new(&format!("{databases}\n{RETURN}")).with_nginx_module("ngx_http_geoip_module")
}

const ADDRESSES: [&str; 12] = [
    "10.0.0.1",
    "10.1.255.255",
    "10.1.2.3",
    "172.16.0.1",
    "192.0.2.1",
    "198.51.100.7",
    "255.255.255.255",
    "0.0.0.0",
    "2001:db8::1",
    "2001:db8:1::1",
    "::ffff:10.1.2.3",
    "nonsense",
];

fn exchanges() -> impl Iterator<Item = Exchange> {
    ADDRESSES.iter().map(|address| from(address))
}

fn from(address: &str) -> Exchange {
    Exchange::get("/", &format!("X-Forwarded-For: {address}\r\n"))
}

/// Whatever the kind of the database, of an address in it and of one that is not.
#[test]
fn databases_say_to_us_what_they_say_to_nginx() {
    let networks = [
        ("10.0.0.0/8", 225),
        ("10.1.0.0/16", 56),
        ("10.1.2.3/32", 10),
        ("172.16.0.0/12", 244),
        ("255.255.255.255/32", 255),
    ];
    let omaha = place(
        225,
        [b"NE", b"Omaha", b"68102"],
        [412_586, -959_378],
        652_402,
    );
    let laval = place(38, [b"QC", b"L\xe9vis", b"G6V"], [468_000, -711_772], 0);
    let somewhere = place(56, [b"", b"", b""], [0, 0], 0);
    let cities: [(&str, &[u8]); 3] = [
        ("10.0.0.0/8", &omaha),
        ("10.1.0.0/16", &laval),
        ("172.16.0.0/12", &somewhere),
    ];
    let orgs: [(&str, &[u8]); 2] = [
        ("10.0.0.0/8", b"AS64496 Example\0"),
        ("10.1.0.0/16", b"AS64497 Soci\xe9t\xe9\0"),
    ];
    for parameter in ["", " utf8"] {
        let databases = format!(
            "geoip_country {{prefix}}/country.dat{parameter};
             geoip_city {{prefix}}/city.dat{parameter};
             geoip_org {{prefix}}/org.dat{parameter};"
        );
        for (city, org) in [(2, 9), (6, 5)] {
            let server = server(&databases)
                .with_file("country.dat", countries(32, &networks))
                .with_file("city.dat", behind_tree(city, &cities))
                .with_file("org.dat", behind_tree(org, &orgs));
            Differential::new(server).with_exchanges(exchanges()).run();
        }
    }
}

/// Databases of IPv6 are asked about addresses of IPv4 too.
#[test]
fn addresses_of_128_bits() {
    let networks = [
        ("2001:db8::/32", 225),
        ("2001:db8:1::/48", 56),
        ("10.0.0.0/8", 74),
        ("10.1.2.3/32", 75),
    ];
    let oslo = place(162, [b"", b"Oslo", b"0150"], [599_000, 107_500], 0);
    let databases = "geoip_country {prefix}/country.dat; geoip_city {prefix}/city.dat;
         geoip_org {prefix}/org.dat; geoip_proxy_recursive on;";
    let server = server(databases)
        .with_file("country.dat", countries(128, &networks))
        .with_file("city.dat", behind_tree(30, &[("2001:db8::/32", &oslo)]))
        .with_file("org.dat", behind_tree(23, &[("10.0.0.0/8", b"ten\0")]));
    let recursive = from("2001:db8:1::5, 127.0.0.9");
    Differential::new(server)
        .with_exchanges(exchanges().chain([recursive]))
        .run();
}

/// A database as it is distributed, at addresses from all over.
#[test]
fn a_whole_database() {
    let path = "/usr/share/GeoIP/GeoIP.dat";
    if !std::path::Path::new(path).is_file() {
        harness::skip::skip("geoip-database is not installed");
        return;
    }
    let server = server(&format!("geoip_country {path};"));
    let addresses = (1..200_u32).map(|step| {
        let bits = step.wrapping_mul(0x9e37_79b9);
        from(&std::net::Ipv4Addr::from_bits(bits).to_string())
    });
    Differential::new(server).with_exchanges(addresses).run();
}

/// Files that are damaged are refused, or tell nothing; the server goes on.
#[test]
fn damaged_files() {
    let whole = countries(32, &[("10.0.0.0/8", 225), ("172.16.0.0/12", 56)]);
    let refused = |bytes: &[u8], expected: &str| {
        let server = server("geoip_country {prefix}/country.dat;").with_file("country.dat", bytes);
        let said = server.try_start().err().map(|error| error.said);
        assert!(
            said.as_ref().is_some_and(|said| said.contains(expected)),
            "{said:?}"
        );
    };
    refused(b"", "country.dat\") failed (the file is truncated)");
    refused(&whole[..60], "country.dat\") failed (the file is corrupt)");
    let city = behind_tree(2, &[("10.0.0.0/8", b"\xe1NE\0Om")]);
    refused(&city, "type:2 in ");
    let server = server("geoip_city {prefix}/city.dat;").with_file("city.dat", city);
    let server = server.start();
    let mut client = server.connect();
    let answer = client.request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
    assert_eq!(answer.text(), "|||||||||||||||");
}
