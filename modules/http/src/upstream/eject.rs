//! `eject`: servers that do worse than the others of their group are left alone for a while.
//! Ours, not nginx's.

use super::{Nothing, current};
use base::bytes::split_once;
use base::units::{parse_decimal, parse_time_ms};
use engine::directive::{custom, set_once};
use engine::peer::EjectRules;
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;
use std::ops::RangeInclusive;

/// How many times slower than others a server may have to be.
const FACTORS: RangeInclusive<u32> = 2..=1000;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "eject",
    Contexts::UPSTREAM,
    Arity::SOME,
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Servers that do worse than others.
pub(crate) static MODULE: Module = Module {
    name: "upstream_eject",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// `eject [errors=percent%] [latency=number] [requests=number] [interval=time] [share=percent%]
/// [time=time] [max_time=time]`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let mut rules = EjectRules::default();
    for index in 0..line.args().len() {
        let (name, value) = split_once(line.arg(index), b'=').unwrap_or_default();
        set(&mut rules, name, value).ok_or_else(|| line.invalid_parameter(index))?;
    }
    if rules.errors_percent.is_none() && rules.latency.is_none() {
        return Err(Refused::new(
            "\"eject\" needs parameter \"errors\" or \"latency\"",
        ));
    }
    rules.max_time = rules.max_time.max(rules.time);
    let level = line.level;
    set_once(&mut current(line.loading, level)?.eject, Some(rules))
}

/// Sets one parameter; `None` when it is none, or its value is not valid.
fn set(rules: &mut EjectRules, name: &[u8], value: &[u8]) -> Option<()> {
    let number = |value| u32::try_from(parse_decimal(value).ok()?).ok();
    let percent = || number(value.strip_suffix(b"%")?).filter(|p| (1..=100).contains(p));
    let time = || parse_time_ms(value).ok().filter(|&time| time > 0);
    match name {
        b"errors" => rules.errors_percent = Some(percent()?),
        b"latency" => rules.latency = Some(number(value).filter(|f| FACTORS.contains(f))?),
        b"requests" => rules.requests = number(value).filter(|&count| count > 0)?,
        b"interval" => rules.interval = time()?,
        b"share" => rules.share_percent = percent()?,
        b"time" => rules.time = time()?,
        b"max_time" => rules.max_time = time()?,
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn parameters_and_their_misuse() {
        let with = |line: &str| format!("upstream u {{ server 127.0.0.1:1; eject {line}; }}");
        check(&with("errors=50%"), "");
        check(
            &with("errors=1% latency=3 requests=1 interval=500ms share=100% time=1s max_time=1h"),
            "",
        );
        for wrong in [
            "errors",
            "errors=50",
            "errors=0%",
            "errors=101%",
            "latency=1",
            "latency=1001",
            "latency=x",
            "requests=0",
            "interval=0",
            "share=0%",
            "share=",
            "time=0",
            "max_time=-1",
            "median=1",
        ] {
            check(&with(wrong), &format!("invalid parameter \"{wrong}\""));
        }
        let needs = "\"eject\" needs parameter \"errors\" or \"latency\"";
        check(&with("requests=5"), needs);
        check(
            &with("errors=1%; eject errors=1%"),
            "\"eject\" directive is duplicate",
        );
    }
}
