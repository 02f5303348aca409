//! The table of connections: 48 bytes each, and what may happen to one.
//!
//! A slot knows whether its descriptor is readable and writable, who waits for it, its one
//! deadline, and its class. Connections of a class that may be given up are in a list, the one
//! that has gone longest without progress first.

mod state;
mod waiting;

pub(crate) use state::{Flags, Slots, Token, TokenKind};
pub(crate) use waiting::Waiting;

use std::rc::Rc;

/// What a connection is doing, which decides how it is counted and when it may be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Waits for a request; the first to be given up.
    Idle,
    /// Receives the head of a request; the next to be given up.
    Header,
    /// Receives the body of a request; the next.
    Reading,
    /// Works on an answer, or sends it.
    Writing,
    /// Waits for its client to take what was sent; the last to be given up, and only when it
    /// has waited for a while. A stream that is `Writing` becomes this by itself, for as long
    /// as somebody waits to write to it.
    Sending,
    /// Passes bytes both ways.
    Tunnel,
    /// Was opened by this worker. Counts against the limit, but not as a client.
    Peer,
    /// The same, but no client's: a worker that is to end does not wait for it.
    Background,
}

impl Class {
    pub(crate) const COUNT: usize = 8;

    /// In which order connections are given up when there are too many.
    pub(crate) const EVICTABLE: [Self; 4] =
        [Self::Idle, Self::Header, Self::Reading, Self::Sending];

    /// Whether it is a client's connection.
    pub(crate) fn is_client(self) -> bool {
        !matches!(self, Self::Peer | Self::Background)
    }

    pub(crate) fn is_evictable(self) -> bool {
        Self::EVICTABLE.contains(&self)
    }
}

/// Connections by what they do, as `stub_status` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// All clients.
    pub active: u32,
    /// Those whose request head is being received.
    pub reading: u32,
    /// Those whose body is being received or whose answer is being made or sent.
    pub writing: u32,
    /// Those that wait for a request.
    pub waiting: u32,
}

/// Why a parked connection is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There is something to read: bytes, or the end of them.
    Readable,
    /// The connection is broken.
    Closed,
    /// Its deadline has passed.
    TimedOut,
    /// It is given up, for a new connection or as the worker ends, and should close.
    Evicted,
    /// The worker is going to stop; what is idle should close.
    Shutdown,
}

/// The owner of a parked connection.
pub trait Parked {
    /// Something happened. The slot has given up its share of the owner: one that neither
    /// parks again nor starts a task is dropped with its connection when this returns.
    fn resume(self: Rc<Self>, wake: Wake);
}
