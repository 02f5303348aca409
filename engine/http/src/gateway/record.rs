//! What is remembered of the peers that a request was sent to, for logs and variables.

use super::codec::UpstreamHead;
use crate::bytes::Bytes;
use crate::request::Request;
use crate::request::packed::{self, Reader, Writer};
use runtime::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One attempt on one peer.
#[derive(Debug)]
pub struct Record {
    /// The peer's address, or the group's name where none was available.
    pub peer: Rc<str>,
    /// The server as the configuration names it.
    pub server: Rc<str>,
    /// When it began.
    pub started: Millis,
    /// The status that it came to; 0 for none.
    pub status: Cell<u16>,
    /// Milliseconds in the group's queue, where it had to wait there.
    pub queue_time: Cell<Option<Millis>>,
    /// Milliseconds until the connection was there.
    pub connect_time: Cell<Option<Millis>>,
    /// Milliseconds until the response's head was there.
    pub header_time: Cell<Option<Millis>>,
    /// Milliseconds until the response was there.
    pub response_time: Cell<Option<Millis>>,
    /// Bytes of the body.
    pub response_length: Cell<u64>,
    /// Bytes received in all.
    pub received: Cell<u64>,
    /// Bytes sent in all.
    pub sent: Cell<u64>,
}

impl Record {
    /// An attempt on `peer`, which is one of `server`, that begins now.
    pub fn new(peer: Rc<str>, server: Rc<str>, now: Millis) -> Rc<Self> {
        Rc::new(Self {
            peer,
            server,
            started: now,
            status: Cell::new(0),
            queue_time: Cell::new(None),
            connect_time: Cell::new(None),
            header_time: Cell::new(None),
            response_time: Cell::new(None),
            response_length: Cell::new(0),
            received: Cell::new(0),
            sent: Cell::new(0),
        })
    }

    /// The attempt is over.
    pub fn finish(&self, now: Millis) {
        if self.response_time.get().is_none() {
            let time = now.saturating_sub(self.started);
            self.response_time.set(Some(time));
        }
    }
}

/// Adds to a count.
pub(super) fn add(cell: &Cell<u64>, count: usize) {
    cell.set(cell.get() + count as u64);
}

/// Trailers, known once the body of a response was read.
pub type Trailers = Rc<RefCell<Vec<(Bytes, Bytes)>>>;

/// Everything remembered about a request's way through gateways.
#[derive(Clone, Default)]
pub struct Records {
    /// Attempts, in order; `None` between two groups.
    pub attempts: Vec<Option<Rc<Record>>>,
    /// The head of the last response.
    pub head: Option<Box<UpstreamHead>>,
    /// The charset that a peer asked for in `X-Accel-Charset`.
    pub charset: Option<Bytes>,
    /// Trailers of the last response, where there may be any.
    pub trailers: Option<Trailers>,
    /// What the log writes before the peer's name, such as `http://`.
    pub scheme: &'static str,
    /// What it writes after it: the URI sent; `None` for the URI as received.
    pub uri: Option<Vec<u8>>,
    /// Whether messages are about a peer now.
    pub is_active: bool,
    /// Whether these are for what goes on while the response is sent, a page's includes.
    pub is_copy: bool,
}

impl Records {
    /// The current attempt.
    pub fn last(&self) -> Option<&Rc<Record>> {
        self.attempts.last()?.as_ref()
    }
}

/// The records of `request`, made at the first use.
pub fn records(request: &mut Request) -> &mut Records {
    request.records.get_or_insert_default()
}

/// Lets `copy` know what `request` does.
pub(crate) fn keep(request: &Request, copy: &mut Request) {
    copy.records.clone_from(&request.records);
    if let Some(records) = &mut copy.records {
        records.is_copy = true;
    }
}

/// Records while nobody looks at them.
pub(crate) struct Packed {
    attempts: Box<[Option<Rc<Record>>]>,
    trailers: Option<Trailers>,
    scheme: &'static str,
}

/// Takes the records out of a request: what is text in them to `text`.
pub(crate) fn pack(request: &mut Request, text: &mut Writer) -> Option<Packed> {
    let Records {
        attempts,
        head,
        charset,
        trailers,
        scheme,
        uri,
        is_active,
        is_copy,
    } = *request.records.take()?;
    text.optional(head, |text, head| packed::write_upstream(&head, text));
    text.optional_bytes(charset.as_deref());
    text.optional_bytes(uri.as_deref());
    text.flag(is_active);
    text.flag(is_copy);
    let is_wanted = |known: &Trailers| Rc::strong_count(known) > 1 || !known.borrow().is_empty();
    Some(Packed {
        attempts: attempts.into(),
        trailers: trailers.filter(is_wanted),
        scheme,
    })
}

impl Packed {
    /// The records as they were; `text` is what was written of them.
    pub(crate) fn unpack(self, text: &mut Reader<'_>) -> Records {
        Records {
            head: text.optional(packed::read_upstream).map(Box::new),
            charset: text.optional_bytes(),
            uri: text.optional_bytes(),
            is_active: text.flag(),
            is_copy: text.flag(),
            attempts: self.attempts.into(),
            trailers: self.trailers,
            scheme: self.scheme,
        }
    }
}

/// The URI that peers are asked for.
pub fn asked_uri(request: &Request) -> &[u8] {
    let own = request
        .records
        .as_ref()
        .and_then(|known| known.uri.as_deref());
    own.unwrap_or(request.original_uri())
}

/// The charset that a peer asks for in `X-Accel-Charset`.
pub fn charset_asked_for(request: &Request) -> Option<&Bytes> {
    request.records.as_ref()?.charset.as_ref()
}

/// The peer that `request` is sent to, as the error log names it, if it is sent to one.
pub fn log_tag(request: &Request) -> Option<String> {
    let records = request.records.as_ref()?;
    if !records.is_active {
        return None;
    }
    let peer = records.last()?;
    let colon = if peer.peer.starts_with("unix:") {
        ":"
    } else {
        ""
    };
    Some(format!(
        "{}{}{colon}{}",
        records.scheme,
        peer.peer,
        String::from_utf8_lossy(asked_uri(request))
    ))
}
