//! The end of a load: inherit, check, freeze.

use super::addresses;
use super::arena::{Arena, Entries};
use super::generation::{Generation, Location, Server};
use super::listen::{Listen, Listens};
use super::location_name::LocationName;
use super::location_tree::LocationTree;
use super::pipeline::Pipeline;
use super::registry::Registry;
use crate::core::error_log::ERROR_LOG;
use crate::core::files::FILES;
use crate::core::names::NAMES;
use crate::core::receive::RECEIVE;
use crate::core::respond::RESPOND;
use crate::core::structure::METHODS;
use crate::core::transfer::TRANSFER;
use crate::gateway::settings::Transparent;
use crate::variable;
use engine::address::Address;
use engine::{Contexts, Loading, SettingsTable};
use runtime::log::Level;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// What a module's `finish` may look at and change, after inheritance.
pub struct Finishing<'a> {
    /// All levels, with inherited settings.
    pub arena: &'a mut Arena,
    /// The load.
    pub loading: &'a mut Loading,
}

impl Finishing<'_> {
    /// The settings of `slot` at every level.
    pub fn each<S>(
        &mut self,
        slot: &engine::Slot<S>,
        mut visit: impl FnMut(&mut S, &mut Loading, &LocationName),
    ) {
        for level in &mut self.arena.levels {
            if let Some(settings) = slot.edit(&mut level.location) {
                visit(settings, self.loading, &level.name);
            }
        }
    }

    /// Calls `pass` with the settings of each location that has an `if` block, and those of the
    /// block: a handler that makes a location's content its own also serves its `if` blocks,
    /// though neither nested locations nor `limit_except` (nginx: `r->content_handler`).
    pub fn each_if<S>(&mut self, slot: &engine::Slot<S>, pass: impl Fn(&S, &mut S)) {
        for id in 1..self.arena.levels.len() {
            let (outer, inner) = self.arena.levels.split_at_mut(id);
            let level = &mut inner[0];
            if !level.context.contains(Contexts::LOCATION_IF) {
                continue;
            }
            let location = level
                .parent
                .and_then(|parent| slot.edit(&mut outer.get_mut(parent as usize)?.location));
            if let (Some(location), Some(block)) = (location, slot.edit(&mut level.location)) {
                pass(location, block);
            }
        }
    }
}

/// Makes a generation of what was read; `None` when there are errors.
pub fn finish(loading: &mut Loading, registry: &Registry) -> Option<Rc<Generation>> {
    let mut arena: Arena = loading.take_shared();
    arena.inherit(registry);
    for module in &registry.modules {
        let Some(finish) = module.finish else {
            continue;
        };
        let mut finishing = Finishing {
            arena: &mut arena,
            loading: &mut *loading,
        };
        if let Err(refused) = finish(&mut finishing) {
            loading
                .errors
                .push(conf::Error::new(conf::Level::Emerg, refused.message()));
        }
    }
    let variables = match variable::bind(loading) {
        Ok(variables) => variables,
        Err(unknown) => {
            let errors = unknown
                .iter()
                .map(|r| conf::Error::new(conf::Level::Emerg, r.message()));
            loading.errors.extend(errors);
            Vec::new()
        }
    };
    let listens = listens_with_defaults(&arena, loading);
    let main = freeze(std::mem::take(&mut arena.main));
    let (levels, servers) = freeze_levels(arena, registry, loading);
    let by_level: HashMap<u32, Rc<Server>> = servers
        .iter()
        .map(|(id, server)| (*id, Rc::clone(server)))
        .collect();
    let sockets = addresses::group(&listens, &by_level, loading);
    if loading.errors.iter().any(conf::Error::is_fatal) {
        return None;
    }
    Some(Rc::new(Generation {
        main,
        servers: servers.into_iter().map(|(_, server)| server).collect(),
        sockets,
        variables,
        binds_transparently: loading.shared::<Transparent>().0,
        by_name: variable::ByName::new(loading),
        levels,
        state_count: registry.state_count(),
        modules: registry.modules.clone(),
    }))
}

fn freeze(entries: Entries) -> SettingsTable {
    SettingsTable::freeze(entries.into_iter().flatten())
}

/// A server without `listen` listens on port 80, without root's rights on port 8000.
fn listens_with_defaults(arena: &Arena, loading: &mut Loading) -> Vec<Listen> {
    let mut listens: Listens = loading.take_shared();
    let port = if sys::user::effective_user() == 0 {
        80
    } else {
        8000
    };
    for &server in &arena.servers {
        if !listens.all.iter().any(|listen| listen.server == server) {
            listens.all.push(Listen {
                address: Address::Ip(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
                server,
                is_default: false,
                proxy_protocol: false,
                options: sys::socket::ListenOptions::default(),
                has_options: false,
                binds: false,
                position: arena.levels[server as usize].position,
            });
        }
    }
    // The order of servers in the file decides which is the default of an address.
    listens.all.sort_by_key(|listen| listen.server);
    listens.all
}

type Servers = Vec<(u32, Rc<Server>)>;

fn freeze_levels(
    mut arena: Arena,
    registry: &Registry,
    loading: &mut Loading,
) -> (Vec<Rc<Location>>, Servers) {
    let trees: Vec<LocationTree> = (0..arena.levels.len())
        .map(|id| tree_of(&arena, id, loading))
        .collect();
    let named: HashMap<u32, HashMap<Vec<u8>, u32>> = arena
        .servers
        .iter()
        .map(|&id| (id, named_of(&arena, id, loading)))
        .collect();
    let server_ids = std::mem::take(&mut arena.servers);
    let mut levels = Vec::new();
    let mut server_tables = HashMap::new();
    let owners = owners(&arena);
    let levels_with_all = arena.levels.into_iter().zip(trees).zip(owners);
    for (((level, nested), owner), id) in levels_with_all.zip(0..) {
        let settings = freeze(level.location);
        if level.context == Contexts::SERVER {
            server_tables.insert(id, freeze(level.server));
        }
        levels.push(Rc::new(Location {
            id,
            text: level.name.text(),
            is_unnamed: matches!(level.name, LocationName::Unnamed),
            name: level.name,
            pipeline: Pipeline::compile(registry, &settings, owner),
            is_debugged: ERROR_LOG.of(&settings).logs.takes(Level::Debug),
            transfer: TRANSFER.share(&settings),
            respond: RESPOND.share(&settings),
            receive: RECEIVE.share(&settings),
            files: FILES.share(&settings),
            methods: METHODS.share(&settings),
            settings,
            nested,
        }));
    }
    let servers = server_ids
        .into_iter()
        .map(|id| {
            let settings = server_tables.remove(&id).unwrap_or_default();
            let names = NAMES.of(&settings).names.to_vec();
            let root = Rc::clone(&levels[id as usize]);
            let named = named.get(&id).cloned().unwrap_or_default();
            (
                id,
                Rc::new(Server {
                    settings,
                    root,
                    names,
                    named,
                }),
            )
        })
        .collect();
    (levels, servers)
}

/// Which module answers in each level, if one has taken over: an `if` block is its location's,
/// unless it has a directive of its own (nginx: `r->content_handler`).
fn owners(arena: &Arena) -> Vec<Option<&'static str>> {
    let mut owners: Vec<Option<&'static str>> = Vec::with_capacity(arena.levels.len());
    for level in &arena.levels {
        let parent = level
            .parent
            .filter(|_| level.context.contains(Contexts::LOCATION_IF));
        let outer = parent.and_then(|parent| owners.get(parent as usize).copied().flatten());
        owners.push(level.owner.or(outer));
    }
    owners
}

fn tree_of(arena: &Arena, id: usize, loading: &mut Loading) -> LocationTree {
    let mut tree = LocationTree::default();
    for &child in &arena.levels[id].children {
        let level = &arena.levels[child as usize];
        let added = match &level.name {
            LocationName::Unnamed | LocationName::Named(_) => true,
            LocationName::Exact(uri) => tree.add_exact(uri, child),
            LocationName::Prefix { prefix, is_final } => tree.add_prefix(prefix, child, *is_final),
            LocationName::Pattern(pattern) => {
                tree.add_pattern(pattern.clone(), child);
                true
            }
        };
        if !added {
            duplicate(loading, level.position, &level.name);
        }
    }
    tree.link();
    tree
}

fn named_of(arena: &Arena, id: u32, loading: &mut Loading) -> HashMap<Vec<u8>, u32> {
    let mut named = HashMap::new();
    for &child in &arena.levels[id as usize].children {
        let level = &arena.levels[child as usize];
        let LocationName::Named(name) = &level.name else {
            continue;
        };
        match named.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(child);
            }
            // nginx takes the first and says nothing.
            Entry::Occupied(_) => {
                let name = String::from_utf8_lossy(name);
                let message = format!("duplicate location \"@{name}\", ignored");
                loading.warn(message, Some(level.position));
            }
        }
    }
    named
}

fn duplicate(loading: &mut Loading, position: conf::Position, name: &LocationName) {
    let text = name.text();
    let message = format!("duplicate location \"{}\"", String::from_utf8_lossy(&text));
    loading.errors.push(conf::Error::emerg(position, message));
}
