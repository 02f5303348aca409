//! A client that sends the bytes it is told to and reads what comes back.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::response::{self, Response, Source};

/// How long a client waits for the next byte.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// One connection, kept alive for as long as the server agrees.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The methods of requests sent and not yet answered: a response to HEAD has no body.
    awaited: VecDeque<Vec<u8>>,
}

impl Client {
    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// Those of `connect`.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, READ_LIMIT)?;
        stream.set_read_timeout(Some(READ_LIMIT))?;
        stream.set_write_timeout(Some(READ_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            awaited: VecDeque::new(),
        })
    }

    /// The socket itself, for what this client cannot do.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits up to `limit`, and not the usual 10 seconds, for the next byte.
    ///
    /// # Errors
    ///
    /// For a limit of zero.
    pub fn set_read_limit(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }

    /// Sends `bytes` as they are. What begins like a request is remembered by its method, so a
    /// request sent in pieces goes through `send` once and [`Client::send_more`] after that.
    ///
    /// # Errors
    ///
    /// Those of writing to the socket.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        let method = bytes.split(|&byte| byte == b' ').next().unwrap_or_default();
        self.awaited.push_back(method.to_vec());
        self.stream.write_all(bytes)
    }

    /// Sends the continuation of a request.
    ///
    /// # Errors
    ///
    /// Those of writing to the socket.
    pub fn send_more(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    ///
    /// Those of `shutdown`.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Reads the next response, interim ones (1xx) too; `None` when the server closed instead.
    ///
    /// # Errors
    ///
    /// `WouldBlock` after 20 silent seconds, `InvalidData` for what is not HTTP.
    pub fn try_receive(&mut self) -> io::Result<Option<Response>> {
        let method = self.awaited.front().cloned().unwrap_or_default();
        let response = response::read(self, &method)?;
        let is_interim = response
            .as_ref()
            .is_some_and(|r| (100..200).contains(&r.status) && r.status != 101);
        if !is_interim {
            self.awaited.pop_front();
        }
        Ok(response)
    }

    /// Reads the next response, which must come.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[track_caller]
    pub fn receive(&mut self) -> Response {
        match self.try_receive() {
            Ok(Some(response)) => response,
            Ok(None) => panic!("the server closed the connection in place of a response"),
            Err(error) => panic!("no response: {error}"),
        }
    }

    /// Sends `bytes`, one request, and reads the final response to it.
    ///
    /// # Panics
    ///
    /// When the request cannot be sent or no response comes.
    #[track_caller]
    pub fn request(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        if let Err(error) = self.send(bytes) {
            panic!("cannot send the request: {error}");
        }
        loop {
            let response = self.receive();
            if !(100..200).contains(&response.status) || response.status == 101 {
                return response;
            }
        }
    }

    /// Requests `path` and leaves the connection open.
    ///
    /// # Panics
    ///
    /// As [`Client::request`].
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.request(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// Sends `bytes` and reads every response, interim ones too, up to the server's close. A
    /// server may refuse and close before it has read everything, so what cannot be sent is no
    /// failure.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the server leaves the connection open for 20 silent seconds,
    /// `InvalidData` for what is not HTTP.
    pub fn converse(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<Vec<Response>> {
        let _ = self.send(bytes);
        let mut responses = Vec::new();
        while let Some(response) = self.try_receive()? {
            responses.push(response);
        }
        Ok(responses)
    }

    /// Everything up to the server's close.
    ///
    /// # Errors
    ///
    /// `WouldBlock` after 20 silent seconds.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        self.take(usize::MAX)
    }

    /// Whether the server closes within `limit` and sends nothing before that.
    #[must_use]
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        if !self.buffer.is_empty() || self.set_read_limit(limit).is_err() {
            return false;
        }
        let ended = match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        };
        ended && self.set_read_limit(READ_LIMIT).is_ok()
    }
}

impl Source for Client {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn fill(&mut self) -> io::Result<bool> {
        let start = self.buffer.len();
        self.buffer.resize(start + 64 * 1024, 0);
        let count = loop {
            match self.stream.read(&mut self.buffer[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A server may reset what it closes with unread bytes; what came before counts.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break Ok(0),
                other => break other,
            }
        };
        self.buffer.truncate(start + *count.as_ref().unwrap_or(&0));
        Ok(count? > 0)
    }
}
