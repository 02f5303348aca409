//! The head of a peer's response, as the client gets it.

use super::codec::UpstreamHead;
use super::conversation::Call;
use super::failure::Doing;
use super::record::records;
use super::settings::{Settings, ignore};
use crate::bytes::Bytes;
use crate::error::Error;
use crate::request::Request;
use crate::response::{CHARSET, LastModified, ResponseHead};
use base::bytes::list_has_token;
use base::words::is_word;
use http1::{ResponseField, ResponseName};
use std::rc::Rc;

/// How a module rewrites what peers say about themselves. `None` leaves a value as it is.
pub trait Rewrite {
    /// A `Location`.
    fn location(&self, _request: &Request, _value: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// A `Refresh`.
    fn refresh(&self, _request: &Request, _value: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// A `Set-Cookie`.
    fn cookie(&self, _request: &Request, _value: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Whether trailers are passed on.
    fn passes_trailers(&self, _request: &Request) -> bool {
        false
    }
}

/// Whether the response is to be read as fast as it comes.
pub(super) fn wants_buffering(settings: &Settings, head: &UpstreamHead) -> bool {
    if *settings.ignore_headers & ignore::BUFFERING == 0 {
        match head.value(ResponseName::XAccelBuffering) {
            Some(value) if value.eq_ignore_ascii_case(b"no") => return false,
            Some(value) if value.eq_ignore_ascii_case(b"yes") => return true,
            _ => {}
        }
    }
    *settings.buffering
}

/// Takes over the rate that the peer asks for.
pub(super) fn apply_limit_rate(request: &mut Request, settings: &Settings, head: &UpstreamHead) {
    if *settings.ignore_headers & ignore::LIMIT_RATE != 0 {
        return;
    }
    if let Some(value) = head.value(ResponseName::XAccelLimitRate)
        && let Ok(rate) = base::units::parse_decimal(value)
    {
        request.limit_rate = Some(rate);
    }
}

/// Keeps the charset that the peer asks for, be it of another response in place of this.
pub(super) fn keep_charset(request: &mut Request, settings: &Settings, head: &UpstreamHead) {
    if *settings.ignore_headers & ignore::CHARSET != 0 {
        return;
    }
    if let Some(field) = head.fields.find(ResponseName::XAccelCharset) {
        records(request).charset = Some(head.share(field.value));
    }
}

/// Bits of fields of which only the first counts.
const SINGLE: u64 = ResponseName::Status.bit()
    | ResponseName::ContentType.bit()
    | ResponseName::Date.bit()
    | ResponseName::Server.bit()
    | ResponseName::LastModified.bit()
    | ResponseName::ETag.bit()
    | ResponseName::Location.bit()
    | ResponseName::Refresh.bit()
    | ResponseName::Expires.bit()
    | ResponseName::XAccelRedirect.bit()
    | ResponseName::XAccelExpires.bit()
    | ResponseName::XAccelLimitRate.bit();

/// Makes the head for the client. In a box from the start, since it is large and goes far.
pub(super) fn response<C>(
    request: &mut Request,
    call: &Call<C>,
    head: &UpstreamHead,
) -> Result<Box<ResponseHead>, Error> {
    apply_limit_rate(request, &call.settings, head);
    let mut out = Box::new(ResponseHead {
        status: head.status,
        reason: Some(head.share(head.status_line)),
        content_length: head.length,
        is_final: true,
        // Without ours, where the configuration passes the peer's and it sent none.
        date: passes(&call.settings, ResponseName::Date),
        server: passes(&call.settings, ResponseName::Server),
        allows_ranges: *call.settings.force_ranges,
        fields: Vec::with_capacity(head.fields.len()),
        ..ResponseHead::default()
    });
    let connection = listed_in_connection(head);
    let mut seen = 0;
    for field in &head.fields {
        if !counts(request, head, field, &mut seen) {
            continue;
        }
        let name = field.name.of(&head.bytes);
        let connection = connection.as_ref();
        if call.settings.is_hidden(field.known, name)
            || connection.is_some_and(|names| is_listed(names, name))
        {
            continue;
        }
        take(request, call, head, field, &mut out);
    }
    if head.status == 304
        && let Some(length) = head.length
    {
        // That of the answer which the client has (RFC 9110, section 8.6).
        out.add(&b"Content-Length"[..], length.to_string().into_bytes());
    }
    // They come after chunks alone.
    out.expects_trailers =
        head.has_body && head.length.is_none() && call.rewrite.passes_trailers(request);
    Ok(out)
}

/// An empty field instead of ours, where the peer's would be passed.
fn passes(settings: &Settings, name: ResponseName) -> Option<Bytes> {
    (!settings.is_hidden(name, b"")).then_some(Bytes::EMPTY)
}

/// Whether `field` counts after those before it, of which `seen` tells: not when one that a
/// response has once was there already, which is logged.
pub(super) fn counts(
    request: &Request,
    head: &UpstreamHead,
    field: &ResponseField,
    seen: &mut u64,
) -> bool {
    let is_new = is_new(field, seen);
    if !is_new {
        warn_repeated(request, head, field);
    }
    is_new
}

/// Whether `field` is one that a response may have several times, or the first of its name.
pub(super) fn is_new(field: &ResponseField, seen: &mut u64) -> bool {
    let bit = field.known.bit() & SINGLE;
    let is_new = *seen & bit == 0;
    *seen |= bit;
    is_new
}

fn warn_repeated(request: &Request, head: &UpstreamHead, field: &ResponseField) {
    let shown = |field: &ResponseField| {
        let name = field.name.of(&head.bytes).escape_ascii();
        format!("{name}: {}", field.value.of(&head.bytes).escape_ascii())
    };
    let mut fields = head.fields.iter();
    let first = fields.find(|other| other.known == field.known);
    let text = format!(
        "upstream sent duplicate header line: \"{}\", previous value: \"{}\", ignored {}",
        shown(field),
        first.map(shown).unwrap_or_default(),
        Doing::ReadingHead.text()
    );
    request.log(runtime::log::Level::Warn, &text);
}

/// The names that `Connection` fields declare to be for the next hop alone (RFC 9110 section
/// 7.6.1), as one list.
fn listed_in_connection(head: &UpstreamHead) -> Option<Vec<u8>> {
    let mut all: Option<Vec<u8>> = None;
    for field in head.fields.all(ResponseName::Connection) {
        let value = field.value.of(&head.bytes);
        if !is_usual(value) {
            let all = all.get_or_insert_default();
            all.extend_from_slice(value);
            all.push(b',');
        }
    }
    all
}

fn is_usual(connection: &[u8]) -> bool {
    [&b"close"[..], b"keep-alive", b"upgrade"]
        .iter()
        .any(|usual| is_word(connection, usual))
}

fn is_listed(names: &[u8], name: &[u8]) -> bool {
    // An upgrade that is offered stays on offer.
    !name.eq_ignore_ascii_case(b"Upgrade") && list_has_token(names, name)
}

/// Which of the peer's trailers the client gets: those that it would get in the head.
pub(super) struct PassedTrailers {
    settings: Rc<Settings>,
    listed: Vec<u8>,
}

impl PassedTrailers {
    /// `None` where it gets none.
    pub(super) fn of<C>(request: &Request, call: &Call<C>, head: &UpstreamHead) -> Option<Self> {
        call.rewrite.passes_trailers(request).then(|| Self {
            settings: Rc::clone(&call.settings),
            listed: listed_in_connection(head).unwrap_or_default(),
        })
    }

    /// Whether it gets the one called `name`.
    pub(super) fn passes(&self, name: &[u8]) -> bool {
        let known = ResponseName::from_name(name);
        !self.settings.is_hidden(known, name) && !is_listed(&self.listed, name)
    }
}

/// Puts one field where it belongs.
fn take<C>(
    request: &Request,
    call: &Call<C>,
    head: &UpstreamHead,
    field: &ResponseField,
    out: &mut ResponseHead,
) {
    let value = || head.share(field.value);
    let text = field.value.of(&head.bytes);
    match field.known {
        ResponseName::Connection
        | ResponseName::KeepAlive
        | ResponseName::TransferEncoding
        | ResponseName::ContentLength => {}
        ResponseName::ContentType => {
            let (kind, charset) = split_type(value());
            out.charset_said = (text.len() > kind.len())
                .then(|| value().slice(kind.len(), text.len()))
                .filter(|said| !said.starts_with(CHARSET) || said.ends_with(b"\""));
            out.content_type = Some(kind);
            out.charset = charset;
        }
        // What is said twice was done twice.
        ResponseName::ContentEncoding if out.content_encoding.is_none() => {
            out.content_encoding = Some(value());
        }
        ResponseName::Date => out.date = Some(value()),
        ResponseName::Server => out.server = Some(value()),
        ResponseName::ETag => out.etag = Some(value()),
        ResponseName::LastModified => out.last_modified = Some(LastModified::Said(value())),
        ResponseName::AcceptRanges if *call.settings.force_ranges => {}
        ResponseName::Location => match call.rewrite.location(request, text) {
            // What was rewritten to a path is made absolute; what the peer sent as a path stays.
            Some(rewritten) => out.location = Some(rewritten.into()),
            None => out.fields.push((head.share(field.name), value())),
        },
        ResponseName::Refresh => {
            let rewritten = call.rewrite.refresh(request, text).map(Bytes::from);
            let value = rewritten.unwrap_or_else(value);
            out.fields.push((head.share(field.name), value));
        }
        ResponseName::SetCookie => {
            let rewritten = call.rewrite.cookie(request, text).map(Bytes::from);
            let value = rewritten.unwrap_or_else(value);
            out.fields.push((head.share(field.name), value));
        }
        _ => out.fields.push((head.share(field.name), value())),
    }
}

/// Splits `type; charset=name`; other parameters stay with the type.
pub(super) fn split_type(text: Bytes) -> (Bytes, Option<Bytes>) {
    let Some((name_end, start)) = charset_parameter(&text) else {
        return (text, None);
    };
    let quoted =
        text[start..].starts_with(b"\"") && text.len() > start + 1 && text.ends_with(b"\"");
    let (start, end) = if quoted {
        (start + 1, text.len() - 1)
    } else {
        (start, text.len())
    };
    let charset = text.clone().slice(start, end);
    (text.slice(0, name_end), Some(charset))
}

/// Where the type ends and where its charset begins, if that is the last parameter.
fn charset_parameter(text: &[u8]) -> Option<(usize, usize)> {
    let semicolon = memchr::memrchr(b';', text)?;
    let rest = &text[semicolon + 1..];
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    let (word, _) = rest[spaces..].split_at_checked(8)?;
    let end = text[..semicolon].trim_ascii_end().len();
    word.eq_ignore_ascii_case(b"charset=")
        .then_some((end, semicolon + 1 + spaces + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let got = charset_parameter(text.as_bytes());
            assert_eq!(
                got.map(|(end, start)| (&text[..end], &text[start..])),
                expected
            );
        };
        check("text/html", None);
        check("text/html; charset=utf-8", Some(("text/html", "utf-8")));
        check("text/html ;CHARSET=x", Some(("text/html", "x")));
        check("text/html; charset=x; a=b", None);
        check("multipart/x; boundary=a", None);
    }

    #[test]
    fn names_for_the_next_hop() {
        assert!(is_listed(b"close, X-Secret", b"x-secret"));
        assert!(!is_listed(b"close, X-Secret", b"X"));
        assert!(!is_listed(b"Upgrade", b"Upgrade"));
    }
}
