//! The bytes of a file.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::outcome::{check, check_length, fit};

/// Reads into `buffer` from `offset`, leaving the file's position alone. Returns how much was
/// read; 0 at the end.
///
/// # Errors
///
/// The kernel's, never `Interrupted`.
pub fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = fit(offset)?;
    retry(|| {
        // SAFETY: `buffer` is ours to write for its whole length until the call returns.
        check_length(unsafe {
            libc::pread64(
                file.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                offset,
            )
        })
    })
}

/// As [`read_at`], but only what is in memory already: `None` where the disk would have to be
/// waited for, or where the file system cannot tell.
///
/// # Errors
///
/// The kernel's, never `Interrupted`.
pub fn read_cached_at(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<Option<usize>> {
    let offset = fit(offset)?;
    let part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let read = retry(|| {
        // SAFETY: `part` describes `buffer`, which is ours to write until the call returns.
        check_length(unsafe {
            libc::preadv2(
                file.as_raw_fd(),
                &raw const part,
                1,
                offset,
                libc::RWF_NOWAIT,
            )
        })
    });
    match read {
        Ok(count) => Ok(Some(count)),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EOPNOTSUPP | libc::ENOSYS) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Reads up to `limit` bytes from `offset` into a vector; fewer where the file ends.
///
/// # Errors
///
/// The kernel's, never `Interrupted`.
pub fn read_to_vec(file: BorrowedFd<'_>, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(limit);
    while bytes.len() < limit {
        let position = fit(offset.saturating_add(fit(bytes.len())?))?;
        let room = bytes.spare_capacity_mut();
        let wanted = room.len();
        let (start, got) = (room.as_mut_ptr(), bytes.len());
        let read = retry(|| {
            // SAFETY: `start` is the spare room of the vector, `wanted` bytes long.
            check_length(unsafe { libc::pread64(file.as_raw_fd(), start.cast(), wanted, position) })
        })?;
        if read == 0 {
            break;
        }
        // SAFETY: the kernel has just written `read` bytes, at most the spare room, after `got`.
        unsafe { bytes.set_len(got + read) };
    }
    bytes.truncate(limit);
    Ok(bytes)
}

/// Writes at `offset`, leaving the file's position alone. Returns how much was written.
///
/// # Errors
///
/// The kernel's, never `Interrupted`.
pub fn write_at(file: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let offset = fit(offset)?;
    retry(|| {
        // SAFETY: `bytes` is readable for its whole length until the call returns.
        check_length(unsafe {
            libc::pwrite64(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), offset)
        })
    })
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
///
/// The kernel's; `WriteZero` when the file takes no more.
pub fn write_all_at(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = write_at(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset = offset.saturating_add(fit(written)?);
    }
    Ok(())
}

/// Writes at the file's position (its end, when opened with [`super::Open::APPEND`]) in one call,
/// so that lines of several processes do not mix; what a full pipe leaves over follows in more.
///
/// # Errors
///
/// The kernel's; `WriteZero` when the file takes no more.
pub fn append_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = retry(|| {
            // SAFETY: `bytes` is readable for its whole length until the call returns.
            check_length(unsafe {
                libc::write(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len())
            })
        })?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Sets the length of a file, adding zeros or cutting.
///
/// # Errors
///
/// The kernel's.
pub fn truncate(file: BorrowedFd<'_>, length: u64) -> io::Result<()> {
    let length = fit(length)?;
    // SAFETY: only takes an open descriptor and a number.
    check(unsafe { libc::ftruncate64(file.as_raw_fd(), length) })?;
    Ok(())
}

/// Takes disk space for the first `length` bytes now, so that writing them cannot fail for want of
/// it. File systems that cannot do so are left as they are.
///
/// # Errors
///
/// The kernel's, above all `StorageFull`.
pub fn preallocate(file: BorrowedFd<'_>, length: u64) -> io::Result<()> {
    let length = fit(length)?;
    // SAFETY: only takes an open descriptor and numbers.
    match check(unsafe { libc::fallocate64(file.as_raw_fd(), 0, 0, length) }) {
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Waits until content and attributes are on the disk.
///
/// # Errors
///
/// The kernel's; after one, what was written before may be lost.
pub fn sync(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: only takes an open descriptor.
    check(unsafe { libc::fsync(file.as_raw_fd()) })?;
    Ok(())
}

/// Tells the kernel that the file is going to be read from start to end (`read_ahead`).
///
/// # Errors
///
/// The kernel's; nothing is lost by ignoring them.
pub fn advise_read_ahead(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: only takes an open descriptor and numbers.
    let error = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}

/// Repeats `call` for as long as a signal interrupts it.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}
