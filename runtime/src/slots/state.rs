//! The slots themselves, their lists and their deadlines.

use super::{Class, ConnectionCounts, Waiting, Wake};
use crate::clock::Millis;
use crate::table::Key;
use crate::timers::TimerHeap;
use poller::Event;

/// What is known of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1);
    pub(crate) const WRITABLE: Self = Self(1 << 1);
    /// The peer will send no more.
    pub(crate) const PEER_CLOSED: Self = Self(1 << 2);
    pub(crate) const BROKEN: Self = Self(1 << 3);
    pub(crate) const TIMED_OUT: Self = Self(1 << 4);
    pub(crate) const EVICTED: Self = Self(1 << 5);
    /// It is in the set of the event loop.
    pub(crate) const REGISTERED: Self = Self(1 << 6);
    /// A read takes one message, however much room it is given.
    pub(crate) const DATAGRAM: Self = Self(1 << 7);

    pub(crate) fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn clear(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Takes in what an event says.
    pub(crate) fn learn(&mut self, event: Event) {
        if event.is_readable() {
            self.add(Self::READABLE);
        }
        if event.is_writable() {
            self.add(Self::WRITABLE);
        }
        // A datagram that was refused breaks nothing.
        if self.has(Self::DATAGRAM) {
            return;
        }
        if event.is_peer_closed() {
            self.add(Self::PEER_CLOSED);
        }
        if event.is_error() {
            self.add(Self::BROKEN);
        }
    }

    /// Why an owner that is parked now would be resumed, if for anything.
    pub(crate) fn wake(self) -> Option<Wake> {
        Some(match self {
            _ if self.has(Self::EVICTED) => Wake::Evicted,
            _ if self.has(Self::TIMED_OUT) => Wake::TimedOut,
            _ if self.has(Self::BROKEN) => Wake::Closed,
            _ if self.has(Self::READABLE) => Wake::Readable,
            _ => return None,
        })
    }
}

/// What an event is about: 2 bits of kind, 30 of generation, 32 of index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u64);

pub(crate) enum TokenKind {
    Slot,
    Listener,
    Watch,
    RemoteWakes,
}

const GENERATION_MASK: u32 = (1 << 30) - 1;

#[expect(
    clippy::cast_possible_truncation,
    reason = "every field is masked to its width"
)]
impl Token {
    /// Another thread woke a task.
    pub(crate) const REMOTE_WAKES: Self = Self(3 << 62);

    fn new(kind: u64, index: u32, generation: u32) -> Self {
        let generation = u64::from(generation & GENERATION_MASK);
        Self(kind << 62 | generation << 32 | u64::from(index))
    }

    pub(crate) fn listener(key: Key) -> Self {
        Self::new(1, key.index, key.generation)
    }

    pub(crate) fn watch(key: Key) -> Self {
        Self::new(2, key.index, key.generation)
    }

    pub(crate) fn kind(self) -> TokenKind {
        match self.0 >> 62 {
            0 => TokenKind::Slot,
            1 => TokenKind::Listener,
            2 => TokenKind::Watch,
            _ => TokenKind::RemoteWakes,
        }
    }

    pub(crate) fn key(self) -> Key {
        Key {
            index: self.0 as u32,
            generation: (self.0 >> 32) as u32 & GENERATION_MASK,
        }
    }
}

impl From<u64> for Token {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        token.0
    }
}

/// End of a list.
const NONE: u32 = u32::MAX;

/// No deadline.
const NEVER: Millis = Millis::MAX;

pub(crate) struct Slot {
    pub(crate) waiting: Waiting,
    deadline: Millis,
    generation: u32,
    previous: u32,
    /// The next of its list; of a free slot, the next free one.
    next: u32,
    pub(crate) flags: Flags,
    class: Class,
    in_use: bool,
}

// With the 16 bytes of a timer this is what an idle connection costs the event loop.
const _: () = assert!(size_of::<Slot>() <= 48);

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: u32,
    live: u32,
    counts: [u32; Class::COUNT],
    lists: [List; Class::COUNT],
    deadlines: TimerHeap,
    /// Since when each connection of the class `Sending` waits, by slot. As long as the highest
    /// slot that ever was of that class needs.
    stalled_since: Vec<Millis>,
}

/// How long a client may take nothing before its connection may be given up for a new one, in
/// milliseconds: longer than a lost packet takes to be sent again, and short enough that
/// newcomers are served within the second.
const STALLED_MS: Millis = 500;

/// Slots for which room is reserved at the start. More come as they are needed.
const RESERVED: u32 = 65_536;

impl Slots {
    pub(crate) fn new(limit: u32) -> Self {
        // Memory that was reserved and not used costs address space only, while growing step
        // by step would copy every slot and end with up to twice the room.
        let reserved = usize::try_from(limit.min(RESERVED)).unwrap_or(0);
        let empty = List {
            first: NONE,
            last: NONE,
        };
        Self {
            slots: Vec::with_capacity(reserved),
            free: NONE,
            live: 0,
            counts: [0; Class::COUNT],
            lists: [empty; Class::COUNT],
            deadlines: TimerHeap::with_capacity(reserved),
            stalled_since: Vec::new(),
        }
    }

    /// How many are in use.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// How many are in use for clients.
    pub(crate) fn busy(&self) -> u32 {
        self.live - self.counts[Class::Background as usize]
    }

    /// The slot at `index`, which the caller owns or has just found in a list.
    #[inline]
    pub(crate) fn slot(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    pub(crate) fn flags(&self, index: u32) -> Flags {
        self.slots[index as usize].flags
    }

    /// The slot of an event, unless its connection is gone.
    #[inline]
    pub(crate) fn find(&mut self, key: Key) -> Option<&mut Slot> {
        let found = self.slots.get_mut(key.index as usize)?;
        (found.in_use && found.generation == key.generation).then_some(found)
    }

    pub(crate) fn token(&self, index: u32) -> Token {
        Token::new(0, index, self.slots[index as usize].generation)
    }

    pub(crate) fn insert(&mut self, class: Class, flags: Flags) -> u32 {
        let index = self.free;
        let index = if index == NONE {
            let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
            assert!(index < NONE, "four billion descriptors are open");
            self.slots.push(Slot {
                waiting: Waiting::Nobody,
                deadline: NEVER,
                generation: 0,
                previous: NONE,
                next: NONE,
                flags,
                class,
                in_use: true,
            });
            index
        } else {
            let slot = self.slot(index);
            let next = std::mem::replace(&mut slot.next, NONE);
            slot.flags = flags;
            slot.class = class;
            slot.in_use = true;
            self.free = next;
            index
        };
        self.live += 1;
        self.enlist(index);
        index
    }

    /// Frees a slot. Who waited must be dropped outside of any borrow.
    #[must_use]
    pub(crate) fn remove(&mut self, index: u32) -> Waiting {
        self.delist(index);
        self.deadlines.remove(index);
        self.live -= 1;
        let free = std::mem::replace(&mut self.free, index);
        let slot = self.slot(index);
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        slot.deadline = NEVER;
        slot.in_use = false;
        slot.next = free;
        std::mem::take(&mut slot.waiting)
    }

    /// Moves a connection to the end of the list of `class`.
    pub(crate) fn set_class(&mut self, index: u32, class: Class) {
        if self.slot(index).class == class && !class.is_evictable() {
            return;
        }
        self.delist(index);
        self.slot(index).class = class;
        self.enlist(index);
    }

    /// Moves a connection to the end of the list it is in: it made progress.
    pub(crate) fn touch(&mut self, index: u32) {
        let class = self.slot(index).class;
        self.set_class(index, class);
    }

    fn enlist(&mut self, index: u32) {
        let class = self.slot(index).class;
        self.counts[class as usize] += 1;
        if !class.is_evictable() {
            return;
        }
        let last = std::mem::replace(&mut self.lists[class as usize].last, index);
        if last == NONE {
            self.lists[class as usize].first = index;
        } else {
            self.slot(last).next = index;
        }
        self.slot(index).previous = last;
    }

    fn delist(&mut self, index: u32) {
        let slot = self.slot(index);
        let class = slot.class;
        let previous = std::mem::replace(&mut slot.previous, NONE);
        let next = std::mem::replace(&mut slot.next, NONE);
        self.counts[class as usize] -= 1;
        if !class.is_evictable() {
            return;
        }
        if previous == NONE {
            self.lists[class as usize].first = next;
        } else {
            self.slot(previous).next = next;
        }
        if next == NONE {
            self.lists[class as usize].last = previous;
        } else {
            self.slot(next).previous = previous;
        }
    }

    /// Somebody waits to write at `index` from `now` on.
    pub(crate) fn stall(&mut self, index: u32, now: Millis) {
        if self.slot(index).class != Class::Writing {
            return;
        }
        self.set_class(index, Class::Sending);
        let place = index as usize;
        if self.stalled_since.len() <= place {
            self.stalled_since.resize(place + 1, 0);
        }
        self.stalled_since[place] = now;
    }

    /// There is room to write at `index` again.
    pub(crate) fn resume(&mut self, index: u32) {
        if self.slot(index).class == Class::Sending {
            self.set_class(index, Class::Writing);
        }
    }

    /// The connection to give up first: its place.
    pub(crate) fn victim(&self, now: Millis) -> Option<u32> {
        Class::EVICTABLE.into_iter().find_map(|class| {
            let first = self.lists[class as usize].first;
            let is_due = || {
                let since = self.stalled_since.get(first as usize).copied();
                now.saturating_sub(since.unwrap_or(now)) >= STALLED_MS
            };
            (first != NONE && (class != Class::Sending || is_due())).then_some(first)
        })
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        let count = |class: Class| self.counts[class as usize];
        let writing = [
            Class::Reading,
            Class::Writing,
            Class::Sending,
            Class::Tunnel,
        ];
        let writing = writing.into_iter().map(count).sum();
        let (reading, waiting) = (count(Class::Header), count(Class::Idle));
        ConnectionCounts {
            active: reading + writing + waiting,
            reading,
            writing,
            waiting,
        }
    }

    /// Everyone who is parked.
    pub(crate) fn parked(&self) -> Vec<Key> {
        self.keys(|slot| matches!(slot.waiting, Waiting::Parked(_)))
    }

    /// Those of clients.
    pub(crate) fn clients(&self) -> Vec<Key> {
        self.keys(|slot| slot.in_use && slot.class.is_client())
    }

    fn keys(&self, is_wanted: impl Fn(&Slot) -> bool) -> Vec<Key> {
        let key = |(index, slot): (usize, &Slot)| {
            let index = u32::try_from(index).ok()?;
            let generation = slot.generation;
            is_wanted(slot).then_some(Key { index, generation })
        };
        self.slots.iter().enumerate().filter_map(key).collect()
    }

    /// Sets or removes a deadline. A later one than what is armed is only stored: when the
    /// timer goes off it is armed anew, so that one that moves with every request costs no
    /// work on the heap.
    pub(crate) fn set_deadline(&mut self, index: u32, at: Option<Millis>) {
        let slot = self.slot(index);
        slot.deadline = at.unwrap_or(NEVER);
        slot.flags.clear(Flags::TIMED_OUT);
        if let Some(at) = at
            && self.deadlines.time_of(index).is_none_or(|armed| at < armed)
        {
            self.deadlines.set(index, at);
        }
    }

    pub(crate) fn deadline(&self, index: u32) -> Option<Millis> {
        Some(self.slots[index as usize].deadline).filter(|&at| at != NEVER)
    }

    /// When the first timer goes off.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.next()
    }

    /// Takes who waits for one connection whose deadline has passed, `None` when none has.
    pub(crate) fn pop_overdue(&mut self, now: Millis) -> Option<Waiting> {
        while let Some(index) = self.deadlines.pop_due(now) {
            let slot = self.slot(index);
            if slot.deadline <= now {
                slot.deadline = NEVER;
                slot.flags.add(Flags::TIMED_OUT);
                return Some(std::mem::take(&mut slot.waiting));
            }
            if slot.deadline != NEVER {
                let at = slot.deadline;
                self.deadlines.set(index, at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn victims_come_by_class_and_then_by_age() {
        let mut slots = Slots::new(8);
        let writing = slots.insert(Class::Writing, Flags::NONE);
        let body = slots.insert(Class::Reading, Flags::NONE);
        let header = slots.insert(Class::Header, Flags::NONE);
        let idle = [(); 3].map(|()| slots.insert(Class::Idle, Flags::NONE));
        slots.touch(idle[0]);
        let mut order = Vec::new();
        let sending = [(); 2].map(|()| slots.insert(Class::Writing, Flags::NONE));
        slots.stall(sending[1], 1000);
        slots.stall(sending[0], 1400);
        while let Some(victim) = slots.victim(1000 + STALLED_MS) {
            order.push(victim);
            drop(slots.remove(victim));
        }
        assert_eq!(order, [idle[1], idle[2], idle[0], header, body, sending[1]]);
        slots.resume(sending[0]);
        assert_eq!(slots.victim(10_000), None, "it makes progress");
        assert_eq!(slots.live(), 2, "{writing} stays");
    }

    #[test]
    fn gauges_follow_the_classes() {
        let mut slots = Slots::new(8);
        let one = slots.insert(Class::Header, Flags::NONE);
        let two = slots.insert(Class::Idle, Flags::NONE);
        slots.insert(Class::Peer, Flags::NONE);
        slots.insert(Class::Background, Flags::NONE);
        assert_eq!((slots.live(), slots.busy()), (4, 3));
        slots.set_class(one, Class::Tunnel);
        let expected = ConnectionCounts {
            active: 2,
            reading: 0,
            writing: 1,
            waiting: 1,
        };
        assert_eq!(slots.counts(), expected);
        drop(slots.remove(two));
        assert_eq!(slots.counts().active, 1);
    }

    #[test]
    fn a_later_deadline_is_only_stored() {
        let mut slots = Slots::new(1);
        let index = slots.insert(Class::Idle, Flags::NONE);
        slots.set_deadline(index, Some(100));
        slots.set_deadline(index, Some(500));
        assert_eq!(
            slots.next_deadline(),
            Some(100),
            "the timer stays where it was"
        );
        assert!(slots.pop_overdue(100).is_none());
        assert_eq!(slots.next_deadline(), Some(500));
        slots.set_deadline(index, Some(200));
        assert!(slots.pop_overdue(200).is_some());
        assert!(slots.flags(index).has(Flags::TIMED_OUT));
        slots.set_deadline(index, None);
        assert!(!slots.flags(index).has(Flags::TIMED_OUT));
    }

    #[test]
    fn events_of_a_gone_connection_find_nothing() {
        let mut slots = Slots::new(1);
        let index = slots.insert(Class::Idle, Flags::NONE);
        let old = slots.token(index).key();
        drop(slots.remove(index));
        assert!(slots.find(old).is_none());
        assert_eq!(slots.insert(Class::Idle, Flags::NONE), index);
        assert!(slots.find(old).is_none());
        let new = slots.token(index).key();
        assert!(slots.find(new).is_some());
    }
}
