//! PUT: the body becomes the file, all of it or nothing.

use super::place::Guard;
use super::{Changed, Done, Settings};
use crate::file_work::{self, Failure};
use engine::access;
use http::core::files;
use http::{Error, Request};
use http1::Known;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use sys::file::Temporary;

/// Stores the body of the request as the file that its URI names.
pub(super) async fn store(request: &mut Request, settings: &Settings) -> Result<Changed, Error> {
    if request.uri.ends_with(b"/") {
        return Ok(Err(Failure::refused(409, "cannot PUT to a collection")));
    }
    if request.header(Known::ContentRange).is_some() {
        // RFC 9110 section 14.5: what does not know partial PUT must not take a part for all.
        return Ok(Err(Failure::refused(501, "PUT with range is unsupported")));
    }
    let target = files::path_of(request, &request.uri)?;
    let temporary = match receive(request).await? {
        Ok(temporary) => temporary,
        Err(failure) => return Ok(Err(failure)),
    };
    let upload = Upload {
        temporary,
        target,
        guard: Guard::of(request),
        access: *settings.access,
        creates_path: *settings.creates_path,
        modified: request.header(Known::Date).and_then(base::date::parse_http),
    };
    file_work::run(request, move || upload.store()).await
}

/// Reads the body into a temporary file, which is gone if the client or the disk gives up.
async fn receive(request: &mut Request) -> Result<Result<Temporary, Failure>, Error> {
    let location = Rc::clone(&request.location);
    let settings = &location.receive;
    let folder = &*settings.temp_path;
    let temporary = match request.connection.http.create_temporary(folder) {
        Ok(temporary) => temporary,
        Err(error) => {
            let shown = folder.folder.display();
            return Ok(Err(Failure::of_storing(
                "a temporary file in",
                shown,
                &error,
            )));
        }
    };
    let write = |data: &[u8], at: u64| {
        sys::file::write_all_at(temporary.as_fd(), data, at)
            .map_err(|error| Failure::of_storing("pwrite()", temporary.path().display(), &error))
    };
    if let Some(body) = &request.body {
        // Somebody needed it before, as `mirror` does.
        let copied = match &body.file {
            None => write(&body.memory, 0),
            Some(file) => sys::file::copy_all(file.as_fd(), temporary.as_fd(), body.len)
                .map(drop)
                .map_err(|error| {
                    Failure::of_storing("copying to", temporary.path().display(), &error)
                }),
        };
        return Ok(copied.map(|()| temporary));
    }
    request.check_body_is_untouched()?;
    let (mut data, mut len) = (Vec::new(), 0);
    while request.next_body_part(&mut data).await? {
        let end = len + data.len() as u64;
        if *settings.max_size > 0 && end > *settings.max_size {
            return Err(Error::client(
                413,
                format!("client intended to send too large chunked body: {end} bytes"),
            ));
        }
        if let Err(failure) = write(&data, len) {
            return Ok(Err(failure));
        }
        len = end;
        data.clear();
    }
    Ok(Ok(temporary))
}

/// A body that was received, and where it is to go.
struct Upload {
    temporary: Temporary,
    target: PathBuf,
    guard: Guard,
    /// Permission bits of the file.
    access: u32,
    /// Whether folders that are missing are made.
    creates_path: bool,
    /// When the file was changed, as the client says, in seconds since 1970.
    modified: Option<i64>,
}

impl Upload {
    fn store(self) -> Changed {
        let shown = self.target.display();
        let status = match sys::file::stat(&self.target) {
            Ok(stat) if stat.is_directory() => {
                let message = format!("\"{shown}\" could not be created (21: Is a directory)");
                return Err(Failure::refused(409, message));
            }
            Ok(_) => Done::Changed,
            Err(_) => Done::CreatedHere,
        };
        self.finish(&self.temporary)
            .map_err(|error| Failure::of_storing("chmod()", shown.to_string(), &error))?;
        let mut renamed = self.rename();
        if self.creates_path && is_missing(&renamed) {
            let mode = access::of_folder(self.access);
            self.guard
                .create_parents(&self.target, mode)
                .map_err(|error| Failure::of_storing("mkdir()", shown.to_string(), &error))?;
            renamed = self.rename();
        }
        match renamed {
            Ok(()) => {
                // Its name is the target now.
                drop(self.temporary.keep());
                return Ok(status);
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.copy(),
            Err(error) => Err(error),
        }
        .map(|()| status)
        .map_err(|error| {
            let to = format!("{}\" to \"{shown}", self.temporary.path().display());
            Failure::of_storing("rename()", to, &error)
        })
    }

    /// Gives `file` the permissions and the time that the target shall have.
    fn finish(&self, file: &Temporary) -> io::Result<()> {
        sys::file::change_mode_of(file.as_fd(), self.access)?;
        match self.modified {
            Some(seconds) => sys::file::set_modified_of(file.as_fd(), seconds),
            None => Ok(()),
        }
    }

    fn rename(&self) -> io::Result<()> {
        let place = self.guard.place(&self.target)?;
        sys::file::rename(self.temporary.path(), &place.path)
    }

    /// Copies the body to the target's file system first, where it can be renamed.
    fn copy(&self) -> io::Result<()> {
        let place = self.guard.place(&self.target)?;
        let copy = sys::file::create_unique([place.sibling()], 0o600)?;
        sys::file::copy_all(self.temporary.as_fd(), copy.as_fd(), u64::MAX)?;
        self.finish(&copy)?;
        match copy.rename_to(&place.path) {
            Ok(_) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }
}

fn is_missing(renamed: &io::Result<()>) -> bool {
    matches!(renamed, Err(error) if error.kind() == io::ErrorKind::NotFound)
}
