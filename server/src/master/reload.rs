//! Taking a new configuration: new workers first, and the old ones go once those serve.
//!
//! nginx gives new workers a tenth of a second. Here they say when they serve; and when one of them
//! ends before that, the reload has failed, and everything is as it was.

use runtime::log::Level;
use sys::clock;
use sys::signal::Signal;

use super::Master;
use super::children::Child;
use super::ending::Ending;
use crate::configuration::{Running, notes};
use crate::pid_file;
use crate::report::Message;
use crate::status::{Asker, Outcome, StatusSocket};
use crate::worker::Sign;

/// How long new workers may take to serve before the old ones are let go anyway, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// Where the reloading stands.
#[derive(Default)]
pub(super) struct Reload {
    /// The number of the current configuration.
    pub(super) generation: u64,
    pending: Option<Pending>,
    /// Who asked for another reload while one was pending; `None` is a signal.
    again: Vec<Option<Asker>>,
}

/// A reload whose workers do not all serve yet.
struct Pending {
    previous: Running,
    previous_generation: u64,
    due: u64,
    asker: Option<Asker>,
    lines: Vec<String>,
}

impl Reload {
    pub(super) fn next_due(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.due)
    }

    /// Drops what a worker has no use for.
    pub(super) fn forget(&mut self) {
        self.again.clear();
        if self.pending.take().is_some() {
            sys::allocator::give_back();
        }
    }
}

impl Master {
    /// Takes in those who ask for a reload over the status socket.
    pub(super) fn accept_askers(&mut self) {
        while let Some(asker) = self.status.as_ref().and_then(StatusSocket::accept) {
            self.log(Level::Notice, "reload requested, reconfiguring");
            self.reconfigure(Some(asker));
        }
    }

    /// Takes the configuration that is there now, or says why not.
    pub(super) fn reconfigure(&mut self, asker: Option<Asker>) {
        if self.ending != Ending::No {
            let lines = vec!["nginx: [alert] the server is shutting down".to_owned()];
            return answer(asker, false, lines);
        }
        if self.reload.pending.is_some() {
            return self.reload.again.push(asker);
        }
        if self.new_program.is_some() {
            // The way back from an upgrade: workers again, as they were.
            self.has_workers = true;
            self.start_workers();
            return answer(asker, true, Vec::new());
        }
        self.log(Level::Notice, "reconfiguring");
        match self.loader.prepare(Some(&self.running), Vec::new()) {
            Ok(next) => self.begin(next, asker),
            Err(messages) => {
                messages
                    .iter()
                    .for_each(|message| self.log_message(message));
                answer(asker, false, lines_of(&messages));
            }
        }
    }

    fn begin(&mut self, next: Running, asker: Option<Asker>) {
        let notes = notes(&*next.configuration);
        notes.iter().for_each(|note| self.log_message(note));
        let previous = std::mem::replace(&mut self.running, next);
        let previous_generation = self.reload.generation;
        self.reload.generation += 1;
        self.reload.pending = Some(Pending {
            previous,
            previous_generation,
            due: clock::monotonic_ms() + PATIENCE_MS,
            asker,
            lines: lines_of(&notes),
        });
        self.has_workers = true;
        self.start_workers();
    }

    /// Lets the old workers go once the new ones serve.
    pub(super) fn settle_reload(&mut self) {
        let is_over =
            self.reload.pending.as_ref().is_some_and(|pending| {
                clock::monotonic_ms() >= pending.due || self.all_are_ready()
            });
        if !is_over {
            return;
        }
        let Some(pending) = self.reload.pending.take() else {
            return;
        };
        let generation = self.reload.generation;
        self.quit_workers(|child| child.generation != generation);
        self.move_pid_file(&pending.previous);
        let listeners = &pending.previous.listeners;
        listeners.remove_names(Some(&self.running.listeners));
        self.running.zones.settle();
        answer(pending.asker, true, pending.lines);
        drop(pending.previous);
        sys::allocator::give_back();
        self.reload_again();
    }

    fn all_are_ready(&self) -> bool {
        let wanted = self.running.configuration.plan().worker_processes;
        let is_ready =
            |child: &&Child| child.generation == self.reload.generation && self.is_ready(child);
        self.children.iter().filter(is_ready).count() >= wanted
    }

    fn is_ready(&self, child: &Child) -> bool {
        self.supervision
            .slot(child.slot)
            .is_some_and(|signs| signs.get(Sign::Ready as usize) == 1)
    }

    /// Goes back to the previous configuration if `child`, which has ended, was to run the new one
    /// and never came to it; says whether it did.
    pub(super) fn abort_reload_after(&mut self, child: &Child) -> bool {
        if child.generation != self.reload.generation || self.is_ready(child) {
            return false;
        }
        let Some(pending) = self.reload.pending.take() else {
            return false;
        };
        let failed = std::mem::replace(&mut self.running, pending.previous);
        self.reload.generation = pending.previous_generation;
        failed.listeners.remove_names(Some(&self.running.listeners));
        let message = Message::emerg(format!(
            "worker process {} ended before it served: the previous configuration stays",
            child.pid
        ));
        self.log_message(&message);
        self.children.start_nothing();
        self.terminate_workers(|other| other.generation == child.generation);
        // Old workers that died meanwhile were not replaced.
        self.start_workers();
        answer(pending.asker, false, vec![message.line()]);
        self.reload_again();
        true
    }

    /// One more reload does for all who asked for it meanwhile.
    fn reload_again(&mut self) {
        let mut askers = std::mem::take(&mut self.reload.again);
        if let Some(last) = askers.pop() {
            self.reconfigure(last);
            self.reload.again.append(&mut askers);
        }
    }

    fn move_pid_file(&mut self, previous: &Running) {
        let old = previous.configuration.plan().pid_file.clone();
        let new = self.running.configuration.plan().pid_file.clone();
        if old == new {
            return;
        }
        if let Some(new) = &new
            && let Err(text) = pid_file::write(new)
        {
            self.log(Level::Alert, &text);
        }
        if let Some(old) = &old
            && let Err(text) = pid_file::remove(old)
        {
            self.log(Level::Alert, &text);
        }
        if let Some(status) = self.status.take() {
            status.remove();
        }
        self.status = new.and_then(|new| StatusSocket::open(&new).ok());
    }

    /// Tells those workers to end once they are done.
    pub(super) fn quit_workers(&mut self, which: impl Fn(&Child) -> bool) {
        let timeout = self.running.configuration.plan().shutdown_timeout;
        let timeout = timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let now = clock::monotonic_ms();
        self.signal_workers(Signal::QUIT, &which);
        for child in self.children.iter_mut().filter(|child| which(child)) {
            child.note_quit(now, timeout);
        }
    }
}

fn lines_of(messages: &[Message]) -> Vec<String> {
    let told = messages
        .iter()
        .filter(|message| message.level <= Level::Warn);
    told.map(Message::line).collect()
}

fn answer(asker: Option<Asker>, succeeded: bool, lines: Vec<String>) {
    if let Some(asker) = asker {
        asker.answer(&Outcome { succeeded, lines });
    }
}
