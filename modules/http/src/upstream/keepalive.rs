//! `keepalive` and its limits: idle connections to the servers of a group.

use super::{Nothing, current};
use engine::directive::custom;
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;

const DIRECTIVES: &[Directive<Nothing>] = &[
    custom(
        "keepalive",
        Contexts::UPSTREAM,
        Arity::between(1, 2),
        |_, line| read(line),
    ),
    custom(
        "keepalive_requests",
        Contexts::UPSTREAM,
        Arity::ONE,
        |_, line| {
            let requests = line.number(0, 0, u64::MAX)?;
            let level = line.level;
            current(line.loading, level)?.keep_alive.requests = requests;
            Ok(())
        },
    ),
    custom(
        "keepalive_time",
        Contexts::UPSTREAM,
        Arity::ONE,
        |_, line| {
            let time = millis(line)?;
            let level = line.level;
            current(line.loading, level)?.keep_alive.time = time;
            Ok(())
        },
    ),
    custom(
        "keepalive_timeout",
        Contexts::UPSTREAM,
        Arity::ONE,
        |_, line| {
            let timeout = millis(line)?;
            let level = line.level;
            current(line.loading, level)?.keep_alive.timeout = timeout;
            Ok(())
        },
    ),
];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Idle connections.
pub(crate) static MODULE: Module = Module {
    name: "upstream_keepalive",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn millis(line: &Line<'_>) -> Result<u64, Refused> {
    base::units::parse_time_ms(line.arg(0)).map_err(|_| Refused::new("invalid value"))
}

/// `keepalive connections [local]`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let invalid = || line.invalid_value(0);
    let connections = base::units::parse_decimal(line.arg(0)).map_err(|_| invalid())?;
    let connections = usize::try_from(connections).map_err(|_| invalid())?;
    let is_local = match line.arg(1) {
        b"" if line.args().len() < 2 => false,
        b"local" => true,
        _ => return Err(line.invalid_parameter(1)),
    };
    let level = line.level;
    let rules = &mut current(line.loading, level)?.keep_alive;
    rules.connections = connections;
    rules.is_local = is_local;
    Ok(())
}
