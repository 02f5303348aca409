//! The servers of a group, and choosing one of them.
//!
//! A [`Balancer`] is an algorithm and nothing else. Which peers may be chosen at all (failures,
//! health, `max_conns`, `down`, backup, already tried) is decided in [`Group`], once for every
//! algorithm and every subsystem.
//!
//! # What is kept where
//!
//! What the configuration says of a peer is a [`PeerConfig`]; everything that changes about it
//! is a row of numbers, its [`Counters`]. The rows are this worker's own ([`Peers::new`]), or
//! lie in a zone that all workers share ([`Peers::shared`]); nobody but [`Peers`] knows which.
//! Times in them are milliseconds of the monotonic clock, which all processes have in common
//! ([`Worker::now`](runtime::Worker::now)).
//!
//! A new counter is one line in `counters.rs`; it begins as 0, is in both places at once, and is
//! taken over by a reload if it is listed in `Counters::take_over`.
//!
//! # Changing a group while it is used
//!
//! - [`Peers::add`] lists another peer, [`Peers::remove`] takes one off the list. Every worker
//!   follows at its next look. Requests that a removed peer is serving keep it: they hold its
//!   configuration ([`Chosen::config`]), and its row is used again once the last one is done.
//! - A [`PeerId`] is never used twice in a group, so that one kept too long finds nothing.
//! - [`Peers::list`] is who is there now; [`Peers::with`] looks at the group, and changes
//!   counters through [`Peer::counters`]. A shared group is locked meanwhile, and so is every
//!   other group of its zone: do little, look at no other group, evaluate no variable, log
//!   nothing.
//! - [`Peers::set_health`] and [`Peers::set_draining`] say who may be chosen; [`Peers::judge`]
//!   ejects who does worse than others.
//!
//! A worker that is killed leaves its connections counted; [`Peers::bury`] gives them back.

mod balance;
mod bound;
mod counters;
mod description;
mod eject;
mod group;
mod least_time;
mod local;
mod peers;
mod shared;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::variable::Lookup;
pub use balance::{Comparison, IpHash, LeastConn, RandomTwo, RoundRobin};
pub use counters::{Counters, Health};
pub use eject::{Cause, Change, EjectRules};
pub use group::{Group, Peer};
pub use least_time::{LeastTime, Measure};
pub use peers::{Chosen, Earlier, NoRoom, Peers, Report};
use runtime::Millis;
use std::net::IpAddr;
use std::rc::Rc;

/// A peer of a group, for as long as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    /// The number of its row.
    row: u32,
    /// Different for every peer that ever was in the group; never 0.
    serial: u32,
}

/// What the configuration says about a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerConfig {
    /// Where it is.
    pub address: Address,
    /// The address as logs and `$upstream_addr` write it.
    pub name: Rc<str>,
    /// The server as the configuration names it: what `hash` balancers hash. Together with the
    /// address, it is what a reload knows a peer by.
    pub server: Rc<str>,
    /// Its share.
    pub weight: u32,
    /// Failures within `fail_timeout` after which it is left alone; 0 never.
    pub max_fails: u32,
    /// Milliseconds that failures are counted over, and that it is left alone for.
    pub fail_timeout: Millis,
    /// Most connections at once; 0 for no limit.
    pub max_conns: u32,
    /// Used only when no primary peer is available.
    pub is_backup: bool,
    /// Never used.
    pub is_down: bool,
    /// Milliseconds over which its share grows to all of it when it comes back; 0 for at once.
    pub slow_start: Millis,
    /// Serves only the sessions that are bound to it.
    pub is_draining: bool,
    /// The name that sessions are bound to it by; empty for one made of its address.
    pub route: Rc<str>,
    /// What found its address while running, such as the name of a server with `resolve`; `None`
    /// when it was there when the configuration was loaded.
    pub found_by: Option<Rc<str>>,
}

impl PeerConfig {
    /// A peer at `address` with nginx's defaults.
    pub fn new(address: Address) -> Self {
        let name: Rc<str> = address.to_string().into();
        Self {
            address,
            server: Rc::clone(&name),
            name,
            weight: 1,
            max_fails: 1,
            fail_timeout: 10_000,
            max_conns: 0,
            is_backup: false,
            is_down: false,
            slow_start: 0,
            is_draining: false,
            route: "".into(),
            found_by: None,
        }
    }

    /// Whether this is the same server at the same place.
    pub fn is_same_peer(&self, other: &Self) -> bool {
        self.server == other.server && self.address == other.address
    }
}

/// How an attempt on a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// It failed, and is accounted for it.
    Failed,
    /// It answered with a status that sends the request elsewhere without being a failure.
    Next,
}

/// One request's search for a peer.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// The first that was tried: mostly the only one.
    first_tried: Option<PeerId>,
    then_tried: Vec<PeerId>,
    wants_backup: bool,
    /// Whether there is nobody else than peers that are ejected, or that failed though their
    /// checks succeed.
    is_last_resort: bool,
    /// Now, in milliseconds of the monotonic clock.
    pub now: Millis,
    /// What a hashing balancer chooses by, of the session.
    pub key: Vec<u8>,
    /// What a hashing balancer remembers between tries.
    pub hash: Option<u32>,
    /// How many times a hashing balancer chose.
    pub rehashes: u32,
    /// How often it chose one that is not available.
    pub misses: u32,
    /// The session id of the peer that the session is bound to.
    pub bound: Option<Vec<u8>>,
}

impl Attempt {
    /// Whether the peer was chosen before.
    pub fn has_tried(&self, id: PeerId) -> bool {
        self.first_tried == Some(id) || self.then_tried.contains(&id)
    }

    /// Lets the peer be chosen again.
    pub fn forget(&mut self, id: PeerId) {
        self.then_tried.retain(|tried| *tried != id);
        if self.first_tried == Some(id) {
            self.first_tried = self.then_tried.pop();
        }
    }

    fn set_tried(&mut self, id: PeerId) {
        match self.first_tried {
            None => self.first_tried = Some(id),
            Some(_) => self.then_tried.push(id),
        }
    }
}

/// What balancers may ask about the session that a peer is chosen for.
pub trait Session: Lookup {
    /// The client's address; `None` behind a unix-domain socket.
    fn client_ip(&self) -> Option<IpAddr>;
}

/// An algorithm that chooses one of the peers that are available.
pub trait Balancer {
    /// Takes from the session what the choice depends on, into [`Attempt::key`]. Called before
    /// each choice, when the group is not locked.
    fn look(&self, _session: &dyn Session, _attempt: &mut Attempt) {}

    /// The peer for this attempt; `None` when none is available.
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId>;

    /// Whether peers take turns, and nothing else counts.
    fn takes_turns(&self) -> bool {
        false
    }

    /// What requests that are not answered yet are compared by, if they are; see
    /// [`Counters::waiting`].
    fn awaits(&self) -> Option<Measure> {
        None
    }

    /// A worker starts, with a seed that no other has.
    fn start_worker(&self, _seed: u64) {}
}
