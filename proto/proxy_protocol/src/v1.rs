//! Version 1: one line of text.

use crate::{Addresses, Bad, Header, Parsed, Tlvs, V1_MAX};
use std::net::{IpAddr, SocketAddr};

pub(crate) const PREFIX: &[u8] = b"PROXY ";

/// Reads the line at the beginning of `buf`.
pub(crate) fn parse(buf: &[u8]) -> Result<Parsed<'_>, Bad> {
    let window = buf.get(..V1_MAX).unwrap_or(buf);
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        let is_too_long = window.len() == V1_MAX;
        return if is_too_long {
            Err(Bad::Broken)
        } else {
            Ok(Parsed::Partial)
        };
    };

    let line = window
        .get(..end)
        .and_then(|line| line.strip_suffix(b"\r"))
        .ok_or(Bad::Broken)?;
    let text = line.strip_prefix(PREFIX).ok_or(Bad::Broken)?;
    let addresses = parse_line(text).ok_or(Bad::Broken)?;
    let header = Header {
        addresses,
        tlvs: Tlvs::default(),
    };
    Ok(Parsed::Complete {
        consumed: end + 1,
        header,
    })
}

/// What follows `PROXY `.
fn parse_line(text: &[u8]) -> Option<Addresses> {
    // Whatever follows UNKNOWN is to be ignored.
    if text.starts_with(b"UNKNOWN") {
        return (!text.contains(&b'\r')).then_some(Addresses::Unknown);
    }

    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split(' ');
    let family = words.next()?;
    let source: IpAddr = words.next()?.parse().ok()?;
    let destination: IpAddr = words.next()?.parse().ok()?;
    let is_family = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    let source = SocketAddr::new(source, port(words.next()?)?);
    let destination = SocketAddr::new(destination, port(words.next()?)?);
    (is_family && words.next().is_none()).then_some(Addresses::Internet {
        source,
        destination,
    })
}

/// Digits alone: `str::parse` would take a plus sign too.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
