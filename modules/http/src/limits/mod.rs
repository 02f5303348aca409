//! What `limit_req`, `limit_conn` and `keyval` have in common: zones by name, in memory that all
//! workers share and that a reload takes over; and what becomes of a request that is too much.

mod settings;

pub(crate) use settings::{Outcome, Settings, rows};

use base::{bytes, units};
use engine::directive::lossy;
pub(crate) use engine::zones::{refusal, zones};
use engine::{Line, Loading, Refused, Template};
use http::Request;
use runtime::log::Level;
use shm::{SMALLEST_ZONE, SharedMap};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A zone as limits name it, perhaps before the directive that makes it.
#[derive(Debug)]
pub(crate) struct Named<Z> {
    pub(crate) name: String,
    zone: OnceCell<Z>,
}

impl<Z> Named<Z> {
    /// The zone. Once a configuration has been read, every name has one.
    pub(crate) fn zone(&self) -> Option<&Z> {
        self.zone.get()
    }

    /// Gives the name its zone; says whether it had none.
    pub(crate) fn set(&self, zone: Z) -> bool {
        self.zone.set(zone).is_ok()
    }
}

/// The zones of one kind that a configuration names.
struct Names<Z>(BTreeMap<String, Rc<Named<Z>>>);

impl<Z> Default for Names<Z> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// The zone `name` of this kind.
pub(crate) fn named<Z: 'static>(loading: &mut Loading, name: &[u8]) -> Rc<Named<Z>> {
    let name = lossy(name);
    let names = &mut loading.shared::<Names<Z>>().0;
    let new = || {
        let zone = OnceCell::new();
        Rc::new(Named {
            name: name.clone(),
            zone,
        })
    };
    Rc::clone(names.entry(name.clone()).or_insert_with(new))
}

/// Refuses names for which no directive made a zone; not when something else was wrong, of
/// which that may be a consequence.
pub(crate) fn check_made<Z: 'static>(loading: &mut Loading) -> Result<(), Refused> {
    if loading.errors.iter().any(conf::Error::is_fatal) {
        return Ok(());
    }
    let names = &loading.shared::<Names<Z>>().0;
    match names.values().find(|named| named.zone().is_none()) {
        None => Ok(()),
        Some(named) => {
            let name = &named.name;
            Err(Refused::new(format!(
                "zero size shared memory zone \"{name}\""
            )))
        }
    }
}

/// Text whose values are told apart, and what is known of each.
#[derive(Debug)]
pub(crate) struct Keys {
    template: Template,
    /// As configured.
    text: String,
    /// By value; under the empty one, which is never limited, `text`.
    pub(crate) map: SharedMap,
}

impl Keys {
    /// The key of `request`; `None` when there is none, or when it is longer than `longest`
    /// bytes, which is logged.
    pub(crate) fn of(&self, request: &Request, longest: usize) -> Option<Vec<u8>> {
        let key = self.template.eval(request);
        if key.len() > longest {
            let (text, shown) = (&self.text, String::from_utf8_lossy(&key));
            let message = format!(
                "the value of the \"{text}\" key is more than {longest} bytes: \"{shown}\""
            );
            request.log(Level::Error, &message);
            return None;
        }
        (!key.is_empty()).then_some(key)
    }
}

/// Refuses a directive that names no zone.
pub(crate) fn without_zone(directive: &str) -> Refused {
    Refused::new(format!("\"{directive}\" must have \"zone\" parameter"))
}

/// What a directive that makes a zone says about it.
pub(crate) struct Declared {
    pub(crate) name: Vec<u8>,
    /// In bytes.
    pub(crate) size: u64,
}

impl Declared {
    /// Reads `zone=name:size`, which `directive` has.
    pub(crate) fn read(directive: &str, word: &[u8]) -> Result<Self, Refused> {
        let shown = lossy(word);
        let invalid = || Refused::new(format!("invalid zone size \"{shown}\""));
        let value = word.strip_prefix(b"zone=").unwrap_or_default();
        let (name, size) = bytes::split_once(value, b':').ok_or_else(invalid)?;
        let size = units::parse_size(size).map_err(|_| invalid())?;
        if size < SMALLEST_ZONE as u64 {
            return Err(Refused::new(format!("zone \"{shown}\" is too small")));
        }
        if name.is_empty() {
            return Err(without_zone(directive));
        }
        let name = name.to_vec();
        Ok(Self { name, size })
    }

    /// Makes the zone, of which `kind` says what it is for, with the line's first argument for
    /// its keys; `user` is who speaks of it in an error.
    pub(crate) fn make<Z: 'static>(
        &self,
        line: &mut Line<'_>,
        (kind, user): (&'static str, &str),
        zone: impl FnOnce(Keys) -> Z,
    ) -> Result<Rc<Named<Z>>, Refused> {
        let template = line.template(0)?;
        let text = lossy(line.arg(0));
        let named = named::<Z>(line.loading, &self.name);
        let map = open(line.loading, kind, &named.name, self.size)?;
        let known = map.lock().get(b"").map(lossy);
        let name = &named.name;
        if named.zone().is_some() {
            let (directive, text) = (line.name(), known.unwrap_or_default());
            return Err(Refused::new(format!(
                "{directive} \"{name}\" is already bound to key \"{text}\""
            )));
        }
        match known {
            Some(known) if known != text => {
                return Err(Refused::new(format!(
                    "{user} \"{name}\" uses the \"{text}\" key while previously it used the \
                     \"{known}\" key"
                )));
            }
            Some(_) => {}
            None => {
                let inserted = map.lock().insert(b"", text.as_bytes());
                inserted.map_err(|full| Refused::new(format!("{full} \"{name}\"")))?;
            }
        }
        let keys = Keys {
            template,
            text,
            map,
        };
        // It was not set just before.
        named.set(zone(keys));
        Ok(named)
    }
}

/// The memory of zone `name`, of `size` bytes.
pub(crate) fn open(
    loading: &mut Loading,
    kind: &'static str,
    name: &str,
    size: u64,
) -> Result<SharedMap, Refused> {
    let zones = zones(loading);
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    let zone = zones
        .get_or_create(name, kind, bytes)
        .map_err(|error| refusal(&zones, &error, (name, kind, size)))?;
    SharedMap::open(zone)
        .map_err(|error| Refused::new(format!("shared memory zone \"{name}\": {error}")))
}
