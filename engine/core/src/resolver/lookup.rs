//! What is known about names, what is being asked for, and who waits for it.

use super::{Failure, Resolver};
use dns::Name;
use runtime::{Elapsed, Millis, Worker};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Names remembered, each with some hundred bytes. At the bound: what is forgotten first is
/// what was to be forgotten first.
const NAMES_MAX: usize = 4096;

/// Names asked for at a time, each with two sockets or more. At the bound: [`Failure::Busy`].
const FLIGHTS_MAX: usize = 256;

/// Shortest time that addresses are remembered, so that a busy name whose server says 0 is not
/// asked for with every request. nginx remembers such for the rest of a second.
pub(super) const TTL_MIN: Millis = 1_000;

/// How long addresses are used while no server answers. Source: RFC 8767, 5, one to three days.
const STALE_MAX: Millis = 86_400_000;

/// How long a name is not asked for again after no server answered, while its last addresses
/// are used. Source: RFC 8767, 5.
const RECHECK: Millis = 30_000;

/// How long a client waits for new addresses while there are old ones. Source: RFC 8767, 5.
const STALE_AFTER: Millis = 1_800;

/// What was found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// In the order in which they should be tried; never empty.
    pub items: Vec<T>,
    /// When to ask again, in the worker's milliseconds.
    pub valid_until: Millis,
    /// Whether they are the last ones that were found, since no server answers now.
    pub is_stale: bool,
}

impl<T> Found<T> {
    /// The same for who can do without the last ones.
    ///
    /// # Errors
    ///
    /// [`Failure::TimedOut`] where no server answered.
    pub fn if_fresh(self) -> Result<Self, Failure> {
        if self.is_stale {
            return Err(Failure::TimedOut);
        }
        Ok(self)
    }
}

/// An answer as it is remembered; empty where there is nothing.
#[derive(Clone)]
pub(super) struct Answered<T> {
    pub(super) items: Rc<[T]>,
    /// Milliseconds.
    pub(super) ttl: Millis,
}

type Outcome<T> = Result<Known<T>, Failure>;

#[derive(Clone)]
struct Known<T> {
    items: Rc<[T]>,
    valid_until: Millis,
    /// How long it is used while no server answers.
    usable_until: Millis,
    /// Which item comes first next time.
    turn: usize,
}

impl<T: Clone> Known<T> {
    fn found(&self, skip: usize) -> Result<Found<T>, Failure> {
        if self.items.is_empty() {
            return Err(Failure::NOT_FOUND);
        }
        let mut items = self.items.to_vec();
        let len = items.len();
        items.rotate_left(skip % len);
        Ok(Found {
            items,
            valid_until: self.valid_until,
            is_stale: false,
        })
    }
}

/// One name being asked for.
struct Flight<T> {
    started: Millis,
    /// When nobody waits any longer.
    deadline: Rc<Cell<Millis>>,
    outcome: RefCell<Option<Outcome<T>>>,
    waiting: RefCell<HashMap<u64, Waker>>,
    waiters: Cell<u64>,
}

impl<T> Flight<T> {
    fn land(&self, outcome: Outcome<T>) {
        self.outcome.replace(Some(outcome));
        for (_, waker) in self.waiting.take() {
            waker.wake();
        }
    }
}

/// Takes its waker back when whoever waits leaves.
struct Waiter<T> {
    flight: Rc<Flight<T>>,
    number: u64,
}

impl<T: Clone> Waiter<T> {
    fn new(flight: Rc<Flight<T>>) -> Self {
        let number = flight.waiters.get();
        flight.waiters.set(number + 1);
        Self { flight, number }
    }

    async fn wait(&self) -> Outcome<T> {
        poll_fn(|cx| {
            if let Some(outcome) = &*self.flight.outcome.borrow() {
                return Poll::Ready(outcome.clone());
            }
            let mut waiting = self.flight.waiting.borrow_mut();
            waiting.insert(self.number, cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let waker = self.flight.waiting.borrow_mut().remove(&self.number);
        drop(waker);
    }
}

/// All names of one kind of question.
pub(super) struct Lookups<T> {
    known: RefCell<HashMap<Name, Known<T>>>,
    flights: RefCell<HashMap<Name, Rc<Flight<T>>>>,
}

impl<T> Default for Lookups<T> {
    fn default() -> Self {
        Self {
            known: RefCell::default(),
            flights: RefCell::default(),
        }
    }
}

impl<T: Clone> Lookups<T> {
    /// What is known and valid.
    fn fresh(&self, name: &Name, now: Millis) -> Option<Result<Found<T>, Failure>> {
        let mut known = self.known.borrow_mut();
        let known = known.get_mut(name)?;
        if known.valid_until <= now {
            return None;
        }
        known.turn = known.turn.wrapping_add(1);
        Some(known.found(known.turn))
    }

    /// What was known last, while nobody says anything newer.
    fn stale(&self, name: &Name, now: Millis) -> Option<Found<T>> {
        let known = self.known.borrow();
        let known = known.get(name)?;
        let is_usable = known.usable_until > now;
        let found = is_usable.then(|| known.found(0).ok()).flatten()?;
        Some(Found {
            is_stale: true,
            ..found
        })
    }

    /// Remembers what came of asking.
    fn settle(&self, name: &Name, outcome: &Outcome<T>, now: Millis) {
        let mut all = self.known.borrow_mut();
        match outcome {
            Ok(known) if known.items.is_empty() && known.valid_until <= now => {
                all.remove(name);
            }
            Ok(known) => {
                if all.len() >= NAMES_MAX && !all.contains_key(name) {
                    all.retain(|_, known| known.valid_until > now);
                    let first = all.iter().min_by_key(|(_, known)| known.valid_until);
                    let first = first.map(|(name, _)| name.clone());
                    if let Some(first) = first.filter(|_| all.len() >= NAMES_MAX) {
                        all.remove(&first);
                    }
                }
                all.insert(name.clone(), known.clone());
            }
            Err(Failure::TimedOut) => {
                if let Some(known) = all.get_mut(name).filter(|k| k.usable_until > now) {
                    known.valid_until = (now + RECHECK).min(known.usable_until);
                }
            }
            Err(Failure::Server(_) | Failure::Busy) => {}
        }
    }
}

/// Ends a flight whatever becomes of the task: one that panicked must not leave its name behind.
struct Landing<T: Clone> {
    resolver: Rc<Resolver>,
    lookups: fn(&Resolver) -> &Lookups<T>,
    name: Name,
    outcome: Option<Outcome<T>>,
}

impl<T: Clone> Landing<T> {
    fn end(mut self, outcome: Outcome<T>) {
        self.outcome = Some(outcome);
    }
}

impl<T: Clone> Drop for Landing<T> {
    fn drop(&mut self) {
        let lookups = (self.lookups)(&self.resolver);
        let outcome = self.outcome.take().unwrap_or(Err(Failure::Server(2)));
        if let Some(worker) = Worker::try_current() {
            lookups.settle(&self.name, &outcome, worker.now());
        }
        let flight = lookups.flights.borrow_mut().remove(&self.name);
        if let Some(flight) = flight {
            flight.land(outcome);
        }
    }
}

/// What is known about `name`, or what `ask` finds within `timeout` milliseconds: one asking
/// for all who want to know.
pub(super) async fn find<T: Clone + 'static, F>(
    resolver: &Rc<Resolver>,
    lookups: fn(&Resolver) -> &Lookups<T>,
    name: Name,
    timeout: Millis,
    ask: impl FnOnce(Rc<Resolver>, Name, Rc<Cell<Millis>>) -> F,
) -> Result<Found<T>, Failure>
where
    F: Future<Output = Result<Answered<T>, Failure>> + 'static,
{
    let worker = Worker::current();
    let now = worker.now();
    let all = lookups(resolver);
    if let Some(found) = all.fresh(&name, now) {
        return found;
    }
    let stale = all.stale(&name, now);
    let flying = all.flights.borrow().get(&name).cloned();
    let (flight, is_new) = match flying {
        Some(flight) => (flight, false),
        None if all.flights.borrow().len() >= FLIGHTS_MAX => {
            return stale.ok_or(Failure::Busy);
        }
        None => (depart(all, &name, now), true),
    };
    let deadline = now.saturating_add(timeout);
    flight.deadline.set(flight.deadline.get().max(deadline));
    let patience = match stale {
        Some(_) => (flight.started + STALE_AFTER).saturating_sub(now),
        None => timeout,
    };
    let waiter = Waiter::new(Rc::clone(&flight));
    if is_new {
        let landing = Landing {
            resolver: Rc::clone(resolver),
            lookups,
            name: name.clone(),
            outcome: None,
        };
        let asking = ask(Rc::clone(resolver), name, Rc::clone(&flight.deadline));
        worker.spawn(async move {
            landing.end(asking.await.map(remembered));
        });
    }
    match worker.timeout(patience.min(timeout), waiter.wait()).await {
        Ok(Ok(known)) => known.found(0),
        Ok(Err(Failure::TimedOut)) | Err(Elapsed) => stale.ok_or(Failure::TimedOut),
        Ok(Err(failure)) => Err(failure),
    }
}

fn depart<T>(all: &Lookups<T>, name: &Name, now: Millis) -> Rc<Flight<T>> {
    let flight = Rc::new(Flight {
        started: now,
        deadline: Rc::new(Cell::new(now)),
        outcome: RefCell::new(None),
        waiting: RefCell::default(),
        waiters: Cell::new(0),
    });
    all.flights
        .borrow_mut()
        .insert(name.clone(), Rc::clone(&flight));
    flight
}

fn remembered<T>(answered: Answered<T>) -> Known<T> {
    let now = Worker::current().now();
    let (ttl, stale) = if answered.items.is_empty() {
        (answered.ttl, 0)
    } else {
        (answered.ttl.max(TTL_MIN), STALE_MAX)
    };
    let valid_until = now.saturating_add(ttl);
    Known {
        items: answered.items,
        valid_until,
        usable_until: valid_until.saturating_add(stale),
        turn: 0,
    }
}
