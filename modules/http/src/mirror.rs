//! `mirror`: sends a copy of each request elsewhere, and does not care what is answered.
//!
//! Runs before content is made. A copy is a subrequest in a task of its own, so that a slow
//! mirror holds nobody up; nor does it take all connections, as the number of copies is limited.
//!
//! Source: nginx documentation, ngx_http_mirror_module.

use base::place;
use engine::directive::{custom, flag};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, inherit_fields,
};
use http::{Error, Flow, Handler, Module, Phase, Request, subrequest};
use runtime::log::Level;
use std::cell::Cell;
use std::rc::Rc;

/// Copies may be under way for one in so many of a worker's connections. More are not made: of a
/// mirror that does not answer they would take all connections, and leave none to the requests
/// that they are copies of.
const SHARE: u32 = 4;

/// Settings of a location.
#[derive(Clone)]
struct Settings {
    /// Where copies go; empty for `off`.
    uris: Setting<Vec<Vec<u8>>>,
    /// Whether they have the request's body.
    has_body: Setting<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uris: Setting::new(Vec::new()),
            has_body: Setting::new(true),
        }
    }
}

inherit_fields!(Settings { uris, has_body });

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("mirror", Contexts::ALL, Arity::ONE, read),
    flag("mirror_request_body", Contexts::ALL, |s| &mut s.has_body),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Copies of requests.
pub(crate) static MODULE: Module = Module {
    name: "mirror",
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::PreContent, is_enabled, |request| {
        place::pinned(|| run(request))
    })],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).uris.is_empty()
}

async fn run(request: &mut Request) -> Result<Flow, Error> {
    if request.is_subrequest {
        return Ok(Flow::Decline);
    }
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    if *settings.has_body {
        request.read_body().await?;
    }
    for uri in settings.uris.iter() {
        let worker = &request.connection.http.worker;
        let Some(place) = Place::take(worker.connections_max() / SHARE) else {
            let shown = String::from_utf8_lossy(uri);
            let message = format!("no copy for mirror \"{shown}\": too many are under way");
            request.log(Level::Error, &message);
            continue;
        };
        let mut copy = subrequest::subrequest(request, uri.clone(), request.args.clone())?;
        copy.detach();
        copy.method = request.method;
        if !*settings.has_body {
            copy.body = None;
        }
        worker.spawn(async move {
            let _place = place;
            // Whatever is answered, nobody reads it.
            drop(subrequest::serve(&mut copy).await);
            subrequest::finish(&mut copy);
        });
    }
    Ok(Flow::Decline)
}

/// One of the copies of this worker that are under way, until it is dropped.
struct Place;

thread_local! {
    static UNDER_WAY: Cell<u32> = const { Cell::new(0) };
}

impl Place {
    /// One more, if there are less than `most`, or none.
    fn take(most: u32) -> Option<Self> {
        let count = UNDER_WAY.get();
        (count < most.max(1)).then(|| {
            UNDER_WAY.set(count + 1);
            Self
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        UNDER_WAY.set(UNDER_WAY.get() - 1);
    }
}

/// `mirror uri | off`
fn read(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let uri = line.arg(0);
    if settings.uris.is_set() && (settings.uris.is_empty() || uri == b"off") {
        return Err(Refused::duplicate());
    }
    if uri == b"off" {
        settings.uris.set(Vec::new());
    } else {
        settings.uris.edit().push(uri.to_vec());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn there_are_only_so_many_copies() {
        let first = Place::take(2);
        assert!(first.is_some());
        let second = Place::take(2);
        assert!(second.is_some());
        assert!(Place::take(2).is_none());
        drop(first);
        assert!(Place::take(2).is_some());
        drop(second);
        assert!(Place::take(0).is_some());
    }

    #[test]
    fn several_mirrors_or_none() {
        check("mirror /a; mirror /b;", "");
        check("mirror off;", "");
        check(
            "mirror /a; mirror off;",
            "\"mirror\" directive is duplicate",
        );
        check(
            "mirror off; mirror /a;",
            "\"mirror\" directive is duplicate",
        );
    }
}
