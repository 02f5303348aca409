//! A request put away while nobody looks at it: what a tunnel that may be idle for hours keeps
//! for the access log and the variables in it.
//!
//! Every string and number is in one block, and the head is parsed again when it is wanted. What
//! comes out answers every question as the request did that went in; that nothing is forgotten
//! is the compiler's business, since all fields are named on both ways.

mod heads;
mod text;

use super::{Captures, Request, RequestHead, Sent};
use crate::config::generation::{Generation, Location, Server};
use crate::connection::Connection;
use crate::gateway::record;
use crate::request_body::{Incoming, ReceivedBody};
use crate::response::ResponseHead;
use crate::subrequest::Family;
use crate::variable::Kept;
use http1::Method;
use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use sys::socket::PeerAddr;

pub(crate) use heads::{read_upstream, write_upstream};
pub(crate) use text::{Reader, Writer};

/// A request of which nothing is asked.
pub(crate) struct Packed {
    connection: Rc<Connection>,
    generation: Rc<Generation>,
    server: Rc<Server>,
    location: Rc<Location>,
    /// Strings and numbers.
    text: Box<[u8]>,
    records: Option<record::Packed>,
    /// What other modules remember, with the places of their slots.
    state: Box<[(usize, Box<dyn Any>)]>,
    family: Option<Rc<Family>>,
    body: Option<Rc<ReceivedBody>>,
    /// Values of variables, where subrequests have them too.
    kept: Option<Rc<RefCell<Vec<Kept>>>>,
    rare: Option<Box<Rare>>,
    real_peer: Option<PeerAddr>,
    method: Method,
}

/// Every tunnel has one, beside a pointer to itself: together a block of 192 bytes.
const _: () = assert!(size_of::<Packed>() <= 176);

/// What few requests have and cannot be made text.
#[derive(Default)]
struct Rare {
    incoming: Incoming,
    /// One that was changed after it was parsed.
    head: Option<Box<RequestHead>>,
    /// One with trailers to be computed.
    sent_head: Option<Box<ResponseHead>>,
}

impl Rare {
    /// The same, unless none of it is there.
    fn if_any(self) -> Option<Box<Self>> {
        let is_any = !self.incoming.is_unused() || self.head.is_some() || self.sent_head.is_some();
        is_any.then(|| Box::new(self))
    }
}

impl Request {
    /// Puts the request away. It must have no tunnel of its own any more.
    pub(crate) fn pack(mut self) -> Packed {
        let mut text = Writer::default();
        let records = record::pack(&mut self, &mut text);
        self.write_values(&mut text);
        let Self {
            connection,
            generation,
            server,
            location,
            head,
            method,
            incoming,
            body,
            mut sent,
            family,
            tunnel: _,
            // Packed above.
            records: _,
            real_peer,
            kept,
            state,
            // All of these are text.
            uri: _,
            args: _,
            uri_is_original: _,
            location_matches_uri: _,
            uri_follows_alias: _,
            host: _,
            host_port: _,
            is_internal: _,
            is_subrequest: _,
            is_detached: _,
            has_substitute: _,
            nesting_left: _,
            error_status: _,
            in_error_page: _,
            started: _,
            limit_rate: _,
            limit_rate_after: _,
            keep_alive: _,
            user: _,
            extra_fields: _,
            random_id: _,
            redirects_left: _,
            captures: _,
            // Nothing is being computed.
            variable_depth: _,
            unsettled: _,
            is_tagging: _,
        } = self;
        let kept = write_kept(kept.into_inner(), &mut text);
        let head = write_head(head, &server, &mut text);
        let sent_head = write_sent_head(sent.head.take(), &mut text);
        let rare = Rare {
            incoming,
            head,
            sent_head,
        };
        Packed {
            connection,
            generation,
            server,
            location,
            text: text.finish(),
            records,
            state: filled(state.into_inner()),
            family: family.into_inner(),
            body,
            kept,
            rare: rare.if_any(),
            real_peer,
            method,
        }
    }

    /// Writes the fields that are numbers or strings, in the order in which `unpack` reads them.
    fn write_values(&self, text: &mut Writer) {
        text.bytes(&self.uri);
        text.bytes(&self.args);
        text.flag(self.uri_is_original);
        text.flag(self.location_matches_uri);
        text.flag(self.uri_follows_alias);
        text.bytes(&self.host);
        text.optional(self.host_port.map(u64::from), Writer::number);
        text.flag(self.is_internal);
        text.flag(self.is_subrequest);
        text.flag(self.is_detached);
        text.flag(self.has_substitute);
        text.number(self.nesting_left.into());
        text.optional(self.error_status.map(u64::from), Writer::number);
        text.flag(self.in_error_page);
        text.number(self.sent.status.into());
        text.number(self.sent.bytes);
        text.number(self.sent.body_bytes);
        text.number(self.sent.header_bytes);
        text.flag(self.sent.is_complete);
        text.number(self.started);
        text.optional(self.limit_rate, Writer::number);
        text.optional(self.limit_rate_after, Writer::number);
        text.flag(self.keep_alive.get());
        text.optional_bytes(self.user.as_deref());
        heads::write_fields(&self.extra_fields, text);
        text.optional_bytes(self.random_id.get().map(|id| &id[..]));
        text.number(self.redirects_left.into());
        write_captures(&self.captures.borrow(), text);
    }
}

impl Packed {
    /// The request as it was.
    pub(crate) fn unpack(self) -> Box<Request> {
        let rare = self.rare.map(|rare| *rare).unwrap_or_default();
        let mut text = Reader::new(&self.text);
        let records = self
            .records
            .map(|packed| Box::new(packed.unpack(&mut text)));
        let state = state(self.state, &self.generation);
        let mut request = Box::new(Request {
            connection: self.connection,
            generation: self.generation,
            server: self.server,
            location: self.location,
            method: self.method,
            uri: text.bytes().to_vec(),
            args: text.bytes().to_vec(),
            uri_is_original: text.flag(),
            location_matches_uri: text.flag(),
            uri_follows_alias: text.flag(),
            host: text.bytes().to_vec(),
            host_port: text.optional(Reader::small),
            is_internal: text.flag(),
            is_subrequest: text.flag(),
            is_detached: text.flag(),
            has_substitute: text.flag(),
            nesting_left: text.small(),
            error_status: text.optional(Reader::small),
            in_error_page: text.flag(),
            sent: Sent {
                status: text.small(),
                bytes: text.number(),
                body_bytes: text.number(),
                header_bytes: text.number(),
                is_complete: text.flag(),
                head: None,
            },
            started: text.number(),
            limit_rate: text.optional(Reader::number),
            limit_rate_after: text.optional(Reader::number),
            keep_alive: Cell::new(text.flag()),
            user: text.optional_bytes(),
            extra_fields: heads::read_fields(&mut text),
            random_id: read_id(&mut text),
            redirects_left: text.small(),
            captures: read_captures(&mut text).into(),
            family: self.family.map_or_else(OnceCell::new, OnceCell::from),
            incoming: rare.incoming,
            body: self.body,
            tunnel: None,
            records,
            real_peer: self.real_peer,
            variable_depth: Cell::default(),
            unsettled: Cell::default(),
            is_tagging: Cell::default(),
            kept: read_kept(self.kept, &mut text).map_or_else(OnceCell::new, OnceCell::from),
            head: Box::default(),
            state,
        });
        let packed = text.optional_bytes::<Vec<u8>>();
        let packed = packed.and_then(|bytes| heads::parse(&bytes, &request.server));
        request.head = rare.head.or(packed.map(Box::new)).unwrap_or_default();
        let sent = text.optional(heads::read_response).map(Box::new);
        request.sent.head = rare.sent_head.or(sent);
        request
    }
}

/// Writes the head, if parsing it again gives the same; otherwise gives it back.
fn write_head(
    head: Box<RequestHead>,
    server: &Server,
    text: &mut Writer,
) -> Option<Box<RequestHead>> {
    let again = heads::parse(&head.buf, server);
    let is_same = again.is_some_and(|again| again.parsed == head.parsed);
    text.optional_bytes(is_same.then_some(&head.buf));
    (!is_same).then_some(head)
}

/// Writes what was sent, or gives it back where that is not possible.
fn write_sent_head(
    head: Option<Box<ResponseHead>>,
    text: &mut Writer,
) -> Option<Box<ResponseHead>> {
    let is_text = |head: &&ResponseHead| head.late_trailers.is_empty();
    let packed = head.as_deref().filter(is_text);
    text.optional(packed, |text, head| heads::write_response(head, text));
    head.filter(|head| !is_text(&&**head))
}

/// Writes the values of variables, or gives them back where others have them too.
fn write_kept(
    kept: Option<Rc<RefCell<Vec<Kept>>>>,
    text: &mut Writer,
) -> Option<Rc<RefCell<Vec<Kept>>>> {
    let (own, shared) = match kept.map(Rc::try_unwrap) {
        Some(Ok(own)) => (own.into_inner(), None),
        Some(Err(shared)) => (Vec::new(), Some(shared)),
        None => (Vec::new(), None),
    };
    text.count(own.len());
    let known = own
        .iter()
        .enumerate()
        .filter_map(|(index, kept)| match kept {
            Kept::Unknown => None,
            Kept::Nothing => Some((index, None)),
            Kept::Value(value) => Some((index, Some(&**value))),
        });
    text.count(known.clone().count());
    for (index, value) in known {
        text.count(index);
        text.optional_bytes(value);
    }
    shared
}

fn read_kept(
    shared: Option<Rc<RefCell<Vec<Kept>>>>,
    text: &mut Reader<'_>,
) -> Option<Rc<RefCell<Vec<Kept>>>> {
    let mut kept = vec![Kept::Unknown; text.small()];
    for (index, value) in text.several(|text| (text.small(), text.optional_bytes())) {
        if let Some(kept) = kept.get_mut::<usize>(index) {
            *kept = value.map_or(Kept::Nothing, |value: Vec<u8>| Kept::Value(value.into()));
        }
    }
    let own = (!kept.is_empty()).then(|| Rc::new(RefCell::new(kept)));
    shared.or(own)
}

fn write_captures(captures: &Captures, text: &mut Writer) {
    text.bytes(&captures.subject);
    text.flag(captures.gave_up);
    text.count(captures.groups.len());
    for group in &captures.groups {
        text.optional(*group, |text, (start, end)| {
            text.count(start);
            text.count(end);
        });
    }
}

fn read_captures(text: &mut Reader<'_>) -> Captures {
    Captures {
        subject: text.bytes().to_vec(),
        gave_up: text.flag(),
        groups: text.several(|text| text.optional(|text| (text.small(), text.small()))),
    }
}

fn read_id(text: &mut Reader<'_>) -> OnceCell<[u8; 16]> {
    let id = text.optional(Reader::bytes);
    let id = id.and_then(|id| <[u8; 16]>::try_from(id).ok());
    id.map_or_else(OnceCell::new, OnceCell::from)
}

/// The entries in which something is.
fn filled(state: Option<super::StateEntries>) -> Box<[(usize, Box<dyn Any>)]> {
    let all = state.into_iter().flatten().enumerate();
    all.filter_map(|(index, entry)| Some((index, entry.into_inner()?)))
        .collect()
}

/// All entries, with what `filled` found in them.
fn state(
    filled: Box<[(usize, Box<dyn Any>)]>,
    generation: &Generation,
) -> OnceCell<super::StateEntries> {
    if filled.is_empty() {
        return OnceCell::new();
    }
    let mut all = super::slot::empty_entries(generation);
    for (index, value) in filled {
        if let Some(entry) = all.get_mut(index) {
            *entry = OnceCell::from(value);
        }
    }
    OnceCell::from(all)
}
