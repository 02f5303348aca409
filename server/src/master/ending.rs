//! Letting workers go, and going.

use runtime::log::Level;
use sys::clock;
use sys::process;
use sys::signal::Signal;

use super::Master;
use super::children::Child;
use crate::pid_file;
use crate::report::reason;

/// Whether the master is about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    No,
    /// Once its workers are done.
    Quit,
    /// As soon as its workers have ended.
    Terminate,
}

impl Master {
    /// Ends now.
    pub(super) fn terminate(&mut self) {
        self.ending = Ending::Terminate;
        self.children.start_nothing();
        self.terminate_workers(|_| true);
    }

    /// Ends once requests are done. The sockets are closed at once, so that another server can
    /// have them.
    pub(super) fn quit(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Quit;
        }
        self.children.start_nothing();
        self.quit_workers(|_| true);
        self.close_listeners();
    }

    /// Lets the workers go and stays: what comes next is a new program, or going back.
    pub(super) fn stop_accepting(&mut self) {
        self.has_workers = false;
        self.children.start_nothing();
        self.quit_workers(|_| true);
    }

    /// Tells those workers to end now.
    pub(super) fn terminate_workers(&mut self, which: impl Fn(&Child) -> bool) {
        let now = clock::monotonic_ms();
        self.signal_workers(Signal::TERM, &which);
        for child in self.children.iter_mut().filter(|child| which(child)) {
            child.note_terminate(now);
        }
    }

    /// Tells workers that do not go in time, harder.
    pub(super) fn press_leavers(&mut self) {
        let now = clock::monotonic_ms();
        let pressed: Vec<_> = self
            .children
            .iter_mut()
            .filter_map(|child| child.press(now).map(|signal| (child.pid, signal)))
            .collect();
        for (pid, signal) in pressed {
            self.log(
                Level::Notice,
                &format!("worker process {pid} takes too long: {signal}"),
            );
            self.send(pid, signal);
        }
    }

    /// Sends those workers a signal.
    pub(super) fn signal_workers(&self, signal: Signal, which: impl Fn(&Child) -> bool) {
        for child in self.children.iter().filter(|child| which(child)) {
            self.send(child.pid, signal);
        }
    }

    pub(super) fn send(&self, pid: u32, signal: Signal) {
        // A worker that was not reaped yet is there to be signalled, whether it has ended or not.
        if let Err(e) = process::send_signal(pid, signal) {
            let text = format!("kill({pid}, {}) failed{}", signal.number(), reason(&e));
            self.log(Level::Alert, &text);
        }
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        self.ending != Ending::No && self.children.is_empty()
    }

    /// Puts away what others might find.
    pub(super) fn leave(&mut self) {
        if let Some(path) = self.running.configuration.plan().pid_file.clone() {
            let path = if self.new_program.is_some() {
                pid_file::old(&path)
            } else {
                path
            };
            if let Err(text) = pid_file::remove(&path) {
                self.log(Level::Alert, &text);
            }
        }
        if let Some(status) = self.status.take() {
            status.remove();
        }
        self.close_listeners();
        self.log(Level::Notice, "exit");
    }

    /// Closes the sockets. The names of Unix sockets are removed, unless another master has them
    /// as well: the one that this one started, or the one that started this one.
    fn close_listeners(&mut self) {
        let listeners = std::mem::take(&mut self.running.listeners);
        let is_shared = self.new_program.is_some()
            || (self.origin.is_upgrade && process::parent_id() == self.origin.parent);
        if !is_shared {
            listeners.remove_names(None);
        }
    }
}
