//! File work that may take long: where it runs, and how its failures are told.
//!
//! Folders of many names and whole trees would hold up every other client of the worker. With
//! `aio threads` such work is done by the location's thread pool, otherwise in the worker.

use http::core::files::Aio;
use http::error::os_error;
use http::{Error, Flow, Request};
use runtime::log::Level;
use std::fmt::Display;
use std::io;
use std::rc::Rc;

/// Runs `job` where the request's location wants file work done.
///
/// # Errors
///
/// The thread pool has more jobs waiting than it may.
pub(crate) async fn run<T, J>(request: &Request, job: J) -> Result<T, Error>
where
    T: Send + 'static,
    J: FnOnce() -> T + Send + 'static,
{
    let server = &request.connection.http;
    let pool = match &*request.location.files.aio {
        Aio::Off => None,
        Aio::Threads(name) => server.pools.get(name).map(Rc::clone),
    };
    match pool {
        None => Ok(job()),
        Some(pool) => server
            .worker
            .blocking(&pool, job)
            .await
            .map_err(|full| Error::operator(full.to_string())),
    }
}

/// Why file work was not done: what the client is told, and what the error log.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The status of the answer.
    pub(crate) status: u16,
    level: Level,
    message: String,
}

impl Failure {
    /// What the request asks for cannot be, whatever the system says.
    pub(crate) fn refused(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            level: Level::Error,
            message: message.into(),
        }
    }

    /// The system said `error` to `call` on `path`; a file that is not there means `missing`.
    pub(crate) fn of_call(call: &str, path: impl Display, error: &io::Error, missing: u16) -> Self {
        let status = status_of(error, missing);
        let is_ours = matches!(status, 500 | 507);
        Self {
            status,
            level: if is_ours { Level::Crit } else { Level::Error },
            message: format!("{call} \"{path}\" failed ({})", os_error(error)),
        }
    }

    /// The same, when all that was checked before went well: the fault is ours, or the disk is
    /// full.
    pub(crate) fn of_storing(call: &str, path: impl Display, error: &io::Error) -> Self {
        let status = match status_of(error, 500) {
            full @ 507 => full,
            _ if error.raw_os_error() == Some(sys::errno::ELOOP) => 403,
            _ => 500,
        };
        Self {
            status,
            level: Level::Crit,
            message: format!("{call} \"{path}\" failed ({})", os_error(error)),
        }
    }

    /// Logs the failure.
    pub(crate) fn log(&self, request: &Request) {
        request.log(self.level, &self.message);
    }

    /// Logs the failure and makes it the answer.
    pub(crate) fn answer(&self, request: &Request) -> Flow {
        self.log(request);
        Flow::Status(self.status)
    }
}

/// What a client is told of `error`.
fn status_of(error: &io::Error, missing: u16) -> u16 {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => missing,
        io::ErrorKind::PermissionDenied => 403,
        io::ErrorKind::AlreadyExists => 405,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => 507,
        _ if error.raw_os_error() == Some(sys::errno::ELOOP) => 403,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: io::ErrorKind, calling: u16, storing: u16) {
        let error = io::Error::from(kind);
        assert_eq!(Failure::of_call("open()", "x", &error, 409).status, calling);
        assert_eq!(Failure::of_storing("open()", "x", &error).status, storing);
    }

    #[test]
    fn statuses_say_whose_fault_it_is() {
        check(io::ErrorKind::NotFound, 409, 500);
        check(io::ErrorKind::NotADirectory, 409, 500);
        check(io::ErrorKind::PermissionDenied, 403, 500);
        check(io::ErrorKind::AlreadyExists, 405, 500);
        check(io::ErrorKind::StorageFull, 507, 507);
        check(io::ErrorKind::QuotaExceeded, 507, 507);
        check(io::ErrorKind::DirectoryNotEmpty, 500, 500);
    }
}
