//! Runs a request through its phases to a response, and the response through its filters.

mod locate;
mod walk;

pub(crate) use locate::enter_limit;

use crate::bytes::Bytes;
use crate::error::{Abort, Error};
use crate::error_page;
use crate::module::{Flow, Phase, Stage};
use crate::redirect;
use crate::request::Request;
use crate::response::Response;
use runtime::log::Level;
use std::rc::Rc;
use walk::{Sequel, Step, Stop, Walk};

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

/// Makes the response of a request that goes where `flow` says, without any filter.
///
/// # Errors
///
/// As [`serve`].
pub(crate) async fn serve_from(request: &mut Request, flow: Flow) -> Result<Response, Abort> {
    match turn(request, flow)? {
        Turn::Answer(response) => Ok(finished(request, response)),
        Turn::Go(step) => answer(request, step, None).await,
        Turn::Status(status) => answer(request, Step::Nobody, Some(status)).await,
    }
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
                let flow = match walk.delay(&flow) {
                    0 => flow,
                    delay => match request.hold_back(delay).await {
                        Ok(()) => flow,
                        Err(left) => Ok(left),
                    },
                };
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
            redirect::ErrorPage::BuiltIn(response) => {
                // What a peer said of its ranges is not so of a page of our own.
                let is_ranges = |name: &[u8]| name.eq_ignore_ascii_case(b"Accept-Ranges");
                request.extra_fields.retain(|(name, _)| !is_ranges(name));
                Turn::Answer(response)
            }
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
fn cycle(request: &Request, what: &str) -> u16 {
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
        Ok(mut response) => {
            drop_repeated(&mut response.head.fields);
            Ok(response)
        }
        Err(error) => {
            failure(request, &error)?;
            Ok(error_page::page(request, 500))
        }
    }
}

/// Leaves one of those fields that are the same to the letter: filters that ran for the response
/// that was meant have run again.
fn drop_repeated(fields: &mut Vec<(Bytes, Bytes)>) {
    let mut kept: Vec<(Bytes, Bytes)> = Vec::with_capacity(fields.len());
    for field in fields.drain(..) {
        if !kept.contains(&field) {
            kept.push(field);
        }
    }
    *fields = kept;
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
