//! Listening sockets, with the parameters of nginx's `listen` directive.

use super::address::{Address, PeerAddr};
use super::{Kind, io as socket_io, options};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

/// When the kernel probes a silent peer (`so_keepalive=`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Whether it probes at all.
    pub on: bool,
    /// Seconds of silence before the first probe (`TCP_KEEPIDLE`).
    pub idle_secs: Option<u32>,
    /// Seconds between probes (`TCP_KEEPINTVL`).
    pub interval_secs: Option<u32>,
    /// Probes without an answer until the connection is broken (`TCP_KEEPCNT`).
    pub probes: Option<u32>,
}

/// Parameters of a listening socket. Source: `listen` of ngx_http_core_module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Stream, datagram or multipath (`udp`, `multipath`).
    pub kind: Kind,
    /// Longest queue of connections not yet accepted (`backlog=`). nginx's default is 511.
    pub backlog: i32,
    /// Receive buffer in bytes (`rcvbuf=`).
    pub receive_buffer: Option<u64>,
    /// Send buffer in bytes (`sndbuf=`).
    pub send_buffer: Option<u64>,
    /// One socket a worker, among which the kernel spreads connections (`reuseport`).
    pub reuseport: bool,
    /// Connections appear only once they have sent something (`deferred`).
    pub deferred: bool,
    /// Whether an IPv6 socket refuses IPv4 (`ipv6only=`). `None` leaves it to nginx's
    /// default, which is on.
    pub ipv6only: Option<bool>,
    /// Probing of silent peers (`so_keepalive=`).
    pub keepalive: Option<KeepAlive>,
    /// Longest queue of TCP fast open (`fastopen=`).
    pub fastopen: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            kind: Kind::Stream,
            backlog: 511,
            receive_buffer: None,
            send_buffer: None,
            reuseport: false,
            deferred: false,
            ipv6only: None,
            keepalive: None,
            fastopen: None,
        }
    }
}

/// A listening socket (or, for datagrams, a bound one), never blocking.
///
/// Connections over TCP take `TCP_NODELAY` over from it: those that want small segments at once
/// need no call for that, and others turn it off.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
}

impl Listener {
    /// Opens a socket at `address`. A Unix socket gets mode 0666, as in nginx.
    ///
    /// # Errors
    ///
    /// The system's, for instance `AddrInUse` or `PermissionDenied`.
    pub fn bind(address: &Address, options: &ListenOptions) -> io::Result<Self> {
        let fd = options::socket(address, options.kind)?;
        let listener = Self { fd };
        listener.prepare(address, options)?;
        options::bind(listener.as_fd(), address)?;
        if let Address::Unix(path) = address
            && path.first().is_some_and(|&byte| byte != 0)
        {
            let path = std::ffi::OsStr::from_bytes(path);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        }
        listener.listen(options)?;
        Ok(listener)
    }

    /// Takes over a socket that is bound and listening already, such as one inherited from
    /// the process before.
    ///
    /// # Errors
    ///
    /// The system's, when it is not a socket.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        options::socket_kind(fd.as_fd())?;
        options::set_nonblocking(fd.as_fd(), true)?;
        options::set_cloexec(fd.as_fd(), true)?;
        let listener = Self { fd };
        listener.set_nodelay();
        Ok(listener)
    }

    /// Options that must be set before binding.
    fn prepare(&self, address: &Address, options: &ListenOptions) -> io::Result<()> {
        let fd = self.as_fd();
        if !address.is_unix() && options.kind != Kind::Datagram {
            options::set_int(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        }
        if options.reuseport {
            options::set_int(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        if address.family() == libc::AF_INET6 {
            let only = options.ipv6only.unwrap_or(true);
            options::set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only.into())?;
        }
        self.set_nodelay();
        self.tune(options)
    }

    fn set_nodelay(&self) {
        // It fails on sockets that are not TCP, which do not wait anyway.
        let _ = options::set_nodelay(self.as_fd(), true);
    }

    /// Sets what may change while the socket is open: buffers and keep-alive.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for values out of the kernel's range.
    pub fn tune(&self, options: &ListenOptions) -> io::Result<()> {
        let fd = self.as_fd();
        if let Some(bytes) = options.receive_buffer {
            options::set_receive_buffer(fd, bytes)?;
        }
        if let Some(bytes) = options.send_buffer {
            options::set_send_buffer(fd, bytes)?;
        }
        if let Some(keepalive) = &options.keepalive {
            options::set_keepalive(fd, keepalive)?;
        }
        Ok(())
    }

    /// Starts to listen, or changes the backlog, `deferred` and `fastopen` of a socket that
    /// listens already. Does nothing for datagrams.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn listen(&self, options: &ListenOptions) -> io::Result<()> {
        if options.kind == Kind::Datagram {
            return Ok(());
        }
        let fd = self.as_fd();
        if let Some(queue) = options.fastopen {
            let queue = i32::try_from(queue).unwrap_or(i32::MAX);
            options::set_int(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, queue)?;
        }
        // SAFETY: no pointers are involved.
        if unsafe { libc::listen(fd.as_raw_fd(), options.backlog) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if options.deferred {
            // One second; the kernel keeps a connection back for its first retransmissions.
            options::set_int(fd, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 1)?;
        }
        Ok(())
    }

    /// Takes one waiting connection. Errors as of [`accept`](super::accept).
    ///
    /// # Errors
    ///
    /// `WouldBlock` when none waits.
    pub fn accept(&self) -> io::Result<(OwnedFd, PeerAddr)> {
        socket_io::accept(self.as_fd())
    }

    /// Lets further sockets be bound to its address, for when `reuseport` comes with a reload.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn share_port(&self) -> io::Result<()> {
        options::set_int(self.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)
    }

    /// The address it listens at, with the port that the kernel chose if 0 was asked for.
    ///
    /// # Errors
    ///
    /// The system's; none is expected.
    pub fn local_addr(&self) -> io::Result<Address> {
        options::local_address(self.as_fd())
    }

    /// A second handle of the same socket.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors have run out.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
        })
    }

    /// Gives up the descriptor without closing it.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &Address) -> std::net::SocketAddr {
        match address {
            Address::Ip(addr) => *addr,
            Address::Unix(_) => panic!("an IP address was bound"),
        }
    }

    #[test]
    fn accepts_with_every_option() {
        let options = ListenOptions {
            receive_buffer: Some(65536),
            send_buffer: Some(65536),
            reuseport: true,
            keepalive: Some(KeepAlive {
                on: true,
                idle_secs: Some(30),
                interval_secs: Some(5),
                probes: Some(3),
            }),
            fastopen: Some(16),
            ..ListenOptions::default()
        };
        let any = Address::Ip("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&any, &options).unwrap();
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);

        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(ip(&address)).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer, PeerAddr::from(client.local_addr().unwrap()));
        assert!(std::net::TcpStream::from(accepted).nodelay().unwrap());

        let second = Listener::bind(&address, &options);
        assert!(second.is_ok(), "reuseport lets another one bind");
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let any = Address::Ip("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&any, &ListenOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let error = Listener::bind(&address, &ListenOptions::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn ipv6_alone_leaves_the_port_to_ipv4() {
        let any = Address::Ip("[::]:0".parse().unwrap());
        let Ok(listener) = Listener::bind(&any, &ListenOptions::default()) else {
            return; // No IPv6 on this machine.
        };
        let port = ip(&listener.local_addr().unwrap()).port();
        let v4 = Address::Ip(([0, 0, 0, 0], port).into());
        assert!(Listener::bind(&v4, &ListenOptions::default()).is_ok());
    }

    #[test]
    fn unix_sockets_are_open_to_everybody() {
        let path = std::env::temp_dir().join(format!("sys-listener-{}", std::process::id()));
        let address = Address::Unix(path.as_os_str().as_bytes().into());
        let listener = Listener::bind(&address, &ListenOptions::default()).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, PeerAddr::Unix);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_inherited_socket_is_taken_over() {
        let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = std_listener.local_addr().unwrap();
        let listener = Listener::from_fd(std_listener.into()).unwrap();
        assert_eq!(listener.local_addr().unwrap(), Address::Ip(address));
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(std::net::TcpStream::from(accepted).nodelay().unwrap());
    }

    #[test]
    fn a_file_is_not_a_socket() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Listener::from_fd(file.into()).is_err());
    }
}
