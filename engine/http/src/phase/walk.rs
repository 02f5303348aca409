//! The row of phases, and a request's walk along it.

use super::locate::{locate, nobody};
use crate::config::generation::Location;
use crate::error::Error;
use crate::module::{Flow, Phase, Run, Waiting};
use crate::request::Request;
use runtime::log::Level;
use std::rc::Rc;

/// Where a request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Handlers(Phase),
    Locate,
    Nobody,
}

impl Step {
    pub(super) const START: Self = Self::Handlers(Phase::PostRead);
}

/// A request on its way through the phases. It stops where a handler has to wait and goes on
/// from there, so that what need not wait costs no future.
pub(super) struct Walk {
    step: Step,
    /// The level whose handlers run: a phase ends with the handlers that it began with.
    level: Rc<Location>,
    /// The next handler of the phase.
    handler: usize,
    /// With `satisfy any`, the refusal that stands unless somebody grants access.
    refused: Option<u16>,
}

/// What stopped a walk.
pub(super) enum Stop {
    /// This handler has to wait.
    Waits(Waiting),
    /// This is what the handlers came to.
    Comes(Result<Flow, Error>),
}

/// What follows on a handler.
pub(super) enum Sequel {
    /// The next handler of the phase.
    Handler,
    /// The next step.
    Step,
    /// What it said, which the row of steps does not have.
    Out,
}

impl Walk {
    /// Stands before `step`.
    pub(super) fn to(request: &mut Request, step: Step) -> Self {
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

    /// Goes to the next step, past phases in which there is nothing to do.
    #[inline]
    pub(super) fn go_on(&mut self, request: &mut Request) {
        let after = |phase| {
            let next = request.location.pipeline.next(phase);
            next.map_or(Step::Nobody, Step::Handlers)
        };
        self.step = match self.step {
            Step::Handlers(Phase::PostRead) => {
                request.location = Rc::clone(&request.server.root);
                match request.location.pipeline.next(Phase::PostRead) {
                    Some(Phase::ServerRewrite) => Step::Handlers(Phase::ServerRewrite),
                    _ => Step::Locate,
                }
            }
            Step::Handlers(Phase::ServerRewrite) => Step::Locate,
            Step::Locate => after(Phase::ServerRewrite),
            Step::Handlers(phase) => after(phase),
            Step::Nobody => Step::Nobody,
        };
        self.handler = 0;
        if !Rc::ptr_eq(&self.level, &request.location) {
            self.level = Rc::clone(&request.location);
        }
    }

    /// Runs handlers, phase after phase, until one has to wait or has an answer.
    pub(super) fn run(&mut self, request: &mut Request) -> Stop {
        loop {
            let phase = match self.step {
                Step::Handlers(phase) => phase,
                Step::Locate => match locate(request) {
                    Ok(Flow::Decline) => {
                        self.go_on(request);
                        continue;
                    }
                    flow => return Stop::Comes(flow),
                },
                Step::Nobody => return Stop::Comes(Ok(nobody(request))),
            };
            match self.next_handler(request, phase) {
                Some(Run::Now(run)) => {
                    let flow = run(request);
                    match self.weigh(request, &flow) {
                        Sequel::Handler => {}
                        Sequel::Step => self.go_on(request),
                        Sequel::Out => return Stop::Comes(flow),
                    }
                }
                Some(Run::Waiting(run)) => return Stop::Waits(run),
                None => match self.refused.take() {
                    Some(status) => return Stop::Comes(Ok(refuse(request, status))),
                    None => self.go_on(request),
                },
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

    /// What the flow of a handler means.
    ///
    /// In the access phase, with `satisfy all` nobody may refuse; with `satisfy any` one who
    /// grants is enough, and a refusal waits for the others.
    #[inline]
    pub(super) fn weigh(&mut self, request: &mut Request, flow: &Result<Flow, Error>) -> Sequel {
        match *flow {
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
            _ => Sequel::Out,
        }
    }

    /// Whether access is judged, by `satisfy any`.
    fn is_one_enough(&self) -> bool {
        self.step == Step::Handlers(Phase::Access) && *self.level.respond.satisfy == 1
    }

    /// How many milliseconds `flow` is held back: `auth_delay`, which makes guessing passwords
    /// by timing and by speed harder.
    pub(super) fn delay(&self, flow: &Result<Flow, Error>) -> u64 {
        match flow {
            Ok(Flow::Status(401 | 407)) if self.step == Step::Handlers(Phase::Access) => {
                *self.level.respond.auth_delay
            }
            _ => 0,
        }
    }
}

/// The answer when every handler of a phase was heard, and one had refused.
fn refuse(request: &Request, status: u16) -> Flow {
    if !matches!(status, 401 | 407) {
        request.log(Level::Error, "access forbidden by rule");
    }
    Flow::Status(status)
}
