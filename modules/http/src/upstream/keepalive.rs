//! `keepalive` and its limits: idle connections to the servers of a group.

use super::{Nothing, current};
use engine::directive::{custom, set_once};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot};
use http::Module;
use http::gateway::KeepAlive;
use runtime::Millis;

/// What a block says of its idle connections.
pub(super) struct Limits {
    /// How many there are at most, and whether each is for one location.
    kept: Setting<(usize, bool)>,
    requests: Setting<u64>,
    time: Setting<Millis>,
    timeout: Setting<Millis>,
}

impl Default for Limits {
    fn default() -> Self {
        let rules = KeepAlive::default();
        Self {
            kept: Setting::new((rules.connections, rules.is_local)),
            requests: Setting::new(rules.requests),
            time: Setting::new(rules.time),
            timeout: Setting::new(rules.timeout),
        }
    }
}

impl Limits {
    /// The same, for the engine.
    pub(super) fn rules(&self) -> KeepAlive {
        let (connections, is_local) = *self.kept;
        KeepAlive {
            connections,
            is_local,
            requests: *self.requests,
            time: *self.time,
            timeout: *self.timeout,
        }
    }
}

const DIRECTIVES: &[Directive<Nothing>] = &[
    custom(
        "keepalive",
        Contexts::UPSTREAM,
        Arity::between(1, 2),
        |_, line| {
            if limits(line)?.kept.is_set() {
                return Err(Refused::duplicate());
            }
            let kept = read(line)?;
            limits(line)?.kept.set(kept);
            Ok(())
        },
    ),
    custom(
        "keepalive_requests",
        Contexts::UPSTREAM,
        Arity::ONE,
        |_, line| {
            let requests = line.number(0, 0, u64::MAX)?;
            set_once(&mut limits(line)?.requests, requests)
        },
    ),
    custom(
        "keepalive_time",
        Contexts::UPSTREAM,
        Arity::ONE,
        |_, line| {
            let time = millis(line)?;
            set_once(&mut limits(line)?.time, time)
        },
    ),
    custom(
        "keepalive_timeout",
        Contexts::UPSTREAM,
        Arity::ONE,
        |_, line| {
            let timeout = millis(line)?;
            set_once(&mut limits(line)?.timeout, timeout)
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

fn millis(line: &Line<'_>) -> Result<Millis, Refused> {
    base::units::parse_time_ms(line.arg(0)).map_err(|_| Refused::new("invalid value"))
}

/// Those of the block that the directive stands in.
fn limits<'l>(line: &'l mut Line<'_>) -> Result<&'l mut Limits, Refused> {
    let level = line.level;
    Ok(&mut current(line.loading, level)?.keep_alive)
}

/// `keepalive connections [local]`
fn read(line: &Line<'_>) -> Result<(usize, bool), Refused> {
    let invalid = || {
        let value = String::from_utf8_lossy(line.arg(0));
        Refused::new(format!(
            "invalid value \"{value}\" in \"keepalive\" directive"
        ))
    };
    let connections = base::units::parse_decimal(line.arg(0)).map_err(|_| invalid())?;
    let connections = usize::try_from(connections).map_err(|_| invalid())?;
    match line.arg(1) {
        b"" if line.args().len() < 2 => Ok((connections, false)),
        b"local" => Ok((connections, true)),
        _ => Err(line.invalid_parameter(1)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn limits_and_their_misuse() {
        let with = |lines: &str| format!("upstream u {{ server 127.0.0.1:1; {lines} }}");
        let all = "keepalive_requests 0; keepalive_time 1h; keepalive_timeout 0; ";
        check(&with(&format!("{all} keepalive 4 local;")), "");
        check(&with("keepalive 0;"), "");
        for (value, error) in [
            ("-1", "invalid value \"-1\" in \"keepalive\" directive"),
            ("4 loco", "invalid parameter \"loco\""),
            (
                "4 local local",
                "invalid number of arguments in \"keepalive\" directive",
            ),
        ] {
            check(&with(&format!("keepalive {value};")), error);
        }
        for line in [
            "keepalive 4;",
            "keepalive_requests 4;",
            "keepalive_time 4s;",
            "keepalive_timeout 4s;",
        ] {
            let error = format!(
                "\"{}\" directive is duplicate",
                line.split(' ').next().unwrap()
            );
            check(&with(&format!("{line} {line}")), &error);
        }
    }
}
