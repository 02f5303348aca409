//! Memory at an address that direct reads accept.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes that begin at a multiple of an alignment, as `O_DIRECT` wants them.
pub struct AlignedBuffer {
    start: NonNull<u8>,
    layout: Layout,
}

impl AlignedBuffer {
    /// `size` zeroed bytes at a multiple of `alignment`, a power of two. `None` for any other
    /// alignment, and for no bytes.
    #[must_use]
    pub fn new(size: usize, alignment: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size, alignment)
            .ok()
            .filter(|_| size > 0)?;
        // SAFETY: the layout has a size, as was just checked.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Some(Self { start, layout })
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is the beginning of that many initialised bytes, owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed nowhere else.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

// SAFETY: the memory has one owner, and nothing refers to it from elsewhere.
unsafe impl Send for AlignedBuffer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_multiple_and_is_zeroed() {
        let buffer = AlignedBuffer::new(1000, 512).unwrap();
        assert_eq!(buffer.as_ptr().addr() % 512, 0);
        assert!(buffer.iter().all(|byte| *byte == 0));
        assert!(AlignedBuffer::new(0, 512).is_none());
        assert!(AlignedBuffer::new(10, 3).is_none());
    }
}
