//! Users and groups: looking them up, and becoming one.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::outcome::check;

/// Most bytes tried for one entry of the user database: groups may list thousands of members.
const LARGEST_ENTRY: usize = 1 << 20;

/// A user's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The user's own group.
    pub gid: u32,
}

/// Finds a user by name; `None` when there is none.
///
/// # Errors
///
/// `InvalidInput` when the name holds a NUL, else what reading the database says.
pub fn find_user(name: &str) -> io::Result<Option<User>> {
    // SAFETY: it is the system's own, for entries of this type.
    let found = unsafe { find(name, libc::getpwnam_r) }?;
    Ok(found.map(|entry| User {
        uid: entry.pw_uid,
        gid: entry.pw_gid,
    }))
}

/// Finds a group's number by its name; `None` when there is none.
///
/// # Errors
///
/// `InvalidInput` when the name holds a NUL, else what reading the database says.
pub fn find_group(name: &str) -> io::Result<Option<u32>> {
    // SAFETY: it is the system's own, for entries of this type.
    let found = unsafe { find(name, libc::getgrnam_r) }?;
    Ok(found.map(|entry| entry.gr_gid))
}

/// What looks for a name: the name, the entry to fill in, the buffer for its strings and that
/// buffer's length, and where to leave a pointer to the entry when there is one. Its answer is an
/// error number.
type LookUp<E> =
    unsafe extern "C" fn(*const c_char, *mut E, *mut c_char, usize, *mut *mut E) -> c_int;

/// The entry for `name`, whose numbers alone may be read: its strings are gone.
///
/// # Safety
///
/// `look_up` does as [`LookUp`] says.
unsafe fn find<E>(name: &str, look_up: LookUp<E>) -> io::Result<Option<E>> {
    let name = CString::new(name)?;
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<E>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name is NUL-terminated; entry, buffer (with its length) and result are ours
        // to write to until the call returns.
        let error = unsafe {
            look_up(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        match error {
            0 if found.is_null() => return Ok(None),
            // SAFETY: a successful call with a result has filled the entry in.
            0 => return Ok(Some(unsafe { entry.assume_init() })),
            libc::ERANGE if buffer.len() < LARGEST_ENTRY => {
                let larger = buffer.len() * 4;
                buffer.resize(larger, 0);
            }
            libc::EINTR => {}
            // What databases of names say instead of "no such name" (getpwnam_r(3), ERRORS).
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// The user that the kernel judges this process as.
#[must_use]
pub fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Becomes `user` in `group`, with the groups that the database gives to `name`, for good.
///
/// # Errors
///
/// Which of the calls failed, as nginx names it, and the kernel's reason. The process is then of
/// no defined user and must end.
pub fn become_user(name: &str, user: u32, group: u32) -> Result<(), (&'static str, io::Error)> {
    // SAFETY: only takes a number. glibc carries the change to every thread.
    check(unsafe { libc::setgid(group) }).map_err(|e| ("setgid", e))?;
    let name = CString::new(name).map_err(|e| ("initgroups", e.into()))?;
    let name: &CStr = &name;
    // SAFETY: the name is NUL-terminated and outlives the call.
    check(unsafe { libc::initgroups(name.as_ptr(), group) }).map_err(|e| ("initgroups", e))?;
    // SAFETY: only takes a number.
    check(unsafe { libc::setuid(user) }).map_err(|e| ("setuid", e))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_who_is_there() {
        assert_eq!(find_user("root").unwrap(), Some(User { uid: 0, gid: 0 }));
        assert_eq!(find_group("root").unwrap(), Some(0));
        assert_eq!(find_user("no-such-user-here").unwrap(), None);
        assert_eq!(find_group("no-such-group-here").unwrap(), None);
        assert!(find_user("a\0b").is_err());
    }

    /// Finds every name, in a buffer of 10,000 bytes or more: its entry is the buffer's length.
    unsafe extern "C" fn large(
        name: *const c_char,
        entry: *mut usize,
        _: *mut c_char,
        len: usize,
        found: *mut *mut usize,
    ) -> c_int {
        // SAFETY: `find` gives a name with its NUL.
        let is_endless = unsafe { CStr::from_ptr(name) } == c"endless";
        if is_endless || len < 10_000 {
            return libc::ERANGE;
        }
        // SAFETY: `find` gives an entry to write to.
        unsafe { entry.write(len) };
        // SAFETY: `find` gives a pointer to write to.
        unsafe { found.write(entry) };
        0
    }

    #[test]
    fn larger_entries_get_larger_buffers() {
        // SAFETY: `large` does as it has to.
        let found = unsafe { find("a", large) };
        assert_eq!(found.unwrap(), Some(16384));
        // SAFETY: as above.
        let endless = unsafe { find("endless", large) }.unwrap_err();
        assert_eq!(endless.raw_os_error(), Some(libc::ERANGE));
    }
}
