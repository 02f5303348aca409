//! An engine for tests. A connection is greeted with `PID GENERATION VALUE\n`, and kept until the
//! client closes it; `VALUE` is the variable `COLOUR`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use conf::{Directive, Error, Tree};
use poller::{Events, Interest, Poller};
use runtime::log::{Format, Level, LogFile, LogOptions, LogSink, Logger};
use sys::socket::{self, Address, ListenOptions};
use tidegate::{
    Account, Command, Configuration, Engine, ListenerSpec, LoadRequest, ProcessPlan, Purpose,
    Refusal, WorkerContext,
};

/// The counter of open connections.
pub(crate) const CONNECTIONS: usize = 0;

/// The engine.
pub(crate) struct Echo;

struct Loaded {
    plan: ProcessPlan,
    tree: Tree,
    notes: Vec<Error>,
    log: Logger,
    file: RefCell<Option<Rc<LogFile>>>,
    generation: String,
    /// What is wrong with its workers.
    fault: String,
    zone: Option<Rc<shm::Zone>>,
}

impl Engine for Echo {
    fn load(&self, request: &LoadRequest<'_>) -> Result<Rc<dyn Configuration>, Refusal> {
        let paths = request.paths;
        let (tree, mut errors) = conf::load_with_parameters(
            request.directives,
            &paths.file,
            &paths.prefix,
            &paths.file_prefix,
            request.source,
        );
        let mut loaded = Loaded {
            plan: ProcessPlan {
                pid_file: paths.pid_file.clone(),
                ..ProcessPlan::default()
            },
            tree: Tree::default(),
            notes: Vec::new(),
            log: Logger::new(),
            file: RefCell::default(),
            generation: "0".to_owned(),
            fault: String::new(),
            zone: None,
        };
        loaded.plan.error_log = Some(paths.error_log.clone());
        for directive in &tree.directives {
            if let Err(error) = loaded.read(directive, &paths.prefix) {
                errors.push(error);
            }
        }
        loaded.zone = request.zones.get_or_create("zone", "test", 40_000).ok();
        if request.purpose == Purpose::Run && errors.is_empty() {
            let path = loaded.plan.error_log.clone().unwrap();
            // Opened at once: a test has no use for a log that is not there.
            let file = LogFile::open(path, LogOptions::default()).unwrap();
            loaded
                .log
                .add(Level::Info, Format::Text, LogSink::File(Rc::clone(&file)));
            loaded.file.replace(Some(file));
        }
        if errors.is_empty() {
            loaded.tree = tree;
            Ok(Rc::new(loaded))
        } else {
            Err(Refusal { tree, errors })
        }
    }

    fn counters(&self) -> usize {
        1
    }

    fn gauges(&self) -> &[usize] {
        &[CONNECTIONS]
    }

    fn built_in(&self) -> &[String] {
        &[]
    }
}

impl Loaded {
    fn read(&mut self, directive: &Directive, prefix: &Path) -> Result<(), Error> {
        let words: Vec<String> = directive
            .args
            .iter()
            .map(|word| word.display().into_owned())
            .collect();
        let word = |index: usize| words.get(index).cloned().unwrap_or_default();
        let millis = || Some(Duration::from_millis(word(0).parse().unwrap()));
        let plan = &mut self.plan;
        match directive.name.display().as_ref() {
            "daemon" => plan.daemon = word(0) == "on",
            "master_process" => plan.master_process = word(0) == "on",
            "worker_processes" => plan.worker_processes = word(0).parse().unwrap(),
            "worker_shutdown_timeout" => plan.shutdown_timeout = millis(),
            "stuck_after" => plan.stuck_after = millis(),
            "pid" => plan.pid_file = Some(prefix.join(word(0))),
            "env" => plan.environment.push(word(0).into()),
            "working_directory" => plan.working_directory = Some(word(0).into()),
            "user" => {
                let account = Account::find(&word(0), words.get(1).map(String::as_str));
                plan.account = Some(account.map_err(|text| Error::of(directive, text))?);
            }
            "listen" => plan.listeners.push(ListenerSpec {
                address: match word(0).strip_prefix("unix:") {
                    Some(path) => Address::Unix(path.as_bytes().into()),
                    None => Address::Ip(word(0).parse().unwrap()),
                },
                options: ListenOptions {
                    reuseport: word(1) == "reuseport",
                    ..ListenOptions::default()
                },
            }),
            "generation" => self.generation = word(0),
            "fault" => self.fault = word(0),
            "note" => {
                let mut note = Error::of(directive, "noted");
                note.level = conf::Level::Warn;
                self.notes.push(note);
            }
            _ => return Err(Error::unknown_directive(directive, ["daemon", "listen"])),
        }
        Ok(())
    }
}

impl Configuration for Loaded {
    fn plan(&self) -> &ProcessPlan {
        &self.plan
    }

    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn notes(&self) -> &[Error] {
        &self.notes
    }

    fn log(&self) -> &Logger {
        &self.log
    }

    fn open_files(&self) -> Result<(), String> {
        match self.fault.as_str() {
            "files" => Err("open() \"/some/file\" failed (13: Permission denied)".to_owned()),
            _ => Ok(()),
        }
    }

    fn reopen_files(&self, _owner: Option<u32>) {
        if let Some(file) = self.file.borrow().as_ref() {
            file.reopen().unwrap();
        }
    }

    fn run_worker(&self, context: WorkerContext) {
        match self.fault.as_str() {
            "early-exit" => return,
            "panic" => panic!("as the configuration wants it"),
            _ => {}
        }
        Worker {
            loaded: self,
            context,
            poller: Poller::new().unwrap(),
            connections: BTreeMap::new(),
            next: FIRST_CONNECTION,
            is_leaving: false,
        }
        .run();
    }
}

/// Token of the commands; listeners have their index plus one.
const COMMANDS: u64 = 0;
const FIRST_CONNECTION: u64 = 1000;

struct Worker<'a> {
    loaded: &'a Loaded,
    context: WorkerContext,
    poller: Poller,
    connections: BTreeMap<u64, OwnedFd>,
    next: u64,
    is_leaving: bool,
}

impl Worker<'_> {
    fn run(&mut self) {
        self.poller
            .add(self.context.commands(), Interest::READABLE, COMMANDS)
            .unwrap();
        for listener in &self.context.listeners {
            let token = 1 + u64::try_from(listener.index).unwrap();
            self.poller
                .add(listener.listener.as_fd(), Interest::READABLE, token)
                .unwrap();
        }
        self.context.ready();
        let interval = self.context.beat_interval();
        let wait = interval.map(|interval| u64::try_from(interval.as_millis()).unwrap());
        let mut events = Events::with_capacity(64);
        while !self.is_leaving || !self.connections.is_empty() {
            self.context.beat();
            self.poller.wait(&mut events, wait).unwrap();
            let tokens: Vec<u64> = events.iter().map(|event| event.token()).collect();
            for token in tokens {
                match token {
                    COMMANDS => {
                        if self.obey() {
                            return;
                        }
                    }
                    FIRST_CONNECTION.. => self.read(token),
                    listener => self.accept(usize::try_from(listener - 1).unwrap()),
                }
            }
        }
    }

    /// Says whether to end now.
    fn obey(&mut self) -> bool {
        while let Some(command) = self.context.next_command() {
            match command {
                Command::Terminate if self.loaded.fault == "deaf" => {}
                Command::Terminate => return true,
                Command::Reopen => self.loaded.reopen_files(None),
                Command::Quit => {
                    self.context.show_shutting_down();
                    for listener in self.context.listeners.drain(..) {
                        self.poller.remove(listener.listener.as_fd()).unwrap();
                    }
                    self.is_leaving = true;
                }
            }
        }
        false
    }

    fn accept(&mut self, index: usize) {
        let found = self
            .context
            .listeners
            .iter()
            .find(|listener| listener.index == index);
        let Some(Ok((connection, _))) = found.map(|listener| listener.listener.accept()) else {
            return;
        };
        let colour = std::env::var("COLOUR").unwrap_or_else(|_| "none".to_owned());
        let generation = &self.loaded.generation;
        let greeting = format!("{} {generation} {colour}\n", std::process::id());
        File::from(connection.try_clone().unwrap())
            .write_all(greeting.as_bytes())
            .unwrap();
        self.next += 1;
        self.poller
            .add(connection.as_fd(), Interest::READABLE, self.next)
            .unwrap();
        self.connections.insert(self.next, connection);
        self.count();
        match self.loaded.fault.as_str() {
            "hang" => std::thread::sleep(Duration::from_secs(600)),
            "lock" => {
                let _guard = self.loaded.zone.as_ref().unwrap().lock();
                std::thread::sleep(Duration::from_secs(600));
            }
            _ => {}
        }
    }

    fn read(&mut self, token: u64) {
        let connection = self.connections.get(&token).unwrap();
        if !matches!(socket::read(connection.as_fd(), &mut [0; 64]), Ok(1..)) {
            self.connections.remove(&token);
            self.count();
        }
    }

    fn count(&self) {
        let slot = self.context.counters.slot(self.context.slot).unwrap();
        slot.set(CONNECTIONS, self.connections.len() as u64);
        let total = self.context.counters.sum(CONNECTIONS);
        let path: PathBuf = self
            .loaded
            .plan
            .pid_file
            .as_ref()
            .unwrap()
            .with_extension("count");
        std::fs::write(path, total.to_string()).unwrap();
    }
}
