//! Sends a response in as few system calls as possible: the head with a small body in one,
//! files by the kernel, rates kept.

mod file;
mod rate;

use super::Connection;
use super::render::{BodyFraming, framing_of, render};
use crate::body::{Body, Chunk};
use crate::bytes::Bytes;
use crate::core::files::Files;
use crate::core::transfer::Transfer;
use crate::error::{Abort, Error};
use crate::error_page;
use crate::request::Request;
use crate::response::{LastModified, Response};
use http1::Version;
use rate::Rate;
use runtime::Millis;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Bytes of pipelined responses that are held back to leave together.
const HELD_MAX: usize = 32 << 10;

/// Bytes that are cheaper to copy behind their head than to name to the kernel apart from it.
const COPIED_MAX: usize = 4 << 10;

/// Bytes of chunks that are gathered before they are written.
const GATHER_MAX: usize = 64 << 10;

/// What is left to be sent of a response.
pub struct Unsent {
    response: Response,
    framing: BodyFraming,
    /// Earlier responses and this one's head.
    out: Vec<u8>,
    /// Bytes of earlier responses at the front of `out`.
    held: usize,
    rate: Option<Rate>,
}

/// Puts `response` behind what is to be sent next and records it as sent; gives what has to be
/// sent in another way, because it is large, limited or not all there yet.
pub fn gather(request: &mut Request, response: Response) -> Option<Box<Unsent>> {
    let mut out = request.connection.take_unsent();
    let held = out.len();
    let (mut response, framing) = begin(request, response, &mut out);
    if request.is_head() || framing == BodyFraming::None {
        response.body = Body::Empty;
    }
    let rate = Rate::of(request, &request.location.transfer);
    let body: Option<&[u8]> = match &response.body {
        _ if rate.is_some() || framing == BodyFraming::Chunked => None,
        Body::Empty => Some(b""),
        Body::Bytes(bytes) => Some(bytes),
        _ => None,
    };
    let more_to_come = !request.connection.pending.is_empty();
    let max = if more_to_come { HELD_MAX } else { COPIED_MAX };
    match body.filter(|body| body.is_empty() || out.len() + body.len() <= max) {
        Some(body) => {
            out.extend_from_slice(body);
            request.sent.head = Some(response.head);
            request.sent.bytes = (out.len() - held) as u64;
            record(request, out, framing, true);
            None
        }
        None => Some(Box::new(Unsent {
            response,
            framing,
            out,
            held,
            rate,
        })),
    }
}

/// Records that a response was sent, but for what is in `out`, which leaves next.
fn record(request: &mut Request, out: Vec<u8>, framing: BodyFraming, is_complete: bool) {
    // As nginx counts: the lines around chunks too.
    request.sent.body_bytes = request.sent.bytes.saturating_sub(request.sent.header_bytes);
    request.sent.is_complete = is_complete;
    if out.is_empty() {
        request.connection.http.give_buffer(out);
    } else {
        request.connection.unsent.replace(out);
    }
    if framing == BodyFraming::Close {
        request.keep_alive.set(false);
        if !is_complete {
            // An ordinary close would make what is short look whole.
            request.connection.stream.linger_reset();
        }
    }
}

impl Unsent {
    /// Sends it and records what was sent.
    ///
    /// # Errors
    ///
    /// The client left or was too slow, or the body could not be completed, which the client can
    /// see: a chunked body has no end, one that would end with the connection ends by a reset,
    /// any other is short.
    pub async fn send(self: Box<Self>, request: &mut Request) -> Result<(), Error> {
        let Self {
            response,
            framing,
            out,
            held,
            rate,
        } = *self;
        let Response { head, mut body } = response;
        let location = Rc::clone(&request.location);
        let mut sender = Sender {
            connection: Rc::clone(&request.connection),
            out,
            settings: &location.transfer,
            files: &location.files,
            rate,
            held,
            written: 0,
        };
        let mut body_bytes = 0;
        let mut sent = sender.send_body(framing, &mut body, &mut body_bytes).await;
        request.sent.body_bytes = body_bytes;
        request.sent.head = Some(head);
        if sent.is_ok() && framing == BodyFraming::Chunked {
            sender.end_chunks(complete_trailers(request, &mut body));
        }
        if sent.is_ok() && sender.rate.is_some() {
            // The rate holds for what was gathered, too, and for a head without a body.
            sent = sender.write(b"").await;
        }
        let Sender {
            mut out,
            held,
            written,
            ..
        } = sender;
        // Earlier responses may still be in front of this one. They are whole, whatever it is.
        if sent.is_err() {
            out.truncate(held);
        }
        request.sent.bytes = written + out.len().saturating_sub(held) as u64;
        record(request, out, framing, sent.is_ok());
        sent
    }
}

/// Adds to the trailers what is known now that the body was sent: its source's own, then those
/// that are text with variables, of what was sent too.
fn complete_trailers<'r>(request: &'r mut Request, body: &mut Body) -> &'r [(Bytes, Bytes)] {
    let mut late = Vec::new();
    if let Some(head) = &mut request.sent.head {
        head.trailers.append(&mut body.take_trailers());
        late = std::mem::take(&mut head.late_trailers);
    }
    for (name, template) in late {
        let value = template.eval(request);
        if let (false, Some(head)) = (value.is_empty(), &mut request.sent.head) {
            head.trailers.push((name, value.into()));
        }
    }
    request
        .sent
        .head
        .as_ref()
        .map_or(&[], |head| &head.trailers)
}

/// Renders the head to `out`. A head that may not leave becomes a 500.
fn begin(
    request: &mut Request,
    mut response: Response,
    out: &mut Vec<u8>,
) -> (Response, BodyFraming) {
    let start = out.len();
    let (status, is_ours) = (response.head.status, !response.head.is_final);
    if is_ours && !matches!(status, 200 | 206 | 304) {
        // What was found in place of the thing asked for has a time that says nothing of it. What
        // the configuration says stands.
        let said = |time: &LastModified| matches!(time, LastModified::Said(_));
        response.head.last_modified = response.head.last_modified.filter(said);
    }
    if is_ours && status == 204 {
        // There is nothing that a type or a length could be of.
        response.head.content_type = None;
        response.head.content_length = None;
    }
    loop {
        let framing = framing_of(request, &response.head);
        if framing == BodyFraming::Close {
            request.keep_alive.set(false);
        }
        request.sent.status = response.head.status;
        if request.version() == Version::Http09 {
            request.keep_alive.set(false);
            return (response, BodyFraming::Close);
        }
        match render(request, &response.head, framing, out) {
            Ok(()) => {
                request.sent.header_bytes = (out.len() - start) as u64;
                return (response, framing);
            }
            Err(error) => {
                request.log(error.level(), &error.to_string());
                out.truncate(start);
                response = error_page::page(request, 500);
            }
        }
    }
}

struct Sender<'s> {
    connection: Rc<Connection>,
    /// Rendered and not written yet: earlier responses, this head, chunk heads.
    out: Vec<u8>,
    settings: &'s Transfer,
    files: &'s Files,
    rate: Option<Rate>,
    /// Bytes of earlier responses at the front of `out`.
    held: usize,
    written: u64,
}

impl Sender<'_> {
    async fn send_body(
        &mut self,
        framing: BodyFraming,
        body: &mut Body,
        body_bytes: &mut u64,
    ) -> Result<(), Error> {
        match std::mem::take(body) {
            Body::Empty if framing != BodyFraming::Chunked => Ok(()),
            Body::Bytes(bytes) if framing != BodyFraming::Chunked => {
                *body_bytes = bytes.len() as u64;
                self.write(&bytes).await
            }
            other => {
                *body = other;
                let chunked = framing == BodyFraming::Chunked;
                self.send_chunks(chunked, body, body_bytes).await?;
                if let BodyFraming::Length(length) = framing
                    && *body_bytes < length
                {
                    // The source ended early. The client must not take this for the whole.
                    return Err(Error::Aborted(Abort::SourceFailed));
                }
                Ok(())
            }
        }
    }

    async fn send_chunks(
        &mut self,
        chunked: bool,
        body: &mut Body,
        body_bytes: &mut u64,
    ) -> Result<(), Error> {
        loop {
            let chunk = match self.next_chunk(body, *body_bytes == 0).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(()),
                Err(error) if *body_bytes == 0 && body.holds_head() => return Err(error),
                Err(error) => {
                    // What came before is the client's. It ends short, and looks so.
                    self.write(b"").await?;
                    return Err(error);
                }
            };
            if chunk.is_empty() {
                continue;
            }
            *body_bytes += chunk.len();
            if chunked {
                self.out
                    .extend_from_slice(http1::encode_chunk_head(chunk.len()).as_bytes());
            }
            match chunk {
                Chunk::Bytes(bytes) if self.out.len() + bytes.len() <= GATHER_MAX => {
                    self.out.extend_from_slice(&bytes);
                }
                Chunk::Bytes(bytes) => self.write(&bytes).await?,
                Chunk::File(range) => self.write_file(&range).await?,
            }
            if chunked {
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The next chunk; what is gathered is written before the source makes us wait.
    async fn next_chunk(
        &mut self,
        body: &mut Body,
        is_first: bool,
    ) -> Result<Option<Chunk>, Error> {
        let ready = poll_fn(|cx| {
            Poll::Ready(match body.poll_chunk(cx) {
                Poll::Ready(chunk) => Some(chunk),
                Poll::Pending => None,
            })
        });
        match ready.await {
            Some(chunk) => chunk,
            None => {
                if is_first && body.holds_head() {
                    self.write_held().await?;
                } else {
                    self.write(b"").await?;
                }
                body.next().await
            }
        }
    }

    fn end_chunks(&mut self, trailers: &[(Bytes, Bytes)]) {
        self.out.extend_from_slice(http1::TRAILERS_START);
        for (name, value) in trailers {
            let start = self.out.len();
            if super::render::field(&mut self.out, name, value).is_err() {
                self.out.truncate(start);
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Writes the earlier responses alone.
    async fn write_held(&mut self) -> Result<(), Error> {
        let own = self.out.split_off(self.held);
        let written = self.write(b"").await;
        self.out.extend_from_slice(&own);
        written
    }

    /// Writes what is gathered, then `bytes`. After a failure what is left of earlier responses is
    /// still gathered.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut done = 0;
        let total = self.out.len() + bytes.len();
        while done < total {
            let room = self.allowed().await?;
            let head = self.out.get(done..).unwrap_or_default();
            let head = &head[..head.len().min(room)];
            let body = &bytes[done.saturating_sub(self.out.len())..];
            let body = &body[..body.len().min(room - head.len())];
            let written = match (head.is_empty(), body.is_empty()) {
                (false, true) => self.connection.stream.try_write(head),
                (true, _) => self.connection.stream.try_write(body),
                (false, false) => {
                    let parts = [IoSlice::new(head), IoSlice::new(body)];
                    self.connection.stream.try_writev(&parts)
                }
            };
            match self.progress(written).await {
                Ok(count) => done += count,
                Err(error) => {
                    self.out.drain(..done.min(self.out.len()));
                    return Err(error);
                }
            }
        }
        self.out.clear();
        self.held = 0;
        Ok(())
    }

    /// Bytes that may be written now; waits where the rate says so, unless the client leaves
    /// meanwhile.
    async fn allowed(&self) -> Result<usize, Error> {
        let Some(rate) = &self.rate else {
            return Ok(usize::MAX);
        };
        loop {
            let now = self.connection.http.worker.now();
            match rate.allowance(self.written, now) {
                Ok(room) => return Ok(usize::try_from(room).unwrap_or(usize::MAX)),
                Err(wait) => self.pause(wait).await?,
            }
        }
    }

    async fn pause(&self, millis: Millis) -> Result<(), Error> {
        let mut sleep = pin!(self.connection.http.worker.sleep(millis));
        poll_fn(|cx| match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending if self.connection.poll_left(cx) => {
                Poll::Ready(Err(Error::Aborted(Abort::ClientLeft)))
            }
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Counts what was written; waits when the socket is full.
    async fn progress(&mut self, written: io::Result<usize>) -> Result<usize, Error> {
        match written {
            Ok(count) => {
                let of_others = self.held.min(count);
                self.held -= of_others;
                self.written += (count - of_others) as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let deadline = self.connection.http.worker.now() + *self.settings.send_timeout;
                self.connection.stream.set_deadline(Some(deadline));
                self.connection.stream.writable().await?;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }
}
