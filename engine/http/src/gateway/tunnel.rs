//! Two connections joined after a switch of protocols: bytes go both ways until one side ends.

use super::codec::Codec;
use super::pool::PeerStream;
use super::relay::Relay;
use crate::body::Body;
use crate::connection::Connection;
use crate::module::Flow;
use crate::request::Request;
use crate::response::{Response, ResponseHead};
use runtime::{Millis, Stream};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Bytes under way in each direction.
const BUFFER: usize = 16 << 10;

/// A tunnel to be run once the head of the response was sent. Gives how many bytes went to the
/// client.
pub type Tunnel = Pin<Box<dyn Future<Output = u64>>>;

/// Answers with `head` and leaves the connections to a tunnel. `early` is what the peer sent
/// right after its head.
pub(super) fn open<C: Codec>(
    request: &mut Request,
    head: ResponseHead,
    mut relay: Relay<C>,
    early: Vec<u8>,
) -> Flow {
    if let Some(peer) = relay.take_peer() {
        let client = Rc::clone(&request.connection);
        let timeout = relay.timeout();
        request.tunnel = Some(Box::pin(async move {
            let mut join = Join::new(client, peer, early, timeout);
            let sent = std::future::poll_fn(|cx| join.poll(cx)).await;
            relay.record.response_length.set(sent);
            relay.record.finish(join.client.http.worker.now());
            sent
        }));
    }
    request.keep_alive.set(false);
    Flow::respond(Response {
        head: Box::new(head),
        body: Body::Empty,
    })
}

/// One direction.
struct Pipe {
    buffer: Vec<u8>,
    at: usize,
    /// Nothing more will be read.
    is_ended: bool,
    moved: u64,
}

impl Pipe {
    fn new(buffer: Vec<u8>) -> Self {
        Self {
            buffer,
            at: 0,
            is_ended: false,
            moved: 0,
        }
    }

    /// Moves what can be moved. Gives whether anything was; an error ends the tunnel.
    fn advance(&mut self, from: &Stream, to: &Stream) -> io::Result<bool> {
        let mut has_moved = false;
        loop {
            while self.at < self.buffer.len() {
                match to.try_write(&self.buffer[self.at..]) {
                    Ok(count) => {
                        self.at += count;
                        self.moved += count as u64;
                        has_moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(has_moved);
                    }
                    Err(error) => return Err(error),
                }
            }
            if self.is_ended {
                return Ok(has_moved);
            }
            self.at = 0;
            self.buffer.resize(BUFFER, 0);
            let read = from.try_read(&mut self.buffer);
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.is_ended = true,
                Ok(_) => has_moved = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(has_moved),
                Err(error) => return Err(error),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.at >= self.buffer.len()
    }
}

struct Join {
    client: Rc<Connection>,
    peer: PeerStream,
    up: Pipe,
    down: Pipe,
    timeout: Millis,
}

impl Join {
    fn new(client: Rc<Connection>, peer: PeerStream, early: Vec<u8>, timeout: Millis) -> Self {
        // What the client sent before the switch was agreed on is the new protocol's now.
        let pending = client.pending.take();
        let join = Self {
            client,
            peer,
            up: Pipe::new(pending),
            down: Pipe::new(early),
            timeout,
        };
        join.touch();
        join
    }

    /// Gives the silence another `timeout`.
    fn touch(&self) {
        let at = self.client.http.worker.now().saturating_add(self.timeout);
        self.peer.stream.set_deadline(Some(at));
        self.client.stream.set_deadline(Some(at));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        let client = Rc::clone(&self.client);
        loop {
            let up = self.up.advance(&client.stream, &self.peer.stream);
            let down = self.down.advance(&self.peer.stream, &client.stream);
            let (Ok(up), Ok(down)) = (up, down) else {
                return Poll::Ready(self.down.moved);
            };
            if up || down {
                self.touch();
            }
            // As in nginx, either side's end is the end once its last bytes are through.
            let is_over = |pipe: &Pipe| pipe.is_ended && pipe.is_empty();
            if is_over(&self.up) || is_over(&self.down) {
                return Poll::Ready(self.down.moved);
            }
            match self.poll_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(self.down.moved),
            }
        }
    }

    /// Ready when something can be moved again.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (client, peer) = (&self.client.stream, &self.peer.stream);
        let up = if self.up.is_empty() {
            client.poll_readable(cx)
        } else {
            peer.poll_writable(cx)
        };
        let down = if self.down.is_empty() {
            peer.poll_readable(cx)
        } else {
            client.poll_writable(cx)
        };
        match (up, down) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }
}
