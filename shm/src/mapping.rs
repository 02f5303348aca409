//! Memory from the kernel, given back at the end.

use std::io;
use std::ptr::{self, NonNull};

/// Zeroed pages that children of this process share (or, for [`Mapping::wiped_in_children`], find
/// zeroed again).
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// `length` bytes that are one and the same memory in this process and in every child.
    pub(crate) fn shared(length: usize) -> io::Result<Self> {
        Self::new(length, libc::MAP_SHARED)
    }

    /// `length` bytes of this process alone, which a child finds zeroed (Linux 4.14).
    pub(crate) fn wiped_in_children(length: usize) -> io::Result<Self> {
        let mapping = Self::new(length, libc::MAP_PRIVATE)?;
        // SAFETY: the range is the mapping made above.
        let done =
            unsafe { libc::madvise(mapping.start.as_ptr().cast(), length, libc::MADV_WIPEONFORK) };
        if done == 0 {
            Ok(mapping)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn new(length: usize, kind: libc::c_int) -> io::Result<Self> {
        // SAFETY: asks for fresh memory at a place of the kernel's choice.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                kind | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    /// The first byte; page-aligned.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes there are.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by mmap with this length, and borrowed by nobody any more. Other processes
        // keep their own view.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
