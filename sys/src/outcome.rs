//! What a system call's return value says, as a `Result`.

use std::io;

/// `value` as it is, or the error in `errno` when the call answered -1.
pub(crate) fn check(value: libc::c_int) -> io::Result<libc::c_int> {
    if value == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(value)
    }
}

/// The number of bytes a transferring call reports, or the error in `errno` when it answered -1.
pub(crate) fn check_length(value: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::last_os_error())
}

/// `value`, or "invalid argument" where it does not fit the type that the kernel takes.
pub(crate) fn fit<T, U: TryFrom<T>>(value: T) -> io::Result<U> {
    U::try_from(value).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
