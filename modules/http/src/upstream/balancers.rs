//! `least_conn`, `least_time`, `ip_hash`, `random`: methods that need nothing but the peers.

use super::{Method, Nothing, choose};
use engine::directive::custom;
use engine::peer::{Comparison, IpHash, LeastConn, LeastTime, Measure, RandomTwo};
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;

const LEAST_CONN_ROWS: &[Directive<Nothing>] = &[custom(
    "least_conn",
    Contexts::UPSTREAM,
    Arity::NONE,
    |_, line| choose(line, Box::new(LeastConn), Method::ByWeight),
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
    |_, line| choose(line, Box::new(IpHash), Method::ByKey),
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

/// `random [two [method]]`
fn random(line: &mut Line<'_>) -> Result<(), Refused> {
    let method = match line.arg(1) {
        b"" if line.args().len() < 2 => Comparison::Connections,
        b"least_conn" => Comparison::Connections,
        b"least_time=header" => Comparison::Time(Measure::Header),
        b"least_time=last_byte" => Comparison::Time(Measure::LastByte),
        _ => return Err(line.invalid_parameter(1)),
    };
    let compares = match line.arg(0) {
        b"" if line.args().is_empty() => None,
        b"two" => Some(method),
        _ => return Err(line.invalid_parameter(0)),
    };
    let seed = u64::from(sys::process::id()) << 32 | u64::from(line.level);
    choose(
        line,
        Box::new(RandomTwo::new(compares, seed)),
        Method::ByKey,
    )
}

const LEAST_TIME_ROWS: &[Directive<Nothing>] = &[custom(
    "least_time",
    Contexts::UPSTREAM,
    Arity::between(1, 2),
    |_, line| least_time(line),
)];

static LEAST_TIME_SLOT: Slot<Nothing> = Slot::location(LEAST_TIME_ROWS);

/// The least time for a peer's weight.
pub(crate) static LEAST_TIME: Module = Module {
    name: "upstream_least_time",
    settings: &[&LEAST_TIME_SLOT],
    ..Module::EMPTY
};

/// `least_time header | last_byte [inflight]`
fn least_time(line: &mut Line<'_>) -> Result<(), Refused> {
    let counts_waiting = match line.arg(1) {
        b"" if line.args().len() < 2 => false,
        b"inflight" => true,
        _ => return Err(line.invalid_parameter(1)),
    };
    let measure = match line.arg(0) {
        b"header" => Measure::Header,
        b"last_byte" => Measure::LastByte,
        _ => return Err(line.invalid_value(0)),
    };
    let balancer = LeastTime {
        measure,
        counts_waiting,
    };
    choose(line, Box::new(balancer), Method::ByWeight)
}
