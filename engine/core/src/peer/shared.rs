//! The rows of a group in a zone, which all workers count in.
//!
//! A zone holds one group or several. Its root is the head of the first:
//!
//! ```text
//! head     next head, name, version of the list, last serial number, table, first ledger, repairs
//! table    a row of counters a peer; grows by moving
//! ledger   next ledger, process, capacity, then how many connections each row has of that process
//! ```
//!
//! Names and descriptions of peers are allocations of their own. A row counts once its serial
//! number stands in it, which is written last; so a process killed in the middle of a change
//! leaves at most an allocation that nobody finds, and counts that [`Shared::bury`] sets right.

use super::counters::{Counters, WIDTH};
use super::description;
use super::group::Group;
use super::peers::{List, Listed, NoRoom};
use super::{PeerConfig, PeerId};
use shm::{Corrupt, Guard, Place, Zone};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{Ordering, compiler_fence};

const WORD: usize = size_of::<u64>();

// Words of a head.
const NEXT: usize = 0;
const NAME: usize = 1;
const VERSION: usize = 2;
const LAST_SERIAL: usize = 3;
/// Where the table is, and above 32 bits how many rows it has: they change at once.
const TABLE: usize = 4;
const LEDGERS: usize = 5;
/// How often the zone had been repaired when connections were last counted anew.
const REPAIRS: usize = 6;
const HEAD: usize = 7;

// Words of a ledger; its first is `NEXT`.
const OWNER: usize = 1;
const CAPACITY: usize = 2;
const COUNTS: usize = 3;

/// Least number of rows.
const ROWS_MIN: usize = 4;

/// A group in a zone.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) zone: Rc<Zone>,
    head: Place,
    /// This process's ledger, or that of the process that it was forked from.
    ledger: Cell<Option<Place>>,
}

impl Shared {
    /// Makes a group with room for `count` peers.
    pub(super) fn create(zone: &Rc<Zone>, name: &str, count: usize) -> Result<Self, NoRoom> {
        let mut guard = zone.lock();
        let rows = count.max(ROWS_MIN);
        let head = allocate(&mut guard, HEAD * WORD)?;
        let table = allocate(&mut guard, rows * WIDTH * WORD)?;
        clear(&mut guard, table, rows * WIDTH)?;
        let mut bytes = Vec::new();
        description::put(&mut bytes, name.as_bytes());
        let name = store(&mut guard, &bytes)?;
        let first = guard.root()?.map_or(0, Place::number);
        let repairs = u64::from(guard.repairs()?);
        let cells = guard.cells();
        let words = cells.at(head.offset(), HEAD)?;
        words[NEXT].set(u64::from(first));
        words[NAME].set(u64::from(name.number()));
        words[VERSION].set(1);
        words[LAST_SERIAL].set(0);
        words[TABLE].set(pack(table, rows));
        words[LEDGERS].set(0);
        words[REPAIRS].set(repairs);
        guard.set_root(head)?;
        drop(guard);
        Ok(Self::at(zone, head))
    }

    /// The group `name` of a zone.
    pub(super) fn find(zone: &Rc<Zone>, name: &str) -> Option<Self> {
        let mut guard = zone.lock();
        let mut at = guard.root().ok()?;
        while let Some(head) = at {
            let cells = guard.cells();
            let words = cells.at(head.offset(), HEAD).ok()?;
            let (next, own) = (place(words[NEXT].get()), place(words[NAME].get())?);
            let mut bytes = rest(&guard, own).ok()?;
            if description::take(&mut bytes) == Ok(name.as_bytes()) {
                drop(guard);
                return Some(Self::at(zone, head));
            }
            at = next;
        }
        None
    }

    fn at(zone: &Rc<Zone>, head: Place) -> Self {
        Self {
            zone: Rc::clone(zone),
            head,
            ledger: Cell::new(None),
        }
    }

    /// Brings `list` up to date.
    #[inline]
    pub(super) fn follow(&self, guard: &Guard<'_>, list: &mut List) -> Result<(), Corrupt> {
        let version = guard.get::<u64>(self.head.offset() + VERSION * WORD)?;
        if version == list.version {
            return Ok(());
        }
        self.read(guard, list)?;
        list.version = version;
        Ok(())
    }

    #[cold]
    fn read(&self, guard: &Guard<'_>, list: &mut List) -> Result<(), Corrupt> {
        let (table, count) = unpack(guard.get(self.head.offset() + TABLE * WORD)?)?;
        let mut rows = Vec::with_capacity(count);
        for index in 0..count {
            // A copy: cells would close the way to descriptions.
            let words: [u64; WIDTH] = guard.get(table.offset() + index * WIDTH * WORD)?;
            let row = words.map(Cell::new);
            let counters = Counters::of(&row);
            let serial = u32::try_from(counters.serial()).map_err(|_| Corrupt)?;
            if serial == 0 || counters.leaving() != 0 {
                rows.push(None);
                continue;
            }
            let known = list.rows.get(index).and_then(Option::as_ref);
            rows.push(Some(match known.filter(|known| known.serial == serial) {
                Some(known) => known.clone(),
                None => {
                    let place = place(counters.description()).ok_or(Corrupt)?;
                    Listed::new(serial, description::decode(rest(guard, place)?)?)
                }
            }));
        }
        list.rows = rows;
        list.summarize();
        Ok(())
    }

    /// Shows `look` the group in a zone that is held.
    #[inline]
    pub(super) fn with<R>(
        &self,
        guard: &mut Guard<'_>,
        list: &List,
        look: impl FnOnce(&Group<'_>) -> R,
    ) -> R {
        let pid = u64::from(guard.owner());
        let cells = guard.cells();
        let rows = cells.at(self.head.offset(), HEAD).and_then(|head| {
            let (table, count) = unpack(head[TABLE].get())?;
            cells.at(table.offset(), count * WIDTH)
        });
        let (rows, _) = rows.unwrap_or_default().as_chunks::<WIDTH>();
        let own = self.ledger.get().and_then(|ledger| {
            let words = cells.at(ledger.offset(), COUNTS).ok()?;
            if words[OWNER].get() != pid {
                return None;
            }
            let capacity = usize::try_from(words[CAPACITY].get()).ok()?;
            cells.at(ledger.offset() + COUNTS * WORD, capacity).ok()
        });
        look(&Group { list, rows, own })
    }

    /// Makes sure that this process has a ledger with every row. Without room for one its
    /// connections count all the same, though nobody gives them back if it is killed.
    #[inline]
    pub(super) fn keep_count(&self, guard: &mut Guard<'_>) {
        let is_kept = || {
            let (_, rows) = unpack(guard.get(self.head.offset() + TABLE * WORD)?)?;
            let Some(ledger) = self.ledger.get() else {
                return Ok(false);
            };
            let (owner, capacity): (u64, u64) = guard.get(ledger.offset() + OWNER * WORD)?;
            Ok::<_, Corrupt>(owner == u64::from(guard.owner()) && capacity >= rows as u64)
        };
        if is_kept() != Ok(true) {
            // See above for what follows from there being no room.
            let _ = self.open_ledger(guard);
        }
    }

    /// Makes a ledger, with what is in the one before.
    #[cold]
    fn open_ledger(&self, guard: &mut Guard<'_>) -> Result<(), NoRoom> {
        let pid = u64::from(guard.owner());
        let (_, rows) = unpack(guard.get(self.head.offset() + TABLE * WORD)?)?;
        let new = allocate(guard, (COUNTS + rows) * WORD)?;
        clear(guard, new, COUNTS + rows)?;
        let cells = guard.cells();
        let words = cells.at(new.offset(), COUNTS + rows)?;
        words[OWNER].set(pid);
        words[CAPACITY].set(rows as u64);
        let first = &cells.at(self.head.offset(), HEAD)?[LEDGERS];
        let mut link = first;
        let mut old = None;
        while let Some(at) = place(link.get()) {
            let known = cells.at(at.offset(), COUNTS)?;
            if known[OWNER].get() == pid {
                let capacity = usize::try_from(known[CAPACITY].get()).map_err(|_| Corrupt)?;
                let counts = cells.at(at.offset() + COUNTS * WORD, capacity)?;
                for (to, from) in words[COUNTS..].iter().zip(counts) {
                    to.set(from.get());
                }
                link.set(known[NEXT].get());
                old = Some(at);
                break;
            }
            link = &known[NEXT];
        }
        words[NEXT].set(first.get());
        // Whoever finds it must find it whole.
        compiler_fence(Ordering::SeqCst);
        first.set(u64::from(new.number()));
        self.ledger.set(Some(new));
        if let Some(old) = old {
            guard.free(old)?;
        }
        Ok(())
    }

    /// Lists another peer; `begin` sets its counters.
    pub(super) fn add(
        &self,
        config: &PeerConfig,
        begin: impl FnOnce(Counters<'_>),
    ) -> Result<PeerId, NoRoom> {
        let mut guard = self.zone.lock();
        let index = match self.free_row(&mut guard)? {
            Some(index) => index,
            None => self.grow(&mut guard)?,
        };
        let description = store(&mut guard, &description::encode(config))?;
        let cells = guard.cells();
        let head = cells.at(self.head.offset(), HEAD)?;
        let (table, _) = unpack(head[TABLE].get())?;
        let (rows, _) = cells
            .at(table.offset() + index * WIDTH * WORD, WIDTH)?
            .as_chunks::<WIDTH>();
        let counters = Counters::of(rows.first().ok_or(Corrupt)?);
        let serial = u32::try_from(head[LAST_SERIAL].get() + 1).map_err(|_| NoRoom)?;
        head[LAST_SERIAL].set(u64::from(serial));
        announce(head);
        begin(counters);
        counters.set_description(u64::from(description.number()));
        compiler_fence(Ordering::SeqCst);
        counters.set_serial(u64::from(serial));
        let row = u32::try_from(index).map_err(|_| Corrupt)?;
        Ok(PeerId { row, serial })
    }

    fn free_row(&self, guard: &mut Guard<'_>) -> Result<Option<usize>, Corrupt> {
        let cells = guard.cells();
        let (table, count) = unpack(cells.at(self.head.offset(), HEAD)?[TABLE].get())?;
        let (rows, _) = cells.at(table.offset(), count * WIDTH)?.as_chunks();
        Ok(rows.iter().position(|row| Counters::of(row).serial() == 0))
    }

    /// Makes the table twice as large, or less where there is no room for that; returns its first
    /// new row.
    fn grow(&self, guard: &mut Guard<'_>) -> Result<usize, NoRoom> {
        let at = self.head.offset() + TABLE * WORD;
        let (old, count) = unpack(guard.get(at)?)?;
        let sizes = [count * 2, count + count / 4];
        let mut new = Err(NoRoom);
        for larger in sizes {
            new = new.or_else(|_| Ok((allocate(guard, larger * WIDTH * WORD)?, larger)));
        }
        let (new, larger) = new?;
        clear(guard, new, larger * WIDTH)?;
        let cells = guard.cells();
        let from = cells.at(old.offset(), count * WIDTH)?;
        for (to, from) in cells.at(new.offset(), count * WIDTH)?.iter().zip(from) {
            to.set(from.get());
        }
        guard.set_in_order(at, pack(new, larger))?;
        guard.free(old)?;
        Ok(count)
    }

    /// Takes a peer off the list; says whether it was on it.
    pub(super) fn remove(&self, id: PeerId) -> Result<bool, Corrupt> {
        let mut guard = self.zone.lock();
        let cells = guard.cells();
        let head = cells.at(self.head.offset(), HEAD)?;
        let (table, count) = unpack(head[TABLE].get())?;
        let (rows, _) = cells.at(table.offset(), count * WIDTH)?.as_chunks();
        let Some(counters) = rows.get(id.row as usize).map(Counters::of) else {
            return Ok(false);
        };
        if counters.serial() != u64::from(id.serial) || counters.leaving() != 0 {
            return Ok(false);
        }
        let description = place(counters.description());
        announce(head);
        counters.set_leaving(1);
        if counters.connections() == 0 {
            counters.set_serial(0);
        }
        if let Some(description) = description {
            guard.free(description)?;
        }
        Ok(true)
    }

    /// Gives back the connections of processes that are not to be kept.
    pub(super) fn bury(&self, mut keep: impl FnMut(u32) -> bool) -> Result<bool, Corrupt> {
        let mut guard = self.zone.lock();
        let repairs = u64::from(guard.repairs()?);
        let cells = guard.cells();
        let head = cells.at(self.head.offset(), HEAD)?;
        let (table, count) = unpack(head[TABLE].get())?;
        let (rows, _) = cells.at(table.offset(), count * WIDTH)?.as_chunks();
        let mut dead = Vec::new();
        let mut kept = vec![0_u64; count];
        let mut link = &head[LEDGERS];
        while let Some(at) = place(link.get()) {
            let words = cells.at(at.offset(), COUNTS)?;
            let capacity = usize::try_from(words[CAPACITY].get()).map_err(|_| Corrupt)?;
            let counts = cells.at(at.offset() + COUNTS * WORD, capacity)?;
            let owner = u32::try_from(words[OWNER].get()).map_err(|_| Corrupt)?;
            if keep(owner) {
                for (sum, own) in kept.iter_mut().zip(counts) {
                    *sum = sum.saturating_add(own.get());
                }
                link = &words[NEXT];
                continue;
            }
            for (row, own) in rows.iter().zip(counts) {
                let counters = Counters::of(row);
                counters.set_connections(counters.connections().saturating_sub(own.get()));
            }
            link.set(words[NEXT].get());
            dead.push(at);
        }
        // Somebody was killed between the two places where a connection is counted.
        if head[REPAIRS].replace(repairs) != repairs {
            for (row, sum) in rows.iter().zip(kept) {
                Counters::of(row).set_connections(sum);
            }
        }
        for counters in rows.iter().map(Counters::of) {
            // Whose requests those were that waited is not known: they are counted anew.
            if !dead.is_empty() {
                counters.forget_waiting();
            }
            if counters.leaving() != 0 && counters.connections() == 0 {
                counters.set_serial(0);
            }
        }
        for ledger in &dead {
            guard.free(*ledger)?;
        }
        Ok(!dead.is_empty())
    }
}

/// Says that the list changes, before it does: should this process be killed on the way, others
/// read it once too often and not once too rarely.
fn announce(head: &[Cell<u64>]) {
    head[VERSION].set(head[VERSION].get() + 1);
    compiler_fence(Ordering::SeqCst);
}

fn place(number: u64) -> Option<Place> {
    Place::of_number(u32::try_from(number).ok()?)
}

fn pack(table: Place, rows: usize) -> u64 {
    u64::from(table.number()) | (rows as u64) << 32
}

fn unpack(word: u64) -> Result<(Place, usize), Corrupt> {
    let rows = usize::try_from(word >> 32).map_err(|_| Corrupt)?;
    let table = place(word & u64::from(u32::MAX)).ok_or(Corrupt)?;
    Ok((table, rows))
}

fn allocate(guard: &mut Guard<'_>, length: usize) -> Result<Place, NoRoom> {
    guard.allocate(length)?.ok_or(NoRoom)
}

fn clear(guard: &mut Guard<'_>, place: Place, words: usize) -> Result<(), Corrupt> {
    guard.bytes_mut(place.offset(), words * WORD)?.fill(0);
    Ok(())
}

fn store(guard: &mut Guard<'_>, bytes: &[u8]) -> Result<Place, NoRoom> {
    let place = allocate(guard, bytes.len())?;
    let to = guard.bytes_mut(place.offset(), bytes.len())?;
    to.copy_from_slice(bytes);
    Ok(place)
}

/// The bytes from `place` on.
fn rest<'g>(guard: &'g Guard<'_>, place: Place) -> Result<&'g [u8], Corrupt> {
    let left = guard.size().saturating_sub(place.offset());
    guard.bytes(place.offset(), left)
}
