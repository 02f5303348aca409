//! WebSocket connections on which nothing happens, and the server behind that holds their other
//! ends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long either side waits for a head.
const LIMIT: Duration = Duration::from_secs(10);

/// What opens a connection, with the key of RFC 6455's example.
const REQUEST: &[u8] = b"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The server behind. Dropped, it closes the connections that it holds.
pub(super) struct Back {
    pub(super) port: u16,
    held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Drop for Back {
    fn drop(&mut self) {
        if let Ok(mut held) = self.held.lock() {
            held.clear();
        }
    }
}

/// Starts a server that agrees to every switch and then says nothing.
pub(super) fn start() -> io::Result<Back> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let held = Arc::<Mutex<Vec<TcpStream>>>::default();
    let kept = Arc::clone(&held);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let agreed = read_head(&mut stream).and_then(|_| stream.write_all(ANSWER));
            if let (Ok(()), Ok(mut kept)) = (agreed, kept.lock()) {
                kept.push(stream);
            }
        }
    });
    Ok(Back { port, held })
}

/// Opens one connection.
pub(super) fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(REQUEST)?;
    let head = read_head(&mut stream)?;
    if head.starts_with(b"HTTP/1.1 101 ") {
        return Ok(stream);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    Err(io::Error::other(format!("no switch of protocols: {text}")))
}

/// Reads up to the empty line.
pub(super) fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(head)
}
