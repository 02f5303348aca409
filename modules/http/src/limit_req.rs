//! `limit_req`: how many requests a second a client, or whatever a key stands for, may make.
//!
//! Runs before access is judged, so that guessing passwords is limited too. Requests beyond the
//! rate wait their turn; beyond a burst of them they are refused.
//!
//! Source: nginx documentation, ngx_http_limit_req_module.

mod bucket;
mod zone;

use crate::limits::{self, Declared, ERROR, LEVEL_WORDS};
use base::units;
use bucket::REQUEST;
use engine::directive::{custom, flag, keyword, lossy, number};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, inherit_fields,
};
use http::{Error, Flow, Handler, Module, Phase, Request, Variable};
use runtime::log::Level;
use std::cell::Cell;
use std::rc::Rc;
use zone::{Limit, Verdict, Zone};

/// The limits of a location.
#[derive(Clone)]
struct Settings {
    limits: Setting<Rc<Vec<Limit>>>,
    dry_run: Setting<bool>,
    /// Index in [`LEVEL_WORDS`] for rejections; delays are logged one level below.
    log_level: Setting<usize>,
    status: Setting<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Setting::default(),
            dry_run: Setting::new(false),
            log_level: Setting::new(ERROR),
            status: Setting::new(503),
        }
    }
}

inherit_fields!(Settings {
    limits,
    dry_run,
    log_level,
    status,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("limit_req", Contexts::ALL, Arity::between(1, 3), read_limit),
    flag("limit_req_dry_run", Contexts::ALL, |s| &mut s.dry_run),
    keyword("limit_req_log_level", Contexts::ALL, LEVEL_WORDS, |s| {
        &mut s.log_level
    }),
    number("limit_req_status", Contexts::ALL, 400, 599, |s| {
        &mut s.status
    }),
    custom(
        "limit_req_zone",
        Contexts::HTTP,
        Arity::exactly(3),
        |_, line| read_zone(line),
    ),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Limits of rates.
pub(crate) static MODULE: Module = Module {
    name: "limit_req",
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::PreAccess, is_enabled, |request| {
        Box::pin(run(request))
    })],
    variables: &[Variable::new("limit_req_status", |request, out| {
        let text = request.shared::<Done>().status.get().text();
        out.extend_from_slice(text.as_bytes());
        !text.is_empty()
    })],
    finish: Some(|finishing| limits::check_made::<Zone>(finishing.loading)),
    ..Module::EMPTY
};

/// What was done about a request; it is limited once, whatever is asked for its sake.
#[derive(Default)]
struct Done {
    status: Cell<Status>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Status {
    #[default]
    Unlimited,
    Passed,
    Delayed,
    Rejected,
    DelayedDryRun,
    RejectedDryRun,
}

impl Status {
    /// `$limit_req_status`
    fn text(self) -> &'static str {
        match self {
            Self::Unlimited => "",
            Self::Passed => "PASSED",
            Self::Delayed => "DELAYED",
            Self::Rejected => "REJECTED",
            Self::DelayedDryRun => "DELAYED_DRY_RUN",
            Self::RejectedDryRun => "REJECTED_DRY_RUN",
        }
    }
}

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).limits.is_empty()
}

async fn run(request: &mut Request) -> Result<Flow, Error> {
    let done = request.shared::<Done>();
    if done.status.get() != Status::Unlimited {
        return Ok(Flow::Decline);
    }
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let now = request.connection.http.worker.now();
    let verdict = zone::judge(request, &settings.limits, now);
    log(request, settings, &verdict);
    let is_dry = *settings.dry_run;
    done.status.set(match verdict {
        Verdict::Unlimited => Status::Unlimited,
        Verdict::Passed => Status::Passed,
        Verdict::Delayed { .. } if is_dry => Status::DelayedDryRun,
        Verdict::Delayed { .. } => Status::Delayed,
        Verdict::Rejected { .. } | Verdict::NoRoom(_) if is_dry => Status::RejectedDryRun,
        Verdict::Rejected { .. } | Verdict::NoRoom(_) => Status::Rejected,
    });
    match verdict {
        Verdict::Delayed { millis, .. } if !is_dry => wait(request, millis).await,
        Verdict::Rejected { .. } | Verdict::NoRoom(_) if !is_dry => {
            let status = u16::try_from(*settings.status).unwrap_or(503);
            Ok(Flow::Status(status))
        }
        _ => Ok(Flow::Decline),
    }
}

/// Waits for the request's turn, unless the client goes away.
async fn wait(request: &Request, millis: u64) -> Result<Flow, Error> {
    let connection = &request.connection;
    if !request.is_waited_for() {
        connection.http.worker.sleep(millis).await;
        return Ok(Flow::Decline);
    }
    connection.stream.set_deadline(None);
    let left = connection.stream.closed_by_peer();
    match connection.http.worker.timeout(millis, left).await {
        Err(_) => Ok(Flow::Decline),
        Ok(Ok(())) => {
            request.log(Level::Info, "client prematurely closed connection");
            Ok(Flow::Status(499))
        }
        Ok(Err(error)) => Err(error.into()),
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
            request.log(limits::level(*settings.log_level), &message);
        }
        Verdict::Delayed { excess, limit, .. } => {
            let (excess, zone) = (thousandths(*excess), &limit.zone.name);
            let message = format!("delaying request{dry}, excess: {excess}, by zone \"{zone}\"");
            let level = limits::level(settings.log_level.saturating_sub(1));
            request.log(level, &message);
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
            declared = Some(Declared::read(word)?);
        } else if let Some(text) = word.strip_prefix(b"rate=") {
            let invalid = || Refused::new(format!("invalid rate \"{}\"", lossy(word)));
            rate = parse_rate(text).ok_or_else(invalid)?;
        } else {
            return Err(line.invalid_parameter(index));
        }
    }
    let Some(declared) = declared.filter(|zone| !zone.name.is_empty()) else {
        return Err(without_zone("limit_req_zone"));
    };
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

fn without_zone(directive: &str) -> Refused {
    Refused::new(format!("\"{directive}\" must have \"zone\" parameter"))
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
    let zone = zone.ok_or_else(|| without_zone("limit_req"))?;
    let mut limits = settings.limits.to_vec();
    if limits.iter().any(|limit| Rc::ptr_eq(&limit.zone, &zone)) {
        return Err(Refused::duplicate());
    }
    limits.push(Limit { zone, burst, delay });
    settings.limits.set(Rc::new(limits));
    Ok(())
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
