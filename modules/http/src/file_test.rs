//! What is at a path, for those that ask before anything is opened: `if (-f ...)`,
//! `try_files`.

use http::Request;
use http::core::files::SymlinkPolicy;
use http::error::os_error;
use runtime::log::Level;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use sys::file::Stat;

/// What the file system says of `path`; `None` when nothing is there, or nothing that may be
/// seen.
///
/// Looks at the disk each time, whatever `open_file_cache` remembers: one `statx` is cheap,
/// and a file that just appeared is found. Failures other than a missing file are logged, as
/// in nginx.
pub(crate) fn look(request: &Request, path: &Path) -> Option<Stat> {
    match stat(request, path) {
        Ok(stat) => Some(stat),
        Err(error) => {
            if !is_missing(&error) {
                let (path, reason) = (path.display(), os_error(&error));
                let message = format!("stat() \"{path}\" failed ({reason})");
                request.log(Level::Crit, &message);
            }
            None
        }
    }
}

/// Looks at `path` without following links that `disable_symlinks` refuses.
///
/// # Errors
///
/// The system's; `ELOOP` for a refused link.
pub(crate) fn stat(request: &Request, path: &Path) -> io::Result<Stat> {
    let location = Rc::clone(&request.location);
    let symlinks = &*location.files.disable_symlinks;
    if symlinks.policy == SymlinkPolicy::Off {
        return sys::file::stat(path);
    }
    let from = symlinks.from.as_ref().map(|from| from.eval(request));
    let file = crate::symlinks::open(path, from.as_deref(), symlinks.policy)?;
    sys::file::stat_of(file.as_fd())
}

/// Whether nothing is at the path: no such name, or one that cannot be a name.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput
    )
}
