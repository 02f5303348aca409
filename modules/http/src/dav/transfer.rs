//! COPY and MOVE.

use super::destination::{Depth, depth, destination, overwrite};
use super::place::{Guard, Place};
use super::tree::{self, Others};
use super::{Changed, Done, Settings, refuse_body};
use crate::file_work::{self, Failure};
use crate::listing::without_slash;
use engine::access;
use http::core::files;
use http::{Error, Request};
use http1::{Known, Method};
use std::io;
use std::path::{Path, PathBuf};
use sys::file::Kind;

/// Copies or moves what the request's URI names to its `Destination`.
pub(super) async fn transfer(request: &mut Request, settings: &Settings) -> Result<Changed, Error> {
    let target = match check(request) {
        Ok(target) => target,
        Err(failure) => return Ok(Err(failure)),
    };
    let source = files::path_of(request, &request.uri)?;
    // A root with variables is made of the destination's URI.
    let destination = target.uri.clone();
    let uri = std::mem::replace(&mut request.uri, target.uri);
    let path = files::path_of(request, &destination);
    request.uri = uri;
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let job = Transfer {
        is_move: request.method == Method::Move,
        is_collection: request.uri.ends_with(b"/"),
        source: without_slash(source.clone()),
        source_as_named: source,
        target: without_slash(path?),
        overwrite: target.overwrite,
        guard: Guard::of(request),
        folder_mode: access::of_folder(*settings.access),
        uri: shown(&request.uri),
        destination: shown(request.header(Known::Destination).unwrap_or_default()),
    };
    file_work::run(request, move || job.run()).await
}

/// What the request's fields say of the destination.
struct Target {
    /// Its normalised path.
    uri: Vec<u8>,
    /// Whether what is there may be replaced.
    overwrite: bool,
}

fn check(request: &Request) -> Result<Target, Failure> {
    refuse_body(request, "COPY and MOVE with body are")?;
    let uri = destination(request)?;
    if uri.ends_with(b"/") != request.uri.ends_with(b"/") {
        let source = String::from_utf8_lossy(&request.uri);
        let target = String::from_utf8_lossy(request.header(Known::Destination).unwrap_or(&uri));
        let message = format!(
            "both URI \"{source}\" and \"Destination\" URI \"{target}\" should be either collections or non-collections"
        );
        return Err(Failure::refused(409, message));
    }
    match (request.method, depth(request)?) {
        (_, None | Some(Depth::Infinity)) | (Method::Copy, Some(Depth::Zero)) => {}
        (Method::Copy, _) => {
            let message = "\"Depth\" header must be 0 or infinity";
            return Err(Failure::refused(400, message));
        }
        _ => {
            let message = "\"Depth\" header must be infinity";
            return Err(Failure::refused(400, message));
        }
    }
    Ok(Target {
        uri,
        overwrite: overwrite(request)?,
    })
}

/// A copy or move to be made.
struct Transfer {
    is_move: bool,
    /// Whether both URIs name collections.
    is_collection: bool,
    source: PathBuf,
    /// The source with the slash that its URI has: then it must be a folder.
    source_as_named: PathBuf,
    target: PathBuf,
    overwrite: bool,
    guard: Guard,
    /// Permission bits of folders that a moved file needs.
    folder_mode: u32,
    /// The source as the client named it.
    uri: String,
    /// The destination as the client named it.
    destination: String,
}

impl Transfer {
    fn run(self) -> Changed {
        self.check_apart(&self.source, &self.target)?;
        let has_target = self.check_target()?;
        let shown = self.source_as_named.display();
        let source = sys::file::stat_link(&self.source_as_named)
            .map_err(|error| Failure::of_call("lstat()", shown, &error, 404))?;
        if source.is_directory() && !self.is_collection {
            let message = format!("\"{}\" is collection", self.uri);
            return Err(Failure::refused(400, message));
        }
        // The same place may have two names where links lead to it.
        if let (Ok(from), Ok(to)) = (real(&self.source), real_target(&self.target))
            && source.is_directory()
        {
            self.check_apart(&from, &to)?;
        }
        if source.is_directory() {
            self.folder(has_target)
        } else {
            self.file()
        }
    }

    /// Refuses a destination that is the source, or in it, or around it.
    fn check_apart(&self, source: &Path, target: &Path) -> Result<(), Failure> {
        let (uri, destination) = (&self.uri, &self.destination);
        if source == target {
            let message = format!(
                "both URI \"{uri}\" and \"Destination\" URI \"{destination}\" point to the same location"
            );
            return Err(Failure::refused(403, message));
        }
        if self.is_collection && (source.starts_with(target) || target.starts_with(source)) {
            return Err(self.refuse_collection(403));
        }
        Ok(())
    }

    fn refuse_collection(&self, status: u16) -> Failure {
        let (uri, destination) = (&self.uri, &self.destination);
        let done = if self.is_move { "MOVEed" } else { "COPYed" };
        Failure::refused(
            status,
            format!("\"{uri}\" could not be {done} to collection \"{destination}\""),
        )
    }

    /// Whether something is at the destination, and may be replaced.
    fn check_target(&self) -> Result<bool, Failure> {
        let shown = self.target.display();
        let stat = match sys::file::stat_link(&self.target) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Failure::of_call("lstat()", shown, &error, 404)),
        };
        if stat.is_directory() && !self.is_collection {
            return Err(self.refuse_collection(409));
        }
        if !self.overwrite {
            let message = format!("\"{shown}\" could not be created (17: File exists)");
            return Err(Failure::refused(412, message));
        }
        Ok(true)
    }

    /// Copies or moves a folder: what is to be the destination is made beside it, and takes its
    /// name when it is complete.
    fn folder(&self, has_target: bool) -> Changed {
        let (from, to) = self.places()?;
        let shown = self.target.display();
        if !self.guard.follows() && is_link(&from.path) {
            let refused = io::Error::from_raw_os_error(sys::errno::ELOOP);
            return Err(Failure::of_call("open()", shown, &refused, 404));
        }
        let told = |error: io::Error| Failure::of_call("rename()", &shown, &error, 404);
        if self.is_move {
            match self.put_folder(&from.path, &to, has_target) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                other => return other.map(|()| Done::Created).map_err(told),
            }
        }
        let others = if self.is_move {
            Others::Refuse
        } else {
            Others::Skip
        };
        let copy = to.sibling();
        tree::copy_folder(&from.path, &copy, others)?;
        self.put_folder(&copy, &to, has_target).map_err(|error| {
            // The failure that is told is the first one.
            let _ = std::fs::remove_dir_all(&copy);
            told(error)
        })?;
        if self.is_move {
            let source = self.source.display();
            std::fs::remove_dir_all(&from.path)
                .map_err(|error| Failure::of_call("rmdir()", source, &error, 404))?;
        }
        Ok(Done::Created)
    }

    /// Gives the folder `ready` its name; what had it goes, or comes back on failure.
    fn put_folder(&self, ready: &Path, to: &Place, has_target: bool) -> io::Result<()> {
        if !has_target {
            return self.put(ready, &to.path);
        }
        let aside = to.sibling();
        sys::file::rename(&to.path, &aside)?;
        if let Err(error) = sys::file::rename(ready, &to.path) {
            // The failure that is told is the first one.
            let _ = sys::file::rename(&aside, &to.path);
            return Err(error);
        }
        // A link is removed, and what it leads to stays.
        match sys::file::stat_link(&aside)?.is_directory() {
            true => std::fs::remove_dir_all(&aside),
            false => sys::file::remove_file(&aside),
        }
    }

    /// Copies or moves a file.
    fn file(&self) -> Changed {
        let (source, target) = (self.source.display(), self.target.display());
        if !self.is_move {
            let (from, to) = self.places()?;
            self.copy_file(&from, &to)?;
            return Ok(Done::Changed);
        }
        let rename = || {
            let (from, to) = (
                self.guard.place(&self.source)?,
                self.guard.place(&self.target)?,
            );
            self.put(&from.path, &to.path)
        };
        let mut renamed = rename();
        if matches!(&renamed, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.guard
                .create_parents(&self.target, self.folder_mode)
                .map_err(|error| Failure::of_storing("mkdir()", target.to_string(), &error))?;
            renamed = rename();
        }
        match renamed {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let (from, to) = self.places()?;
                self.copy_file(&from, &to)?;
                sys::file::remove_file(&from.path)
                    .map_err(|error| Failure::of_storing("unlink()", source.to_string(), &error))?;
            }
            Err(error) => {
                let both = format!("{source}\" to \"{target}");
                return Err(Failure::of_storing("rename()", both, &error));
            }
        }
        Ok(Done::Changed)
    }

    /// Copies a file beside the destination, and then over it.
    fn copy_file(&self, from: &Place, to: &Place) -> Result<(), Failure> {
        let copy = to.sibling();
        tree::copy_file(&from.path, &copy, self.guard.follows())?;
        self.put(&copy, &to.path).map_err(|error| {
            // The failure that is told is the first one.
            let _ = sys::file::remove_file(&copy);
            Failure::of_storing("rename()", self.target.display(), &error)
        })
    }

    /// Renames `from` to `to`, over what is there only if the client agrees.
    fn put(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.overwrite {
            return sys::file::rename(from, to);
        }
        match sys::file::rename_without_replacing(from, to) {
            // Some file systems cannot promise it. That nothing is there was seen before.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                sys::file::rename(from, to)
            }
            other => other,
        }
    }

    fn places(&self) -> Result<(Place, Place), Failure> {
        let place = |path: &Path| {
            self.guard
                .place(path)
                .map_err(|error| Failure::of_call("open()", path.display(), &error, 404))
        };
        Ok((place(&self.source)?, place(&self.target)?))
    }
}

/// The path of what `path` leads to, without links.
fn real(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// The same for a path of which only the folder is there.
fn real_target(path: &Path) -> io::Result<PathBuf> {
    match (real(path), path.parent(), path.file_name()) {
        (Err(_), Some(parent), Some(name)) => Ok(real(parent)?.join(name)),
        (found, _, _) => found,
    }
}

fn is_link(path: &Path) -> bool {
    sys::file::stat_link(path).is_ok_and(|stat| stat.kind() == Kind::Link)
}
