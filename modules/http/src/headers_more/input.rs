//! Fields of requests.

use super::SETTINGS;
use super::command::{Command, Field};
use base::bytes;
use http::{Error, Flow, Request};
use http1::{Known, Span};
use std::rc::Rc;

/// Does to a request what the location says.
///
/// The framing of the body and the server were settled when the request was read: fields that
/// tell of them change nothing any more but what is told to others.
pub(super) fn run(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    for command in SETTINGS.of(&location.settings).input.iter() {
        if !command.is_for_type(request.header(Known::ContentType)) {
            continue;
        }
        for field in &command.fields {
            let value = field.value.eval(request);
            if !bytes::is_header_safe(&value) {
                return Err(refusal(field, &value));
            }
            if !value.is_empty() && field.is_pattern {
                continue;
            }
            set(command, field, &value, request);
            settle(field, &value, request)?;
        }
    }
    Ok(Flow::Decline)
}

/// Gives fields a value, in the place of the first that is there, or takes them away.
fn set(command: &Command, field: &Field, value: &[u8], request: &mut Request) {
    let http::request::RequestHead { buf, parsed, .. } = &mut *request.head;
    let mut first = None;
    parsed.retain(|known| {
        if !field.is_about(known.name.of(buf)) {
            return true;
        }
        let is_first = first.is_none() && !value.is_empty();
        first.get_or_insert(known.name);
        is_first
    });
    if value.is_empty() || (first.is_none() && command.replaces) {
        return;
    }
    let new = append(buf, value);
    match first {
        Some(name) => parsed.set_value(name, new),
        None => {
            let name = append(buf, &field.name);
            parsed.push(http1::Field {
                name,
                value: new,
                known: Known::from_name(&field.name),
            });
        }
    }
}

fn append(buf: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = buf.len();
    buf.extend_from_slice(bytes);
    Span::new(start, buf.len())
}

/// What was made of the field when the request was read is made of its new value.
fn settle(field: &Field, value: &[u8], request: &mut Request) -> Result<(), Error> {
    match Known::from_name(&field.name) {
        Known::Host if value.is_empty() => {
            request.host.clear();
            request.host_port = None;
        }
        Known::Host => {
            let host = http1::validate_host(value).map_err(|_| refusal(field, value))?;
            request.host_port = host.port;
            request.host = host.name.into_owned();
        }
        Known::Connection if bytes::find_ignore_case(value, b"close").is_some() => {
            request.keep_alive.set(false);
        }
        _ => {}
    }
    Ok(())
}

#[cold]
fn refusal(field: &Field, value: &[u8]) -> Error {
    let (name, value) = (field.name.escape_ascii(), value.escape_ascii());
    Error::operator(format!("input header \"{name}\" cannot be \"{value}\""))
}
