//! Reads a file piece by piece for a response: from the page cache where it is there, by a
//! thread where it is not (`aio threads`), past the page cache where that is asked for
//! (`directio`).

use crate::body::FileRange;
use crate::core::files::{Aio, Files};
use crate::core::transfer::Transfer;
use crate::error::Error;
use crate::worker::HttpWorker;
use runtime::BlockingPool;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use sys::aligned::AlignedBuffer;

/// Longest piece, in bytes, whatever `output_buffers` says.
const PIECE_MAX: usize = 1 << 20;

/// Reads pieces of one file.
pub struct FileReader {
    http: Rc<HttpWorker>,
    pool: Option<Rc<BlockingPool>>,
    /// Where direct reads must begin and end.
    alignment: u64,
    /// `None` while a thread has it.
    buffer: Option<AlignedBuffer>,
    size: usize,
}

impl FileReader {
    /// A reader for files served with these settings.
    pub fn new(
        http: &Rc<HttpWorker>,
        files: &Files,
        transfer: &Transfer,
        range: &FileRange,
    ) -> Self {
        let pool = match &*files.aio {
            Aio::Off => None,
            Aio::Threads(name) => http.pools.get(name).cloned(),
        };
        let alignment = if range.direct {
            *files.directio_alignment
        } else {
            1
        };
        let alignment = alignment.next_power_of_two().clamp(1, 1 << 16);
        let (count, size) = *transfer.output_buffers;
        let wanted = count.saturating_mul(size).min(range.len().max(1));
        let wanted = wanted.div_ceil(alignment).saturating_mul(alignment);
        let size = usize::try_from(wanted).unwrap_or(PIECE_MAX).min(PIECE_MAX);
        Self {
            http: Rc::clone(http),
            pool,
            alignment,
            buffer: None,
            size,
        }
    }

    /// The piece of `range` that begins at `at`; empty where the file has ended.
    ///
    /// # Errors
    ///
    /// What reading fails with.
    pub async fn read(&mut self, range: &FileRange, at: u64) -> Result<&[u8], Error> {
        let failed = |error| Error::resource("pread() failed", error);
        // Direct reads begin where the device likes it; what comes before is skipped.
        let skipped = at % self.alignment;
        let from = at - skipped;
        let mut buffer = self.take_buffer().map_err(failed)?;
        let count = if self.pool.is_some() {
            let (returned, read) = self.read_by_thread(buffer, range, from).await;
            buffer = returned
                .map_or_else(|| self.take_buffer(), Ok)
                .map_err(failed)?;
            read.map_err(failed)?
        } else {
            sys::file::read_at(range.fd(), &mut buffer, from).map_err(failed)?
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(count);
        let wanted = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let end = count.min(skipped.saturating_add(wanted));
        let buffer = self.buffer.insert(buffer);
        Ok(&buffer[skipped..end])
    }

    fn take_buffer(&mut self) -> io::Result<AlignedBuffer> {
        let alignment = usize::try_from(self.alignment).unwrap_or(1);
        let fresh = || AlignedBuffer::new(self.size, alignment.max(1));
        self.buffer
            .take()
            .or_else(fresh)
            .ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// What is in memory is read at once; only the disk is left to a thread. Gives the buffer
    /// back unless the job was lost.
    async fn read_by_thread(
        &self,
        mut buffer: AlignedBuffer,
        range: &FileRange,
        from: u64,
    ) -> (Option<AlignedBuffer>, io::Result<usize>) {
        match sys::file::read_cached_at(range.fd(), &mut buffer, from) {
            Ok(Some(count)) => return (Some(buffer), Ok(count)),
            Ok(None) => {}
            Err(error) => return (Some(buffer), Err(error)),
        }
        let Some(pool) = &self.pool else {
            let read = sys::file::read_at(range.fd(), &mut buffer, from);
            return (Some(buffer), read);
        };
        let file = Arc::clone(&range.file);
        let job = move || {
            let read = sys::file::read_at(file.as_fd(), &mut buffer, from);
            (buffer, read)
        };
        match self.http.worker.blocking(pool, job).await {
            Ok((buffer, read)) => (Some(buffer), read),
            Err(_) => (None, Err(io::Error::other("thread pool queue overflow"))),
        }
    }
}
