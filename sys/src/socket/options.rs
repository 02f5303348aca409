//! Making, connecting and ending sockets, and their options.

use super::Kind;
use super::address::{Address, RawAddress};
use super::listener::KeepAlive;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn c_len(size: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(size).unwrap_or(libc::socklen_t::MAX)
}

/// Sets an option that is a number.
pub(super) fn set_int(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            c_len(size_of_val(&value)),
        )
    })
}

fn get_int(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = c_len(size_of_val(&value));
    // SAFETY: `value` has room for the `len` bytes announced; both outlive the call.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    })?;
    Ok(value)
}

fn size_value(bytes: u64) -> libc::c_int {
    libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX)
}

/// A socket for addresses of the family of `address`.
///
/// # Errors
///
/// The system's, for instance `EAFNOSUPPORT` without IPv6, `EPROTONOSUPPORT` without MPTCP.
pub fn socket(address: &Address, kind: Kind) -> io::Result<OwnedFd> {
    let (kind, protocol) = match kind {
        Kind::Stream => (libc::SOCK_STREAM, 0),
        Kind::Datagram => (libc::SOCK_DGRAM, 0),
        Kind::Multipath => (libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
    };
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are involved.
    let fd = unsafe { libc::socket(address.family(), kind, protocol) };
    check(fd)?;
    // SAFETY: the call above has just returned this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Two Unix sockets connected to each other.
///
/// # Errors
///
/// The system's, when descriptors have run out.
pub fn socketpair(kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = match kind {
        Kind::Datagram => libc::SOCK_DGRAM,
        Kind::Stream | Kind::Multipath => libc::SOCK_STREAM,
    };
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let mut pair = [0; 2];
    // SAFETY: `pair` has room for the two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    // SAFETY: the call above has just returned this descriptor, nobody else owns it.
    let near = unsafe { OwnedFd::from_raw_fd(pair[0]) };
    // SAFETY: the same, for the other one.
    let far = unsafe { OwnedFd::from_raw_fd(pair[1]) };
    Ok((near, far))
}

pub(super) fn bind(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    let raw = RawAddress::new(address)?;
    // SAFETY: the address is a valid `sockaddr` of `raw.len()` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), raw.as_ptr(), raw.len()) })
}

/// Lets a socket of the family of `address` be bound to an address that is not of this system
/// (`IP_TRANSPARENT`). Needs `CAP_NET_RAW`; answers come back only where routing brings them.
///
/// # Errors
///
/// The system's: `EPERM` without the capability.
pub fn set_transparent(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    match address {
        Address::Ip(SocketAddr::V4(_)) => set_int(fd, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1),
        Address::Ip(SocketAddr::V6(_)) => {
            set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1)
        }
        Address::Unix(_) => Ok(()),
    }
}

/// Gives a socket the local address that it will connect from. With port 0 the port is chosen
/// when connecting, so that one port can serve several destinations.
///
/// # Errors
///
/// The system's, for instance `EADDRNOTAVAIL`.
pub fn bind_before_connect(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    if let Address::Ip(addr) = address
        && addr.port() == 0
    {
        // Missing on old kernels, where a port is chosen by `bind`: nothing is lost but ports.
        let _ = set_int(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1);
    }
    bind(fd, address)
}

/// Starts to connect. `Ok(true)` when connected at once, `Ok(false)` when it is under way:
/// the socket gets writable when it is done, and [`take_error`] says how.
///
/// # Errors
///
/// Why it cannot be done; `WouldBlock` when the queue of a Unix listener is full.
pub fn connect(fd: BorrowedFd<'_>, address: &Address) -> io::Result<bool> {
    let raw = RawAddress::new(address)?;
    // SAFETY: the address is a valid `sockaddr` of `raw.len()` bytes.
    let result = unsafe { libc::connect(fd.as_raw_fd(), raw.as_ptr(), raw.len()) };
    match check(result) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The error that waits at the socket, if any, and clears it (`SO_ERROR`).
///
/// # Errors
///
/// That error, or the system's when it cannot be asked.
pub fn take_error(fd: BorrowedFd<'_>) -> io::Result<()> {
    match get_int(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Whether a socket carries a stream or datagrams (`SO_TYPE`).
///
/// # Errors
///
/// `ENOTSOCK` when it is not a socket.
pub fn socket_kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    match get_int(fd, libc::SOL_SOCKET, libc::SO_TYPE)? {
        libc::SOCK_DGRAM => Ok(Kind::Datagram),
        _ => Ok(Kind::Stream),
    }
}

/// The address a socket is bound to.
///
/// # Errors
///
/// The system's; none is expected of an open socket.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let mut raw = RawAddress::empty();
    let (addr, len) = raw.as_mut_ptrs();
    // SAFETY: `addr` has room for as many bytes as `len` points to, both outlive the call.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), addr, len) })?;
    Ok(raw.address())
}

/// The address a socket is connected to.
///
/// # Errors
///
/// `NotConnected` when it is not.
pub fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let mut raw = RawAddress::empty();
    let (addr, len) = raw.as_mut_ptrs();
    // SAFETY: `addr` has room for as many bytes as `len` points to, both outlive the call.
    check(unsafe { libc::getpeername(fd.as_raw_fd(), addr, len) })?;
    Ok(raw.address())
}

/// Sends small segments at once (`TCP_NODELAY`), or waits to fill them.
///
/// # Errors
///
/// `EOPNOTSUPP` for a Unix socket.
pub fn set_nodelay(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set_int(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, on.into())
}

/// Holds back segments that are not full until `false` (`TCP_CORK`, nginx's `tcp_nopush`).
///
/// # Errors
///
/// `EOPNOTSUPP` for a Unix socket.
pub fn set_cork(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set_int(fd, libc::IPPROTO_TCP, libc::TCP_CORK, on.into())
}

/// What closing does with bytes not yet sent: `None` sends them in the background,
/// `Some(0)` drops them and resets the connection.
///
/// # Errors
///
/// The system's; none is expected of an open socket.
pub fn set_linger(fd: BorrowedFd<'_>, seconds: Option<u16>) -> io::Result<()> {
    let value = libc::linger {
        l_onoff: seconds.is_some().into(),
        l_linger: seconds.unwrap_or(0).into(),
    };
    // SAFETY: the pointer and the length are those of `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const value).cast(),
            c_len(size_of_val(&value)),
        )
    })
}

/// Sets when the kernel probes a silent peer. What is `None` keeps the system's value.
///
/// # Errors
///
/// `EINVAL` for values out of the kernel's range.
pub fn set_keepalive(fd: BorrowedFd<'_>, keepalive: &KeepAlive) -> io::Result<()> {
    set_int(
        fd,
        libc::SOL_SOCKET,
        libc::SO_KEEPALIVE,
        keepalive.on.into(),
    )?;
    for (name, value) in [
        (libc::TCP_KEEPIDLE, keepalive.idle_secs),
        (libc::TCP_KEEPINTVL, keepalive.interval_secs),
        (libc::TCP_KEEPCNT, keepalive.probes),
    ] {
        if let Some(value) = value {
            set_int(fd, libc::IPPROTO_TCP, name, size_value(value.into()))?;
        }
    }
    Ok(())
}

/// Sets the kernel's receive buffer, in bytes (`SO_RCVBUF`).
///
/// # Errors
///
/// The system's; none is expected of an open socket.
pub fn set_receive_buffer(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, size_value(bytes))
}

/// Sets the kernel's send buffer, in bytes (`SO_SNDBUF`).
///
/// # Errors
///
/// The system's; none is expected of an open socket.
pub fn set_send_buffer(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, size_value(bytes))
}

/// Tells the peer that no more bytes will come.
///
/// # Errors
///
/// `NotConnected` when the connection is gone already.
pub fn shutdown_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) })
}

/// Reads nothing more from the peer.
///
/// # Errors
///
/// `NotConnected` when the connection is gone already.
pub fn shutdown_read(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RD) })
}

/// Whether calls that would wait return `WouldBlock` instead.
///
/// # Errors
///
/// The system's; none is expected of an open descriptor.
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let mut value: libc::c_int = on.into();
    // SAFETY: FIONBIO reads one integer through the pointer.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut value) })
}

/// Whether the descriptor is closed when another program is started in this process.
///
/// # Errors
///
/// The system's; none is expected of an open descriptor.
pub fn set_cloexec(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let flags = if on { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: F_SETFD takes an integer; no pointers are involved.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flags) })
}

#[cfg(test)]
mod tests {
    use super::super::Listener;
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_refused_connection_says_so() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // A port that no TCP socket listens at.
        let address = Address::Ip(taken.local_addr().unwrap());
        let fd = socket(&address, Kind::Stream).unwrap();
        let error = match connect(fd.as_fd(), &address) {
            Err(error) => error,
            Ok(_) => take_error(fd.as_fd()).unwrap_err(),
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_reset_on_close_reaches_the_peer() {
        let any = Address::Ip("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&any, &super::super::ListenOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = std::net::TcpStream::connect(match address {
            Address::Ip(addr) => addr,
            Address::Unix(_) => unreachable!("it was bound to an IP address"),
        })
        .unwrap();
        let (server, _) = listener.accept().unwrap();
        set_linger(server.as_fd(), Some(0)).unwrap();
        drop(server);
        let error = io::Read::read(&mut client, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn kinds_are_told_apart() {
        let (stream, _peer) = socketpair(Kind::Stream).unwrap();
        let (datagram, _peer) = socketpair(Kind::Datagram).unwrap();
        assert_eq!(socket_kind(stream.as_fd()).unwrap(), Kind::Stream);
        assert_eq!(socket_kind(datagram.as_fd()).unwrap(), Kind::Datagram);
    }
}
