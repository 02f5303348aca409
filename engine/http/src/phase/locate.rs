//! Finds the location of a URI, and what may be served from there.

use crate::config::location_name::LocationName;
use crate::error::Error;
use crate::module::Flow;
use crate::redirect;
use crate::request::Request;
use engine::Pattern;
use runtime::log::Level;
use std::rc::Rc;

/// Finds the location of the URI, and refuses what may not be served from there.
pub(super) fn locate(request: &mut Request) -> Result<Flow, Error> {
    request.location = Rc::clone(&request.server.root);
    request.location_matches_uri = true;
    find_location(request);
    if request.take_gave_up() {
        return Ok(Flow::Status(500));
    }
    if *request.location.methods.internal && !request.is_internal {
        return Ok(Flow::Status(404));
    }
    enter_limit(request);
    let max_size = *request.location.receive.max_size;
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

/// Goes on in the block of a `limit_except` that the location has for the request's method.
pub(crate) fn enter_limit(request: &mut Request) {
    if let Some((methods, level)) = &*request.location.methods.limit
        && !methods.contains(&request.method)
    {
        request.enter(*level);
    }
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
pub(super) fn nobody(request: &Request) -> Flow {
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
