//! Runs a request through its phases to a response, and the response through its filters.

mod course;
mod locate;
mod walk;

pub(crate) use course::{Course, Pause, Reached};
pub(crate) use locate::enter_limit;

use crate::bytes::Bytes;
use crate::error::{Abort, Error};
use crate::module::{Flow, Phase, Stage};
use crate::redirect;
use crate::request::Request;
use crate::response::{Response, ResponseHead};
use runtime::log::Level;
use std::rc::Rc;
use walk::Step;

/// Makes the response of a subrequest, filters applied: whoever may read the main request may
/// read what it is made of, so nobody is asked again.
///
/// # Errors
///
/// The client cannot be answered: it left, or the configuration says to close.
pub(crate) async fn serve_nested(request: &mut Request) -> Result<Response, Abort> {
    let mut course = Course::nested(request);
    let reached = course.run(request);
    course.finish(request, reached).await
}

/// Makes the response of a request that goes where `flow` says, without any filter.
///
/// # Errors
///
/// As [`serve_nested`].
pub(crate) async fn serve_from(request: &mut Request, flow: Flow) -> Result<Response, Abort> {
    let mut course = Course::unfiltered(request);
    let reached = course.run_from(request, flow);
    course.finish(request, reached).await
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
fn failure(request: &Request, error: &Error) -> Result<u16, Abort> {
    match (error, error.status()) {
        (Error::Aborted(abort), _) => Err(*abort),
        (_, Some(status)) => {
            request.log(error.level(), &error.to_string());
            Ok(status)
        }
        (_, None) => Err(Abort::SourceFailed),
    }
}

/// Applies the status that an error page stands for, and fields added on the way.
fn finish(request: &mut Request, head: &mut ResponseHead) {
    if let Some(status) = request.error_status {
        head.status = status;
        head.reason = None;
    }
    crate::gateway::merge_kept(request, head);
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
    response: &mut Response,
    first: Stage,
) -> Result<(), Error> {
    let location = Rc::clone(&request.location);
    let filters = location.pipeline.filters.iter();
    for filter in filters.filter(|filter| filter.stage >= first) {
        (filter.start)(request, &mut response.head, &mut response.body)?;
    }
    Ok(())
}
