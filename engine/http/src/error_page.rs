//! The pages that the server makes itself, in nginx's shape.

use crate::body::Body;
use crate::bytes::Bytes;
use crate::core::respond::server_field;
use crate::request::Request;
use crate::response::Response;

/// What is appended for browsers that show their own page instead of a short one.
const PADDING: &str = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n";

/// The page for `status`.
///
/// Statuses that are nginx's own are told as what they stand for: 494 to 497 are 400s on the
/// wire, and keep their text.
pub fn page(request: &Request, status: u16) -> Response {
    let location = request.location.clone();
    let settings = &location.respond;
    let wire = match status {
        494..=498 => 400,
        other => other,
    };
    let mut response = Response::new(wire);
    if wire == 204 || wire == 304 || wire < 200 {
        return response;
    }
    let Some((title, note)) = text(status) else {
        // A status nobody has a page for goes out without one.
        response.head.content_length = Some(0);
        return response;
    };
    let name = server_field(&settings.server_tokens, request);
    let mut html = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n");
    html += &format!("<center><h1>{}</h1></center>\r\n", heading(status, title));
    if let Some(note) = note {
        html += &format!("<center>{note}</center>\r\n");
    }
    html += "<hr>";
    if let Some(name) = name {
        html += &format!("<center>{}</center>", String::from_utf8_lossy(&name));
    }
    html += "\r\n</body>\r\n</html>\r\n";
    if *settings.msie_padding && status >= 400 && is_padded_browser(request) {
        html += &PADDING.repeat(6);
    }
    response.with_body(Bytes::Static(b"text/html"), Body::Bytes(html.into()))
}

/// A page that takes the place of a redirect for browsers that did not follow some redirects
/// (`msie_refresh`).
pub(crate) fn refresh(request: &Request, status: u16, location: &[u8]) -> Option<Response> {
    let is_wanted = *request.location.respond.msie_refresh;
    if !is_wanted || !matches!(status, 301 | 302) || !is_msie(user_agent(request)) {
        return None;
    }
    let mut html = b"<html><head><meta http-equiv=\"Refresh\" content=\"0; URL=".to_vec();
    base::escape::uri(base::escape::Uri::Refresh, location, &mut html);
    html.extend_from_slice(b"\"></head><body></body></html>\r\n");
    Some(Response::text(200, Bytes::Static(b"text/html"), html))
}

fn user_agent(request: &Request) -> &[u8] {
    request.header(http1::Known::UserAgent).unwrap_or_default()
}

/// Internet Explorer, and not Opera under its name.
fn is_msie(agent: &[u8]) -> bool {
    memchr::memmem::find(agent, b"MSIE ").is_some()
        && memchr::memmem::find(agent, b"Opera").is_none()
}

/// Internet Explorer, and Chrome of those days.
fn is_padded_browser(request: &Request) -> bool {
    let agent = user_agent(request);
    is_msie(agent) || memchr::memmem::find(agent, b"Chrome/").is_some()
}

fn heading(status: u16, title: &'static str) -> &'static str {
    match status {
        494..=498 => "400 Bad Request",
        _ => title,
    }
}

/// Title of a status's page and what is said below its heading; `None` for statuses that have
/// no page.
fn text(status: u16) -> Option<(&'static str, Option<&'static str>)> {
    let note = match status {
        494 => Some("Request Header Or Cookie Too Large"),
        495 => Some("The SSL certificate error"),
        496 => Some("No required SSL certificate was sent"),
        497 => Some("The plain HTTP request was sent to HTTPS port"),
        _ => None,
    };
    let title = match status {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        303 => "303 See Other",
        307 => "307 Temporary Redirect",
        308 => "308 Permanent Redirect",
        400 => "400 Bad Request",
        401 => "401 Authorization Required",
        402 => "402 Payment Required",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        405 => "405 Not Allowed",
        406 => "406 Not Acceptable",
        407 => "407 Proxy Authentication Required",
        408 => "408 Request Time-out",
        409 => "409 Conflict",
        410 => "410 Gone",
        411 => "411 Length Required",
        412 => "412 Precondition Failed",
        413 => "413 Request Entity Too Large",
        414 => "414 Request-URI Too Large",
        415 => "415 Unsupported Media Type",
        416 => "416 Requested Range Not Satisfiable",
        421 => "421 Misdirected Request",
        429 => "429 Too Many Requests",
        494 => "400 Request Header Or Cookie Too Large",
        495 => "400 The SSL certificate error",
        496 => "400 No required SSL certificate was sent",
        497 => "400 The plain HTTP request was sent to HTTPS port",
        500 => "500 Internal Server Error",
        501 => "501 Not Implemented",
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        505 => "505 HTTP Version Not Supported",
        507 => "507 Insufficient Storage",
        _ => return None,
    };
    Some((title, note))
}
