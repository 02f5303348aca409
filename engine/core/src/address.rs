//! Addresses as `listen`, `server` of an upstream, `resolver` and logs write them.

use crate::line::Refused;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
pub use sys::socket::Address;

/// Reads `address`, `address:port`, `port`, `*:port`, `[v6]:port` or `unix:path`; names
/// are looked up.
///
/// `text` is what `listen` takes. A name may stand for several addresses, and so may a
/// range of ports `8000-8010`.
///
/// # Errors
///
/// `invalid port in "..."`, `no host in "..."`, `host not found in "..."`, in nginx's words
/// with the directive's name added.
pub fn parse_listen(text: &str, default_port: u16) -> Result<Vec<Address>, Refused> {
    let refuse =
        |why: &str| Refused::new(format!("{why} in \"{text}\" of the \"listen\" directive"));
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err(refuse("no path in the unix domain socket"));
        }
        return Ok(vec![Address::Unix(path.as_bytes().into())]);
    }
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        let ports = parse_ports(text).ok_or_else(|| refuse("invalid port"))?;
        return Ok(expand(&[IpAddr::V4(Ipv4Addr::UNSPECIFIED)], ports));
    }
    let (host, port) = split_host(text).ok_or_else(|| refuse("invalid host"))?;
    let ports = match port {
        Some(port) => parse_ports(port).ok_or_else(|| refuse("invalid port"))?,
        None => (default_port, default_port),
    };
    if host.is_empty() {
        return Err(refuse("no host"));
    }
    if host == "*" {
        return Ok(expand(&[IpAddr::V4(Ipv4Addr::UNSPECIFIED)], ports));
    }
    let ips = resolve(host).ok_or_else(|| refuse("host not found"))?;
    Ok(expand(&ips, ports))
}

/// Splits `host:port`, `[v6]:port`, `[v6]` and `host`; a v6 address keeps no brackets.
pub fn split_host(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

/// Looks a name up with the system's resolver; an address is itself. Blocks: only while
/// loading.
pub fn resolve(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(ip) = host.parse() {
        return Some(vec![ip]);
    }
    let mut ips: Vec<IpAddr> = Vec::new();
    for addr in (host, 0).to_socket_addrs().ok()? {
        if !ips.contains(&addr.ip()) {
            ips.push(addr.ip());
        }
    }
    (!ips.is_empty()).then_some(ips)
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port: &u16| digits && port > 0)
}

fn parse_ports(text: &str) -> Option<(u16, u16)> {
    match text.split_once('-') {
        None => parse_port(text).map(|port| (port, port)),
        Some((first, last)) => {
            let (first, last) = (parse_port(first)?, parse_port(last)?);
            (first <= last).then_some((first, last))
        }
    }
}

fn expand(ips: &[IpAddr], (first, last): (u16, u16)) -> Vec<Address> {
    let at = |port| {
        ips.iter()
            .map(move |&ip| Address::Ip(SocketAddr::new(ip, port)))
    };
    (first..=last).flat_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let got: Vec<String> = match parse_listen(text, 80) {
            Ok(addresses) => addresses.iter().map(ToString::to_string).collect(),
            Err(refused) => vec![refused.message().to_owned()],
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn every_form_of_an_address() {
        check("8080", &["0.0.0.0:8080"]);
        check("*:8080", &["0.0.0.0:8080"]);
        check("127.0.0.1", &["127.0.0.1:80"]);
        check("127.0.0.1:81", &["127.0.0.1:81"]);
        check("[::1]:81", &["[::1]:81"]);
        check("[::]", &["[::]:80"]);
        check("unix:/tmp/x", &["unix:/tmp/x"]);
        check(
            "8080-8082",
            &["0.0.0.0:8080", "0.0.0.0:8081", "0.0.0.0:8082"],
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_nginx_words() {
        check(
            "127.0.0.1:0",
            &["invalid port in \"127.0.0.1:0\" of the \"listen\" directive"],
        );
        check(
            "99999",
            &["invalid port in \"99999\" of the \"listen\" directive"],
        );
        check(
            "127.0.0.1:x",
            &["invalid port in \"127.0.0.1:x\" of the \"listen\" directive"],
        );
        check(":80", &["no host in \":80\" of the \"listen\" directive"]);
        check(
            "8082-8080",
            &["invalid port in \"8082-8080\" of the \"listen\" directive"],
        );
    }
}
