//! A syslog server, over UDP or a Unix datagram socket, in the format of RFC 3164.

use super::{Level, now};
use crate::clock::{Millis, WallClock};
use crate::worker::Worker;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where a syslog server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// UDP.
    Udp(SocketAddr),
    /// Path of a Unix datagram socket, such as `/dev/log`.
    Unix(PathBuf),
}

/// How messages are marked. Source: nginx's "Logging to syslog".
#[derive(Clone, Debug)]
pub struct SyslogOptions {
    /// Where they go.
    pub address: SyslogAddress,
    /// Facility by number, 0 (`kern`) to 23 (`local7`, nginx's default).
    pub facility: u8,
    /// Severity of messages that have none of their own.
    pub severity: Level,
    /// Name of the program.
    pub tag: String,
    /// Name of this machine; `None` leaves it out (`nohostname`).
    pub hostname: Option<String>,
}

/// How long messages are dropped after sending failed, before the next attempt.
const RETRY_MS: Millis = 1000;

enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Socket {
    fn connect(address: &SyslogAddress) -> io::Result<Self> {
        match address {
            SyslogAddress::Udp(addr) => {
                let any: SocketAddr = match addr {
                    SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
                    SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                socket.set_nonblocking(true)?;
                socket.connect(addr)?;
                Ok(Self::Udp(socket))
            }
            SyslogAddress::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket.connect(path)?;
                Ok(Self::Unix(socket))
            }
        }
    }

    fn is_udp(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(message).map(drop),
            Self::Unix(socket) => socket.send(message).map(drop),
        }
    }
}

/// A syslog server. It is connected to with the first message, and again after a failure.
pub struct Syslog {
    options: SyslogOptions,
    socket: RefCell<Option<Socket>>,
    message: RefCell<Vec<u8>>,
    retry_at: Cell<Millis>,
    dropped: Cell<u64>,
}

impl Syslog {
    /// A server that is not connected to yet.
    pub fn new(options: SyslogOptions) -> Self {
        Self {
            options,
            socket: RefCell::default(),
            message: RefCell::default(),
            retry_at: Cell::new(0),
            dropped: Cell::new(0),
        }
    }

    /// Messages lost since the start, because they could not be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Sends one message, without waiting.
    pub fn send(&self, level: Option<Level>, text: &[u8]) {
        let mut message = self.message.take();
        message.clear();
        self.write_header(&mut message, level.unwrap_or(self.options.severity));
        message.extend_from_slice(text);
        if !self.try_send(&message) {
            self.dropped.set(self.dropped.get() + 1);
        }
        self.message.replace(message);
    }

    /// `<priority>Mon DD HH:MM:SS host tag: `
    fn write_header(&self, message: &mut Vec<u8>, level: Level) {
        let priority = u16::from(self.options.facility) * 8 + u16::from(level.severity());
        message.extend_from_slice(format!("<{priority}>").as_bytes());
        let worker = Worker::try_current();
        let time = match &worker {
            Some(worker) => worker.wall().syslog_time,
            None => WallClock::read().syslog_time,
        };
        message.extend_from_slice(&time);
        if let Some(hostname) = &self.options.hostname {
            message.push(b' ');
            message.extend_from_slice(hostname.as_bytes());
        }
        message.push(b' ');
        message.extend_from_slice(self.options.tag.as_bytes());
        message.extend_from_slice(b": ");
    }

    /// Sends, and connects anew if that fails, once a second. Whether it was sent.
    fn try_send(&self, message: &[u8]) -> bool {
        let mut socket = self.socket.borrow_mut();
        if let Some(open) = &*socket {
            match open.send(message) {
                Ok(()) => return true,
                // The server is slow, not gone.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // Over UDP that is the answer to an earlier message: nobody was there then.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && open.is_udp() => {
                    return open.send(message).is_ok();
                }
                Err(_) => *socket = None,
            }
        }
        if now() < self.retry_at.get() {
            return false;
        }
        self.retry_at.set(now() + RETRY_MS);
        match Socket::connect(&self.options.address) {
            Ok(open) => socket.insert(open).send(message).is_ok(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(address: SyslogAddress, hostname: Option<&str>) -> SyslogOptions {
        SyslogOptions {
            address,
            facility: 23,
            severity: Level::Info,
            tag: "nginx".to_owned(),
            hostname: hostname.map(str::to_owned),
        }
    }

    #[test]
    fn messages_have_the_header_of_rfc_3164() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = SyslogAddress::Udp(server.local_addr().unwrap());
        let syslog = Syslog::new(options(address, Some("box")));
        syslog.send(None, b"hello");
        syslog.send(Some(Level::Error), b"broken");
        let mut buf = [0; 256];
        let mut next = || {
            let len = server.recv(&mut buf).unwrap();
            String::from_utf8(buf[..len].to_vec()).unwrap()
        };
        let first = next();
        assert!(first.starts_with("<190>"), "{first}");
        assert!(first.ends_with(" box nginx: hello"), "{first}");
        assert_eq!(first.len(), "<190>Nov  6 08:49:37 box nginx: hello".len());
        assert!(next().starts_with("<187>"));
    }

    #[test]
    fn a_server_that_came_back_over_udp_gets_the_next_message() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let syslog = Syslog::new(options(SyslogAddress::Udp(address), None));
        syslog.send(None, b"first");
        drop(server);
        syslog.send(None, b"lost");
        syslog.send(None, b"lost too");
        let server = UdpSocket::bind(address).unwrap();
        syslog.send(None, b"here");
        let mut buf = [0; 256];
        let len = server.recv(&mut buf).unwrap();
        assert!(buf[..len].ends_with(b" nginx: here"));
    }

    #[test]
    fn a_server_that_came_back_is_found_after_a_while() {
        let path = std::env::temp_dir().join(format!("runtime-syslog-{}", std::process::id()));
        let syslog = Syslog::new(options(SyslogAddress::Unix(path.clone()), None));
        syslog.send(None, b"nobody listens");
        assert_eq!(syslog.dropped(), 1);
        let server = UnixDatagram::bind(&path).unwrap();
        syslog.send(None, b"not asked again yet");
        assert_eq!(syslog.dropped(), 2);
        syslog.retry_at.set(0);
        syslog.send(None, b"here");
        std::fs::remove_file(&path).unwrap();
        let mut buf = [0; 256];
        let len = server.recv(&mut buf).unwrap();
        assert!(buf[..len].ends_with(b" nginx: here"));
    }
}
