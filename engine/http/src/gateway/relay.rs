//! A response's body on its way from a peer.

use super::bound;
use super::claim::Claim;
use super::codec::Codec;
use super::conversation::Call;
use super::exchange::set_timeout;
use super::failure::{Doing, Failure};
use super::head::PassedTrailers;
use super::pool::{PeerStream, Pool};
use super::record::{Record, Trailers, add, records};
use super::upstream::Upstream;
use crate::body::{Chunk, Source};
use crate::bytes::Bytes;
use crate::connection::Connection;
use crate::error::{Abort, Error};
use crate::request::Request;
use engine::peer::Outcome;
use runtime::Sleep;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Most bytes read at once.
const READ_MAX: usize = 64 << 10;

/// How many times larger than what is in it a buffer may be that is passed on whole.
const WASTE_MAX: usize = 4;

/// A peer whose response is being read. Dropped before the end of that, it closes the connection:
/// what comes after it is nobody's.
pub(super) struct Lease {
    /// `None` once it was given back.
    peer: Option<PeerStream>,
    claim: Claim,
    /// Where the connection is kept for another request, and whose it is there, if it may be used
    /// again.
    home: Option<(Rc<Pool>, u32)>,
}

impl Lease {
    /// A lease of `peer`, which is given back to a pool only where the response `keeps` it.
    pub(super) fn new(
        request: &Request,
        upstream: &Upstream,
        (peer, claim): (PeerStream, Claim),
        keeps: bool,
    ) -> Self {
        Self {
            peer: Some(peer),
            claim,
            home: keeps.then(|| (bound::home(request, upstream), request.location.id)),
        }
    }

    /// What is remembered of the attempt.
    pub(super) fn record(&self) -> &Record {
        &self.claim.record
    }

    /// The response was read to its end and not a byte further.
    pub(super) fn complete(&mut self) {
        let Some(peer) = self.peer.take() else {
            return;
        };
        self.claim.record.finish(self.claim.http.worker.now());
        // The peer has room again, however slow the client is.
        self.claim.release(Outcome::Answered);
        // A worker that ends keeps nothing for a next request.
        if let Some((pool, owner)) = self.home.take()
            && !self.claim.http.is_draining.get()
        {
            pool.give(peer, self.claim.peer.id, owner);
        }
    }

    fn fail(&mut self, failure: &Failure) -> Error {
        self.claim.is_cut = true;
        self.close();
        Error::upstream(failure.status(), failure.message().unwrap_or_default())
    }

    /// Closes the connection, unless it was given back.
    fn close(&mut self) {
        if self.peer.take().is_some() {
            self.claim.record.finish(self.claim.http.worker.now());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.close();
    }
}

/// Reads and unwraps a body.
pub(super) struct Relay<C> {
    lease: Lease,
    call: Box<Call<C>>,
    /// Whether the body was read to its end.
    has_ended: bool,
    /// What was received and is not decoded yet, from `at`.
    input: Vec<u8>,
    at: usize,
    /// Where trailers go, if they are passed on; else they are nobody's, variables included.
    trailers: Option<Trailers>,
    read_size: usize,
    is_waiting: bool,
    rate: Option<Rate>,
}

/// `limit_rate` of a gateway.
struct Rate {
    per_second: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<C: Codec> Relay<C> {
    /// A relay of what is received under `lease`, beginning with what `input` has from `at` on.
    pub(super) fn new(
        request: &mut Request,
        call: Box<Call<C>>,
        lease: Lease,
        (input, at): (Vec<u8>, usize),
    ) -> Self {
        let settings = &call.settings;
        let (number, size) = *settings.buffers;
        let read_size = usize::try_from(number.saturating_mul(size)).unwrap_or(READ_MAX);
        let rate = base::units::parse_size(&settings.limit_rate.eval(request)).unwrap_or(0);
        add(&lease.record().response_length, input.len() - at);
        let passes = call.rewrite.passes_trailers(request);
        let trailers = passes.then(|| records(request).trailers.get_or_insert_default());
        Self {
            lease,
            call,
            has_ended: false,
            input,
            at,
            trailers: trailers.map(|trailers| Rc::clone(trailers)),
            read_size: read_size.clamp(1, READ_MAX),
            is_waiting: false,
            rate: (rate > 0).then_some(Rate {
                per_second: rate,
                sleep: None,
            }),
        }
    }

    /// Decodes what is there: a chunk, the end, or nothing yet.
    fn decode(&mut self) -> Result<Step, Error> {
        while self.at < self.input.len() || self.input.is_empty() {
            if self.has_ended {
                return Ok(Step::End);
            }
            let input = &self.input[self.at..];
            let decoded = match self.call.codec.read_body(input) {
                Ok(decoded) => decoded,
                Err(why) => {
                    let text = format!("{why} {}", Doing::ReadingBody.text());
                    return Err(self.lease.fail(&Failure::Invalid(text)));
                }
            };
            // A buffer that is nearly empty is kept: in a queue it would be more than it counts.
            let is_whole = self.at == 0
                && decoded.data == Some(0..self.input.len())
                && self.input.len() >= self.input.capacity() / WASTE_MAX;
            let chunk = match decoded.data {
                Some(_) if is_whole => Some(std::mem::take(&mut self.input)),
                Some(data) => Some(input[data].to_vec()),
                None => None,
            };
            self.at = if is_whole {
                0
            } else {
                self.at + decoded.consumed
            };
            if decoded.is_done {
                self.end();
            }
            if let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) {
                return Ok(Step::Chunk(Chunk::Bytes(Bytes::Owned(chunk))));
            }
            if decoded.is_done {
                return Ok(Step::End);
            }
            if decoded.consumed == 0 {
                break;
            }
        }
        Ok(Step::More)
    }

    /// The body ended. What follows it belongs to no response, and ends the connection.
    fn end(&mut self) {
        self.has_ended = true;
        if let Some(trailers) = &self.trailers {
            trailers.replace(self.call.codec.take_trailers());
        }
        if self.at < self.input.len() {
            self.lease.home = None;
        }
        self.lease.complete();
    }

    /// Reads more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.poll_rate(cx).is_pending() {
            return Poll::Pending;
        }
        self.input.drain(..self.at);
        self.at = 0;
        loop {
            let Some(peer) = &self.lease.peer else {
                return Poll::Ready(Ok(()));
            };
            let read = peer.stream.try_read_append(&mut self.input, self.read_size);
            match read {
                Ok(0) => return Poll::Ready(self.closed()),
                Ok(count) => {
                    self.is_waiting = false;
                    let record = self.lease.record();
                    add(&record.received, count);
                    add(&record.response_length, count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.input.is_empty() {
                        // Who waits needs no buffer.
                        self.input = Vec::new();
                    }
                    if !std::mem::replace(&mut self.is_waiting, true) {
                        set_timeout(&peer.stream, *self.call.settings.read_timeout);
                    }
                    match peer.stream.poll_readable(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(Err(self.broken(&error)));
                        }
                    }
                }
                Err(error) => return Poll::Ready(Err(self.broken(&error))),
            }
        }
    }

    fn broken(&mut self, error: &io::Error) -> Error {
        self.lease
            .fail(&Failure::of_io(error, "recv()", Doing::ReadingBody))
    }

    /// The peer closed: the end, or the response is not complete.
    fn closed(&mut self) -> Result<(), Error> {
        if !self.has_ended && self.call.codec.ends_at_close() {
            self.lease.home = None;
            self.end();
            return Ok(());
        }
        Err(self.lease.fail(&Failure::premature(Doing::ReadingBody)))
    }

    /// Waits until the rate allows to read on.
    fn poll_rate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(rate), Some(peer)) = (&mut self.rate, &self.lease.peer) else {
            return Poll::Ready(());
        };
        let worker = peer.stream.worker();
        let record = self.lease.record();
        loop {
            if let Some(sleep) = &mut rate.sleep {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                rate.sleep = None;
            }
            let elapsed = worker.now().saturating_sub(record.started);
            let allowed = rate.per_second.saturating_mul(elapsed / 1000 + 1);
            let received = record.received.get();
            if received <= allowed {
                return Poll::Ready(());
            }
            let wait = (received - allowed) * 1000 / rate.per_second + 1;
            rate.sleep = Some(Box::pin(worker.sleep(wait)));
        }
    }
}

enum Step {
    Chunk(Chunk),
    End,
    More,
}

impl<C: Codec> Source for Relay<C> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        loop {
            if self.has_ended {
                return Poll::Ready(Ok(None));
            }
            if self.at < self.input.len() {
                match self.decode()? {
                    Step::Chunk(chunk) => return Poll::Ready(Ok(Some(chunk))),
                    Step::End => return Poll::Ready(Ok(None)),
                    Step::More => {}
                }
            }
            match self.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => result?,
            }
        }
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        let trailers = self.trailers.as_ref();
        trailers
            .map(|known| known.borrow().clone())
            .unwrap_or_default()
    }
}

/// A source that ends when the client leaves, though nothing is being written to it.
pub(super) struct Watched<S> {
    inner: S,
    connection: Rc<Connection>,
    watches: bool,
    /// Which of the peer's trailers are the client's too.
    trailers: Option<Box<PassedTrailers>>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, connection: Rc<Connection>, watches: bool) -> Self {
        Self {
            inner,
            connection,
            watches,
            trailers: None,
        }
    }

    /// The same, with those of the peer's trailers passed on.
    pub(super) fn passing_trailers(mut self, trailers: Option<PassedTrailers>) -> Self {
        self.trailers = trailers.map(Box::new);
        self
    }
}

impl<S: Source> Source for Watched<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let polled = self.inner.poll_chunk(cx);
        if polled.is_pending() && self.watches && self.connection.poll_left(cx) {
            return Poll::Ready(Err(Error::Aborted(Abort::ClientLeft)));
        }
        polled
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        let Some(passed) = &self.trailers else {
            return Vec::new();
        };
        let mut trailers = self.inner.take_trailers();
        trailers.retain(|(name, _)| passed.passes(name));
        trailers
    }
}
