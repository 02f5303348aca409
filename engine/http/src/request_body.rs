//! Reading, keeping and discarding request bodies.

use crate::bytes::Bytes;
use crate::core::receive::Receive;
use crate::error::{Abort, Error};
use crate::request::Request;
use base::bytes::list_has_token;
use http1::{BodyLength, ChunkLimits, ChunkedDecoder, Known};
use runtime::Class;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

/// Bytes read from the connection at once.
const READ_SIZE: usize = 16 << 10;

/// The body that is still to come over the wire.
#[derive(Default)]
pub struct Incoming {
    length: Option<u64>,
    remaining: u64,
    decoder: Option<Box<ChunkedDecoder>>,
    /// Whether the client waits for a 100 before it sends the body.
    expects_continue: bool,
    is_broken: bool,
    received: u64,
    /// Bytes that told where chunks begin and end.
    framing: u64,
    /// Bytes that were put back by whoever took them, and come first.
    returned: Vec<u8>,
    /// Bytes that somebody has taken, and nobody else will see.
    taken: u64,
}

impl Incoming {
    /// Expects the body that the request's head announces.
    pub fn announce(&mut self, length: BodyLength, expects_continue: bool) {
        match length {
            BodyLength::None => {}
            BodyLength::Length(length) => {
                self.length = Some(length);
                self.remaining = length;
            }
            BodyLength::Chunked => {
                let decoder = ChunkedDecoder::new(ChunkLimits::default());
                self.decoder = Some(Box::new(decoder));
            }
        }
        self.expects_continue = expects_continue;
    }

    /// The length that the client announced.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the body comes in chunks.
    pub fn is_chunked(&self) -> bool {
        self.decoder.is_some()
    }

    /// Whether the request has a body at all.
    pub fn has_body(&self) -> bool {
        self.is_chunked() || self.length.is_some_and(|length| length > 0)
    }

    /// Whether nothing more will come.
    pub fn is_done(&self) -> bool {
        self.decoder
            .as_ref()
            .map_or(self.remaining == 0, |decoder| decoder.is_done())
    }

    /// Whether the framing was violated, so that nobody knows where the body ends.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether the client still waits for a 100.
    pub fn awaits_continue(&self) -> bool {
        self.expects_continue && !self.is_done()
    }

    /// Whether there was never a body, nor anything else that one is known by.
    pub(crate) fn is_unused(&self) -> bool {
        let is_plain = !self.has_body() && self.length.is_none() && !self.expects_continue;
        is_plain && !self.is_broken && self.received == 0
    }

    /// Whether none of it was taken yet, so that whoever reads it gets all of it.
    pub fn is_untouched(&self) -> bool {
        self.taken == 0
    }

    /// Takes what belongs to the body from the front of `input`, appending its data to `out`.
    fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(decoder) = &mut self.decoder else {
            let count = input
                .len()
                .min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
            out.extend(input.drain(..count));
            self.remaining -= count as u64;
            self.received += count as u64;
            return Ok(());
        };
        let mut at = 0;
        while at < input.len() && !decoder.is_done() {
            let rest = &input[at..];
            let chunk = decoder.decode(rest).map_err(|refusal| {
                self.is_broken = true;
                Error::client(refusal.status, refusal.reason)
            })?;
            let mut framing = chunk.consumed;
            if let Some(data) = chunk.data {
                framing -= data.len();
                self.received += data.len() as u64;
                out.extend_from_slice(&rest[data]);
            }
            self.framing += framing as u64;
            at += chunk.consumed;
        }
        input.drain(..at);
        Ok(())
    }
}

/// A body that was read.
#[derive(Default)]
pub struct ReceivedBody {
    /// Its bytes, where they fit the buffer.
    pub memory: Vec<u8>,
    /// The temporary file, where they did not.
    pub file: Option<Rc<OwnedFd>>,
    /// The file's name.
    pub path: Option<PathBuf>,
    /// Bytes in all.
    pub len: u64,
    /// Trailer fields that may be passed on.
    pub trailers: Vec<(Bytes, Bytes)>,
    /// Whether the file goes with the body; not with `client_body_in_file_only on`.
    is_removed: bool,
}

impl ReceivedBody {
    /// The whole body in memory, read back if it went to a file.
    ///
    /// # Errors
    ///
    /// What reading the file fails with.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        match &self.file {
            None => Ok(self.memory.clone()),
            Some(file) => {
                let limit = usize::try_from(self.len).unwrap_or(usize::MAX);
                sys::file::read_to_vec(file.as_fd(), 0, limit)
            }
        }
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        if let (true, Some(path)) = (self.is_removed, &self.path) {
            // It may have been moved away meanwhile, which is what its name is kept for.
            let _ = sys::file::remove_file(path);
        }
    }
}

impl Request {
    /// Reads the whole body, to memory or a temporary file as configured, into `self.body`.
    /// Does nothing when it was read before.
    ///
    /// # Errors
    ///
    /// 413 for a body over `client_max_body_size`, 400 for bad framing, 408 or an abort when
    /// the client is too slow or leaves, 500 when a temporary file cannot be written or somebody
    /// else had a part of it.
    pub async fn read_body(&mut self) -> Result<(), Error> {
        if self.body.is_some() {
            return Ok(());
        }
        self.check_body_is_untouched()?;
        let location = Rc::clone(&self.location);
        let settings = &location.receive;
        let mut body = ReceivedBody::default();
        if *settings.in_file_only > 0 {
            self.to_file(settings, &mut body)?;
        }
        let mut data = Vec::new();
        while self.next_body_part(&mut data).await? {
            let size = body.len + data.len() as u64;
            if *settings.max_size > 0 && size > *settings.max_size {
                return Err(Error::client(
                    413,
                    format!("client intended to send too large chunked body: {size} bytes"),
                ));
            }
            let in_memory = (body.memory.len() + data.len()) as u64;
            if body.file.is_none() && in_memory > *settings.buffer_size {
                self.to_file(settings, &mut body)?;
            }
            body.len = size;
            match &body.file {
                None => body.memory.append(&mut data),
                Some(file) => append(file, size - data.len() as u64, &data)?,
            }
            data.clear();
        }
        body.trailers = self.trailers();
        self.body = Some(Rc::new(body));
        Ok(())
    }

    /// Moves what `body` has into a new temporary file, where the rest will follow.
    fn to_file(&self, settings: &Receive, body: &mut ReceivedBody) -> Result<(), Error> {
        let temporary = self
            .connection
            .http
            .create_temporary(&settings.temp_path)
            .map_err(|error| Error::resource("creating a temporary file failed", error))?;
        let path = temporary.path().to_owned();
        let is_asked_for = *settings.in_file_only > 0;
        if !is_asked_for {
            let shown = path.display();
            let message = format!("a client request body is buffered to a temporary file {shown}");
            self.log(runtime::log::Level::Warn, &message);
        }
        // The file keeps its name while the request lasts: `$request_body_file`.
        body.path = Some(path);
        body.is_removed = *settings.in_file_only != 1;
        let file = temporary.keep();
        let file = Rc::new(file);
        append(&file, 0, &body.memory)?;
        body.memory = Vec::new();
        body.file = Some(file);
        Ok(())
    }

    /// Appends the next part of the body to `out`; `false` when the body has ended.
    ///
    /// # Errors
    ///
    /// 400 for bad framing, 408 or an abort when the client is too slow or leaves.
    pub async fn next_body_part(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let timeout = *self.location.receive.timeout;
        let connection = Rc::clone(&self.connection);
        let before = out.len();
        out.append(&mut self.incoming.returned);
        loop {
            let mut pending = connection.pending.take();
            let taken = self.incoming.take(&mut pending, out);
            connection.pending.replace(pending);
            taken?;
            if out.len() > before {
                self.incoming.taken += (out.len() - before) as u64;
                return Ok(true);
            }
            if self.incoming.is_done() {
                return Ok(false);
            }
            if self.incoming.expects_continue {
                self.incoming.expects_continue = false;
                connection.send_continue().await?;
            }
            connection.stream.set_class(Class::Reading);
            let read = connection.read_more(READ_SIZE, timeout).await;
            connection.stream.set_class(Class::Writing);
            if let Err(Error::Aborted(Abort::ClientLeft)) = read {
                // nginx takes a body that ends early for a bad request in its logs.
                self.sent.status = 400;
            }
            read?;
        }
    }

    /// Trailer fields, once all of the body was received, but for those that the head declares to
    /// be for this hop alone (RFC 9110 section 7.6.1).
    pub(crate) fn trailers(&self) -> Vec<(Bytes, Bytes)> {
        let Some(decoder) = &self.incoming.decoder else {
            return Vec::new();
        };
        let mut trailers = trailers_of(decoder);
        trailers.retain(|(name, _)| {
            let mut connection = self.head.parsed.all(Known::Connection);
            !connection.any(|field| list_has_token(field.value.of(&self.head.buf), name))
        });
        trailers
    }

    /// Puts back `part`, the last that was taken, for whoever reads the body next.
    pub(crate) fn return_body_part(&mut self, part: Vec<u8>) {
        self.incoming.taken -= part.len() as u64;
        self.incoming.returned = part;
    }

    /// Makes sure that whoever reads the body gets all of it: what was passed on as it came, to a
    /// server that then failed, cannot be read again.
    ///
    /// # Errors
    ///
    /// A part of it is gone.
    pub fn check_body_is_untouched(&self) -> Result<(), Error> {
        if self.incoming.is_untouched() {
            return Ok(());
        }
        let reason = "a part of the request body was passed on already and cannot be read again";
        Err(Error::operator(reason))
    }

    /// Takes what is left of the body from what was already received, so that the next
    /// request can be told from it. Gives `false` when some of it is still to come.
    pub(crate) fn drop_received_body(&mut self) -> bool {
        if self.incoming.is_broken || self.incoming.is_done() {
            return !self.incoming.is_broken;
        }
        let mut pending = self.connection.pending.take();
        let mut ignored = Vec::new();
        let taken = self.incoming.take(&mut pending, &mut ignored);
        self.connection.pending.replace(pending);
        taken.is_ok() && self.incoming.is_done()
    }

    /// Bytes of the body that were received, without chunk framing.
    pub fn body_bytes_received(&self) -> u64 {
        self.incoming.received
    }

    /// Bytes of the request that were received: head, body and what frames it.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.head.buf.len() as u64 + self.incoming.received + self.incoming.framing
    }
}

/// The trailer fields that `decoder` has read.
pub fn trailers_of(decoder: &ChunkedDecoder) -> Vec<(Bytes, Bytes)> {
    let own = |bytes: &[u8]| Bytes::Owned(bytes.to_vec());
    let pairs = decoder.trailers().iter();
    pairs.map(|(name, value)| (own(name), own(value))).collect()
}

fn append(file: &Rc<OwnedFd>, at: u64, data: &[u8]) -> Result<(), Error> {
    sys::file::write_all_at(file.as_fd(), data, at).map_err(|error| {
        Error::resource(
            "writing a client request body to a temporary file failed",
            error,
        )
    })
}
