//! The PROXY protocol, versions 1 and 2, as a machine without I/O.
//!
//! A load balancer in front says in a few bytes, before anything else on a connection, who
//! the client is. [`parse`] reads that, [`encode`] writes it for the server behind. Whether a
//! peer may be believed is for the caller to know (`set_real_ip_from`), and whether there is
//! a header is configured, never guessed.
//!
//! Source: "The PROXY protocol", HAProxy documentation, revision of 2020-03-05 and later.
#![forbid(unsafe_code)]

pub mod encode;
mod tlv;
mod v1;
mod v2;

pub use tlv::{BrokenTlv, Tlvs, UnknownTlv, kind};

use std::fmt;
use std::net::SocketAddr;

/// Longest header of version 1, its line end included.
pub const V1_MAX: usize = 107;

/// Longest header taken: what nginx reads at once before it decides.
///
/// Source: `NGX_PROXY_PROTOCOL_MAX_HEADER`, nginx 1.31.5.
pub const HEADER_MAX: usize = 4096;

/// The two ends of the connection that the header speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// TCP over IPv4 or IPv6. Both ends are of the same family.
    Internet {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// Unix sockets; their paths are not kept.
    Unix,
    /// The sender does not know, or it is no stream: use the addresses of the connection.
    Unknown,
    /// The sender speaks for itself, as in a health check: use those of the connection.
    Local,
}

/// A header. `'a` is the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Who speaks with whom.
    pub addresses: Addresses,
    /// What else version 2 said; empty for version 1.
    pub tlvs: Tlvs<'a>,
}

/// What a call of [`parse`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// So far so good, but there must be more bytes.
    Partial,
    /// The header is complete.
    Complete {
        /// Its length. What follows is the connection's own.
        consumed: usize,
        /// What it says.
        header: Header<'a>,
    },
}

/// Why there is no header; the connection must be closed. `Display` is nginx's wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Neither version's beginning, or a broken line or address block.
    Broken,
    /// Version 2's signature with another version.
    Version(u8),
    /// More than [`HEADER_MAX`].
    TooLarge,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("broken header"),
            Self::Version(version) => write!(f, "unknown PROXY protocol version: {version}"),
            Self::TooLarge => f.write_str("header is too large"),
        }
    }
}

impl std::error::Error for Bad {}

/// Reads the header that `buf` begins with. Call again with more bytes on
/// [`Parsed::Partial`]; a header is so short that reading it anew costs nothing.
///
/// # Errors
///
/// [`Bad`] as soon as the bytes cannot become a header.
///
/// Source: `ngx_proxy_protocol_read()`, nginx 1.31.5, which wants the header in one piece.
pub fn parse(buf: &[u8]) -> Result<Parsed<'_>, Bad> {
    if buf.is_empty() {
        return Ok(Parsed::Partial);
    }
    if starts(buf, v2::SIGNATURE) {
        return v2::parse(buf);
    }
    if starts(buf, v1::PREFIX) {
        return v1::parse(buf);
    }
    Err(Bad::Broken)
}

/// Whether `buf` begins with `prefix`, or is a beginning of it.
fn starts(buf: &[u8], prefix: &[u8]) -> bool {
    buf.starts_with(prefix) || prefix.starts_with(buf)
}
