//! Socket addresses: nginx's text forms, and the kernel's `sockaddr` layouts.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Address of a peer, in 24 bytes. What kind of socket a Unix peer has bound is not kept:
/// nginx shows all of them as `unix:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// IPv4.
    V4 {
        /// Address.
        ip: Ipv4Addr,
        /// Port.
        port: u16,
    },
    /// IPv6.
    V6 {
        /// Address.
        ip: Ipv6Addr,
        /// Port.
        port: u16,
        /// Interface of a link-local address, 0 for any other.
        scope: u32,
    },
    /// A Unix socket.
    Unix,
}

const _: () = assert!(size_of::<PeerAddr>() <= 24);

impl PeerAddr {
    /// The IP address, `None` for a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Self::V4 { ip, .. } => Some(ip.into()),
            Self::V6 { ip, .. } => Some(ip.into()),
            Self::Unix => None,
        }
    }

    /// The port, `None` for a Unix socket.
    pub fn port(&self) -> Option<u16> {
        match *self {
            Self::V4 { port, .. } | Self::V6 { port, .. } => Some(port),
            Self::Unix => None,
        }
    }

    /// The text without the port, as in `$remote_addr`: `192.0.2.1`, `2001:db8::1`, `unix:`.
    pub fn host(&self) -> Host {
        Host(*self)
    }

    /// The address in the standard library's form, `None` for a Unix socket.
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        match *self {
            Self::V4 { ip, port } => Some(SocketAddrV4::new(ip, port).into()),
            Self::V6 { ip, port, scope } => Some(SocketAddrV6::new(ip, port, 0, scope).into()),
            Self::Unix => None,
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(v4) => Self::V4 {
                ip: *v4.ip(),
                port: v4.port(),
            },
            SocketAddr::V6(v6) => Self::V6 {
                ip: *v6.ip(),
                port: v6.port(),
                scope: v6.scope_id(),
            },
        }
    }
}

/// With the port: `192.0.2.1:80`, `[2001:db8::1]:80`, `unix:`.
impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4 { ip, port } => write!(f, "{ip}:{port}"),
            Self::V6 { ip, port, .. } => write!(f, "[{ip}]:{port}"),
            Self::Unix => f.write_str("unix:"),
        }
    }
}

/// Shows an address without its port.
#[derive(Clone, Copy, Debug)]
pub struct Host(PeerAddr);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PeerAddr::V4 { ip, .. } => ip.fmt(f),
            PeerAddr::V6 { ip, .. } => ip.fmt(f),
            PeerAddr::Unix => f.write_str("unix:"),
        }
    }
}

/// An address to listen at or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4 or IPv6.
    Ip(SocketAddr),
    /// Path of a Unix socket. It is abstract where it starts with a NUL byte, and empty for a
    /// socket without a name.
    Unix(Box<[u8]>),
}

impl Address {
    /// The compact form, which forgets the path of a Unix socket.
    pub fn peer(&self) -> PeerAddr {
        match self {
            Self::Ip(addr) => (*addr).into(),
            Self::Unix(_) => PeerAddr::Unix,
        }
    }

    /// Whether it is a Unix socket's.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    pub(super) fn family(&self) -> libc::c_int {
        match self {
            Self::Ip(SocketAddr::V4(_)) => libc::AF_INET,
            Self::Ip(SocketAddr::V6(_)) => libc::AF_INET6,
            Self::Unix(_) => libc::AF_UNIX,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`, `unix:/path` (an abstract name with `@` for its NUL).
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => PeerAddr::from(*addr).fmt(f),
            Self::Unix(path) => match path.split_first() {
                Some((0, name)) => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
                _ => write!(f, "unix:{}", String::from_utf8_lossy(path)),
            },
        }
    }
}

/// Size of `sockaddr_storage`, which holds an address of any family.
pub(super) const RAW_SIZE: usize = size_of::<libc::sockaddr_storage>();

/// Where `sockaddr_un` has its path.
const UNIX_PATH: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);

/// Longest path of a Unix socket, without the NUL byte that ends it.
const UNIX_PATH_MAX: usize = size_of::<libc::sockaddr_un>() - UNIX_PATH - 1;

/// A `sockaddr` of any family, as bytes.
#[repr(C, align(8))]
pub(super) struct RawAddress {
    bytes: [u8; RAW_SIZE],
    len: libc::socklen_t,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "families fit 16 bits and the lengths are those of small structures"
)]
impl RawAddress {
    /// Room for the kernel to write an address into.
    pub(super) fn empty() -> Self {
        Self {
            bytes: [0; RAW_SIZE],
            len: RAW_SIZE as libc::socklen_t,
        }
    }

    /// # Errors
    ///
    /// `InvalidInput` for a path that does not fit or has a NUL byte inside.
    pub(super) fn new(address: &Address) -> io::Result<Self> {
        let mut raw = Self::empty();
        raw.bytes[..2].copy_from_slice(&(address.family() as libc::sa_family_t).to_ne_bytes());
        match address {
            Address::Ip(SocketAddr::V4(v4)) => raw.set_v4(*v4.ip(), v4.port()),
            Address::Ip(SocketAddr::V6(v6)) => raw.set_v6(*v6.ip(), v6.port(), v6.scope_id()),
            Address::Unix(path) => raw.set_unix(path)?,
        }
        Ok(raw)
    }

    /// # Errors
    ///
    /// `InvalidInput` for a Unix socket, whose path a `PeerAddr` does not have.
    pub(super) fn from_peer(peer: &PeerAddr) -> io::Result<Self> {
        let addr = peer.to_socket_addr().ok_or(io::ErrorKind::InvalidInput)?;
        Self::new(&Address::Ip(addr))
    }

    fn set_v4(&mut self, ip: Ipv4Addr, port: u16) {
        self.bytes[2..4].copy_from_slice(&port.to_be_bytes());
        self.bytes[4..8].copy_from_slice(&ip.octets());
        self.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    }

    fn set_v6(&mut self, ip: Ipv6Addr, port: u16, scope: u32) {
        self.bytes[2..4].copy_from_slice(&port.to_be_bytes());
        self.bytes[8..24].copy_from_slice(&ip.octets());
        self.bytes[24..28].copy_from_slice(&scope.to_ne_bytes());
        self.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    }

    fn set_unix(&mut self, path: &[u8]) -> io::Result<()> {
        let is_abstract = path.first() == Some(&0);
        if path.len() > UNIX_PATH_MAX || (!is_abstract && path.contains(&0)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.bytes[UNIX_PATH..UNIX_PATH + path.len()].copy_from_slice(path);
        // An abstract name is as long as the length says; a path ends with a NUL byte.
        let end = usize::from(!is_abstract && !path.is_empty());
        self.len = (UNIX_PATH + path.len() + end) as libc::socklen_t;
        Ok(())
    }

    pub(super) fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        self.bytes.as_ptr().cast()
    }

    /// Pointers for the kernel to write the address and its length to.
    pub(super) fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        (self.bytes.as_mut_ptr().cast(), &raw mut self.len)
    }

    fn family(&self) -> libc::c_int {
        let [a, b, ..] = self.bytes;
        libc::c_int::from(libc::sa_family_t::from_ne_bytes([a, b]))
    }

    fn port(&self) -> u16 {
        let [_, _, a, b, ..] = self.bytes;
        u16::from_be_bytes([a, b])
    }

    /// The peer this names; anything that is neither IPv4 nor IPv6 counts as a Unix socket.
    pub(super) fn peer(&self) -> PeerAddr {
        let port = self.port();
        match self.family() {
            libc::AF_INET => {
                let [_, _, _, _, a, b, c, d, ..] = self.bytes;
                let ip = Ipv4Addr::new(a, b, c, d);
                PeerAddr::V4 { ip, port }
            }
            libc::AF_INET6 => {
                let mut ip = [0; 16];
                ip.copy_from_slice(&self.bytes[8..24]);
                let mut scope = [0; 4];
                scope.copy_from_slice(&self.bytes[24..28]);
                PeerAddr::V6 {
                    ip: ip.into(),
                    port,
                    scope: u32::from_ne_bytes(scope),
                }
            }
            _ => PeerAddr::Unix,
        }
    }

    /// The full address, with the path of a Unix socket.
    pub(super) fn address(&self) -> Address {
        if let Some(addr) = self.peer().to_socket_addr() {
            return Address::Ip(addr);
        }
        let end = (self.len as usize).clamp(UNIX_PATH, RAW_SIZE);
        let name = &self.bytes[UNIX_PATH..end];
        let path = match name.first() {
            None | Some(0) => name,
            Some(_) => name.split(|&byte| byte == 0).next().unwrap_or(name),
        };
        Address::Unix(path.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for text in [
            "192.0.2.1:80",
            "[2001:db8::1]:65535",
            "[::ffff:192.0.2.1]:1",
        ] {
            let address = Address::Ip(text.parse().unwrap());
            assert_eq!(RawAddress::new(&address).unwrap().address(), address);
            assert_eq!(address.to_string(), text);
            assert_eq!(address.peer().to_string(), text);
        }
        for path in [&b"/run/a.sock"[..], b"\0abstract", b""] {
            let address = Address::Unix(path.into());
            assert_eq!(RawAddress::new(&address).unwrap().address(), address);
        }
    }

    #[test]
    fn scope_is_kept() {
        let addr = SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 7);
        let raw = RawAddress::new(&Address::Ip(addr.into())).unwrap();
        assert_eq!(raw.peer().to_socket_addr(), Some(addr.into()));
    }

    #[test]
    fn unix_texts() {
        assert_eq!(
            Address::Unix(b"/a".as_slice().into()).to_string(),
            "unix:/a"
        );
        assert_eq!(
            Address::Unix(b"\0a".as_slice().into()).to_string(),
            "unix:@a"
        );
        assert_eq!(PeerAddr::Unix.to_string(), "unix:");
        assert_eq!(PeerAddr::Unix.host().to_string(), "unix:");
    }

    #[test]
    fn host_has_no_port() {
        let peer = PeerAddr::from("[::1]:80".parse::<SocketAddr>().unwrap());
        assert_eq!(peer.host().to_string(), "::1");
        assert_eq!(peer.port(), Some(80));
    }

    #[test]
    fn paths_that_do_not_fit_are_refused() {
        let long = vec![b'a'; UNIX_PATH_MAX + 1];
        assert!(RawAddress::new(&Address::Unix(long.into())).is_err());
        assert!(RawAddress::new(&Address::Unix(b"a\0b".as_slice().into())).is_err());
    }
}
