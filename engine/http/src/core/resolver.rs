//! Which name servers know the addresses of names that come up at run time.

use crate::module::Module;
use engine::directive::{custom, millis, set_once};
use engine::resolver::{Config, Resolver};
use engine::{Arity, Contexts, Directive, Setting, Slot, inherit_fields};
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
        set_once(&mut s.resolver, Some(Resolver::new(config)))
    }),
    millis("resolver_timeout", CONTEXTS, |s| &mut s.timeout),
];

/// Settings for looking names up.
pub static RESOLVING: Slot<Resolving> = Slot::location(DIRECTIVES);

/// Looking names up.
pub static MODULE: Module = Module {
    name: "core_resolver",
    settings: &[&RESOLVING],
    ..Module::EMPTY
};
