//! Timers: a heap of moments that can be moved and removed, and the [`Sleep`] future.

use crate::clock::Millis;
use crate::table::{Key, Table};
use crate::worker::Worker;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Children of a heap entry. Four keep the tree shallow and siblings in one cache line.
const ARITY: usize = 4;

/// Place of an id that has no timer.
const NOWHERE: u32 = u32::MAX;

/// Packed, since every idle connection has one: four bytes of it would be padding.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
struct Entry {
    at: Millis,
    id: u32,
}

const _: () = assert!(size_of::<Entry>() == 12);

/// At most one timer for each id; ids are small numbers. 12 bytes an armed timer, 4 an id.
#[derive(Default)]
pub(crate) struct TimerHeap {
    entries: Vec<Entry>,
    /// Where in `entries` the timer of an id is.
    places: Vec<u32>,
}

impl TimerHeap {
    /// Room for timers of `count` ids, reserved for the reason that slots have.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self {
            entries: Vec::with_capacity(count),
            places: Vec::with_capacity(count),
        }
    }

    fn place(&self, id: u32) -> Option<usize> {
        let place = self.places.get(id as usize).copied()?;
        (place != NOWHERE).then_some(place as usize)
    }

    /// When the timer of `id` goes off.
    pub(crate) fn time_of(&self, id: u32) -> Option<Millis> {
        let place = self.place(id)?;
        self.entries.get(place).map(|entry| entry.at)
    }

    /// When the first timer goes off.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.entries.first().map(|entry| entry.at)
    }

    /// Arms the timer of `id`, or moves it.
    pub(crate) fn set(&mut self, id: u32, at: Millis) {
        let place = match self.place(id) {
            Some(place) => place,
            None => {
                if self.places.len() <= id as usize {
                    self.places.resize(id as usize + 1, NOWHERE);
                }
                self.entries.push(Entry { at, id });
                self.entries.len() - 1
            }
        };
        self.settle(place, Entry { at, id });
    }

    /// Disarms the timer of `id`, if there is one.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(place) = self.place(id) else {
            return;
        };
        self.places[id as usize] = NOWHERE;
        if let Some(last) = self.entries.pop()
            && place < self.entries.len()
        {
            self.settle(place, last);
        }
    }

    /// Takes a timer that goes off at or before `now`.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<u32> {
        let first = *self.entries.first()?;
        if first.at > now {
            return None;
        }
        self.remove(first.id);
        Some(first.id)
    }

    /// Puts `entry` where it belongs, starting from the hole at `place`.
    fn settle(&mut self, mut place: usize, entry: Entry) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.entries[parent].at <= entry.at {
                break;
            }
            self.put(place, self.entries[parent]);
            place = parent;
        }
        while let Some(child) = self.first_child(place) {
            if self.entries[child].at >= entry.at {
                break;
            }
            self.put(place, self.entries[child]);
            place = child;
        }
        self.put(place, entry);
    }

    /// The child of `place` that goes off first.
    fn first_child(&self, place: usize) -> Option<usize> {
        let start = place * ARITY + 1;
        let end = (start + ARITY).min(self.entries.len());
        (start..end).min_by_key(|&child| self.entries[child].at)
    }

    fn put(&mut self, place: usize, entry: Entry) {
        self.entries[place] = entry;
        self.places[entry.id as usize] = u32::try_from(place).unwrap_or(NOWHERE);
    }
}

/// The sleeping futures of one worker.
pub(crate) struct Sleeps {
    heap: TimerHeap,
    wakers: Table<Waker>,
}

impl Sleeps {
    pub(crate) fn new() -> Self {
        Self {
            heap: TimerHeap::default(),
            wakers: Table::new(),
        }
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.heap.next()
    }

    fn insert(&mut self, at: Millis, waker: Waker) -> Key {
        let key = self.wakers.insert(waker);
        self.heap.set(key.index, at);
        key
    }

    fn remove(&mut self, key: Key) -> Option<Waker> {
        let waker = self.wakers.remove(key)?;
        self.heap.remove(key.index);
        Some(waker)
    }

    /// Takes the waker of one sleep that is over.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<Waker> {
        let index = self.heap.pop_due(now)?;
        // The entry stays until its future is polled or dropped.
        self.wakers.at(index).cloned()
    }
}

/// A future that is done at a moment. Made by [`Worker::sleep`].
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    worker: Rc<Worker>,
    at: Millis,
    key: Option<Key>,
}

impl Sleep {
    pub(crate) fn until(worker: Rc<Worker>, at: Millis) -> Self {
        let key = None;
        Self { worker, at, key }
    }

    /// When it is done.
    pub fn at(&self) -> Millis {
        self.at
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            let waker = self.worker.sleeps.borrow_mut().remove(key);
            drop(waker);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.worker.now() >= self.at {
            self.forget();
            return Poll::Ready(());
        }
        let known = self.key.is_some_and(|key| {
            let mut sleeps = self.worker.sleeps.borrow_mut();
            let waker = sleeps.wakers.get(key);
            waker.is_some_and(|waker| waker.will_wake(cx.waker()))
        });
        if !known {
            self.forget();
            let mut sleeps = self.worker.sleeps.borrow_mut();
            let key = sleeps.insert(self.at, cx.waker().clone());
            drop(sleeps);
            self.key = Some(key);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The time given to [`Worker::timeout`] is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl std::error::Error for Elapsed {}

/// `future`, unless `sleep` is over before it.
pub(crate) async fn race<F: Future>(sleep: Sleep, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = pin!(sleep);
    poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same in every run.
    fn numbers() -> impl Iterator<Item = u64> {
        let mut state = 1_u64;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 40
        })
    }

    #[test]
    fn timers_go_off_in_order_whatever_happened_before() {
        let mut heap = TimerHeap::default();
        let mut expected = std::collections::BTreeMap::new();
        let mut numbers = numbers();
        for _ in 0..5000 {
            let id = u32::try_from(numbers.next().unwrap() % 300).unwrap();
            let at = numbers.next().unwrap() % 1000;
            if numbers.next().unwrap().is_multiple_of(4) {
                heap.remove(id);
                expected.remove(&id);
            } else {
                heap.set(id, at);
                expected.insert(id, at);
            }
            assert_eq!(heap.time_of(id), expected.get(&id).copied());
            assert_eq!(heap.next(), expected.values().min().copied());
        }
        let mut last = 0;
        while let Some(at) = heap.next() {
            assert!(at >= last, "{at} after {last}");
            last = at;
            let id = heap.pop_due(at).unwrap();
            assert_eq!(expected.remove(&id), Some(at));
        }
        assert!(expected.is_empty());
    }

    #[test]
    fn nothing_goes_off_early() {
        let mut heap = TimerHeap::default();
        heap.set(3, 100);
        assert_eq!(heap.pop_due(99), None);
        assert_eq!(heap.pop_due(100), Some(3));
        assert_eq!(heap.pop_due(u64::MAX), None);
    }
}
