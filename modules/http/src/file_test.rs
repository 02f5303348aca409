//! What is at a path, for those that ask before anything is opened: `if (-f ...)`,
//! `try_files`.

use http::Request;
use http::core::files::{FILES, SymlinkPolicy};
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
    let location = Rc::clone(&request.location);
    let symlinks = &*FILES.of(&location.settings).disable_symlinks;
    let found = if symlinks.policy == SymlinkPolicy::Off {
        sys::file::stat(path)
    } else {
        let from = symlinks.from.as_ref().map(|from| from.eval(request));
        crate::symlinks::open(path, from.as_deref(), symlinks.policy)
            .and_then(|file| sys::file::stat_of(file.as_fd()))
    };
    match found {
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
