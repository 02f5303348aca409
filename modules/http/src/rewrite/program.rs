//! Runs the rules of a level.

use super::{Block, Rule, SETTINGS};
use engine::Template;
use engine::template::Piece;
use engine::variable::Lookup;
use http::{Error, Flow, Request};
use std::ops::ControlFlow;
use std::rc::Rc;

/// Whether the next rule follows; if not, the answer, where there is one.
pub(super) type Step = ControlFlow<Option<Flow>>;

/// Goes on with the next rule.
pub(super) const NEXT: Step = ControlFlow::Continue(());
/// Skips the rules that are left.
pub(super) const STOP: Step = ControlFlow::Break(None);

/// One run through the rules of a level and of the `if` blocks in it.
pub(super) struct Run {
    /// `rewrite_log` of the level that the run began at.
    pub(super) logs: bool,
    /// Whether the location must be searched again.
    pub(super) is_moved: bool,
    /// Whether captures are escaped in the values of `set` and of conditions. nginx does so
    /// up to the first `rewrite` that matches.
    pub(super) escapes_captures: bool,
}

/// Runs the rules of the request's level. Gives [`Flow::Relocate`] when they changed the URI.
///
/// # Errors
///
/// A rule made an empty URI, or something too long.
pub(super) fn run(request: &mut Request) -> Result<Flow, Error> {
    let level = Rc::clone(&request.location);
    let settings = SETTINGS.of(&level.settings);
    let mut run = Run {
        logs: *settings.log,
        is_moved: false,
        escapes_captures: true,
    };
    let step = run.rules(request, &settings.rules)?;
    if request.take_gave_up() {
        return Ok(Flow::Status(500));
    }
    Ok(match step {
        ControlFlow::Break(Some(flow)) => flow,
        _ if run.is_moved => Flow::Relocate,
        _ => Flow::Decline,
    })
}

impl Run {
    fn rules(&mut self, request: &mut Request, rules: &[Rule]) -> Result<Step, Error> {
        for rule in rules {
            let step = match rule {
                Rule::Answer(answer) => ControlFlow::Break(Some(answer.make(request))),
                Rule::Rewrite(rewrite) => rewrite.apply(request, self)?,
                Rule::If(condition, block) if condition.holds(request, self) => {
                    self.block(request, *block)?
                }
                Rule::If(..) => NEXT,
                Rule::Set(variable, value) => {
                    let value = self.value(request, value);
                    http::variable::check_length(b"set", &value)?;
                    request.set_variable(*variable, &value);
                    NEXT
                }
                Rule::Break => {
                    self.is_moved = false;
                    STOP
                }
            };
            if step.is_break() {
                return Ok(step);
            }
        }
        Ok(NEXT)
    }

    /// Runs the block of an `if` that was true. Blocks cannot nest, so neither does this.
    fn block(&mut self, request: &mut Request, block: Block) -> Result<Step, Error> {
        if block.is_entered {
            request.enter(block.level);
        }
        let level = Rc::clone(request.generation.level(block.level));
        self.rules(request, &SETTINGS.of(&level.settings).rules)
    }

    /// The value of `template` for `set` and conditions.
    pub(super) fn value(&self, request: &Request, template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        write(template, request, self.escapes_captures, &mut out);
        out
    }
}

/// Appends the value of `template`.
///
/// Captures are parts of a URI whose escapes were taken out. Where `escapes_captures` asks for
/// it, and the client's URI had escapes or a `+`, they are escaped again so that they can
/// stand in a query or a redirect.
pub(super) fn write(
    template: &Template,
    request: &Request,
    escapes_captures: bool,
    out: &mut Vec<u8>,
) {
    let target = &request.head.parsed.target;
    if !escapes_captures || !(target.quoted || target.plus) || !template.uses_captures() {
        return template.write(request, out);
    }
    let mut capture = Vec::new();
    template.for_each(|piece| match piece {
        Piece::Text(text) => out.extend_from_slice(text),
        Piece::Variable(id) => {
            request.write_variable(id, out);
        }
        Piece::Capture(number) => {
            capture.clear();
            request.write_capture(number, &mut capture);
            base::escape::uri(base::escape::Uri::Args, &capture, out);
        }
    });
}
