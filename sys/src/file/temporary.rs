//! Files that get their real name once they are complete.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::{Open, open, remove_file, rename};

/// How often another name is tried before giving up.
const ATTEMPTS: usize = 1000;

/// A file that is removed again unless it is kept.
#[derive(Debug)]
pub struct Temporary {
    file: OwnedFd,
    name: Name,
}

/// A path that is removed when it goes; nothing, once empty.
#[derive(Debug)]
struct Name(PathBuf);

impl Name {
    fn forget(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // Nobody is left to be told; a file that cannot be removed stays as litter.
            drop(remove_file(self.0.as_path()));
        }
    }
}

/// Makes a new file at the first path of `paths` that is free, to read and write, with the
/// permission bits `mode` whatever the umask. Never follows a link and never opens a file that
/// was there.
///
/// # Errors
///
/// `AlreadyExists` when `paths` end, or a thousand of them were taken; else the kernel's.
pub fn create_unique(paths: impl IntoIterator<Item = PathBuf>, mode: u32) -> io::Result<Temporary> {
    for path in paths.into_iter().take(ATTEMPTS) {
        match open(&path, Open::READ_WRITE.create_new(), mode) {
            Ok(file) => {
                let made = Temporary {
                    file,
                    name: Name(path),
                };
                super::change_mode_of(made.as_fd(), mode)?;
                return Ok(made);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Temporary {
    /// Where the file is for now.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.name.0
    }

    /// Gives the file its real name, at once, replacing what had it.
    ///
    /// # Errors
    ///
    /// The kernel's, with the file as it was; `CrossesDevices` when `to` is on another file
    /// system.
    pub fn rename_to(self, to: &Path) -> Result<OwnedFd, (Self, io::Error)> {
        match rename(self.path(), to) {
            Ok(()) => Ok(self.keep()),
            Err(e) => Err((self, e)),
        }
    }

    /// Leaves the file where it is, for good.
    #[must_use]
    pub fn keep(self) -> OwnedFd {
        self.name.forget();
        self.file
    }

    /// Takes the name away now; the content lives on until the descriptor is closed.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn unlink(self) -> io::Result<OwnedFd> {
        remove_file(self.path())?;
        Ok(self.keep())
    }
}

impl AsFd for Temporary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
