//! The connections of a zone, in memory that all workers share.

use super::holders::Holders;
use crate::limits::{Keys, Named};
use runtime::Millis;
use shm::MapGuard;
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Milliseconds between two searches of a full zone for places of the dead: it takes the longer
/// the larger the zone is, and all workers wait for it.
const SEARCH_INTERVAL: Millis = 1000;

/// A zone: whose connections are counted.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) keys: Keys,
    /// When this worker may search all of it again.
    next_search: Cell<Millis>,
}

/// Why a connection was not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NotCounted {
    /// There are as many as may be.
    TooMany,
    /// The zone has no room for another key.
    NoRoom,
}

/// How many places this process holds, in all zones.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// One connection that is counted until this is dropped.
pub(super) struct Place {
    zone: Rc<Named<Zone>>,
    key: Vec<u8>,
}

impl Place {
    /// Counts one more connection of `key`, of which there may be `limit`, at `now`.
    pub(super) fn take(
        zone: &Rc<Named<Zone>>,
        key: Vec<u8>,
        limit: u64,
        now: Millis,
    ) -> Result<Self, NotCounted> {
        if let Some(zone) = zone.zone() {
            let own = sys::process::id();
            zone.count(&key, limit, now, own, sys::process::is_alive)?;
        }
        HELD.fetch_add(1, Ordering::Relaxed);
        let zone = Rc::clone(zone);
        Ok(Self { zone, key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
        if let Some(zone) = self.zone.zone() {
            zone.give_back(&self.key, sys::process::id());
        }
    }
}

impl Zone {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            next_search: Cell::default(),
        }
    }

    /// Forgets what a process that had this one's id left behind.
    pub(super) fn clear_own(&self) {
        if HELD.load(Ordering::Relaxed) == 0 {
            let own = sys::process::id();
            forget(&mut self.keys.map.lock(), |owner| owner != own);
        }
    }

    fn count(
        &self,
        key: &[u8],
        limit: u64,
        now: Millis,
        owner: u32,
        is_alive: impl Fn(u32) -> bool,
    ) -> Result<(), NotCounted> {
        let mut map = self.keys.map.lock();
        let mut holders = Holders::from_bytes(map.get(key).unwrap_or_default());
        if holders.total() >= limit {
            // Before anybody is refused, whether all who hold places are still there.
            let is_changed = holders.retain(|other| other == owner || is_alive(other));
            if is_changed {
                store(&mut map, key, &holders);
            }
            if holders.total() >= limit {
                return Err(NotCounted::TooMany);
            }
        }
        holders.add(owner);
        if store(&mut map, key, &holders) {
            return Ok(());
        }
        if now >= self.next_search.get() {
            self.next_search.set(now.saturating_add(SEARCH_INTERVAL));
            forget(&mut map, |other| other == owner || is_alive(other));
            if store(&mut map, key, &holders) {
                return Ok(());
            }
        }
        Err(NotCounted::NoRoom)
    }

    fn give_back(&self, key: &[u8], owner: u32) {
        let mut map = self.keys.map.lock();
        let Some(value) = map.get(key) else {
            return;
        };
        let mut holders = Holders::from_bytes(value);
        holders.remove(owner);
        store(&mut map, key, &holders);
    }
}

/// Writes the holders of a key; says whether there was room.
fn store(map: &mut MapGuard<'_>, key: &[u8], holders: &Holders) -> bool {
    if holders.is_empty() {
        map.remove(key);
        return true;
    }
    let bytes = holders.to_bytes();
    let written = map.update(key, |value| {
        let fits = value.len() == bytes.len();
        if fits {
            value.copy_from_slice(&bytes);
        }
        fits
    });
    written == Some(true) || map.insert(key, &bytes).is_ok()
}

/// Takes the places of all owners back that are not to be kept.
fn forget(map: &mut MapGuard<'_>, keep: impl Fn(u32) -> bool) {
    // Owners are few, and each may have places under every key.
    let mut known = HashMap::new();
    let mut keep = |owner| *known.entry(owner).or_insert_with(|| keep(owner));
    let mut shortened = Vec::new();
    map.retain(|key, value| {
        if key.is_empty() {
            return true;
        }
        let mut holders = Holders::from_bytes(value);
        if holders.retain(&mut keep) && !holders.is_empty() {
            shortened.push((key.to_vec(), holders.clone()));
        }
        !holders.is_empty()
    });
    for (key, holders) in shortened {
        store(map, &key, &holders);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Declared;
    use crate::testing::line;

    fn zone() -> Rc<Named<Zone>> {
        line("limit_conn_zone $uri", |line| {
            let declared = Declared::read("limit_conn_zone", b"zone=a:32k").unwrap();
            declared
                .make(line, ("limit_conn", "limit_conn_zone"), Zone::new)
                .unwrap()
        })
    }

    #[test]
    fn places_are_taken_and_given_back() {
        let named = zone();
        let first = Place::take(&named, b"key".to_vec(), 2, 0).unwrap();
        let second = Place::take(&named, b"key".to_vec(), 2, 0).unwrap();
        let third = Place::take(&named, b"key".to_vec(), 2, 0);
        assert_eq!(third.err(), Some(NotCounted::TooMany));
        drop(first);
        let third = Place::take(&named, b"key".to_vec(), 2, 0).unwrap();
        drop((second, third));
        assert!(named.zone().unwrap().keys.map.lock().get(b"key").is_none());
    }

    #[test]
    fn places_of_the_dead_are_taken_back_when_they_are_needed() {
        let named = zone();
        let zone = named.zone().unwrap();
        let all = |_: u32| true;
        zone.count(b"key", 3, 0, 1, all).unwrap();
        zone.count(b"key", 3, 0, 2, all).unwrap();
        zone.count(b"key", 3, 0, 2, all).unwrap();
        assert_eq!(zone.count(b"key", 3, 0, 3, all), Err(NotCounted::TooMany));
        assert_eq!(zone.count(b"key", 3, 0, 3, |owner| owner != 2), Ok(()));
        let map = zone.keys.map.lock();
        assert_eq!(Holders::from_bytes(map.get(b"key").unwrap()).total(), 2);
    }

    #[test]
    fn a_full_zone_forgets_the_dead_before_it_refuses() {
        let named = zone();
        let zone = named.zone().unwrap();
        let mut number = 0_u32;
        let refused = loop {
            let counted = zone.count(&number.to_ne_bytes(), 9, 0, 1 + number % 2, |_| true);
            if counted.is_err() {
                break counted;
            }
            number += 1;
        };
        assert_eq!(refused, Err(NotCounted::NoRoom));
        // All of it was searched just now.
        let count_new = |now| zone.count(b"new", 9, now, 1, |owner| owner == 1);
        assert_eq!(count_new(SEARCH_INTERVAL - 1), Err(NotCounted::NoRoom));
        assert_eq!(count_new(SEARCH_INTERVAL), Ok(()));
        let mut map = zone.keys.map.lock();
        assert!(map.get(&0_u32.to_ne_bytes()).is_some());
        assert!(map.get(&1_u32.to_ne_bytes()).is_none());
        assert!(map.get(b"").is_some());
        forget(&mut map, |_| false);
        assert_eq!(map.len(), 1);
    }
}
