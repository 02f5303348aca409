//! `store`: keeps what a peer answered as a file, for the next time to be served from there.
//!
//! The file gets its name when all of it is written, so that nobody ever sees a part of it.

use super::settings::Settings;
use crate::body::{Body, Chunk, Source};
use crate::bytes::Bytes;
use crate::connection::Connection;
use crate::core::files::path_of;
use crate::error::Error;
use crate::request::Request;
use crate::response::ResponseHead;
use engine::Template;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Context, Poll};
use sys::file::Temporary;

/// Where answers are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    /// Nowhere.
    Off,
    /// At the path that the URI stands for.
    ByUri,
    /// At this path.
    At(Template),
}

/// Makes of `body` one that is also written to a file, where the settings ask for it.
///
/// # Errors
///
/// The temporary file cannot be made.
pub(super) fn keep(
    request: &Request,
    settings: &Settings,
    head: &ResponseHead,
    body: Body,
) -> Result<Body, Error> {
    let path = match &*settings.store {
        Store::Off => return Ok(body),
        _ if head.status != 200 || request.is_head() => return Ok(body),
        Store::ByUri => path_of(request, &request.uri)?,
        Store::At(template) => {
            use std::os::unix::ffi::OsStringExt;
            let text = template.eval(request);
            let path = PathBuf::from(std::ffi::OsString::from_vec(text));
            request.connection.http.prefix.join(path)
        }
    };
    let http = &request.connection.http;
    let file = http
        .create_temporary(&settings.temp_path)
        .map_err(|error| Error::resource("creating a temporary file failed", error))?;
    let bits = u32::try_from(*settings.store_access).unwrap_or(0o600);
    Ok(Body::from_source(Keeping {
        body,
        connection: Rc::clone(&request.connection),
        file: Some(file),
        written: 0,
        expected: head.content_length,
        path,
        bits,
        modified: head.modified(),
    }))
}

/// A body that is written down on its way.
struct Keeping {
    body: Body,
    /// Whose log is told what fails: that is no matter of the client's.
    connection: Rc<Connection>,
    /// `None` once it is settled what becomes of it.
    file: Option<Temporary>,
    written: u64,
    /// The length announced.
    expected: Option<u64>,
    path: PathBuf,
    bits: u32,
    /// The time that the file gets, in seconds since 1970.
    modified: Option<i64>,
}

impl Keeping {
    fn write(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let failed = |error| Error::resource("writing to a temporary file failed", error);
        let copy;
        let bytes: &[u8] = match chunk {
            Chunk::Bytes(bytes) => bytes,
            Chunk::File(range) => {
                let len = usize::try_from(range.len()).unwrap_or(usize::MAX);
                copy = sys::file::read_to_vec(range.fd(), range.start, len).map_err(failed)?;
                &copy
            }
        };
        sys::file::write_all_at(file.as_fd(), bytes, self.written).map_err(failed)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file up where something failed.
    fn unless_failed(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.file = None;
            self.connection.log(error.level(), &error.to_string());
        }
    }

    /// Gives the complete file its name.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        if self
            .expected
            .is_some_and(|expected| expected != self.written)
        {
            return Ok(());
        }
        let doing = format!("storing a response as \"{}\" failed", self.path.display());
        let failed = |error| Error::resource(doing.clone(), error);
        sys::file::change_mode_of(file.as_fd(), self.bits).map_err(failed)?;
        if let Some(seconds) = self.modified {
            set_modified(file.path(), seconds).map_err(failed)?;
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        match file.rename_to(&self.path) {
            Ok(_) => Ok(()),
            Err((_, error)) => Err(failed(error)),
        }
    }
}

fn set_modified(path: &Path, seconds: i64) -> std::io::Result<()> {
    let Ok(seconds) = u64::try_from(seconds) else {
        return Ok(());
    };
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options()
        .write(true)
        .open(path)?
        .set_modified(time)
}

impl Source for Keeping {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let polled = self.body.poll_chunk(cx);
        match &polled {
            Poll::Ready(Ok(Some(chunk))) => {
                let written = self.write(chunk);
                self.unless_failed(written);
            }
            Poll::Ready(Ok(None)) => {
                let settled = self.settle();
                self.unless_failed(settled);
            }
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        polled
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        self.body.take_trailers()
    }
}
