//! `least_conn`, `ip_hash`, `random`: methods that need nothing but the peers.

use super::{Nothing, choose};
use engine::directive::custom;
use engine::peer::{IpHash, LeastConn, RandomTwo};
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;

const LEAST_CONN_ROWS: &[Directive<Nothing>] = &[custom(
    "least_conn",
    Contexts::UPSTREAM,
    Arity::NONE,
    |_, line| choose(line, Box::new(LeastConn), true),
)];

static LEAST_CONN_SLOT: Slot<Nothing> = Slot::location(LEAST_CONN_ROWS);

/// The fewest connections for a peer's weight.
pub(crate) static LEAST_CONN: Module = Module {
    name: "upstream_least_conn",
    settings: &[&LEAST_CONN_SLOT],
    ..Module::EMPTY
};

const IP_HASH_ROWS: &[Directive<Nothing>] = &[custom(
    "ip_hash",
    Contexts::UPSTREAM,
    Arity::NONE,
    |_, line| choose(line, Box::new(IpHash), false),
)];

static IP_HASH_SLOT: Slot<Nothing> = Slot::location(IP_HASH_ROWS);

/// One peer for one client.
pub(crate) static IP_HASH: Module = Module {
    name: "upstream_ip_hash",
    settings: &[&IP_HASH_SLOT],
    ..Module::EMPTY
};

const RANDOM_ROWS: &[Directive<Nothing>] = &[custom(
    "random",
    Contexts::UPSTREAM,
    Arity::between(0, 2),
    |_, line| random(line),
)];

static RANDOM_SLOT: Slot<Nothing> = Slot::location(RANDOM_ROWS);

/// Any peer.
pub(crate) static RANDOM: Module = Module {
    name: "upstream_random",
    settings: &[&RANDOM_SLOT],
    ..Module::EMPTY
};

/// `random [two [least_conn]]`
fn random(line: &mut Line<'_>) -> Result<(), Refused> {
    let compares = match line.arg(0) {
        b"" if line.args().is_empty() => false,
        b"two" => true,
        _ => return Err(line.invalid_parameter(0)),
    };
    match line.arg(1) {
        b"" if line.args().len() < 2 => {}
        b"least_conn" => {}
        _ => return Err(line.invalid_parameter(1)),
    }
    let seed = u64::from(sys::process::id()) << 32 | u64::from(line.level);
    choose(line, Box::new(RandomTwo::new(compares, seed)), false)
}
