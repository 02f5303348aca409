//! Idle connections to peers, kept for the next request.

use engine::peer::PeerId;
use runtime::{Millis, Parked, Stream, Wake};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

/// What is kept and for how long.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    /// Most idle connections of a worker; 0 keeps none.
    pub connections: usize,
    /// Whether a connection is used again only by the location that made it.
    pub is_local: bool,
    /// Requests on one connection.
    pub requests: u64,
    /// Milliseconds from its making.
    pub time: Millis,
    /// Milliseconds idle.
    pub timeout: Millis,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            connections: 32,
            is_local: true,
            requests: 1000,
            time: 3_600_000,
            timeout: 60_000,
        }
    }
}

/// A connection to a peer.
#[derive(Debug)]
pub struct PeerStream {
    /// The connection.
    pub stream: Stream,
    /// Requests sent over it, the current one included.
    pub requests: u64,
    /// When it was made.
    pub started: Millis,
}

/// The idle connections of one group, in one worker.
pub struct Pool {
    /// What is kept.
    pub rules: KeepAlive,
    /// The longest idle first.
    idle: RefCell<VecDeque<Rc<Idle>>>,
}

struct Idle {
    connection: RefCell<Option<PeerStream>>,
    peer: PeerId,
    /// The location that made it.
    owner: u32,
    pool: Weak<Pool>,
}

impl Parked for Idle {
    /// Whatever happens on an idle connection ends it: the peer closed it, or sent bytes that
    /// nobody asked for, or it was idle for too long.
    fn resume(self: Rc<Self>, _: Wake) {
        if let Some(pool) = self.pool.upgrade() {
            pool.idle
                .borrow_mut()
                .retain(|idle| !Rc::ptr_eq(idle, &self));
        }
        drop(self.connection.take());
    }
}

impl Pool {
    /// An empty pool.
    pub fn new(rules: KeepAlive) -> Rc<Self> {
        Rc::new(Self {
            rules,
            idle: RefCell::default(),
        })
    }

    /// Takes the connection to `peer` that became idle last.
    pub fn take(&self, peer: PeerId, owner: u32) -> Option<PeerStream> {
        let mut idle = self.idle.borrow_mut();
        let is_local = self.rules.is_local;
        let fits = |idle: &Rc<Idle>| idle.peer == peer && (!is_local || idle.owner == owner);
        let index = idle.iter().rposition(fits)?;
        let found = idle.remove(index)?;
        let connection = found.connection.take()?;
        // It may have been closed in this very turn of the loop.
        if connection.stream.is_readable_hint() || connection.stream.peer_closed() {
            return None;
        }
        connection.stream.set_deadline(None);
        Some(connection)
    }

    /// The peer of the connection that became idle last.
    pub fn peer(&self) -> Option<PeerId> {
        self.idle.borrow().back().map(|idle| idle.peer)
    }

    /// Keeps a connection whose response was read to its end and not a byte further.
    pub fn give(self: &Rc<Self>, connection: PeerStream, peer: PeerId, owner: u32) {
        let rules = &self.rules;
        let now = connection.stream.worker().now();
        let age = now.saturating_sub(connection.started);
        if rules.connections == 0 || connection.requests >= rules.requests || age > rules.time {
            return;
        }
        if !is_silent(&connection.stream) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let longest = (idle.len() >= rules.connections).then(|| idle.pop_front());
        let deadline = now.saturating_add(rules.timeout);
        connection.stream.set_deadline(Some(deadline));
        let entry = Rc::new(Idle {
            connection: RefCell::new(None),
            peer,
            owner,
            pool: Rc::downgrade(self),
        });
        connection.stream.park(Rc::clone(&entry) as Rc<dyn Parked>);
        entry.connection.replace(Some(connection));
        idle.push_back(entry);
        drop(idle);
        // It is parked, so that the loop has it too: taken out of the pool it is not closed yet.
        drop(longest.flatten().map(|entry| entry.connection.take()));
    }
}

impl Drop for Pool {
    /// Closes what is parked, which the loop would keep until its time is over.
    fn drop(&mut self) {
        for entry in self.idle.get_mut().drain(..) {
            drop(entry.connection.take());
        }
    }
}

/// Whether nothing waits to be read: surplus bytes and a close both forbid another request.
fn is_silent(stream: &Stream) -> bool {
    if stream.peer_closed() {
        return false;
    }
    if !stream.is_readable_hint() {
        return true;
    }
    let read = stream.try_read(&mut [0; 1]);
    matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
