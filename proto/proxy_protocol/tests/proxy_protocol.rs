//! Headers of both versions: read, refused, written and read again.

use std::net::SocketAddr;
use tidegate_proxy_protocol::{
    Addresses, Bad, BrokenTlv, HEADER_MAX, Header, Parsed, Tlvs, V1_MAX, encode, kind, parse,
};

/// Parses `wire`, after checking that every beginning of it asks for more or fails alike.
#[track_caller]
fn parsed(wire: &[u8]) -> Result<Parsed<'_>, Bad> {
    let whole = parse(wire);
    for cut in 0..wire.len() {
        match (parse(&wire[..cut]), whole) {
            (Ok(Parsed::Partial), _) => {}
            (Ok(Parsed::Complete { consumed, .. }), Ok(Parsed::Complete { consumed: all, .. })) => {
                assert_eq!(consumed, all, "cut at {cut}");
            }
            (early, whole) => assert_eq!(early, whole, "cut at {cut}"),
        }
    }
    whole
}

#[track_caller]
fn header(wire: &[u8]) -> (usize, Header<'_>) {
    match parsed(wire) {
        Ok(Parsed::Complete { consumed, header }) => (consumed, header),
        other => panic!("{other:?} {}", wire.escape_ascii()),
    }
}

fn ends(source: &str, destination: &str) -> (SocketAddr, SocketAddr) {
    (
        source.parse().expect("address"),
        destination.parse().expect("address"),
    )
}

fn internet(source: &str, destination: &str) -> Addresses {
    let (source, destination) = ends(source, destination);
    Addresses::Internet {
        source,
        destination,
    }
}

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length].concat();
    [&head, payload].concat()
}

#[test]
fn reads_version_1() {
    for (line, addresses) in [
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 80 65535\r\n",
            internet("1.2.3.4:80", "5.6.7.8:65535"),
        ),
        (
            "PROXY TCP6 ::1 2001:db8::2 0 443\r\n",
            internet("[::1]:0", "[2001:db8::2]:443"),
        ),
        ("PROXY UNKNOWN\r\n", Addresses::Unknown),
        ("PROXY UNKNOWN ffff::1 whatever\r\n", Addresses::Unknown),
    ] {
        let wire = format!("{line}GET / HTTP/1.1\r\n");
        let (consumed, header) = header(wire.as_bytes());
        assert_eq!(
            (consumed, header.addresses),
            (line.len(), addresses),
            "{line}"
        );
        assert_eq!(header.tlvs, Tlvs::default());
    }
}

#[test]
fn refuses_broken_version_1() {
    for line in [
        "PROXY TCP4 1.2.3.4 5.6.7.8 80 65536\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 80 81 82\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +80 81\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 80 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 80 81\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 80 81 \r\n",
        "PROXY TCP4 ::1 ::1 80 81\r\n",
        "PROXY TCP6 1.2.3.4 ::1 80 81\r\n",
        "PROXY TCP5 1.2.3.4 5.6.7.8 80 81\r\n",
        "PROXY tcp4 1.2.3.4 5.6.7.8 80 81\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 80 81\r\n",
        "PROXY\r\n",
        "PROXX TCP4 1.2.3.4 5.6.7.8 80 81\r\n",
        "GET / HTTP/1.1\r\n",
        "\r\n\r\nX",
        "\x16\x03\x01",
    ] {
        assert_eq!(parsed(line.as_bytes()), Err(Bad::Broken), "{line:?}");
    }

    let long = format!("PROXY UNKNOWN {}", "x".repeat(V1_MAX));
    assert_eq!(parsed(long.as_bytes()), Err(Bad::Broken));
    assert_eq!(Bad::Broken.to_string(), "broken header");
}

#[test]
fn reads_version_2() {
    let four = [1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187];
    let wire = [v2(0x21, 0x11, &four), b"rest".to_vec()].concat();
    let (consumed, found) = header(&wire);
    assert_eq!(consumed, wire.len() - 4);
    assert_eq!(found.addresses, internet("1.2.3.4:80", "5.6.7.8:443"));

    let six = [&[0; 15][..], &[1], &[0; 15], &[2], &[0, 1, 0, 2]].concat();
    assert_eq!(
        header(&v2(0x21, 0x21, &six)).1.addresses,
        internet("[::1]:1", "[::2]:2")
    );
    assert_eq!(
        header(&v2(0x21, 0x31, &[0; 216])).1.addresses,
        Addresses::Unix
    );
    assert_eq!(
        header(&v2(0x21, 0x12, &four)).1.addresses,
        Addresses::Unknown
    );
    assert_eq!(header(&v2(0x21, 0x00, &[])).1.addresses, Addresses::Unknown);
    assert_eq!(header(&v2(0x20, 0x11, &four)).1.addresses, Addresses::Local);
    assert_eq!(header(&v2(0x20, 0x00, &[])).1.addresses, Addresses::Local);
}

/// N-5: lengths that lie.
#[test]
fn refuses_broken_version_2() {
    assert_eq!(parsed(&v2(0x11, 0x11, &[0; 12])), Err(Bad::Version(1)));
    assert_eq!(
        Bad::Version(1).to_string(),
        "unknown PROXY protocol version: 1"
    );
    assert_eq!(parsed(&v2(0x21, 0x11, &[0; 11])), Err(Bad::Broken));
    assert_eq!(parsed(&v2(0x21, 0x21, &[0; 35])), Err(Bad::Broken));
    assert_eq!(parsed(&v2(0x21, 0x31, &[0; 215])), Err(Bad::Broken));
    assert_eq!(
        parsed(&v2(0x21, 0x11, &[0; HEADER_MAX])),
        Err(Bad::TooLarge)
    );
    assert_eq!(parsed(&v2(0x21, 0x11, &[0; 12])[..20]), Ok(Parsed::Partial));
}

#[test]
fn finds_records_by_variable_name() {
    let ssl = encode::ssl_record(
        7,
        258,
        &[
            (kind::SSL_VERSION, b"TLSv1.3"),
            (kind::SSL_CN, b"me"),
            (0x2a, b"other"),
        ],
    )
    .unwrap();
    let records: &[(u8, &[u8])] = &[
        (kind::ALPN, b"h2"),
        (kind::AUTHORITY, b""),
        (kind::SSL, &ssl),
        (0xe0, b"x\0y"),
    ];
    let mut wire = Vec::new();
    encode::v2(Some(ends("1.2.3.4:5", "6.7.8.9:10")), records, &mut wire).unwrap();

    let (consumed, found) = header(&wire);
    assert_eq!(consumed, wire.len());
    assert_eq!(found.addresses, internet("1.2.3.4:5", "6.7.8.9:10"));
    for (name, value) in [
        ("alpn", Some(&b"h2"[..])),
        ("0x01", Some(b"h2")),
        ("authority", Some(b"")),
        ("unique_id", None),
        ("ssl_version", Some(b"TLSv1.3")),
        ("ssl_cn", Some(b"me")),
        ("ssl_0x2A", Some(b"other")),
        ("ssl_cipher", None),
        ("ssl_verify", Some(b"258")),
        ("0xe0", Some(b"x\0y")),
    ] {
        let found = found.tlvs.value(name).expect("known name");
        assert_eq!(found.as_deref(), value, "{name}");
    }
    for name in ["", "ALPN", "ssl_", "ssl_x", "0x", "0x100", "0x+1", "crc32c"] {
        assert!(
            found.tlvs.value(name).is_err() && !Tlvs::check_name(name),
            "{name}"
        );
    }
}

#[test]
fn stops_at_broken_records() {
    let tlvs = Tlvs::new(b"\x01\x00\x02h2\x02\x00\xffx");
    assert_eq!(tlvs.find(kind::ALPN), Ok(Some(&b"h2"[..])));
    assert_eq!(tlvs.find(kind::NETNS), Err(BrokenTlv));
    assert_eq!(tlvs.value("netns"), Ok(None));
    assert_eq!(tlvs.iter().count(), 2);
    let short = Tlvs::new(b"\x20\x00\x04\x01\x00\x00\x00");
    assert_eq!(short.find_ssl(kind::SSL_CN), Err(BrokenTlv));
    assert_eq!(short.ssl_verify(), Err(BrokenTlv));
}

#[test]
fn writes_what_it_reads() {
    for (source, destination, line) in [
        (
            "1.2.3.4:5",
            "6.7.8.9:10",
            "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n",
        ),
        ("[::1]:5", "[::2]:10", "PROXY TCP6 ::1 ::2 5 10\r\n"),
        (
            "1.2.3.4:5",
            "[::2]:10",
            "PROXY TCP6 ::ffff:1.2.3.4 ::2 5 10\r\n",
        ),
    ] {
        let mut wire = Vec::new();
        encode::v1(Some(ends(source, destination)), &mut wire);
        assert_eq!(wire, line.as_bytes());
        let addresses = header(&wire).1.addresses;

        let mut wire = Vec::new();
        encode::v2(Some(ends(source, destination)), &[], &mut wire).unwrap();
        assert_eq!(header(&wire).1.addresses, addresses);
    }

    let mut wire = Vec::new();
    encode::v1(None, &mut wire);
    assert_eq!(header(&wire).1.addresses, Addresses::Unknown);
    let mut wire = Vec::new();
    encode::v2(None, &[], &mut wire).unwrap();
    assert_eq!(header(&wire).1.addresses, Addresses::Unknown);

    let long = vec![0; HEADER_MAX];
    let mut wire = Vec::new();
    assert_eq!(
        encode::v2(None, &[(0xe0, &long)], &mut wire),
        Err(encode::TooLong)
    );
    assert!(wire.is_empty());
}
