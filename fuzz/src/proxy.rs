//! The PROXY protocol.

use proxy_protocol::{Addresses, HEADER_MAX, Parsed, encode, parse};

/// Parses a header, in every beginning of it, and writes what it says again.
///
/// # Panics
///
/// When an early answer differs from the last one, or what is written reads otherwise.
pub fn proxy_protocol(data: &[u8]) {
    let whole = parse(data);
    for cut in 0..data.len().min(HEADER_MAX) {
        match parse(&data[..cut]) {
            Ok(Parsed::Partial) => {}
            early => assert_eq!(early, whole, "cut at {cut}"),
        }
    }

    let Ok(Parsed::Complete { consumed, header }) = whole else {
        assert!(
            whole.is_err() || data.len() < HEADER_MAX,
            "a header without a bound"
        );
        return;
    };
    assert!(consumed > 0 && consumed <= data.len().min(HEADER_MAX));
    let tlvs = header.tlvs;
    assert!(tlvs.as_bytes().len() < consumed);
    for name in ["alpn", "ssl", "ssl_cn", "ssl_verify", "0x05", "ssl_0xff"] {
        assert!(tlvs.value(name).is_ok());
    }

    let ends = match header.addresses {
        Addresses::Internet {
            source,
            destination,
        } => Some((source, destination)),
        Addresses::Unix | Addresses::Unknown | Addresses::Local => None,
    };
    let records: Vec<_> = tlvs.iter().filter_map(Result::ok).collect();
    let mut wire = Vec::new();
    if encode::v2(ends, &records, &mut wire).is_ok() {
        check_written(&wire, header.addresses);
    }
    let mut wire = Vec::new();
    encode::v1(ends, &mut wire);
    check_written(&wire, header.addresses);
}

fn check_written(wire: &[u8], addresses: Addresses) {
    let expected = match addresses {
        Addresses::Internet { .. } => addresses,
        Addresses::Unix | Addresses::Unknown | Addresses::Local => Addresses::Unknown,
    };
    let Ok(Parsed::Complete { consumed, header }) = parse(wire) else {
        panic!("cannot read {}", wire.escape_ascii());
    };
    assert_eq!((consumed, header.addresses), (wire.len(), expected));
}
