//! Users and groups: looking them up, and becoming one.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem::MaybeUninit;

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
    let name = CString::new(name)?;
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let found = look_up(|buffer| {
        let mut found = std::ptr::null_mut();
        // SAFETY: the name is NUL-terminated; entry, buffer (with its length) and result are ours
        // to write to until the call returns.
        let error = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        (error, !found.is_null())
    })?;
    Ok(found.then(|| {
        // SAFETY: a successful call with a result has filled the entry in. Only its numbers are
        // read: its strings lived in the buffer.
        let entry = unsafe { entry.assume_init_ref() };
        User {
            uid: entry.pw_uid,
            gid: entry.pw_gid,
        }
    }))
}

/// Finds a group's number by its name; `None` when there is none.
///
/// # Errors
///
/// `InvalidInput` when the name holds a NUL, else what reading the database says.
pub fn find_group(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    let mut entry = MaybeUninit::<libc::group>::uninit();
    let found = look_up(|buffer| {
        let mut found = std::ptr::null_mut();
        // SAFETY: the name is NUL-terminated; entry, buffer (with its length) and result are ours
        // to write to until the call returns.
        let error = unsafe {
            libc::getgrnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        (error, !found.is_null())
    })?;
    Ok(found.then(|| {
        // SAFETY: a successful call with a result has filled the entry in.
        unsafe { entry.assume_init_ref() }.gr_gid
    }))
}

/// Calls `call` with ever larger buffers until the entry fits. It answers with an error number
/// and whether there was an entry.
fn look_up(mut call: impl FnMut(&mut [c_char]) -> (i32, bool)) -> io::Result<bool> {
    let mut buffer = vec![0; 1024];
    loop {
        match call(&mut buffer) {
            (0, found) => return Ok(found),
            (libc::ERANGE, _) if buffer.len() < LARGEST_ENTRY => {
                let larger = buffer.len() * 4;
                buffer.resize(larger, 0);
            }
            (libc::EINTR, _) => {}
            // What databases of names say instead of "no such name" (getpwnam_r(3), ERRORS).
            (libc::ENOENT | libc::ESRCH, _) => return Ok(false),
            (error, _) => return Err(io::Error::from_raw_os_error(error)),
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

    #[test]
    fn larger_entries_get_larger_buffers() {
        let mut sizes = Vec::new();
        let found = look_up(|buffer| {
            sizes.push(buffer.len());
            if buffer.len() < 10_000 {
                (libc::ERANGE, false)
            } else {
                (0, true)
            }
        });
        assert!(found.unwrap());
        assert_eq!(sizes, [1024, 4096, 16384]);
        let endless = look_up(|_| (libc::ERANGE, false)).unwrap_err();
        assert_eq!(endless.raw_os_error(), Some(libc::ERANGE));
    }
}
