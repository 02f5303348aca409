//! The least that a proxied request can cost: a server behind that answers everybody the same, and
//! a loop that passes on what it reads. Neither knows HTTP.
//!
//! Both run in processes of their own, as `cargo xtask bare`, so that they are pinned and measured
//! like the servers that they stand beside.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use poller::{Events, Interest, Poller};

use crate::Outcome;
use crate::arguments::Arguments;

/// The task's name.
pub(crate) const TASK: &str = "bare";

/// The longest message, in bytes: what a socket takes at once and gives at once.
const LONGEST: usize = 16 << 10;

/// The longest body that leaves room for a head.
pub(super) const LONGEST_BODY: usize = LONGEST - 1024;

/// What the listener's events carry. Connections have the numbers from 0 on.
const LISTENER: u64 = u64::MAX;

/// Events taken in one turn.
const EVENTS: usize = 512;

/// Serves at `--port` until it is killed: passes everything on to the server at `--back`, or
/// answers with a body of `--length` bytes.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    let port = arguments.number("--port", 0)?;
    let back = arguments.number("--back", 0)?;
    let length = arguments.number("--length", 0)?;
    arguments.finish()?;
    let role = if back > 0 {
        Role::Pass(SocketAddr::from(([127, 0, 0, 1], back)))
    } else {
        Role::Answer(answer(length))
    };
    let served = Bare::listen(port, role).and_then(|mut bare| bare.serve());
    served.map_err(|error| format!("serving at port {port}: {error}"))
}

/// An answer as servers give it, with a body of `length` bytes.
fn answer(length: usize) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\nConnection: keep-alive\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer
}

/// What is done with a message.
enum Role {
    /// It is sent to the server there; what comes back is sent back.
    Pass(SocketAddr),
    /// It is answered with this.
    Answer(Vec<u8>),
}

struct Bare {
    poller: Poller,
    listener: TcpListener,
    role: Role,
    /// By the number that their events carry; `None` once closed. When passing, those of a client
    /// and of the server behind are neighbours, the client's being even.
    streams: Vec<Option<TcpStream>>,
}

impl Bare {
    fn listen(port: u16, role: Role) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.add(listener.as_fd(), Interest::READABLE, LISTENER)?;
        Ok(Self {
            poller,
            listener,
            role,
            streams: Vec::new(),
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut room = vec![0; LONGEST];
        loop {
            self.poller.wait(&mut events, None)?;
            for event in events.iter() {
                match usize::try_from(event.token()) {
                    _ if event.token() == LISTENER => self.accept()?,
                    Ok(number) if event.is_readable() => self.take(number, &mut room),
                    _ => {}
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let client = match self.listener.accept() {
            Ok((client, _)) => client,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.add(client)?;
        match self.role {
            Role::Pass(back) => self.add(TcpStream::connect(back)?),
            Role::Answer(_) => Ok(()),
        }
    }

    fn add(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let number = self.streams.len() as u64;
        self.poller
            .add(stream.as_fd(), Interest::CONNECTION, number)?;
        self.streams.push(Some(stream));
        Ok(())
    }

    /// Takes a message from the stream of `number` and does with it what is to be done.
    fn take(&mut self, number: usize, room: &mut [u8]) {
        let Some(Some(from)) = self.streams.get_mut(number) else {
            return;
        };
        let count = match from.read(room) {
            Ok(count @ 1..) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            _ => return self.close(number),
        };
        let (to, message) = match &self.role {
            Role::Pass(_) => (number ^ 1, &room[..count]),
            Role::Answer(answer) => (number, &answer[..]),
        };
        let to = self.streams.get_mut(to).and_then(Option::as_mut);
        // There is room for a message: whoever sent the last has got its answer.
        let is_sent = to.is_some_and(|to| to.write_all(message).is_ok());
        if !is_sent {
            self.close(number);
        }
    }

    /// Closes a stream, and the one that it was passed on to.
    fn close(&mut self, number: usize) {
        let other = match self.role {
            Role::Pass(_) => number ^ 1,
            Role::Answer(_) => number,
        };
        for number in [number, other] {
            if let Some(stream) = self.streams.get_mut(number) {
                *stream = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Serves on a thread that ends with the test. Gives the port.
    fn start(role: Role) -> u16 {
        let mut bare = Bare::listen(0, role).unwrap();
        let port = bare.listener.local_addr().unwrap().port();
        thread::spawn(move || bare.serve());
        port
    }

    #[test]
    fn what_is_answered_is_passed_on() {
        let back = start(Role::Answer(answer(1024)));
        let front = start(Role::Pass(SocketAddr::from(([127, 0, 0, 1], back))));
        for _ in 0..2 {
            let mut client = TcpStream::connect(("127.0.0.1", front)).unwrap();
            for _ in 0..2 {
                client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                let mut got = vec![0; answer(1024).len()];
                client.read_exact(&mut got).unwrap();
                assert_eq!(got, answer(1024));
            }
        }
    }
}
