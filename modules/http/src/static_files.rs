//! Answers with the file that the URI names.
//!
//! Runs last in the content phase. Small files that are asked for again are kept in memory,
//! and every request still looks at the file's identity, size and times on disk, so that what
//! a client gets is what is there now: one `statx` instead of open, fstat, read and close.

mod cache;
mod open;

use cache::FileCache;
use http::core::files::{self, Files};
use http::error::os_error;
use http::{Body, Bytes, Error, Flow, Handler, LastModified, Module, Phase, Request, Response};
use http1::Method;
use runtime::log::Level;
use std::io;
use std::rc::Rc;

pub(crate) use open::{Found, Opened, open_checked, open_now};

/// The last handler of the content phase.
pub(crate) static MODULE: Module = Module {
    name: "static",
    handlers: &[Handler::now(Phase::Content, http::module::always, answer)],
    ..Module::EMPTY
};

/// Answers GET and HEAD with a file, a folder's URI with a redirect to its slash.
fn answer(request: &mut Request) -> Result<Flow, Error> {
    if !matches!(request.method, Method::Get | Method::Head | Method::Post) {
        return Ok(Flow::Status(405));
    }
    if request.uri.ends_with(b"/") {
        return Ok(Flow::Decline);
    }
    let path = files::path_of(request, &request.uri)?;
    let location = Rc::clone(&request.location);
    let settings = &location.files;
    let opened = match open::open(request, settings, &path) {
        Ok(opened) => opened,
        Err(error) => return failure(request, settings, &path, &error),
    };
    match opened {
        Opened::Directory => Ok(Flow::respond(to_slash(request))),
        Opened::Other => {
            let shown = path.display();
            request.log(Level::Crit, &format!("\"{shown}\" is not a regular file"));
            Ok(Flow::Status(404))
        }
        // Only a file that is there refuses what is posted to it; else it is not found.
        Opened::File(_) if request.method == Method::Post => Ok(Flow::Status(405)),
        Opened::File(found) => Ok(Flow::respond(respond(request, settings, &found))),
    }
}

fn respond(request: &Request, settings: &Files, found: &Found) -> Response {
    let mut response = Response::new(200);
    let head = &mut response.head;
    head.content_type = Some(files::content_type(request));
    head.content_length = Some(found.size);
    head.last_modified = Some(LastModified::At(found.mtime));
    if *settings.etag {
        head.etag = Some(found.etag.clone());
    }
    head.allows_ranges = true;
    response.body = found.body();
    response
}

/// A redirect from a folder's name to its slash. The path is what the client sent where that
/// is still what is asked for, so that its escapes stay as they were.
fn to_slash(request: &Request) -> Response {
    let mut target = Vec::new();
    if request.uri_is_original && !request.head.parsed.target.complex {
        target.extend_from_slice(&request.uri);
    } else {
        base::escape::uri(base::escape::Uri::Path, &request.uri, &mut target);
    }
    // Two slashes at the beginning would name another host.
    let extra = target.iter().take_while(|byte| **byte == b'/').count();
    target.drain(..extra.saturating_sub(1));
    target.push(b'/');
    if !request.args.is_empty() {
        target.push(b'?');
        target.extend_from_slice(&request.args);
    }
    http::redirect::to(request, 301, target)
}

/// Answers a file that cannot be opened, and logs why, as nginx does.
fn failure(
    request: &Request,
    settings: &Files,
    path: &std::path::Path,
    error: &io::Error,
) -> Result<Flow, Error> {
    let (level, status) = status_of(error);
    if status != 404 || *settings.log_not_found {
        let shown = path.display();
        request.log(
            level,
            &format!("open() \"{shown}\" failed ({})", os_error(error)),
        );
    }
    Ok(Flow::Status(status))
}

/// What a client is told of a failure to open a file, and how loudly it is logged.
pub(crate) fn status_of(error: &io::Error) -> (Level, u16) {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => (Level::Error, 404),
        io::ErrorKind::PermissionDenied => (Level::Error, 403),
        _ if error.raw_os_error() == Some(sys::errno::ELOOP) => (Level::Error, 403),
        io::ErrorKind::CrossesDevices => (Level::Error, 403),
        _ => (Level::Crit, 500),
    }
}

thread_local! {
    /// Small files of this worker. Not part of a configuration: what is kept is what is on
    /// disk, whoever asks.
    static CACHE: FileCache = FileCache::default();
}
