//! `$proxy_host`, `$proxy_port`, `$proxy_add_x_forwarded_for`.

use super::SETTINGS;
use super::pass::Pass;
use super::target::Target;
use http::{Request, RequestSlot, Variable};
use http1::Known;
use std::rc::Rc;

/// The target of a request whose URL has variables.
pub(super) static TARGET: RequestSlot<Rc<Target>> = RequestSlot::new();

/// The table.
pub(super) const VARIABLES: &[Variable] = &[
    Variable::new("proxy_host", |request, out| {
        of_target(request, |target| out.extend_from_slice(&target.host))
    }),
    Variable::new("proxy_port", |request, out| {
        of_target(request, |target| out.extend_from_slice(&target.port))
    }),
    Variable::new("proxy_add_x_forwarded_for", |request, out| {
        for field in request.head.parsed.all(Known::XForwardedFor) {
            out.extend_from_slice(field.value.of(&request.head.buf));
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(request.remote_addr().host().to_string().as_bytes());
        true
    }),
];

fn of_target(request: &Request, tell: impl FnOnce(&Target)) -> bool {
    if let Some(target) = TARGET.get(request) {
        tell(target);
        return true;
    }
    match SETTINGS.of(&request.location.settings).pass.as_deref() {
        Some(Pass::Fixed(target)) => {
            tell(target);
            true
        }
        _ => false,
    }
}
