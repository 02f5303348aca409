//! Headers for the server behind.

mod crc32c;

use crate::{kind, v2};
use crc32c::crc32c;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What a record cannot do: be longer than its length can say, or than [`crate::HEADER_MAX`]
/// together with the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Bytes of the checksum record.
const CRC32C_RECORD: usize = 7;

/// Appends version 1. `None` is for a client without an internet address.
///
/// Addresses of two families are both written as IPv6, the IPv4 one mapped.
///
/// Source: `ngx_proxy_protocol_write()`, nginx 1.31.5.
pub fn v1(ends: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    let Some((source, destination)) = ends else {
        out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };

    let line = match same_family(source.ip(), destination.ip()) {
        Ends::V4(from, to) => {
            format!(
                "PROXY TCP4 {from} {to} {} {}\r\n",
                source.port(),
                destination.port()
            )
        }
        Ends::V6(from, to) => {
            format!(
                "PROXY TCP6 {from} {to} {} {}\r\n",
                source.port(),
                destination.port()
            )
        }
    };
    out.extend_from_slice(line.as_bytes());
}

/// Appends version 2 with `records`, each a type and a value, and a checksum after them. For
/// the record about TLS see [`ssl_record`].
///
/// # Errors
///
/// [`TooLong`] if the records do not fit; nothing has been appended then.
///
/// Source: `ngx_proxy_protocol_v2_write()`, nginx 1.31.5.
pub fn v2(
    ends: Option<(SocketAddr, SocketAddr)>,
    records: &[(u8, &[u8])],
    out: &mut Vec<u8>,
) -> Result<(), TooLong> {
    let mut header = v2::SIGNATURE.to_vec();
    header.push(v2::VERSION << 4 | v2::COMMAND_PROXY);
    // The length is known at the end.
    match ends.map(|(from, to)| (same_family(from.ip(), to.ip()), from.port(), to.port())) {
        None => header.extend_from_slice(&[0, 0, 0]),
        Some((Ends::V4(from, to), source_port, destination_port)) => {
            header.extend_from_slice(&[v2::TCP_OVER_IPV4, 0, 0]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            header.extend_from_slice(&source_port.to_be_bytes());
            header.extend_from_slice(&destination_port.to_be_bytes());
        }
        Some((Ends::V6(from, to), source_port, destination_port)) => {
            header.extend_from_slice(&[v2::TCP_OVER_IPV6, 0, 0]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            header.extend_from_slice(&source_port.to_be_bytes());
            header.extend_from_slice(&destination_port.to_be_bytes());
        }
    }
    for (kind, value) in records {
        append_record(*kind, value, &mut header)?;
    }

    let length = header.len() + CRC32C_RECORD - v2::FIXED;
    if length + v2::FIXED > crate::HEADER_MAX {
        return Err(TooLong);
    }
    let length = u16::try_from(length).map_err(|_| TooLong)?;
    if let Some(place) = header.get_mut(v2::FIXED - 2..v2::FIXED) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    append_checksum(&mut header)?;
    out.extend_from_slice(&header);
    Ok(())
}

/// The value of a [`kind::SSL`] record: what the client used (bit 0 TLS, bit 1 a certificate
/// on this connection, bit 2 one in the session), whether that was verified (0) and the
/// records inside.
///
/// # Errors
///
/// [`TooLong`] if a record does not fit.
pub fn ssl_record(client: u8, verify: u32, records: &[(u8, &[u8])]) -> Result<Vec<u8>, TooLong> {
    let mut value = vec![client];
    value.extend_from_slice(&verify.to_be_bytes());
    for (kind, inner) in records {
        append_record(*kind, inner, &mut value)?;
    }
    Ok(value)
}

fn append_record(kind: u8, value: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    let length = u16::try_from(value.len()).map_err(|_| TooLong)?;
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// Appends the checksum of the whole header, taken with zeros where it will stand.
fn append_checksum(header: &mut Vec<u8>) -> Result<(), TooLong> {
    append_record(kind::CRC32C, &[0; 4], header)?;
    let checksum = crc32c(header);
    let place = header.len().saturating_sub(4);
    header.truncate(place);
    header.extend_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// Two addresses of one family.
enum Ends {
    V4(std::net::Ipv4Addr, std::net::Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

fn same_family(source: IpAddr, destination: IpAddr) -> Ends {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ends::V4(source, destination),
        _ => Ends::V6(to_ipv6(source), to_ipv6(destination)),
    }
}

fn to_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
