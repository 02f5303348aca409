//! Servers for the other side of a gateway, which do what a test says.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server that accepts connections and does with each what `serve` says; gives its port and
/// what was received.
///
/// # Panics
///
/// There is no free port.
pub fn scripted(
    serve: impl Fn(usize, &mut TcpStream, &[u8]) -> bool + Send + 'static,
) -> (u16, Receiver<(usize, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            while let Some(head) = read_head(&mut stream) {
                // A test may have no use for what was received.
                let _ = sender.send((number, head.clone()));
                if !serve(number, &mut stream, &head) {
                    break;
                }
            }
        }
    });
    (port, receiver)
}

/// Reads up to the empty line; `None` at the end.
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
