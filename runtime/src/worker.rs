//! The event loop: waits, tells everyone concerned, and ends the turn.

use crate::clock::{Clock, Millis, WallClock};
use crate::listener::Acceptor;
use crate::log::{self, Level};
use crate::slots::{ConnectionCounts, Flags, Slots, Token, TokenKind, Waiting, Wake};
use crate::table::Key;
use crate::tasks::Tasks;
use crate::timers::{Elapsed, Sleep, Sleeps, race};
use crate::watch::Watches;
use std::cell::{Cell, Ref, RefCell};
use std::future::Future;
use std::io;
use std::rc::{Rc, Weak};
use sys::epoll::{Epoll, Event, Events, Interest};
use sys::waker::WakeQueue;

/// Events taken from the kernel in one turn. Source: nginx's `epoll_events`.
const EVENTS: usize = 512;

/// What a worker may use.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// Connections of any kind at once (`worker_connections`).
    pub connections: u32,
    /// Takes all waiting connections in a turn instead of one (`multi_accept`).
    pub multi_accept: bool,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            multi_accept: false,
        }
    }
}

/// Takes a message of the worker's own.
pub type ReportHook = Rc<dyn Fn(Level, &str)>;

type Hook = Rc<dyn Fn()>;
type HeartbeatHook = Rc<dyn Fn(u64)>;

#[derive(Default)]
struct Hooks {
    turn_end: RefCell<Vec<Hook>>,
    report: RefCell<Option<ReportHook>>,
    heartbeat: RefCell<Option<HeartbeatHook>>,
}

/// One thread's event loop, with everything that waits in it.
pub struct Worker {
    this: Weak<Self>,
    pub(crate) limits: WorkerLimits,
    pub(crate) epoll: Epoll,
    pub(crate) slots: RefCell<Slots>,
    /// Parked connections that have something to be told already.
    pub(crate) deferred: RefCell<Vec<Token>>,
    pub(crate) tasks: Tasks,
    pub(crate) wakes: WakeQueue,
    pub(crate) sleeps: RefCell<Sleeps>,
    pub(crate) acceptor: Acceptor,
    pub(crate) watches: RefCell<Watches>,
    clock: Clock,
    events: RefCell<Events>,
    hooks: Hooks,
    stopping: Cell<bool>,
    heartbeat: Cell<u64>,
}

thread_local! {
    static CURRENT: RefCell<Weak<Worker>> = const { RefCell::new(Weak::new()) };
}

impl Worker {
    /// A worker on this thread, which becomes the current one.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors have run out.
    pub fn new(limits: WorkerLimits) -> io::Result<Rc<Self>> {
        let epoll = Epoll::new()?;
        let wakes = WakeQueue::new()?;
        epoll.add(
            wakes.signal(),
            Interest::READABLE,
            Token::REMOTE_WAKES.into(),
        )?;
        let worker = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            limits,
            epoll,
            slots: RefCell::new(Slots::new(limits.connections)),
            deferred: RefCell::default(),
            tasks: Tasks::new(),
            wakes,
            sleeps: RefCell::new(Sleeps::new()),
            acceptor: Acceptor::new(limits.multi_accept),
            watches: RefCell::new(Watches::new()),
            clock: Clock::new(),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            hooks: Hooks::default(),
            stopping: Cell::new(false),
            heartbeat: Cell::new(0),
        });
        CURRENT.replace(Rc::downgrade(&worker));
        Ok(worker)
    }

    /// The worker of this thread.
    ///
    /// # Panics
    ///
    /// On a thread without one.
    pub fn current() -> Rc<Self> {
        Self::try_current().expect("code of a worker runs on the worker's thread")
    }

    /// The worker of this thread, if there is one.
    pub fn try_current() -> Option<Rc<Self>> {
        CURRENT
            .try_with(|current| current.borrow().upgrade())
            .ok()?
    }

    /// `self`, shared.
    fn shared(&self) -> Rc<Self> {
        self.this
            .upgrade()
            .expect("a worker is only ever made inside an Rc")
    }

    /// Runs turns until [`Worker::stop`].
    pub fn run(self: &Rc<Self>) {
        while !self.stopping.get() {
            self.turn(None);
        }
    }

    /// Ends [`Worker::run`] after this turn.
    pub fn stop(&self) {
        self.stopping.set(true);
    }

    /// Whether [`Worker::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// One turn: waits for events until the next timer, at most `max_wait` milliseconds, and
    /// handles what happened. Not to be called from within a turn.
    pub fn turn(&self, max_wait: Option<Millis>) {
        let this = self.shared();
        self.wakes.enter();
        let wait = self.time_to_wait(max_wait);
        let mut events = self.events.borrow_mut();
        if let Err(error) = self.epoll.wait(&mut events, wait) {
            self.report(Level::Alert, &format!("epoll_wait() failed ({error})"));
        }
        self.clock.tick();
        self.beat();
        for event in events.iter() {
            this.dispatch(event);
        }
        drop(events);
        self.resume_deferred();
        self.fire_timers();
        self.run_woken();
        self.end_pause();
        self.end_turn();
    }

    /// How long nothing needs to be done; `None` is for ever.
    fn time_to_wait(&self, max_wait: Option<Millis>) -> Option<Millis> {
        if self.wakes.has_local() || !self.deferred.borrow().is_empty() {
            return Some(0);
        }
        let timers = [
            self.slots.borrow().next_deadline(),
            self.sleeps.borrow().next(),
            self.acceptor.next(),
        ];
        let Some(next) = timers.into_iter().flatten().min() else {
            return max_wait;
        };
        // Handling the last turn took time, which must not be waited for again.
        self.clock.tick();
        let wait = next.saturating_sub(self.now());
        Some(max_wait.map_or(wait, |max| wait.min(max)))
    }

    fn beat(&self) {
        let beat = self.heartbeat.get().wrapping_add(1);
        self.heartbeat.set(beat);
        let hook = self.hooks.heartbeat.borrow().clone();
        if let Some(hook) = hook {
            hook(beat);
        }
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
        let (readable, writable) = (event.is_readable(), event.is_writable());
        for (happened, flag) in [
            (readable, Flags::READABLE),
            (writable, Flags::WRITABLE),
            (event.is_peer_closed(), Flags::PEER_CLOSED),
            (event.is_error(), Flags::BROKEN),
        ] {
            if happened {
                slot.flags.add(flag);
            }
        }
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
        let deferred = self.deferred.take();
        for token in deferred {
            let mut slots = self.slots.borrow_mut();
            // Meanwhile it may have been resumed by an event, or is parked no longer.
            let Some(slot) = slots.find(token.key()) else {
                continue;
            };
            if let Some(wake) = slot.flags.wake()
                && matches!(slot.waiting, Waiting::Parked(_))
            {
                let waiting = slot.waiting.take(true, true);
                drop(slots);
                self.wake(waiting, wake);
            }
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
        let hooks = self.hooks.turn_end.borrow().clone();
        for hook in hooks {
            self.guard(|| hook());
        }
        log::flush_turn();
    }

    /// Milliseconds of the monotonic clock, as of the start of this turn.
    #[inline]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The wall clock, as of its first use in this turn.
    pub fn wall(&self) -> Ref<'_, WallClock> {
        self.clock.wall()
    }

    /// Is done after `ms` milliseconds.
    pub fn sleep(&self, ms: Millis) -> Sleep {
        self.sleep_until(self.now().saturating_add(ms))
    }

    /// Is done at `at`.
    pub fn sleep_until(&self, at: Millis) -> Sleep {
        Sleep::until(self.shared(), at)
    }

    /// `future`, unless it takes longer than `ms` milliseconds from now.
    pub fn timeout<F: Future>(
        &self,
        ms: Millis,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Elapsed>> + use<F> {
        race(self.sleep(ms), future)
    }

    /// Calls `hook` at the end of every turn, when all events were handled.
    pub fn at_turn_end(&self, hook: Rc<dyn Fn()>) {
        self.hooks.turn_end.borrow_mut().push(hook);
    }

    /// Calls `hook` every `ms` milliseconds, until it returns `false`.
    pub fn on_timer_every(&self, ms: Millis, hook: impl Fn() -> bool + 'static) {
        let this = self.shared();
        let worker = Rc::clone(&this);
        this.spawn(async move {
            loop {
                worker.sleep(ms).await;
                if !hook() {
                    break;
                }
            }
        });
    }

    /// Where the worker's own messages go: caught panics and shortages.
    pub fn set_report_hook(&self, hook: ReportHook) {
        self.hooks.report.replace(Some(hook));
    }

    pub(crate) fn report(&self, level: Level, text: &str) {
        let hook = self.hooks.report.borrow().clone();
        if let Some(hook) = hook {
            hook(level, text);
        }
    }

    /// Counts turns. A worker with work whose count stands still is stuck.
    pub fn heartbeat(&self) -> u64 {
        self.heartbeat.get()
    }

    /// Calls `hook` with the count at the start of every turn, for instance to show it to the
    /// master in shared memory.
    pub fn set_heartbeat_hook(&self, hook: Rc<dyn Fn(u64)>) {
        self.hooks.heartbeat.replace(Some(hook));
    }

    /// Clients by what they do.
    pub fn connections(&self) -> ConnectionCounts {
        self.slots.borrow().counts()
    }

    /// How many streams exist, peers included.
    pub fn live_slots(&self) -> u32 {
        self.slots.borrow().live()
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

    /// Drops all that lives in the worker: tasks, parked connections, listeners, watched
    /// descriptors and hooks. They hold the worker, so that it would never be freed otherwise.
    pub fn clear(&self) {
        self.drop_tasks();
        let parked = self.slots.borrow().parked();
        for key in parked {
            let waiting = {
                let mut slots = self.slots.borrow_mut();
                slots
                    .find(key)
                    .map(|slot| std::mem::take(&mut slot.waiting))
            };
            self.guard(|| drop(waiting));
        }
        self.drop_listeners();
        self.watches.replace(Watches::new());
        self.hooks.turn_end.take();
        self.hooks.report.take();
        self.hooks.heartbeat.take();
        log::flush_turn();
    }
}
