//! `early_hints`: which clients get the 103 responses of upstream servers.
//!
//! Source: nginx documentation, ngx_http_core_module, `early_hints`; RFC 8297.

use crate::connection::h1::speaks_http11;
use crate::module::Module;
use crate::request::Request;
use engine::directive::custom;
use engine::{Arity, Conditions, Contexts, Directive, Setting, Slot, inherit_fields};

/// Settings of a location.
#[derive(Clone)]
struct EarlyHints {
    /// One of them must be true.
    conditions: Setting<Conditions>,
}

impl Default for EarlyHints {
    fn default() -> Self {
        Self {
            conditions: Setting::new(Conditions::default()),
        }
    }
}

inherit_fields!(EarlyHints { conditions });

const DIRECTIVES: &[Directive<EarlyHints>] = &[custom(
    "early_hints",
    Contexts::ALL,
    Arity::SOME,
    |s, line| s.conditions.edit().add(line),
)];

static SETTINGS: Slot<EarlyHints> = Slot::location(DIRECTIVES);

/// Passing early hints.
pub(super) static MODULE: Module = Module {
    name: "core_early_hints",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// Whether the client of `request` is to get early hints. One that speaks HTTP/1.0 would take
/// them for the response.
pub(crate) fn are_wanted(request: &Request) -> bool {
    let conditions = &SETTINGS.of(&request.location.settings).conditions;
    !conditions.is_empty()
        && !request.is_subrequest
        && request.is_waited_for()
        && speaks_http11(request)
        && conditions.any(request)
}
