//! Permissions, owners, times and flags of files.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::PathArg;
use crate::outcome::{check, fit};

/// What a process wants to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Know that it is there.
    Exist,
    /// Read it.
    Read,
    /// Write it.
    Write,
    /// Execute it, or pass through it where it is a folder.
    Execute,
}

/// Whether the process, with its effective user, may use `path` so: `Ok` if it may.
///
/// # Errors
///
/// `PermissionDenied` when it may not, `NotFound` when there is nothing.
pub fn accessible(path: &(impl PathArg + ?Sized), access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Exist => libc::F_OK,
        Access::Read => libc::R_OK,
        Access::Write => libc::W_OK,
        Access::Execute => libc::X_OK,
    };
    path.with_c_str(|path| {
        // SAFETY: `path` is NUL-terminated and outlives the call.
        check(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) })
            .map(drop)
    })
}

/// Sets the permission bits of `path`.
///
/// # Errors
///
/// The kernel's.
pub fn change_mode(path: &(impl PathArg + ?Sized), mode: u32) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    path.with_c_str(|path| check(unsafe { libc::chmod(path.as_ptr(), mode) }).map(drop))
}

/// Sets the permission bits of an open file.
///
/// # Errors
///
/// The kernel's.
pub fn change_mode_of(file: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: only takes an open descriptor and a number.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode) }).map(drop)
}

/// Gives `path` to another user, and to another group where one is named.
///
/// # Errors
///
/// The kernel's.
pub fn change_owner(
    path: &(impl PathArg + ?Sized),
    user: u32,
    group: Option<u32>,
) -> io::Result<()> {
    let group = group.unwrap_or(u32::MAX);
    // SAFETY: the path is NUL-terminated and outlives the call; a group of -1 stays as it is.
    path.with_c_str(|path| check(unsafe { libc::chown(path.as_ptr(), user, group) }).map(drop))
}

/// Gives an open file to another user, and to another group where one is named.
///
/// # Errors
///
/// The kernel's.
pub fn change_owner_of(file: BorrowedFd<'_>, user: u32, group: Option<u32>) -> io::Result<()> {
    // SAFETY: only takes an open descriptor and numbers; a group of -1 stays as it is.
    check(unsafe { libc::fchown(file.as_raw_fd(), user, group.unwrap_or(u32::MAX)) }).map(drop)
}

/// Sets when the content of `path` last changed, in seconds since 1970, and the time of last
/// access along with it.
///
/// # Errors
///
/// The kernel's.
pub fn set_modified(path: &(impl PathArg + ?Sized), seconds: i64) -> io::Result<()> {
    let times = both_times(seconds)?;
    path.with_c_str(|path: &CStr| {
        // SAFETY: the path is NUL-terminated, and `times` are the two entries asked for.
        check(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) })
            .map(drop)
    })
}

/// As [`set_modified`], of an open file.
///
/// # Errors
///
/// The kernel's.
pub fn set_modified_of(file: BorrowedFd<'_>, seconds: i64) -> io::Result<()> {
    let times = both_times(seconds)?;
    // SAFETY: `times` are the two entries asked for, alive until the call returns.
    check(unsafe { libc::futimens(file.as_raw_fd(), times.as_ptr()) }).map(drop)
}

fn both_times(seconds: i64) -> io::Result<[libc::timespec; 2]> {
    let time = libc::timespec {
        tv_sec: fit(seconds)?,
        tv_nsec: 0,
    };
    Ok([time, time])
}

/// Turns reading past the page cache on or off (`directio`). Offsets, lengths and buffers must
/// then be multiples of the device's block.
///
/// # Errors
///
/// `EINVAL` where the file system cannot.
pub fn set_direct_io(file: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    // SAFETY: only takes an open descriptor.
    let flags = check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) })?;
    let flags = if on {
        flags | libc::O_DIRECT
    } else {
        flags & !libc::O_DIRECT
    };
    // SAFETY: only takes an open descriptor and a number.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}
