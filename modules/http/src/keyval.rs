//! `keyval`: variables with values from a table in shared memory, which is changed while the
//! server runs.
//!
//! What changes it is a value for one of its variables: `set $banned 1` puts the pair in, for
//! all workers. With `state` the table is written to a file and outlives the server.
//!
//! Source: nginx documentation, ngx_http_keyval_module.

use crate::limits::{self, Declared, Named};
use crate::map::variable_name;
use base::units;
use engine::directive::{custom, lossy};
use engine::keyval::{Keyval, Matching};
use engine::{Arity, Contexts, Directive, Line, Loading, Refused, Slot, inherit_fields};
use http::core::error_log::ERROR_LOG;
use http::variable::define_assignable;
use http::worker::HttpWorker;
use http::{Module, Request};
use runtime::log::Level;
use shm::SharedMap;
use std::path::Path;
use std::rc::Rc;

/// A table by its name.
type Zone = Named<Rc<Keyval>>;

/// The tables of a configuration.
#[derive(Default)]
struct Settings {
    zones: Vec<Rc<Zone>>,
}

inherit_fields!(Settings {} own: { zones });

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("keyval", Contexts::HTTP, Arity::exactly(3), |_, line| {
        read(line)
    }),
    custom(
        "keyval_zone",
        Contexts::HTTP,
        Arity::between(1, 5),
        read_zone,
    ),
];

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Variables by tables that change.
pub(crate) static MODULE: Module = Module {
    name: "keyval",
    settings: &[&SETTINGS],
    finish: Some(|finishing| limits::check_made::<Rc<Keyval>>(finishing.loading)),
    start_worker: Some(start_worker),
    ..Module::EMPTY
};

/// Sees to what a worker that died had still to write.
fn start_worker(server: &Rc<HttpWorker>) {
    let zones = &SETTINGS.of(&server.generation.main).zones;
    for keyval in zones.iter().filter_map(|zone| zone.zone()) {
        if keyval.is_unsaved() {
            save(keyval, server);
        }
    }
}

/// Has the state file written soon.
fn save(keyval: &Rc<Keyval>, server: &Rc<HttpWorker>) {
    let Some(pool) = server.pools.get(&b"default"[..]) else {
        return;
    };
    // Whoever waits to write must not keep the worker, which has him wait.
    let generation = Rc::clone(&server.generation);
    keyval.save_soon(&server.worker, pool, move |message| {
        if let Some(http) = generation.levels().first() {
            let logger = ERROR_LOG.of(&http.settings).logs.logger();
            logger.log(Level::Crit, message);
        }
    });
}

/// `keyval key $variable zone=name`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let key = line.template(0)?;
    let name = variable_name(line.arg(1))?;
    let zone = match line.arg(2).strip_prefix(b"zone=") {
        Some(zone) if !zone.is_empty() => limits::named::<Rc<Keyval>>(line.loading, zone),
        _ => return Err(line.invalid_parameter(2)),
    };
    let (known, key) = (Rc::clone(&zone), Rc::new(key));
    let sought = Rc::clone(&key);
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        let now = request.connection.http.worker.now();
        let keyval = known.zone();
        keyval.is_some_and(|keyval| keyval.find(&sought.eval(request), now, out))
    };
    let assign = move |request: &mut Request, value: &[u8]| {
        if let Some(keyval) = zone.zone() {
            set(request, &zone.name, keyval, &key.eval(request), value);
        }
    };
    define_assignable(line.loading, name, Rc::new(compute), Rc::new(assign))?;
    Ok(())
}

fn set(request: &Request, zone: &str, keyval: &Rc<Keyval>, key: &[u8], value: &[u8]) {
    let server = &request.connection.http;
    match keyval.set(key, value, None, server.worker.now()) {
        Ok(()) => save(keyval, server),
        Err(refusal) => {
            let key = String::from_utf8_lossy(key);
            let message = format!("key \"{key}\" not set in keyval zone \"{zone}\": {refusal}");
            request.log(Level::Error, &message);
        }
    }
}

/// `keyval_zone zone=name:size [state=file] [timeout=time] [type=string|ip|prefix]`
fn read_zone(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let (mut declared, mut state, mut timeout) = (None, None, None);
    let mut matching = Matching::Exact;
    for index in 0..line.args().len() {
        let word = line.arg(index);
        let invalid = || line.invalid_parameter(index);
        if word.starts_with(b"zone=") {
            declared = Some(Declared::read(line.name(), word)?);
        } else if let Some(path) = word.strip_prefix(b"state=") {
            state = Some(path).filter(|path| !path.is_empty());
            state.ok_or_else(invalid)?;
        } else if let Some(time) = word.strip_prefix(b"timeout=") {
            let time = units::parse_time_ms(time).ok().filter(|time| *time > 0);
            timeout = Some(time.ok_or_else(invalid)?);
        } else if let Some(word) = word.strip_prefix(b"type=") {
            matching = match word {
                b"string" => Matching::Exact,
                b"ip" => Matching::Network,
                b"prefix" => Matching::Prefix,
                _ => return Err(invalid()),
            };
        } else if word == b"sync" {
            return Err(Refused::new(
                "\"sync\" needs \"zone_sync\", which is not supported",
            ));
        } else {
            return Err(invalid());
        }
    }
    let declared = declared.ok_or_else(|| limits::without_zone(line.name()))?;
    let state = state.map(|path| line.loading.full_path(path));
    check_alone(settings, &declared, state.as_deref())?;
    let kind = kind(matching);
    let named = limits::named::<Rc<Keyval>>(line.loading, &declared.name);
    let map = limits::open(line.loading, kind, &named.name, declared.size)?;
    let is_new = map.lock().is_empty();
    let failed = |what: String| {
        let name = &named.name;
        Refused::new(format!("keyval zone \"{name}\": {what}"))
    };
    let keyval =
        Keyval::open(map, matching, timeout, state).map_err(|full| failed(full.to_string()))?;
    if is_new {
        fill(line.loading, &keyval, (&named.name, kind)).map_err(failed)?;
    }
    named.set(Rc::new(keyval));
    settings.zones.push(named);
    Ok(())
}

/// Two tables must have neither their name nor their file in common.
fn check_alone(
    settings: &Settings,
    declared: &Declared,
    state: Option<&Path>,
) -> Result<(), Refused> {
    let name = lossy(&declared.name);
    if settings.zones.iter().any(|zone| zone.name == name) {
        return Err(Refused::new(format!("duplicate keyval zone \"{name}\"")));
    }
    let mut others = settings.zones.iter().filter_map(|zone| zone.zone());
    match state.filter(|state| others.any(|other| other.state_file() == Some(state))) {
        None => Ok(()),
        Some(state) => {
            let state = state.display();
            Err(Refused::new(format!("duplicate state file \"{state}\"")))
        }
    }
}

/// What a zone is for: what it says of keys depends on how they are found.
fn kind(matching: Matching) -> &'static str {
    match matching {
        Matching::Exact => "keyval",
        Matching::Network => "keyval of addresses",
        Matching::Prefix => "keyval of prefixes",
    }
}

/// What a new zone has in it at first: what the running server has, where it is only to be larger
/// or smaller, else what the state file says.
fn fill(loading: &mut Loading, keyval: &Keyval, (name, kind): (&str, &str)) -> Result<(), String> {
    let previous = limits::zones(loading).previous(name, kind);
    let Some(zone) = previous else {
        return keyval.load(&*loading.source).map_err(|error| {
            let path = keyval.state_file().unwrap_or(Path::new("")).display();
            format!("state file \"{path}\": {error}")
        });
    };
    let now = sys::clock::monotonic_ms();
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let map = SharedMap::open(zone).map_err(|error| words(&error))?;
    let running = Keyval::open(map, keyval.matching(), None, None);
    let pairs = running.map_err(|full| words(&full))?.pairs(now);
    keyval.fill(&pairs, now).map_err(|refusal| words(&refusal))
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, messages_with};

    #[test]
    fn words() {
        check(
            "keyval $arg_a $a zone=one; keyval $uri$args $b zone=one; keyval_zone zone=one:64k;
             keyval_zone state=s timeout=1h type=ip zone=two:64k;
             keyval_zone zone=three:64k type=prefix; keyval_zone zone=four:64k type=string;
             keyval $remote_addr $c zone=two; server { set $a 1; }",
            "",
        );
        let none = "\"keyval_zone\" must have \"zone\" parameter";
        check("keyval_zone state=a;", none);
        check("keyval_zone zone=:1m;", none);
        check(
            "keyval_zone zone=a:1m type=x;",
            "invalid parameter \"type=x\"",
        );
        check(
            "keyval_zone zone=a:1m state=;",
            "invalid parameter \"state=\"",
        );
        check(
            "keyval_zone zone=a:1m timeout=0;",
            "invalid parameter \"timeout=0\"",
        );
        check("keyval_zone zone=a:1m b;", "invalid parameter \"b\"");
        check("keyval_zone zone=a:1k;", "zone \"zone=a:1k\" is too small");
        check(
            "keyval_zone zone=a:1m timeout=1h sync;",
            "\"sync\" needs \"zone_sync\", which is not supported",
        );
        check(
            "keyval_zone zone=a:1m; keyval_zone zone=a:1m type=ip;",
            "duplicate keyval zone \"a\"",
        );
        check(
            "keyval_zone zone=a:1m state=f; keyval_zone zone=b:1m state=./f;",
            "duplicate state file \"/nonexistent/./f\"",
        );
        check(
            "limit_req_zone $uri zone=a:1m rate=1r/s; keyval_zone zone=a:1m;",
            "the shared memory zone \"a\" is already declared for a different use",
        );
        check(
            "keyval $uri $a zone=a;",
            "zero size shared memory zone \"a\"",
        );
        check("keyval $uri a zone=a;", "invalid variable name \"a\"");
        check("keyval $uri $a a;", "invalid parameter \"a\"");
        check(
            "keyval_zone zone=a:1m; keyval $uri $host zone=a;",
            "the duplicate \"host\" variable",
        );
    }

    #[test]
    fn broken_state_files_are_told() {
        let zone = "keyval_zone zone=a:32k state=s type=ip;";
        let check = |text: &str, expected: &str| {
            let messages = messages_with(&[("s", text.into())], zone);
            let before = "keyval zone \"a\": state file \"/nonexistent/s\": ";
            let expected = [expected].into_iter().filter(|text| !text.is_empty());
            let expected: Vec<_> = expected.map(|text| format!("{before}{text}")).collect();
            assert_eq!(messages, expected);
        };
        check("{\"10.0.0.0/8\": \"x\"}", "");
        check("{\"ten\": \"x\"}", "invalid key format");
        check("[]", "not an object");
        let full = format!("{{\"::1\": \"{}\"}}", "x".repeat(40_000));
        check(&full, "no room");
    }
}
