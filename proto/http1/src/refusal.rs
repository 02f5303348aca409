//! Why a request is refused: what the client is told, and nginx's words for the error log.

use crate::{Field, Span};
use base::escape;

/// Longest excerpt of a request in a log line, bytes; as nginx, which keeps 300 bytes of its
/// 2048-byte lines for the rest.
const EXCERPT_MAX: usize = 1748;

/// A request that breaks a rule. The connection cannot be used further: where the next
/// request would begin is unknown or not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status as configuration sees it (`error_page`): 400, 405, 414, 494, 501 or 505.
    pub status: u16,
    /// nginx's words for the error log, level `info`, without ` while reading ...`.
    pub reason: &'static str,
    /// What of the request belongs into the log line.
    pub detail: Detail,
    /// Whether the connection is closed after the answer. Always so today.
    pub close: bool,
}

/// The part of the request that a log line quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// `"Name: value"`, complete.
    Quoted(Span),
    /// `"Name: val..."`, the beginning of something too long.
    Cut(Span),
    /// `"Name\x20..."`, up to the byte that is not allowed there.
    BadByte(Span, u8),
    /// `"Name: value", previous value: "Name: value"`.
    Repeated(Field, Field),
}

impl Refusal {
    /// A refusal with `status` that quotes nothing.
    #[must_use]
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self {
            status,
            reason,
            detail: Detail::None,
            close: true,
        }
    }

    /// 400 with nginx's `reason`.
    #[must_use]
    pub const fn bad_request(reason: &'static str) -> Self {
        Self::new(400, reason)
    }

    /// The same refusal, quoting `detail`.
    #[must_use]
    pub const fn quoting(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The status on the wire: 494 is a name for `error_page` alone and leaves as 400.
    #[must_use]
    pub fn wire_status(&self) -> u16 {
        match self.status {
            494 => 400,
            status => status,
        }
    }

    /// Appends the text for the error log to `out`. `buf` is the head buffer; what is quoted
    /// from it is escaped, so a request cannot write control bytes into a terminal.
    pub fn describe(&self, buf: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.reason.as_bytes());
        match self.detail {
            Detail::None => {}
            Detail::Quoted(span) => quote(span, buf, "", out),
            Detail::Cut(span) => quote(span, buf, "...", out),
            Detail::BadByte(span, byte) => quote(span, buf, &format!("\\x{byte:02x}..."), out),
            Detail::Repeated(again, first) => {
                quote_field(": ", again, buf, out);
                quote_field(", previous value: ", first, buf, out);
            }
        }
    }
}

/// Appends `: "..."` with `tail` before the closing quote.
fn quote(span: Span, buf: &[u8], tail: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b": \"");
    append_excerpt(span, buf, out);
    out.extend_from_slice(tail.as_bytes());
    out.push(b'"');
}

fn quote_field(lead: &str, field: Field, buf: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(lead.as_bytes());
    out.push(b'"');
    append_excerpt(field.name, buf, out);
    out.extend_from_slice(b": ");
    append_excerpt(field.value, buf, out);
    out.push(b'"');
}

fn append_excerpt(span: Span, buf: &[u8], out: &mut Vec<u8>) {
    let text = span.of(buf);
    escape::log(text.get(..EXCERPT_MAX).unwrap_or(text), out);
}
