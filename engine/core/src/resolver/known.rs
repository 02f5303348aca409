//! What is remembered about names.

use super::Failure;
use super::lookup::Found;
use dns::Name;
use runtime::Millis;
use std::collections::HashMap;
use std::rc::Rc;

/// Names remembered, each with some hundred bytes.
pub(super) const NAMES_MAX: usize = 4096;

/// Addresses or servers remembered, of all names together: some 20 bytes an address, up to 300 a
/// server. The largest answer has 4096.
const ITEMS_MAX: usize = 65_536;

/// At either bound this part of the names is forgotten, those that nobody used for longest: so
/// that the names of a flood push out one another, and not those that are in use.
const FORGOTTEN_PART: usize = 16;

/// Shortest time that addresses are remembered, so that a busy name whose server says 0 is not
/// asked for with every request. nginx remembers such for the rest of a second.
pub(super) const TTL_MIN: Millis = 1_000;

/// How long addresses are used while no server answers. Source: RFC 8767, 5, one to three days.
const STALE_MAX: Millis = 86_400_000;

/// How long a name is not asked for again after no server answered, while its last addresses
/// are used. Source: RFC 8767, 5.
const RECHECK: Millis = 30_000;

/// What one name has.
#[derive(Clone)]
pub(super) struct Known<T> {
    items: Rc<[T]>,
    valid_until: Millis,
    /// How long it is used while no server answers.
    usable_until: Millis,
    /// Whether it is used longer than it was said to be valid.
    is_stale: bool,
    used_at: Millis,
    /// Which item comes first next time.
    turn: usize,
}

impl<T: Clone> Known<T> {
    /// `items`, perhaps none, which may be remembered for `ttl` milliseconds from `now` on.
    pub(super) fn new(items: Rc<[T]>, ttl: Millis, now: Millis) -> Self {
        let (ttl, stale) = if items.is_empty() {
            (ttl, 0)
        } else {
            (ttl.max(TTL_MIN), STALE_MAX)
        };
        let valid_until = now.saturating_add(ttl);
        Self {
            items,
            valid_until,
            usable_until: valid_until.saturating_add(stale),
            is_stale: false,
            used_at: now,
            turn: 0,
        }
    }

    /// The items, the one at `first` first.
    pub(super) fn found(&self, first: usize) -> Result<Found<T>, Failure> {
        if self.items.is_empty() {
            return Err(Failure::NOT_FOUND);
        }
        let (before, after) = self.items.split_at(first % self.items.len());
        Ok(Found {
            items: [after, before].concat(),
            valid_until: self.valid_until,
        })
    }
}

/// All names of one kind of question.
pub(super) struct Cache<T> {
    names: HashMap<Name, Known<T>>,
    /// How many items all of them have.
    items: usize,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            items: 0,
        }
    }
}

impl<T: Clone> Cache<T> {
    /// What is known and valid, or, for who `takes_stale`, need not be asked for again yet.
    pub(super) fn fresh(
        &mut self,
        name: &Name,
        now: Millis,
        takes_stale: bool,
    ) -> Option<Result<Found<T>, Failure>> {
        let known = self.names.get_mut(name)?;
        known.used_at = now;
        if known.valid_until <= now || known.is_stale && !takes_stale {
            return None;
        }
        known.turn = known.turn.wrapping_add(1);
        Some(known.found(known.turn))
    }

    /// What was known last, while nobody says anything newer.
    pub(super) fn stale(&self, name: &Name, now: Millis) -> Option<Found<T>> {
        let known = self.names.get(name)?;
        let is_usable = known.usable_until > now;
        is_usable.then(|| known.found(0).ok()).flatten()
    }

    /// Remembers what came of asking.
    pub(super) fn settle(&mut self, name: &Name, outcome: &Result<Known<T>, Failure>, now: Millis) {
        match outcome {
            Ok(known) => {
                self.remove(name);
                if !known.items.is_empty() || known.valid_until > now {
                    self.insert(name, known.clone());
                }
            }
            Err(Failure::TimedOut) => {
                let usable = self.names.get_mut(name);
                if let Some(known) = usable.filter(|known| known.usable_until > now) {
                    known.valid_until = (now + RECHECK).min(known.usable_until);
                    known.is_stale = true;
                }
            }
            Err(Failure::Server(_) | Failure::Busy) => {}
        }
    }

    fn insert(&mut self, name: &Name, known: Known<T>) {
        let count = known.items.len();
        while !self.names.is_empty()
            && (self.names.len() >= NAMES_MAX || self.items + count > ITEMS_MAX)
        {
            self.forget();
        }
        self.items += count;
        self.names.insert(name.clone(), known);
    }

    fn remove(&mut self, name: &Name) {
        if let Some(known) = self.names.remove(name) {
            self.items -= known.items.len();
        }
    }

    /// Forgets a part of the names, one at least.
    #[cold]
    fn forget(&mut self) {
        let mut names: Vec<_> = self
            .names
            .iter()
            .map(|(name, known)| (known.used_at, name.clone()))
            .collect();
        let count = names.len().div_ceil(FORGOTTEN_PART);
        if count < names.len() {
            names.select_nth_unstable(count);
        }
        for (_, name) in names.into_iter().take(count) {
            self.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(index: usize) -> Name {
        Name::parse(format!("n{index}.test").as_bytes()).unwrap()
    }

    fn settle(cache: &mut Cache<u8>, index: usize, count: usize, now: Millis) {
        let items: Rc<[u8]> = (0..count).map(|_| 7).collect();
        cache.settle(&name(index), &Ok(Known::new(items, 60_000, now)), now);
    }

    #[test]
    fn a_flood_of_names_does_not_push_out_those_in_use() {
        let mut cache = Cache::default();
        settle(&mut cache, 0, 1, 0);
        for index in 1..3 * NAMES_MAX {
            settle(&mut cache, index, 1, index as Millis);
            assert!(cache.fresh(&name(0), index as Millis, true).is_some());
        }
        assert!(cache.names.len() <= NAMES_MAX && cache.names.len() > NAMES_MAX / 2);
        assert!(cache.fresh(&name(1), 50, true).is_none());
        assert_eq!(cache.items, cache.names.len());
    }

    #[test]
    fn who_wants_news_is_not_told_what_silence_left() {
        let mut cache = Cache::default();
        settle(&mut cache, 0, 1, 0);
        let is_known = |cache: &mut Cache<u8>, now, takes_stale| {
            cache.fresh(&name(0), now, takes_stale).is_some()
        };
        assert!(is_known(&mut cache, 59_999, false) && !is_known(&mut cache, 60_000, true));
        cache.settle(&name(0), &Err(Failure::TimedOut), 63_000);
        assert!(is_known(&mut cache, 63_000, true) && !is_known(&mut cache, 63_000, false));
        settle(&mut cache, 0, 1, 64_000);
        assert!(is_known(&mut cache, 64_000, false));
    }

    #[test]
    fn all_items_together_are_bounded() {
        let mut cache = Cache::default();
        for index in 0..100 {
            settle(&mut cache, index, 4096, index as Millis);
            assert!(cache.items <= ITEMS_MAX);
        }
        assert!(cache.fresh(&name(99), 99, true).is_some());
        assert_eq!(cache.items, cache.names.len() * 4096);
    }

    #[test]
    fn items_take_turns() {
        let known = Known::new([1, 2, 3].into(), 0, 0);
        let found = |first| known.found(first).unwrap().items;
        assert_eq!(
            [found(0), found(1), found(5)],
            [[1, 2, 3], [2, 3, 1], [3, 1, 2]]
        );
    }
}
