//! One request and the head of its response over one connection.

use super::codec::{Codec, HeadStep, UpstreamHead};
use super::failure::{Doing, Failure};
use super::hints::Hints;
use super::pool::PeerStream;
use super::record::{Record, add};
use super::settings::Settings;
use crate::bytes::Bytes;
use crate::connection::Connection;
use crate::error::Error;
use crate::request::Request;
use runtime::Stream;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

/// Bytes of a body's file sent at once.
const FILE_PIECE: usize = 64 << 10;

/// Most interim responses before the one that counts. Peers send one or two; each costs a parse
/// and, where hints are passed, a write to the client.
const INTERIM_MAX: u32 = 100;

/// What follows the head of a request.
pub(super) enum Outgoing<'r> {
    /// Nothing.
    Nothing,
    /// Bytes in memory.
    Memory(&'r [u8]),
    /// A file and its length.
    File(BorrowedFd<'r>, u64),
    /// The same in parts, with the trailers that follow.
    Parts(BorrowedFd<'r>, u64, &'r [(Bytes, Bytes)]),
    /// What the client is still sending.
    Stream(&'r mut Request),
}

/// What both directions need.
pub(super) struct Exchange<'x, C> {
    pub(super) peer: &'x PeerStream,
    pub(super) codec: RefCell<&'x mut C>,
    pub(super) settings: &'x Settings,
    pub(super) record: &'x Record,
    /// The connection of the client whom this is done for.
    pub(super) client: Rc<Connection>,
    /// Whether its end is the end of the exchange.
    pub(super) watches: bool,
    /// Where early hints go.
    pub(super) hints: Option<Hints>,
}

/// A response's head, and what was received with it.
pub(super) struct Received {
    pub(super) head: Box<UpstreamHead>,
    /// Everything received so far.
    pub(super) input: Vec<u8>,
    /// How much of that is done with.
    pub(super) consumed: usize,
    /// Whether the request was sent whole.
    pub(super) is_sent: bool,
}

impl Received {
    /// A head that a connection stands for.
    pub(super) fn at_connect(head: Box<UpstreamHead>) -> Self {
        Self {
            head,
            input: Vec::new(),
            consumed: 0,
            is_sent: true,
        }
    }
}

/// A head, and how many bytes long it was.
type Found = (Box<UpstreamHead>, usize);

/// The head as far as it was received.
#[derive(Default)]
struct Incoming {
    input: Vec<u8>,
    /// Bytes of interim responses before it.
    skipped: usize,
    /// How many of these there were.
    interim: u32,
}

impl<C: Codec> Exchange<'_, C> {
    /// Sends `out` and `body`, and reads the head of the response. A peer that answers before
    /// it was sent everything is taken by its word, and sent no more.
    pub(super) async fn run(&self, out: &[u8], body: Outgoing<'_>) -> Result<Received, Failure> {
        let mut incoming = Incoming::default();
        // Nearly always there is room for all of a request that has no body.
        let begun = match body {
            Outgoing::Nothing => self.write_now(out),
            _ => Ok(out),
        };
        let answered = match begun {
            Ok([]) if matches!(body, Outgoing::Nothing) => None,
            Ok(left) => Box::pin(self.send_and_watch(left, body, &mut incoming)).await?,
            Err(failure) => Some(Box::pin(self.refused(failure, &mut incoming)).await?),
        };
        let is_sent = answered.is_none();
        let (head, len) = match answered {
            Some(found) => found,
            None => self.receive(&mut incoming).await?,
        };
        Ok(incoming.received(head, len, is_sent))
    }

    /// Sends `out` and `body`. Gives the head of a response that comes before that is done.
    async fn send_and_watch(
        &self,
        out: &[u8],
        body: Outgoing<'_>,
        incoming: &mut Incoming,
    ) -> Result<Option<Found>, Failure> {
        let streams = matches!(body, Outgoing::Stream(_));
        let mut sending = pin!(self.send(out, body));
        loop {
            match poll_fn(|cx| self.poll_sending(sending.as_mut(), streams, cx)).await {
                Step::Sent(Ok(())) => return Ok(None),
                Step::Sent(Err(failure)) => {
                    return self.refused(failure, incoming).await.map(Some);
                }
                Step::Readable => {
                    if let Some(found) = self.read_ready(incoming)? {
                        return Ok(Some(found));
                    }
                }
                Step::ClientLeft => return Err(Failure::ClientLeft(Doing::Sending)),
            }
        }
    }

    /// What comes of a request that cannot be sent because of `failure`: a peer may refuse a body
    /// by answering and closing.
    async fn refused(&self, failure: Failure, incoming: &mut Incoming) -> Result<Found, Failure> {
        loop {
            match self.read_ready(incoming) {
                Ok(Some(found)) => return Ok(found),
                // There is more, in another turn.
                Ok(None) if self.peer.stream.is_readable_hint() => {
                    if self.peer.stream.readable().await.is_err() {
                        return Err(failure);
                    }
                }
                _ => return Err(failure),
            }
        }
    }

    fn poll_sending(
        &self,
        sending: Pin<&mut impl Future<Output = Result<(), Failure>>>,
        streams: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        if let Poll::Ready(result) = sending.poll(cx) {
            return Poll::Ready(Step::Sent(result));
        }
        // While the client is read for its body, its leaving shows there.
        if !streams && self.poll_client_left(cx) {
            return Poll::Ready(Step::ClientLeft);
        }
        match self.peer.stream.poll_readable(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Step::Readable),
            // A deadline belongs to the sender, who will be woken for it too.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }

    async fn send(&self, out: &[u8], body: Outgoing<'_>) -> Result<(), Failure> {
        match body {
            Outgoing::Nothing => self.write(out).await,
            Outgoing::Memory(bytes) => {
                self.write(out).await?;
                self.write(bytes).await
            }
            Outgoing::File(fd, len) => {
                self.write(out).await?;
                self.write_file(fd, len, false).await
            }
            Outgoing::Parts(fd, len, trailers) => {
                self.write(out).await?;
                self.write_file(fd, len, true).await?;
                let mut end = Vec::new();
                self.codec.borrow_mut().write_end(trailers, &mut end);
                self.write(&end).await
            }
            Outgoing::Stream(request) => {
                self.write(out).await?;
                self.write_stream(request).await
            }
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> Result<(), Failure> {
        let stream = &self.peer.stream;
        loop {
            bytes = self.write_now(bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            set_timeout(stream, *self.settings.send_timeout);
            let writable = stream.writable().await;
            writable.map_err(|e| Failure::of_io(&e, "send()", Doing::Sending))?;
        }
    }

    /// Writes as much of `bytes` as there is room for, and gives the rest.
    fn write_now<'b>(&self, mut bytes: &'b [u8]) -> Result<&'b [u8], Failure> {
        while !bytes.is_empty() {
            match self.peer.stream.try_write(bytes) {
                Ok(count) => {
                    add(&self.record.sent, count);
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::of_io(&error, "send()", Doing::Sending)),
            }
        }
        Ok(bytes)
    }

    /// Sends a file as it is, or in parts.
    async fn write_file(
        &self,
        fd: BorrowedFd<'_>,
        len: u64,
        in_parts: bool,
    ) -> Result<(), Failure> {
        let mut at = 0;
        let mut framed = Vec::new();
        while at < len {
            let size = usize::try_from(len - at).map_or(FILE_PIECE, |left| left.min(FILE_PIECE));
            let piece = sys::file::read_to_vec(fd.as_fd(), at, size)
                .map_err(|e| Failure::Ours(Error::resource("reading a request body failed", e)))?;
            if piece.is_empty() {
                let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(Failure::Ours(Error::resource(
                    "reading a request body failed",
                    error,
                )));
            }
            at += piece.len() as u64;
            if in_parts {
                framed.clear();
                self.codec.borrow_mut().write_part(&piece, &mut framed);
                self.write(&framed).await?;
            } else {
                self.write(&piece).await?;
            }
        }
        Ok(())
    }

    async fn write_stream(&self, request: &mut Request) -> Result<(), Failure> {
        let mut part = Vec::new();
        let mut framed = Vec::new();
        while request
            .next_body_part(&mut part)
            .await
            .map_err(Failure::Ours)?
        {
            let max = *request.location.receive.max_size;
            let received = request.body_bytes_received();
            if max > 0 && received > max {
                let reason =
                    format!("client intended to send too large chunked body: {received} bytes");
                return Err(Failure::Ours(Error::client(413, reason)));
            }
            self.codec.borrow_mut().write_part(&part, &mut framed);
            part.clear();
            if request.incoming.is_done() {
                break;
            }
            self.write(&framed).await?;
            framed.clear();
        }
        let trailers = request.trailers();
        self.codec.borrow_mut().write_end(&trailers, &mut framed);
        self.write(&framed).await
    }

    /// Waits for the head. The time for it began when the request was sent.
    async fn receive(&self, incoming: &mut Incoming) -> Result<Found, Failure> {
        let stream = &self.peer.stream;
        set_timeout(stream, *self.settings.read_timeout);
        loop {
            if stream.is_readable_hint()
                && let Some(found) = self.read_ready(incoming)?
            {
                return Ok(found);
            }
            let readable = poll_fn(|cx| {
                if let Some(hints) = &self.hints {
                    hints.poll_flush(cx);
                }
                if let Poll::Ready(result) = stream.poll_readable(cx) {
                    let failure = |e| Failure::of_io(&e, "recv()", Doing::ReadingHead);
                    return Poll::Ready(result.map_err(failure));
                }
                if self.poll_client_left(cx) {
                    let doing = match incoming.input.is_empty() {
                        true => Doing::Sending,
                        false => Doing::ReadingHead,
                    };
                    return Poll::Ready(Err(Failure::ClientLeft(doing)));
                }
                Poll::Pending
            });
            readable.await?;
        }
    }

    /// Reads what is there.
    fn read_ready(&self, incoming: &mut Incoming) -> Result<Option<Found>, Failure> {
        let max = usize::try_from(*self.settings.buffer_size).unwrap_or(usize::MAX);
        loop {
            if incoming.skipped > 0 {
                let skipped = std::mem::take(&mut incoming.skipped);
                incoming.input.drain(..skipped);
            }
            let room = max.saturating_sub(incoming.input.len());
            let stream = &self.peer.stream;
            if incoming.input.capacity() == 0 && stream.is_readable_hint() {
                incoming.input = self.client.http.take_buffer();
            }
            let read = stream.try_read_append(&mut incoming.input, room);
            match read {
                Ok(0) => return Err(Failure::premature(Doing::ReadingHead)),
                Ok(count) => add(&self.record.received, count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(Failure::of_io(&error, "recv()", Doing::ReadingHead)),
            }
            if let Some(found) = self.parse(incoming)? {
                return Ok(Some(found));
            }
            if incoming.input.len() - incoming.skipped >= max {
                let doing = Doing::ReadingHead.text();
                let text = format!("upstream sent too big header {doing}");
                return Err(Failure::Invalid(text));
            }
        }
    }

    fn parse(&self, incoming: &mut Incoming) -> Result<Option<Found>, Failure> {
        loop {
            let input = &incoming.input[incoming.skipped..];
            let step =
                self.codec.borrow_mut().read_head(input).map_err(|why| {
                    Failure::Invalid(format!("{why} {}", Doing::ReadingHead.text()))
                })?;
            match step {
                HeadStep::Partial => return Ok(None),
                HeadStep::Interim(len, interim) => {
                    if let Some(hints) = &self.hints {
                        hints.pass(&interim, &input[..len], self.settings);
                    }
                    incoming.skipped += len;
                    incoming.interim += 1;
                    if incoming.interim > INTERIM_MAX {
                        let doing = Doing::ReadingHead.text();
                        let text = format!("upstream sent too many interim responses {doing}");
                        return Err(Failure::Invalid(text));
                    }
                }
                HeadStep::Complete(len, head) => return Ok(Some((head, len))),
            }
        }
    }

    /// Whether the client is gone; if not, this task is woken when it goes.
    fn poll_client_left(&self, cx: &mut Context<'_>) -> bool {
        self.watches && self.client.poll_left(cx)
    }
}

/// Whether the client's leaving ends what is done for `request`. Only one task at a time
/// may watch it.
pub(super) fn watches(request: &Request, settings: &Settings) -> bool {
    request.is_waited_for() && !*settings.ignore_client_abort
}

/// What comes of `waiting`; `None` when the client leaves first, and is not ignored.
pub(super) async fn unless_left<T>(
    request: &Request,
    settings: &Settings,
    waiting: impl Future<Output = T>,
) -> Option<T> {
    if *settings.ignore_client_abort {
        return Some(waiting.await);
    }
    request.unless_left(waiting).await
}

enum Step {
    Sent(Result<(), Failure>),
    Readable,
    ClientLeft,
}

impl Incoming {
    fn received(self, head: Box<UpstreamHead>, len: usize, is_sent: bool) -> Received {
        Received {
            head,
            consumed: self.skipped + len,
            input: self.input,
            is_sent,
        }
    }
}

/// Gives the peer `millis` from now.
pub(super) fn set_timeout(stream: &Stream, millis: u64) {
    let at = stream.worker().now().saturating_add(millis);
    stream.set_deadline(Some(at));
}
