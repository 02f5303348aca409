//! Names in the file system: making, moving and removing them.

use std::io;

use super::PathArg;
use crate::outcome::check;

/// Makes a folder with the permission bits `mode`, less the process's umask.
///
/// # Errors
///
/// The kernel's.
pub fn create_directory(path: &(impl PathArg + ?Sized), mode: u32) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    path.with_c_str(|path| check(unsafe { libc::mkdir(path.as_ptr(), mode) }).map(drop))
}

/// Removes an empty folder.
///
/// # Errors
///
/// The kernel's.
pub fn remove_directory(path: &(impl PathArg + ?Sized)) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    path.with_c_str(|path| check(unsafe { libc::rmdir(path.as_ptr()) }).map(drop))
}

/// Removes a name that is no folder.
///
/// # Errors
///
/// The kernel's.
pub fn remove_file(path: &(impl PathArg + ?Sized)) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    path.with_c_str(|path| check(unsafe { libc::unlink(path.as_ptr()) }).map(drop))
}

/// Moves `from` to `to` at once, replacing what was there.
///
/// # Errors
///
/// The kernel's, among them `CrossesDevices`: then copy and remove.
pub fn rename(from: &(impl PathArg + ?Sized), to: &(impl PathArg + ?Sized)) -> io::Result<()> {
    from.with_c_str(|from| {
        // SAFETY: both paths are NUL-terminated and outlive the call.
        to.with_c_str(|to| check(unsafe { libc::rename(from.as_ptr(), to.as_ptr()) }).map(drop))
    })
}

/// Moves `from` to `to` at once, unless there is something already.
///
/// # Errors
///
/// `AlreadyExists` then, else the kernel's; `EINVAL` on file systems that cannot promise it.
pub fn rename_without_replacing(
    from: &(impl PathArg + ?Sized),
    to: &(impl PathArg + ?Sized),
) -> io::Result<()> {
    from.with_c_str(|from| {
        to.with_c_str(|to| {
            // SAFETY: both paths are NUL-terminated and outlive the call.
            check(unsafe {
                libc::renameat2(
                    libc::AT_FDCWD,
                    from.as_ptr(),
                    libc::AT_FDCWD,
                    to.as_ptr(),
                    libc::RENAME_NOREPLACE,
                )
            })
            .map(drop)
        })
    })
}

/// Gives the file `from` a second name.
///
/// # Errors
///
/// The kernel's, among them `AlreadyExists`.
pub fn hard_link(from: &(impl PathArg + ?Sized), to: &(impl PathArg + ?Sized)) -> io::Result<()> {
    from.with_c_str(|from| {
        // SAFETY: both paths are NUL-terminated and outlive the call.
        to.with_c_str(|to| check(unsafe { libc::link(from.as_ptr(), to.as_ptr()) }).map(drop))
    })
}
