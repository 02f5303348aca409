//! The fields of a request as the proxied server gets them.

use super::target::Target;
use base::bytes::list_has_token;
use engine::Template;
use http::gateway::RequestBody;
use http::{Bytes, Error, Request};
use http1::Known;

/// Fields that are never passed from the client as they are: they concern this hop, or say
/// where the body ends, which is always said anew.
const OWN: &[&str] = &[
    "Host",
    "Connection",
    "Proxy-Connection",
    "Content-Length",
    "Transfer-Encoding",
    "TE",
    "Keep-Alive",
    "Expect",
    "Upgrade",
];

/// Compiled `proxy_set_header`.
#[derive(Default)]
pub(super) struct Fields {
    /// The Host, where the configuration says it.
    host: Option<Template>,
    /// The Content-Length, likewise.
    length: Option<Template>,
    /// The Transfer-Encoding, likewise.
    coding: Option<Template>,
    /// What every other field that the configuration says comes to, in order.
    set: Vec<Part>,
    /// The names of these.
    names: Vec<Vec<u8>>,
}

/// A part of a request's head.
enum Part {
    /// Whole lines, the same for every request.
    Lines(Vec<u8>),
    /// A field that each request says anew.
    Field { name: Vec<u8>, value: Template },
}

impl Fields {
    /// Sorts what was written.
    pub(super) fn compile(written: &[(Vec<u8>, Template)]) -> Self {
        let mut fields = Self::default();
        for (name, value) in written {
            let place = if name.eq_ignore_ascii_case(b"Host") {
                &mut fields.host
            } else if name.eq_ignore_ascii_case(b"Content-Length") {
                &mut fields.length
            } else if name.eq_ignore_ascii_case(b"Transfer-Encoding") {
                &mut fields.coding
            } else {
                fields.add(name, value);
                continue;
            };
            *place = Some(value.clone());
        }
        fields
    }

    fn add(&mut self, name: &[u8], value: &Template) {
        self.names.push(name.to_vec());
        let constant = value.as_constant();
        let Some(text) = constant.filter(|text| check(name, text).is_ok()) else {
            let (name, value) = (name.to_vec(), value.clone());
            return self.set.push(Part::Field { name, value });
        };
        if text.is_empty() {
            return;
        }
        if !matches!(self.set.last(), Some(Part::Lines(_))) {
            self.set.push(Part::Lines(Vec::new()));
        }
        if let Some(Part::Lines(lines)) = self.set.last_mut() {
            write_line(name, text, lines);
        }
    }

    /// Appends the fields for `request`, which goes to `target`. Gives whether they tell where the
    /// request ends: the configuration may have them say something else.
    pub(super) fn write(
        &self,
        request: &Request,
        target: &Target,
        body: RequestBody,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let is_said = match &self.host {
            None => false,
            Some(value) => write_field(b"Host", value, request, out)?,
        };
        if !is_said {
            target.write_host(out)?;
        }
        for part in &self.set {
            match part {
                Part::Lines(lines) => out.extend_from_slice(lines),
                Part::Field { name, value } => {
                    write_field(name, value, request, out)?;
                }
            }
        }
        match self.says_length() {
            true => self.write_framing(request, body, out),
            false => Ok(write_true_framing(body, out)),
        }
    }

    /// Says where the body ends, where the configuration has a say in that.
    fn write_framing(
        &self,
        request: &Request,
        body: RequestBody,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let digits;
        let (length, coding): (&[u8], &[u8]) = match body {
            RequestBody::None => (b"", b""),
            RequestBody::Length(length) => {
                digits = length.to_string();
                (digits.as_bytes(), b"")
            }
            RequestBody::Unknown => (b"", b"chunked"),
        };
        let mut tells_end = true;
        for (name, true_value, own) in [
            (&b"Content-Length"[..], length, &self.length),
            (b"Transfer-Encoding", coding, &self.coding),
        ] {
            let own = own.as_ref().map(|template| template.eval(request));
            let value = own.as_deref().unwrap_or(true_value);
            // Without a body, none and a length of 0 are the same.
            tells_end &= value == true_value || (body == RequestBody::None && value == b"0");
            if !value.is_empty() {
                line(name, value, out)?;
            }
        }
        Ok(tells_end)
    }

    /// Appends the client's own fields, but for those that are said anew.
    pub(super) fn write_passed(&self, request: &Request, out: &mut Vec<u8>) {
        let buf = &request.head.buf;
        let connection = || {
            let fields = request.head.parsed.all(Known::Connection);
            fields.map(|field| field.value.of(buf))
        };
        let lists = connection().any(|value| !is_usual(value));
        for field in &request.head.parsed.fields {
            let name = field.name.of(buf);
            if is_own(field.known, name) || self.is_set(name) {
                continue;
            }
            if lists && connection().any(|names| list_has_token(names, name)) {
                continue;
            }
            write_line(name, field.value.of(buf), out);
        }
    }

    /// Appends those of the client's trailer fields that may be passed. A server that takes them
    /// for fields of the head, with names in its own spelling, is told nothing by them that the
    /// configuration or this hop decides.
    pub(super) fn write_trailers(&self, trailers: &[(Bytes, Bytes)], out: &mut Vec<u8>) {
        for (name, value) in trailers {
            let is_odd = name.contains(&b'_') || check(name, value).is_err();
            if is_odd || is_own(Known::Other, name) || self.is_set(name) {
                continue;
            }
            write_line(name, value, out);
        }
    }

    /// Whether the configuration says where the body ends.
    pub(super) fn says_length(&self) -> bool {
        self.length.is_some() || self.coding.is_some()
    }

    fn is_set(&self, name: &[u8]) -> bool {
        self.names
            .iter()
            .any(|set| set.len() == name.len() && name.eq_ignore_ascii_case(set))
    }
}

fn is_own(known: Known, name: &[u8]) -> bool {
    match known {
        Known::Host
        | Known::Connection
        | Known::ProxyConnection
        | Known::ContentLength
        | Known::TransferEncoding
        | Known::Te
        | Known::KeepAlive
        | Known::Expect
        | Known::Upgrade => true,
        Known::Other => OWN
            .iter()
            .any(|own| own.len() == name.len() && name.eq_ignore_ascii_case(own.as_bytes())),
        _ => false,
    }
}

fn is_usual(connection: &[u8]) -> bool {
    [&b"keep-alive"[..], b"close", b"upgrade"]
        .iter()
        .any(|usual| base::words::is_word(connection, usual))
}

/// Says where `body` ends, which is always told so.
fn write_true_framing(body: RequestBody, out: &mut Vec<u8>) -> bool {
    match body {
        RequestBody::None => {}
        RequestBody::Length(length) => {
            write_line(b"Content-Length", length.to_string().as_bytes(), out);
        }
        RequestBody::Unknown => write_line(b"Transfer-Encoding", b"chunked", out),
    }
    true
}

/// Appends a field whose value is `value`, unless that is empty; says whether it is not.
fn write_field(
    name: &[u8],
    value: &Template,
    request: &Request,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    let value_start = out.len();
    value.write(request, out);
    let text = &out[value_start..];
    if text.is_empty() {
        out.truncate(start);
        return Ok(false);
    }
    check(name, text)?;
    out.extend_from_slice(b"\r\n");
    Ok(true)
}

/// Appends a field, unless it would be more than that.
pub(super) fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    check(name, value)?;
    write_line(name, value, out);
    Ok(())
}

fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Refuses what would end a line: whatever the configuration says, that never leaves.
fn check(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if base::bytes::is_header_safe(name) && base::bytes::is_header_safe(value) {
        return Ok(());
    }
    Err(Error::operator(format!(
        "header \"{}\" would carry a line break or NUL: \"{}\"",
        name.escape_ascii(),
        value.escape_ascii()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_fields_are_sorted() {
        let text = |text: &str| Template::constant(text.as_bytes());
        let written = [
            (b"host".to_vec(), text("a")),
            (b"X".to_vec(), text("b")),
            (b"content-length".to_vec(), text("")),
        ];
        let fields = Fields::compile(&written);
        assert!(fields.host.is_some() && fields.length.is_some() && fields.coding.is_none());
        assert!(fields.is_set(b"x") && !fields.is_set(b"xy"));
        assert!(fields.says_length());
    }

    #[test]
    fn constant_fields_are_written_once_and_safe_ones_only() {
        let text = |text: &str| Template::constant(text.as_bytes());
        let written = [
            (b"A".to_vec(), text("a")),
            (b"Connection".to_vec(), text("")),
            (b"B".to_vec(), text("b")),
            (b"C".to_vec(), text("c\r\nD: d")),
        ];
        let fields = Fields::compile(&written);
        let [Part::Lines(lines), Part::Field { name, .. }] = &fields.set[..] else {
            panic!("{} parts", fields.set.len());
        };
        assert_eq!(lines, b"A: a\r\nB: b\r\n");
        assert_eq!(name, b"C");
        assert!(fields.is_set(b"connection") && fields.is_set(b"c"));
    }

    #[test]
    fn trailers_say_nothing_that_is_decided_here() {
        let text = |text: &str| Template::constant(text.as_bytes());
        let fields = Fields::compile(&[(b"X-User".to_vec(), text(""))]);
        let trailers = [
            ("Checksum", "1"),
            ("x-user", "root"),
            ("Host", "h"),
            ("Content_Length", "2"),
            ("A", "b\r\nC: d"),
            ("Grpc-Status", "0"),
        ];
        let bytes = |text: &'static str| Bytes::Static(text.as_bytes());
        let trailers = trailers.map(|(name, value)| (bytes(name), bytes(value)));
        let mut out = Vec::new();
        fields.write_trailers(&trailers, &mut out);
        assert_eq!(out, b"Checksum: 1\r\nGrpc-Status: 0\r\n");
        assert!(!fields.says_length());
    }

    #[test]
    fn fields_of_this_hop_are_not_passed() {
        assert!(is_own(Known::Te, b"te"));
        assert!(!is_own(Known::UserAgent, b"User-Agent"));
        assert!(!is_own(Known::Other, b"X-Host"));
    }

    #[test]
    fn no_line_break_ever_leaves() {
        for value in [&b"a\rb"[..], b"a\nb", b"a\0b"] {
            assert!(line(b"X", value, &mut Vec::new()).is_err());
        }
    }
}
