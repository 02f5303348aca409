//! The event loop: waits, tells everyone concerned, and ends the turn.

use crate::clock::Millis;
use crate::log::{self, Level};
use crate::slots::{Flags, Token, TokenKind, Waiting, Wake};
use crate::table::Key;
use crate::worker::Worker;
use poller::Event;
use std::rc::Rc;
use std::task::Poll;

/// The smaller of those that there are.
fn earlier(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Worker {
    /// One turn: waits for events until the next timer, at most `max_wait` milliseconds, and
    /// handles what happened. Not to be called from within a turn.
    pub fn turn(self: &Rc<Self>, max_wait: Option<Millis>) {
        self.wakes.enter();
        self.end_last_turn();
        let wait = self.time_to_wait(max_wait);
        let mut events = self.events.borrow_mut();
        if let Err(error) = self.poller.wait(&mut events, wait) {
            self.report(
                Level::Alert,
                &format!("{}() failed ({error})", poller::WAIT),
            );
        }
        self.clock.tick();
        self.heartbeat.set(self.heartbeat.get().wrapping_add(1));
        for event in events.iter() {
            self.dispatch(event);
        }
        drop(events);
        self.resume_deferred();
        self.fire_timers();
        self.run_woken();
        self.end_pause();
        self.end_turn();
    }

    /// Handling the last turn took time, which must not be waited for again, and is reported
    /// when it was long: meanwhile everyone else waited.
    fn end_last_turn(&self) {
        let since = self.now();
        self.clock.tick_roughly();
        let took = self.now() - since;
        if let Some(limit) = self.limits.stall
            && took > limit
            && self.heartbeat.get() > 0
        {
            let text = format!("event loop stalled: one iteration took {took}ms");
            self.report(Level::Warn, &text);
        }
    }

    /// How long nothing needs to be done; `None` is for ever.
    fn time_to_wait(&self, max_wait: Option<Millis>) -> Option<Millis> {
        if self.wakes.has_local() || !self.deferred.borrow().is_empty() {
            return Some(0);
        }
        let slots = self.slots.borrow().next_deadline();
        let sleeps = self.sleeps.borrow().next();
        let next = earlier(earlier(slots, sleeps), self.acceptor.next());
        earlier(next.map(|next| next.saturating_sub(self.now())), max_wait)
    }

    fn dispatch(self: &Rc<Self>, event: Event) {
        let token = Token::from(event.token());
        match token.kind() {
            TokenKind::Slot => self.tell_slot(token.key(), event),
            TokenKind::Listener => self.accept_from(token.key()),
            TokenKind::Watch => self.call_watcher(token.key()),
            TokenKind::RemoteWakes => self.take_remote_wakes(),
        }
    }

    /// Something happened on a connection.
    fn tell_slot(&self, key: Key, event: Event) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.find(key) else {
            return;
        };
        slot.flags.learn(event);
        let (readable, writable) = (event.is_readable(), event.is_writable());
        let waiting = slot.waiting.take(readable, writable);
        let wake = slot.flags.wake().unwrap_or(Wake::Readable);
        drop(slots);
        self.wake(waiting, wake);
    }

    /// Wakes tasks, or resumes a parked owner with `wake`. No borrow may be held.
    pub(crate) fn wake(&self, waiting: Waiting, wake: Wake) {
        match waiting {
            Waiting::Nobody => {}
            Waiting::Parked(owner) => {
                self.guard(|| owner.resume(wake));
            }
            Waiting::Reader(waker) | Waiting::Writer(waker) | Waiting::Both(waker) => waker.wake(),
            Waiting::Each(pair) => {
                let (reader, writer) = *pair;
                reader.wake();
                writer.wake();
            }
        }
    }

    fn resume_deferred(&self) {
        if self.deferred.borrow().is_empty() {
            return;
        }
        for token in self.deferred.take() {
            let mut slots = self.slots.borrow_mut();
            // Meanwhile it may have been resumed by an event, or is parked no longer.
            let Some(slot) = slots.find(token.key()) else {
                continue;
            };
            let wake = slot.flags.wake();
            let is_parked = matches!(slot.waiting, Waiting::Parked(_));
            let readable = slot.flags.has(Flags::READABLE) || is_parked && wake.is_some();
            let waiting = slot.waiting.take(readable, slot.flags.has(Flags::WRITABLE));
            drop(slots);
            self.wake(waiting, wake.unwrap_or(Wake::Readable));
        }
    }

    fn fire_timers(&self) {
        let now = self.now();
        loop {
            let overdue = self.slots.borrow_mut().pop_overdue(now);
            let Some(waiting) = overdue else {
                break;
            };
            self.wake(waiting, Wake::TimedOut);
        }
        loop {
            let waker = self.sleeps.borrow_mut().pop_due(now);
            let Some(waker) = waker else {
                break;
            };
            waker.wake();
        }
    }

    fn end_turn(&self) {
        self.watch_thinning();
        let hook = self.hooks.turn_end.borrow().clone();
        if let Some(hook) = hook {
            self.guard(|| hook(self));
        }
        log::flush_turn();
        if !self.turn_waiters.borrow().is_empty() {
            for waker in self.turn_waiters.take() {
                waker.wake();
            }
        }
    }

    /// Waits until this turn has ended: hooks have run, lines of logs have been written.
    pub async fn turn_ended(&self) {
        let mut has_waited = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut has_waited, true) {
                return Poll::Ready(());
            }
            self.turn_waiters.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Resumes every parked connection with [`Wake::Shutdown`].
    pub fn close_idle(&self) {
        let parked = self.slots.borrow().parked();
        for key in parked {
            let waiting = {
                let mut slots = self.slots.borrow_mut();
                match slots.find(key) {
                    Some(slot) if matches!(slot.waiting, Waiting::Parked(_)) => {
                        slot.waiting.take(true, true)
                    }
                    _ => continue,
                }
            };
            self.wake(waiting, Wake::Shutdown);
        }
    }

    /// Gives up the connections of all clients: who waits for one is told as if it stood in the
    /// way of a new one, and can still say what became of it.
    pub fn give_up_clients(&self) {
        let clients = self.slots.borrow().clients();
        for key in clients {
            let waiting = {
                let mut slots = self.slots.borrow_mut();
                let Some(slot) = slots.find(key) else {
                    continue;
                };
                slot.flags.add(Flags::EVICTED);
                std::mem::take(&mut slot.waiting)
            };
            self.wake(waiting, Wake::Evicted);
        }
    }
}
