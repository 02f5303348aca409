//! A map from bytes to bytes that processes share, which knows what was used least recently.
//!
//! A [`SharedMap`] has its zone to itself. Its root holds the table of chains and the ends of the
//! list by use; each entry is one allocation:
//!
//! ```text
//! 0  state    4  hash    8  next in chain    12  used before    16  used after
//! 20 key length    24  value length    28  stamp    32  key, padded to 8, then the value
//! ```
//!
//! Chains, list and count are derived from the entries: when a process was killed in the middle of
//! a change they are derived anew ([`rebuild`]), from those entries whose state says that they are
//! whole, in the order of their stamps.

mod rebuild;
mod table;

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use crate::slab::Place;
use crate::zone::{Corrupt, Guard, Zone};
use table::Table;

/// There is no room for another entry, even without the entries that may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no room in the shared memory zone")
    }
}

impl std::error::Error for Full {}

/// Longest key in bytes.
const LONGEST_KEY: usize = u16::MAX as usize;

/// A zone used as a map.
#[derive(Clone, Debug)]
pub struct SharedMap {
    zone: Rc<Zone>,
    table: Table,
}

impl SharedMap {
    /// The map in `zone`, which is made if the zone is fresh.
    ///
    /// # Errors
    ///
    /// `OutOfMemory` when the zone is too small for its table, `InvalidData` when it is damaged.
    pub fn open(zone: Rc<Zone>) -> io::Result<Self> {
        let table = Table::open(&mut zone.lock())?;
        Ok(Self { zone, table })
    }

    /// The zone that it is in.
    #[must_use]
    pub fn zone(&self) -> &Rc<Zone> {
        &self.zone
    }

    /// Waits until the map is ours alone.
    ///
    /// # Panics
    ///
    /// When this process holds it already.
    pub fn lock(&self) -> MapGuard<'_> {
        let zone = self.zone.lock();
        let is_stale = self.table.is_stale(&zone);
        let mut guard = MapGuard {
            zone,
            table: &self.table,
            is_damaged: Cell::new(is_stale),
        };
        guard.mend();
        guard
    }
}

/// A map that is ours alone until this is dropped.
///
/// Damage that is found on the way is mended before the guard goes; what was looked for then counts
/// as not there.
#[derive(Debug)]
pub struct MapGuard<'a> {
    zone: Guard<'a>,
    table: &'a Table,
    is_damaged: Cell<bool>,
}

impl MapGuard<'_> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.noting(self.table.count(&self.zone)).unwrap_or(0)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`. Does not count as using it.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let entry = self.noting(self.table.find(&self.zone, key))??;
        self.noting(self.table.value(&self.zone, entry))
    }

    /// Lets `change` write to the value of `key`, which becomes the most recently used. `None` when
    /// there is no such key.
    ///
    /// If this process is killed meanwhile, the entry is lost.
    pub fn update<R>(&mut self, key: &[u8], change: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let entry = self.table.find(&self.zone, key);
        let entry = self.noting(entry)??;
        let outcome = self.table.use_entry(&mut self.zone, entry, change);
        self.noting(outcome)
    }

    /// Adds `key` with `value` as the most recently used, or replaces its value.
    ///
    /// # Errors
    ///
    /// [`Full`] when there is no room; the map is then as it was, less the replaced entry.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), Full> {
        self.insert_or(key, value, |_| false)
    }

    /// Adds `key` with `value` as the most recently used, or replaces its value, forgetting the
    /// least recently used entries until there is room.
    ///
    /// # Errors
    ///
    /// [`Full`] when it would take more than a quarter of the zone, or all is gone and there is
    /// still no room.
    pub fn insert_evicting(&mut self, key: &[u8], value: &[u8]) -> Result<(), Full> {
        self.insert_or(key, value, Self::remove_oldest)
    }

    /// Removes `key`; says whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let outcome = self
            .table
            .find(&self.zone, key)
            .and_then(|entry| match entry {
                Some(entry) => self.table.remove(&mut self.zone, entry).map(|()| true),
                None => Ok(false),
            });
        self.noting(outcome).unwrap_or(false)
    }

    /// The least recently used key and its value.
    #[must_use]
    pub fn oldest(&self) -> Option<(&[u8], &[u8])> {
        let entry = self.noting(self.table.oldest(&self.zone))??;
        let key = self.noting(self.table.key(&self.zone, entry))?;
        let value = self.noting(self.table.value(&self.zone, entry))?;
        Some((key, value))
    }

    /// Removes the least recently used entry; says whether there was one.
    pub fn remove_oldest(&mut self) -> bool {
        let outcome = self.table.oldest(&self.zone).and_then(|entry| match entry {
            Some(entry) => self.table.remove(&mut self.zone, entry).map(|()| true),
            None => Ok(false),
        });
        self.noting(outcome).unwrap_or(false)
    }

    /// Shows `keep` every entry, least recently used first, and removes those that it does not want
    /// to keep. It may write to the values; that does not count as using them.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut [u8]) -> bool) {
        let outcome = self.table.retain(&mut self.zone, &mut keep);
        self.noting(outcome);
    }

    fn insert_or(
        &mut self,
        key: &[u8],
        value: &[u8],
        mut make_room: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), Full> {
        let length = table::entry_length(key.len(), value.len()).ok_or(Full)?;
        if key.len() > LONGEST_KEY || length > self.zone.size() / 4 {
            return Err(Full);
        }
        self.remove(key);
        let mut may_mend = true;
        loop {
            let place = self.zone.allocate(length);
            match self.noting(place) {
                Some(Some(place)) => return self.fill_in(place, key, value),
                Some(None) if make_room(self) => {}
                // Once: what is damaged right after mending stays so.
                None if may_mend && self.mend() => may_mend = false,
                _ => return Err(Full),
            }
        }
    }

    fn fill_in(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<(), Full> {
        let outcome = self.table.add(&mut self.zone, place, key, value);
        self.noting(outcome).ok_or(Full)
    }

    /// Remembers that something was wrong.
    fn noting<T>(&self, outcome: Result<T, Corrupt>) -> Option<T> {
        if outcome.is_err() {
            self.is_damaged.set(true);
        }
        outcome.ok()
    }

    /// Derives what can be derived, if it must be; says whether it did.
    fn mend(&mut self) -> bool {
        let was_damaged = self.is_damaged.replace(false);
        if was_damaged {
            rebuild::rebuild(self.table, &mut self.zone);
        }
        was_damaged
    }
}

impl Drop for MapGuard<'_> {
    fn drop(&mut self) {
        self.mend();
    }
}

#[cfg(test)]
mod tests;
