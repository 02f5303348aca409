//! Runs a request through its phases to a response, and the response through its filters.

use crate::config::generation::Location;
use crate::config::location_name::LocationName;
use crate::core::receive::RECEIVE;
use crate::core::respond::RESPOND;
use crate::core::structure::METHODS;
use crate::error::{Abort, Error};
use crate::error_page;
use crate::module::{Flow, Phase, Run, Stage, Waiting};
use crate::redirect;
use crate::request::Request;
use crate::response::Response;
use engine::Pattern;
use runtime::log::Level;
use std::rc::Rc;

/// Where a request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Handlers(Phase),
    Locate,
    Nobody,
}

impl Step {
    const START: Self = Self::Handlers(Phase::PostRead);

    fn next(self) -> Self {
        match self {
            Self::Handlers(Phase::PostRead) => Self::Handlers(Phase::ServerRewrite),
            Self::Handlers(Phase::ServerRewrite) => Self::Locate,
            Self::Locate => Self::Handlers(Phase::Rewrite),
            Self::Handlers(Phase::Rewrite) => Self::Handlers(Phase::PreAccess),
            Self::Handlers(Phase::PreAccess) => Self::Handlers(Phase::Access),
            Self::Handlers(Phase::Access) => Self::Handlers(Phase::PreContent),
            Self::Handlers(Phase::PreContent) => Self::Handlers(Phase::Content),
            Self::Handlers(Phase::Content | Phase::Log) | Self::Nobody => Self::Nobody,
        }
    }
}

/// A request on its way through the phases. It stops where a handler has to wait and goes on
/// from there, so that what need not wait costs no future.
struct Walk {
    step: Step,
    /// The level whose handlers run: a phase ends with the handlers that it began with.
    level: Rc<Location>,
    /// The next handler of the phase.
    handler: usize,
    /// With `satisfy any`, the refusal that stands unless somebody grants access.
    refused: Option<u16>,
}

/// What stopped a walk.
enum Stop {
    /// This handler has to wait.
    Waits(Waiting),
    /// This is what the handlers came to.
    Comes(Result<Flow, Error>),
}

/// What follows on one handler or step.
enum Sequel {
    /// The next handler of the phase.
    Handler,
    /// The next step.
    Step,
    /// Something that the row of steps does not have.
    Out(Result<Flow, Error>),
}

impl Walk {
    /// Stands before `step`.
    fn to(request: &mut Request, step: Step) -> Self {
        if step == Step::Handlers(Phase::ServerRewrite) {
            request.location = Rc::clone(&request.server.root);
        }
        Self {
            step,
            level: Rc::clone(&request.location),
            handler: 0,
            refused: None,
        }
    }

    /// Goes to the next step.
    #[inline]
    fn go_on(&mut self, request: &mut Request) {
        self.step = self.step.next();
        if self.step == Step::Handlers(Phase::ServerRewrite) {
            request.location = Rc::clone(&request.server.root);
        }
        if !Rc::ptr_eq(&self.level, &request.location) {
            self.level = Rc::clone(&request.location);
        }
        self.handler = 0;
    }

    /// Runs handlers, phase after phase, until one has to wait or has an answer.
    fn run(&mut self, request: &mut Request) -> Stop {
        loop {
            let sequel = match self.step {
                Step::Handlers(phase) => match self.next_handler(request, phase) {
                    Some(Run::Now(run)) => {
                        let flow = run(request);
                        self.weigh(request, flow)
                    }
                    Some(Run::Waiting(run)) => return Stop::Waits(run),
                    None => self.refuse_or_go_on(request),
                },
                Step::Locate => match locate(request) {
                    Ok(Flow::Decline) => Sequel::Step,
                    flow => Sequel::Out(flow),
                },
                Step::Nobody => Sequel::Out(Ok(nobody(request))),
            };
            match sequel {
                Sequel::Handler => {}
                Sequel::Step => self.go_on(request),
                Sequel::Out(flow) => return Stop::Comes(flow),
            }
        }
    }

    fn next_handler(&mut self, request: &Request, phase: Phase) -> Option<Run> {
        if phase == Phase::Access && request.is_subrequest {
            return None;
        }
        let handler = self.level.pipeline.handlers(phase).get(self.handler)?;
        self.handler += 1;
        Some(*handler)
    }

    /// What follows when every handler of a phase was heard.
    fn refuse_or_go_on(&mut self, request: &Request) -> Sequel {
        let Some(status) = self.refused.take() else {
            return Sequel::Step;
        };
        if !matches!(status, 401 | 407) {
            request.log(Level::Error, "access forbidden by rule");
        }
        Sequel::Out(Ok(Flow::Status(status)))
    }

    /// What the flow of a handler means.
    ///
    /// In the access phase, with `satisfy all` nobody may refuse; with `satisfy any` one who
    /// grants is enough, and a refusal waits for the others.
    #[inline]
    fn weigh(&mut self, request: &mut Request, flow: Result<Flow, Error>) -> Sequel {
        match flow {
            Ok(Flow::Decline) => Sequel::Handler,
            Ok(Flow::EndPhase) => Sequel::Step,
            Ok(Flow::Allow) if self.is_one_enough() => {
                request.extra_fields.clear();
                self.refused = None;
                Sequel::Step
            }
            Ok(Flow::Allow) => Sequel::Handler,
            Ok(Flow::Status(status @ (401 | 403 | 407))) if self.is_one_enough() => {
                // A 401 tells the client what it can do, so it wins over a 403.
                let known = self.refused.filter(|known| *known != 403);
                self.refused = Some(known.unwrap_or(status));
                Sequel::Handler
            }
            flow => Sequel::Out(flow),
        }
    }

    /// Whether access is judged, by `satisfy any`.
    fn is_one_enough(&self) -> bool {
        self.step == Step::Handlers(Phase::Access) && *RESPOND.of(&self.level.settings).satisfy == 1
    }

    /// How many milliseconds `flow` is held back: `auth_delay`, which makes guessing passwords
    /// by timing and by speed harder.
    fn delay(&self, flow: &Result<Flow, Error>) -> u64 {
        match flow {
            Ok(Flow::Status(401 | 407)) if self.step == Step::Handlers(Phase::Access) => {
                *RESPOND.of(&self.level.settings).auth_delay
            }
            _ => 0,
        }
    }
}

/// Makes the response of `request`, filters applied.
///
/// # Errors
///
/// The client cannot be answered: it left, or the configuration says to close.
pub async fn serve(request: &mut Request) -> Result<Response, Abort> {
    request.debug(|r| {
        format!(
            "http request line: \"{}\"",
            String::from_utf8_lossy(r.line())
        )
    });
    request.debug(|r| {
        let field = |(name, value): (&[u8], &[u8])| {
            format!(
                "{}: {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )
        };
        format!(
            "http header: {:?}",
            r.headers().map(field).collect::<Vec<_>>()
        )
    });
    let response = answer(request, Step::START, None).await?;
    let response = filtered(request, response).await?;
    request.debug(|_| {
        let length = response.head.content_length;
        format!(
            "http response: status {}, length {length:?}",
            response.head.status
        )
    });
    Ok(response)
}

/// Makes the response of a subrequest, filters applied: whoever may read the main request may
/// read what it is made of, so nobody is asked again.
///
/// # Errors
///
/// As [`serve`].
pub(crate) async fn serve_nested(request: &mut Request) -> Result<Response, Abort> {
    let response = answer(request, Step::Handlers(Phase::ServerRewrite), None).await?;
    filtered(request, response).await
}

/// The response for a request that was refused before its phases: `status` with its error
/// page or the built-in one.
///
/// # Errors
///
/// As [`serve`].
pub async fn refuse(request: &mut Request, status: u16) -> Result<Response, Abort> {
    let response = answer(request, Step::Nobody, Some(status)).await?;
    filtered(request, response).await
}

/// Runs phases from `step`, or begins with the answer `status`.
async fn answer(
    request: &mut Request,
    step: Step,
    mut status: Option<u16>,
) -> Result<Response, Abort> {
    let mut walk = Walk::to(request, step);
    loop {
        let flow = match status.take() {
            Some(status) => Flow::Status(status),
            None => {
                let flow = match walk.run(request) {
                    Stop::Comes(flow) => flow,
                    Stop::Waits(run) => {
                        let flow = run(request).await;
                        match walk.weigh(request, flow) {
                            Sequel::Handler => continue,
                            Sequel::Step => {
                                walk.go_on(request);
                                continue;
                            }
                            Sequel::Out(flow) => flow,
                        }
                    }
                };
                let delay = walk.delay(&flow);
                if delay > 0 {
                    request.connection.http.worker.sleep(delay).await;
                }
                flow.or_else(|error| failure(request, &error))?
            }
        };
        match turn(request, flow)? {
            Turn::Answer(response) => return Ok(finished(request, response)),
            Turn::Go(step) => walk = Walk::to(request, step),
            Turn::Status(code) => status = Some(code),
        }
    }
}

/// Where a flow leads.
enum Turn {
    /// To the end.
    Answer(Response),
    /// To this step.
    Go(Step),
    /// To another status.
    Status(u16),
}

impl Turn {
    /// To `step`, unless that went wrong.
    fn go(step: Step, wrong: Option<u16>) -> Self {
        wrong.map_or(Self::Go(step), Self::Status)
    }
}

/// Follows `flow` out of the row of steps.
fn turn(request: &mut Request, flow: Flow) -> Result<Turn, Abort> {
    const REWRITE: Step = Step::Handlers(Phase::Rewrite);
    let internal = |request: &mut Request, uri, args| {
        let status = redirect::internal(request, uri, args);
        Turn::go(Step::Handlers(Phase::ServerRewrite), status)
    };
    Ok(match flow {
        Flow::Respond(response) => Turn::Answer(response),
        Flow::Close => return Err(hang_up(request, 444)),
        // What a client is not told: it is the log's word for how the exchange ended.
        Flow::Status(code @ (408 | 444 | 499)) => return Err(hang_up(request, code)),
        Flow::Relocate => {
            let what = "rewrite or internal redirection cycle while processing";
            let is_cycle = !request.count_redirect();
            Turn::go(Step::Locate, is_cycle.then(|| cycle(request, what)))
        }
        Flow::Redirect { uri, args } => internal(request, uri, args),
        Flow::Named(name) => Turn::go(REWRITE, redirect::named(request, &name)),
        Flow::Status(code) if request.has_substitute => Turn::Answer(Response::new(code)),
        Flow::Status(code) => match redirect::to_error_page(request, code) {
            redirect::ErrorPage::BuiltIn(response) => Turn::Answer(response),
            redirect::ErrorPage::Uri { uri, args } => internal(request, uri, args),
            redirect::ErrorPage::Named(name) => Turn::go(REWRITE, redirect::named(request, &name)),
        },
        // A walk goes on by itself where nothing else is wanted.
        Flow::Decline | Flow::Allow | Flow::EndPhase => Turn::Go(Step::Nobody),
    })
}

/// Ends the exchange without an answer; logs will have `status`.
fn hang_up(request: &mut Request, status: u16) -> Abort {
    request.sent.status = status;
    Abort::Configured
}

/// Logs that redirections go round in circles; they end in a 500.
pub(crate) fn cycle(request: &Request, what: &str) -> u16 {
    let uri = String::from_utf8_lossy(&request.uri).into_owned();
    request.log(Level::Error, &format!("{what} \"{uri}\""));
    500
}

/// What follows from an error: its status, or nothing for a client that cannot be told.
fn failure(request: &Request, error: &Error) -> Result<Flow, Abort> {
    match (error, error.status()) {
        (Error::Aborted(abort), _) => Err(*abort),
        (_, Some(status)) => {
            request.log(error.level(), &error.to_string());
            Ok(Flow::Status(status))
        }
        (_, None) => Err(Abort::SourceFailed),
    }
}

/// Applies the status that an error page stands for, and fields added on the way.
fn finished(request: &mut Request, mut response: Response) -> Response {
    if let Some(status) = request.error_status {
        response.head.status = status;
        response.head.reason = None;
    }
    crate::gateway::merge_kept(request, &mut response.head);
    response
}

/// Finds the location of the URI, and refuses what may not be served from there.
fn locate(request: &mut Request) -> Result<Flow, Error> {
    let server = Rc::clone(&request.server);
    request.location = Rc::clone(&server.root);
    request.location_matches_uri = true;
    find_location(request);
    if request.take_gave_up() {
        return Ok(Flow::Status(500));
    }
    let location = Rc::clone(&request.location);
    let structure = METHODS.of(&location.settings);
    if *structure.internal && !request.is_internal {
        return Ok(Flow::Status(404));
    }
    if let Some((methods, level)) = &*structure.limit
        && !methods.contains(&request.method)
    {
        request.enter(*level);
    }
    let max_size = *RECEIVE.of(&request.location.settings).max_size;
    if let Some(length) = request.incoming.content_length()
        && max_size > 0
        && length > max_size
        && !request.is_internal
    {
        return Err(Error::client(
            413,
            format!("client intended to send too large body: {length} bytes"),
        ));
    }
    request.debug(|r| {
        let uri = String::from_utf8_lossy(&r.uri);
        let location = String::from_utf8_lossy(&r.location.text);
        format!("http uri \"{uri}\" uses location \"{location}\"")
    });
    Ok(match redirect::missing_slash(request) {
        Some(response) => Flow::respond(response),
        None => Flow::Decline,
    })
}

/// Descends from the request's location: exact name, longest prefix, then, unless that is
/// final, patterns in their order; and the same inside what was found.
fn find_location(request: &mut Request) {
    let here = Rc::clone(&request.location);
    if here.nested.is_empty() {
        return;
    }
    if let Some(level) = here.nested.exact(&request.uri) {
        request.enter(level);
        return;
    }
    let mut is_final = false;
    if let Some(found) = here.nested.longest_prefix(&request.uri) {
        is_final = found.is_final;
        request.enter(found.level);
        let prefix = Rc::clone(&request.location);
        find_location(request);
        if matches!(
            request.location.name,
            LocationName::Exact(_) | LocationName::Pattern(_)
        ) && !Rc::ptr_eq(&prefix, &request.location)
        {
            return;
        }
    }
    if is_final {
        return;
    }
    let matching = |request: &Request, pattern: &Pattern| request.matches(pattern, &request.uri);
    for (pattern, level) in here.nested.patterns() {
        if matching(request, pattern) {
            request.enter(*level);
            find_location(request);
            return;
        }
    }
}

/// What a request becomes that no content handler wanted.
fn nobody(request: &Request) -> Flow {
    if request.uri.ends_with(b"/") {
        if let Ok(path) = crate::core::files::path_of(request, &request.uri) {
            let shown = path.display();
            request.log(
                Level::Error,
                &format!("directory index of \"{shown}\" is forbidden"),
            );
        }
        return Flow::Status(403);
    }
    request.log(Level::Error, "no handler found");
    Flow::Status(404)
}

/// Runs the filters of the location over `response`.
async fn filtered(request: &mut Request, response: Response) -> Result<Response, Abort> {
    match apply_filters(request, response, Stage::Conditional) {
        Ok(response) => Ok(response),
        // Rare, and boxed so that the task of every connection need not have room for it.
        Err(error) => Box::pin(unfilterable(request, error)).await,
    }
}

/// When a filter fails, its status is answered instead, past the filters that only make sense
/// for the response that was meant.
async fn unfilterable(request: &mut Request, error: Error) -> Result<Response, Abort> {
    let status = match failure(request, &error)? {
        Flow::Status(status) => status,
        _ => 500,
    };
    let page = answer(request, Step::Nobody, Some(status)).await?;
    match apply_filters(request, page, Stage::Headers) {
        Ok(response) => Ok(response),
        Err(error) => {
            failure(request, &error)?;
            Ok(error_page::page(request, 500))
        }
    }
}

fn apply_filters(
    request: &mut Request,
    response: Response,
    first: Stage,
) -> Result<Response, Error> {
    let location = Rc::clone(&request.location);
    let Response { mut head, mut body } = response;
    for filter in location
        .pipeline
        .filters
        .iter()
        .filter(|filter| filter.stage >= first)
    {
        body = (filter.start)(request, &mut head, body)?;
    }
    Ok(Response { head, body })
}
