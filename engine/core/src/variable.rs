//! Names of variables, resolved to numbers while a configuration loads.

use std::collections::{HashMap, HashSet};

/// A variable's number in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(u32);

impl VariableId {
    /// Position in tables with one entry a variable.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every variable that a configuration names.
#[derive(Clone, Debug, Default)]
pub struct VariableNames {
    by_name: HashMap<Vec<u8>, VariableId>,
    names: Vec<Vec<u8>>,
    groups: HashSet<VariableId>,
}

impl VariableNames {
    /// The number of `name`, new if it was not named before. Case does not matter.
    ///
    /// Whether somebody defines it is checked when loading ends, since a `map` may
    /// stand below its first use.
    pub fn resolve(&mut self, name: &[u8]) -> VariableId {
        let name = name.to_ascii_lowercase();
        if let Some(&id) = self.by_name.get(&name) {
            return id;
        }
        let id = VariableId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(name.clone());
        self.by_name.insert(name, id);
        id
    }

    /// As [`VariableNames::resolve`], for a named group of a regular expression, which
    /// defines the variable by being there.
    pub fn resolve_group(&mut self, name: &[u8]) -> VariableId {
        let id = self.resolve(name);
        self.groups.insert(id);
        id
    }

    /// Whether a named group of a regular expression gives the variable its values.
    pub fn is_group(&self, id: VariableId) -> bool {
        self.groups.contains(&id)
    }

    /// The number of `name` if anything named it.
    pub fn find(&self, name: &[u8]) -> Option<VariableId> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// Names in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (VariableId, &[u8])> {
        self.names
            .iter()
            .zip(0..)
            .map(|(name, id)| (VariableId(id), name.as_slice()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was named.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// A session that can tell the values of variables and of the last match's captures.
pub trait Lookup {
    /// Appends the variable's value to `out`; `false`, with nothing appended, when it
    /// has none.
    fn write_variable(&self, id: VariableId, out: &mut Vec<u8>) -> bool;

    /// Appends capture `number` of the last match to `out`; `false` when it has none.
    fn write_capture(&self, number: usize, out: &mut Vec<u8>) -> bool;
}
