//! Tasks: futures that somebody waits for nobody to answer, kept until they are done.

use crate::log::Level;
use crate::table::{Key, Table};
use crate::worker::Worker;
use base::place;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use sys::waker::TaskKey;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// `None` while it is being polled.
    future: Option<Boxed>,
    /// It is in the list of those to poll, so that several wakes make one poll.
    woken: bool,
}

/// How often a turn goes through what was woken before it looks at the descriptors again.
const ROUNDS: usize = 4;

pub(crate) struct Tasks {
    table: RefCell<Table<Task>>,
    /// Room for woken keys, kept between turns.
    woken: RefCell<Vec<TaskKey>>,
    panics: Cell<u64>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            table: RefCell::new(Table::new()),
            woken: RefCell::default(),
            panics: Cell::new(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.borrow().len()
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.get()
    }

    fn mark(&self, key: TaskKey) -> bool {
        let key = key_of(key);
        let mut table = self.table.borrow_mut();
        let task = table.get(key);
        task.is_some_and(|task| !std::mem::replace(&mut task.woken, true))
    }

    fn take(&self, key: Key) -> Option<Boxed> {
        let mut table = self.table.borrow_mut();
        let task = table.get(key)?;
        task.woken = false;
        task.future.take()
    }
}

fn key_of(key: TaskKey) -> Key {
    Key {
        index: key.index(),
        generation: key.generation(),
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

impl Worker {
    /// Starts a task: polls it once now, and whenever it is woken until it is done.
    ///
    /// A panic in it ends this task only; it is counted and reported as `[alert]`.
    pub fn spawn(self: &std::rc::Rc<Self>, future: impl Future<Output = ()> + 'static) {
        self.spawn_boxed(place::pinned(|| future));
    }

    /// As [`Self::spawn`], of a future that was made where it stays: see [`place::pinned`].
    pub fn spawn_boxed(self: &std::rc::Rc<Self>, future: Pin<Box<dyn Future<Output = ()>>>) {
        let key = self.tasks.table.borrow_mut().insert(Task {
            future: None,
            woken: false,
        });
        self.poll(key, future);
    }

    /// How many tasks are under way.
    pub fn active_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// How many panics were caught since the start.
    pub fn panics(&self) -> u64 {
        self.tasks.panics()
    }

    /// Runs `call` with a share of its own and turns a panic in it into a report. `None` when it
    /// panicked.
    pub(crate) fn guard<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        match self.share.during(|| catch_unwind(AssertUnwindSafe(call))) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.tasks.panics.set(self.tasks.panics.get() + 1);
                let text = format!("panic: {}", message(&*panic));
                self.report(Level::Alert, &text);
                None
            }
        }
    }

    fn poll_task(&self, key: Key) {
        if let Some(future) = self.tasks.take(key) {
            self.poll(key, future);
        }
    }

    /// Polls a task's future, and puts it back where it is not done.
    fn poll(&self, key: Key, mut future: Boxed) {
        let waker = self.wakes.waker(key.index, key.generation);
        let mut cx = Context::from_waker(&waker);
        let polled = self.guard(|| future.as_mut().poll(&mut cx));
        if polled == Some(Poll::Pending)
            && let Some(task) = self.tasks.table.borrow_mut().get(key)
        {
            task.future = Some(future);
            return;
        }
        let task = self.tasks.table.borrow_mut().remove(key);
        // What a future owns may panic when dropped, too.
        self.guard(|| drop((task, future)));
    }

    /// Polls what was woken. Tasks that wake each other for ever get a limited share of a turn.
    pub(crate) fn run_woken(&self) {
        if !self.wakes.has_local() && self.tasks.woken.borrow().is_empty() {
            return;
        }
        let mut woken = self.tasks.woken.take();
        for _ in 0..ROUNDS {
            self.wakes.take_local(&mut woken);
            if woken.is_empty() {
                break;
            }
            woken.retain(|&key| self.tasks.mark(key));
            for key in woken.drain(..) {
                self.poll_task(key_of(key));
            }
        }
        self.tasks.woken.replace(woken);
    }

    /// Puts what other threads woke in the list that `run_woken` takes from.
    pub(crate) fn take_remote_wakes(&self) {
        let mut woken = self.tasks.woken.borrow_mut();
        self.wakes.take_remote(&mut woken);
    }

    /// Drops every task.
    pub(crate) fn drop_tasks(&self) {
        let keys = self.tasks.table.borrow().keys();
        for key in keys {
            let task = self.tasks.table.borrow_mut().remove(key);
            self.guard(|| drop(task));
        }
    }
}
