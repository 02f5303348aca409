//! A DNS server that does as a test says, right or wrong.

use harness::backend::one_port;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const A: u8 = 1;
pub(crate) const CNAME: u8 = 5;
pub(crate) const AAAA: u8 = 28;
pub(crate) const SRV: u8 = 33;

/// A question, as it came.
pub(crate) struct Question<'q> {
    /// Without what follows it, such as a resolver's options.
    pub(crate) bytes: &'q [u8],
    /// The name, with dots.
    pub(crate) name: String,
    pub(crate) kind: u8,
    from: SocketAddr,
    socket: &'q UdpSocket,
}

impl<'q> Question<'q> {
    fn read(bytes: &'q [u8], from: SocketAddr, socket: &'q UdpSocket) -> Option<Self> {
        let mut name = String::new();
        let mut rest = bytes.get(12..)?;
        while let Some((&len, tail)) = rest.split_first().filter(|(len, _)| **len > 0) {
            let (label, tail) = tail.split_at_checked(len.into())?;
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&String::from_utf8_lossy(label));
            rest = tail;
        }
        let kind = *rest.get(2)?;
        let end = bytes.len() - rest.get(5..)?.len();
        Some(Self {
            bytes: &bytes[..end],
            name,
            kind,
            from,
            socket,
        })
    }

    /// An answer whose records are about the name in question.
    pub(crate) fn reply(&self, rcode: u8, ttl: u8, records: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = self.bytes.to_vec();
        (out[2], out[3]) = (0x81, 0x80 | rcode);
        out[7] = u8::try_from(records.len()).expect("few records");
        out[11] = 0;
        for (kind, data) in records {
            out.extend_from_slice(&[0xc0, 0x0c, 0, *kind, 0, 1, 0, 0, 0, ttl, 0]);
            out.push(u8::try_from(data.len()).expect("short data"));
            out.extend_from_slice(data);
        }
        out
    }

    /// The answer with these IPv4 addresses, and none for IPv6.
    pub(crate) fn addresses(&self, ttl: u8, ips: &[[u8; 4]]) -> Vec<u8> {
        let records: Vec<(u8, &[u8])> = ips.iter().map(|ip| (A, &ip[..])).collect();
        match self.kind {
            A => self.reply(0, ttl, &records),
            _ => self.reply(0, ttl, &[]),
        }
    }

    /// Sends `datagram` to whoever asked. It may be gone.
    pub(crate) fn send(&self, datagram: &[u8]) {
        let _ = self.socket.send_to(datagram, self.from);
    }

    /// The same from a port of its own, as a forger would.
    pub(crate) fn send_from_elsewhere(&self, datagram: &[u8]) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let _ = socket.send_to(datagram, self.from);
    }
}

type Handler = Box<dyn FnMut(&Question<'_>) + Send>;

/// A server at a port of its own, until it is dropped.
pub(crate) struct Dns {
    addr: SocketAddr,
    /// Holds the same port, for [`Dns::with_tcp`].
    tcp: TcpListener,
    asked: Arc<AtomicUsize>,
    handler: Arc<Mutex<Handler>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Dns {
    /// Hands each question over UDP to `handler`, which sends what it likes.
    pub(crate) fn start(handler: impl FnMut(&Question<'_>) + Send + 'static) -> Self {
        let (tcp, socket) = one_port();
        let brief = Some(Duration::from_millis(20));
        socket.set_read_timeout(brief).expect("a timeout");
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(handler)));
        let mut this = Self {
            addr: socket.local_addr().expect("an address"),
            tcp,
            asked: Arc::default(),
            handler,
            is_over: Arc::default(),
            threads: Vec::new(),
        };
        let (asked, is_over) = (Arc::clone(&this.asked), Arc::clone(&this.is_over));
        let handler = Arc::clone(&this.handler);
        this.threads.push(std::thread::spawn(move || {
            let mut buf = [0; 512];
            while !is_over.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut buf) else {
                    continue;
                };
                let Some(question) = Question::read(&buf[..len], from, &socket) else {
                    continue;
                };
                asked.fetch_add(1, Ordering::Relaxed);
                handler.lock().unwrap_or_else(PoisonError::into_inner)(&question);
            }
        }));
        this
    }

    /// Answers over TCP, too, with these IPv4 addresses.
    pub(crate) fn with_tcp(mut self, ips: Vec<[u8; 4]>) -> Self {
        let listener = self.tcp.try_clone().expect("a descriptor");
        listener.set_nonblocking(true).expect("a mode");
        let is_over = Arc::clone(&self.is_over);
        self.threads.push(std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            while !is_over.load(Ordering::Relaxed) {
                let Ok((mut stream, from)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                stream.set_nonblocking(false).expect("a mode");
                let mut len = [0; 2];
                stream.read_exact(&mut len).expect("a length");
                let mut bytes = vec![0; u16::from_be_bytes(len).into()];
                stream.read_exact(&mut bytes).expect("a question");
                let question = Question::read(&bytes, from, &socket).expect("a whole question");
                let answer = question.addresses(60, &ips);
                let len = u16::try_from(answer.len()).expect("a short answer");
                let message = [&len.to_be_bytes()[..], &answer].concat();
                stream.write_all(&message).expect("a connection");
            }
        }));
        self
    }

    /// Behaves otherwise from now on.
    pub(crate) fn set(&self, handler: impl FnMut(&Question<'_>) + Send + 'static) {
        let mut current = self.handler.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Box::new(handler);
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// How many questions came over UDP.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
