//! Proxied servers asked by others than clients: what health checks need to know.

use super::codec::Http1;
use super::pass::Pass;
use super::{COMMON, SETTINGS};
use http::Request;
use http::config::arena::Entries;
use http::gateway::{self, NoAnswer, Probe, Probed, Upstream};
use std::rc::Rc;

/// The group that the requests of a location go to, where it is always the same.
pub(crate) fn group(location: &mut Entries) -> Option<Rc<Upstream>> {
    match SETTINGS.edit(location)?.pass.as_deref()? {
        Pass::Fixed(target) => Some(Rc::clone(&target.upstream)),
        Pass::Variable(..) => None,
    }
}

/// Sends `request`, as a request of its location, to the server that `probe` names.
///
/// # Errors
///
/// There is no answer.
pub(crate) async fn probe(request: &mut Request, probe: Probe) -> Result<Probed, NoAnswer> {
    let location = Rc::clone(&request.location);
    let settings = COMMON.of(&location.settings);
    let Some(Pass::Fixed(target)) = SETTINGS.of(&location.settings).pass.as_deref() else {
        return Err(NoAnswer::default());
    };
    let codec = Http1::new(&location, Rc::clone(target));
    gateway::probe(request, codec, settings, probe).await
}
