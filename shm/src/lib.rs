//! Shared memory: named zones, a slab allocator, a lock that outlives its owner, a map and counters.
//!
//! A [`Zone`] is memory that processes made by `fork` have in common. What lies in it is reached
//! through a [`Guard`] alone, which is proof of holding the zone's lock; places in it are numbers
//! ([`Place`]), checked against its bounds at every use. A process that is killed while it holds
//! the lock leaves the zone marked: the next owner repairs the allocator, and a [`SharedMap`]
//! rebuilds itself from its entries, losing at most the one that was being changed.

mod cells;
mod counters;
mod lock;
mod map;
mod mapping;
mod own_pid;
mod record;
mod slab;
mod zone;
mod zones;

pub use cells::Cells;
pub use counters::{SharedCounters, Slot};
pub use map::{Full, MapGuard, SharedMap};
pub use record::Record;
pub use slab::Place;
pub use zone::{Corrupt, Guard, SMALLEST_ZONE, Zone};
pub use zones::Zones;
