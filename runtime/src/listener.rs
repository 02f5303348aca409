//! Accepting connections, and what to do when there is no room for more.
//!
//! Out of slots, the connection that is missed least is given up. Out of descriptors, the
//! worker stops accepting for a while; waiting connections stay in the kernel's queue.

use crate::clock::Millis;
use crate::log::Level;
use crate::slots::{Class, Flags, Token, Waiting, Wake};
use crate::stream::Stream;
use crate::table::{Key, Table};
use crate::worker::Worker;
use poller::Interest;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use sys::socket::{Listener, PeerAddr};

/// A connection that a client opened. Its class is [`Class::Header`] until it is set.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, perhaps readable already.
    pub stream: Stream,
    /// Where it comes from.
    pub peer: PeerAddr,
}

/// Name of a listening socket of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(Key);

type AcceptHook = Rc<dyn Fn(Accepted)>;

struct Listening {
    listener: Rc<Listener>,
    interest: Interest,
    accept: AcceptHook,
}

/// Connections taken from one socket in one turn with `multi_accept on`. A bound, so that
/// those who are being served are not forgotten over those who arrive.
const MULTI_ACCEPT_BATCH: usize = 64;

/// How long the worker does not accept when it ran out of something, unless a slot or a
/// descriptor is freed before. Source: nginx's `accept_mutex_delay`.
const PAUSE_MS: Millis = 500;

/// Shortest time between two lines in the log about the same shortage.
const REPORT_EVERY_MS: Millis = 1000;

pub(crate) struct Acceptor {
    listening: RefCell<Table<Listening>>,
    multi: bool,
    /// Until when nothing is accepted, since something ran out.
    paused_until: Cell<Option<Millis>>,
    /// Something was freed during a pause.
    retry: Cell<bool>,
    /// The owner asked for it, by `pause_accept`.
    held: Cell<bool>,
    /// Slots that were given up and have not been freed yet.
    evicted: Cell<u32>,
    /// A descriptor that is given up while there are no others, so that what is being served
    /// can open its file or reopen its log.
    spare: RefCell<Option<File>>,
    reported: Cell<Option<Millis>>,
}

impl Acceptor {
    pub(crate) fn new(multi: bool) -> Self {
        Self {
            listening: RefCell::new(Table::new()),
            multi,
            paused_until: Cell::new(None),
            retry: Cell::new(false),
            held: Cell::new(false),
            evicted: Cell::new(0),
            spare: RefCell::new(File::open("/dev/null").ok()),
            reported: Cell::new(None),
        }
    }

    /// When the pause ends, if there is one; 0 when it may end now.
    pub(crate) fn next(&self) -> Option<Millis> {
        let until = self.paused_until.get()?;
        Some(if self.retry.get() { 0 } else { until })
    }

    /// A descriptor was freed.
    pub(crate) fn freed(&self) {
        if self.paused_until.get().is_some() {
            self.retry.set(true);
        }
    }

    fn find(&self, key: Key) -> Option<(Rc<Listener>, AcceptHook)> {
        let mut listening = self.listening.borrow_mut();
        let entry = listening.get(key)?;
        Some((Rc::clone(&entry.listener), Rc::clone(&entry.accept)))
    }

    fn is_quiet(&self) -> bool {
        self.held.get() || self.paused_until.get().is_some()
    }
}

impl Worker {
    /// Accepts connections of `listener` and hands each to `accept`. `exclusive` says that
    /// other processes accept from the same socket, and one of them is enough.
    ///
    /// # Errors
    ///
    /// The system's, when the socket cannot be waited for.
    pub fn listen(
        self: &Rc<Self>,
        listener: Listener,
        exclusive: bool,
        accept: Rc<dyn Fn(Accepted)>,
    ) -> io::Result<ListenerId> {
        let listener = Rc::new(listener);
        let interest = if exclusive {
            Interest::READABLE_EXCLUSIVE
        } else {
            Interest::READABLE
        };
        let key = self.acceptor.listening.borrow_mut().insert(Listening {
            listener: Rc::clone(&listener),
            interest,
            accept,
        });
        let token = Token::listener(key).into();
        if !self.acceptor.is_quiet()
            && let Err(error) = self.poller.add(listener.as_fd(), interest, token)
        {
            self.acceptor.listening.borrow_mut().remove(key);
            return Err(error);
        }
        Ok(ListenerId(key))
    }

    /// Stops accepting from a socket and closes it. Connections accepted before live on.
    pub fn close_listener(&self, id: ListenerId) {
        let listening = self.acceptor.listening.borrow_mut().remove(id.0);
        if let Some(listening) = listening {
            // Other processes may hold the same socket open, which keeps it in our set.
            let _ = self.poller.remove(listening.listener.as_fd());
        }
    }

    /// Stops accepting until [`Worker::resume_accept`]; new connections wait in the queue.
    pub fn pause_accept(&self) {
        if !self.acceptor.is_quiet() {
            self.silence();
        }
        self.acceptor.held.set(true);
    }

    /// Ends a [`Worker::pause_accept`].
    pub fn resume_accept(&self) {
        if self.acceptor.held.replace(false) && !self.acceptor.is_quiet() {
            self.hear();
        }
    }

    /// Tells the worker that a descriptor other than a stream's was closed, so that it need
    /// not wait to accept if it ran out of them.
    pub fn descriptor_freed(&self) {
        self.acceptor.freed();
    }

    fn silence(&self) {
        let mut listening = self.acceptor.listening.borrow_mut();
        for key in listening.keys() {
            if let Some(entry) = listening.get(key) {
                // Not being there already is as good.
                let _ = self.poller.remove(entry.listener.as_fd());
            }
        }
    }

    fn hear(&self) {
        let mut listening = self.acceptor.listening.borrow_mut();
        for key in listening.keys() {
            if let Some(entry) = listening.get(key) {
                let token = Token::listener(key).into();
                let fd = entry.listener.as_fd();
                if let Err(error) = self.poller.add(fd, entry.interest, token) {
                    self.report(
                        Level::Alert,
                        &format!("{}() failed ({error})", poller::CHANGE),
                    );
                }
            }
        }
    }

    /// Accepts nothing until something is freed, or for half a second.
    fn pause_for_shortage(&self) {
        if !self.acceptor.is_quiet() {
            self.silence();
        }
        let until = self.now() + PAUSE_MS;
        self.acceptor.paused_until.set(Some(until));
        self.acceptor.retry.set(false);
    }

    /// Ends the pause of a shortage when it is time.
    pub(crate) fn end_pause(&self) {
        if self.acceptor.next().is_none_or(|until| until > self.now()) {
            return;
        }
        self.acceptor.paused_until.set(None);
        if !self.acceptor.retry.replace(false) {
            // Those that were given up have had their time: others may be.
            self.acceptor.evicted.set(0);
        }
        let mut spare = self.acceptor.spare.borrow_mut();
        if spare.is_none() {
            *spare = File::open("/dev/null").ok();
        }
        drop(spare);
        if !self.acceptor.is_quiet() {
            self.hear();
        }
    }

    /// A listening socket has connections waiting.
    pub(crate) fn accept_from(self: &Rc<Self>, key: Key) {
        let batch = if self.acceptor.multi {
            MULTI_ACCEPT_BATCH
        } else {
            1
        };
        for taken in 0..batch {
            // The event speaks of one connection. Nobody is given up on the mere chance of
            // another, which the next turn will tell of.
            if taken > 0 && !self.has_room() {
                return;
            }
            // Whoever got the last one may have closed the socket, or paused.
            let found = self.acceptor.find(key);
            let Some((listener, accept)) = found.filter(|_| !self.acceptor.is_quiet()) else {
                return;
            };
            if !self.accept_one(&listener, &*accept) {
                return;
            }
        }
    }

    /// Accepts one connection. Whether it is worth trying another.
    fn accept_one(self: &Rc<Self>, listener: &Listener, accept: &dyn Fn(Accepted)) -> bool {
        if !self.make_room() {
            self.report_no_connections();
            self.pause_for_shortage();
            return false;
        }
        match listener.accept() {
            Ok((fd, peer)) => {
                // Maybe readable: trying once is cheaper than asking first.
                let flags = Flags::READABLE.with(Flags::WRITABLE);
                let stream = Stream::adopt(self, fd, Class::Header, flags);
                self.guard(|| accept(Accepted { stream, peer }));
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // The client has left the queue already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) if sys::errno::is_shortage(&error) => {
                self.report_rarely(Level::Crit, &|| format!("accept4() failed ({error})"));
                self.acceptor.spare.take();
                self.pause_for_shortage();
                // One that is idle has a descriptor to give, which ends the pause.
                self.evict();
                false
            }
            Err(error) => {
                self.report_rarely(Level::Alert, &|| format!("accept4() failed ({error})"));
                false
            }
        }
    }

    fn has_room(&self) -> bool {
        let leaving = self.acceptor.evicted.get();
        self.slots.borrow().live().saturating_sub(leaving) < self.limits.connections
    }

    /// Whether there is a slot for another connection, after giving up one if necessary.
    /// One whose task has yet to notice counts as gone, up to an eighth of all.
    pub(crate) fn make_room(&self) -> bool {
        if self.has_room() {
            return true;
        }
        let limit = self.limits.connections;
        if self.acceptor.evicted.get() > limit / 8 || !self.evict() {
            return false;
        }
        self.report_rarely(Level::Warn, &|| {
            format!("{limit} worker_connections are not enough, reusing connections")
        });
        true
    }

    /// Gives up the connection that is missed least. Whether there was one.
    fn evict(&self) -> bool {
        let mut slots = self.slots.borrow_mut();
        let Some(index) = slots.victim(self.now()) else {
            return false;
        };
        // Out of the list, so that it is not chosen again before its owner has closed it.
        slots.set_class(index, Class::Writing);
        let slot = slots.slot(index);
        slot.flags.add(Flags::EVICTED);
        let waiting: Waiting = std::mem::take(&mut slot.waiting);
        self.acceptor.evicted.set(self.acceptor.evicted.get() + 1);
        drop(slots);
        self.wake(waiting, Wake::Evicted);
        true
    }

    /// Frees a slot, and hands out who waited for it, to be dropped by the caller.
    pub(crate) fn free_slot(&self, index: u32) -> Waiting {
        let mut slots = self.slots.borrow_mut();
        if slots.flags(index).has(Flags::EVICTED) {
            let evicted = &self.acceptor.evicted;
            evicted.set(evicted.get().saturating_sub(1));
        }
        self.acceptor.freed();
        slots.remove(index)
    }

    pub(crate) fn report_no_connections(&self) {
        self.report_rarely(Level::Alert, &|| {
            let limit = self.limits.connections;
            format!("{limit} worker_connections are not enough")
        });
    }

    /// Reports a shortage at most once a second.
    fn report_rarely(&self, level: Level, text: &dyn Fn() -> String) {
        let now = self.now();
        let last = self.acceptor.reported.get();
        if last.is_none_or(|last| now >= last + REPORT_EVERY_MS) {
            self.acceptor.reported.set(Some(now));
            self.report(level, &text());
        }
    }

    pub(crate) fn drop_listeners(&self) {
        let keys = self.acceptor.listening.borrow().keys();
        for key in keys {
            self.close_listener(ListenerId(key));
        }
    }
}
