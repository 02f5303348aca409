//! `limit_req`: how many requests a second a client, or whatever a key stands for, may make.
//!
//! Runs before access is judged, so that guessing passwords is limited too. Requests beyond the
//! rate wait their turn; beyond a burst of them they are refused.
//!
//! Source: nginx documentation, ngx_http_limit_req_module.

mod bucket;
mod zone;

use crate::limits::{self, Declared, Outcome};
use base::place;
use base::units;
use bucket::REQUEST;
use engine::directive::{custom, joined, lossy};
use engine::{Arity, Contexts, Directive, Line, Refused, SettingsTable, Slot};
use http::{Error, Flow, Handler, Module, Phase, Request, Variable};
use runtime::log::Level;
use std::cell::Cell;
use std::rc::Rc;
use zone::{Limit, Verdict, Zone};

type Settings = limits::Settings<Limit>;

const DIRECTIVES: &[Directive<Settings>] = &joined::<Settings, 4, 1, 5>(
    limits::rows(
        custom("limit_req", Contexts::ALL, Arity::between(1, 3), read_limit),
        [
            "limit_req_dry_run",
            "limit_req_log_level",
            "limit_req_status",
        ],
    ),
    [custom(
        "limit_req_zone",
        Contexts::HTTP,
        Arity::exactly(3),
        |_, line| read_zone(line),
    )],
);

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Limits of rates.
pub(crate) static MODULE: Module = Module {
    name: "limit_req",
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::PreAccess, is_enabled, |request| {
        place::pinned(|| run(request))
    })],
    variables: &[Variable::new("limit_req_status", |request, out| {
        request.shared::<Done>().outcome.get().write(out)
    })],
    finish: Some(|finishing| limits::check_made::<Zone>(finishing.loading)),
    ..Module::EMPTY
};

/// What was done about a request; it is limited once, whatever is asked for its sake.
#[derive(Default)]
struct Done {
    outcome: Cell<Outcome>,
}

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).limits.is_empty()
}

async fn run(request: &mut Request) -> Result<Flow, Error> {
    let done = request.shared::<Done>();
    if done.outcome.get() != Outcome::Unlimited {
        return Ok(Flow::Decline);
    }
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let now = request.connection.http.worker.now();
    let verdict = zone::judge(request, &settings.limits, now);
    log(request, settings, &verdict);
    let is_dry = *settings.dry_run;
    done.outcome.set(match verdict {
        Verdict::Unlimited => Outcome::Unlimited,
        Verdict::Passed => Outcome::Passed,
        Verdict::Delayed { .. } if is_dry => Outcome::DelayedDryRun,
        Verdict::Delayed { .. } => Outcome::Delayed,
        Verdict::Rejected { .. } | Verdict::NoRoom(_) if is_dry => Outcome::RejectedDryRun,
        Verdict::Rejected { .. } | Verdict::NoRoom(_) => Outcome::Rejected,
    });
    match verdict {
        Verdict::Delayed { millis, .. } if !is_dry => {
            let held = request.hold_back(millis).await;
            Ok(held.map_or_else(|left| left, |()| Flow::Decline))
        }
        Verdict::Rejected { .. } | Verdict::NoRoom(_) if !is_dry => Ok(settings.rejection()),
        _ => Ok(Flow::Decline),
    }
}

fn log(request: &Request, settings: &Settings, verdict: &Verdict<'_>) {
    let dry = if *settings.dry_run { ", dry run" } else { "" };
    let thousandths = |excess: u64| format!("{}.{:03}", excess / REQUEST, excess % REQUEST);
    match verdict {
        Verdict::Unlimited | Verdict::Passed => {}
        Verdict::Rejected { excess, limit } => {
            let (excess, zone) = (thousandths(*excess), &limit.zone.name);
            let message = format!("limiting requests{dry}, excess: {excess} by zone \"{zone}\"");
            settings.log(request, &message);
        }
        Verdict::Delayed { excess, limit, .. } => {
            let (excess, zone) = (thousandths(*excess), &limit.zone.name);
            let message = format!("delaying request{dry}, excess: {excess}, by zone \"{zone}\"");
            settings.log_below(request, 1, &message);
        }
        Verdict::NoRoom(limit) => {
            let zone = &limit.zone.name;
            let message = format!("could not allocate node in limit_req zone \"{zone}\"");
            request.log(Level::Alert, &message);
        }
    }
}

/// `limit_req_zone key zone=name:size rate=number r/s|r/m`
fn read_zone(line: &mut Line<'_>) -> Result<(), Refused> {
    let mut declared = None;
    let mut rate = REQUEST;
    for index in 1..line.args().len() {
        let word = line.arg(index);
        if word.starts_with(b"zone=") {
            declared = Some(Declared::read(line.name(), word)?);
        } else if let Some(text) = word.strip_prefix(b"rate=") {
            let invalid = || Refused::new(format!("invalid rate \"{}\"", lossy(word)));
            rate = parse_rate(text).ok_or_else(invalid)?;
        } else {
            return Err(line.invalid_parameter(index));
        }
    }
    let declared = declared.ok_or_else(|| limits::without_zone(line.name()))?;
    declared.make(line, ("limit_req", "limit_req"), |keys| Zone { keys, rate })?;
    Ok(())
}

/// `10r/s`, `30r/m`, `10`: in thousandths of a request a second.
fn parse_rate(text: &[u8]) -> Option<u64> {
    let (number, seconds) = match text {
        [number @ .., b'r', b'/', b's'] => (number, 1),
        [number @ .., b'r', b'/', b'm'] => (number, 60),
        number => (number, 1),
    };
    let number = units::parse_decimal(number).ok()?;
    (number > 0).then(|| number.saturating_mul(REQUEST) / seconds)
}

/// `limit_req zone=name [burst=number] [nodelay | delay=number]`
fn read_limit(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut zone = None;
    let (mut burst, mut delay) = (0, 0);
    for index in 0..line.args().len() {
        let word = line.arg(index);
        let invalid = |what: &str| Refused::new(format!("invalid {what} \"{}\"", lossy(word)));
        if let Some(name) = word.strip_prefix(b"zone=") {
            zone = Some(limits::named::<Zone>(line.loading, name));
        } else if let Some(number) = word.strip_prefix(b"burst=") {
            burst = parse_requests(number).ok_or_else(|| invalid("burst value"))?;
        } else if let Some(number) = word.strip_prefix(b"delay=") {
            delay = parse_requests(number).ok_or_else(|| invalid("delay value"))?;
        } else if word == b"nodelay" {
            delay = u64::MAX;
        } else {
            return Err(line.invalid_parameter(index));
        }
    }
    let zone = zone.ok_or_else(|| limits::without_zone(line.name()))?;
    let limit = Limit { zone, burst, delay };
    settings.add(limit.clone(), |known| Rc::ptr_eq(&known.zone, &limit.zone))
}

/// A number of requests, in thousandths.
fn parse_requests(text: &[u8]) -> Option<u64> {
    let number = units::parse_decimal(text)
        .ok()
        .filter(|number| *number > 0)?;
    Some(number.saturating_mul(REQUEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn rates_are_in_thousandths_a_second() {
        assert_eq!(parse_rate(b"10r/s"), Some(10_000));
        assert_eq!(parse_rate(b"30r/m"), Some(500));
        assert_eq!(parse_rate(b"1r/m"), Some(16));
        assert_eq!(parse_rate(b"5"), Some(5000));
        for wrong in [&b"0r/s"[..], b"r/s", b"1r/h", b"", b"-1r/s"] {
            assert_eq!(parse_rate(wrong), None);
        }
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        let with = |line: &str| format!("limit_req_zone $uri zone=a:1m rate=1r/s; {line}");
        check(
            &with("limit_req zone=a burst=5 delay=3; limit_req_log_level info;"),
            "",
        );
        check(&with("limit_req zone=a nodelay burst=5;"), "");
        check(
            &with("limit_req zone=b;"),
            "zero size shared memory zone \"b\"",
        );
        check(
            &with("limit_req burst=1;"),
            "\"limit_req\" must have \"zone\" parameter",
        );
        check(
            &with("limit_req zone=a burst=0;"),
            "invalid burst value \"burst=0\"",
        );
        check(
            &with("limit_req zone=a delay=x;"),
            "invalid delay value \"delay=x\"",
        );
        check(
            &with("limit_req zone=a other;"),
            "invalid parameter \"other\"",
        );
        check(
            &with("limit_req zone=a; limit_req zone=a;"),
            "\"limit_req\" directive is duplicate",
        );
        check(
            &with("limit_req_zone $uri zone=a:1m rate=1r/s;"),
            "limit_req_zone \"a\" is already bound to key \"$uri\"",
        );
        check(
            &with("limit_req_zone $uri zone=a:2m rate=1r/s;"),
            "the size 2097152 of shared memory zone \"a\" conflicts with already declared \
             size 1048576",
        );
        check(
            "limit_req_zone $uri zone=a:1k rate=1r/s;",
            "zone \"zone=a:1k\" is too small",
        );
        check(
            "limit_req_zone $uri zone=a rate=1r/s;",
            "invalid zone size \"zone=a\"",
        );
        check(
            "limit_req_zone $uri zone=:1m rate=1r/s;",
            "\"limit_req_zone\" must have \"zone\" parameter",
        );
        check("limit_req_status 399;", "value must be between 400 and 599");
    }
}
