//! Copying one file to another inside the kernel.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::data::{read_at, retry, write_all_at};
use crate::outcome::{check_length, fit};

/// Most bytes asked for in one call: short enough for a signal to be noticed.
const STEP: u64 = 1 << 30;

/// Buffer of the copy through user space, in bytes.
const BUFFER: usize = 64 * 1024;

/// Copies the first `length` bytes of `from` to the start of `to`, or all of it when it is shorter.
/// Returns how many bytes were copied.
///
/// Shares the blocks where the file system can, copies in the kernel where that can, and through
/// a buffer otherwise (files on different file systems before Linux 5.19, `/proc`).
///
/// # Errors
///
/// The kernel's; `to` then holds an unknown part.
pub fn copy_all(from: BorrowedFd<'_>, to: BorrowedFd<'_>, length: u64) -> io::Result<u64> {
    let mut done = 0;
    while done < length {
        match copy_range(from, to, done, (length - done).min(STEP)) {
            // Nothing at the very start may also be a file whose length the kernel does not know.
            Ok(0) if done == 0 => return copy_through_buffer(from, to, length),
            Ok(0) => break,
            Ok(copied) => done += copied,
            Err(e) if is_unsupported(&e) && done == 0 => {
                return copy_through_buffer(from, to, length);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EXDEV | libc::EINVAL | libc::EOPNOTSUPP | libc::EPERM)
    )
}

fn copy_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    offset: u64,
    length: u64,
) -> io::Result<u64> {
    let start: libc::off64_t = fit(offset)?;
    let length = fit(length)?;
    let copied = retry(|| {
        let (mut read_at, mut write_at) = (start, start);
        // SAFETY: both descriptors are open for as long as they are borrowed; the offsets are
        // locals that the kernel updates before it returns.
        check_length(unsafe {
            libc::copy_file_range(
                from.as_raw_fd(),
                ptr::from_mut(&mut read_at),
                to.as_raw_fd(),
                ptr::from_mut(&mut write_at),
                length,
                0,
            )
        })
    })?;
    fit(copied)
}

fn copy_through_buffer(from: BorrowedFd<'_>, to: BorrowedFd<'_>, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    while done < length {
        let wanted = usize::try_from(length - done).map_or(BUFFER, |left| left.min(BUFFER));
        let got = read_at(from, buffer.get_mut(..wanted).unwrap_or_default(), done)?;
        if got == 0 {
            break;
        }
        write_all_at(to, buffer.get(..got).unwrap_or_default(), done)?;
        done += u64::try_from(got).unwrap_or(0);
    }
    Ok(done)
}
