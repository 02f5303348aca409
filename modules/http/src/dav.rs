//! Files changed over HTTP: PUT, DELETE, MKCOL, COPY and MOVE of WebDAV (RFC 4918).
//!
//! Runs in the content phase before the handlers that serve files. Whatever takes more than one
//! step is prepared under a name of its own beside the target and put in place by a rename, so
//! that readers see the old or the new and a failure leaves the old.

mod destination;
mod place;
mod put;
mod remove;
mod transfer;
mod tree;

use crate::file_work::Failure;
use engine::directive::{Words, bits, custom, flag, number, set_once};
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot, access, inherit_fields};
use http::{Error, Flow, Handler, Module, Phase, Request, Response};
use http1::Method;
use std::rc::Rc;

/// What a location allows to be changed.
#[derive(Clone)]
struct Settings {
    /// Methods that are served, as bits of [`METHODS`].
    methods: Setting<u32>,
    /// Whether PUT makes the folders that its file lacks.
    creates_path: Setting<bool>,
    /// Fewest elements of a path that may be deleted.
    min_delete_depth: Setting<u64>,
    /// Permission bits of new files.
    access: Setting<u32>,
}

/// The bit of `off`, which allows nothing.
const OFF: u32 = 1;

/// The words of `dav_methods`, with their bits.
const METHODS: Words = &[
    ("off", OFF),
    ("PUT", bit_of(Method::Put)),
    ("DELETE", bit_of(Method::Delete)),
    ("MKCOL", bit_of(Method::Mkcol)),
    ("COPY", bit_of(Method::Copy)),
    ("MOVE", bit_of(Method::Move)),
];

/// The bit of a method that may be allowed, else 0.
const fn bit_of(method: Method) -> u32 {
    match method {
        Method::Put => 1 << 1,
        Method::Delete => 1 << 2,
        Method::Mkcol => 1 << 3,
        Method::Copy => 1 << 4,
        Method::Move => 1 << 5,
        _ => 0,
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            methods: Setting::new(OFF),
            creates_path: Setting::new(false),
            min_delete_depth: Setting::new(0),
            access: Setting::new(0o600),
        }
    }
}

inherit_fields!(Settings {
    methods,
    creates_path,
    min_delete_depth,
    access,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    bits("dav_methods", Contexts::ALL, Arity::SOME, METHODS, |s| {
        &mut s.methods
    }),
    flag("create_full_put_path", Contexts::ALL, |s| {
        &mut s.creates_path
    }),
    number("min_delete_depth", Contexts::ALL, 0, u32::MAX as u64, |s| {
        &mut s.min_delete_depth
    }),
    custom(
        "dav_access",
        Contexts::ALL,
        Arity::between(1, 3),
        |s, line| {
            let bits = access::read(line)?;
            set_once(&mut s.access, bits)
        },
    ),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

pub(crate) static MODULE: Module = Module {
    name: "dav",
    configure_option: Some("--with-http_dav_module"),
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::Content, is_enabled, |request| {
        base::place::pinned(|| change(request))
    })],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).methods & !OFF != 0
}

/// Does what an allowed method asks for.
async fn change(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    if *settings.methods & bit_of(request.method) == 0 {
        return Ok(Flow::Decline);
    }
    let changed = match request.method {
        Method::Put => put::store(request, settings).await?,
        Method::Delete => remove::delete(request, settings).await?,
        Method::Mkcol => remove::make_collection(request, settings)?,
        Method::Copy | Method::Move => transfer::transfer(request, settings).await?,
        _ => return Ok(Flow::Decline),
    };
    Ok(match changed {
        Ok(Done::Created) => Flow::Status(201),
        Ok(Done::CreatedHere) => Flow::respond(created(request)),
        Ok(Done::Changed) => Flow::Status(204),
        Err(failure) => failure.answer(request),
    })
}

/// What has come of a change, or why there was none.
type Changed = Result<Done, Failure>;

/// What has come of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// Something is new, at another URI than the request's.
    Created,
    /// Something is new at the request's URI.
    CreatedHere,
    /// Something was there before, and is now another or gone.
    Changed,
}

/// 201 with the URI of what is new.
fn created(request: &Request) -> Response {
    let mut location = Vec::with_capacity(request.uri.len());
    base::escape::uri(base::escape::Uri::Path, &request.uri, &mut location);
    let mut response = Response::new(201);
    response.head.content_length = Some(0);
    response.head.location = Some(location.into());
    response
}

/// Refuses a body where none has a meaning (RFC 4918 section 8.4: 415).
fn refuse_body(request: &Request, who: &str) -> Result<(), Failure> {
    if request.incoming.has_body() {
        return Err(Failure::refused(415, format!("{who} unsupported")));
    }
    Ok(())
}
