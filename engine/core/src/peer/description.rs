//! What the configuration says about a peer, as bytes for other processes.

use super::PeerConfig;
use crate::address::Address;
use shm::{Corrupt, Record};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::rc::Rc;

/// Weight, `max_fails`, `max_conns`, marks, `fail_timeout`, `slow_start`.
type Numbers = (u32, u32, u32, u32, u64, u64);

const BACKUP: u32 = 1;
const DOWN: u32 = 2;
const FOUND: u32 = 4;
const DRAINING: u32 = 8;

/// Kinds of addresses.
const V4: u8 = 4;
const V6: u8 = 6;
const UNIX: u8 = 1;

/// The bytes of `config`.
pub(super) fn encode(config: &PeerConfig) -> Vec<u8> {
    let mark = |is_set: bool, mark: u32| if is_set { mark } else { 0 };
    let marks = mark(config.is_backup, BACKUP)
        | mark(config.is_down, DOWN)
        | mark(config.found_by.is_some(), FOUND)
        | mark(config.is_draining, DRAINING);
    let numbers: Numbers = (
        config.weight,
        config.max_fails,
        config.max_conns,
        marks,
        config.fail_timeout,
        config.slow_start,
    );
    let mut out = vec![0; Numbers::SIZE];
    // It was made just as long.
    let _ = numbers.write(&mut out);
    put(&mut out, &address_bytes(&config.address));
    put(&mut out, config.name.as_bytes());
    put(&mut out, config.server.as_bytes());
    put(
        &mut out,
        config.found_by.as_deref().unwrap_or_default().as_bytes(),
    );
    put(&mut out, config.route.as_bytes());
    out
}

/// What [`encode`] made `bytes` of, which may go on behind it.
pub(super) fn decode(bytes: &[u8]) -> Result<PeerConfig, Corrupt> {
    let (weight, max_fails, max_conns, marks, fail_timeout, slow_start) = Numbers::read(bytes)?;
    let mut rest = bytes.get(Numbers::SIZE..).ok_or(Corrupt)?;
    let address = address_of(take(&mut rest)?)?;
    let name = text(take(&mut rest)?);
    let server = text(take(&mut rest)?);
    let found_by = text(take(&mut rest)?);
    let route = text(take(&mut rest)?);
    Ok(PeerConfig {
        address,
        name,
        server,
        weight,
        max_fails,
        fail_timeout,
        max_conns,
        is_backup: marks & BACKUP != 0,
        is_down: marks & DOWN != 0,
        found_by: (marks & FOUND != 0).then_some(found_by),
        slow_start,
        is_draining: marks & DRAINING != 0,
        route,
    })
}

/// Appends a piece with its length before it.
pub(super) fn put(out: &mut Vec<u8>, piece: &[u8]) {
    let length = u32::try_from(piece.len()).unwrap_or(0);
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(piece.get(..length as usize).unwrap_or_default());
}

/// Takes a piece that [`put`] appended.
pub(super) fn take<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Corrupt> {
    let length = u32::read(bytes)? as usize;
    let rest = bytes.get(u32::SIZE..).ok_or(Corrupt)?;
    let (piece, rest) = rest.split_at_checked(length).ok_or(Corrupt)?;
    *bytes = rest;
    Ok(piece)
}

fn text(bytes: &[u8]) -> Rc<str> {
    String::from_utf8_lossy(bytes).into()
}

fn address_bytes(address: &Address) -> Vec<u8> {
    let mut out = Vec::new();
    match address {
        Address::Ip(SocketAddr::V4(v4)) => {
            out.push(V4);
            out.extend_from_slice(&v4.port().to_ne_bytes());
            out.extend_from_slice(&v4.ip().octets());
        }
        Address::Ip(SocketAddr::V6(v6)) => {
            out.push(V6);
            out.extend_from_slice(&v6.port().to_ne_bytes());
            out.extend_from_slice(&v6.ip().octets());
            out.extend_from_slice(&v6.scope_id().to_ne_bytes());
        }
        Address::Unix(path) => {
            out.push(UNIX);
            out.extend_from_slice(path);
        }
    }
    out
}

fn address_of(bytes: &[u8]) -> Result<Address, Corrupt> {
    let (&kind, rest) = bytes.split_first().ok_or(Corrupt)?;
    Ok(match kind {
        V4 => {
            let (port, ip) = <(u16, [u8; 4])>::read(rest)?;
            Address::Ip(SocketAddr::new(IpAddr::from(ip), port))
        }
        V6 => {
            let (port, ip, scope) = <(u16, [u8; 16], u32)>::read(rest)?;
            Address::Ip(SocketAddrV6::new(ip.into(), port, 0, scope).into())
        }
        UNIX => Address::Unix(rest.into()),
        _ => return Err(Corrupt),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_went() {
        let addresses = [
            Address::Ip("192.0.2.1:80".parse().unwrap()),
            Address::Ip("[2001:db8::1%7]:8080".parse().unwrap()),
            Address::Unix(b"\0abstract".as_slice().into()),
        ];
        for (number, address) in (1..).zip(addresses) {
            let config = PeerConfig {
                server: "backend.test:80".into(),
                weight: number,
                max_fails: 7,
                fail_timeout: 1 << 40,
                max_conns: 9,
                slow_start: 11,
                route: "a".into(),
                is_draining: number == 3,
                is_backup: number == 1,
                is_down: number == 2,
                found_by: (number == 3).then(|| "backend.test".into()),
                ..PeerConfig::new(address)
            };
            let mut bytes = encode(&config);
            bytes.extend_from_slice(b"what lay there before");
            assert_eq!(decode(&bytes), Ok(config));
        }
    }

    #[test]
    fn half_of_it_is_an_error() {
        let config = PeerConfig::new(Address::Ip("192.0.2.1:80".parse().unwrap()));
        let bytes = encode(&config);
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Err(Corrupt), "{length}");
        }
    }
}
