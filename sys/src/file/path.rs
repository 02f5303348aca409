//! How a path is handed to the kernel.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest path, without its NUL, that is copied to the stack; longer ones are allocated.
const ON_STACK: usize = 383;

/// Anything that names a file.
pub trait PathArg {
    /// Calls `call` with the path as the kernel wants it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the path holds a NUL byte, else what `call` returns.
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T>;
}

impl PathArg for CStr {
    fn with_c_str<T>(&self, call: impl FnOnce(&Self) -> io::Result<T>) -> io::Result<T> {
        call(self)
    }
}

impl PathArg for CString {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        call(self)
    }
}

impl PathArg for [u8] {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        if self.len() > ON_STACK {
            return call(&CString::new(self).map_err(|_| io::ErrorKind::InvalidInput)?);
        }

        let mut buffer = [0; ON_STACK + 1];
        buffer[..self.len()].copy_from_slice(self);
        let terminated = CStr::from_bytes_with_nul(&buffer[..=self.len()]);
        call(terminated.map_err(|_| io::ErrorKind::InvalidInput)?)
    }
}

impl PathArg for Path {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        self.as_os_str().as_bytes().with_c_str(call)
    }
}

impl PathArg for PathBuf {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        self.as_path().with_c_str(call)
    }
}

impl PathArg for OsStr {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        self.as_bytes().with_c_str(call)
    }
}

impl PathArg for Vec<u8> {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        self.as_slice().with_c_str(call)
    }
}

impl PathArg for str {
    fn with_c_str<T>(&self, call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
        self.as_bytes().with_c_str(call)
    }
}
