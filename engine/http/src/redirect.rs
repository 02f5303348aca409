//! From one URI to another: internal redirections, named locations, error pages, and the
//! redirects that clients are told.

use crate::bytes::Bytes;
use crate::config::location_name::LocationName;
use crate::core::respond::{NewStatus, Target};
use crate::error_page;
use crate::module::Flow;
use crate::phase::enter_limit;
use crate::request::Request;
use crate::response::Response;
use http1::Method;
use runtime::log::Level;
use std::rc::Rc;

const LOCATION: &[u8] = b"Location";

/// Sends the request to `uri`, as if it came from within. A status is the answer instead when
/// that went too far.
pub fn internal(request: &mut Request, uri: Vec<u8>, args: Vec<u8>) -> Option<u16> {
    if !request.count_redirect() {
        let shown = String::from_utf8_lossy(&uri).into_owned();
        request.log(
            Level::Error,
            &format!(
                "rewrite or internal redirection cycle while internally redirecting to \"{shown}\""
            ),
        );
        return Some(500);
    }
    request.uri = uri;
    request.args = args;
    request.uri_is_original = false;
    request.uri_follows_alias = false;
    request.is_internal = true;
    request.clear_state();
    request.location = Rc::clone(&request.server.root);
    None
}

/// Sends the request to the named location `name`, its URI unchanged.
pub fn named(request: &mut Request, name: &[u8]) -> Option<u16> {
    if !request.count_redirect() {
        let shown = String::from_utf8_lossy(name).into_owned();
        let what = "rewrite or internal redirection cycle while redirect to named location";
        request.log(Level::Error, &format!("{what} \"@{shown}\""));
        return Some(500);
    }
    let Some(&level) = request.server.named.get(name) else {
        let shown = String::from_utf8_lossy(name).into_owned();
        request.log(
            Level::Error,
            &format!("could not find named location \"@{shown}\""),
        );
        return Some(500);
    };
    request.is_internal = true;
    request.clear_state();
    request.enter(level);
    enter_limit(request);
    None
}

/// What answers an error.
pub enum ErrorPage {
    /// The page that the server makes itself.
    BuiltIn(Response),
    /// A page of this server.
    Uri {
        /// Its `$uri`.
        uri: Vec<u8>,
        /// Its `$args`.
        args: Vec<u8>,
    },
    /// A named location.
    Named(Vec<u8>),
}

/// Finds the `error_page` for `status` in the request's location.
///
/// An error page is asked for by GET, whatever the request was, but for HEAD.
pub fn to_error_page(request: &mut Request, status: u16) -> ErrorPage {
    if ends_connection(status) {
        request.keep_alive.set(false);
    }
    let location = Rc::clone(&request.location);
    let settings = &location.respond;
    let may = request.can_redirect() && !request.in_error_page;
    if may && !settings.error_pages.is_empty() && !*settings.recursive_error_pages {
        request.in_error_page = true;
    }
    let wire = if (494..=498).contains(&status) {
        400
    } else {
        status
    };
    let found = settings
        .error_pages
        .iter()
        .find(|page| page.codes.contains(&status));
    let Some(page) = found.filter(|_| may && status >= 300) else {
        // An error page that fails is answered as what it failed with.
        request.error_status = Some(wire);
        return ErrorPage::BuiltIn(error_page::page(request, status));
    };
    request.error_status = match page.response {
        NewStatus::Same => Some(wire),
        NewStatus::OfPage => None,
        NewStatus::Fixed(code) => Some(code),
    };
    let template = match &page.target {
        Target::Named(name) => return ErrorPage::Named(name.clone()),
        Target::Uri(template) => template,
    };
    let uri = template.eval(request);
    if uri.starts_with(b"/") {
        if request.method != Method::Head {
            request.method = Method::Get;
        }
        let (uri, args) = split_args(&uri);
        return ErrorPage::Uri {
            uri: uri.to_vec(),
            args: args.to_vec(),
        };
    }
    let code = match page.response {
        NewStatus::Fixed(code @ (301 | 302 | 303 | 307 | 308)) => code,
        _ => 302,
    };
    request.error_status = None;
    request.extra_fields.retain(|(name, _)| **name != *LOCATION);
    ErrorPage::BuiltIn(to(request, code, uri))
}

/// Whether an answer with `status` ends the connection, since what follows on it cannot be
/// trusted or would cost too much to read.
fn ends_connection(status: u16) -> bool {
    matches!(status, 400 | 413 | 414 | 495..=497 | 500 | 501)
}

/// A redirect of the client to `location` with `status`.
pub fn to(request: &Request, status: u16, location: impl Into<Bytes>) -> Response {
    let location = location.into();
    if let Some(page) = error_page::refresh(request, status, &location) {
        return page;
    }
    let mut response = error_page::page(request, status);
    response.head.location = Some(location);
    response
}

/// Sends the client to `location` with `status`: at once, or with the `error_page` that this
/// status has.
pub fn client(request: &mut Request, status: u16, location: impl Into<Bytes>) -> Flow {
    let level = Rc::clone(&request.location);
    let mut pages = level.respond.error_pages.iter();
    if pages.any(|page| page.codes.contains(&status)) {
        let location = location_field(request, &location.into());
        let field = (Bytes::Static(LOCATION), location.into());
        request.extra_fields.push(field);
        return Flow::Status(status);
    }
    request.error_status = None;
    Flow::respond(to(request, status, location))
}

/// A 301 to the URI with a slash, when a location is named so and asks for it.
pub fn missing_slash(request: &Request) -> Option<Response> {
    if request.uri.is_empty() {
        return None;
    }
    let level = request.server.root.nested.with_slash(&request.uri)?;
    let location = request.generation.level(level);
    let is_exact = match &request.location.name {
        LocationName::Exact(_) => true,
        LocationName::Prefix { prefix, .. } => *prefix == request.uri,
        _ => false,
    };
    if is_exact
        || !*crate::core::redirects::AUTO
            .of(&location.settings)
            .adds_slash
    {
        return None;
    }
    let mut target = Vec::new();
    base::escape::uri(base::escape::Uri::Path, &request.uri, &mut target);
    target.push(b'/');
    if !request.args.is_empty() {
        target.push(b'?');
        target.extend_from_slice(&request.args);
    }
    Some(to(request, 301, target))
}

/// Splits `uri?args`.
pub fn split_args(uri: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', uri) {
        Some(at) => (&uri[..at], &uri[at + 1..]),
        None => (uri, b""),
    }
}

/// The value of the `Location` field.
pub fn location_field(request: &Request, location: &[u8]) -> Vec<u8> {
    absolute_location(request, location).unwrap_or_else(|| location.to_vec())
}

/// `location` made absolute, which those are that begin with a slash (`absolute_redirect`).
pub(crate) fn absolute_location(request: &Request, location: &[u8]) -> Option<Vec<u8>> {
    let settings = &request.location.respond;
    if !location.starts_with(b"/") || !*settings.absolute_redirect {
        return None;
    }
    let mut out = Vec::with_capacity(location.len() + 64);
    out.extend_from_slice(request.connection.scheme());
    out.extend_from_slice(b"://");
    let host = if *settings.server_name_in_redirect {
        request.server.name()
    } else {
        &request.host[..]
    };
    if host.is_empty() {
        out.extend_from_slice(request.connection.local_host().as_bytes());
    } else {
        out.extend_from_slice(host);
    }
    let port = request.connection.local_port();
    let usual = if request.connection.scheme() == b"https" {
        443
    } else {
        80
    };
    if *settings.port_in_redirect && port != usual && port != 0 {
        out.extend_from_slice(format!(":{port}").as_bytes());
    }
    out.extend_from_slice(location);
    Some(out)
}
