//! Writes a response's head, in nginx's order of fields.

use super::h1::speaks_http11;
use crate::core::respond::server_field;
use crate::error::Error;
use crate::redirect;
use crate::request::Request;
use crate::response::{LastModified, ResponseHead};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// By its length.
    Length(u64),
    /// In chunks.
    Chunked,
    /// By closing the connection.
    Close,
}

/// Appends the head to `out`.
///
/// # Errors
///
/// A field would carry a line break or NUL: whatever the configuration says, that never
/// leaves.
pub fn render(
    request: &Request,
    head: &ResponseHead,
    framing: BodyFraming,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match &head.reason {
        None => http1::status::write_line(head.status, out),
        Some(reason) => line(out, b"HTTP/1.1 ", reason),
    }
    match &head.server {
        // A gateway passes what the other server said of itself, be it nothing.
        Some(server) if server.is_empty() => {}
        Some(server) => known_field(out, b"Server: ", server)?,
        None => {
            if let Some(name) = server_field(&request.location.respond.server_tokens, request) {
                known_field(out, b"Server: ", &name)?;
            }
        }
    }
    match &head.date {
        Some(date) if date.is_empty() => {}
        Some(date) => known_field(out, b"Date: ", date)?,
        None => line(
            out,
            b"Date: ",
            &request.connection.http.worker.wall().http_date,
        ),
    }
    content_fields(head, framing, out)?;
    let location = head.location.as_ref();
    let absolute = location.and_then(|to| redirect::absolute_location(request, to));
    if let Some(location) = &absolute {
        known_field(out, b"Location: ", location)?;
    }
    if framing == BodyFraming::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    connection_fields(request, head, out);
    // One that is sent as it stands is among all other fields, as nginx has it.
    if let (None, Some(location)) = (absolute, location) {
        known_field(out, b"Location: ", location)?;
    }
    if let Some(encoding) = &head.content_encoding {
        known_field(out, b"Content-Encoding: ", encoding)?;
    }
    if let Some(etag) = &head.etag {
        known_field(out, b"ETag: ", etag)?;
    }
    for (name, value) in &head.fields {
        field(out, name, value)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn content_fields(
    head: &ResponseHead,
    framing: BodyFraming,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let name = b"Content-Type";
    let start = out.len();
    out.extend_from_slice(b"Content-Type: ");
    let value = out.len();
    if head.write_content_type(out) {
        check_value(name, &out[value..])?;
        out.extend_from_slice(b"\r\n");
    } else {
        out.truncate(start);
    }
    if let BodyFraming::Length(length) = framing {
        out.extend_from_slice(b"Content-Length: ");
        decimal(length, out);
        out.extend_from_slice(b"\r\n");
    }
    match &head.last_modified {
        Some(LastModified::At(time)) if *time >= 0 => {
            out.extend_from_slice(b"Last-Modified: ");
            base::date::write_http(*time, out);
            out.extend_from_slice(b"\r\n");
            Ok(())
        }
        Some(LastModified::Said(said)) => known_field(out, b"Last-Modified: ", said),
        Some(LastModified::At(_)) | None => Ok(()),
    }
}

fn connection_fields(request: &Request, head: &ResponseHead, out: &mut Vec<u8>) {
    if head.status == 101 {
        out.extend_from_slice(b"Connection: upgrade\r\n");
    } else if request.keep_alive.get() {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
        let seconds = *request.location.transfer.keepalive_header;
        if seconds > 0 {
            out.extend_from_slice(b"Keep-Alive: timeout=");
            decimal(seconds, out);
            out.extend_from_slice(b"\r\n");
        }
    } else {
        out.extend_from_slice(b"Connection: close\r\n");
    }
}

/// How the end of a response's body can be told to this client.
pub fn framing_of(request: &Request, head: &ResponseHead) -> BodyFraming {
    if matches!(head.status, 100..=199 | 204 | 304) || request.tunnel.is_some() {
        return BodyFraming::None;
    }
    if request.is_head() {
        // The length is that of the body which GET would have; an unknown one goes unsaid.
        return head
            .content_length
            .map_or(BodyFraming::None, BodyFraming::Length);
    }
    let chunked = *request.location.transfer.chunked && speaks_http11(request);
    match head.content_length {
        Some(length) if !(head.expects_trailers && chunked) => BodyFraming::Length(length),
        _ if chunked => BodyFraming::Chunked,
        _ => BodyFraming::Close,
    }
}

/// Appends `value` in decimal.
pub fn decimal(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends one field line.
///
/// # Errors
///
/// As [`render`].
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), Error> {
    check(name, value)?;
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends one field line that begins with `prefix`, of our own: name, colon and space.
fn known_field(out: &mut Vec<u8>, prefix: &[u8], value: &[u8]) -> Result<(), Error> {
    check_value(prefix, value)?;
    line(out, prefix, value);
    Ok(())
}

fn line(out: &mut Vec<u8>, prefix: &[u8], value: &[u8]) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn check(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if is_bad(name) {
        return Err(refusal(name, value));
    }
    check_value(name, value)
}

fn check_value(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if is_bad(value) {
        return Err(refusal(name, value));
    }
    Ok(())
}

fn is_bad(bytes: &[u8]) -> bool {
    !base::bytes::is_header_safe(bytes)
}

#[cold]
fn refusal(name: &[u8], value: &[u8]) -> Error {
    let name = name.strip_suffix(b": ").unwrap_or(name);
    Error::operator(format!(
        "header \"{}\" would carry a line break or NUL: \"{}\"",
        name.escape_ascii(),
        value.escape_ascii()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for value in [0, 7, 10, 1024, u64::MAX] {
            let mut out = Vec::new();
            decimal(value, &mut out);
            assert_eq!(out, value.to_string().into_bytes());
        }
    }

    #[test]
    fn no_line_break_ever_leaves() {
        for value in [&b"a\rb"[..], b"a\nb", b"a\0b", b"\r\n"] {
            assert!(field(&mut Vec::new(), b"X", value).is_err());
            assert!(field(&mut Vec::new(), value, b"x").is_err());
        }
        assert!(field(&mut Vec::new(), b"X", "f\u{fc}r\t1".as_bytes()).is_ok());
    }
}
