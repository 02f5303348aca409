//! Sends files: by the kernel, or through memory where that is wanted.

use super::Sender;
use crate::body::FileRange;
use crate::connection::file_reader::FileReader;
use crate::core::files::Aio;
use crate::error::Error;
use std::io;

/// Bytes of a file that share a packet with their head. In front of more, a head in the first
/// packet moves every page of the file off its boundary: a bare loop sends 100 KB in 25 us with
/// the head in the same packets and in 20 us with the head on its own, but 16 KB in 9 and 12.
const SHARED_PACKET_MAX: u64 = 64 << 10;

impl Sender<'_> {
    pub(super) async fn write_file(&mut self, range: &FileRange) -> Result<(), Error> {
        let by_threads = matches!(&*self.files.aio, Aio::Threads(_));
        if !*self.settings.sendfile || range.direct || by_threads {
            return self.write_read_file(range).await;
        }
        // What cork is for, a head and its file in full packets, the kernel is told by the call
        // that sends the head. Only with Nagle's algorithm the file's end would wait for an
        // acknowledgement, which the end of cork prevents.
        let corked = *self.settings.tcp_nopush && !*self.settings.tcp_nodelay;
        if corked {
            self.connection.stream.set_cork(true);
        }
        let sent = self.send_file(range).await;
        if corked {
            self.connection.stream.set_cork(false);
        }
        sent
    }

    async fn send_file(&mut self, range: &FileRange) -> Result<(), Error> {
        self.write_head_of_file(range.end - range.start).await?;
        let max = match *self.settings.sendfile_max_chunk {
            0 => u64::MAX,
            max => max,
        };
        let mut at = range.start;
        while at < range.end {
            let room = self.allowed().await? as u64;
            let count = usize::try_from((range.end - at).min(max).min(room)).unwrap_or(usize::MAX);
            let sent = self.connection.stream.try_sendfile(range.fd(), at, count);
            if matches!(sent, Ok(0)) {
                return Err(file_shrank());
            }
            at += self.progress(sent).await? as u64;
        }
        Ok(())
    }

    /// Writes what is gathered and tells the kernel that `file_len` bytes of a file follow, so
    /// that both share a packet where one can hold them.
    async fn write_head_of_file(&mut self, file_len: u64) -> Result<(), Error> {
        if self.rate.is_some() || self.out.is_empty() || file_len > SHARED_PACKET_MAX {
            return self.write(b"").await;
        }
        match self.connection.stream.try_write_more(&self.out) {
            Ok(count) => {
                self.progress(Ok(count)).await?;
                self.out.drain(..count);
                self.write(b"").await
            }
            // The socket is full, or broken, which writing again will tell.
            Err(_) => self.write(b"").await,
        }
    }

    /// Sends a file through memory, `output_buffers` at a time.
    async fn write_read_file(&mut self, range: &FileRange) -> Result<(), Error> {
        let mut reader = FileReader::new(&self.connection.http, self.files, self.settings, range);
        let mut at = range.start;
        while at < range.end {
            let piece = reader.read(range, at).await?;
            if piece.is_empty() {
                return Err(file_shrank());
            }
            self.write(piece).await?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// The file lost bytes that were promised. What was sent is short, and looks so.
fn file_shrank() -> Error {
    Error::resource(
        "sending a file failed",
        io::Error::other("file was truncated while it was sent"),
    )
}
