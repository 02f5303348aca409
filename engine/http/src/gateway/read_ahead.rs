//! Reading a response as fast as the peer sends it, whatever the client does: into memory,
//! then into a temporary file, then no further.

use super::Codec;
use super::relay::Relay;
use super::settings::Settings;
use crate::body::{Chunk, FileRange, Source};
use crate::bytes::Bytes;
use crate::core::receive::TempPath;
use crate::error::Error;
use crate::worker::HttpWorker;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

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
pub(super) struct ReadAhead {
    shared: Rc<RefCell<Shared>>,
}

#[derive(Default)]
struct Shared {
    queue: VecDeque<Chunk>,
    /// Bytes of the queue that are in memory.
    in_memory: u64,
    /// How it ended.
    end: Option<Result<(), Error>>,
    trailers: Vec<(Bytes, Bytes)>,
    consumer: Option<Waker>,
    producer: Option<Waker>,
    /// Nobody takes chunks any more.
    is_closed: bool,
}

impl ReadAhead {
    /// Starts reading. `finishes` says whether the response is read to its end even when
    /// nobody wants it any more.
    pub(super) fn start<C: Codec>(
        relay: Relay<C>,
        http: &Rc<HttpWorker>,
        limits: Limits,
        finishes: bool,
    ) -> Self {
        let shared = Rc::<RefCell<Shared>>::default();
        let producer = Producer {
            relay,
            shared: Rc::clone(&shared),
            http: Rc::clone(http),
            limits,
            file: None,
            written: 0,
            finishes,
        };
        http.worker.spawn(producer.run());
        Self { shared }
    }
}

impl Source for ReadAhead {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let mut shared = self.shared.borrow_mut();
        if let Some(chunk) = shared.queue.pop_front() {
            if let Chunk::Bytes(bytes) = &chunk {
                shared.in_memory -= bytes.len() as u64;
            }
            let producer = shared.producer.take();
            drop(shared);
            if let Some(producer) = producer {
                producer.wake();
            }
            return Poll::Ready(Ok(Some(chunk)));
        }
        match shared.end.take() {
            Some(Ok(())) => {
                shared.end = Some(Ok(()));
                Poll::Ready(Ok(None))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => {
                shared.consumer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        std::mem::take(&mut self.shared.borrow_mut().trailers)
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_closed = true;
        shared.queue.clear();
        shared.in_memory = 0;
        let producer = shared.producer.take();
        drop(shared);
        if let Some(producer) = producer {
            producer.wake();
        }
    }
}

struct Producer<C> {
    relay: Relay<C>,
    shared: Rc<RefCell<Shared>>,
    http: Rc<HttpWorker>,
    limits: Limits,
    file: Option<Arc<OwnedFd>>,
    /// Bytes in the file.
    written: u64,
    finishes: bool,
}

impl<C: Codec> Producer<C> {
    async fn run(mut self) {
        let end = loop {
            match poll_fn(|cx| self.poll_next(cx)).await {
                Ok(Some(chunk)) => {
                    if let Err(error) = self.add(chunk) {
                        break Err(error);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let mut shared = self.shared.borrow_mut();
        shared.trailers = self.relay.take_trailers();
        shared.end = Some(end);
        let consumer = shared.consumer.take();
        drop(shared);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }

    /// The next chunk once there is room for it.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_closed && !self.finishes {
            return Poll::Ready(Ok(None));
        }
        let is_full = shared.in_memory >= self.limits.memory && self.written >= self.limits.file;
        shared.producer = Some(cx.waker().clone());
        drop(shared);
        if is_full {
            return Poll::Pending;
        }
        self.relay.poll_chunk(cx)
    }

    fn add(&mut self, chunk: Chunk) -> Result<(), Error> {
        let (in_memory, is_closed) = {
            let shared = self.shared.borrow();
            (shared.in_memory, shared.is_closed)
        };
        if is_closed {
            return Ok(());
        }
        let chunk = match chunk {
            Chunk::Bytes(bytes) if in_memory >= self.limits.memory => self.spill(&bytes)?,
            other => other,
        };
        let mut shared = self.shared.borrow_mut();
        match (chunk, shared.queue.back_mut()) {
            (Chunk::File(range), Some(Chunk::File(last))) if last.end == range.start => {
                last.end = range.end;
            }
            (chunk, _) => {
                if let Chunk::Bytes(bytes) = &chunk {
                    shared.in_memory += bytes.len() as u64;
                }
                shared.queue.push_back(chunk);
            }
        }
        let consumer = shared.consumer.take();
        drop(shared);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        Ok(())
    }

    /// Puts `bytes` into the temporary file.
    fn spill(&mut self, bytes: &Bytes) -> Result<Chunk, Error> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let made = self.http.create_temporary(&self.limits.folder);
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
