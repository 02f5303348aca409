//! A body as bytes in memory, piece by piece, wherever it comes from: for filters that look at
//! what they pass on.

use crate::body::{Body, Chunk, FileRange};
use crate::bytes::Bytes;
use crate::connection::file_reader::FileReader;
use crate::core::files::Files;
use crate::core::transfer::Transfer;
use crate::error::{Abort, Error};
use crate::request::Request;
use crate::worker::HttpWorker;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Pulls a body and reads the files in it.
pub struct InMemory {
    http: Rc<HttpWorker>,
    files: Rc<Files>,
    transfer: Rc<Transfer>,
    body: Body,
    file: Option<Reading>,
}

/// A file that is being read.
enum Reading {
    /// The next piece begins at this position.
    Between(FileReader, FileRange, u64),
    /// A piece is on its way.
    Piece(Pin<Box<dyn Future<Output = Piece>>>),
}

/// A reader, its file, the position after the piece, and the piece.
type Piece = (FileReader, FileRange, u64, Result<Bytes, Error>);

impl InMemory {
    /// `body`, with its files read as the location of `request` says.
    pub fn new(request: &Request, body: Body) -> Self {
        let location = &request.location;
        Self {
            http: Rc::clone(&request.connection.http),
            files: Rc::clone(&location.files),
            transfer: Rc::clone(&location.transfer),
            body,
            file: None,
        }
    }

    /// The next bytes, never none; `None` after the last ones.
    ///
    /// # Errors
    ///
    /// What the body or reading one of its files fails with.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if self.file.is_some() {
                return self.poll_file(cx).map(|read| read.map(Some));
            }
            match ready!(self.body.poll_chunk(cx))? {
                None => return Poll::Ready(Ok(None)),
                Some(chunk) if chunk.is_empty() => {}
                Some(Chunk::Bytes(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                Some(Chunk::File(range)) => {
                    let reader = FileReader::new(&self.http, &self.files, &self.transfer, &range);
                    let start = range.start;
                    self.file = Some(Reading::Between(reader, range, start));
                }
            }
        }
    }

    fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let mut piece = match self.file.take() {
            Some(Reading::Between(reader, range, at)) => Box::pin(read(reader, range, at)),
            Some(Reading::Piece(piece)) => piece,
            None => return Poll::Ready(Err(Abort::SourceFailed.into())),
        };
        match piece.as_mut().poll(cx) {
            Poll::Pending => {
                self.file = Some(Reading::Piece(piece));
                Poll::Pending
            }
            Poll::Ready((reader, range, at, bytes)) => {
                if bytes.is_ok() && at < range.end {
                    self.file = Some(Reading::Between(reader, range, at));
                }
                Poll::Ready(bytes)
            }
        }
    }

    /// Trailer fields, after the last bytes.
    pub fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        self.body.take_trailers()
    }
}

async fn read(mut reader: FileReader, range: FileRange, at: u64) -> Piece {
    let bytes = match reader.read(&range, at).await {
        // The file lost bytes that were promised.
        Ok([]) => Err(Abort::SourceFailed.into()),
        Ok(bytes) => Ok(Bytes::from(bytes.to_vec())),
        Err(error) => Err(error),
    };
    let count = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    (reader, range, at + count, bytes)
}
