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
    let common = COMMON.of(&location.settings);
    let settings = SETTINGS.share(&location.settings);
    let Some(Pass::Fixed(target)) = settings.pass.as_deref() else {
        return Err(NoAnswer::default());
    };
    let target = Rc::clone(target);
    let codec = Http1::new(settings, common, target);
    gateway::probe(request, codec, common, probe).await
}
