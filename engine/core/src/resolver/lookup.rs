//! What is being asked for, and who waits for it.

use super::known::{Cache, Known};
use super::{Failure, Resolver};
use dns::Name;
use runtime::{Elapsed, Millis, Worker};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Names asked for at a time, each with two sockets or more. At the bound the one that has been
/// asked for longest ends with [`Failure::Busy`], so that names that nobody answers for do not
/// keep others from being found.
const FLIGHTS_MAX: usize = 256;

/// How long a client waits for new addresses while there are old ones. Source: RFC 8767, 5.
const STALE_AFTER: Millis = 1_800;

/// What was found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// In the order in which they should be tried; never empty.
    pub items: Vec<T>,
    /// When to ask again, in the worker's milliseconds.
    pub valid_until: Millis,
}

/// An answer as it is remembered; empty where there is nothing.
#[derive(Clone)]
pub(super) struct Answered<T> {
    pub(super) items: Rc<[T]>,
    /// Milliseconds.
    pub(super) ttl: Millis,
}

type Outcome<T> = Result<Known<T>, Failure>;

/// One name being asked for.
struct Flight<T> {
    started: Millis,
    /// When nobody waits any longer.
    deadline: Rc<Cell<Millis>>,
    /// Whether it goes on while nobody waits: those who do not wait have the last addresses.
    is_renewal: bool,
    outcome: RefCell<Option<Outcome<T>>>,
    waiting: RefCell<HashMap<u64, Waker>>,
    /// How many wait, and how many ever did.
    present: Cell<usize>,
    waiters: Cell<u64>,
    /// Of the task that asks.
    asking: RefCell<Option<Waker>>,
}

impl<T> Flight<T> {
    fn land(&self, outcome: Outcome<T>) {
        self.outcome.replace(Some(outcome));
        for (_, waker) in self.waiting.take() {
            waker.wake();
        }
        self.wake_asking();
    }

    /// Whether nobody is there for the answer.
    fn is_pointless(&self) -> bool {
        self.outcome.borrow().is_some() || self.present.get() == 0 && !self.is_renewal
    }

    fn wake_asking(&self) {
        let asking = self.asking.take();
        if let Some(waker) = asking {
            waker.wake();
        }
    }

    /// What `ask` gives; [`Failure::Busy`] as soon as it is pointless.
    async fn ask<A>(&self, ask: impl Future<Output = Result<A, Failure>>) -> Result<A, Failure> {
        let mut ask = pin!(ask);
        poll_fn(|cx| {
            if self.is_pointless() {
                return Poll::Ready(Err(Failure::Busy));
            }
            self.asking.replace(Some(cx.waker().clone()));
            ask.as_mut().poll(cx)
        })
        .await
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
        flight.present.set(flight.present.get() + 1);
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
        let flight = &self.flight;
        let waker = flight.waiting.borrow_mut().remove(&self.number);
        drop(waker);
        flight.present.set(flight.present.get() - 1);
        if flight.is_pointless() {
            flight.wake_asking();
        }
    }
}

/// All names of one kind of question.
pub(super) struct Lookups<T> {
    known: RefCell<Cache<T>>,
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
    /// The asking for `name` that is going on, or a new one, and whether it is.
    fn flight(&self, name: &Name, now: Millis, is_renewal: bool) -> (Rc<Flight<T>>, bool) {
        if let Some(flight) = self.flights.borrow().get(name) {
            return (Rc::clone(flight), false);
        }
        if self.flights.borrow().len() >= FLIGHTS_MAX {
            self.end_oldest();
        }
        let flight = Rc::new(Flight {
            started: now,
            deadline: Rc::new(Cell::new(now)),
            is_renewal,
            outcome: RefCell::new(None),
            waiting: RefCell::default(),
            present: Cell::new(0),
            waiters: Cell::new(0),
            asking: RefCell::default(),
        });
        let mut flights = self.flights.borrow_mut();
        flights.insert(name.clone(), Rc::clone(&flight));
        (flight, true)
    }

    #[cold]
    fn end_oldest(&self) {
        let mut flights = self.flights.borrow_mut();
        let oldest = flights.iter().min_by_key(|(_, flight)| flight.started);
        let oldest = oldest.map(|(name, _)| name.clone());
        let flight = oldest.and_then(|name| flights.remove(&name));
        drop(flights);
        if let Some(flight) = flight {
            flight.land(Err(Failure::Busy));
        }
    }
}

/// Ends a flight whatever becomes of the task: one that panicked must not leave its name behind.
struct Landing<T: Clone> {
    resolver: Rc<Resolver>,
    lookups: fn(&Resolver) -> &Lookups<T>,
    name: Name,
    flight: Rc<Flight<T>>,
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
            let mut known = lookups.known.borrow_mut();
            known.settle(&self.name, &outcome, worker.now());
        }
        // It may have been ended, and another begun since.
        let mut flights = lookups.flights.borrow_mut();
        let current = flights.get(&self.name);
        if current.is_some_and(|current| Rc::ptr_eq(current, &self.flight)) {
            flights.remove(&self.name);
        }
        drop(flights);
        if self.flight.outcome.borrow().is_none() {
            self.flight.land(outcome);
        }
    }
}

/// What is known about `name`, or what `ask` finds within `timeout` milliseconds: one asking
/// for all who want to know. Where no server answers, what was known last, unless it
/// `must_be_fresh`.
pub(super) async fn find<T: Clone + 'static, F>(
    resolver: &Rc<Resolver>,
    lookups: fn(&Resolver) -> &Lookups<T>,
    name: Name,
    (timeout, must_be_fresh): (Millis, bool),
    ask: impl FnOnce(Rc<Resolver>, Name, Rc<Cell<Millis>>) -> F,
) -> Result<Found<T>, Failure>
where
    F: Future<Output = Result<Answered<T>, Failure>> + 'static,
{
    let worker = Worker::current();
    let now = worker.now();
    let all = lookups(resolver);
    let fresh = all.known.borrow_mut().fresh(&name, now, !must_be_fresh);
    if let Some(found) = fresh {
        return found;
    }
    let stale = match must_be_fresh {
        true => None,
        false => all.known.borrow().stale(&name, now),
    };
    let (flight, is_new) = all.flight(&name, now, stale.is_some());
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
            flight: Rc::clone(&flight),
            outcome: None,
        };
        let asking = ask(Rc::clone(resolver), name, Rc::clone(&flight.deadline));
        worker.spawn(async move {
            let answered = flight.ask(asking).await;
            let now = Worker::current().now();
            landing.end(answered.map(|known| Known::new(known.items, known.ttl, now)));
        });
    }
    match worker.timeout(patience.min(timeout), waiter.wait()).await {
        Ok(Ok(known)) => known.found(0),
        Ok(Err(failure @ (Failure::TimedOut | Failure::Busy))) => stale.ok_or(failure),
        Err(Elapsed) => stale.ok_or(Failure::TimedOut),
        Ok(Err(failure)) => Err(failure),
    }
}
