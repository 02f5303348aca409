//! A zone, and the guard through which alone its bytes are reached.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::cells::Cells;
use crate::lock::{Found, Lock};
use crate::mapping::Mapping;
use crate::own_pid::own_pid;
use crate::record::Record;
use crate::slab;

/// Least size of a zone in bytes: nginx refuses less than eight pages.
pub const SMALLEST_ZONE: usize = 8 * slab::PAGE;

/// Where the bytes behind the guard begin: after the lock, which others touch at any time.
const GUARDED: usize = 64;

const _: () = assert!(size_of::<Lock>() <= GUARDED && slab::HEADER >= GUARDED);

/// Something in shared memory is not what it must be: a process ended in the middle of a change,
/// or there is a bug. Repairing has been tried, or is due at the next lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shared memory is damaged")
    }
}

impl std::error::Error for Corrupt {}

/// Memory that this process and its children have in common, with a name, a lock and an allocator.
#[derive(Debug)]
pub struct Zone {
    name: String,
    kind: &'static str,
    memory: Mapping,
    /// Whether this process holds the lock: taking it twice would wait for ever.
    held: Cell<bool>,
}

impl Zone {
    /// Makes a zone of `size` bytes (rounded up to whole pages of memory). `kind` says what it is
    /// for, so that a zone is never taken for another of the same name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when `size` is below [`SMALLEST_ZONE`] or too large to be numbered, else the
    /// kernel's.
    pub fn new(name: &str, kind: &'static str, size: usize) -> io::Result<Self> {
        if !(SMALLEST_ZONE..=slab::LARGEST_ZONE).contains(&size) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let memory = Mapping::shared(size.next_multiple_of(slab::PAGE))?;
        let zone = Self {
            name: name.to_owned(),
            kind,
            memory,
            held: Cell::new(false),
        };
        slab::format(&mut zone.lock()).map_err(|Corrupt| io::ErrorKind::InvalidInput)?;
        Ok(zone)
    }

    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// How many bytes it takes, bookkeeping included.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.memory.length()
    }

    /// Waits until the zone is ours alone. Waits less than a second where the owner has died.
    ///
    /// # Panics
    ///
    /// When this process holds it already.
    pub fn lock(&self) -> Guard<'_> {
        assert!(
            !self.held.replace(true),
            "zone {} is locked twice",
            self.name
        );
        let found = self.lock_word().acquire();
        let mut guard = Guard { zone: self };
        if found == Found::Abandoned {
            slab::repair(&mut guard);
        }
        guard
    }

    /// Takes the lock away from the process `pid`, which has ended; says whether it had it. Called
    /// by the master for each worker that it reaps, so that others need not wait to find out.
    pub fn force_unlock(&self, pid: u32) -> bool {
        self.lock_word().force_release(pid)
    }

    fn lock_word(&self) -> &Lock {
        // SAFETY: the mapping is page-aligned, longer than a lock, was zeroed (an unlocked lock),
        // and its first `GUARDED` bytes are used in this way alone; a lock is made of atomics.
        unsafe { self.memory.start().cast::<Lock>().as_ref() }
    }
}

/// Proof of holding a zone's lock; gives it back when dropped.
#[derive(Debug)]
pub struct Guard<'a> {
    zone: &'a Zone,
}

impl Guard<'_> {
    /// The id of the process that holds the lock: this one. Costs no system call.
    #[must_use]
    pub fn owner(&self) -> u32 {
        own_pid()
    }

    /// How many bytes the zone takes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.zone.size()
    }

    /// The `length` bytes at `offset` from the zone's start.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when they are not all inside the zone, or touch its lock.
    #[inline]
    pub fn bytes(&self, offset: usize, length: usize) -> Result<&[u8], Corrupt> {
        let start = self.check(offset, length)?;
        // SAFETY: `check` found the range inside the mapping. Holding the lock, this process is the
        // only one to touch it, and `&self` keeps this process from writing to it meanwhile.
        Ok(unsafe { std::slice::from_raw_parts(start, length) })
    }

    /// The `length` bytes at `offset` from the zone's start, to write.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when they are not all inside the zone, or touch its lock.
    #[inline]
    pub fn bytes_mut(&mut self, offset: usize, length: usize) -> Result<&mut [u8], Corrupt> {
        let start = self.check(offset, length)?;
        // SAFETY: as in `bytes`, and `&mut self` makes this the only view in this process.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, length) })
    }

    /// The value at `offset` from the zone's start.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when it is not all inside the zone.
    #[inline]
    pub fn get<R: Record>(&self, offset: usize) -> Result<R, Corrupt> {
        R::read(self.bytes(offset, R::SIZE)?)
    }

    /// Writes a value at `offset` from the zone's start.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when it is not all inside the zone.
    #[inline]
    pub fn set<R: Record>(&mut self, offset: usize, value: R) -> Result<(), Corrupt> {
        value.write(self.bytes_mut(offset, R::SIZE)?)
    }

    /// Writes a value after everything written so far and before everything to come, as seen by
    /// whoever finds the zone after this process was killed.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when it is not all inside the zone.
    #[inline]
    pub fn set_in_order<R: Record>(&mut self, offset: usize, value: R) -> Result<(), Corrupt> {
        // A killed process has done a prefix of its instructions, so keeping the compiler from
        // moving or dropping the write is enough.
        compiler_fence(Ordering::SeqCst);
        self.set(offset, value)?;
        let written = self.check(offset, R::SIZE)?;
        // Otherwise a later write to the same place would let the compiler drop this one.
        std::hint::black_box(written);
        compiler_fence(Ordering::SeqCst);
        Ok(())
    }

    /// The zone's words, to be changed in place.
    #[inline]
    pub fn cells(&mut self) -> Cells<'_> {
        Cells::new(self.zone.memory.start(), GUARDED, self.zone.size())
    }

    #[inline]
    fn check(&self, offset: usize, length: usize) -> Result<*mut u8, Corrupt> {
        let end = offset.checked_add(length).ok_or(Corrupt)?;
        if offset < GUARDED || end > self.zone.size() {
            return Err(Corrupt);
        }
        // SAFETY: `offset` was just found to lie inside the mapping.
        Ok(unsafe { self.zone.memory.start().add(offset) }.as_ptr())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.zone.held.set(false);
        if std::thread::panicking() {
            self.zone.lock_word().abandon();
        } else {
            self.zone.lock_word().release();
        }
    }
}
