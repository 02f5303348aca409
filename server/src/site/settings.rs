//! The directives outside of `http`: processes, users, limits, and `events` (nginx's core and
//! event modules).

use super::dynamic;
use base::cidr::Cidr;
use engine::directive::{block, custom, flag, millis, number, set_once};
use engine::error_log::ErrorLogs;
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, inherit_fields};
use http::worker::DebugConnection;
use std::path::PathBuf;

/// What stands outside of every block.
#[derive(Clone)]
pub(super) struct Main {
    /// Whether the master goes to the background.
    pub(super) daemon: Setting<bool>,
    /// Whether there is a master at all.
    pub(super) master_process: Setting<bool>,
    /// Name of the workers' user, and of their group where it is another.
    pub(super) user: Setting<Option<(String, Option<String>)>>,
    /// The pid file.
    pub(super) pid: Setting<Option<PathBuf>>,
    /// nginx's lock file, for systems without atomic operations; ours never needs one.
    pub(super) lock_file: Setting<Option<PathBuf>>,
    /// Number of workers; `None` for one a processor.
    pub(super) worker_processes: Setting<Option<u64>>,
    /// Nice value of the workers.
    pub(super) worker_priority: Setting<i32>,
    /// Most open files of a worker.
    pub(super) rlimit_nofile: Setting<Option<u64>>,
    /// Largest core file of a worker.
    pub(super) rlimit_core: Setting<Option<u64>>,
    /// Milliseconds that an old worker may take to end.
    pub(super) shutdown_timeout: Setting<u64>,
    /// Which processors workers run on.
    pub(super) cpu_affinity: Setting<Affinity>,
    /// Where workers run, and leave core files.
    pub(super) working_directory: Setting<Option<PathBuf>>,
    /// Variables of the environment that are kept, with a value where one is given.
    pub(super) env: Setting<Vec<EnvironmentEntry>>,
    /// Error logs.
    pub(super) error_log: Setting<ErrorLogs>,
    /// Thread pools.
    pub(super) thread_pools: Setting<Vec<ThreadPool>>,
    /// How seldom nginx asks for the time; ours asks at both ends of a turn of the loop.
    pub(super) timer_resolution: Setting<u64>,
    /// Whether patterns are compiled to machine code; those of PCRE2 always are.
    pcre_jit: Setting<bool>,
    /// What `events` says.
    pub(super) events: Setting<Events>,
    /// How often `events` stands there.
    events_seen: Setting<bool>,
    debug_points: Setting<usize>,
}

/// `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EnvironmentEntry {
    /// The variable.
    pub(super) name: Vec<u8>,
    /// What it becomes; as it is without.
    pub(super) value: Option<Vec<u8>>,
}

/// `worker_cpu_affinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Affinity {
    /// Whether workers are spread over the processors of the masks, or over all.
    pub(super) auto: bool,
    /// Processors by worker; the last mask is for all further workers.
    pub(super) masks: Vec<Vec<usize>>,
}

/// `thread_pool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ThreadPool {
    /// Its name.
    pub(super) name: Vec<u8>,
    /// Threads.
    pub(super) threads: usize,
    /// Jobs that may wait.
    pub(super) max_queue: usize,
}

/// What `events` says.
#[derive(Clone)]
pub(super) struct Events {
    /// Connections of any kind of one worker.
    pub(super) worker_connections: Setting<u64>,
    /// Whether all waiting connections are accepted at once.
    pub(super) multi_accept: Setting<bool>,
    /// Whether workers take turns in accepting.
    pub(super) accept_mutex: Setting<bool>,
    /// Milliseconds until a worker tries again to get its turn.
    pub(super) accept_mutex_delay: Setting<u64>,
    /// Clients whose connections are logged in detail.
    pub(super) debug_connections: Setting<Vec<DebugConnection>>,
    /// Milliseconds that a turn of the loop may take before it is reported.
    pub(super) stall_threshold: Setting<u64>,
    method: Setting<usize>,
    aio_requests: Setting<u64>,
}

impl Default for Main {
    fn default() -> Self {
        Self {
            daemon: Setting::new(true),
            master_process: Setting::new(true),
            user: Setting::new(None),
            pid: Setting::new(None),
            lock_file: Setting::new(None),
            worker_processes: Setting::new(Some(1)),
            worker_priority: Setting::new(0),
            rlimit_nofile: Setting::new(None),
            rlimit_core: Setting::new(None),
            shutdown_timeout: Setting::new(0),
            cpu_affinity: Setting::new(Affinity::default()),
            working_directory: Setting::new(None),
            env: Setting::new(Vec::new()),
            error_log: Setting::new(ErrorLogs::default()),
            thread_pools: Setting::new(Vec::new()),
            timer_resolution: Setting::new(0),
            pcre_jit: Setting::new(false),
            events: Setting::new(Events::default()),
            events_seen: Setting::new(false),
            debug_points: Setting::new(0),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self {
            worker_connections: Setting::new(512),
            multi_accept: Setting::new(false),
            accept_mutex: Setting::new(false),
            accept_mutex_delay: Setting::new(500),
            debug_connections: Setting::new(Vec::new()),
            stall_threshold: Setting::new(1000),
            method: Setting::new(0),
            aio_requests: Setting::new(32),
        }
    }
}

impl Main {
    /// Whether there is an `events` block, which nginx insists on.
    pub(super) fn has_events(&self) -> bool {
        *self.events_seen
    }
}

inherit_fields!(Main {} own: {
    daemon, master_process, user, pid, lock_file, worker_processes, worker_priority,
    rlimit_nofile, rlimit_core, shutdown_timeout, cpu_affinity, working_directory, env,
    error_log, thread_pools, timer_resolution, pcre_jit, events, events_seen, debug_points,
});

const MAIN: Contexts = Contexts::MAIN;
const EVENTS: Contexts = Contexts::EVENTS;

/// Directives outside of blocks.
pub(super) const MAIN_DIRECTIVES: &[Directive<Main>] = &[
    flag("daemon", MAIN, |s| &mut s.daemon),
    flag("master_process", MAIN, |s| &mut s.master_process),
    custom("user", MAIN, Arity::between(1, 2), read_user),
    custom("pid", MAIN, Arity::ONE, |s, line| {
        let path = line.loading.full_path(line.arg(0));
        set_once(&mut s.pid, Some(path))
    }),
    custom("lock_file", MAIN, Arity::ONE, |s, line| {
        let path = line.loading.full_path(line.arg(0));
        set_once(&mut s.lock_file, Some(path))
    }),
    custom("worker_processes", MAIN, Arity::ONE, |s, line| {
        let count = match line.arg(0) {
            b"auto" => None,
            word => Some(
                base::units::parse_decimal(word)
                    .ok()
                    .filter(|&n| n > 0)
                    .ok_or_else(|| Refused::new("invalid value"))?,
            ),
        };
        set_once(&mut s.worker_processes, count)
    }),
    custom("worker_priority", MAIN, Arity::ONE, read_priority),
    custom("worker_rlimit_nofile", MAIN, Arity::ONE, |s, line| {
        let count = line.number(0, 0, u32::MAX.into())?;
        set_once(&mut s.rlimit_nofile, Some(count))
    }),
    custom("worker_rlimit_core", MAIN, Arity::ONE, |s, line| {
        let size = base::units::parse_offset(line.arg(0));
        set_once(
            &mut s.rlimit_core,
            Some(size.map_err(|_| Refused::new("invalid value"))?),
        )
    }),
    millis("worker_shutdown_timeout", MAIN, |s| &mut s.shutdown_timeout),
    custom("worker_cpu_affinity", MAIN, Arity::SOME, read_affinity),
    custom("working_directory", MAIN, Arity::ONE, |s, line| {
        let path = line.loading.full_path(line.arg(0));
        set_once(&mut s.working_directory, Some(path))
    }),
    custom("env", MAIN, Arity::ONE, read_env),
    custom("error_log", MAIN, Arity { min: 1, max: 3 }, |s, line| {
        let logs = engine::error_log::read(&s.error_log, line)?;
        s.error_log.set(logs);
        Ok(())
    }),
    custom("thread_pool", MAIN, Arity::between(2, 3), read_thread_pool),
    millis("timer_resolution", MAIN, |s| &mut s.timer_resolution),
    flag("pcre_jit", MAIN, |s| &mut s.pcre_jit),
    engine::directive::keyword("debug_points", MAIN, &["stop", "abort"], |s| {
        &mut s.debug_points
    }),
    custom("load_module", MAIN, Arity::ONE, |_, line| {
        dynamic::read(line)
    }),
    block("events", MAIN, Arity::NONE, |s, _| {
        set_once(&mut s.events_seen, true)
    }),
];

/// Directives of `events`.
pub(super) const EVENTS_DIRECTIVES: &[Directive<Events>] = &[
    custom("worker_connections", EVENTS, Arity::ONE, |s, line| {
        let count = line.number(0, 1, 1 << 24);
        let shown = || String::from_utf8_lossy(line.arg(0)).into_owned();
        let count = count.map_err(|_| Refused::new(format!("invalid number \"{}\"", shown())))?;
        set_once(&mut s.worker_connections, count)
    }),
    flag("multi_accept", EVENTS, |s| &mut s.multi_accept),
    flag("accept_mutex", EVENTS, |s| &mut s.accept_mutex),
    millis("stall_threshold", EVENTS, |s| &mut s.stall_threshold),
    millis("accept_mutex_delay", EVENTS, |s| &mut s.accept_mutex_delay),
    custom("use", EVENTS, Arity::ONE, read_use),
    custom(
        "debug_connection",
        EVENTS,
        Arity::ONE,
        read_debug_connection,
    ),
    number("worker_aio_requests", EVENTS, 0, u64::MAX, |s| {
        &mut s.aio_requests
    }),
];

fn read_user(settings: &mut Main, line: &mut Line<'_>) -> Result<(), Refused> {
    if sys::user::effective_user() != 0 {
        line.warn(
            "the \"user\" directive makes sense only if the master process runs with \
             super-user privileges, ignored",
        );
        return set_once(&mut settings.user, None);
    }
    let text = |index| String::from_utf8_lossy(line.arg(index)).into_owned();
    let name = text(0);
    let group = (line.args().len() > 1).then(|| text(1));
    if sys::user::find_user(&name).ok().flatten().is_none() {
        return Err(Refused::new(format!("getpwnam(\"{name}\") failed")));
    }
    let group_name = group.clone().unwrap_or_else(|| name.clone());
    if sys::user::find_group(&group_name).ok().flatten().is_none() {
        return Err(Refused::new(format!("getgrnam(\"{group_name}\") failed")));
    }
    set_once(&mut settings.user, Some((name, group)))
}

fn read_priority(settings: &mut Main, line: &mut Line<'_>) -> Result<(), Refused> {
    let text = line.arg(0);
    let (sign, digits) = match text.first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let value = base::units::parse_decimal(digits)
        .ok()
        .and_then(|n| i32::try_from(n).ok());
    let value = value.ok_or_else(|| Refused::new("invalid number"))?;
    set_once(&mut settings.worker_priority, sign * value)
}

/// `auto [mask]` or masks, in which the last digit is the first processor.
fn read_affinity(settings: &mut Main, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut affinity = Affinity::default();
    for index in 0..line.args().len() {
        let word = line.arg(index);
        if word == b"auto" && index == 0 {
            affinity.auto = true;
            continue;
        }
        let mut cpus = Vec::new();
        for (cpu, digit) in word.iter().rev().enumerate() {
            match digit {
                b'0' => {}
                b'1' => cpus.push(cpu),
                other => {
                    let shown = char::from(*other);
                    let message =
                        format!("invalid character \"{shown}\" in \"worker_cpu_affinity\"");
                    return Err(Refused::new(message));
                }
            }
        }
        affinity.masks.push(cpus);
    }
    if affinity.auto && affinity.masks.len() > 1 {
        return Err(Refused::new(
            "invalid number of arguments in \"worker_cpu_affinity\" directive",
        ));
    }
    set_once(&mut settings.cpu_affinity, affinity)
}

fn read_env(settings: &mut Main, line: &mut Line<'_>) -> Result<(), Refused> {
    let text = line.arg(0);
    let (name, value) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (text[..at].to_vec(), Some(text[at + 1..].to_vec())),
        None => (text.to_vec(), None),
    };
    settings.env.edit().push(EnvironmentEntry { name, value });
    Ok(())
}

fn read_thread_pool(settings: &mut Main, line: &mut Line<'_>) -> Result<(), Refused> {
    let name = line.arg(0).to_vec();
    let mut threads = None;
    let mut max_queue = 65_536;
    for index in 1..line.args().len() {
        let word = line.arg(index);
        let (target, value) = match word.split_at_checked(8) {
            Some((b"threads=", value)) => (true, value),
            _ => match word.strip_prefix(b"max_queue=") {
                Some(value) => (false, value),
                None => return Err(line.invalid_parameter(index)),
            },
        };
        let number = base::units::parse_decimal(value)
            .ok()
            .and_then(|n| usize::try_from(n).ok());
        match (target, number) {
            (true, Some(count)) if count > 0 => threads = Some(count),
            (false, Some(count)) => max_queue = count,
            (true, _) => {
                let shown = String::from_utf8_lossy(word).into_owned();
                return Err(Refused::new(format!("invalid threads value \"{shown}\"")));
            }
            (false, None) => {
                let shown = String::from_utf8_lossy(word).into_owned();
                return Err(Refused::new(format!("invalid max_queue value \"{shown}\"")));
            }
        }
    }
    let shown = String::from_utf8_lossy(&name).into_owned();
    let Some(threads) = threads else {
        let message = format!("\"threads\" parameter is required for thread pool \"{shown}\"");
        return Err(Refused::new(message));
    };
    if settings.thread_pools.iter().any(|pool| pool.name == name) {
        return Err(Refused::new(format!("duplicate thread pool \"{shown}\"")));
    }
    settings.thread_pools.edit().push(ThreadPool {
        name,
        threads,
        max_queue,
    });
    Ok(())
}

/// `use epoll`: the one method that this system has.
fn read_use(settings: &mut Events, line: &mut Line<'_>) -> Result<(), Refused> {
    match line.arg(0) {
        word if word == poller::METHOD.as_bytes() => set_once(&mut settings.method, 0),
        b"select" | b"poll" => {
            let method = poller::METHOD;
            line.warn(format!(
                "this event method is not built in, {method} is used instead"
            ));
            set_once(&mut settings.method, 0)
        }
        word => {
            let shown = String::from_utf8_lossy(word);
            Err(Refused::new(format!("invalid event type \"{shown}\"")))
        }
    }
}

fn read_debug_connection(settings: &mut Events, line: &mut Line<'_>) -> Result<(), Refused> {
    let text = String::from_utf8_lossy(line.arg(0)).into_owned();
    if text == "unix:" {
        settings
            .debug_connections
            .edit()
            .push(DebugConnection::Unix);
        return Ok(());
    }
    let networks: Vec<Cidr> = match Cidr::parse(&text) {
        Some(parsed) => vec![parsed.cidr],
        None => engine::address::resolve(&text)
            .unwrap_or_default()
            .into_iter()
            .map(|ip| Cidr::new(ip, if ip.is_ipv4() { 32 } else { 128 }))
            .collect(),
    };
    if networks.is_empty() {
        return Err(Refused::new(format!(
            "host not found in debug_connection \"{text}\""
        )));
    }
    let all = networks.into_iter().map(DebugConnection::Network);
    settings.debug_connections.edit().extend(all);
    Ok(())
}

/// Every directive of these tables: name, module and contexts, separated by tabs.
pub(super) fn list() -> Vec<String> {
    let main = MAIN_DIRECTIVES.iter().map(|row| (row.name, row.contexts));
    let events = EVENTS_DIRECTIVES.iter().map(|row| (row.name, row.contexts));
    let http = [("http", Contexts::MAIN)];
    let line = |(name, contexts): (&str, Contexts)| {
        format!("{name}\tcore\t{}\timplemented", contexts.names().join(","))
    };
    let mut lines: Vec<String> = main.chain(events).chain(http).map(line).collect();
    lines.push("include\tcore\tany\timplemented".to_owned());
    lines
}
