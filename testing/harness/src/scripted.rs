//! A server that does what a script says, byte by byte: for everything no real server does.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::clock;

/// How long a script waits for the other side. Longer than [`EVENT_LIMIT`], so that nobody takes
/// its end for that of the other side.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// How long a test waits for something to be seen here. Shorter than nginx's usual limits of a
/// minute, so that what ends by these has not ended.
const EVENT_LIMIT: Duration = Duration::from_secs(20);

/// One thing to do on a connection. After the last one of its script a connection is ended in
/// the ordinary way, and what comes on it until the other side closes is recorded as surplus.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Waits for bytes, and reads none of them.
    Touch,
    /// Reads the head of a request.
    Head,
    /// Reads a request, its body too.
    Request,
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends the same bytes so many times, or until the other side has had enough.
    Repeat(Vec<u8>, usize),
    /// Gives the other side time to see what was sent so far apart from what follows.
    Pause,
    /// Does nothing until the other side closes.
    Hang,
    /// Does nothing and reads nothing, for as long as the server lives.
    Deaf,
    /// Closes by a reset.
    Reset,
    /// Keeps the connection open after the script.
    Stay,
}

impl Step {
    /// Sends `text`.
    #[must_use]
    pub fn send(text: impl AsRef<[u8]>) -> Self {
        Self::Send(text.as_ref().to_vec())
    }
}

/// What happened on one connection.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The requests that the script read, heads and bodies.
    pub requests: Vec<Vec<u8>>,
    /// Bytes sent.
    pub sent: usize,
    /// What came after the script was done.
    pub surplus: Vec<u8>,
    /// Whether the other side has closed, or this one has.
    pub is_over: bool,
}

impl Seen {
    /// How many requests came on the connection, whether the script read them or not.
    #[must_use]
    pub fn heads(&self) -> usize {
        let ends = self.surplus.windows(4).filter(|part| part == b"\r\n\r\n");
        self.requests.len() + ends.count()
    }
}

/// A running server. Dropped, it closes everything.
#[derive(Debug)]
pub struct Scripted {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    streams: Mutex<Vec<TcpStream>>,
    is_ended: AtomicBool,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, number: usize, note: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen().get_mut(number) {
            note(seen);
        }
    }
}

impl Scripted {
    /// A server that plays `script` on every connection.
    #[must_use]
    pub fn new(script: &[Step]) -> Self {
        let script = script.to_vec();
        Self::by(move |_| script.clone())
    }

    /// A server that plays `scripts` on its connections, in order, and the last one again on
    /// those that follow.
    #[must_use]
    pub fn in_turn(scripts: &[&[Step]]) -> Self {
        let scripts: Vec<Vec<Step>> = scripts.iter().map(|steps| steps.to_vec()).collect();
        Self::by(move |number| {
            let script = scripts.get(number).or(scripts.last());
            script.cloned().unwrap_or_default()
        })
    }

    /// A server that asks `script` what to do on each connection, by its number from 0.
    ///
    /// # Panics
    ///
    /// When the kernel has no port left.
    #[must_use]
    pub fn by(script: impl Fn(usize) -> Vec<Step> + Send + 'static) -> Self {
        Self::accepting(move |shared, number, stream| {
            let script = script(number);
            shared.begin(number, stream, move |shared, stream| {
                let _ = shared.play(number, stream, &script);
            });
        })
    }

    /// A server that has `answer` see to each request whose head it has read, one at a time, by
    /// the number of its connection from 0, until that says that the connection is over.
    ///
    /// # Panics
    ///
    /// When the kernel has no port left.
    #[must_use]
    pub fn answering(
        answer: impl FnMut(usize, &mut TcpStream, &[u8]) -> bool + Send + 'static,
    ) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        Self::accepting(move |shared, number, stream| {
            let answer = Arc::clone(&answer);
            shared.begin(number, stream, move |shared, stream| {
                while let Some(head) = read_head(stream) {
                    shared.note(number, |seen| seen.requests.push(head.clone()));
                    let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
                    if !answer(number, stream, &head) {
                        return;
                    }
                }
            });
        })
    }

    fn accepting(take: impl Fn(&Arc<Shared>, usize, TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::<Shared>::default();
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                if server.is_ended.load(Ordering::Acquire) {
                    return;
                }
                take(&server, number, stream);
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happened so far, a connection each.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen().clone()
    }

    /// All requests so far, by the number of their connection, as text.
    #[must_use]
    pub fn requests(&self) -> Vec<(usize, String)> {
        let of_one = |(number, seen): (usize, &Seen)| {
            let text = |bytes: &Vec<u8>| (number, String::from_utf8_lossy(bytes).into_owned());
            seen.requests.iter().map(text).collect::<Vec<_>>()
        };
        self.shared
            .seen()
            .iter()
            .enumerate()
            .flat_map(of_one)
            .collect()
    }

    /// Waits until `is_so` holds for what happened; gives whether it ever did.
    #[must_use]
    pub fn waits_for(&self, is_so: impl Fn(&[Seen]) -> bool) -> bool {
        clock::becomes_true(EVENT_LIMIT, || is_so(&self.shared.seen()))
    }

    /// Waits until every connection so far is over; gives whether they all were.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        self.waits_for(|seen| seen.iter().all(|seen| seen.is_over))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.is_ended.store(true, Ordering::Release);
        let streams = std::mem::take(
            &mut *self
                .shared
                .streams
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for stream in streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the one who accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    /// Has `serve` serve a connection in a thread of its own.
    fn begin(
        self: &Arc<Self>,
        number: usize,
        mut stream: TcpStream,
        serve: impl FnOnce(&Self, &mut TcpStream) + Send + 'static,
    ) {
        self.seen().push(Seen::default());
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(WAIT_LIMIT));
        let _ = stream.set_write_timeout(Some(WAIT_LIMIT));
        if let Ok(clone) = stream.try_clone() {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.push(clone);
        }
        let shared = Arc::clone(self);
        thread::spawn(move || {
            serve(&shared, &mut stream);
            shared.forget(&stream);
            drop(stream);
            shared.note(number, |seen| seen.is_over = true);
        });
    }

    fn play(&self, number: usize, stream: &TcpStream, script: &[Step]) -> io::Result<()> {
        let mut input = Vec::new();
        for step in script {
            match step {
                Step::Touch => {
                    stream.peek(&mut [0])?;
                }
                Step::Head => {
                    let head = read_through(stream, &mut input, b"\r\n\r\n")?;
                    self.note(number, |seen| seen.requests.push(head));
                }
                Step::Request => {
                    let request = read_request(stream, &mut input)?;
                    self.note(number, |seen| seen.requests.push(request));
                }
                Step::Send(bytes) => self.send(number, stream, bytes)?,
                Step::Repeat(bytes, times) => {
                    for _ in 0..*times {
                        self.send(number, stream, bytes)?;
                    }
                }
                Step::Deaf => {
                    let limit = Duration::from_secs(3600);
                    let is_ended = || self.is_ended.load(Ordering::Acquire);
                    let _ = clock::becomes_true(limit, is_ended);
                    return Ok(());
                }
                Step::Pause => thread::sleep(Duration::from_millis(30)),
                Step::Hang => return self.watch(number, stream, &[]),
                Step::Reset => {
                    return sys::socket::set_linger(stream.as_fd(), Some(0));
                }
                Step::Stay => return self.watch(number, stream, &input),
            }
        }
        stream.shutdown(Shutdown::Write)?;
        self.watch(number, stream, &input)
    }

    fn send(&self, number: usize, mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes)?;
        self.note(number, |seen| seen.sent += bytes.len());
        Ok(())
    }

    /// Closes the copy of `stream`, which would hold the connection open.
    fn forget(&self, stream: &TcpStream) {
        let own = stream.peer_addr().ok();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|other| own.is_none() || other.peer_addr().ok() != own);
    }

    /// Records what comes until the other side closes, after what was read already.
    fn watch(&self, number: usize, mut stream: &TcpStream, input: &[u8]) -> io::Result<()> {
        self.note(number, |seen| seen.surplus.extend_from_slice(input));
        let mut bytes = [0; 4096];
        loop {
            let count = stream.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            self.note(number, |seen| {
                seen.surplus.extend_from_slice(&bytes[..count]);
            });
        }
    }
}

/// Reads up to the empty line and not a byte further; `None` at the end.
pub fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend_from_slice(&byte),
            _ => return None,
        }
    }
    Some(head)
}

/// Reads up to and with `mark`.
fn read_through(stream: &TcpStream, input: &mut Vec<u8>, mark: &[u8]) -> io::Result<Vec<u8>> {
    loop {
        let found = input.windows(mark.len()).position(|part| part == mark);
        if let Some(at) = found {
            return Ok(input.drain(..at + mark.len()).collect());
        }
        read_more(stream, input)?;
    }
}

/// Reads exactly `count` bytes.
fn read_count(stream: &TcpStream, input: &mut Vec<u8>, count: usize) -> io::Result<Vec<u8>> {
    while input.len() < count {
        read_more(stream, input)?;
    }
    Ok(input.drain(..count).collect())
}

fn read_more(mut stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 16 * 1024];
    let count = stream.read(&mut bytes)?;
    input.extend_from_slice(&bytes[..count]);
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads a request as strictly framed as ours are: one length, or chunks.
fn read_request(stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut request = read_through(stream, input, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        loop {
            let line = read_through(stream, input, b"\r\n")?;
            let digits = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(digits.trim(), 16).map_err(io::Error::other)?;
            request.extend(line);
            request.extend(read_count(stream, input, size + 2)?);
            if size == 0 {
                return Ok(request);
            }
        }
    }
    let length = head.split("\r\ncontent-length: ").nth(1);
    let length = length.and_then(|rest| rest.split('\r').next()?.parse().ok());
    request.extend(read_count(stream, input, length.unwrap_or(0))?);
    Ok(request)
}

/// A port on which every connection is refused, for as long as this lives.
#[derive(Debug)]
pub struct Refusing {
    port: u16,
    /// Connected from the port, so that nobody else listens on it.
    _stream: TcpStream,
}

impl Refusing {
    /// Takes a port and does not listen on it.
    ///
    /// # Panics
    ///
    /// When the kernel has no port left.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).expect("a connection");
        Self {
            port: stream.local_addr().expect("an address").port(),
            _stream: stream,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Refusing {
    fn default() -> Self {
        Self::new()
    }
}

/// A port on which connections are neither taken nor refused, for as long as this lives: its
/// queue is full.
#[derive(Debug)]
pub struct Unreachable {
    port: u16,
    _listener: sys::socket::Listener,
    _waiting: Vec<TcpStream>,
}

impl Unreachable {
    /// Listens with the shortest queue there is, and fills it.
    ///
    /// # Panics
    ///
    /// When the kernel has no port left, or a queue without an end.
    #[must_use]
    pub fn new() -> Self {
        let any = sys::socket::Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let options = sys::socket::ListenOptions {
            backlog: 0,
            ..sys::socket::ListenOptions::default()
        };
        let listener = sys::socket::Listener::bind(&any, &options).expect("a free port");
        let Ok(sys::socket::Address::Ip(address)) = listener.local_addr() else {
            panic!("a listener without an address");
        };
        let mut waiting = Vec::new();
        let limit = Duration::from_millis(200);
        while let Ok(stream) = TcpStream::connect_timeout(&address, limit) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "a queue without an end");
        }
        Self {
            port: address.port(),
            _listener: listener,
            _waiting: waiting,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Unreachable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(port: u16) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn scripts_are_played_in_turn_and_told() {
        let good = [Step::Request, Step::send("yes")];
        let bad = [Step::Head, Step::send("n"), Step::Pause, Step::Reset];
        let server = Scripted::in_turn(&[&good, &bad]);
        assert_eq!(ask(server.port()).unwrap(), b"yes");
        let reset = ask(server.port()).unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        assert!(server.is_left_alone());
        let requests = server.requests();
        assert!(requests[0].1.ends_with("\r\n\r\nab"), "{requests:?}");
        assert!(requests[1].1.ends_with("\r\n\r\n"), "{requests:?}");
    }

    #[test]
    fn what_comes_after_the_script_is_surplus() {
        let server = Scripted::new(&[Step::Request, Step::Stay]);
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\nmore").unwrap();
        assert!(server.waits_for(|seen| seen.first().is_some_and(|s| s.surplus == b"more")));
        assert!(!server.seen()[0].is_over);
        drop(stream);
        assert!(server.is_left_alone());
    }

    #[test]
    fn nobody_gets_through() {
        let refusing = Refusing::new();
        let refused = ask(refusing.port()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let full = Unreachable::new();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, full.port()));
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
