//! Where a file is, or is to be, with the symbolic links on the way that may be followed.

use crate::symlinks;
use http::Request;
use http::core::files::SymlinkPolicy;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Which symbolic links a location lets paths cross.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    policy: SymlinkPolicy,
    from: Option<Vec<u8>>,
}

/// A path whose folders are known to cross no refused link, for as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    /// What to hand to the system.
    pub(super) path: PathBuf,
    /// Keeps the folder that `path` goes through.
    _folder: Option<OwnedFd>,
}

impl Guard {
    /// What `disable_symlinks` says for `request`.
    pub(super) fn of(request: &Request) -> Self {
        let symlinks = &*request.location.files.disable_symlinks;
        Self {
            policy: symlinks.policy,
            from: symlinks.from.as_ref().map(|from| from.eval(request)),
        }
    }

    /// The place of `path`. A link at its very end stays what it is: whoever opens it decides.
    ///
    /// # Errors
    ///
    /// `ELOOP` for a refused link; what else opening the folder says, when it must be opened.
    pub(super) fn place(&self, path: &Path) -> io::Result<Place> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Place::unchecked(path));
        };
        if self.policy == SymlinkPolicy::Off {
            return Ok(Place::unchecked(path));
        }
        let folder =
            symlinks::open(parent, self.from.as_deref(), self.policy).map_err(|error| {
                // What is opened as a folder and turns out to be a refused link is called none.
                match error.kind() {
                    io::ErrorKind::NotADirectory => io::Error::from_raw_os_error(sys::errno::ELOOP),
                    _ => error,
                }
            })?;
        // The descriptor stands for the folder that was checked, whatever its path leads to by
        // now.
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
        Ok(Place {
            path: path.join(name),
            _folder: Some(folder),
        })
    }

    /// Makes the folders that lead to `path`, with the permission bits `mode`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn create_parents(&self, path: &Path, mode: u32) -> io::Result<()> {
        let folders: Vec<&Path> = path.ancestors().skip(1).collect();
        let is_there = |folder: &&Path| sys::file::stat(*folder).is_ok();
        let missing = folders.iter().position(is_there).unwrap_or(folders.len());
        for folder in folders.iter().take(missing).rev() {
            match sys::file::create_directory(&self.place(folder)?.path, mode) {
                // Another request was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Whether a link at the end of a path may be followed.
    pub(super) fn follows(&self) -> bool {
        self.policy == SymlinkPolicy::Off
    }
}

impl Place {
    fn unchecked(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _folder: None,
        }
    }

    /// A new name in the same folder, hidden from listings, for what is not ready yet or not
    /// wanted any more.
    pub(super) fn sibling(&self) -> PathBuf {
        let number = u64::from_le_bytes(sys::random::bytes());
        self.path
            .with_file_name(OsString::from(format!(".dav-{number:016x}")))
    }
}
