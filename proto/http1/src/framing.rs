//! What a complete head means for the connection: where the body ends, whether another
//! request may follow, which host is asked.

use crate::{
    Detail, Field, Head, Host, Known, Method, Refusal, TargetForm, Version, validate_host,
};
use base::words::is_word;

/// How the end of a request body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// So many bytes, by Content-Length.
    Length(u64),
    /// By chunks: [`crate::ChunkedDecoder`].
    Chunked,
}

/// What [`framing`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing<'a> {
    /// The body.
    pub body: BodyLength,
    /// Whether the client allows another request on the connection.
    pub keep_alive: bool,
    /// Whether the client waits for 100 before it sends the body.
    pub expect_continue: bool,
    /// Whether there is an Upgrade header; nothing may be forwarded past the head until the
    /// upstream has agreed.
    pub upgrade: bool,
    /// The host asked for: that of an absolute target, else the Host header's.
    pub host: Option<Host<'a>>,
}

/// Names that may be there once. nginx refuses the second one, since two readers could
/// choose differently.
const UNIQUE: &[Known] = &[
    Known::IfModifiedSince,
    Known::IfUnmodifiedSince,
    Known::IfMatch,
    Known::IfNoneMatch,
    Known::IfRange,
    Known::ContentLength,
    Known::ContentRange,
    Known::TransferEncoding,
    Known::Expect,
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::Host,
];

const UNIQUE_SET: u64 = {
    let mut set = 0;
    let mut at = 0;
    while at < UNIQUE.len() {
        set |= UNIQUE[at].bit();
        at += 1;
    }
    set
};

/// Judges a complete `head`, whose bytes are in `buf`.
///
/// # Errors
///
/// 400 for an invalid, repeated or (from HTTP/1.1) missing host, a repeated header of those
/// that must be alone, a Content-Length that is no plain decimal number, a Transfer-Encoding
/// before HTTP/1.1 or beside a Content-Length; 501 for a Transfer-Encoding that is not exactly
/// `chunked`.
///
/// Stricter than nginx in one point: a Content-Length with leading zeros is refused, which
/// other servers have read as octal.
///
/// Source: `ngx_http_process_request_header()`, nginx 1.31.5; RFC 9112 section 6.
pub fn framing<'a>(head: &Head, buf: &'a [u8]) -> Result<Framing<'a>, Refusal> {
    let authority = authority(head, buf)?;
    refuse_repeated(head).or_else(|_| check_fields_so_far(head, buf))?;
    let host = match head.value(Known::Host, buf) {
        Some(value) => Some(host_field(value)?),
        None if head.version == Version::Http11 => {
            return Err(Refusal::bad_request(
                "client sent HTTP/1.1 request without \"Host\" header",
            ));
        }
        None => None,
    };

    let body = body_length(head, buf)?;
    let is_http11 = head.version == Version::Http11;
    let may_keep = head.version != Version::Http09 && head.method != Method::Connect;
    let connection = head.all(Known::Connection);
    let connection = connection.map(|field| field.value.of(buf));
    let expects = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    Ok(Framing {
        body,
        keep_alive: may_keep && keeps_alive(head.version, connection),
        expect_continue: is_http11 && head.value(Known::Expect, buf).is_some_and(expects),
        upgrade: head.has(Known::Upgrade),
        host: authority.or(host),
    })
}

/// The host in the request line, where the target is not a path.
///
/// # Errors
///
/// 400 for one that is none.
pub fn authority<'a>(head: &Head, buf: &'a [u8]) -> Result<Option<Host<'a>>, Refusal> {
    if head.target.form == TargetForm::Origin {
        return Ok(None);
    }
    match validate_host(head.target.authority.of(buf)) {
        Ok(host) => Ok(Some(host)),
        Err(_) => Err(Refusal::bad_request(
            "client sent invalid host in request line",
        )),
    }
}

fn host_field(value: &[u8]) -> Result<Host<'_>, Refusal> {
    validate_host(value).map_err(|_| Refusal::bad_request("client sent invalid host header"))
}

/// Judges what was read of the fields of a head that was refused before its end, as nginx does
/// line by line: what broke a rule first is what the client is told.
///
/// # Errors
///
/// 400 for an invalid host, and for a repeated field of those that must be alone.
///
/// Source: `ngx_http_process_host()` and `ngx_http_process_unique_header_line()`, nginx 1.31.5.
pub fn check_fields_so_far(head: &Head, buf: &[u8]) -> Result<(), Refusal> {
    let repeated = refuse_repeated(head);
    let mut fields = head.fields.iter();
    let Some(host) = fields.find(|field| field.known == Known::Host) else {
        return repeated;
    };
    let is_refused_before = match repeated {
        Err(Refusal {
            detail: Detail::Repeated(again, _),
            ..
        }) => again.name.start() < host.name.start(),
        _ => false,
    };
    if !is_refused_before {
        host_field(host.value.of(buf))?;
    }
    repeated
}

/// The host of a request that is read or refused before its head ended, as far as nginx knows
/// it by then: once the request line is complete that of an absolute target, else of a valid Host
/// line before the first line that may not be repeated and is.
///
/// Source: `ngx_http_process_host()`, nginx 1.31.5.
#[must_use]
pub fn host_so_far<'a>(head: &Head, buf: &'a [u8]) -> Option<Host<'a>> {
    if head.request_line.is_empty() {
        return None;
    }
    if head.target.form != TargetForm::Origin {
        return validate_host(head.target.authority.of(buf)).ok();
    }
    let mut seen = 0;
    for field in &head.fields {
        let bit = field.known.bit() & UNIQUE_SET;
        if seen & bit != 0 {
            return None;
        }
        if field.known == Known::Host {
            return validate_host(field.value.of(buf)).ok();
        }
        seen |= bit;
    }
    None
}

/// Refuses the methods that nginx's core refuses. `allow_connect` says whether the server
/// tunnels (`tunnel_pass`).
///
/// # Errors
///
/// 405 for TRACE, and for CONNECT without a tunnel or not as HTTP/1.1; 400 for CONNECT with a
/// body.
pub fn check_method(
    head: &Head,
    buf: &[u8],
    body: BodyLength,
    allow_connect: bool,
) -> Result<(), Refusal> {
    match head.method {
        Method::Trace => Err(Refusal::new(405, "client sent TRACE method")),
        Method::Connect => {
            let is_http11 = head.protocol.of(buf).trim_ascii_end() == b"HTTP/1.1";
            if !allow_connect || !is_http11 {
                return Err(Refusal::new(405, "client sent CONNECT method"));
            }
            match body {
                BodyLength::None | BodyLength::Length(0) => Ok(()),
                BodyLength::Length(_) | BodyLength::Chunked => Err(Refusal::bad_request(
                    "client sent CONNECT request with body",
                )),
            }
        }
        _ => Ok(()),
    }
}

fn refuse_repeated(head: &Head) -> Result<(), Refusal> {
    let repeated = head.repeated(UNIQUE_SET);
    if repeated == 0 {
        return Ok(());
    }

    // The one that nginx would meet first is the one it complains about.
    let mut seen: Vec<Field> = Vec::new();
    for field in head
        .fields
        .iter()
        .filter(|field| field.known.bit() & repeated != 0)
    {
        if let Some(first) = seen.iter().find(|first| first.known == field.known) {
            let reason = match field.known {
                Known::Host => "client sent duplicate host header",
                _ => "client sent duplicate header line",
            };
            let detail = Detail::Repeated(*field, *first);
            return Err(Refusal::bad_request(reason).quoting(detail));
        }
        seen.push(*field);
    }
    Ok(())
}

fn body_length(head: &Head, buf: &[u8]) -> Result<BodyLength, Refusal> {
    let length = match head.value(Known::ContentLength, buf) {
        Some(value) => Some(content_length(value).ok_or(Refusal::bad_request(
            "client sent invalid \"Content-Length\" header",
        ))?),
        None => None,
    };

    let Some(coding) = head.find(Known::TransferEncoding) else {
        return Ok(length.map_or(BodyLength::None, BodyLength::Length));
    };
    if head.version != Version::Http11 {
        return Err(Refusal::bad_request(
            "client sent HTTP/1.0 request with \"Transfer-Encoding\" header",
        ));
    }
    if !coding.value.of(buf).eq_ignore_ascii_case(b"chunked") {
        return Err(
            Refusal::new(501, "client sent unknown \"Transfer-Encoding\"")
                .quoting(Detail::Quoted(coding.value)),
        );
    }
    if length.is_some() {
        return Err(Refusal::bad_request(
            "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
        ));
    }
    Ok(BodyLength::Chunked)
}

/// Reads a Content-Length: decimal digits alone, without leading zeros, up to 2^63 - 1.
#[must_use]
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || (value.len() > 1 && value.first() == Some(&b'0')) {
        return None;
    }
    let length = value.iter().try_fold(0u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })?;
    (length <= i64::MAX.unsigned_abs()).then_some(length)
}

/// Whether a peer that speaks `version` keeps the connection: `close` in any of the values of its
/// Connection fields wins over `keep-alive`; without either the version decides.
pub(crate) fn keeps_alive<'v>(
    version: Version,
    connection: impl Iterator<Item = &'v [u8]>,
) -> bool {
    let mut keeps = version == Version::Http11;
    for value in connection {
        // Most are one word.
        if is_word(value, b"keep-alive") {
            keeps = true;
            continue;
        }
        for token in value.split(|&byte| byte == b',') {
            let token = token.trim_ascii();
            if token.eq_ignore_ascii_case(b"close") {
                return false;
            }
            keeps |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    keeps
}
