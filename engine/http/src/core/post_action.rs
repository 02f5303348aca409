//! `post_action`: where a request goes once it is answered, to be counted, billed or told of
//! elsewhere. Nobody is sent what comes of it; the log has it in the place of the answer.
//!
//! nginx has this directive without documenting it; what it does was found by asking it.

use crate::module::{Flow, Module};
use crate::phase;
use crate::request::{Request, Sent};
use crate::response::ResponseHead;
use engine::directive::text;
use engine::{Contexts, Directive, Setting, Slot, inherit_fields};

/// Settings of a location.
#[derive(Clone, Default)]
struct PostAction {
    /// A URI, or the name of a location behind `@`; empty for none.
    target: Setting<Vec<u8>>,
}

inherit_fields!(PostAction { target });

const DIRECTIVES: &[Directive<PostAction>] =
    &[text("post_action", Contexts::ALL_AND_IF, |s| &mut s.target)];

static SETTINGS: Slot<PostAction> = Slot::location(DIRECTIVES);

/// What follows on answers.
pub(super) static MODULE: Module = Module {
    name: "core_post_action",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// Whether something follows on the answer of `request`. Nothing does on a connection that was
/// hung up on purpose (`return 444`).
pub(crate) fn is_wanted(request: &Request) -> bool {
    let target = &SETTINGS.of(&request.location.settings).target;
    !target.is_empty() && request.sent.status != 444
}

/// Sends an answered request where its location says, and on from there, as often as a request
/// may be redirected.
pub(crate) async fn run(request: &mut Request) {
    // What is left of the body is not for this: it may never come.
    let incoming = std::mem::take(&mut request.incoming);
    request.detach();
    while is_wanted(request) && request.can_redirect() {
        let flow = flow(&SETTINGS.of(&request.location.settings).target);
        match phase::serve_from(request, flow).await {
            Ok(response) => note(&mut request.sent, response.head),
            Err(_) => break,
        }
    }
    request.incoming = incoming;
    // There is no client for it.
    request.tunnel = None;
}

/// Makes `head` what logs know of the answer; the fields that were sent stay among its own.
fn note(sent: &mut Sent, mut head: Box<ResponseHead>) {
    sent.status = head.status;
    if let Some(before) = sent.head.take() {
        head.fields.splice(0..0, before.fields);
        head.content_type = head.content_type.or(before.content_type);
    }
    sent.head = Some(head);
}

fn flow(target: &[u8]) -> Flow {
    if target.starts_with(b"/") {
        // It has no arguments: a question mark is part of the path.
        return Flow::Redirect {
            uri: target.to_vec(),
            args: Vec::new(),
        };
    }
    Flow::Named(target.strip_prefix(b"@").unwrap_or(target).to_vec())
}
