//! Every directive of every module, by name.

use crate::module::Module;
use engine::Contexts;
use engine::slot::{AnySlot, Level, Row};
use std::collections::HashMap;

/// Where a directive's reader is found.
#[derive(Clone, Copy)]
pub struct Found {
    /// Kind of level that it sets something of.
    pub level: Level,
    /// Index of the slot among those of its level.
    pub slot: usize,
    /// Index of the row in the slot's table.
    pub row: usize,
    /// The row.
    pub info: Row,
    /// The module that answers where the directive stands, if one takes over with it.
    pub takes_over: Option<&'static str>,
}

/// The modules that are compiled in, and what they declare.
pub struct Registry {
    /// The engine's own and the features, in the order in which they run.
    pub modules: Vec<&'static Module>,
    main: Vec<&'static dyn AnySlot>,
    server: Vec<&'static dyn AnySlot>,
    location: Vec<&'static dyn AnySlot>,
    by_name: HashMap<&'static str, Vec<Found>>,
    state_count: usize,
}

impl Registry {
    /// Numbers all slots and collects all directives.
    ///
    /// # Panics
    ///
    /// When two modules declare one directive for one context: a mistake in the program.
    pub fn new(modules: &[&'static Module]) -> Self {
        let mut registry = Self {
            modules: crate::core::MODULES
                .iter()
                .chain(modules)
                .copied()
                .collect(),
            main: Vec::new(),
            server: Vec::new(),
            location: Vec::new(),
            by_name: HashMap::new(),
            state_count: 0,
        };
        for module in registry.modules.clone() {
            for &slot in module.settings {
                registry.add(slot, module);
            }
            for state in module.state {
                state.place(registry.state_count);
                registry.state_count += 1;
            }
        }
        registry
    }

    fn add(&mut self, slot: &'static dyn AnySlot, module: &Module) {
        let level = slot.level();
        let slots = match level {
            Level::Main => &mut self.main,
            Level::Server => &mut self.server,
            Level::Location => &mut self.location,
        };
        let index = slots.len();
        slot.place(index);
        slots.push(slot);
        for (row, info) in slot.rows().into_iter().enumerate() {
            let known = self.by_name.entry(info.name).or_default();
            assert!(
                !known
                    .iter()
                    .any(|other| other.info.contexts.contains(info.contexts)),
                "directive {} is declared twice for one context",
                info.name
            );
            known.push(Found {
                level,
                slot: index,
                row,
                info,
                takes_over: module
                    .takes_over
                    .contains(&info.name)
                    .then_some(module.name),
            });
        }
    }

    /// The slots of a level, in the order of their indexes.
    pub fn slots(&self, level: Level) -> &[&'static dyn AnySlot] {
        match level {
            Level::Main => &self.main,
            Level::Server => &self.server,
            Level::Location => &self.location,
        }
    }

    /// The directive `name` in `context`; `Err(true)` when it is known, but not there.
    ///
    /// # Errors
    ///
    /// Whether the name is known in any context.
    pub fn find(&self, name: &str, context: Contexts) -> Result<Found, bool> {
        let Some(known) = self.by_name.get(name) else {
            return Err(false);
        };
        known
            .iter()
            .find(|found| found.info.contexts.contains(context))
            .copied()
            .ok_or(true)
    }

    /// All names of directives.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.by_name.keys().copied()
    }

    /// How many request slots there are.
    pub fn state_count(&self) -> usize {
        self.state_count
    }
}
