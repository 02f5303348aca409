//! A finished configuration: immutable, held by reference, nothing of it global.

use super::addresses::ListenSocket;
use super::location_name::LocationName;
use super::location_tree::LocationTree;
use super::pipeline::Pipeline;
use super::server_names::ServerName;
use crate::core::files::Files;
use crate::core::receive::Receive;
use crate::core::respond::Respond;
use crate::core::structure::MethodLimit;
use crate::core::transfer::Transfer;
use crate::variable::{ByName, Entry};
use engine::SettingsTable;
use std::collections::HashMap;
use std::rc::Rc;

/// One loaded `http` block.
pub struct Generation {
    /// Settings of the block as a whole.
    pub main: SettingsTable,
    /// Servers in the order of the file.
    pub servers: Vec<Rc<Server>>,
    /// Sockets to listen on, with the servers behind each address.
    pub sockets: Vec<Rc<ListenSocket>>,
    /// Variables by number.
    pub variables: Vec<Entry>,
    /// Whether connections to other servers may come from addresses that are not of this system.
    pub binds_transparently: bool,
    pub(crate) by_name: ByName,
    pub(super) levels: Vec<Rc<Location>>,
    pub(super) state_count: usize,
    pub(super) modules: Vec<&'static crate::Module>,
}

impl Generation {
    /// The level with number `id`, as [`engine::Line::open_level`] gave it.
    pub fn level(&self, id: u32) -> &Rc<Location> {
        &self.levels[id as usize]
    }

    /// All levels.
    pub fn levels(&self) -> &[Rc<Location>] {
        &self.levels
    }

    /// How many request slots there are.
    pub(crate) fn state_count(&self) -> usize {
        self.state_count
    }

    /// The modules, in order.
    pub fn modules(&self) -> &[&'static crate::Module] {
        &self.modules
    }
}

/// A `server` block.
pub struct Server {
    /// Settings of the server.
    pub settings: SettingsTable,
    /// Its own level, from which locations inherit.
    pub root: Rc<Location>,
    /// Its names; the first is the one that redirects use.
    pub names: Vec<ServerName>,
    /// Locations `@name`.
    pub named: HashMap<Vec<u8>, u32>,
}

impl Server {
    /// The name used where the server must name itself: `$server_name`.
    pub fn name(&self) -> &[u8] {
        self.names.first().map_or(b"", ServerName::text)
    }
}

/// A level that can serve a request: `location`, the server's own, `if`, `limit_except`.
pub struct Location {
    /// Number of the level.
    pub id: u32,
    /// How it is chosen.
    pub name: LocationName,
    /// Its name as text, for logs.
    pub text: Vec<u8>,
    /// Settings of modules.
    pub settings: SettingsTable,
    /// How responses are sent. What the engine asks for every request is here, and nowhere looked up.
    pub transfer: Rc<Transfer>,
    /// What the engine's own answers look like.
    pub respond: Rc<Respond>,
    /// How bodies are received.
    pub receive: Rc<Receive>,
    /// How files are found and sent.
    pub files: Rc<Files>,
    /// Which requests may be served from here.
    pub methods: Rc<MethodLimit>,
    /// What it does.
    pub pipeline: Pipeline,
    /// Locations within.
    pub nested: LocationTree,
    /// Whether its error log takes what is for those who look for a bug.
    pub is_debugged: bool,
    /// Whether this is an `if` or `limit_except` block, which has no URI of its own.
    pub is_unnamed: bool,
}
