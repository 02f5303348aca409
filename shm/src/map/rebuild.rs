//! Deriving chains, list and count from the entries.

use super::table::{
    HASH, ROOT_COUNT, ROOT_NEWEST, ROOT_OLDEST, ROOT_REPAIRS, STAMP, STATE, Table, WHOLE, value_of,
};
use crate::slab::{self, Place};
use crate::zone::{Corrupt, Guard};

/// Makes the map whole again from the entries that are. Where even that fails, it is left empty.
pub(super) fn rebuild(table: &Table, zone: &mut Guard<'_>) {
    slab::repair(zone);
    let outcome = collect(table, zone).and_then(|entries| arrange(table, zone, &entries));
    if outcome.is_err() {
        // What cannot be given back is lost until the zone goes.
        for place in zone.taken().unwrap_or_default() {
            if !is_own(table, place) {
                let _ = zone.free(place);
            }
        }
        let _ = arrange(table, zone, &[]);
    }
}

/// Whether this is the root, or the chains.
fn is_own(table: &Table, place: Place) -> bool {
    place == table.chains || place.offset() == table.root
}

/// The entries that are whole, least recently used first. The memory of others is given back.
fn collect(table: &Table, zone: &mut Guard<'_>) -> Result<Vec<Place>, Corrupt> {
    let newest = table.stamp(zone)?;
    let mut entries = Vec::new();
    for place in zone.taken()? {
        if is_own(table, place) {
            continue;
        }
        if is_whole(table, zone, place) {
            let age = newest.wrapping_sub(zone.get(place.offset() + STAMP)?);
            entries.push((age, place));
        } else {
            zone.free(place)?;
        }
    }
    entries.sort_by_key(|&(age, place)| (std::cmp::Reverse(age), place.number()));
    Ok(entries.into_iter().map(|(_, place)| place).collect())
}

/// Whether there is an entry at `place`, with lengths and a hash that fit each other.
fn is_whole(table: &Table, zone: &Guard<'_>, place: Place) -> bool {
    let check = || -> Result<bool, Corrupt> {
        let (offset, length) = value_of(zone, place)?;
        zone.bytes(offset, length)?;
        let hash: u32 = zone.get(place.offset() + HASH)?;
        Ok(zone.get::<u32>(place.offset() + STATE)? == WHOLE
            && hash == table.hash(table.key(zone, place)?))
    };
    check().unwrap_or(false)
}

fn arrange(table: &Table, zone: &mut Guard<'_>, entries: &[Place]) -> Result<(), Corrupt> {
    zone.bytes_mut(table.chains.offset(), (table.mask as usize + 1) * 4)?
        .fill(0);
    zone.set(table.root + ROOT_OLDEST, 0_u32)?;
    zone.set(table.root + ROOT_NEWEST, 0_u32)?;
    let count = u32::try_from(entries.len()).map_err(|_| Corrupt)?;
    zone.set(table.root + ROOT_COUNT, count)?;
    for &entry in entries {
        table.add_to_chain(zone, entry)?;
        table.add_to_list(zone, entry)?;
    }
    let repairs = zone.repairs()?;
    zone.set_in_order(table.root + ROOT_REPAIRS, repairs)
}
