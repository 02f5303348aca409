//! One worker: its loop, its sockets, what it does when it is told to end.

use super::load::Loaded;
use crate::plan::ProcessPlan;
use crate::worker::{Command, WorkerContext};
use http::connection::accept::accept;
use http::worker::{HttpWorker, WorkerCounters};
use runtime::log::Level;
use runtime::{BlockingPool, ListenerId, Worker, WorkerLimits};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Milliseconds between two looks at whether a worker that is to end has nothing left.
const END_CHECK_MILLIS: u64 = 20;

/// How long requests that are given up have to be logged, in milliseconds. Most need none of it;
/// those that wait for something else than their client, such as `limit_rate`, hear of it then.
const LAST_WORDS_MILLIS: u64 = 500;

/// Serves until the worker is told to end.
pub(super) fn run(loaded: &Loaded, plan: &ProcessPlan, prefix: &Path, context: WorkerContext) {
    let logger = loaded.main.error_log.logger().clone();
    if let Err(error) = try_run(loaded, plan, prefix, context) {
        let message = format!("worker cannot start: {error}");
        logger.log(Level::Emerg, &message);
    }
    loaded.log_files.flush();
}

fn try_run(
    loaded: &Loaded,
    plan: &ProcessPlan,
    prefix: &Path,
    mut context: WorkerContext,
) -> io::Result<()> {
    let events = &loaded.main.events;
    let worker = Worker::new(WorkerLimits {
        connections: u32::try_from(*events.worker_connections).unwrap_or(u32::MAX),
        multi_accept: *events.multi_accept,
        stall: (*loaded.main.timer_resolution == 0).then_some(*events.stall_threshold),
    })?;
    let logger = loaded.main.error_log.logger().clone();
    worker.set_report_hook(Rc::new(move |level, message| {
        logger.log(level, message);
    }));
    worker.on_thinning(Rc::new(sys::allocator::give_back));
    tell_of_full_logs(loaded);
    let listeners = std::mem::take(&mut context.listeners);
    let mut ids = Vec::new();
    let mut http = None;
    if let Some(generation) = &loaded.http {
        let counters = WorkerCounters {
            all: Rc::clone(&context.counters),
            slot: context.slot,
            number: context.number,
        };
        let server = HttpWorker::new(
            Rc::clone(&worker),
            Rc::clone(generation),
            prefix.to_owned(),
            pools(loaded),
            Some(counters),
        );
        server.debugged.replace(events.debug_connections.to_vec());
        for listener in listeners {
            let socket = Rc::clone(&generation.sockets[listener.index]);
            let exclusive = plan.worker_processes > 1 && !socket.options.reuseport;
            let of_socket = Rc::clone(&server);
            let taken = Rc::new(move |accepted| accept(&of_socket, &socket, accepted));
            ids.push(worker.listen(listener.listener, exclusive, taken)?);
        }
        http = Some(server);
    }
    obey(loaded, plan, context, &worker, http, ids)?;
    worker.run();
    worker.clear();
    Ok(())
}

/// Lets log files that cannot be written say so in the main error log, once a second each. That
/// one itself, when it is full, drops what it would say of itself.
fn tell_of_full_logs(loaded: &Loaded) {
    for handle in loaded.log_files.iter() {
        let Some(file) = handle.file() else {
            continue;
        };
        let logger = loaded.main.error_log.logger().clone();
        file.set_error_hook(Rc::new(move |message| {
            logger.log(Level::Alert, message);
        }));
    }
}

fn pools(loaded: &Loaded) -> HashMap<Vec<u8>, Rc<BlockingPool>> {
    let mut pools = HashMap::new();
    pools.insert(
        b"default".to_vec(),
        Rc::new(BlockingPool::new("default", 32, 65_536)),
    );
    for pool in loaded.main.thread_pools.iter() {
        let name = String::from_utf8_lossy(&pool.name).into_owned();
        let made = BlockingPool::new(&name, pool.threads, pool.max_queue);
        pools.insert(pool.name.clone(), Rc::new(made));
    }
    pools
}

/// Lets the worker follow the master's commands, and tells the master that it lives.
fn obey(
    loaded: &Loaded,
    plan: &ProcessPlan,
    context: WorkerContext,
    worker: &Rc<Worker>,
    http: Option<Rc<HttpWorker>>,
    listeners: Vec<ListenerId>,
) -> io::Result<()> {
    let commands = context.commands().try_clone_to_owned()?;
    let context = Rc::new(context);
    let orders = Rc::new(Orders {
        context: Rc::clone(&context),
        worker: Rc::clone(worker),
        http,
        listeners: RefCell::new(listeners),
        log_files: loaded.log_files.clone(),
        logger: loaded.main.error_log.logger().clone(),
        shutdown_timeout: plan.shutdown_timeout,
    });
    let obeyed = Rc::clone(&orders);
    worker.watch(commands, Rc::new(move || obeyed.follow()))?;
    if let Some(interval) = context.beat_interval() {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let beating = Rc::clone(&context);
        worker.on_timer_every(millis.max(1), move || {
            beating.beat();
            true
        });
    }
    context.ready();
    // What came before the loop watched would otherwise wait for the next signal.
    orders.follow();
    Ok(())
}

/// What a worker needs to follow commands.
struct Orders {
    context: Rc<WorkerContext>,
    worker: Rc<Worker>,
    http: Option<Rc<HttpWorker>>,
    listeners: RefCell<Vec<ListenerId>>,
    log_files: engine::log_target::LogFiles,
    logger: runtime::log::Logger,
    shutdown_timeout: Option<Duration>,
}

impl Orders {
    fn follow(&self) {
        while let Some(command) = self.context.next_command() {
            match command {
                Command::Terminate => self.worker.stop(),
                Command::Quit => self.drain(),
                Command::Reopen => {
                    for (path, error) in self.log_files.reopen() {
                        let message = format!("open() \"{}\" failed ({error})", path.display());
                        self.logger.log(Level::Emerg, &message);
                    }
                }
            }
        }
    }

    /// Accepts nothing new and ends when what there is has ended.
    fn drain(&self) {
        self.logger.log(Level::Notice, "gracefully shutting down");
        self.context.show_shutting_down();
        for id in self.listeners.take() {
            self.worker.close_listener(id);
        }
        if let Some(http) = &self.http {
            http.is_draining.set(true);
        }
        self.worker.close_idle();
        let deadline = self.shutdown_timeout.map(|timeout| {
            self.worker.now() + u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
        });
        let worker = Rc::downgrade(&self.worker);
        let end = Cell::new(None);
        self.worker.on_timer_every(END_CHECK_MILLIS, move || {
            let Some(worker) = worker.upgrade() else {
                return false;
            };
            let now = worker.now();
            if worker.busy_slots() == 0 || end.get().is_some_and(|end| now >= end) {
                worker.stop();
                return false;
            }
            if end.get().is_none() && deadline.is_some_and(|deadline| now >= deadline) {
                worker.give_up_clients();
                end.set(Some(now + LAST_WORDS_MILLIS));
            }
            true
        });
    }
}
