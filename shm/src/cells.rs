//! Words of a zone as cells: changed in place, while its lock is held.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::zone::{Corrupt, Guard};

/// The words of a zone that is ours alone.
///
/// Cells may be looked at from several sides at once, so that a table and what is counted beside
/// it can be changed together. Meanwhile the guard's other ways to the bytes are closed.
#[derive(Debug)]
pub struct Cells<'a> {
    start: NonNull<u8>,
    /// Where the words begin that may be reached, in bytes.
    first: usize,
    size: usize,
    guard: PhantomData<&'a mut Guard<'a>>,
}

impl<'a> Cells<'a> {
    /// For [`Guard::cells`] alone: the guarded bytes of a zone of `size` bytes from `start`.
    pub(crate) const fn new(start: NonNull<u8>, first: usize, size: usize) -> Self {
        Self {
            start,
            first,
            size,
            guard: PhantomData,
        }
    }

    /// The `count` words at `offset` bytes from the zone's start.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when they are not all inside the zone, touch its lock, or are not aligned.
    #[inline]
    pub fn at(&self, offset: usize, count: usize) -> Result<&'a [Cell<u64>], Corrupt> {
        let length = count.checked_mul(size_of::<u64>()).ok_or(Corrupt)?;
        let end = offset.checked_add(length).ok_or(Corrupt)?;
        if offset < self.first || end > self.size || !offset.is_multiple_of(align_of::<u64>()) {
            return Err(Corrupt);
        }
        // SAFETY: `offset` was just found to lie inside the mapping that begins at `start`.
        let first = unsafe { self.start.add(offset) }.cast::<Cell<u64>>();
        // SAFETY: the range lies inside the mapping, which is page-aligned, so that `offset` says
        // whether it is aligned; every bit pattern is a word. The zone's lock is held for 'a, so
        // no other process touches it, and the guard is borrowed for as long, so that in this
        // process only cells lead to it, which may overlap.
        Ok(unsafe { std::slice::from_raw_parts(first.as_ptr(), count) })
    }
}
