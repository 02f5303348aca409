//! The allocator: mimalloc, asked for as little as Rust needs of it.

use libmimalloc_sys as mi;
use std::alloc::{GlobalAlloc, Layout};

/// mimalloc as the program's allocator.
///
/// The crate `mimalloc` asks for every block with its alignment, which takes mimalloc through
/// its slow path for most sizes: 100 instructions instead of 25, twenty times a proxied request.
/// What is aligned to no more than its own size needs none of that.
#[derive(Clone, Copy, Debug)]
pub struct Mimalloc;

/// What every block of at least so many bytes is aligned to.
///
/// Source: `MI_MAX_ALIGN_SIZE`, mimalloc's `types.h`.
const ALIGNED: usize = 16;

/// The largest block that mimalloc takes from a page at once.
///
/// Source: `MI_SMALL_SIZE_MAX`, mimalloc's `mimalloc.h`.
const SMALL: usize = 128 * size_of::<*const ()>();

/// Whether a block is aligned well enough without asking.
#[inline]
const fn is_plain(layout: Layout) -> bool {
    layout.align() <= ALIGNED && layout.align() <= layout.size()
}

// SAFETY: every function hands on what mimalloc promises: blocks of at least the size and the
// alignment asked for, that do not overlap, and null where there is no memory.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_plain(layout) {
            // The size is mostly known where this is called, and so is the answer.
            if layout.size() <= SMALL {
                // SAFETY: mi_malloc_small takes any size that is not above its largest.
                return unsafe { mi_malloc_small(layout.size()) }.cast();
            }
            // SAFETY: mi_malloc takes any size.
            return unsafe { mi::mi_malloc(layout.size()) }.cast();
        }
        // SAFETY: an alignment of a layout is a power of two.
        unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_plain(layout) {
            // SAFETY: mi_zalloc takes any size.
            return unsafe { mi::mi_zalloc(layout.size()) }.cast();
        }
        // SAFETY: an alignment of a layout is a power of two.
        unsafe { mi::mi_zalloc_aligned(layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's block is one of ours, and mi_free takes those of all functions here.
        unsafe { mi::mi_free(block.cast()) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ALIGNED && layout.align() <= size {
            // SAFETY: the caller's block is one of ours, and any size may follow.
            return unsafe { mi::mi_realloc(block.cast(), size) }.cast();
        }
        // SAFETY: as above, and an alignment of a layout is a power of two.
        unsafe { mi::mi_realloc_aligned(block.cast(), size, layout.align()) }.cast()
    }
}

// Of mimalloc's, which the crate declares only with all of its interface.
unsafe extern "C" {
    safe fn mi_collect(force: bool);
    /// As `mi_malloc`, for sizes of which nobody needs to ask whether they are small.
    fn mi_malloc_small(size: usize) -> *mut std::ffi::c_void;
}

/// Gives the system back what this thread has freed. It costs some hundred microseconds, and
/// without it memory is kept to be used again.
pub fn give_back() {
    mi_collect(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All tests of this crate use it.
    #[global_allocator]
    static ALLOCATOR: Mimalloc = Mimalloc;

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    #[repr(align(64))]
    struct Wide(u8);

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    #[repr(align(4096))]
    struct Page(u8);

    #[track_caller]
    fn check<T: Copy + Default + PartialEq + std::fmt::Debug>(one: T) {
        for count in [1, 2, 3, 5, 9, 17, 100, 1000] {
            let mut all = vec![one; count];
            assert!(all.as_ptr().is_aligned());
            all.resize(count * 3, T::default());
            assert!(all.as_ptr().is_aligned());
            assert!(all[..count].iter().all(|kept| *kept == one));
            all.truncate(1);
            all.shrink_to_fit();
            assert!(all.as_ptr().is_aligned());
            assert_eq!(all, [one]);
        }
    }

    #[test]
    fn blocks_are_aligned_and_keep_what_is_in_them() {
        check(7u8);
        check(7u16);
        check([7u8; 3]);
        check(7u64);
        check(7u128);
        check(Wide(7));
        check(Page(7));
        assert!(vec![0u8; 100_000].iter().all(|byte| *byte == 0));
    }
}
