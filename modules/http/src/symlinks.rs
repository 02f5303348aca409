//! Opening a file without following symbolic links that `disable_symlinks` refuses.
//!
//! The path is walked one component at a time, each opened as seen from the one before, so
//! that a link swapped in between two steps is either refused or never met.

use http::core::files::SymlinkPolicy;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use sys::file::{Open, Stat};

/// The mode of a file that is made.
const NEW_FILE: u32 = 0o644;

/// Opens `path` to read. Components inside `from`, a leading part of the path, are trusted.
///
/// # Errors
///
/// `ELOOP` for a refused link, else the system's.
pub(crate) fn open(path: &Path, from: Option<&[u8]>, policy: SymlinkPolicy) -> io::Result<OwnedFd> {
    open_as(path, from, policy, (Open::READ, policy))
}

/// Opens `path` to add to it, and makes it if it is missing, though never where a link leads.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_to_append(
    path: &Path,
    from: Option<&[u8]>,
    policy: SymlinkPolicy,
) -> io::Result<OwnedFd> {
    // A link that leads nowhere yet has no owner to compare: nginx follows none here either.
    open_as(path, from, policy, (Open::APPEND, SymlinkPolicy::On))
}

/// `last` says how to open the last component, and which links it may be.
fn open_as(
    path: &Path,
    from: Option<&[u8]>,
    policy: SymlinkPolicy,
    last: (Open, SymlinkPolicy),
) -> io::Result<OwnedFd> {
    let (start, rest) = split(path, from);
    let mut folder = sys::file::open(start, Open::PATH.directory(), 0)?;
    let mut components = rest.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else {
            continue;
        };
        if components.peek().is_some() {
            folder = step(folder.as_fd(), name, policy, Open::PATH.directory())?;
        } else {
            return step(folder.as_fd(), name, last.1, last.0);
        }
    }
    sys::file::open_at(folder.as_fd(), Path::new("."), last.0, 0)
}

/// The part that is trusted, and the rest.
fn split<'p>(path: &'p Path, from: Option<&[u8]>) -> (&'p Path, &'p Path) {
    let trusted = from.map(|from| Path::new(OsStr::from_bytes(from)).components().count());
    let Some(count) =
        trusted.filter(|_| from.is_some_and(|f| path.starts_with(OsStr::from_bytes(f))))
    else {
        return (Path::new("/"), path.strip_prefix("/").unwrap_or(path));
    };
    let mut components = path.components();
    for _ in 0..count {
        components.next();
    }
    let rest = components.as_path();
    let len = path.as_os_str().len() - rest.as_os_str().len();
    (
        Path::new(OsStr::from_bytes(&path.as_os_str().as_bytes()[..len])),
        rest,
    )
}

fn step(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    policy: SymlinkPolicy,
    how: Open,
) -> io::Result<OwnedFd> {
    let name = Path::new(name);
    match sys::file::open_at(folder, name, how.no_follow(), NEW_FILE) {
        Err(error) if policy == SymlinkPolicy::IfNotOwner && is_link_refusal(&error) => {}
        other => return other,
    }
    // A link: follow it if whoever made it also owns what it leads to.
    let link = sys::file::stat_at(folder, name, false)?;
    let opened = sys::file::open_at(folder, name, how, 0)?;
    let target: Stat = sys::file::stat_of(opened.as_fd())?;
    if link.uid == target.uid {
        Ok(opened)
    } else {
        Err(io::Error::from_raw_os_error(sys::errno::ELOOP))
    }
}

/// `O_NOFOLLOW` on a link fails with `ELOOP`, with `O_DIRECTORY` as `ENOTDIR`.
fn is_link_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(sys::errno::ELOOP) || error.kind() == io::ErrorKind::NotADirectory
}
