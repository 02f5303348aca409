//! A client's connection: what is known of it, reading, parking, closing.

pub mod accept;
pub mod close;
pub mod file_reader;
pub mod h1;
pub mod head;
pub mod held;
mod own;
pub mod render;
pub mod writer;

use crate::config::addresses::{AddressServers, ListenSocket};
use crate::error::Error;
use crate::gateway::OwnPools;
use crate::worker::HttpWorker;
use held::Held;
use proxy_protocol::{Addresses, Tlvs};
use runtime::{Class, Millis, Parked, Stream, Wake};
use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::rc::Rc;
use sys::socket::PeerAddr;

/// A connection. Between requests this is all that is kept of it.
pub struct Connection {
    /// The server that it came to.
    pub http: Rc<HttpWorker>,
    /// The socket.
    pub stream: Stream,
    /// The listening socket that it came through.
    pub socket: Rc<ListenSocket>,
    /// Who is at the other end.
    pub peer: PeerAddr,
    /// Its serial number: `$connection`.
    pub number: u64,
    /// Requests so far, the current one included: `$connection_requests`.
    pub requests: Cell<u32>,
    /// Whether everything about it is logged (`debug_connection`).
    pub is_debugged: bool,
    /// When it was accepted.
    pub started: Millis,
    /// Bytes received beyond the current request's head.
    pub pending: Held,
    /// Responses not sent yet, to leave together with the next.
    pub(crate) unsent: Held,
    /// Milliseconds that the connection may be idle, as the last request's location says; 49
    /// days stand for all longer times.
    pub(crate) idle_timeout: Cell<u32>,
    /// Whether it was told to end once already.
    pub(crate) is_drained: Cell<bool>,
    /// Whether the current request was received together with the one before.
    pub(crate) was_pipelined: Cell<bool>,
    /// What is known only where it is asked for.
    rare: OnceCell<Box<Rare>>,
}

/// Facts about a connection that most connections never need.
#[derive(Default)]
pub struct Rare {
    /// Our end.
    local: OnceCell<Option<SocketAddr>>,
    /// What the PROXY protocol said.
    pub proxy: OnceCell<ProxyHeader>,
    /// The servers of our address, where the socket has several addresses.
    servers: OnceCell<Rc<AddressServers>>,
    /// Connections to peers that are its own.
    pub(crate) own_pools: OwnPools,
}

/// What a PROXY protocol header said.
#[derive(Clone, Debug)]
pub struct ProxyHeader {
    /// Who speaks with whom.
    pub addresses: Addresses,
    /// The type-length-value records of version 2, as received.
    pub tlvs: Vec<u8>,
}

impl ProxyHeader {
    /// The client, where the header names one.
    pub fn source(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Internet { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Where the client connected to.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Internet { destination, .. } => Some(destination),
            _ => None,
        }
    }

    /// The record that `$proxy_protocol_tlv_name` names.
    pub fn tlv_by_name(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(name).ok()?;
        Some(Tlvs::new(&self.tlvs).value(name).ok()??.into_owned())
    }
}

impl Connection {
    /// A connection just accepted.
    pub fn new(
        http: &Rc<HttpWorker>,
        socket: &Rc<ListenSocket>,
        stream: Stream,
        peer: PeerAddr,
    ) -> Rc<Self> {
        Rc::new(Self {
            stream,
            socket: Rc::clone(socket),
            peer,
            number: http.number_connection(),
            is_debugged: http.is_debugged(&peer),
            requests: Cell::new(0),
            started: http.worker.now(),
            pending: Held::default(),
            unsent: Held::default(),
            idle_timeout: Cell::new(u32::MAX),
            is_drained: Cell::new(false),
            was_pipelined: Cell::new(false),
            rare: OnceCell::new(),
            http: Rc::clone(http),
        })
    }

    /// The same, where there are any.
    pub(crate) fn rare_if_known(&self) -> Option<&Rare> {
        self.rare.get().map(|rare| &**rare)
    }

    /// Facts that most connections never need.
    pub fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// Our end of the connection; `None` for a unix-domain socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        *self
            .rare()
            .local
            .get_or_init(|| match self.stream.local_addr() {
                Ok(sys::socket::Address::Ip(addr)) => Some(addr),
                _ => None,
            })
    }

    /// Our address as text: `$server_addr`.
    pub fn local_host(&self) -> String {
        match self.local_addr() {
            Some(SocketAddr::V6(addr)) => format!("[{}]", addr.ip()),
            Some(SocketAddr::V4(addr)) => addr.ip().to_string(),
            None => self.socket.address.to_string(),
        }
    }

    /// Our port: `$server_port`; 0 for a unix-domain socket.
    pub fn local_port(&self) -> u16 {
        match &self.socket.address {
            sys::socket::Address::Ip(addr) => addr.port(),
            sys::socket::Address::Unix(_) => 0,
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static [u8] {
        b"http"
    }

    /// The servers behind the address that the client connected to.
    pub fn servers(&self) -> &Rc<AddressServers> {
        if !self.socket.needs_local_address() {
            return self.socket.servers_at(None);
        }
        self.rare().servers.get_or_init(|| {
            let local = self.local_addr().map(sys::socket::Address::Ip);
            Rc::clone(self.socket.servers_at(local.as_ref()))
        })
    }

    /// Whether there are bytes that nobody looked at, or may be: the next request's.
    pub(crate) fn has_unread(&self) -> bool {
        !self.pending.is_empty() || self.stream.is_readable_hint()
    }

    /// Whether the current request came together with the one before: `$pipe`.
    pub fn is_pipelined(&self) -> bool {
        self.was_pipelined.get()
    }

    /// What the PROXY protocol said, if it was spoken.
    pub fn proxy(&self) -> Option<&ProxyHeader> {
        self.rare.get()?.proxy.get()
    }

    /// Waits for more bytes and appends them to `pending`: at most `size`.
    ///
    /// # Errors
    ///
    /// The client was silent for `timeout` milliseconds, left, or was given up.
    pub async fn read_more(&self, size: usize, timeout: Millis) -> Result<(), Error> {
        self.stream
            .set_deadline(Some(self.http.worker.now() + timeout));
        loop {
            let mut pending = self.pending.take();
            let read = self.stream.try_read_append(&mut pending, size);
            self.pending.replace(pending);
            match read {
                Ok(0) => return Err(Error::Aborted(crate::error::Abort::ClientLeft)),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.stream.readable().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tells a client that waits for it to send its body.
    ///
    /// # Errors
    ///
    /// The client left.
    pub async fn send_continue(&self) -> Result<(), Error> {
        let text = b"HTTP/1.1 100 Continue\r\n\r\n";
        self.unsent.with(|out| out.extend_from_slice(text));
        // What is held back may grow in the meantime, by hints of a peer that is being asked.
        while !self.try_flush()? {
            self.stream
                .set_deadline(Some(self.http.worker.now() + 60_000));
            self.stream.writable().await?;
        }
        Ok(())
    }

    /// The responses that were held back, to be added to; a spare buffer when there are none.
    pub(crate) fn take_unsent(&self) -> Vec<u8> {
        let out = self.unsent.take();
        if out.capacity() > 0 {
            out
        } else {
            self.http.take_buffer()
        }
    }

    /// Whether responses are held back.
    pub(crate) fn holds_back(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends the responses that were held back to leave together.
    ///
    /// # Errors
    ///
    /// The client left.
    pub async fn flush(&self) -> Result<(), Error> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let out = self.unsent.take();
        let sent = self.send_all(&out).await;
        self.http.give_buffer(out);
        sent
    }

    /// Sends what is held back as far as it goes without waiting; the rest stays. Gives whether
    /// that was all.
    ///
    /// # Errors
    ///
    /// The client left.
    pub(crate) fn try_flush(&self) -> std::io::Result<bool> {
        let mut out = self.unsent.take();
        if out.is_empty() {
            return Ok(true);
        }
        let mut at = 0;
        while at < out.len() {
            match self.stream.try_write(&out[at..]) {
                Ok(count) => at += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    out.drain(..at);
                    self.unsent.replace(out);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.http.give_buffer(out);
        Ok(true)
    }

    /// Sends `bytes` whole.
    ///
    /// # Errors
    ///
    /// The client left, or took nothing for 60 seconds.
    pub async fn send_all(&self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.stream
                        .set_deadline(Some(self.http.worker.now() + 60_000));
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Leaves the connection to the loop until something happens: no task, no buffer.
    pub fn park(self: &Rc<Self>, timeout: Millis) {
        self.pending.take();
        self.stream.set_class(Class::Idle);
        self.stream
            .set_deadline(Some(self.http.worker.now() + timeout));
        self.stream.park(Rc::clone(self) as Rc<dyn Parked>);
    }
}

impl Parked for Connection {
    fn resume(self: Rc<Self>, wake: Wake) {
        match wake {
            Wake::Readable => h1::serve(self),
            Wake::Shutdown => self.drain(),
            Wake::Closed | Wake::TimedOut | Wake::Evicted => {}
        }
    }
}
