//! `limit_conn`: how many requests a client, or whatever a key stands for, may make at once.
//!
//! Runs before access is judged. What is counted is a connection while it has a request; it is
//! given back when that ends.
//!
//! Source: nginx documentation, ngx_http_limit_conn_module.

mod holders;
mod zone;

use crate::limits::{self, Declared, Named, Outcome};
use base::units;
use engine::directive::{custom, lossy};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, inherit_fields,
};
use http::worker::HttpWorker;
use http::{Error, Flow, Handler, Module, Phase, Request, Variable};
use runtime::log::Level;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use zone::{NotCounted, Place, Zone};

type Settings = limits::Settings<Limit>;

/// One `limit_conn`.
#[derive(Clone, Debug)]
struct Limit {
    zone: Rc<Named<Zone>>,
    most: u64,
}

/// The zones, for workers that start.
#[derive(Clone, Default)]
struct AllZones {
    zones: Setting<Vec<Rc<Named<Zone>>>>,
}

inherit_fields!(AllZones { zones });

const DIRECTIVES: &[Directive<Settings>] = &limits::rows(
    custom("limit_conn", Contexts::ALL, Arity::TWO, read_limit),
    [
        "limit_conn_dry_run",
        "limit_conn_log_level",
        "limit_conn_status",
    ],
);

const ZONE_DIRECTIVES: &[Directive<AllZones>] = &[custom(
    "limit_conn_zone",
    Contexts::HTTP,
    Arity::TWO,
    read_zone,
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);
static ZONES: Slot<AllZones> = Slot::main(ZONE_DIRECTIVES);

/// Limits of connections.
pub(crate) static MODULE: Module = Module {
    name: "limit_conn",
    settings: &[&SETTINGS, &ZONES],
    handlers: &[Handler::now(Phase::PreAccess, is_enabled, run)],
    variables: &[Variable::new("limit_conn_status", |request, out| {
        request.shared::<Counted>().outcome.get().write(out)
    })],
    finish: Some(|finishing| limits::check_made::<Zone>(finishing.loading)),
    start_worker: Some(start_worker),
    ..Module::EMPTY
};

/// What a request holds; it is counted once, whatever is asked for its sake.
#[derive(Default)]
struct Counted {
    outcome: Cell<Outcome>,
    places: RefCell<Vec<Place>>,
}

/// Longest key in bytes, as nginx has it.
const KEY_MAX: usize = 255;

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).limits.is_empty()
}

fn start_worker(server: &Rc<HttpWorker>) {
    let zones = &ZONES.of(&server.generation.main).zones;
    for zone in zones.iter().filter_map(|named| named.zone()) {
        zone.clear_own();
    }
}

fn run(request: &mut Request) -> Result<Flow, Error> {
    let counted = request.shared::<Counted>();
    if counted.outcome.get() != Outcome::Unlimited {
        return Ok(Flow::Decline);
    }
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let now = request.connection.http.worker.now();
    for limit in settings.limits.iter() {
        let zone = limit.zone.zone();
        let Some(key) = zone.and_then(|zone| zone.keys.of(request, KEY_MAX)) else {
            continue;
        };
        match Place::take(&limit.zone, key, limit.most, now) {
            Ok(place) => counted.places.borrow_mut().push(place),
            Err(why) => return Ok(reject(request, settings, limit, why)),
        }
        counted.outcome.set(Outcome::Passed);
    }
    Ok(Flow::Decline)
}

/// Gives back what the request holds already, and refuses it.
fn reject(request: &Request, settings: &Settings, limit: &Limit, why: NotCounted) -> Flow {
    let is_dry = *settings.dry_run;
    let zone = &limit.zone.name;
    match why {
        NotCounted::TooMany => {
            let dry = if is_dry { ", dry run," } else { "" };
            let message = format!("limiting connections{dry} by zone \"{zone}\"");
            settings.log(request, &message);
        }
        NotCounted::NoRoom => {
            // What nginx says, for those who look for it.
            let message =
                format!("ngx_slab_alloc() failed: no memory in limit_conn_zone \"{zone}\"");
            request.log(Level::Crit, &message);
        }
    }
    let counted = request.shared::<Counted>();
    counted.places.take();
    if is_dry {
        counted.outcome.set(Outcome::RejectedDryRun);
        return Flow::Decline;
    }
    counted.outcome.set(Outcome::Rejected);
    settings.rejection()
}

/// `limit_conn_zone key zone=name:size`
fn read_zone(zones: &mut AllZones, line: &mut Line<'_>) -> Result<(), Refused> {
    let word = line.arg(1);
    if !word.starts_with(b"zone=") {
        return Err(line.invalid_parameter(1));
    }
    let declared = Declared::read(line.name(), word)?;
    let zone = declared.make(line, ("limit_conn", "limit_conn_zone"), Zone::new)?;
    zones.zones.edit().push(zone);
    Ok(())
}

/// `limit_conn zone number`
fn read_limit(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let zone = limits::named::<Zone>(line.loading, line.arg(0));
    let most = units::parse_decimal(line.arg(1)).unwrap_or(0);
    if most == 0 {
        let shown = lossy(line.arg(1));
        return Err(Refused::new(format!(
            "invalid number of connections \"{shown}\""
        )));
    }
    if most > u64::from(u16::MAX) {
        return Err(Refused::new("connection limit must be less 65536"));
    }
    let limit = Limit { zone, most };
    settings.add(limit.clone(), |known| Rc::ptr_eq(&known.zone, &limit.zone))
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        let with = |line: &str| format!("limit_conn_zone $uri zone=a:1m; {line}");
        check(
            &with("limit_conn a 5; limit_conn_status 429; limit_conn_dry_run on;"),
            "",
        );
        check(
            &with("limit_conn a 0;"),
            "invalid number of connections \"0\"",
        );
        check(
            &with("limit_conn a x;"),
            "invalid number of connections \"x\"",
        );
        check(
            &with("limit_conn a 65536;"),
            "connection limit must be less 65536",
        );
        check(
            &with("limit_conn b 1;"),
            "zero size shared memory zone \"b\"",
        );
        check(
            &with("limit_conn a 1; limit_conn a 2;"),
            "\"limit_conn\" directive is duplicate",
        );
        check(
            &with("limit_req_zone $uri zone=a:1m rate=1r/s;"),
            "the shared memory zone \"a\" is already declared for a different use",
        );
        check(
            &with("limit_conn_zone $host zone=a:1m;"),
            "limit_conn_zone \"a\" is already bound to key \"$uri\"",
        );
        check("limit_conn_zone $uri other;", "invalid parameter \"other\"");
        check(
            "limit_conn_zone $uri zone=b;",
            "invalid zone size \"zone=b\"",
        );
    }
}
