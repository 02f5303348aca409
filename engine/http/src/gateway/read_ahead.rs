//! Reading a response as fast as the peer sends it, whatever the client does: into memory,
//! then into a temporary file, then no further. Where the disk is full, there is no file.
//!
//! As long as the client keeps up it is served straight from the peer, by its own task. Another
//! task reads ahead while the client makes it wait.

use super::Codec;
use super::relay::Relay;
use super::settings::Settings;
use crate::body::{Chunk, FileRange, Source};
use crate::bytes::Bytes;
use crate::connection::Connection;
use crate::core::receive::TempPath;
use crate::error::Error;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// How far ahead.
pub(super) struct Limits {
    /// Bytes in memory.
    memory: u64,
    /// Bytes in the file.
    file: u64,
    folder: TempPath,
}

impl Limits {
    pub(super) fn of(settings: &Settings) -> Self {
        let (number, size) = *settings.buffers;
        Self {
            memory: number.saturating_mul(size),
            file: *settings.max_temp_file_size,
            folder: TempPath::clone(&settings.temp_path),
        }
    }
}

/// The client's end of the queue.
pub(super) struct ReadAhead<C: Codec> {
    shared: Rc<RefCell<Shared<C>>>,
}

struct Shared<C> {
    /// `None` once the response ended or failed.
    relay: Option<Relay<C>>,
    queue: VecDeque<Chunk>,
    /// Bytes of the queue that are in memory.
    in_memory: u64,
    file: Option<Arc<OwnedFd>>,
    /// Bytes in the file.
    written: u64,
    limits: Limits,
    connection: Rc<Connection>,
    /// How it ended.
    end: Option<Result<(), Error>>,
    trailers: Vec<(Bytes, Bytes)>,
    /// Whether there is a task that reads ahead.
    has_producer: bool,
    producer: Option<Waker>,
    /// Whether the client's task waits for the peer itself.
    is_waiting: bool,
    consumer: Option<Waker>,
    /// Nobody takes chunks any more.
    is_closed: bool,
    /// Whether the response is read to its end even so.
    finishes: bool,
}

impl<C: Codec> ReadAhead<C> {
    /// The body that `relay` reads. `finishes` says whether it is read to its end even when
    /// nobody wants it any more.
    pub(super) fn new(
        relay: Relay<C>,
        connection: &Rc<Connection>,
        limits: Limits,
        finishes: bool,
    ) -> Self {
        let shared = Shared {
            relay: Some(relay),
            queue: VecDeque::new(),
            in_memory: 0,
            file: None,
            written: 0,
            limits,
            connection: Rc::clone(connection),
            end: None,
            trailers: Vec::new(),
            has_producer: false,
            producer: None,
            is_waiting: false,
            consumer: None,
            is_closed: false,
            finishes,
        };
        Self {
            shared: Rc::new(RefCell::new(shared)),
        }
    }

    /// Has what follows read while the client's task is busy with what it was given.
    fn read_on(&self) {
        let mut shared = self.shared.borrow_mut();
        if shared.relay.is_none() && !shared.is_closed {
            return;
        }
        if std::mem::replace(&mut shared.has_producer, true) {
            let producer = shared.producer.take();
            drop(shared);
            if let Some(producer) = producer {
                producer.wake();
            }
            return;
        }
        let connection = Rc::clone(&shared.connection);
        drop(shared);
        connection
            .http
            .worker
            .spawn(produce(Rc::clone(&self.shared)));
    }
}

impl<C: Codec> Source for ReadAhead<C> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let mut shared = self.shared.borrow_mut();
        if let Some(chunk) = shared.queue.pop_front() {
            if let Chunk::Bytes(bytes) = &chunk {
                shared.in_memory -= bytes.len() as u64;
            }
            drop(shared);
            self.read_on();
            return Poll::Ready(Ok(Some(chunk)));
        }
        let polled = shared.poll_relay(cx);
        shared.is_waiting = polled.is_pending();
        match polled {
            Poll::Pending => {
                shared.consumer = Some(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(Some(chunk)) => {
                drop(shared);
                self.read_on();
                Poll::Ready(Ok(Some(chunk)))
            }
            Poll::Ready(None) => match shared.end.take() {
                Some(Err(error)) => Poll::Ready(Err(error)),
                _ => {
                    shared.end = Some(Ok(()));
                    Poll::Ready(Ok(None))
                }
            },
        }
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        std::mem::take(&mut self.shared.borrow_mut().trailers)
    }
}

impl<C: Codec> Drop for ReadAhead<C> {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_closed = true;
        shared.queue.clear();
        shared.in_memory = 0;
        let relay = match shared.finishes {
            true => None,
            false => shared.relay.take(),
        };
        let is_over = shared.relay.is_none() && !shared.has_producer;
        drop(shared);
        drop(relay);
        if !is_over {
            self.read_on();
        }
    }
}

/// Reads ahead until the response ends. Does not begin at once: the client's task has just got
/// what it will try to send.
async fn produce<C: Codec>(shared: Rc<RefCell<Shared<C>>>) {
    let mut has_waited = false;
    let ended = poll_fn(|cx| {
        if !std::mem::replace(&mut has_waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        shared.borrow_mut().poll_produce(cx)
    });
    ended.await;
}

impl<C: Codec> Shared<C> {
    /// The next chunk from the peer; `None` when there is none any more, and `end` says why.
    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let Some(relay) = &mut self.relay else {
            return Poll::Ready(None);
        };
        let end = match ready!(relay.poll_chunk(cx)) {
            Ok(Some(chunk)) => return Poll::Ready(Some(chunk)),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        self.trailers = relay.take_trailers();
        self.finish(end);
        Poll::Ready(None)
    }

    fn finish(&mut self, end: Result<(), Error>) {
        self.relay = None;
        self.end = Some(end);
    }

    /// Reads ahead while the client's task does not read itself; ready when there is no more.
    fn poll_produce(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.relay.is_none() {
                return Poll::Ready(());
            }
            self.producer = Some(cx.waker().clone());
            let is_full = self.in_memory >= self.limits.memory && self.written >= self.limits.file;
            if !self.is_closed && (self.is_waiting || is_full) {
                return Poll::Pending;
            }
            match ready!(self.poll_relay(cx)) {
                Some(_) if self.is_closed => continue,
                Some(chunk) => self.add(chunk),
                None => {}
            }
            if let Some(consumer) = self.consumer.take() {
                consumer.wake();
            }
        }
    }

    fn add(&mut self, chunk: Chunk) {
        let chunk = match chunk {
            Chunk::Bytes(bytes) if self.in_memory >= self.limits.memory => {
                self.spill(&bytes).unwrap_or_else(|error| {
                    // What is read stays in memory, and no more is read while that is full: the
                    // client gets its answer as if there were no file to be had.
                    self.connection.log(error.level(), &error.to_string());
                    self.limits.file = 0;
                    Chunk::Bytes(bytes)
                })
            }
            other => other,
        };
        match (chunk, self.queue.back_mut()) {
            (Chunk::File(range), Some(Chunk::File(last))) if last.end == range.start => {
                last.end = range.end;
            }
            (chunk, _) => {
                if let Chunk::Bytes(bytes) = &chunk {
                    self.in_memory += bytes.len() as u64;
                }
                self.queue.push_back(chunk);
            }
        }
    }

    /// Puts `bytes` into the temporary file.
    fn spill(&mut self, bytes: &Bytes) -> Result<Chunk, Error> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let made = self.connection.http.create_temporary(&self.limits.folder);
                let made = made.and_then(sys::file::Temporary::unlink);
                let made = made
                    .map_err(|error| Error::resource("creating a temporary file failed", error))?;
                Arc::clone(self.file.insert(Arc::new(made)))
            }
        };
        sys::file::write_all_at(file.as_fd(), bytes, self.written)
            .map_err(|error| Error::resource("writing to a temporary file failed", error))?;
        let start = self.written;
        self.written += bytes.len() as u64;
        Ok(Chunk::File(FileRange {
            file,
            start,
            end: self.written,
            direct: false,
        }))
    }
}
