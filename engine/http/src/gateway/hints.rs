//! 103 responses of a peer on their way to the client, as RFC 8297 has them.

use super::codec::Interim;
use super::settings::Settings;
use crate::connection::Connection;
use crate::core::early_hints;
use crate::request::Request;
use http1::ResponseName;
use runtime::log::Level;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The status of early hints.
const EARLY_HINTS: u16 = 103;

/// The client that gets hints.
pub(super) struct Hints {
    connection: Rc<Connection>,
    /// Bytes of interim responses that may still be passed.
    left: Cell<usize>,
    /// Whether some wait to leave.
    is_waiting: Cell<bool>,
}

impl Hints {
    /// The hints of one attempt, where the client of `request` is to get any.
    pub(super) fn of(request: &Request, settings: &Settings) -> Option<Self> {
        early_hints::are_wanted(request).then(|| Self {
            connection: Rc::clone(&request.connection),
            left: Cell::new(usize::try_from(*settings.buffer_size).unwrap_or(usize::MAX)),
            is_waiting: Cell::new(false),
        })
    }

    /// Passes `interim` if it is of early hints: what of it is there, the peer sent in `bytes`.
    pub(super) fn pass(&self, interim: &Interim, bytes: &[u8], settings: &Settings) {
        if interim.status != EARLY_HINTS {
            return;
        }
        let Some(left) = self.left.get().checked_sub(bytes.len()) else {
            self.left.set(0);
            let text = "upstream sent too big early hints";
            return self.connection.log(Level::Info, text);
        };
        self.left.set(left);
        let mut fields = Vec::new();
        write_fields(interim, bytes, settings, &mut fields);
        if fields.is_empty() {
            return;
        }
        self.connection.unsent.with(|out| {
            out.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
            out.append(&mut fields);
            out.extend_from_slice(b"\r\n");
        });
        self.flush();
    }

    /// Sends what there is room for.
    fn flush(&self) {
        // That the client has left is found out with the response.
        let is_waiting = matches!(self.connection.try_flush(), Ok(false));
        self.is_waiting.set(is_waiting);
    }

    /// Sends what did not leave before. The task is woken where some is left.
    pub(super) fn poll_flush(&self, cx: &Context<'_>) {
        while self.is_waiting.get() {
            let Poll::Ready(Ok(())) = self.connection.stream.poll_writable(cx) else {
                return;
            };
            self.flush();
        }
    }
}

/// Appends the fields that are the client's: not those that are kept from it, and none that
/// would say something about the connection or a body.
fn write_fields(interim: &Interim, bytes: &[u8], settings: &Settings, out: &mut Vec<u8>) {
    for field in &interim.fields {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        let is_of_this_hop = matches!(
            field.known,
            ResponseName::Connection
                | ResponseName::KeepAlive
                | ResponseName::TransferEncoding
                | ResponseName::ContentLength
        );
        let is_safe = base::bytes::is_header_safe(name) && base::bytes::is_header_safe(value);
        if is_of_this_hop || !is_safe || settings.is_hidden(field.known, name) {
            continue;
        }
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http1::{ResponseHead, ResponseParser};

    #[test]
    fn what_is_about_this_hop_or_hidden_is_no_hint() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\
                      Connection: close\r\nDate: x\r\nX: y\r\n\r\n";
        let mut head = ResponseHead::default();
        let parsed = ResponseParser::default().parse(bytes, &mut head);
        assert!(parsed.unwrap().is_some());
        let interim = Interim {
            status: head.status,
            fields: head.fields,
        };
        let mut settings = Settings::default();
        settings.settle_hidden(&["Date"]);
        let mut out = Vec::new();
        write_fields(&interim, bytes, &settings, &mut out);
        assert_eq!(out, b"Link: </a>\r\nX: y\r\n");
    }
}
