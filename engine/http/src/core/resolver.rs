//! Which name servers know the addresses of names that come up at run time.

use crate::config::finish::Finishing;
use crate::config::generation::Generation;
use crate::module::Module;
use engine::directive::{custom, millis, set_once};
use engine::resolver::statistics::Statistics;
use engine::resolver::{Config, Resolver};
use engine::{Arity, Contexts, Directive, Refused, Setting, Slot, inherit_fields};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Settings of a location, or of a group of servers, for looking names up.
#[derive(Clone)]
pub struct Resolving {
    /// The name servers, with what is known from them.
    pub resolver: Setting<Option<Rc<Resolver>>>,
    /// Milliseconds that a name is waited for.
    pub timeout: Setting<u64>,
}

impl Default for Resolving {
    fn default() -> Self {
        Self {
            resolver: Setting::new(None),
            timeout: Setting::new(30_000),
        }
    }
}

inherit_fields!(Resolving { resolver, timeout });

/// Where names are looked up: a group of servers may have name servers of its own.
const CONTEXTS: Contexts = Contexts::ALL.with(Contexts::UPSTREAM);

const DIRECTIVES: &[Directive<Resolving>] = &[
    custom("resolver", CONTEXTS, Arity::SOME, |s, line| {
        let config = Config::read(line)?;
        let resolver = Resolver::load(config, line.loading)?;
        set_once(&mut s.resolver, Some(resolver))
    }),
    millis("resolver_timeout", CONTEXTS, |s| &mut s.timeout),
];

/// Settings for looking names up.
pub static RESOLVING: Slot<Resolving> = Slot::location(DIRECTIVES);

/// Looking names up.
pub static MODULE: Module = Module {
    name: "core_resolver",
    settings: &[&RESOLVING, &OBSERVED],
    finish: Some(finish),
    ..Module::EMPTY
};

/// The zones of all resolvers, for whoever shows them.
#[derive(Clone, Default)]
struct Observed {
    zones: Setting<Vec<Statistics>>,
}

inherit_fields!(Observed { zones });

static OBSERVED: Slot<Observed> = Slot::main(&[]);

fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let mut zones: BTreeMap<String, Statistics> = BTreeMap::new();
    finishing.each(&RESOLVING, |settings, _, _| {
        let statistics = settings.resolver.iter().find_map(|all| all.statistics());
        if let Some(statistics) = statistics {
            zones.insert(statistics.name().to_owned(), statistics.clone());
        }
    });
    if let Some(observed) = OBSERVED.edit(&mut finishing.arena.main) {
        observed.zones.set(zones.into_values().collect());
    }
    Ok(())
}

/// What resolvers with `status_zone` asked and were told, in the order of the zones' names.
pub fn statistics(generation: &Generation) -> &[Statistics] {
    &OBSERVED.of(&generation.main).zones
}
