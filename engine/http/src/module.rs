//! How a module describes itself: plain data, which can be listed, printed and checked.

use crate::body::Body;
use crate::config::finish::Finishing;
use crate::error::Error;
use crate::request::{AnyRequestSlot, Request};
use crate::response::{Response, ResponseHead};
use crate::variable::Variable;
use crate::worker::HttpWorker;
use engine::slot::AnySlot;
use engine::{Refused, SettingsTable};
use std::pin::Pin;
use std::rc::Rc;

/// A future that borrows the request it works for.
pub type BoxFuture<'r, T> = Pin<Box<dyn Future<Output = T> + 'r>>;

/// A module's look at the whole configuration.
pub type Finish = fn(&mut Finishing<'_>) -> Result<(), Refused>;

/// One feature.
pub struct Module {
    /// Its name, as in nginx's without prefix and suffix: `limit_req`.
    pub name: &'static str,
    /// The option of nginx's configure that builds it, if it is optional there.
    pub configure_option: Option<&'static str>,
    /// Settings, with their directives.
    pub settings: &'static [&'static dyn AnySlot],
    /// What it remembers about a request.
    pub state: &'static [&'static dyn AnyRequestSlot],
    /// Directives that make a location's content this module's own: of several in one block the last
    /// one decides, and no other content handler runs. An `if` block without one is its location's.
    pub takes_over: &'static [&'static str],
    /// Handlers of phases.
    pub handlers: &'static [Handler],
    /// Filters of responses.
    pub filters: &'static [Filter],
    /// Variables.
    pub variables: &'static [Variable],
    /// Looks at the whole configuration when all of it is read and inherited.
    pub finish: Option<Finish>,
    /// Runs once in each worker before it serves. What it leaves running goes with the worker.
    pub start_worker: Option<fn(&Rc<HttpWorker>)>,
}

impl Module {
    /// A module with nothing in it, to be filled in.
    pub const EMPTY: Self = Self {
        name: "",
        configure_option: None,
        settings: &[],
        state: &[],
        takes_over: &[],
        handlers: &[],
        filters: &[],
        variables: &[],
        finish: None,
        start_worker: None,
    };
}

/// The steps of a request, in order (nginx's phases of the same names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// As soon as the request's head was read.
    PostRead,
    /// `rewrite` directives of the server.
    ServerRewrite,
    /// `rewrite` directives of the location.
    Rewrite,
    /// Before access is judged: limits.
    PreAccess,
    /// Who may come in; several are combined by `satisfy`.
    Access,
    /// Before content: `try_files`, `mirror`.
    PreContent,
    /// Who answers.
    Content,
    /// After the response was sent.
    Log,
}

/// What a handler wants to happen next.
#[derive(Debug)]
pub enum Flow {
    /// Nothing: the next handler's turn.
    Decline,
    /// Access granted (access phase); everywhere else as `Decline`.
    Allow,
    /// This is the answer.
    Respond(Response),
    /// The answer is this status, with its `error_page` or the built-in page.
    Status(u16),
    /// Start over with another URI.
    Redirect {
        /// The new `$uri`, normalised.
        uri: Vec<u8>,
        /// The new `$args`.
        args: Vec<u8>,
    },
    /// Go on in a named location, without its `@`.
    Named(Vec<u8>),
    /// The URI was changed in place: find the location again (rewrite phases).
    Relocate,
    /// Skip what is left of this phase.
    EndPhase,
    /// Close the connection without an answer (`return 444`).
    Close,
}

impl Flow {
    /// The answer `response`.
    pub fn respond(response: Response) -> Self {
        Self::Respond(response)
    }
}

/// A handler that may wait.
pub type Waiting = for<'r> fn(&'r mut Request) -> BoxFuture<'r, Result<Flow, Error>>;

/// How a handler is called.
#[derive(Clone, Copy)]
pub enum Run {
    /// Never waits: costs no future.
    Now(fn(&mut Request) -> Result<Flow, Error>),
    /// May wait.
    Waiting(Waiting),
}

/// A handler of one phase.
#[derive(Clone, Copy)]
pub struct Handler {
    /// When it runs. Within a phase, modules run in the order of their list.
    pub phase: Phase,
    /// What runs.
    pub run: Run,
    /// Whether a location with these settings needs it at all: decided at load, so that a
    /// request meets only handlers that have something to do.
    pub is_enabled: fn(&SettingsTable) -> bool,
}

impl Handler {
    /// A handler that never waits.
    pub const fn now(
        phase: Phase,
        is_enabled: fn(&SettingsTable) -> bool,
        run: fn(&mut Request) -> Result<Flow, Error>,
    ) -> Self {
        Self {
            phase,
            run: Run::Now(run),
            is_enabled,
        }
    }

    /// A handler that may wait.
    pub const fn waiting(
        phase: Phase,
        is_enabled: fn(&SettingsTable) -> bool,
        run: Waiting,
    ) -> Self {
        Self {
            phase,
            run: Run::Waiting(run),
            is_enabled,
        }
    }
}

/// Where in the chain a filter works, in the order in which responses pass (nginx's order).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Conditional requests: may replace the response by 304 or 412.
    Conditional,
    /// `add_header`, `expires`.
    Headers,
    /// `userid`.
    Identity,
    /// Compressed bodies are opened for clients that cannot.
    Decode,
    /// Text is edited: `sub_filter`.
    Edit,
    /// Character sets.
    Charset,
    /// Other responses are put in, each with its own filters behind it: SSI, `addition`.
    Include,
    /// Bodies are compressed.
    Encode,
    /// Parts are cut out: byte ranges.
    Range,
    /// Trailers: after everything that changes the body.
    Trailers,
}

/// Wraps a response's body in another, or changes its head.
#[derive(Clone, Copy)]
pub struct Filter {
    /// Where in the chain.
    pub stage: Stage,
    /// Called once a response, whose head and body it may change.
    pub start: fn(&mut Request, &mut ResponseHead, &mut Body) -> Result<(), Error>,
    /// Whether a location with these settings needs it at all.
    pub is_enabled: fn(&SettingsTable) -> bool,
}

impl Filter {
    /// A filter.
    pub const fn new(
        stage: Stage,
        is_enabled: fn(&SettingsTable) -> bool,
        start: fn(&mut Request, &mut ResponseHead, &mut Body) -> Result<(), Error>,
    ) -> Self {
        Self {
            stage,
            start,
            is_enabled,
        }
    }
}

/// For handlers and filters that every location needs.
pub fn always(_: &SettingsTable) -> bool {
    true
}
