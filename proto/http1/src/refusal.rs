//! Why a request is refused: what the client is told, and nginx's words for the error log.

use crate::Span;
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
        let (span, tail) = match self.detail {
            Detail::None => return,
            Detail::Quoted(span) => (span, String::from("\"")),
            Detail::Cut(span) => (span, String::from("...\"")),
            Detail::BadByte(span, byte) => (span, format!("\\x{byte:02x}...\"")),
        };

        out.extend_from_slice(b": \"");
        let excerpt = span.of(buf);
        escape::log(excerpt.get(..EXCERPT_MAX).unwrap_or(excerpt), out);
        out.extend_from_slice(tail.as_bytes());
    }
}
