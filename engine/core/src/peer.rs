//! The servers of a group, and choosing one of them.
//!
//! A [`Balancer`] is an algorithm and nothing else. Which peers may be chosen at all (failures,
//! `max_conns`, `down`, backup, already tried) is decided here, once for every algorithm and
//! every subsystem. All counters are plain numbers in one place, [`Counters`], so that they can
//! move to a shared zone as they are.

mod balance;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::variable::Lookup;
pub use balance::{IpHash, LeastConn, RandomTwo, RoundRobin};
use runtime::Millis;
use std::net::IpAddr;
use std::rc::Rc;

/// A peer's place in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerId(pub usize);

/// What the configuration says about a peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Where it is.
    pub address: Address,
    /// The address as logs and `$upstream_addr` write it.
    pub name: Rc<str>,
    /// The server as the configuration names it: what `hash` balancers hash.
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
        }
    }
}

/// What changes about a peer while it is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Connections now.
    pub connections: u32,
    /// Failures in the current period.
    pub fails: u32,
    /// When it last failed.
    pub accessed: Millis,
    /// When its failures were last forgiven, or began to count.
    pub checked: Millis,
    /// Its weight, less what failures took off it.
    pub effective_weight: i64,
    /// Its credit in smooth weighted round robin.
    pub current_weight: i64,
}

/// One server of a group.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What the configuration says.
    pub config: PeerConfig,
    /// What changes.
    pub counters: Counters,
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
    tried: Vec<u64>,
    wants_backup: bool,
    /// Now, in the worker's milliseconds.
    pub now: Millis,
    /// What a hashing balancer remembers between tries.
    pub hash: Option<u32>,
    /// How many times a hashing balancer chose.
    pub rehashes: u32,
}

impl Attempt {
    /// Whether the peer was chosen before.
    pub fn has_tried(&self, id: PeerId) -> bool {
        self.tried
            .get(id.0 / 64)
            .is_some_and(|bits| bits >> (id.0 % 64) & 1 == 1)
    }

    fn set_tried(&mut self, id: PeerId) {
        let word = id.0 / 64;
        if self.tried.len() <= word {
            self.tried.resize(word + 1, 0);
        }
        self.tried[word] |= 1 << (id.0 % 64);
    }
}

/// What balancers may ask about the session that a peer is chosen for.
pub trait Session: Lookup {
    /// The client's address; `None` behind a unix-domain socket.
    fn client_ip(&self) -> Option<IpAddr>;
}

/// An algorithm that chooses one of the peers that are available.
pub trait Balancer {
    /// The peer for this attempt; `None` when none is available.
    fn pick(
        &self,
        peers: &mut Peers,
        attempt: &mut Attempt,
        session: &dyn Session,
    ) -> Option<PeerId>;

    /// Looks at the finished group once.
    fn prepare(&mut self, _peers: &Peers) {}
}

/// A group of peers.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    all: Vec<Peer>,
}

impl Peers {
    /// A group.
    pub fn new(configs: impl IntoIterator<Item = PeerConfig>) -> Self {
        let peer = |config: PeerConfig| Peer {
            counters: Counters {
                effective_weight: i64::from(config.weight),
                ..Counters::default()
            },
            config,
        };
        Self {
            all: configs.into_iter().map(peer).collect(),
        }
    }

    /// Every peer.
    pub fn all(&self) -> &[Peer] {
        &self.all
    }

    /// The peer at `id`.
    pub fn get(&self, id: PeerId) -> Option<&Peer> {
        self.all.get(id.0)
    }

    /// The peer at `id`, to be changed.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.all.get_mut(id.0)
    }

    /// Whether there is nothing to choose from: a lone peer is never given up.
    pub fn is_single(&self) -> bool {
        self.all.len() == 1
    }

    /// How many peers may be tried in turn.
    pub fn tries(&self) -> usize {
        self.all.iter().filter(|peer| !peer.config.is_down).count()
    }

    /// Whether `attempt` may use the peer now.
    pub fn is_available(&self, id: PeerId, attempt: &Attempt) -> bool {
        let Some(Peer { config, counters }) = self.get(id) else {
            return false;
        };
        let is_full = config.max_conns > 0 && counters.connections >= config.max_conns;
        if config.is_down || is_full || config.is_backup != attempt.wants_backup {
            return false;
        }
        if self.is_single() {
            return true;
        }
        let is_failing = config.max_fails > 0
            && counters.fails >= config.max_fails
            && attempt.now.saturating_sub(counters.checked) <= config.fail_timeout;
        !is_failing && !attempt.has_tried(id)
    }

    /// The peers that `attempt` may use now.
    pub fn available<'p>(&'p self, attempt: &'p Attempt) -> impl Iterator<Item = PeerId> + 'p {
        (0..self.all.len())
            .map(PeerId)
            .filter(|id| self.is_available(*id, attempt))
    }

    /// Chooses a peer: a primary one by `balancer`, and when there is none a backup one. The
    /// choice counts as a connection until [`Peers::release`].
    pub fn choose(
        &mut self,
        balancer: &dyn Balancer,
        attempt: &mut Attempt,
        session: &dyn Session,
    ) -> Option<PeerId> {
        let chosen = balancer.pick(self, attempt, session);
        let id = match chosen {
            None if !attempt.wants_backup && self.all.iter().any(|p| p.config.is_backup) => {
                attempt.wants_backup = true;
                let chosen = self.next_in_turn(attempt, |_| true);
                if chosen.is_none() {
                    attempt.wants_backup = false;
                }
                chosen
            }
            chosen => chosen,
        }?;
        attempt.set_tried(id);
        let now = attempt.now;
        let peer = self.get_mut(id)?;
        if now.saturating_sub(peer.counters.checked) > peer.config.fail_timeout {
            peer.counters.checked = now;
        }
        peer.counters.connections += 1;
        Some(id)
    }

    /// The next of the available peers that `admits` names, in smooth weighted turns.
    pub fn next_in_turn(
        &mut self,
        attempt: &Attempt,
        admits: impl Fn(&Peer) -> bool,
    ) -> Option<PeerId> {
        let mut total = 0;
        let mut best: Option<(PeerId, i64)> = None;
        for index in 0..self.all.len() {
            let id = PeerId(index);
            if !self.is_available(id, attempt) || !admits(&self.all[index]) {
                continue;
            }
            let peer = &mut self.all[index];
            let counters = &mut peer.counters;
            counters.current_weight += counters.effective_weight;
            total += counters.effective_weight;
            if counters.effective_weight < i64::from(peer.config.weight) {
                counters.effective_weight += 1;
            }
            if best.is_none_or(|(_, weight)| counters.current_weight > weight) {
                best = Some((id, counters.current_weight));
            }
        }
        let (id, _) = best?;
        self.all[id.0].counters.current_weight -= total;
        Some(id)
    }

    /// Gives a peer back. Tells whether it is left alone from now on because it failed too
    /// often.
    pub fn release(&mut self, id: PeerId, outcome: Outcome, now: Millis) -> bool {
        let is_single = self.is_single();
        let Some(peer) = self.get_mut(id) else {
            return false;
        };
        let max_fails = peer.config.max_fails;
        let weight = i64::from(peer.config.weight);
        let counters = &mut peer.counters;
        counters.connections = counters.connections.saturating_sub(1);
        if is_single {
            counters.fails = 0;
            return false;
        }
        if outcome != Outcome::Failed {
            // A success after the failures were last counted forgives them.
            if counters.accessed < counters.checked {
                counters.fails = 0;
            }
            return false;
        }
        counters.fails = counters.fails.saturating_add(1);
        counters.accessed = now;
        counters.checked = now;
        if max_fails > 0 {
            let penalty = weight / i64::from(max_fails);
            counters.effective_weight = (counters.effective_weight - penalty).max(0);
        }
        max_fails > 0 && counters.fails == max_fails
    }
}
