//! Variables: who defines them, how a request finds their values.

use crate::error::Error;
use crate::request::Request;
use engine::variable::{Lookup, VariableId, VariableNames};
use engine::{Loading, Refused};
use std::collections::HashMap;
use std::rc::Rc;

/// A variable that a module defines in its table.
#[derive(Clone, Copy)]
pub struct Variable {
    /// Its name, without `$`; with a trailing `_` for a family (`http_`).
    pub name: &'static str,
    get: Getter,
    /// Whether directives such as `set` may give it another value.
    is_changeable: bool,
    /// How `set $name value` changes the request; without it the value is kept instead.
    set: Option<fn(&mut Request, &[u8])>,
    /// Whether the first value holds.
    caching: Caching,
}

#[derive(Clone, Copy)]
enum Getter {
    Plain(fn(&Request, &mut Vec<u8>) -> bool),
    Family(fn(&Request, &[u8], &mut Vec<u8>) -> bool),
}

impl Variable {
    /// A variable. The getter appends the value and says whether there is one.
    pub const fn new(name: &'static str, get: fn(&Request, &mut Vec<u8>) -> bool) -> Self {
        Self {
            name,
            get: Getter::Plain(get),
            is_changeable: false,
            set: None,
            caching: Caching::Never,
        }
    }

    /// A family of variables: the getter gets what follows the prefix.
    pub const fn family(
        name: &'static str,
        get: fn(&Request, &[u8], &mut Vec<u8>) -> bool,
    ) -> Self {
        Self {
            name,
            get: Getter::Family(get),
            is_changeable: false,
            set: None,
            caching: Caching::Never,
        }
    }

    /// A variable that `set` may change.
    pub const fn changeable(
        name: &'static str,
        get: fn(&Request, &mut Vec<u8>) -> bool,
        set: fn(&mut Request, &[u8]),
    ) -> Self {
        Self {
            name,
            get: Getter::Plain(get),
            is_changeable: true,
            set: Some(set),
            caching: Caching::Never,
        }
    }

    /// A variable that `set`, `map` and their like may define anew.
    pub const fn replaceable(name: &'static str, get: fn(&Request, &mut Vec<u8>) -> bool) -> Self {
        Self {
            is_changeable: true,
            ..Self::new(name, get)
        }
    }

    /// The same, computed once a request: what it says where it is used first holds.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.caching = Caching::Once;
        self
    }

    /// Whether the name stands for a family.
    pub fn is_family(&self) -> bool {
        matches!(self.get, Getter::Family(_))
    }

    /// Whether `set` and its like may change it.
    pub fn is_changeable(&self) -> bool {
        self.is_changeable
    }
}

/// Computes a variable that a directive defines (`map`, `geo`, `split_clients`).
pub type Compute = Rc<dyn Fn(&Request, &mut Vec<u8>) -> bool>;

/// What giving a value to a variable does that a directive defines.
pub type Assign = Rc<dyn Fn(&mut Request, &[u8])>;

/// What is done when a variable is read that nothing gave a value: gets its name.
pub type Unset = fn(&Request, &[u8]);

/// Variables that directives define, collected while a configuration loads.
#[derive(Default)]
pub struct Definitions {
    computed: HashMap<VariableId, (Compute, Caching)>,
    /// What is done with a value for one of these; otherwise the request keeps it.
    assigned: HashMap<VariableId, Assign>,
    /// Given values at run time; what is done when one is read that has none yet.
    stored: HashMap<VariableId, Option<Unset>>,
}

/// Whether a computed value holds for the rest of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Computed at its first use, and again only if it depended on something unsettled then.
    Once,
    /// Computed at each use (`volatile`).
    Never,
}

/// Defines `$name` as whatever `compute` says.
///
/// # Errors
///
/// `the duplicate "name" variable` when something else defines it.
pub fn define(
    loading: &mut Loading,
    name: &[u8],
    caching: Caching,
    compute: Compute,
) -> Result<VariableId, Refused> {
    let id = loading.variables.resolve(name);
    let taken = loading
        .shared::<Definitions>()
        .computed
        .insert(id, (compute, caching))
        .is_some();
    if taken || loading.shared::<BuiltIn>().blocks(name) {
        return Err(duplicate(name));
    }
    Ok(id)
}

/// As [`define`], computed at each use, where `set` and its like do what `assign` says.
///
/// # Errors
///
/// As [`define`].
pub fn define_assignable(
    loading: &mut Loading,
    name: &[u8],
    compute: Compute,
    assign: Assign,
) -> Result<VariableId, Refused> {
    let id = define(loading, name, Caching::Never, compute)?;
    loading.shared::<Definitions>().assigned.insert(id, assign);
    Ok(id)
}

/// Defines `$name` as a variable that is given values at run time.
///
/// # Errors
///
/// `the duplicate "name" variable` when the name is built in and cannot be changed.
pub fn define_stored(loading: &mut Loading, name: &[u8]) -> Result<VariableId, Refused> {
    store(loading, name, None)
}

/// As [`define_stored`]; read before it has a value, the variable is empty from then on, and
/// `unset` is told once. Of several definitions the first decides.
///
/// # Errors
///
/// As [`define_stored`].
pub fn define_stored_or(
    loading: &mut Loading,
    name: &[u8],
    unset: Unset,
) -> Result<VariableId, Refused> {
    store(loading, name, Some(unset))
}

fn store(loading: &mut Loading, name: &[u8], unset: Option<Unset>) -> Result<VariableId, Refused> {
    let id = loading.variables.resolve(name);
    if loading.shared::<BuiltIn>().blocks(name) {
        return Err(duplicate(name));
    }
    let stored = &mut loading.shared::<Definitions>().stored;
    stored.entry(id).or_insert(unset);
    Ok(id)
}

fn duplicate(name: &[u8]) -> Refused {
    Refused::new(format!(
        "the duplicate \"{}\" variable",
        String::from_utf8_lossy(name)
    ))
}

/// Finds variables by names that are known only when a request is served, as SSI does.
#[derive(Default)]
pub(crate) struct ByName {
    names: VariableNames,
    built_in: BuiltIn,
}

impl ByName {
    /// The names of a configuration whose variables are bound.
    pub(crate) fn new(loading: &mut Loading) -> Self {
        Self {
            names: loading.variables.clone(),
            built_in: loading.take_shared(),
        }
    }
}

impl Request {
    /// Appends the value of the variable `name`, whether the configuration uses it or not, to
    /// `out`; `false` when it has none. Case does not matter.
    pub fn write_variable_named(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let by_name = &self.generation.by_name;
        if let Some(id) = by_name.names.find(name) {
            return self.write_variable(id, out);
        }
        let name = name.to_ascii_lowercase();
        match by_name.built_in.find(&name) {
            Some(Variable {
                get: Getter::Plain(get),
                ..
            }) => get(self, out),
            Some(Variable {
                name: prefix,
                get: Getter::Family(get),
                ..
            }) => get(self, name.get(prefix.len()..).unwrap_or_default(), out),
            None => false,
        }
    }
}

/// The tables of all modules, for checks while loading.
#[derive(Clone, Default)]
pub struct BuiltIn {
    tables: Vec<&'static [Variable]>,
}

impl BuiltIn {
    /// Takes a module's table in.
    pub fn add(&mut self, table: &'static [Variable]) {
        self.tables.push(table);
    }

    fn find(&self, name: &[u8]) -> Option<&'static Variable> {
        let exact = |v: &&Variable| !v.is_family() && v.name.as_bytes() == name;
        let family = |v: &&Variable| v.is_family() && name.starts_with(v.name.as_bytes());
        let all = || self.tables.iter().flat_map(|table| table.iter());
        all().find(exact).or_else(|| all().find(family))
    }

    /// Whether `name` is built in and may not be defined again.
    fn blocks(&self, name: &[u8]) -> bool {
        self.find(&name.to_ascii_lowercase())
            .is_some_and(|found| !found.is_changeable() && !found.is_family())
    }
}

/// One variable of a finished configuration.
pub struct Entry {
    /// Its name.
    pub name: Box<[u8]>,
    source: ValueSource,
    set: Option<Setter>,
}

/// What giving a variable a value does, other than that the request keeps it.
enum Setter {
    Plain(fn(&mut Request, &[u8])),
    Assign(Assign),
}

enum ValueSource {
    Plain(fn(&Request, &mut Vec<u8>) -> bool),
    Family(fn(&Request, &[u8], &mut Vec<u8>) -> bool, Box<[u8]>),
    Computed(Compute, Caching),
    Stored(Option<Unset>),
}

/// Ties every name that the configuration uses to its source.
///
/// # Errors
///
/// `unknown "name" variable` for each name that nothing defines; `the duplicate "name"
/// variable` for each named group of a regular expression that would hide a built-in one.
pub fn bind(loading: &mut Loading) -> Result<Vec<Entry>, Vec<Refused>> {
    let names: VariableNames = loading.variables.clone();
    let mut definitions: Definitions = loading.take_shared();
    let built_in = loading.shared::<BuiltIn>().clone();
    let mut entries = Vec::new();
    let mut unknown = Vec::new();
    for (id, name) in names.iter() {
        let found = built_in.find(name);
        if names.is_group(id) && built_in.blocks(name) {
            unknown.push(duplicate(name));
        }
        let source = match (definitions.computed.remove(&id), found.map(|v| v.get)) {
            (Some((compute, caching)), _) => ValueSource::Computed(compute, caching),
            (None, Some(Getter::Plain(get))) => match found.map_or(Caching::Never, |v| v.caching) {
                Caching::Never => ValueSource::Plain(get),
                Caching::Once => ValueSource::Computed(Rc::new(get), Caching::Once),
            },
            (None, Some(Getter::Family(get))) => {
                let prefix = found.map_or(0, |v| v.name.len());
                ValueSource::Family(get, name[prefix..].into())
            }
            (None, None) if names.is_group(id) => ValueSource::Stored(None),
            (None, None) if definitions.stored.contains_key(&id) => {
                ValueSource::Stored(definitions.stored.remove(&id).flatten())
            }
            (None, None) => {
                unknown.push(Refused::new(format!(
                    "unknown \"{}\" variable",
                    String::from_utf8_lossy(name)
                )));
                ValueSource::Stored(None)
            }
        };
        let set = match definitions.assigned.remove(&id) {
            Some(assign) => Some(Setter::Assign(assign)),
            None => found.and_then(|v| v.set).map(Setter::Plain),
        };
        entries.push(Entry {
            name: name.into(),
            source,
            set,
        });
    }
    if unknown.is_empty() {
        Ok(entries)
    } else {
        Err(unknown)
    }
}

/// Longest value that the configuration may put together, bytes. Values are made of values, and
/// so double with every line, or with every turn of a cycle of rewrites.
const LENGTH_MAX: usize = 4 << 20;

/// Judges the length of a value that was put together for `name`.
///
/// # Errors
///
/// It is too long.
pub fn check_length(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if value.len() <= LENGTH_MAX {
        return Ok(());
    }
    let (name, len) = (String::from_utf8_lossy(name), value.len());
    let reason = format!("too long value of \"{name}\": {len} bytes");
    Err(Error::operator(reason))
}

/// A value kept for the rest of a request.
#[derive(Clone, Debug, Default)]
pub enum Kept {
    /// Not computed yet.
    #[default]
    Unknown,
    /// Computed: there is none.
    Nothing,
    /// The value.
    Value(Rc<[u8]>),
}

impl Entry {
    /// Appends the value for `request` to `out`.
    pub fn write(&self, id: VariableId, request: &Request, out: &mut Vec<u8>) -> bool {
        match &self.source {
            ValueSource::Plain(get) => match request.kept(id) {
                Some(kept) => write_kept(&kept, out),
                None => self.compute(request, || get(request, out)),
            },
            ValueSource::Family(get, rest) => match request.kept(id) {
                Some(kept) => write_kept(&kept, out),
                None => self.compute(request, || get(request, rest, out)),
            },
            ValueSource::Computed(compute, caching) => {
                // What is computed each time is kept only if `set` gave it a value.
                if let Some(kept) = request.kept(id) {
                    return write_kept(&kept, out);
                }
                let start = out.len();
                let unsettled = request.unsettled();
                let mut is_computed = false;
                let mut found = self.compute(request, || {
                    is_computed = true;
                    compute(request, out)
                });
                if let Err(too_long) = check_length(&self.name, &out[start..]) {
                    request.log(runtime::log::Level::Error, &too_long.to_string());
                    out.truncate(start);
                    found = false;
                }
                let is_settled = is_computed && unsettled == request.unsettled();
                if is_settled && *caching == Caching::Once {
                    let kept = if found {
                        Kept::Value(Rc::from(&out[start..]))
                    } else {
                        Kept::Nothing
                    };
                    request.keep(id, kept);
                }
                found
            }
            ValueSource::Stored(unset) => match (request.kept(id), unset) {
                (Some(kept), _) => write_kept(&kept, out),
                (None, None) => false,
                (None, Some(unset)) => {
                    unset(request, &self.name);
                    request.keep(id, Kept::Value(Rc::from([])));
                    true
                }
            },
        }
    }

    /// What `compute` says, unless the variable is computed for its own sake.
    #[inline]
    fn compute(&self, request: &Request, compute: impl FnOnce() -> bool) -> bool {
        let _depth = match request.descend() {
            Ok(depth) => depth,
            Err(cycle) => {
                if cycle.is_news {
                    let name = String::from_utf8_lossy(&self.name);
                    let message = format!("cycle while evaluating variable \"{name}\"");
                    request.log(runtime::log::Level::Error, &message);
                }
                return false;
            }
        };
        compute()
    }

    /// Gives the variable a value, as `set` does.
    pub fn assign(&self, id: VariableId, request: &mut Request, value: &[u8]) {
        match &self.set {
            Some(Setter::Plain(set)) => set(request, value),
            Some(Setter::Assign(assign)) => assign(request, value),
            None => request.keep(id, Kept::Value(Rc::from(value))),
        }
    }
}

fn write_kept(kept: &Kept, out: &mut Vec<u8>) -> bool {
    match kept {
        Kept::Value(value) => {
            out.extend_from_slice(value);
            true
        }
        Kept::Unknown | Kept::Nothing => false,
    }
}
