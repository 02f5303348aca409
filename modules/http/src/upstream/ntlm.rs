//! `ntlm`: a connection over which a client authenticates is that client's alone.
//!
//! Source: nginx documentation, ngx_http_upstream_module (there of the commercial version).

use super::{Nothing, current};
use engine::directive::custom;
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "ntlm",
    Contexts::UPSTREAM,
    Arity::NONE,
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Connections bound to clients.
pub(crate) static MODULE: Module = Module {
    name: "upstream_ntlm",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    let block = current(line.loading, level)?;
    if std::mem::replace(&mut block.binds_clients, true) {
        return Err(Refused::duplicate());
    }
    Ok(())
}
