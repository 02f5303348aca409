//! The worker: what it owns, and what everyone in it may ask for.

use crate::clock::{Clock, Millis, WallClock};
use crate::listener::Acceptor;
use crate::log::{self, Level};
use crate::share::Share;
use crate::slots::{ConnectionCounts, Slots, Token};
use crate::tasks::Tasks;
use crate::thinning::Thinning;
use crate::timers::{Elapsed, Sleep, Sleeps, race};
use crate::watch::Watches;
use poller::{Events, Interest, Poller};
use std::cell::{Cell, Ref, RefCell};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::task::Waker;
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
    /// Milliseconds that a turn may take before it is reported (`stall_threshold`).
    pub stall: Option<Millis>,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            multi_accept: false,
            stall: None,
        }
    }
}

/// Takes a message of the worker's own.
pub type ReportHook = Rc<dyn Fn(Level, &str)>;

/// Is called at the end of a turn.
pub type TurnHook = Rc<dyn Fn(&Worker)>;

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) turn_end: RefCell<Option<TurnHook>>,
    report: RefCell<Option<ReportHook>>,
}

/// One thread's event loop, with everything that waits in it.
pub struct Worker {
    this: Weak<Self>,
    pub(crate) limits: WorkerLimits,
    pub(crate) poller: Poller,
    pub(crate) slots: RefCell<Slots>,
    /// What whoever is being called may still read and write.
    pub(crate) share: Share,
    /// Connections of which somebody has to be told something already.
    pub(crate) deferred: RefCell<Vec<Token>>,
    /// Tasks that wait for the end of the turn.
    pub(crate) turn_waiters: RefCell<Vec<Waker>>,
    pub(crate) tasks: Tasks,
    pub(crate) wakes: WakeQueue,
    pub(crate) sleeps: RefCell<Sleeps>,
    pub(crate) acceptor: Acceptor,
    pub(crate) watches: RefCell<Watches>,
    pub(crate) clock: Clock,
    pub(crate) events: RefCell<Events>,
    pub(crate) hooks: Hooks,
    pub(crate) thinning: Thinning,
    stopping: Cell<bool>,
    pub(crate) heartbeat: Cell<u64>,
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
        let poller = Poller::new()?;
        let wakes = WakeQueue::new()?;
        poller.add(
            wakes.signal(),
            Interest::READABLE,
            Token::REMOTE_WAKES.into(),
        )?;
        let worker = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            limits,
            poller,
            slots: RefCell::new(Slots::new(limits.connections)),
            share: Share::new(),
            deferred: RefCell::default(),
            turn_waiters: RefCell::default(),
            tasks: Tasks::new(),
            wakes,
            sleeps: RefCell::new(Sleeps::new()),
            acceptor: Acceptor::new(limits.multi_accept),
            watches: RefCell::new(Watches::new()),
            clock: Clock::new(),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            hooks: Hooks::default(),
            thinning: Thinning::default(),
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
    pub(crate) fn shared(&self) -> Rc<Self> {
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

    /// Calls `hook` at the end of every turn, when all events were handled, instead of the one
    /// that was set before.
    pub fn set_turn_hook(&self, hook: TurnHook) {
        self.hooks.turn_end.replace(Some(hook));
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

    /// Where the worker's own messages go: caught panics, shortages, name servers out of reach.
    pub fn set_report_hook(&self, hook: ReportHook) {
        self.hooks.report.replace(Some(hook));
    }

    /// Sends a message there: for what belongs to no request.
    pub fn report(&self, level: Level, text: &str) {
        let hook = self.hooks.report.borrow().clone();
        if let Some(hook) = hook {
            // A panic here has nowhere to be reported to.
            let _ = catch_unwind(AssertUnwindSafe(|| hook(level, text)));
        }
    }

    /// Counts turns. A worker with work whose count stands still is stuck.
    pub fn heartbeat(&self) -> u64 {
        self.heartbeat.get()
    }

    /// Clients by what they do.
    pub fn connections(&self) -> ConnectionCounts {
        self.slots.borrow().counts()
    }

    /// How many connections of any kind there may be at once (`worker_connections`).
    pub fn connections_max(&self) -> u32 {
        self.limits.connections
    }

    /// How many streams exist, peers included.
    pub fn live_slots(&self) -> u32 {
        self.slots.borrow().live()
    }

    /// How many of them are somebody's: not of [`Class::Background`](crate::Class::Background).
    pub fn busy_slots(&self) -> u32 {
        self.slots.borrow().busy()
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
        self.forget_thinning();
        log::flush_turn();
    }
}
