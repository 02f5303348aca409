//! A request's course through its phases to a response, and the response's through its filters.

use super::walk::{Sequel, Step, Stop, Walk};
use super::{Turn, apply_filters, drop_repeated, failure, finish, turn};
use crate::error::{Abort, Error};
use crate::error_page;
use crate::module::{BoxFuture, Flow, Phase, Stage, Waiting};
use crate::request::Request;
use crate::response::Response;
use runtime::Millis;

/// How far a request is. It runs until something has to be waited for and goes on from there, so
/// that a request for which nothing is waited for needs no task.
pub(crate) struct Course {
    walk: Walk,
    /// The filters to run over the response, from this one on.
    filters: Option<Stage>,
    /// Whether what the pause brings was weighed and has waited.
    is_delayed: bool,
    is_refusal: bool,
}

/// What running a course came to.
pub(crate) enum Reached {
    /// The response.
    Response(Result<Response, Abort>),
    /// This has to be waited for; then the course is resumed.
    Pause(Pause),
}

/// What a course waits for.
pub(crate) enum Pause {
    /// What a handler says.
    Handler(Waiting),
    /// A time, before what was said is followed.
    Delay(Millis, Box<Result<Flow, Error>>),
}

impl Pause {
    /// The future that [`Course::resume`] wants the outcome of.
    pub(crate) fn over(self, request: &mut Request) -> BoxFuture<'_, Result<Flow, Error>> {
        match self {
            Self::Handler(run) => run(request),
            Self::Delay(delay, flow) => Box::pin(async move {
                match request.hold_back(delay).await {
                    Ok(()) => *flow,
                    Err(left) => Ok(left),
                }
            }),
        }
    }
}

impl Course {
    /// Of a request that a client sent.
    pub(crate) fn main(request: &mut Request) -> Self {
        Self::new(request, Step::START, Some(Stage::Conditional))
    }

    /// Of a request that is refused before it was looked at, which is where it begins.
    pub(crate) fn refusal(request: &mut Request) -> Self {
        Self {
            is_refusal: true,
            ..Self::new(request, Step::Nobody, Some(Stage::Conditional))
        }
    }

    /// Of a subrequest.
    pub(super) fn nested(request: &mut Request) -> Self {
        let step = Step::Handlers(Phase::ServerRewrite);
        Self::new(request, step, Some(Stage::Conditional))
    }

    /// To a response that passes no filter.
    pub(super) fn unfiltered(request: &mut Request) -> Self {
        Self::new(request, Step::Nobody, None)
    }

    fn new(request: &mut Request, step: Step, filters: Option<Stage>) -> Self {
        Self {
            walk: Walk::to(request, step),
            filters,
            is_delayed: false,
            is_refusal: false,
        }
    }

    /// Whether the request is refused.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// Goes on to the end from what was `reached`, however long that takes.
    ///
    /// # Errors
    ///
    /// The client cannot be answered.
    pub(super) async fn finish(
        mut self,
        request: &mut Request,
        mut reached: Reached,
    ) -> Result<Response, Abort> {
        loop {
            let pause = match reached {
                Reached::Response(response) => return response,
                Reached::Pause(pause) => pause,
            };
            let flow = pause.over(request).await;
            reached = self.resume(request, flow);
        }
    }

    /// Runs until there is a response or something to wait for.
    pub(crate) fn run(&mut self, request: &mut Request) -> Reached {
        loop {
            let reached = match self.walk.run(request) {
                Stop::Waits(run) => return Reached::Pause(Pause::Handler(run)),
                Stop::Comes(flow) => self.come(request, flow),
            };
            if let Some(reached) = reached {
                return reached;
            }
        }
    }

    /// Runs from where `flow` leads.
    pub(crate) fn run_from(&mut self, request: &mut Request, flow: Flow) -> Reached {
        let reached = self.follow(request, Ok(flow));
        reached.unwrap_or_else(|| self.run(request))
    }

    /// Goes on with what the pause brought.
    pub(crate) fn resume(&mut self, request: &mut Request, flow: Result<Flow, Error>) -> Reached {
        let reached = if std::mem::take(&mut self.is_delayed) {
            self.follow(request, flow)
        } else {
            match self.walk.weigh(request, &flow) {
                Sequel::Handler => None,
                Sequel::Step => {
                    self.walk.go_on(request);
                    None
                }
                Sequel::Out => self.come(request, flow),
            }
        };
        reached.unwrap_or_else(|| self.run(request))
    }

    /// What the walk came to is followed, sooner or later.
    fn come(&mut self, request: &mut Request, flow: Result<Flow, Error>) -> Option<Reached> {
        match self.walk.delay(&flow) {
            0 => self.follow(request, flow),
            delay => {
                self.is_delayed = true;
                Some(Reached::Pause(Pause::Delay(delay, Box::new(flow))))
            }
        }
    }

    /// Follows `flow` out of the row of steps: to a response, or to where the walk goes on.
    fn follow(&mut self, request: &mut Request, flow: Result<Flow, Error>) -> Option<Reached> {
        match self.try_follow(request, flow) {
            Ok(response) => response.map(|response| Reached::Response(Ok(response))),
            Err(abort) => Some(Reached::Response(Err(abort))),
        }
    }

    fn try_follow(
        &mut self,
        request: &mut Request,
        mut flow: Result<Flow, Error>,
    ) -> Result<Option<Response>, Abort> {
        loop {
            let known = match flow {
                Ok(flow) => flow,
                Err(error) => Flow::Status(failure(request, &error)?),
            };
            let mut response = match known {
                Flow::Respond(response) => response,
                flow_on => match turn(request, flow_on)? {
                    Turn::Answer(response) => response,
                    Turn::Go(step) => {
                        self.walk = Walk::to(request, step);
                        return Ok(None);
                    }
                    Turn::Status(code) => {
                        flow = Ok(Flow::Status(code));
                        continue;
                    }
                },
            };
            finish(request, &mut response.head);
            match self.filter(request, &mut response)? {
                None => return Ok(Some(response)),
                Some(status) => flow = Ok(Flow::Status(status)),
            }
        }
    }

    /// Runs the filters of the location over `response`. When one fails, this gives the status
    /// that is answered instead, past the filters that only make sense for the response that was
    /// meant.
    fn filter(
        &mut self,
        request: &mut Request,
        response: &mut Response,
    ) -> Result<Option<u16>, Abort> {
        let Some(first) = self.filters else {
            return Ok(None);
        };
        let is_second = first != Stage::Conditional;
        match apply_filters(request, response, first) {
            Ok(()) => {
                if is_second {
                    drop_repeated(&mut response.head.fields);
                }
            }
            Err(error) => {
                let status = failure(request, &error)?;
                if !is_second {
                    self.filters = Some(Stage::Headers);
                    return Ok(Some(status));
                }
                *response = error_page::page(request, 500);
            }
        }
        Ok(None)
    }
}
