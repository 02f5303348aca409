//! Two connections joined after a switch of protocols or a CONNECT: bytes go both ways until
//! one side ends, or both with `half_close`.
//!
//! A tunnel holds bytes only while one side does not take what the other sent. Idle, it is two
//! sockets, their timers and counters.

use super::claim::Claim;
use super::pool::PeerStream;
use super::settings::Settings;
use crate::body::Body;
use crate::connection::Connection;
use crate::error::os_error;
use crate::module::Flow;
use crate::request::Request;
use crate::response::{Response, ResponseHead};
use runtime::log::Level;
use runtime::{Class, Stream};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Bytes read at once after a switch of protocols, whatever the buffer for heads is.
const UPGRADED_BUFFER: u32 = 16 << 10;

/// What the log says is being done.
const DOING: &str = "while proxying upgraded connection";

/// Reads of one direction before other connections have their turn.
const ROUNDS_MAX: usize = 16;

/// A tunnel to be run once the head of the response was sent.
pub type Tunnel = Pin<Box<dyn Future<Output = Ended>>>;

/// How a tunnel ended.
#[derive(Debug)]
pub struct Ended {
    /// Bytes that went to the client.
    pub sent: u64,
    /// What the log is told, unless one of the sides closed.
    pub message: Option<(Level, String)>,
}

/// What a location says about its tunnels.
///
/// Kept small, since every tunnel has them: 49 days and 4 GiB stand for all that is more.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Milliseconds without a byte either way.
    read_timeout: u32,
    /// Milliseconds that the peer may take nothing of what is there for it.
    send_timeout: u32,
    /// The same for the client.
    client_timeout: u32,
    /// Bytes read at once.
    buffer: u32,
    /// Whether the end of one direction leaves the other open.
    half_close: bool,
}

impl Rules {
    /// The rules for `request`; `status` is that of the response which opens the tunnel.
    pub(super) fn of(request: &Request, settings: &Settings, status: u16) -> Self {
        let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let buffer = short(*settings.buffer_size);
        Self {
            read_timeout: short(*settings.read_timeout),
            send_timeout: short(*settings.send_timeout),
            client_timeout: short(*request.location.transfer.send_timeout),
            buffer: if status == 101 {
                buffer.max(UPGRADED_BUFFER)
            } else {
                buffer.max(1)
            },
            half_close: *settings.half_close,
        }
    }
}

/// Answers with `head` and leaves the connections, the client's and `peer`, to a tunnel. `early`
/// is what the peer sent right after its head.
pub(super) fn open(
    request: &mut Request,
    head: Box<ResponseHead>,
    (peer, claim): (PeerStream, Claim),
    early: Vec<u8>,
    rules: Rules,
) -> Flow {
    let client = Rc::clone(&request.connection);
    // What the client sent before the switch was agreed on is the new protocol's now.
    let pending = client.pending.take();
    client.stream.set_class(Class::Tunnel);
    // Counted with all that goes through the tunnel.
    let received = &claim.record.received;
    received.set(received.get().saturating_sub(early.len() as u64));
    let join = Join {
        client,
        peer: peer.stream,
        claim,
        up: Pipe::new(pending),
        down: Pipe::new(early),
        rules,
        has_begun: false,
    };
    request.tunnel = Some(Box::pin(join));
    request.keep_alive.set(false);
    Flow::respond(Response {
        head,
        body: Body::Empty,
    })
}

/// One direction.
struct Pipe {
    /// What was read and not yet taken; `None` while that is nothing.
    held: Option<Box<Held>>,
    moved: u64,
    state: State,
}

/// A connection that is gone.
enum Broken {
    /// The one that a direction comes from.
    Reading(io::Error),
    /// The one that it leads to.
    Writing(io::Error),
}

impl Broken {
    /// What the log is told; clients may go as they like.
    fn message(&self, comes_from_client: bool) -> (Level, String) {
        let (call, error, is_client) = match self {
            Self::Reading(error) => ("recv", error, comes_from_client),
            Self::Writing(error) => ("send", error, !comes_from_client),
        };
        let level = if is_client { Level::Info } else { Level::Error };
        let error = os_error(error);
        (level, format!("{call}() failed ({error}) {DOING}"))
    }
}

/// Bytes that wait to be taken, from `at`.
struct Held {
    bytes: Vec<u8>,
    at: usize,
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
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            held: (!bytes.is_empty()).then(|| Box::new(Held { bytes, at: 0 })),
            moved: 0,
            state: State::Open,
        }
    }

    /// Moves what can be moved. Gives whether anything was; a broken connection ends the tunnel.
    fn advance(
        &mut self,
        client: &Connection,
        from: &Stream,
        to: &Stream,
        size: usize,
    ) -> Result<bool, Broken> {
        let before = self.moved;
        let mut has_read = false;
        for _ in 0..ROUNDS_MAX {
            let mut buffer = match self.held.take() {
                None => client.http.take_buffer(),
                Some(held) => match self.write(to, held.bytes, held.at)? {
                    None => break,
                    Some(buffer) => buffer,
                },
            };
            if self.state != State::Open {
                client.http.give_buffer(buffer);
                break;
            }
            match from.try_read_append(&mut buffer, size) {
                Ok(0) => {
                    self.state = State::Ended;
                    has_read = true;
                    client.http.give_buffer(buffer);
                }
                Ok(_) => {
                    has_read = true;
                    match self.write(to, buffer, 0)? {
                        None => break,
                        Some(buffer) => client.http.give_buffer(buffer),
                    }
                }
                Err(error) => {
                    client.http.give_buffer(buffer);
                    if error.kind() == io::ErrorKind::WouldBlock {
                        break;
                    }
                    return Err(Broken::Reading(error));
                }
            }
        }
        Ok(has_read || self.moved > before)
    }

    /// Writes `bytes` from `at`. Gives the buffer back, empty, unless some must wait.
    fn write(
        &mut self,
        to: &Stream,
        mut bytes: Vec<u8>,
        mut at: usize,
    ) -> Result<Option<Vec<u8>>, Broken> {
        while at < bytes.len() {
            match to.try_write(&bytes[at..]) {
                Ok(count) => {
                    at += count;
                    self.moved += count as u64;
                }
                Err(error) => {
                    self.held = Some(Box::new(Held { bytes, at }));
                    return match error.kind() {
                        io::ErrorKind::WouldBlock => Ok(None),
                        _ => Err(Broken::Writing(error)),
                    };
                }
            }
        }
        bytes.clear();
        Ok(Some(bytes))
    }

    fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// Bytes that were read.
    fn read(&self) -> u64 {
        let waiting = self.held.as_ref();
        self.moved + waiting.map_or(0, |held| held.bytes.len() - held.at) as u64
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
    peer: Stream,
    claim: Claim,
    up: Pipe,
    down: Pipe,
    rules: Rules,
    /// Whether the deadlines are its own, and no more those of sending the head.
    has_begun: bool,
}

impl Join {
    /// Milliseconds that the peer may do nothing.
    fn patience(&self) -> u32 {
        let rules = &self.rules;
        match self.up.is_empty() {
            true => rules.read_timeout,
            false => rules.read_timeout.min(rules.send_timeout),
        }
    }

    /// Whether it is the client whose time is over first.
    fn waits_for_client(&self) -> bool {
        !self.down.is_empty() && self.rules.client_timeout <= self.patience()
    }

    /// Gives the silence its time again.
    fn touch(&self) {
        let millis = match self.waits_for_client() {
            true => self.rules.client_timeout,
            false => self.patience(),
        };
        let at = self.client.http.worker.now().saturating_add(millis.into());
        self.peer.set_deadline(Some(at));
        self.client.stream.set_deadline(Some(at));
    }

    /// Whether nothing is left to be done. As in nginx, either side's end is the end once its
    /// last bytes are through, unless `half_close` says that an answer may still come.
    fn is_over(&mut self) -> bool {
        let (up, down) = (self.up.is_over(), self.down.is_over());
        if !self.rules.half_close || (up && down) {
            return up || down;
        }
        let peer = &self.peer;
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
        let (client, peer) = (&self.client.stream, &self.peer);
        let up = self.up.poll_ready(client, peer, cx);
        let down = self.down.poll_ready(peer, client, cx);
        match (up, down) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn ended(&self, message: Option<(Level, String)>) -> Poll<Ended> {
        let record = &self.claim.record;
        record
            .received
            .set(record.received.get() + self.down.read());
        record.sent.set(record.sent.get() + self.up.moved);
        record.finish(self.client.http.worker.now());
        Poll::Ready(Ended {
            sent: self.down.moved,
            message,
        })
    }
}

impl Future for Join {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let join = self.get_mut();
        let size = join.rules.buffer as usize;
        let (client, peer) = (&join.client.stream, &join.peer);
        let up = join.up.advance(&join.client, client, peer, size);
        let down = join.down.advance(&join.client, peer, client, size);
        let (up, down) = match (up, down) {
            (Ok(up), Ok(down)) => (up, down),
            (Err(broken), _) => return join.ended(Some(broken.message(true))),
            (_, Err(broken)) => return join.ended(Some(broken.message(false))),
        };
        let begins = !std::mem::replace(&mut join.has_begun, true);
        if begins || up || down {
            join.touch();
        }
        if join.is_over() {
            return join.ended(None);
        }
        match join.poll_ready(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                // There is more than one turn's share of it: others come first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(error)) => {
                let is_late = error.kind() == io::ErrorKind::TimedOut;
                let who = if join.waits_for_client() {
                    "client"
                } else {
                    "upstream"
                };
                let text = format!("{who} timed out (110: Connection timed out) {DOING}");
                join.ended(is_late.then_some((Level::Info, text)))
            }
        }
    }
}
