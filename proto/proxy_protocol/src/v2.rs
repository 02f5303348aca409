//! Version 2: a signature, four bytes, two addresses, and records after them.

use crate::{Addresses, Bad, HEADER_MAX, Header, Parsed, Tlvs};
use std::net::{IpAddr, SocketAddr};

pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, two bytes of length.
pub(crate) const FIXED: usize = 16;

pub(crate) const VERSION: u8 = 2;
pub(crate) const COMMAND_PROXY: u8 = 1;
pub(crate) const TCP_OVER_IPV4: u8 = 0x11;
pub(crate) const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

/// Two paths of 108 bytes.
const UNIX_ADDRESSES: usize = 216;

/// Reads the header at the beginning of `buf`, which begins as [`SIGNATURE`] does.
pub(crate) fn parse(buf: &[u8]) -> Result<Parsed<'_>, Bad> {
    let Some(&version_and_command) = buf.get(SIGNATURE.len()) else {
        return Ok(Parsed::Partial);
    };
    let version = version_and_command >> 4;
    if version != VERSION {
        return Err(Bad::Version(version));
    }
    let Some(&[_, family, high, low]) = buf.get(SIGNATURE.len()..FIXED) else {
        return Ok(Parsed::Partial);
    };
    let consumed = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if consumed > HEADER_MAX {
        return Err(Bad::TooLarge);
    }
    let Some(payload) = buf.get(FIXED..consumed) else {
        return Ok(Parsed::Partial);
    };

    let header = match version_and_command & 0x0f {
        // What LOCAL carries is to be ignored. nginx takes unknown commands alike.
        COMMAND_PROXY => proxy_header(family, payload).ok_or(Bad::Broken)?,
        _ => Header {
            addresses: Addresses::Local,
            tlvs: Tlvs::default(),
        },
    };
    Ok(Parsed::Complete { consumed, header })
}

fn proxy_header(family: u8, payload: &[u8]) -> Option<Header<'_>> {
    let (addresses, tlvs) = match family {
        TCP_OVER_IPV4 => {
            let (block, tlvs) = payload.split_first_chunk::<12>()?;
            (
                internet(read::<4>(block, 0)?, read::<4>(block, 4)?, block.get(8..)?)?,
                tlvs,
            )
        }
        TCP_OVER_IPV6 => {
            let (block, tlvs) = payload.split_first_chunk::<36>()?;
            (
                internet(
                    read::<16>(block, 0)?,
                    read::<16>(block, 16)?,
                    block.get(32..)?,
                )?,
                tlvs,
            )
        }
        UNIX_STREAM => (Addresses::Unix, payload.get(UNIX_ADDRESSES..)?),
        // Datagrams and families to come: no address of ours, and no telling where records
        // would begin.
        _ => (Addresses::Unknown, &[][..]),
    };
    Some(Header {
        addresses,
        tlvs: Tlvs::new(tlvs),
    })
}

fn internet(
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    ports: &[u8],
) -> Option<Addresses> {
    Some(Addresses::Internet {
        source: SocketAddr::new(source.into(), u16::from_be_bytes(read::<2>(ports, 0)?)),
        destination: SocketAddr::new(destination.into(), u16::from_be_bytes(read::<2>(ports, 2)?)),
    })
}

fn read<const N: usize>(block: &[u8], at: usize) -> Option<[u8; N]> {
    block.get(at..)?.first_chunk().copied()
}
