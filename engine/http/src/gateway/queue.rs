//! `queue`: requests that wait until a peer of their group can take them.

use super::bell::Bell;
use super::upstream::Upstream;
use runtime::{Millis, Worker};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How often the first one looks itself: a peer may have become free by the passing of time, or
/// because the worker that used it was killed.
const LOOK_INTERVAL_MS: Millis = 250;

/// The requests of one worker that wait for a peer of a group, in their order.
#[derive(Default)]
pub struct Queue {
    /// Most of them; 0 for no queue.
    pub number: usize,
    /// Milliseconds that they wait.
    pub timeout: Millis,
    /// By their tickets.
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
    last_ticket: Cell<u64>,
    /// What other workers ring that use the same peers, if there are any.
    bell: Option<Bell>,
    is_listening: Cell<bool>,
}

#[derive(Default)]
struct Waiting {
    ticket: u64,
    waker: RefCell<Option<Waker>>,
    /// Whether something may have changed since it was last its turn to look.
    is_due: Cell<bool>,
}

impl Queue {
    /// A queue of `number` requests that wait for `timeout` milliseconds each.
    pub fn new(number: usize, timeout: Millis) -> Self {
        Self {
            number,
            timeout,
            ..Self::default()
        }
    }

    /// A queue for peers that other workers use, too, which share `bell`.
    #[must_use]
    pub fn with_bell(mut self, bell: Bell) -> Self {
        self.bell = Some(bell);
        self
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.number == 0 || self.waiting.borrow().is_empty()
    }

    /// Takes the last place, unless there are as many as may be.
    pub(super) fn enter(&self) -> Option<Place<'_>> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.number {
            return None;
        }
        let ticket = self.last_ticket.get() + 1;
        self.last_ticket.set(ticket);
        let own = Rc::new(Waiting {
            ticket,
            ..Waiting::default()
        });
        waiting.push_back(Rc::clone(&own));
        if let Some(bell) = &self.bell {
            bell.begin_waiting();
        }
        Some(Place { queue: self, own })
    }

    /// Lets the first one of `group` look again when another worker has given a peer back, from now on.
    pub(super) fn listen(group: &Rc<Upstream>, worker: &Worker) {
        let queue = &group.queue;
        if let Some(bell) = &queue.bell
            && !queue.is_listening.get()
        {
            let group = Rc::downgrade(group);
            let heard = move || {
                if let Some(group) = group.upgrade() {
                    group.queue.advance();
                }
            };
            // Where it fails, it looks now and then, and the next one tries again.
            let is_heard = bell.listen(worker, heard).is_ok();
            queue.is_listening.set(is_heard);
        }
    }

    /// A peer was given back: tells those who wait, here and in other workers.
    pub(super) fn peer_is_free(&self) {
        self.advance();
        if let Some(bell) = &self.bell {
            bell.ring(self.waiting.borrow().len());
        }
    }

    /// Lets the first one look again.
    fn advance(&self) {
        if self.number == 0 {
            return;
        }
        if let Some(first) = self.waiting.borrow().front() {
            first.is_due.set(true);
            if let Some(waker) = first.waker.take() {
                waker.wake();
            }
        }
    }
}

/// A place in a queue, until this is dropped.
pub(super) struct Place<'q> {
    queue: &'q Queue,
    own: Rc<Waiting>,
}

impl Place<'_> {
    /// Whether it is this one's turn.
    pub(super) fn is_first(&self) -> bool {
        let waiting = self.queue.waiting.borrow();
        waiting
            .front()
            .is_some_and(|first| first.ticket == self.own.ticket)
    }

    /// Milliseconds until it should look itself, of the `left` ones that it may wait.
    pub(super) fn patience(&self, left: Millis) -> Millis {
        if self.is_first() {
            left.min(LOOK_INTERVAL_MS)
        } else {
            left
        }
    }

    /// Waits until it should look again.
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.own.is_due.take() {
            return Poll::Ready(());
        }
        self.own.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.borrow_mut();
        let at = waiting.binary_search_by_key(&self.own.ticket, |other| other.ticket);
        let was_first = at == Ok(0);
        if let Ok(at) = at {
            waiting.remove(at);
        }
        drop(waiting);
        if let Some(bell) = &self.queue.bell {
            bell.end_waiting();
        }
        if was_first {
            self.queue.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_left_in_any_order_and_the_next_is_told() {
        let queue = Queue::new(2, 1000);
        let first = queue.enter().unwrap();
        let second = queue.enter().unwrap();
        assert!(queue.enter().is_none());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.is_first() && !second.is_first());
        assert_eq!((first.patience(500), second.patience(500)), (250, 500));
        assert!(second.poll_turn(&mut cx).is_pending());
        queue.advance();
        assert!(first.poll_turn(&mut cx).is_ready());
        assert!(first.poll_turn(&mut cx).is_pending());
        drop(first);
        assert!(second.is_first() && second.poll_turn(&mut cx).is_ready());
        drop(second);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_leaves_from_the_middle_wakes_nobody() {
        let queue = Queue::new(3, 1000);
        let [first, second, third] = [(); 3].map(|()| queue.enter().unwrap());
        let mut cx = Context::from_waker(Waker::noop());
        drop(second);
        assert!(first.poll_turn(&mut cx).is_pending());
        assert!(first.is_first() && !third.is_first());
        let fourth = queue.enter().unwrap();
        drop(first);
        assert!(third.is_first() && third.poll_turn(&mut cx).is_ready());
        drop(third);
        assert!(fourth.is_first());
    }

    #[test]
    fn without_a_number_there_is_no_queue() {
        assert!(Queue::default().enter().is_none());
        assert!(Queue::default().is_empty());
    }
}
