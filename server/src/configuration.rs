//! One loaded configuration, and how the next one takes its place.
//!
//! Source: `ngx_init_cycle()`, nginx 1.31.5, whose order this keeps: read, open files, open sockets;
//! whatever fails leaves what was there as it was.

use std::rc::Rc;

use conf::{Error, Source, Tree};
use runtime::log::Logger;
use shm::Zones;

use crate::listeners::{Inherited, Listeners};
use crate::paths::Paths;
use crate::plan::ProcessPlan;
use crate::report::Message;
use crate::source::FileSource;
use crate::worker::WorkerContext;

/// Why a configuration is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be run.
    Run,
    /// To be tested (`-t`).
    Test,
    /// To find out whom to send a signal (`-s`).
    Signal,
}

/// What an engine gets to read a configuration.
pub struct LoadRequest<'a> {
    /// Where it is, and what its relative names start from.
    pub paths: &'a Paths,
    /// The directives of `-g`.
    pub directives: &'a [u8],
    /// Where files are read from.
    pub source: &'a dyn Source,
    /// Where shared memory zones are asked for; those of the last configuration are taken over.
    pub zones: &'a Rc<Zones>,
    /// Why.
    pub purpose: Purpose,
}

/// A configuration that cannot be used.
#[derive(Debug)]
pub struct Refusal {
    /// The text, as far as it was understood.
    pub tree: Tree,
    /// What is wrong with it.
    pub errors: Vec<Error>,
}

/// What turns text into something to run.
pub trait Engine {
    /// Reads a configuration and checks it. Opens nothing that outlasts a refusal.
    ///
    /// # Errors
    ///
    /// The errors, and the text that they point into.
    fn load(&self, request: &LoadRequest<'_>) -> Result<Rc<dyn Configuration>, Refusal>;

    /// How many counters a worker has in shared memory.
    fn counters(&self) -> usize;

    /// Which of them say what is now, and fall back to zero with the worker.
    fn gauges(&self) -> &[usize];

    /// nginx's configure options of what is built in, for `-V`.
    fn built_in(&self) -> &[String];
}

/// A configuration that can be run.
pub trait Configuration {
    /// What it asks of processes.
    fn plan(&self) -> &ProcessPlan;

    /// Its text.
    fn tree(&self) -> &Tree;

    /// What is odd about it, though it works.
    fn notes(&self) -> &[Error];

    /// The error log of the main level, once [`Configuration::open_files`] has succeeded.
    fn log(&self) -> &Logger;

    /// Opens its logs, and makes its folders. Called once, before sockets are opened.
    ///
    /// # Errors
    ///
    /// nginx's message: `open() "..." failed (13: Permission denied)`.
    fn open_files(&self) -> Result<(), String>;

    /// Opens its logs anew (`-s reopen`). The master passes the user that workers have, to whom the
    /// files are given.
    fn reopen_files(&self, owner: Option<u32>);

    /// Runs a worker until it is told to go: returns when it has.
    fn run_worker(&self, context: WorkerContext);
}

/// A configuration with its sockets and zones.
pub(crate) struct Running {
    pub(crate) configuration: Rc<dyn Configuration>,
    pub(crate) listeners: Listeners,
    pub(crate) zones: Rc<Zones>,
}

/// How configurations are read.
pub(crate) struct Loader {
    pub(crate) engine: &'static dyn Engine,
    pub(crate) paths: Paths,
    pub(crate) directives: Vec<u8>,
}

impl Loader {
    /// Reads the configuration.
    pub(crate) fn read(
        &self,
        purpose: Purpose,
        zones: &Rc<Zones>,
    ) -> Result<Rc<dyn Configuration>, Vec<Message>> {
        let request = LoadRequest {
            paths: &self.paths,
            directives: &self.directives,
            source: &FileSource::new(&self.paths),
            zones,
            purpose,
        };
        self.engine.load(&request).map_err(|refusal| {
            let message = |error| Message::of_error(error, &refusal.tree);
            refusal.errors.iter().map(message).collect()
        })
    }

    /// Reads the configuration, and opens its files and sockets, taking over what fits of
    /// `previous`, which stays as it is.
    pub(crate) fn prepare(
        &self,
        previous: Option<&Running>,
        inherited: Inherited,
    ) -> Result<Running, Vec<Message>> {
        let zones = Rc::new(previous.map_or_else(Zones::new, |running| running.zones.successor()));
        let configuration = self.read(Purpose::Run, &zones)?;
        let one = |text: String| vec![Message::emerg(text)];
        configuration.open_files().map_err(one)?;
        let plan = configuration.plan();
        let previous = previous.map(|running| &running.listeners);
        let listeners = Listeners::open(plan, previous, inherited)
            .map_err(|refusals| refusals.into_iter().map(Message::emerg).collect::<Vec<_>>())?;
        Ok(Running {
            configuration,
            listeners,
            zones,
        })
    }
}

/// What is odd about a configuration, as messages.
pub(crate) fn notes(configuration: &dyn Configuration) -> Vec<Message> {
    let tree = configuration.tree();
    configuration
        .notes()
        .iter()
        .map(|note| Message::of_error(note, tree))
        .collect()
}
