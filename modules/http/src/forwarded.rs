//! Who stands behind trusted proxies, as `X-Forwarded-For` and its like tell it.

use base::cidr::Cidr;
use engine::directive::lossy;
use engine::{Line, Refused};
use http::Request;
use http1::Known;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use sys::socket::PeerAddr;

/// Who stands behind `peer`, as `X-Forwarded-For` of `request` tells it; `peer` itself when it is
/// not among the `trusted` or no address is told. Recursively, of trusted ones the next is asked.
pub(crate) fn client(
    peer: PeerAddr,
    request: &Request,
    trusted: &[Cidr],
    is_recursive: bool,
) -> PeerAddr {
    if trusted.is_empty() {
        return peer;
    }
    let is_trusted = |peer: PeerAddr| {
        let ip = peer.ip();
        ip.is_some_and(|ip| trusted.iter().any(|range| range.contains(ip)))
    };
    let fields = forwarded_for(request);
    behind(peer, fields.into_iter(), is_trusted, is_recursive).unwrap_or(peer)
}

/// Reads the one argument of a directive that names proxies to trust.
///
/// # Errors
///
/// `invalid network "..."`.
pub(crate) fn read_proxy(line: &mut Line<'_>) -> Result<Cidr, Refused> {
    let network = line.loading.cidr(line.arg(0), line.directive.end);
    let shown = lossy(line.arg(0));
    network.ok_or_else(|| Refused::new(format!("invalid network \"{shown}\"")))
}

/// Every `X-Forwarded-For` of a request, in their order.
pub(crate) fn forwarded_for(request: &Request) -> Vec<&[u8]> {
    let buf = &request.head.buf;
    let fields = request.head.parsed.all(Known::XForwardedFor);
    fields.map(|field| field.value.of(buf)).collect()
}

/// The address that `fields` name for a request that came from `peer`; `None` when `peer` is not
/// trusted or the last field names no address.
///
/// Each proxy adds whom it spoke with at the end, so the lists are read backwards. The last
/// address is taken, or, when `is_recursive`, the last that is not itself trusted.
///
/// Source: `ngx_http_get_forwarded_addr()`, nginx 1.31.5.
pub(crate) fn behind<'f>(
    peer: PeerAddr,
    fields: impl DoubleEndedIterator<Item = &'f [u8]>,
    is_trusted: impl Fn(PeerAddr) -> bool,
    is_recursive: bool,
) -> Option<PeerAddr> {
    let mut found = None;
    for field in fields.rev() {
        let mut rest = Some(field);
        while let Some(list) = rest {
            if !is_trusted(found.unwrap_or(peer)) {
                return found;
            }
            let (before, last) = split_last(list);
            let Some(address) = parse(last) else {
                return found;
            };
            found = Some(address);
            if !is_recursive {
                return found;
            }
            rest = before;
        }
    }
    found
}

/// Splits the last address of a list off; blanks and commas around it are dropped.
fn split_last(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let is_separator = |byte: &u8| matches!(byte, b' ' | b',');
    let kept = list
        .iter()
        .rposition(|byte| !is_separator(byte))
        .map_or(0, |at| at + 1);
    let list = &list[..kept];
    match list.iter().rposition(is_separator) {
        Some(at) => (Some(&list[..at]), &list[at + 1..]),
        None => (None, list),
    }
}

/// Reads an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. The port is 0 where there is none.
///
/// Source: `ngx_parse_addr_port()`, nginx 1.31.5.
pub(crate) fn parse(text: &[u8]) -> Option<PeerAddr> {
    if let Some(ip) = parse_ip(text) {
        return Some(SocketAddr::new(ip, 0).into());
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        let ip: Ipv6Addr = inner.parse().ok()?;
        return Some(SocketAddr::new(ip.into(), 0).into());
    }
    let address: SocketAddr = text.parse().ok()?;
    let is_one = address.port() > 0 && address.ip() != NOBODY;
    is_one.then(|| address.into())
}

/// Stands for no address: nginx takes it for none where it reads one.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

/// Reads an address without a port.
pub(crate) fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    let ip = std::str::from_utf8(text).ok()?.parse().ok()?;
    (ip != NOBODY).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_parse(text: &str, expected: Option<&str>) {
        let parsed = parse(text.as_bytes()).map(|address| address.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }

    #[test]
    fn addresses_have_ports_or_not() {
        check_parse("192.0.2.1", Some("192.0.2.1:0"));
        check_parse("192.0.2.1:80", Some("192.0.2.1:80"));
        check_parse("2001:db8::1", Some("[2001:db8::1]:0"));
        check_parse("[2001:db8::1]", Some("[2001:db8::1]:0"));
        check_parse("[2001:db8::1]:80", Some("[2001:db8::1]:80"));
        for wrong in [
            "",
            "a",
            "192.0.2.1:0",
            "255.255.255.255",
            "255.255.255.255:80",
            "192.0.2.1:65536",
            "192.0.2.1:",
            "unix:",
            "[::1",
        ] {
            check_parse(wrong, None);
        }
    }

    #[track_caller]
    fn check(fields: &[&str], is_recursive: bool, expected: Option<&str>) {
        let trusted = |peer: PeerAddr| {
            peer.ip()
                .is_some_and(|ip| ip.to_string().starts_with("10."))
        };
        let peer = parse(b"10.0.0.1").unwrap();
        let fields = fields.iter().map(|field| field.as_bytes());
        let found = behind(peer, fields, trusted, is_recursive);
        let found = found.map(|address| address.host().to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn the_last_address_counts_unless_it_is_trusted_too() {
        check(&["192.0.2.1, 192.0.2.2"], false, Some("192.0.2.2"));
        check(&["192.0.2.1, 192.0.2.2"], true, Some("192.0.2.2"));
        check(&["192.0.2.1, 10.0.0.2"], false, Some("10.0.0.2"));
        check(&["192.0.2.1, 10.0.0.2"], true, Some("192.0.2.1"));
        check(&["192.0.2.1,10.0.0.2 , "], true, Some("192.0.2.1"));
        check(&["10.0.0.3 10.0.0.2"], true, Some("10.0.0.3"));
        check(&["192.0.2.1, unknown, 10.0.0.2"], true, Some("10.0.0.2"));
        check(&["unknown"], true, None);
        check(&[""], true, None);
        check(&[], true, None);
    }

    #[test]
    fn fields_are_read_from_the_last_one_back() {
        check(&["192.0.2.1", "192.0.2.2"], false, Some("192.0.2.2"));
        check(&["192.0.2.1", "10.0.0.2"], false, Some("10.0.0.2"));
        check(&["192.0.2.1", "10.0.0.2"], true, Some("192.0.2.1"));
        check(&["192.0.2.1", "", "10.0.0.2"], true, Some("10.0.0.2"));
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        let peer = parse(b"192.0.2.9").unwrap();
        let fields = [&b"192.0.2.1"[..]].into_iter();
        assert_eq!(behind(peer, fields, |_| false, true), None);
    }
}
