//! The master: starts workers, replaces those that die, and does what signals ask for.
//!
//! It never serves anything itself, and holds no lock that a worker could wait for. Source:
//! control.xml; `ngx_master_process_cycle()`, nginx 1.31.5.

mod binary;
mod children;
mod ending;
mod reload;
mod spawn;
mod watchdog;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::time::Duration;

use runtime::log::Level;
use shm::SharedCounters;
use sys::clock;
use sys::process::{self, Reaped, Title};
use sys::signal::{Caught, Signals};

use crate::configuration::{Loader, Running};
use crate::report::{Message, reason};
use crate::signals::{self, Action};
use crate::status::StatusSocket;
use crate::worker::{FATAL, Sign};
use children::{Child, Children};
use ending::Ending;
use reload::Reload;
use watchdog::Watchdog;

/// Most workers at a time, those that are leaving included. nginx has as many.
const SLOTS: usize = 1024;

/// How the master came to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Whether it has left its terminal.
    pub(crate) is_daemon: bool,
    /// Whether it has inherited its sockets.
    pub(crate) is_upgrade: bool,
    /// Who started it. While that is still the parent, a new program is not this one's to start.
    pub(crate) parent: u32,
}

/// What a master starts with.
pub(crate) struct Start {
    pub(crate) loader: Loader,
    pub(crate) running: Running,
    pub(crate) signals: Signals,
    pub(crate) title: Title,
    pub(crate) origin: Origin,
}

/// The master.
pub(crate) struct Master {
    loader: Loader,
    running: Running,
    signals: Rc<Signals>,
    title: Rc<RefCell<Title>>,
    arguments: Vec<OsString>,
    origin: Origin,
    children: Children,
    /// What the engine counts.
    counters: Rc<SharedCounters>,
    /// What workers say of themselves ([`Sign`]).
    supervision: Rc<SharedCounters>,
    /// Wakes the master when a worker has said that it serves.
    notices: Option<(io::PipeReader, io::PipeWriter)>,
    status: Option<StatusSocket>,
    reload: Reload,
    watchdog: Watchdog,
    ending: Ending,
    /// Whether there should be workers: not after WINCH.
    has_workers: bool,
    /// The master of the program that is to take over.
    new_program: Option<u32>,
}

impl Master {
    /// Prepares a master, whose workers do not run yet.
    ///
    /// # Errors
    ///
    /// What could not be had.
    pub(crate) fn new(start: Start) -> io::Result<Self> {
        let counters = start.loader.engine.counters().max(1);
        let plan = start.running.configuration.plan();
        let status = plan.pid_file.as_deref().map(StatusSocket::open);
        let arguments = start.title.arguments().to_vec();
        let master = Self {
            loader: start.loader,
            running: start.running,
            signals: Rc::new(start.signals),
            title: Rc::new(RefCell::new(start.title)),
            arguments,
            origin: start.origin,
            children: Children::default(),
            counters: Rc::new(SharedCounters::new(SLOTS, counters)?),
            supervision: Rc::new(SharedCounters::new(SLOTS, Sign::COUNT)?),
            notices: Some(io::pipe()?),
            // Without it a reload is not told apart from a failed one: no reason not to start.
            status: status.and_then(Result::ok),
            reload: Reload::default(),
            watchdog: Watchdog::default(),
            ending: Ending::No,
            has_workers: true,
            new_program: None,
        };
        master.show_title();
        Ok(master)
    }

    /// Runs until every worker has gone after a signal to stop.
    pub(crate) fn run(mut self) {
        self.start_workers();
        while !self.is_done() {
            self.wait();
            self.read_signals();
            self.accept_askers();
            self.settle_reload();
            self.watch_workers();
            self.press_leavers();
            self.respawn_due();
        }
        self.leave();
    }

    fn show_title(&self) {
        let mut text = b"nginx: master process".to_vec();
        for word in &self.arguments {
            text.push(b' ');
            text.extend_from_slice(word.as_encoded_bytes());
        }
        self.title.borrow_mut().set(&text);
    }

    /// Sleeps until something is to be done.
    fn wait(&mut self) {
        let now = clock::monotonic_ms();
        let due = [
            self.children.next_due(),
            self.reload.next_due(),
            self.watchdog.next_due(self.running.configuration.plan()),
        ];
        let timeout = due.into_iter().flatten().min();
        let timeout = timeout.map(|due| Duration::from_millis(due.saturating_sub(now)));
        let notices = self.notices.as_ref().map(|(reader, _)| reader.as_fd());
        let status = self.status.as_ref().map(AsFd::as_fd);
        let others: Vec<_> = notices.into_iter().chain(status).collect();
        match self.signals.wait(&others, timeout) {
            Ok(ready) => {
                if ready.first() == Some(&true)
                    && let Some((reader, _)) = &mut self.notices
                {
                    // Only a wake-up: what it is about is in shared memory.
                    let _ = reader.read(&mut [0; 256]);
                }
            }
            Err(e) => {
                self.log(Level::Alert, &format!("poll() failed{}", reason(&e)));
                // Whatever it is, it must not make this a loop that never sleeps.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    fn read_signals(&mut self) {
        loop {
            match self.signals.next() {
                Ok(Some(caught)) => self.obey(caught),
                Ok(None) => return,
                Err(e) => {
                    self.log(
                        Level::Alert,
                        &format!("read() of signals failed{}", reason(&e)),
                    );
                    return;
                }
            }
        }
    }

    fn obey(&mut self, caught: Caught) {
        let mut action = Action::of_master(caught.signal, self.origin.is_daemon);
        let is_refused = action == Action::ChangeBinary && !self.may_change_binary();
        if is_refused {
            action = Action::Ignore;
        }
        let mut line = signals::line(caught, action);
        if is_refused {
            line.push_str(", ignoring");
        }
        self.log(Level::Notice, &line);
        if is_refused {
            self.log(
                Level::Crit,
                "the changing binary signal is ignored: you should shutdown or terminate before \
                 either old or new binary's process",
            );
        }
        match action {
            Action::Terminate => self.terminate(),
            Action::Quit => self.quit(),
            Action::StopAccepting => self.stop_accepting(),
            Action::Reconfigure => self.reconfigure(None),
            Action::Reopen => self.reopen(),
            Action::ChangeBinary => self.change_binary(),
            Action::Reap => self.reap(),
            Action::Ignore => {}
        }
    }

    fn reopen(&mut self) {
        self.log(Level::Notice, "reopening logs");
        let configuration = &self.running.configuration;
        let owner = configuration
            .plan()
            .account
            .as_ref()
            .map(|account| account.uid);
        configuration.reopen_files(owner.filter(|_| sys::user::effective_user() == 0));
        self.signal_workers(sys::signal::Signal::USR1, |_| true);
    }

    fn reap(&mut self) {
        loop {
            match process::reap() {
                Ok(Some(reaped)) => self.bury(reaped),
                Ok(None) => return,
                Err(e) => {
                    self.log(Level::Alert, &format!("waitpid() failed{}", reason(&e)));
                    return;
                }
            }
        }
    }

    fn bury(&mut self, reaped: Reaped) {
        for zone in self.running.zones.force_unlock(reaped.pid) {
            let text = format!("shared memory zone \"{zone}\" was locked by {}", reaped.pid);
            self.log(Level::Alert, &text);
        }
        if self.new_program == Some(reaped.pid) {
            self.log_end("new binary process", &reaped);
            self.take_back();
            return;
        }
        self.log_end("worker process", &reaped);
        let Some(child) = self.children.remove(reaped.pid) else {
            return;
        };
        self.give_back(&child);
        if !self.abort_reload_after(&child) && self.is_to_be_replaced(&child, &reaped) {
            self.replace(&child);
        }
    }

    fn log_end(&self, what: &str, reaped: &Reaped) {
        let pid = reaped.pid;
        match reaped.status.signal() {
            Some(signal) => {
                let core = if reaped.status.core_dumped() {
                    " (core dumped)"
                } else {
                    ""
                };
                self.log(
                    Level::Alert,
                    &format!("{what} {pid} exited on signal {signal}{core}"),
                );
            }
            None => {
                let code = reaped.status.code().unwrap_or_default();
                self.log(
                    Level::Notice,
                    &format!("{what} {pid} exited with code {code}"),
                );
            }
        }
    }

    /// What a worker counted as being the case, is not any more.
    fn give_back(&self, child: &Child) {
        if let Some(slot) = self.counters.slot(child.slot) {
            for &gauge in self.loader.engine.gauges() {
                slot.set(gauge, 0);
            }
        }
    }

    fn is_to_be_replaced(&self, child: &Child, reaped: &Reaped) -> bool {
        let is_wanted = self.has_workers
            && self.ending == Ending::No
            && child.generation == self.reload.generation
            && !child.is_leaving();
        if is_wanted && reaped.status.code() == Some(FATAL) {
            let text = format!(
                "worker process {} exited with fatal code {FATAL} and cannot be respawned",
                child.pid
            );
            self.log(Level::Alert, &text);
            return false;
        }
        is_wanted
    }

    fn log(&self, level: Level, text: &str) {
        self.running.configuration.log().log(level, text);
    }

    fn log_message(&self, message: &Message) {
        self.log(message.level, &message.text);
    }
}
