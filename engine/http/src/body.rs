//! A response's body, pulled chunk by chunk.

use crate::bytes::Bytes;
use crate::error::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A part of an open file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file; shared so that several ranges, a cache and a reading thread can hold it.
    pub file: Arc<OwnedFd>,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Whether reads bypass the page cache (`directio`).
    pub direct: bool,
}

impl FileRange {
    /// Bytes in the range.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether the range has no bytes.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Part of a file.
    File(FileRange),
}

impl Chunk {
    /// Bytes in the chunk.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.len(),
        }
    }

    /// Whether the chunk has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from `start` to `end` of this chunk.
    #[must_use]
    pub fn slice(self, start: u64, end: u64) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(clamp(start), clamp(end))),
            Self::File(range) => {
                let end = range.start.saturating_add(end).min(range.end);
                let start = range.start.saturating_add(start).min(end);
                Self::File(FileRange {
                    start,
                    end,
                    ..range
                })
            }
        }
    }
}

fn clamp(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Something that yields a body, a chunk at a time, when asked. A filter is a source
/// that wraps another, so a slow client slows everything behind it.
pub trait Source {
    /// The next chunk; `None` after the last one.
    ///
    /// # Errors
    ///
    /// The body cannot be completed; what was sent must not look complete.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>>;

    /// Whether the response's head is better not sent before the first chunk: should there be
    /// none, the client shall not see half a response.
    fn holds_head(&self) -> bool {
        false
    }

    /// Trailer fields that follow the last chunk, known once it was yielded.
    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        Vec::new()
    }
}

/// A response's body.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// Part of a file.
    File(FileRange),
    /// Several pieces, in order.
    Chunks(Vec<Chunk>),
    /// Whatever a source yields; of unknown length unless the head says it.
    Source(Box<dyn Source>),
}

impl Body {
    /// A body that `source` yields.
    pub fn from_source(source: impl Source + 'static) -> Self {
        Self::Source(Box::new(source))
    }

    /// The length, where it is known without pulling.
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File(range) => Some(range.len()),
            Self::Chunks(chunks) => Some(chunks.iter().map(Chunk::len).sum()),
            Self::Source(_) => None,
        }
    }

    /// Whether there is nothing to pull.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The next chunk; `None` after the last one.
    ///
    /// # Errors
    ///
    /// What the source fails with.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        match self {
            Self::Empty => Poll::Ready(Ok(None)),
            Self::Chunks(chunks) => Poll::Ready(Ok((!chunks.is_empty()).then(|| chunks.remove(0)))),
            Self::Source(source) => source.poll_chunk(cx),
            Self::Bytes(_) | Self::File(_) => Poll::Ready(Ok(match std::mem::take(self) {
                Self::Bytes(bytes) => Some(Chunk::Bytes(bytes)),
                Self::File(range) => Some(Chunk::File(range)),
                _ => None,
            })),
        }
    }

    /// The next chunk; `None` after the last one.
    ///
    /// # Errors
    ///
    /// What the source fails with.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Whether the response's head is better not sent before the first chunk.
    pub fn holds_head(&self) -> bool {
        match self {
            Self::Source(source) => source.holds_head(),
            _ => false,
        }
    }

    /// Trailer fields, after the last chunk.
    pub fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        match self {
            Self::Source(source) => source.take_trailers(),
            _ => Vec::new(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?} bytes)", self.len())
    }
}
