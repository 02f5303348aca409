//! Turning into another program, and choosing what it gets to keep.

use std::convert::Infallible;
use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::file::PathArg;
use crate::outcome::check;
use crate::signal;

/// Becomes the program at `path`, with exactly these arguments (the first is its name) and
/// environment (`NAME=value`), nothing blocked and nothing ignored.
///
/// # Errors
///
/// Returns only then. The signal mask is then already the empty one.
pub fn execute(
    path: &(impl PathArg + ?Sized),
    arguments: &[CString],
    environment: &[CString],
) -> io::Result<Infallible> {
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    path.with_c_str(|path| {
        signal::reset();
        // SAFETY: path and strings are NUL-terminated, both arrays end with a null pointer, and
        // all of it outlives the call.
        unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        Err(io::Error::last_os_error())
    })
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Takes over a descriptor that whoever started this program left open for it, by its number. From
/// now on it is closed on exec.
///
/// # Errors
///
/// `InvalidInput` when it is not open, is one of the standard ones, or is closed on exec: then it
/// was opened in this process, and belongs to somebody. Else the kernel's.
pub fn take_inherited_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: only takes numbers.
    let flags = check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    if number <= 2 || flags & libc::FD_CLOEXEC != 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only takes numbers.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open and was inherited: Rust code opens descriptors closed on exec only, so no
    // other owner exists in this process. The flag set above keeps it from being taken twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes `number` (0, 1 or 2) another name of the open file `from`, in place of what it was.
///
/// # Errors
///
/// `InvalidInput` for any other number: it might belong to somebody. Else the kernel's.
pub fn replace_descriptor(from: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    if !(0..=2).contains(&number) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only takes numbers. The standard descriptors belong to the process as a whole, and
    // stay open throughout.
    check(unsafe { libc::dup2(from.as_raw_fd(), number) }).map(drop)
}
