//! Opening files, with as much or as little trust in the path as the caller has.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::PathArg;
use crate::outcome::{check, fit};

/// How a file is opened. `O_CLOEXEC` is always part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open(libc::c_int);

impl Open {
    /// To read. Without waiting where the name turns out to be a FIFO or a device, so that no
    /// file in a document root can hang a worker.
    pub const READ: Self = Self(libc::O_RDONLY | libc::O_NONBLOCK);
    /// To write, from the start, keeping what is there.
    pub const WRITE: Self = Self(libc::O_WRONLY | libc::O_NONBLOCK);
    /// To read and write.
    pub const READ_WRITE: Self = Self(libc::O_RDWR | libc::O_NONBLOCK);
    /// To add at the end; made if missing. The way log files are opened.
    pub const APPEND: Self = Self(libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT);
    /// Only to name the place: for `stat_of` and as the folder of `open_at`.
    pub const PATH: Self = Self(libc::O_PATH);
    /// A folder to read, or to open further names in.
    pub const DIRECTORY: Self = Self(libc::O_RDONLY | libc::O_DIRECTORY);

    /// Also makes the file if it is missing.
    #[must_use]
    pub const fn create(self) -> Self {
        Self(self.0 | libc::O_CREAT)
    }

    /// Makes the file, and fails with `AlreadyExists` if there is one.
    #[must_use]
    pub const fn create_new(self) -> Self {
        Self(self.0 | libc::O_CREAT | libc::O_EXCL)
    }

    /// Empties the file.
    #[must_use]
    pub const fn truncate(self) -> Self {
        Self(self.0 | libc::O_TRUNC)
    }

    /// Fails with `ELOOP` when the last component is a symbolic link.
    #[must_use]
    pub const fn no_follow(self) -> Self {
        Self(self.0 | libc::O_NOFOLLOW)
    }

    /// Fails with `ENOTDIR` when the last component is not a folder.
    #[must_use]
    pub const fn directory(self) -> Self {
        Self(self.0 | libc::O_DIRECTORY)
    }

    const fn flags(self) -> libc::c_int {
        self.0 | libc::O_CLOEXEC
    }
}

/// How far a path may wander from the folder it is opened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// Neither `..` nor a symbolic link may lead out of the folder; links inside it are followed.
    Beneath,
    /// As `Beneath`, and no component may be a symbolic link at all.
    BeneathWithoutLinks,
}

/// Opens `path`; `mode` are the permission bits of a file that gets made.
///
/// # Errors
///
/// The kernel's.
pub fn open(path: &(impl PathArg + ?Sized), how: Open, mode: u32) -> io::Result<OwnedFd> {
    path.with_c_str(|path| raw_open_at(libc::AT_FDCWD, path, how, mode))
}

/// Opens `path` as seen from `folder`, following links as the kernel does.
///
/// # Errors
///
/// The kernel's.
pub fn open_at(
    folder: BorrowedFd<'_>,
    path: &(impl PathArg + ?Sized),
    how: Open,
    mode: u32,
) -> io::Result<OwnedFd> {
    path.with_c_str(|path| raw_open_at(folder.as_raw_fd(), path, how, mode))
}

/// Opens the relative `path` without leaving `folder`.
///
/// On kernels without `openat2(2)` (before 5.6, or where a seccomp filter hides it) the path is
/// walked one component at a time, and both kinds of [`Resolve`] refuse links and `..`.
///
/// # Errors
///
/// `EXDEV` when the path leads out of the folder, `ELOOP` when it crosses a link that it must
/// not, else the kernel's.
pub fn open_beneath(
    folder: BorrowedFd<'_>,
    path: &(impl PathArg + ?Sized),
    how: Open,
    mode: u32,
    resolve: Resolve,
) -> io::Result<OwnedFd> {
    path.with_c_str(
        |path| match open_with_openat2(folder, path, how, mode, resolve) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                walk_beneath(folder, path, how, mode)
            }
            answer => answer,
        },
    )
}

fn raw_open_at(folder: libc::c_int, path: &CStr, how: Open, mode: u32) -> io::Result<OwnedFd> {
    loop {
        // SAFETY: `path` is NUL-terminated and outlives the call; `mode` is the argument that
        // O_CREAT asks for, and is ignored without it.
        let fd = unsafe { libc::openat(folder, path.as_ptr(), how.flags(), mode) };
        match check(fd) {
            // SAFETY: the kernel has just given this descriptor to us alone.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn open_with_openat2(
    folder: BorrowedFd<'_>,
    path: &CStr,
    how: Open,
    mode: u32,
    resolve: Resolve,
) -> io::Result<OwnedFd> {
    // SAFETY: `open_how` is three integers, for which zero is a value.
    let mut request: libc::open_how = unsafe { std::mem::zeroed() };
    request.flags = fit(how.flags())?;
    // openat2 rejects a mode where nothing can be made.
    request.mode = if how.0 & libc::O_CREAT == 0 {
        0
    } else {
        u64::from(mode)
    };
    request.resolve = match resolve {
        Resolve::Beneath => libc::RESOLVE_BENEATH,
        Resolve::BeneathWithoutLinks => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS,
    };

    // SAFETY: the arguments are those of openat2(2): an open descriptor, a NUL-terminated path,
    // and a structure of the stated size, all alive until the call returns.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            folder.as_raw_fd(),
            path.as_ptr(),
            &raw const request,
            size_of::<libc::open_how>(),
        )
    };
    let fd = check(fit(fd)?)?;
    // SAFETY: the kernel has just given this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What `openat2` does with no links, from `openat` alone.
fn walk_beneath(folder: BorrowedFd<'_>, path: &CStr, how: Open, mode: u32) -> io::Result<OwnedFd> {
    if path.to_bytes().first() == Some(&b'/') {
        return Err(io::Error::from_raw_os_error(libc::EXDEV));
    }
    let mut components = path
        .to_bytes()
        .split(|&byte| byte == b'/')
        .filter(|component| !component.is_empty() && *component != b".")
        .peekable();
    if components.peek().is_none() {
        return open_at(folder, c".", how, mode);
    }

    let mut reached: Option<OwnedFd> = None;
    while let Some(component) = components.next() {
        if component == b".." {
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        let from = reached.as_ref().map_or(folder, AsFd::as_fd);
        let component = CString::new(component).map_err(|_| io::ErrorKind::InvalidInput)?;
        if components.peek().is_none() {
            return open_at(from, &component, how.no_follow(), mode);
        }
        // O_DIRECTORY turns a link into ENOTDIR, where openat2 says ELOOP.
        let next = open_at(from, &component, Open::PATH.no_follow(), 0)?;
        match super::stat_of(next.as_fd())?.kind() {
            super::Kind::Directory => reached = Some(next),
            super::Kind::Link => return Err(io::Error::from_raw_os_error(libc::ELOOP)),
            _ => return Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOENT))
}

#[cfg(test)]
pub(super) fn walk_for_test(folder: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    walk_beneath(folder, path, Open::READ, 0)
}
