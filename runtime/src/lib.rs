//! One worker's machine: event loop, tasks, timers, connections, thread pool and logs.
//!
//! A [`Worker`] lives on one thread and shares nothing with others; everything in it is `Rc`
//! and `Cell`. A connection is a [`Stream`], which owns a descriptor and a slot. While nothing
//! happens on it, it is *parked*: the slot keeps the connection's owner and no task exists.
//! Whatever must wait in the middle of something is a task, an `async` block given to
//! [`Worker::spawn`], and awaits a stream, a [`Sleep`] or a thread of a [`BlockingPool`].
#![forbid(unsafe_code)]

mod blocking;
mod clock;
mod connect;
mod listener;
pub mod log;
mod share;
mod slots;
mod stream;
mod table;
mod tasks;
mod thinning;
mod timers;
mod turn;
mod watch;
mod worker;

#[cfg(test)]
mod tests;

pub use blocking::{BlockingPool, PoolFull};
pub use clock::{Millis, WallClock};
pub use connect::{BindFailed, ConnectOptions};
pub use listener::{Accepted, ListenerId};
pub use slots::{Class, ConnectionCounts, Parked, Wake};
pub use stream::{Evicted, Stream};
pub use timers::{Elapsed, Sleep};
pub use watch::WatchId;
pub use worker::{ReportHook, TurnHook, Worker, WorkerLimits};
