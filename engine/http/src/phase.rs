//! Runs a request through its phases to a response, and the response through its filters.

use crate::config::location_name::LocationName;
use crate::core::receive::RECEIVE;
use crate::core::respond::RESPOND;
use crate::core::structure::METHODS;
use crate::error::{Abort, Error};
use crate::error_page;
use crate::module::{Flow, Phase, Run, Stage};
use crate::redirect;
use crate::request::Request;
use crate::response::Response;
use engine::Pattern;
use runtime::log::Level;
use std::rc::Rc;

/// Where a request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    PostRead,
    ServerRewrite,
    Locate,
    Rewrite,
    PreAccess,
    Access,
    PreContent,
    Content,
    Nobody,
}

impl Step {
    fn next(self) -> Self {
        match self {
            Self::PostRead => Self::ServerRewrite,
            Self::ServerRewrite => Self::Locate,
            Self::Locate => Self::Rewrite,
            Self::Rewrite => Self::PreAccess,
            Self::PreAccess => Self::Access,
            Self::Access => Self::PreContent,
            Self::PreContent => Self::Content,
            Self::Content | Self::Nobody => Self::Nobody,
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
    let response = answer(request, Step::PostRead, None).await?;
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
    let response = answer(request, Step::ServerRewrite, None).await?;
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
    mut step: Step,
    mut status: Option<u16>,
) -> Result<Response, Abort> {
    loop {
        let flow = match status.take() {
            Some(status) => Flow::Status(status),
            None => match run_step(request, step).await {
                Ok(flow) => flow,
                Err(error) => failure(request, &error)?,
            },
        };
        match flow {
            Flow::Decline | Flow::Allow | Flow::EndPhase => step = step.next(),
            Flow::Respond(response) => return Ok(finished(request, response)),
            Flow::Close => return Err(hang_up(request, 444)),
            // What a client is not told: it is the log's word for how the exchange ended.
            Flow::Status(code @ (408 | 444 | 499)) => return Err(hang_up(request, code)),
            Flow::Relocate => {
                step = Step::Locate;
                if !request.count_redirect() {
                    status = Some(cycle(
                        request,
                        "rewrite or internal redirection cycle while processing",
                    ));
                }
            }
            Flow::Redirect { uri, args } => {
                step = Step::ServerRewrite;
                status = redirect::internal(request, uri, args);
            }
            Flow::Named(name) => {
                step = Step::Rewrite;
                status = redirect::named(request, &name);
            }
            Flow::Status(code) if request.has_substitute => {
                return Ok(finished(request, Response::new(code)));
            }
            Flow::Status(code) => match redirect::to_error_page(request, code) {
                redirect::ErrorPage::BuiltIn(response) => return Ok(finished(request, response)),
                redirect::ErrorPage::Uri { uri, args } => {
                    step = Step::ServerRewrite;
                    status = redirect::internal(request, uri, args);
                }
                redirect::ErrorPage::Named(name) => {
                    step = Step::Rewrite;
                    status = redirect::named(request, &name);
                }
            },
        }
    }
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

async fn run_step(request: &mut Request, step: Step) -> Result<Flow, Error> {
    match step {
        Step::PostRead => run_phase(request, Phase::PostRead).await,
        Step::ServerRewrite => {
            request.location = Rc::clone(&request.server.root);
            run_phase(request, Phase::ServerRewrite).await
        }
        Step::Locate => locate(request),
        Step::Rewrite => run_phase(request, Phase::Rewrite).await,
        Step::PreAccess => run_phase(request, Phase::PreAccess).await,
        Step::Access if request.is_subrequest => Ok(Flow::Decline),
        Step::Access => judge(request).await,
        Step::PreContent => run_phase(request, Phase::PreContent).await,
        Step::Content => run_phase(request, Phase::Content).await,
        Step::Nobody => Ok(nobody(request)),
    }
}

async fn run(handler: Run, request: &mut Request) -> Result<Flow, Error> {
    match handler {
        Run::Now(run) => run(request),
        Run::Waiting(run) => run(request).await,
    }
}

async fn run_phase(request: &mut Request, phase: Phase) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    for &handler in location.pipeline.handlers(phase) {
        match run(handler, request).await? {
            Flow::Decline | Flow::Allow => {}
            flow => return Ok(flow),
        }
    }
    Ok(Flow::Decline)
}

/// The access phase. `satisfy all`: nobody may refuse. `satisfy any`: one who grants is
/// enough.
async fn judge(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let settings = RESPOND.of(&location.settings);
    let any = *settings.satisfy == 1;
    let mut refused = None;
    for &handler in location.pipeline.handlers(Phase::Access) {
        match run(handler, request).await? {
            Flow::Decline => {}
            Flow::Allow if any => {
                request.extra_fields.clear();
                return Ok(Flow::Decline);
            }
            Flow::Allow => {}
            // A 401 tells the client what it can do, so it wins over a 403.
            Flow::Status(status @ (401 | 403 | 407)) if any => {
                refused = Some(refused.filter(|known| *known != 403).unwrap_or(status));
            }
            Flow::Status(status @ (401 | 407)) => {
                delay_refusal(request, *settings.auth_delay).await;
                return Ok(Flow::Status(status));
            }
            flow => return Ok(flow),
        }
    }
    match refused {
        Some(status @ (401 | 407)) => {
            delay_refusal(request, *settings.auth_delay).await;
            Ok(Flow::Status(status))
        }
        Some(status) => {
            request.log(Level::Error, "access forbidden by rule");
            Ok(Flow::Status(status))
        }
        None => Ok(Flow::Decline),
    }
}

/// `auth_delay`: makes guessing passwords by timing and by speed harder.
async fn delay_refusal(request: &Request, millis: u64) {
    if millis > 0 {
        request.connection.http.worker.sleep(millis).await;
    }
}

/// Finds the location of the URI, and refuses what may not be served from there.
fn locate(request: &mut Request) -> Result<Flow, Error> {
    let server = Rc::clone(&request.server);
    request.location = Rc::clone(&server.root);
    request.location_matches_uri = true;
    find_location(request);
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

/// Runs the filters of the location over `response`. When one fails, its status is answered
/// instead, past the filters that only make sense for the response that was meant.
async fn filtered(request: &mut Request, response: Response) -> Result<Response, Abort> {
    let error = match apply_filters(request, response, Stage::Conditional) {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
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
