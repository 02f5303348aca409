//! A worker, from the fork to the engine: what it gives up, and what it is given.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use runtime::log::{Level, Logger};
use shm::{SharedCounters, Zones};
use sys::clock;
use sys::process::{self, Title};
use sys::signal::Signals;
use sys::socket::Listener;
use sys::user;

use crate::environment;
use crate::plan::ProcessPlan;
use crate::report::reason;
use crate::signals::{self, Action};

/// Exit code of a worker that another one like it could not do better than (nginx: "fatal").
pub(crate) const FATAL: i32 = 2;

/// Which counters of a supervision slot mean what.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    /// When the worker's loop last turned, in milliseconds of the monotonic clock.
    Beat,
    /// 1 once the worker serves.
    Ready,
}

impl Sign {
    /// How many there are.
    pub(crate) const COUNT: usize = 2;
}

/// What the master asks of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End now: close everything, answer nothing further.
    Terminate,
    /// Accept nothing new, finish what there is, within `worker_shutdown_timeout`, and end.
    Quit,
    /// Open the logs anew.
    Reopen,
}

/// A listening socket of a worker.
#[derive(Debug)]
pub struct WorkerListener {
    /// Which of the plan's listeners it is.
    pub index: usize,
    /// The socket.
    pub listener: Listener,
}

/// What a worker is given.
pub struct WorkerContext {
    /// Its number, from 0; the one that replaces it gets the same.
    pub number: usize,
    /// Its slot in `counters`. Two workers never have one at the same time.
    pub slot: usize,
    /// Its sockets.
    pub listeners: Vec<WorkerListener>,
    /// The counters of all workers.
    pub counters: Rc<SharedCounters>,
    /// The zones of the configuration.
    pub zones: Rc<Zones>,
    pub(crate) supervision: Rc<SharedCounters>,
    pub(crate) control: Control,
    pub(crate) title: Rc<RefCell<Title>>,
    pub(crate) stuck_after: Option<Duration>,
    /// Written to once the worker serves, so that the master need not wait to see it.
    pub(crate) notice: Option<io::PipeWriter>,
}

impl WorkerContext {
    /// Becomes readable when [`WorkerContext::next_command`] has something.
    #[must_use]
    pub fn commands(&self) -> BorrowedFd<'_> {
        self.control.signals.as_fd()
    }

    /// What the master, or somebody with `kill`, asks for next.
    pub fn next_command(&self) -> Option<Command> {
        self.control.next()
    }

    /// Tells the master that this worker serves. Until every new worker has said so, a reload keeps
    /// the old ones.
    pub fn ready(&self) {
        self.beat();
        if let Some(slot) = self.supervision.slot(self.slot) {
            slot.set(Sign::Ready as usize, 1);
        }
        if let Some(mut notice) = self.notice.as_ref() {
            // The master looks at the sign in any case, if a little later.
            let _ = io::Write::write(&mut notice, b"r");
        }
    }

    /// Tells the master that the loop turns. A worker that does not say so for as long as
    /// `ProcessPlan::stuck_after` is killed and replaced.
    pub fn beat(&self) {
        if let Some(slot) = self.supervision.slot(self.slot) {
            slot.set(Sign::Beat as usize, clock::monotonic_ms());
        }
    }

    /// How often to call [`WorkerContext::beat`]; `None` when nobody listens.
    #[must_use]
    pub fn beat_interval(&self) -> Option<Duration> {
        self.stuck_after.map(|after| after / 4)
    }

    /// Shows in `ps` that this worker finishes what it has.
    pub fn show_shutting_down(&self) {
        if self.control.is_child {
            self.title
                .borrow_mut()
                .set(b"nginx: worker process is shutting down");
        }
    }
}

/// Signals, as a worker understands them.
pub(crate) struct Control {
    pub(crate) signals: Rc<Signals>,
    pub(crate) is_daemon: bool,
    /// Whether there is a master above, or this is the only process.
    pub(crate) is_child: bool,
    pub(crate) log: Logger,
    /// What a signal asks for that only a single process has to deal with; its answer is the
    /// command that follows from it.
    pub(crate) otherwise: Option<Box<dyn Fn(Action) -> Option<Command>>>,
}

impl Control {
    fn next(&self) -> Option<Command> {
        loop {
            // An error here would be a bug of ours; there is nothing to read then.
            let caught = self.signals.next().ok()??;
            let action = if self.is_child {
                Action::of_worker(caught.signal, self.is_daemon)
            } else {
                Action::of_master(caught.signal, self.is_daemon)
            };
            // What the master asks for, the master has logged.
            if !self.is_child || caught.sender != process::parent_id() {
                let line = signals::line(caught, action);
                self.log.log(Level::Notice, &line);
            }
            match action {
                Action::Terminate => return Some(Command::Terminate),
                Action::Quit => return Some(Command::Quit),
                Action::Reopen => {
                    self.log.log(Level::Notice, "reopening logs");
                    return Some(Command::Reopen);
                }
                other => {
                    let command = self.otherwise.as_ref().and_then(|handle| handle(other));
                    if command.is_some() {
                        return command;
                    }
                }
            }
        }
    }
}

/// Makes this process a worker: its limits, its user, its folder, its environment.
///
/// # Errors
///
/// Only for what must not be ignored, since the worker would have rights that it must not have.
/// The rest is logged.
///
/// Source: `ngx_worker_process_init()`, nginx 1.31.5.
pub(crate) fn confine(plan: &ProcessPlan, number: usize, log: &Logger) -> Result<(), String> {
    let warn = |call: &str, outcome: io::Result<()>| {
        if let Err(e) = outcome {
            let text = format!("{call} failed{}", reason(&e));
            log.log(Level::Alert, &text);
        }
    };
    let selected = environment::select(&plan.environment, &process::environment());
    warn(
        "setting the environment",
        process::replace_environment(&selected),
    );
    if let Some(priority) = plan.priority {
        warn(
            &format!("setpriority({priority})"),
            process::set_priority(priority),
        );
    }
    if let Some(limit) = plan.open_files_limit {
        let call = format!("setrlimit(RLIMIT_NOFILE, {limit})");
        warn(&call, process::set_open_files_limit(limit));
    }
    if let Some(limit) = plan.core_size_limit {
        let call = format!("setrlimit(RLIMIT_CORE, {limit})");
        warn(&call, process::set_core_size_limit(limit));
    }
    if let Some(cpus) = plan.cpu_affinity.get(number).or(plan.cpu_affinity.last()) {
        warn("sched_setaffinity()", process::pin_to_cpus(cpus));
    }
    drop_privileges(plan)?;
    // Core files, which changing user has turned off, are for the operator to allow.
    warn("prctl(PR_SET_DUMPABLE)", process::set_dumpable(true));
    warn(
        "prctl(PR_SET_NO_NEW_PRIVS)",
        process::forbid_new_privileges(),
    );
    if let Some(folder) = &plan.working_directory {
        process::change_directory(folder)
            .map_err(|e| format!("chdir(\"{}\") failed{}", folder.display(), reason(&e)))?;
    }
    Ok(())
}

fn drop_privileges(plan: &ProcessPlan) -> Result<(), String> {
    let Some(account) = plan
        .account
        .as_ref()
        .filter(|_| user::effective_user() == 0)
    else {
        return Ok(());
    };
    let keeps = plan.binds_transparently && account.uid != 0;
    if keeps {
        process::keep_capabilities()
            .map_err(|e| format!("prctl(PR_SET_KEEPCAPS, 1) failed{}", reason(&e)))?;
    }
    user::become_user(&account.name, account.uid, account.gid).map_err(|(call, e)| {
        let argument = match call {
            "setgid" => account.gid.to_string(),
            "setuid" => account.uid.to_string(),
            _ => format!("{}, {}", account.name, account.gid),
        };
        format!("{call}({argument}) failed{}", reason(&e))
    })?;
    // Changing from root to another user has emptied them already, unless the process was started
    // with securebits that keep them.
    if account.uid == 0 {
        return Ok(());
    }
    process::limit_capabilities(keeps.then_some(process::NET_RAW))
        .map_err(|e| format!("capset() failed{}", reason(&e)))
}
