//! The environment of this process, as a whole.

use std::ffi::{CString, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStringExt;

use super::fork::has_other_threads;

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// The environment of this process as `NAME=value`, in its order.
#[must_use]
pub fn environment() -> Vec<OsString> {
    std::env::vars_os()
        .map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend(value.into_vec());
            OsString::from_vec(entry)
        })
        .collect()
}

/// Makes `entries` (`NAME=value`) the whole environment of this process. Their memory is never
/// freed, since any pointer that `getenv` has returned must stay good: call it a few times in the
/// life of a process.
///
/// # Errors
///
/// `Unsupported` when there are other threads, which might be reading the environment;
/// `InvalidInput` when an entry holds a NUL.
pub fn replace_environment(entries: &[OsString]) -> io::Result<()> {
    if has_other_threads() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let strings: Result<Vec<CString>, _> = entries
        .iter()
        .map(|entry| CString::new(entry.clone().into_vec()))
        .collect();
    let pointers = strings?
        .into_iter()
        .map(CString::into_raw)
        .chain([std::ptr::null_mut()]);
    let table: Vec<*mut c_char> = pointers.collect();
    let table = table.leak();
    // SAFETY: no other thread runs; the new array ends with a null pointer and is never freed.
    unsafe { environ = table.as_mut_ptr() };
    Ok(())
}
