//! Counters that every process may add to at any time, without a lock.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mapping::Mapping;

/// A cache line, in counters: no two slots share one.
const LINE: usize = 8;

/// A table of counters: one slot a process, the same counters in each.
///
/// Splitting them by process makes counting free of contention, and lets what a dead process had
/// contributed to a gauge be given back. What counts upwards for ever stays in the slot and goes on
/// with the next process that gets it.
#[derive(Debug)]
pub struct SharedCounters {
    memory: Mapping,
    slots: usize,
    width: usize,
    /// Counters from one slot to the next.
    stride: usize,
}

impl SharedCounters {
    /// A table of zeros. Memory is taken as slots are used.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when there is no slot or no counter, else the kernel's.
    pub fn new(slots: usize, width: usize) -> io::Result<Self> {
        let stride = width.next_multiple_of(LINE);
        let length = slots
            .checked_mul(stride)
            .and_then(|count| count.checked_mul(size_of::<AtomicU64>()))
            .filter(|&length| length > 0)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            memory: Mapping::shared(length)?,
            slots,
            width,
            stride,
        })
    }

    /// How many slots there are.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// The counters of one process; `None` past the last slot.
    #[must_use]
    pub fn slot(&self, slot: usize) -> Option<Slot<'_>> {
        let start = slot.checked_mul(self.stride)?;
        let counters = self.all().get(start..start + self.width)?;
        Some(Slot { counters })
    }

    /// The sum of one counter over all slots, wrapping: a gauge that one process raised and another
    /// lowered comes out right. 0 for a counter that there is not.
    #[must_use]
    pub fn sum(&self, counter: usize) -> u64 {
        if counter >= self.width {
            return 0;
        }
        let column = self.all().iter().skip(counter).step_by(self.stride);
        column
            .map(|counter| counter.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    fn all(&self) -> &[AtomicU64] {
        let count = self.slots * self.stride;
        // SAFETY: the mapping is page-aligned and holds `count` atomics, zero being a value; it is
        // used in this way alone, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.memory.start().cast().as_ptr(), count) }
    }
}

/// The counters of one process.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    counters: &'a [AtomicU64],
}

impl Slot<'_> {
    /// Adds to a counter; does nothing for one that there is not.
    #[inline]
    pub fn add(&self, counter: usize, amount: u64) {
        if let Some(counter) = self.counters.get(counter) {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Takes from a counter, wrapping below zero; does nothing for one that there is not.
    #[inline]
    pub fn subtract(&self, counter: usize, amount: u64) {
        if let Some(counter) = self.counters.get(counter) {
            counter.fetch_sub(amount, Ordering::Relaxed);
        }
    }

    /// What a counter stands at; 0 for one that there is not.
    #[inline]
    #[must_use]
    pub fn get(&self, counter: usize) -> u64 {
        self.counters
            .get(counter)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Sets a counter; does nothing for one that there is not.
    #[inline]
    pub fn set(&self, counter: usize, value: u64) {
        if let Some(counter) = self.counters.get(counter) {
            counter.store(value, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_add_up_and_stay_apart() {
        let counters = SharedCounters::new(3, 9).unwrap();
        for slot in 0..3 {
            counters.slot(slot).unwrap().add(8, 10);
        }
        counters.slot(1).unwrap().set(0, 7);
        counters.slot(2).unwrap().subtract(8, 4);
        assert_eq!((counters.sum(0), counters.sum(8)), (7, 26));
        assert_eq!(counters.slot(0).unwrap().get(0), 0);
        assert!(counters.slot(3).is_none());
        assert_eq!(counters.sum(9), 0);
    }

    #[test]
    fn a_gauge_may_fall_in_another_slot() {
        let counters = SharedCounters::new(2, 1).unwrap();
        counters.slot(0).unwrap().add(0, 5);
        counters.slot(1).unwrap().subtract(0, 2);
        assert_eq!(counters.sum(0), 3);
    }

    #[test]
    fn tables_of_nothing_are_refused() {
        assert!(SharedCounters::new(0, 1).is_err());
        assert!(SharedCounters::new(1, 0).is_err());
        assert!(SharedCounters::new(usize::MAX, 8).is_err());
    }
}
