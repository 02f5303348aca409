//! Opening connections to peers.

use crate::clock::Millis;
use crate::slots::{Class, Flags};
use crate::stream::Stream;
use crate::worker::Worker;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use sys::socket::{self, Address, KeepAlive, Kind};

/// Inside the error of a connection that was not begun: what the system said of the address to
/// connect from. No peer has a part in that.
#[derive(Debug)]
pub struct BindFailed(pub io::Error);

impl fmt::Display for BindFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bind() failed: {}", self.0)
    }
}

impl std::error::Error for BindFailed {}

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Stream or datagram.
    pub kind: Kind,
    /// Whether it is for no client, so that a worker that is to end does not wait for it.
    pub is_background: bool,
    /// Local address to connect from; port 0 leaves the port to the kernel.
    pub bind: Option<Address>,
    /// Whether that address may be one that is not of this system.
    pub is_transparent: bool,
    /// Milliseconds until it fails with `TimedOut`.
    pub timeout: Option<Millis>,
    /// Sends small segments at once.
    pub nodelay: bool,
    /// Probing of a silent peer.
    pub keepalive: Option<KeepAlive>,
    /// The kernel's receive buffer, in bytes.
    pub receive_buffer: Option<u64>,
    /// The kernel's send buffer, in bytes.
    pub send_buffer: Option<u64>,
}

impl Stream {
    /// Connects to `address`. The stream is of [`Class::Peer`], or [`Class::Background`], and has
    /// no deadline.
    ///
    /// # Errors
    ///
    /// Why it failed: the peer's or the system's error, `TimedOut`, or `OutOfMemory` when all
    /// connections of the worker are in use and none could be given up.
    pub async fn connect(
        worker: &Rc<Worker>,
        address: &Address,
        options: &ConnectOptions,
    ) -> io::Result<Self> {
        if !worker.make_room() {
            worker.report_no_connections();
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let fd = socket::socket(address, options.kind)?;
        if let Some(bytes) = options.receive_buffer {
            socket::set_receive_buffer(fd.as_fd(), bytes)?;
        }
        if let Some(bytes) = options.send_buffer {
            socket::set_send_buffer(fd.as_fd(), bytes)?;
        }
        if let Some(keepalive) = &options.keepalive {
            socket::set_keepalive(fd.as_fd(), keepalive)?;
        }
        if let Some(local) = &options.bind {
            let free = match options.is_transparent {
                true => socket::set_transparent(fd.as_fd(), address),
                false => Ok(()),
            };
            let bound = free.and_then(|()| socket::bind_before_connect(fd.as_fd(), local));
            bound.map_err(|error| io::Error::new(error.kind(), BindFailed(error)))?;
        }
        let connected = socket::connect(fd.as_fd(), address)?;
        let flags = match options.kind {
            Kind::Datagram => Flags::DATAGRAM.with(Flags::WRITABLE),
            Kind::Stream | Kind::Multipath if connected => Flags::WRITABLE,
            Kind::Stream | Kind::Multipath => Flags::NONE,
        };
        let class = match options.is_background {
            true => Class::Background,
            false => Class::Peer,
        };
        let stream = Self::adopt(worker, fd, class, flags);
        if !connected {
            let timeout = options.timeout;
            stream.set_deadline(timeout.map(|ms| worker.now().saturating_add(ms)));
            stream.writable().await?;
            socket::take_error(stream.fd())?;
            stream.set_deadline(None);
        }
        if options.nodelay {
            stream.set_nodelay(true);
        }
        Ok(stream)
    }
}
