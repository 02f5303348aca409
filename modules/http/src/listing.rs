//! What is in a folder, for those who list it or choose from it.

use crate::file_work::Failure;
use std::io;
use std::path::{Path, PathBuf};
use sys::file::{Kind, Stat};

/// What is in a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The names that do not begin with a dot, in the file system's order.
    pub(crate) entries: Vec<Entry>,
    /// Why some are missing.
    pub(crate) skipped: Vec<Failure>,
}

/// One name in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The name.
    pub(crate) name: Vec<u8>,
    /// What it leads to; a link only where it leads nowhere.
    pub(crate) kind: Kind,
    /// Bytes in it; 0 where it was not looked at.
    pub(crate) size: u64,
    /// When it was last changed, in seconds since 1970; 0 where it was not looked at.
    pub(crate) mtime: i64,
}

/// How closely names are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only what they are.
    Kinds,
    /// Sizes and times, too: one more call of the system each.
    Everything,
}

/// The path of a folder, of which its location made `path` with a slash at its end.
pub(crate) fn without_slash(path: PathBuf) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    match path.as_os_str().as_bytes() {
        [rest @ .., b'/'] if !rest.is_empty() => {
            PathBuf::from(std::ffi::OsString::from_vec(rest.to_vec()))
        }
        _ => path,
    }
}

/// Reads the folder at `path`.
///
/// # Errors
///
/// 404, 403 or 500, depending on why it cannot be read.
pub(crate) fn read(path: &Path, detail: Detail) -> Result<Listing, Failure> {
    let names = open(path)?;
    let mut listing = Listing::default();
    for name in names {
        let name =
            name.map_err(|error| Failure::of_storing("readdir()", path.display(), &error))?;
        if name.name.starts_with(b".") {
            continue;
        }
        match (detail, name.kind) {
            (Detail::Kinds, Some(kind)) if kind != Kind::Link => listing.entries.push(Entry {
                name: name.name,
                kind,
                size: 0,
                mtime: 0,
            }),
            _ => look_at(path, name.name, &mut listing)?,
        }
    }
    Ok(listing)
}

/// Opens the folder at `path`.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn open(path: &Path) -> Result<sys::file::Directory, Failure> {
    sys::file::read_directory(path)
        .map_err(|error| Failure::of_call("opendir()", path.display(), &error, 404))
}

/// Adds `name` with what it leads to; one that may not be looked at is left out.
fn look_at(folder: &Path, name: Vec<u8>, listing: &mut Listing) -> Result<(), Failure> {
    use std::os::unix::ffi::OsStrExt;
    let path = folder.join(std::ffi::OsStr::from_bytes(&name));
    let stat = match sys::file::stat(&path) {
        Ok(stat) => stat,
        Err(error) if leads_nowhere(&error) => match sys::file::stat_link(&path) {
            Ok(stat) => stat,
            // Removed since its name was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::of_storing("lstat()", path.display(), &error)),
        },
        Err(error) => {
            let failure = Failure::of_storing("stat()", path.display(), &error);
            if error.kind() == io::ErrorKind::PermissionDenied {
                listing.skipped.push(failure);
                return Ok(());
            }
            return Err(failure);
        }
    };
    listing.entries.push(Entry::new(name, &stat));
    Ok(())
}

fn leads_nowhere(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(sys::errno::ELOOP)
}

impl Entry {
    fn new(name: Vec<u8>, stat: &Stat) -> Self {
        Self {
            name,
            kind: stat.kind(),
            size: stat.size,
            mtime: stat.mtime(),
        }
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Whether it is a regular file.
    pub(crate) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }
}
