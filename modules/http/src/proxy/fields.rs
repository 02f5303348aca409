//! The fields of a request as the proxied server gets them.

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
    /// Every other field that the configuration says.
    set: Vec<(Vec<u8>, Template)>,
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
                fields.set.push((name.clone(), value.clone()));
                continue;
            };
            *place = Some(value.clone());
        }
        fields
    }

    /// Appends the fields for `request`; `host` is what the URL names. Gives whether they tell
    /// where the request ends: the configuration may have them say something else.
    pub(super) fn write(
        &self,
        request: &Request,
        host: &[u8],
        body: RequestBody,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        match &self.host {
            None => line(b"Host", host, out)?,
            Some(template) => {
                let value = template.eval(request);
                line(b"Host", if value.is_empty() { host } else { &value }, out)?;
            }
        }
        let tells_end = self.write_framing(request, body, out)?;
        for (name, template) in &self.set {
            let start = out.len();
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            let value = out.len();
            template.write(request, out);
            if out.len() == value {
                out.truncate(start);
                continue;
            }
            check(name, &out[value..])?;
            out.extend_from_slice(b"\r\n");
        }
        Ok(tells_end)
    }

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
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value.of(buf));
            out.extend_from_slice(b"\r\n");
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
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Whether the configuration says where the body ends.
    pub(super) fn says_length(&self) -> bool {
        self.length.is_some() || self.coding.is_some()
    }

    fn is_set(&self, name: &[u8]) -> bool {
        self.set
            .iter()
            .any(|(set, _)| set.len() == name.len() && name.eq_ignore_ascii_case(set))
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
        .any(|usual| connection.eq_ignore_ascii_case(usual))
}

fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    check(name, value)?;
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
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
