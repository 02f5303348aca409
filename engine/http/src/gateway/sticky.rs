//! Sessions that stay with the peer that they began with.

use crate::request::Request;
use runtime::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A way to know sessions by. The engine binds and tells; a module remembers.
pub trait Sticky {
    /// The session id of the peer that the session of `request` is bound to at `now`, for
    /// `Attempt::bound`.
    fn bound_to(&self, request: &Request, now: Millis) -> Option<Vec<u8>>;

    /// A peer was chosen, and may be told to the client.
    fn chosen(&self, _request: &mut Request, _session_id: &str) {}

    /// When sessions are learned from answers, if they are.
    fn learns(&self) -> Option<Learns> {
        None
    }

    /// The session that an answered request is of; called with the answer's head at hand.
    fn session_of(&self, _request: &Request) -> Option<Learned> {
        None
    }

    /// Remembers whom a session is bound to.
    fn learn(&self, _session: &Learned, _session_id: &str) {}
}

/// When a session is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// As soon as an answer's head is there.
    AtHeader,
    /// When the answer has ended.
    AtEnd,
}

/// A session, as a module names it.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Its name.
    pub session: Vec<u8>,
    /// Whether it is to be remembered though nothing was known of it.
    pub is_new: bool,
}

/// What is learned from one attempt.
pub(super) struct Lesson {
    sticky: Rc<dyn Sticky>,
    session_id: Rc<str>,
    when: Learns,
    session: RefCell<Option<Learned>>,
    has_ended: Cell<bool>,
}

impl Lesson {
    /// A lesson about the peer `session_id`, where there is anything to learn.
    pub(super) fn new(sticky: &Rc<dyn Sticky>, session_id: &Rc<str>) -> Option<Rc<Self>> {
        let when = sticky.learns()?;
        Some(Rc::new(Self {
            sticky: Rc::clone(sticky),
            session_id: Rc::clone(session_id),
            when,
            session: RefCell::default(),
            has_ended: Cell::new(false),
        }))
    }

    /// The answer's head is there, and its variables.
    pub(super) fn learn(&self, request: &Request) {
        let session = self.sticky.session_of(request);
        self.session.replace(session);
        if self.when == Learns::AtHeader || self.has_ended.get() {
            self.remember();
        }
    }

    /// The attempt ended well, before or after its head was looked at.
    pub(super) fn end(&self) {
        self.has_ended.set(true);
        self.remember();
    }

    fn remember(&self) {
        if let Some(session) = self.session.take() {
            self.sticky.learn(&session, &self.session_id);
        }
    }
}
