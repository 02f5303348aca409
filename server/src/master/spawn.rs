//! Starting workers.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use runtime::log::Level;
use sys::clock;
use sys::process::{self, Fork};
use sys::signal::Signals;

use super::children::Child;
use super::{Master, SLOTS};
use crate::listeners::Listeners;
use crate::report::reason;
use crate::signals::CAUGHT;
use crate::worker::{self, Control, FATAL, Sign, WorkerContext};

/// A worker that lived shorter than this died of its start, in milliseconds.
const SHORT_LIFE_MS: u64 = 1000;

/// How long the next attempt waits then, in milliseconds: short enough to count as at once, long
/// enough not to take the machine.
const PAUSE_MS: u64 = 90;

/// Exit code of a worker that panicked.
const PANICKED: i32 = 1;

impl Master {
    /// Starts the workers of the current configuration that do not run.
    pub(super) fn start_workers(&mut self) {
        self.log(Level::Notice, "start worker processes");
        self.children.start_nothing();
        for number in 0..self.running.configuration.plan().worker_processes {
            let runs = |child: &Child| {
                child.number == number
                    && child.generation == self.reload.generation
                    && !child.is_leaving()
            };
            if !self.children.iter().any(runs) {
                self.start_worker(number);
            }
        }
    }

    /// Starts a worker in the place of one that died.
    pub(super) fn replace(&mut self, dead: &Child) {
        let now = clock::monotonic_ms();
        if now.saturating_sub(dead.started) >= SHORT_LIFE_MS {
            self.start_worker(dead.number);
        } else {
            self.children.start_later(now + PAUSE_MS, dead.number);
        }
    }

    /// Starts the workers whose pause is over.
    pub(super) fn respawn_due(&mut self) {
        for number in self.children.take_due(clock::monotonic_ms()) {
            self.start_worker(number);
        }
    }

    fn start_worker(&mut self, number: usize) {
        let Some(slot) = self.children.free_slot(SLOTS) else {
            let text = format!("no more than {SLOTS} processes can be spawned");
            return self.log(Level::Alert, &text);
        };
        let now = clock::monotonic_ms();
        if let Some(signs) = self.supervision.slot(slot) {
            signs.set(Sign::Ready as usize, 0);
            signs.set(Sign::Beat as usize, now);
        }
        match process::fork() {
            Ok(Fork::Parent(pid)) => {
                self.children
                    .add(Child::new(pid, number, slot, self.reload.generation, now));
                self.log(Level::Notice, &format!("start worker process {pid}"));
            }
            Ok(Fork::Child) => self.become_worker(number, slot),
            Err(e) => {
                let text = format!(
                    "fork() failed while spawning \"worker process\"{}",
                    reason(&e)
                );
                self.log(Level::Alert, &text);
                self.children.start_later(now + SHORT_LIFE_MS, number);
            }
        }
    }

    /// What the new process does; nothing above on the stack is ever returned to.
    fn become_worker(&mut self, number: usize, slot: usize) -> ! {
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| self.run_worker(number, slot)));
        process::end_now(match outcome {
            Ok(Ok(())) => 0,
            Ok(Err(text)) => {
                self.log(Level::Emerg, &text);
                FATAL
            }
            Err(_) => {
                self.log(Level::Alert, "the worker process panicked");
                PANICKED
            }
        })
    }

    fn run_worker(&mut self, number: usize, slot: usize) -> Result<(), String> {
        self.title.borrow_mut().set(b"nginx: worker process");
        let configuration = Rc::clone(&self.running.configuration);
        let plan = configuration.plan();
        let listeners = self.running.listeners.of_worker(number);
        let listeners = listeners.map_err(|e| format!("dup() failed{}", reason(&e)))?;
        let signals = Signals::catch(CAUGHT);
        let signals = Rc::new(signals.map_err(|e| format!("signalfd() failed{}", reason(&e)))?);
        self.let_go(&signals);
        worker::confine(plan, number, configuration.log())?;

        let context = WorkerContext {
            number,
            slot,
            listeners,
            counters: Rc::clone(&self.counters),
            zones: Rc::clone(&self.running.zones),
            supervision: Rc::clone(&self.supervision),
            control: Control {
                signals,
                is_daemon: self.origin.is_daemon,
                is_child: true,
                log: configuration.log().clone(),
                otherwise: None,
            },
            title: Rc::clone(&self.title),
            stuck_after: plan.stuck_after,
            notice: self.notices.take().map(|(_, writer)| writer),
        };
        configuration.run_worker(context);
        for text in ["exiting", "exit"] {
            configuration.log().log(Level::Notice, text);
        }
        Ok(())
    }

    /// Closes what is the master's alone: sockets of other workers above all, whose connections
    /// nobody here would accept.
    fn let_go(&mut self, signals: &Rc<Signals>) {
        self.signals = Rc::clone(signals);
        self.status = None;
        self.running.listeners = Listeners::default();
        self.reload.forget();
    }
}
