//! The table: chains by hash, and the list by use. Every function may find damage, and says so.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;

use crate::slab::Place;
use crate::zone::{Corrupt, Guard};

/// `state` of an entry that is whole. Anything else is not an entry, or one being changed.
pub(super) const WHOLE: u32 = 0x1e57_ab1e;
/// `state` of an entry that is being changed.
const CHANGING: u32 = 0;

pub(super) const STATE: usize = 0;
pub(super) const HASH: usize = 4;
pub(super) const CHAIN: usize = 8;
pub(super) const BEFORE: usize = 12;
pub(super) const AFTER: usize = 16;
/// The length of the value follows it.
pub(super) const KEY_LENGTH: usize = 20;
pub(super) const STAMP: usize = 28;
pub(super) const KEY: usize = 32;

/// The root: chains, mask, oldest, newest, count, stamp, repairs seen; then the keys of the hash.
const ROOT_LENGTH: usize = 48;
const ROOT_MASK: usize = 4;
pub(super) const ROOT_OLDEST: usize = 8;
pub(super) const ROOT_NEWEST: usize = 12;
pub(super) const ROOT_COUNT: usize = 16;
const ROOT_STAMP: usize = 20;
pub(super) const ROOT_REPAIRS: usize = 24;
const ROOT_KEYS: usize = 32;

/// One chain for so many bytes of the zone: about what a small entry takes.
const BYTES_PER_CHAIN: usize = 128;

/// What of the root never changes.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Offset of the root.
    pub(super) root: usize,
    /// Where the chains begin.
    pub(super) chains: Place,
    /// Number of chains less one; a power of two less one.
    pub(super) mask: u32,
    keys: (u64, u64),
}

/// How long the allocation of an entry is; `None` when that is no number.
pub(super) fn entry_length(key: usize, value: usize) -> Option<usize> {
    KEY.checked_add(key.checked_next_multiple_of(8)?)?
        .checked_add(value)
}

impl Table {
    pub(super) fn open(zone: &mut Guard<'_>) -> io::Result<Self> {
        let damaged = |Corrupt| io::Error::from(io::ErrorKind::InvalidData);
        let root = match zone.root().map_err(damaged)? {
            Some(root) => root,
            None => Self::make(zone)
                .map_err(damaged)?
                .ok_or(io::ErrorKind::OutOfMemory)?,
        };
        Self::read(zone, root).map_err(damaged)
    }

    fn make(zone: &mut Guard<'_>) -> Result<Option<Place>, Corrupt> {
        let chains = (zone.size() / BYTES_PER_CHAIN).next_power_of_two() / 2;
        let (Some(root), Some(table)) = (zone.allocate(ROOT_LENGTH)?, zone.allocate(chains * 4)?)
        else {
            return Ok(None);
        };
        zone.bytes_mut(table.offset(), chains * 4)?.fill(0);
        let mask = u32::try_from(chains - 1).map_err(|_| Corrupt)?;
        let repairs = zone.repairs()?;
        let at = root.offset();
        zone.set(
            at,
            (
                table.number(),
                mask,
                0_u32,
                0_u32,
                0_u32,
                0_u32,
                repairs,
                0_u32,
            ),
        )?;
        // Keys nobody can guess: what is looked up here often comes from clients.
        let random = || RandomState::new().build_hasher().finish();
        zone.set(at + ROOT_KEYS, (random(), random()))?;
        zone.set_root(root)?;
        Ok(Some(root))
    }

    fn read(zone: &Guard<'_>, root: Place) -> Result<Self, Corrupt> {
        let root = root.offset();
        Ok(Self {
            root,
            chains: Place::of_number(zone.get(root)?).ok_or(Corrupt)?,
            mask: zone.get(root + ROOT_MASK)?,
            keys: zone.get(root + ROOT_KEYS)?,
        })
    }

    /// Whether the zone was repaired since chains and list were last known to be right.
    pub(super) fn is_stale(&self, zone: &Guard<'_>) -> bool {
        zone.repairs() != zone.get(self.root + ROOT_REPAIRS)
    }

    pub(super) fn count(&self, zone: &Guard<'_>) -> Result<usize, Corrupt> {
        Ok(zone.get::<u32>(self.root + ROOT_COUNT)? as usize)
    }

    pub(super) fn oldest(&self, zone: &Guard<'_>) -> Result<Option<Place>, Corrupt> {
        Ok(Place::of_number(zone.get(self.root + ROOT_OLDEST)?))
    }

    pub(super) fn find(&self, zone: &Guard<'_>, key: &[u8]) -> Result<Option<Place>, Corrupt> {
        let hash = self.hash(key);
        let mut next: u32 = zone.get(self.chain_of(hash))?;
        let mut left = self.count(zone)?;
        while let Some(entry) = Place::of_number(next) {
            // A damaged chain may run in a circle.
            left = left.checked_sub(1).ok_or(Corrupt)?;
            let at = entry.offset();
            if zone.get::<u32>(at + HASH)? == hash && self.key(zone, entry)? == key {
                return Ok(Some(entry));
            }
            next = zone.get(at + CHAIN)?;
        }
        Ok(None)
    }

    pub(super) fn key<'a>(&self, zone: &'a Guard<'_>, entry: Place) -> Result<&'a [u8], Corrupt> {
        let length: u32 = zone.get(entry.offset() + KEY_LENGTH)?;
        zone.bytes(entry.offset() + KEY, length as usize)
    }

    pub(super) fn value<'a>(&self, zone: &'a Guard<'_>, entry: Place) -> Result<&'a [u8], Corrupt> {
        let (offset, length) = value_of(zone, entry)?;
        zone.bytes(offset, length)
    }

    /// Marks the entry as being changed, lets `change` write to its value, and makes it the most
    /// recently used.
    pub(super) fn use_entry<R>(
        &self,
        zone: &mut Guard<'_>,
        entry: Place,
        change: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R, Corrupt> {
        let outcome = change_value(zone, entry, change)?;
        if zone.get::<u32>(self.root + ROOT_NEWEST)? != entry.number() {
            self.take_from_list(zone, entry)?;
            self.add_to_list(zone, entry)?;
        }
        Ok(outcome)
    }

    /// Writes an entry to `place`, which was allocated for it, as the most recently used.
    pub(super) fn add(
        &self,
        zone: &mut Guard<'_>,
        place: Place,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Corrupt> {
        let at = place.offset();
        let key_length = u32::try_from(key.len()).map_err(|_| Corrupt)?;
        let value_length = u32::try_from(value.len()).map_err(|_| Corrupt)?;
        zone.set_in_order(at + STATE, CHANGING)?;
        zone.set(at + HASH, self.hash(key))?;
        zone.set(at + KEY_LENGTH, (key_length, value_length))?;
        zone.bytes_mut(at + KEY, key.len())?.copy_from_slice(key);
        let (offset, length) = value_of(zone, place)?;
        zone.bytes_mut(offset, length)?.copy_from_slice(value);
        zone.set_in_order(at + STATE, WHOLE)?;
        self.add_to_chain(zone, place)?;
        self.add_to_list(zone, place)?;
        self.add_to_count(zone, 1)
    }

    /// Takes an entry out, and gives its memory back.
    pub(super) fn remove(&self, zone: &mut Guard<'_>, entry: Place) -> Result<(), Corrupt> {
        zone.set_in_order(entry.offset() + STATE, CHANGING)?;
        self.take_from_chain(zone, entry)?;
        self.take_from_list(zone, entry)?;
        self.add_to_count(zone, u32::MAX)?;
        zone.free(entry)
    }

    pub(super) fn retain(
        &self,
        zone: &mut Guard<'_>,
        keep: &mut impl FnMut(&[u8], &mut [u8]) -> bool,
    ) -> Result<(), Corrupt> {
        let mut next = self.oldest(zone)?;
        let mut left = self.count(zone)?;
        while let Some(entry) = next {
            left = left.checked_sub(1).ok_or(Corrupt)?;
            next = Place::of_number(zone.get(entry.offset() + AFTER)?);
            let key = self.key(zone, entry)?.to_vec();
            if !change_value(zone, entry, |value| keep(&key, value))? {
                self.remove(zone, entry)?;
            }
        }
        Ok(())
    }

    pub(super) fn add_to_chain(&self, zone: &mut Guard<'_>, entry: Place) -> Result<(), Corrupt> {
        let chain = self.chain_of(zone.get(entry.offset() + HASH)?);
        let next: u32 = zone.get(chain)?;
        zone.set(entry.offset() + CHAIN, next)?;
        zone.set(chain, entry.number())
    }

    fn take_from_chain(&self, zone: &mut Guard<'_>, entry: Place) -> Result<(), Corrupt> {
        let after: u32 = zone.get(entry.offset() + CHAIN)?;
        let mut link = self.chain_of(zone.get(entry.offset() + HASH)?);
        for _ in 0..=self.count(zone)? {
            let next = Place::of_number(zone.get(link)?).ok_or(Corrupt)?;
            if next == entry {
                return zone.set(link, after);
            }
            link = next.offset() + CHAIN;
        }
        Err(Corrupt)
    }

    pub(super) fn add_to_list(&self, zone: &mut Guard<'_>, entry: Place) -> Result<(), Corrupt> {
        let stamp = zone.get::<u32>(self.root + ROOT_STAMP)?.wrapping_add(1);
        zone.set(self.root + ROOT_STAMP, stamp)?;
        zone.set(entry.offset() + STAMP, stamp)?;

        let newest: u32 = zone.get(self.root + ROOT_NEWEST)?;
        zone.set(entry.offset() + BEFORE, (newest, 0_u32))?;
        match Place::of_number(newest) {
            Some(newest) => zone.set(newest.offset() + AFTER, entry.number())?,
            None => zone.set(self.root + ROOT_OLDEST, entry.number())?,
        }
        zone.set(self.root + ROOT_NEWEST, entry.number())
    }

    fn take_from_list(&self, zone: &mut Guard<'_>, entry: Place) -> Result<(), Corrupt> {
        let (before, after): (u32, u32) = zone.get(entry.offset() + BEFORE)?;
        match Place::of_number(before) {
            Some(before) => zone.set(before.offset() + AFTER, after)?,
            None => zone.set(self.root + ROOT_OLDEST, after)?,
        }
        match Place::of_number(after) {
            Some(after) => zone.set(after.offset() + BEFORE, before),
            None => zone.set(self.root + ROOT_NEWEST, before),
        }
    }

    fn add_to_count(&self, zone: &mut Guard<'_>, amount: u32) -> Result<(), Corrupt> {
        let count: u32 = zone.get(self.root + ROOT_COUNT)?;
        zone.set(self.root + ROOT_COUNT, count.wrapping_add(amount))
    }

    pub(super) fn stamp(&self, zone: &Guard<'_>) -> Result<u32, Corrupt> {
        zone.get(self.root + ROOT_STAMP)
    }

    /// Offset of the word that begins the chain of `hash`.
    fn chain_of(&self, hash: u32) -> usize {
        self.chains.offset() + 4 * (hash & self.mask) as usize
    }

    pub(super) fn hash(&self, key: &[u8]) -> u32 {
        #[expect(
            deprecated,
            reason = "the only hasher of std that takes its keys from outside"
        )]
        let mut hasher = std::hash::SipHasher::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(key);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "half of a good hash is a good hash"
        )]
        let hash = hasher.finish() as u32;
        hash
    }
}

fn change_value<R>(
    zone: &mut Guard<'_>,
    entry: Place,
    change: impl FnOnce(&mut [u8]) -> R,
) -> Result<R, Corrupt> {
    let (offset, length) = value_of(zone, entry)?;
    zone.set_in_order(entry.offset() + STATE, CHANGING)?;
    let outcome = change(zone.bytes_mut(offset, length)?);
    zone.set_in_order(entry.offset() + STATE, WHOLE)?;
    Ok(outcome)
}

/// Where the value of an entry begins, and how long it is.
pub(super) fn value_of(zone: &Guard<'_>, entry: Place) -> Result<(usize, usize), Corrupt> {
    let (key, value): (u32, u32) = zone.get(entry.offset() + KEY_LENGTH)?;
    let before = (KEY + key as usize).next_multiple_of(8);
    Ok((entry.offset() + before, value as usize))
}
