//! An echo over WebSocket, RFC 6455.

use super::{before, script};
use harness::Backend;
use harness::{Server, process};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

/// Sockets that are open and silent at once.
const IDLE: usize = 200;

/// Bytes of memory that a worker may need for a silent socket, all buffers of both sides counted.
const MEMORY_PER_SOCKET: u64 = 16 << 10;

/// A client after its handshake, whose key and answer are the RFC's own (section 1.3).
fn open(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a socket");
    let request = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream
}

/// A masked frame.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            let len = u16::try_from(payload.len()).expect("a short payload");
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// Reads a frame of the server's: its opcode and what is in it.
fn read(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a frame");
    let len = if head[1] == 126 {
        let mut len = [0; 2];
        stream.read_exact(&mut len).expect("a length");
        usize::from(u16::from_be_bytes(len))
    } else {
        usize::from(head[1])
    };
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).expect("a payload");
    (head[0] & 15, payload)
}

fn start(rules: &str) -> Option<(Backend, Server)> {
    let backend = Backend::of_script("node", &script("app.js"))?;
    let server = before(backend.port(), rules).start();
    Some((backend, server))
}

#[test]
fn frames_come_back() {
    let Some((_backend, server)) = start("") else {
        return;
    };
    let mut stream = open(&server);
    let long = vec![b'l'; 60_000];
    for payload in [&b"hello"[..], b"", &long] {
        stream.write_all(&frame(1, payload)).expect("sent");
        assert_eq!(read(&mut stream), (1, payload.to_vec()));
    }
    stream.write_all(&frame(9, b"ping")).expect("sent");
    assert_eq!(read(&mut stream), (10, b"ping".to_vec()));
    stream.write_all(&frame(8, &[3, 232])).expect("sent");
    assert_eq!(read(&mut stream), (8, vec![3, 232]));
    assert_eq!(stream.read(&mut [0; 1]).expect("an end"), 0);
}

#[test]
fn many_are_silent_in_little_memory_and_then_not() {
    let Some((_backend, server)) = start("") else {
        return;
    };
    let worker = server.workers()[0];
    let memory = || process::memory_bytes(worker, "status", "RssAnon").unwrap_or(0);
    drop(open(&server));
    let before = memory();
    let mut all: Vec<TcpStream> = (0..IDLE).map(|_| open(&server)).collect();
    let number = |index: usize| index.to_string().into_bytes();
    for round in 0..2 {
        for (index, stream) in all.iter_mut().enumerate() {
            stream
                .write_all(&frame(1, &number(index + round)))
                .expect("sent");
        }
        for (index, stream) in all.iter_mut().enumerate() {
            assert_eq!(read(stream), (1, number(index + round)));
        }
    }
    let grown = memory().saturating_sub(before);
    let limit = MEMORY_PER_SOCKET * IDLE as u64;
    assert!(grown < limit, "{grown} bytes more");
    let held = server.open_descriptors();
    drop(all);
    let is_freed = || server.open_descriptors() + 2 * IDLE <= held;
    assert!(
        harness::clock::becomes_true(Duration::from_secs(10), is_freed),
        "held"
    );
}

/// As in nginx either end is the end of both, unless `proxy_half_close` lets the answer come.
#[test]
fn half_of_one_may_close_alone() {
    let Some((_backend, server)) = start("proxy_half_close on;") else {
        return;
    };
    let mut stream = open(&server);
    stream.write_all(&frame(1, b"bye")).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(read(&mut stream), (1, b"bye".to_vec()));
    assert_eq!(read(&mut stream), (1, b"last word".to_vec()));
    assert_eq!(stream.read(&mut [0; 1]).expect("an end"), 0);
}
