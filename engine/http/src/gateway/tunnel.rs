//! Two connections joined after a switch of protocols or a CONNECT: bytes go both ways until
//! one side ends, or both with `half_close`.
//!
//! A tunnel holds bytes only while one side does not take what the other sent. Idle, it is two
//! sockets, their timers and counters.

use super::claim::Claim;
use super::pool::PeerStream;
use super::record::Record;
use super::settings::Settings;
use crate::body::Body;
use crate::connection::Connection;
use crate::core::transfer::TRANSFER;
use crate::module::Flow;
use crate::request::Request;
use crate::response::{Response, ResponseHead};
use runtime::{Class, Millis, Stream};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Bytes read at once after a switch of protocols, whatever the buffer for heads is.
const UPGRADED_BUFFER: usize = 16 << 10;

/// Reads of one direction before other connections have their turn.
const ROUNDS_MAX: usize = 16;

/// A tunnel to be run once the head of the response was sent.
pub type Tunnel = Pin<Box<dyn Future<Output = Ended>>>;

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Bytes that went to the client.
    pub sent: u64,
    /// Whether it ended because nothing moved for too long.
    pub timed_out: bool,
}

/// What a location says about its tunnels.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Milliseconds without a byte either way.
    read_timeout: Millis,
    /// Milliseconds that the peer may take nothing of what is there for it.
    send_timeout: Millis,
    /// The same for the client.
    client_timeout: Millis,
    /// Bytes read at once.
    buffer: usize,
    /// Whether the end of one direction leaves the other open.
    half_close: bool,
}

impl Rules {
    /// The rules for `request`; `status` is that of the response which opens the tunnel.
    pub(super) fn of(request: &Request, settings: &Settings, status: u16) -> Self {
        let buffer = usize::try_from(*settings.buffer_size).unwrap_or(UPGRADED_BUFFER);
        Self {
            read_timeout: *settings.read_timeout,
            send_timeout: *settings.send_timeout,
            client_timeout: *TRANSFER.of(&request.location.settings).send_timeout,
            buffer: if status == 101 {
                buffer.max(UPGRADED_BUFFER)
            } else {
                buffer.max(1)
            },
            half_close: *settings.half_close,
        }
    }
}

/// The far end, and what is kept of how it was found.
pub(super) struct Ends {
    pub(super) peer: PeerStream,
    pub(super) _claim: Claim,
    pub(super) record: Rc<Record>,
}

/// Answers with `head` and leaves the connections to a tunnel. `early` is what the peer sent
/// right after its head.
pub(super) fn open(
    request: &mut Request,
    head: ResponseHead,
    ends: Ends,
    early: Vec<u8>,
    rules: Rules,
) -> Flow {
    let client = Rc::clone(&request.connection);
    // What the client sent before the switch was agreed on is the new protocol's now.
    let pending = client.pending.take();
    client.stream.set_class(Class::Tunnel);
    let join = Join {
        client,
        ends,
        up: Pipe::new(pending),
        down: Pipe::new(early),
        rules,
        has_begun: false,
    };
    request.tunnel = Some(Box::pin(join));
    request.keep_alive.set(false);
    Flow::respond(Response {
        head: Box::new(head),
        body: Body::Empty,
    })
}

/// One direction.
struct Pipe {
    /// What was read and not yet taken; without memory while that is nothing.
    held: Vec<u8>,
    at: usize,
    moved: u64,
    state: State,
}

/// How far a direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more will be read.
    Ended,
    /// The other side was told so.
    Shut,
}

impl Pipe {
    fn new(held: Vec<u8>) -> Self {
        Self {
            held,
            at: 0,
            moved: 0,
            state: State::Open,
        }
    }

    /// Moves what can be moved. Gives whether anything was; an error ends the tunnel.
    fn advance(
        &mut self,
        client: &Connection,
        from: &Stream,
        to: &Stream,
        size: usize,
    ) -> io::Result<bool> {
        let mut has_moved = false;
        for _ in 0..ROUNDS_MAX {
            while self.at < self.held.len() {
                match to.try_write(&self.held[self.at..]) {
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
            self.at = 0;
            client.http.give_buffer(std::mem::take(&mut self.held));
            if self.state != State::Open {
                return Ok(has_moved);
            }
            let mut buffer = client.http.take_buffer();
            let read = from.try_read_append(&mut buffer, size);
            match read {
                Ok(count) => {
                    self.held = buffer;
                    has_moved = true;
                    if count == 0 {
                        self.state = State::Ended;
                    }
                }
                Err(error) => {
                    client.http.give_buffer(buffer);
                    if error.kind() == io::ErrorKind::WouldBlock {
                        return Ok(has_moved);
                    }
                    return Err(error);
                }
            }
        }
        Ok(has_moved)
    }

    fn is_empty(&self) -> bool {
        self.at >= self.held.len()
    }

    /// Whether the last byte is through.
    fn is_over(&self) -> bool {
        self.state != State::Open && self.is_empty()
    }

    /// Ready when `advance` may move something; never when all is over.
    fn poll_ready(&self, from: &Stream, to: &Stream, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_empty() {
            return to.poll_writable(cx);
        }
        match self.state {
            State::Open => from.poll_readable(cx),
            State::Ended | State::Shut => Poll::Pending,
        }
    }
}

struct Join {
    client: Rc<Connection>,
    ends: Ends,
    up: Pipe,
    down: Pipe,
    rules: Rules,
    /// Whether the deadlines are its own, and no more those of sending the head.
    has_begun: bool,
}

impl Join {
    /// Gives the silence its time again.
    fn touch(&self) {
        let rules = &self.rules;
        let mut millis = rules.read_timeout;
        if !self.up.is_empty() {
            millis = millis.min(rules.send_timeout);
        }
        if !self.down.is_empty() {
            millis = millis.min(rules.client_timeout);
        }
        let at = self.client.http.worker.now().saturating_add(millis);
        self.ends.peer.stream.set_deadline(Some(at));
        self.client.stream.set_deadline(Some(at));
    }

    /// Whether nothing is left to be done. As in nginx, either side's end is the end once its
    /// last bytes are through, unless `half_close` says that an answer may still come.
    fn is_over(&mut self) -> bool {
        let (up, down) = (self.up.is_over(), self.down.is_over());
        if !self.rules.half_close || (up && down) {
            return up || down;
        }
        let peer = &self.ends.peer.stream;
        for (pipe, to) in [(&mut self.up, peer), (&mut self.down, &self.client.stream)] {
            if pipe.is_over() && pipe.state == State::Ended {
                pipe.state = State::Shut;
                // One that is gone is found out by the other direction.
                let _ = to.shutdown_write();
            }
        }
        false
    }

    fn poll_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let (client, peer) = (&self.client.stream, &self.ends.peer.stream);
        let up = self.up.poll_ready(client, peer, cx);
        let down = self.down.poll_ready(peer, client, cx);
        match (up, down) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn ended(&self, timed_out: bool) -> Poll<Ended> {
        let record = &self.ends.record;
        record.response_length.set(self.down.moved);
        record.received.set(record.received.get() + self.down.moved);
        record.sent.set(record.sent.get() + self.up.moved);
        record.finish(self.client.http.worker.now());
        Poll::Ready(Ended {
            sent: self.down.moved,
            timed_out,
        })
    }
}

impl Future for Join {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let join = self.get_mut();
        let size = join.rules.buffer;
        let (client, peer) = (&join.client.stream, &join.ends.peer.stream);
        let up = join.up.advance(&join.client, client, peer, size);
        let down = join.down.advance(&join.client, peer, client, size);
        let (Ok(up), Ok(down)) = (up, down) else {
            return join.ended(false);
        };
        if up || down || !std::mem::replace(&mut join.has_begun, true) {
            join.touch();
        }
        if join.is_over() {
            return join.ended(false);
        }
        match join.poll_ready(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                // There is more than one turn's share of it: others come first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(error)) => join.ended(error.kind() == io::ErrorKind::TimedOut),
        }
    }
}
