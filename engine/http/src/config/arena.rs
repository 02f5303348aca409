//! Levels while they are being read: one entry a block, parents before children.

use super::location_name::LocationName;
use super::registry::Registry;
use engine::slot::Level;
use engine::{Contexts, Loading};
use std::any::Any;

/// The settings of one kind at one level; an entry is out while its directive is read.
pub type Entries = Vec<Option<Box<dyn Any>>>;

/// One block: `http`, `server`, `location`, `if` or `limit_except`.
pub struct RawLevel {
    /// The block's context.
    pub context: Contexts,
    /// The block around it.
    pub parent: Option<u32>,
    /// How it is chosen.
    pub name: LocationName,
    /// Settings of server slots; empty but for `http` and `server`.
    pub server: Entries,
    /// Settings of location slots.
    pub location: Entries,
    /// The module that has taken over its content.
    pub owner: Option<&'static str>,
    /// Locations in it, in the order of the file.
    pub children: Vec<u32>,
    /// Number of the server it belongs to, as a level; its own for a server.
    pub server_level: u32,
    /// Where the block's directive ended, for errors.
    pub position: conf::Position,
}

/// All levels of an `http` block.
#[derive(Default)]
pub struct Arena {
    /// Settings of main slots.
    pub main: Entries,
    /// Levels; the first is `http` itself.
    pub levels: Vec<RawLevel>,
    /// Levels that are servers, in the order of the file.
    pub servers: Vec<u32>,
}

/// The arena of this load.
pub fn arena(loading: &mut Loading) -> &mut Arena {
    loading.shared()
}

impl Arena {
    /// Adds a level.
    pub fn push(
        &mut self,
        registry: &Registry,
        context: Contexts,
        parent: Option<u32>,
        name: LocationName,
        position: conf::Position,
    ) -> u32 {
        let id = u32::try_from(self.levels.len()).unwrap_or(u32::MAX);
        let fresh = |level| {
            registry
                .slots(level)
                .iter()
                .map(|slot| Some(slot.fresh()))
                .collect()
        };
        let has_server = context.contains(Contexts::HTTP_SERVER);
        let server_level = match parent {
            Some(parent) if !has_server => self.levels[parent as usize].server_level,
            _ => id,
        };
        self.levels.push(RawLevel {
            context,
            parent,
            name,
            server: if has_server {
                fresh(Level::Server)
            } else {
                Vec::new()
            },
            location: fresh(Level::Location),
            owner: None,
            children: Vec::new(),
            server_level,
            position,
        });
        if let Some(parent) = parent {
            self.levels[parent as usize].children.push(id);
        }
        if context == Contexts::SERVER {
            self.servers.push(id);
        }
        id
    }

    /// The entries of `kind` at level `id`.
    pub fn entries(&mut self, kind: Level, id: u32) -> &mut Entries {
        match kind {
            Level::Main => &mut self.main,
            Level::Server => &mut self.levels[id as usize].server,
            Level::Location => &mut self.levels[id as usize].location,
        }
    }

    /// Fills every level from the one around it, outermost first.
    pub fn inherit(&mut self, registry: &Registry) {
        for id in 1..self.levels.len() {
            let (outer, inner) = self.levels.split_at_mut(id);
            let level = &mut inner[0];
            let Some(parent) = level.parent.and_then(|parent| outer.get(parent as usize)) else {
                continue;
            };
            inherit_entries(
                registry,
                Level::Location,
                &mut level.location,
                &parent.location,
            );
            inherit_entries(registry, Level::Server, &mut level.server, &parent.server);
        }
    }
}

fn inherit_entries(registry: &Registry, kind: Level, inner: &mut Entries, outer: &Entries) {
    let slots = registry.slots(kind).iter();
    for ((slot, inner), outer) in slots.zip(inner).zip(outer) {
        if let (Some(inner), Some(outer)) = (inner, outer) {
            slot.inherit(inner.as_mut(), outer.as_ref());
        }
    }
}
