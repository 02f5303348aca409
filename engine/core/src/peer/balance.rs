//! The balancers that need nothing but the peers.

use super::{Attempt, Balancer, Peer, PeerId, Peers, Session};
use std::cell::Cell;
use std::cmp::Ordering;
use std::net::IpAddr;

/// How often a hashing balancer looks elsewhere before it takes turns. Source: nginx.
const REHASHES_MAX: u32 = 20;

/// Smooth weighted turns: the default.
pub struct RoundRobin;

impl Balancer for RoundRobin {
    fn pick(&self, peers: &mut Peers, attempt: &mut Attempt, _: &dyn Session) -> Option<PeerId> {
        peers.next_in_turn(attempt, |_| true)
    }
}

/// The peer with the fewest connections for its weight.
pub struct LeastConn;

impl Balancer for LeastConn {
    fn pick(&self, peers: &mut Peers, attempt: &mut Attempt, _: &dyn Session) -> Option<PeerId> {
        let least = peers
            .available(attempt)
            .filter_map(|id| peers.get(id).map(Load::of))
            .min_by(Load::compare)?;
        // Equally loaded peers take weighted turns; otherwise an idle group would send every
        // request to its first member.
        peers.next_in_turn(attempt, |peer| Load::of(peer).compare(&least).is_eq())
    }
}

/// Connections per unit of weight.
struct Load {
    connections: u32,
    weight: u32,
}

impl Load {
    fn of(peer: &Peer) -> Self {
        Self {
            connections: peer.counters.connections,
            weight: peer.config.weight,
        }
    }

    /// Orders by `connections / weight` without dividing: a/x < b/y when a·y < b·x.
    fn compare(&self, other: &Self) -> Ordering {
        let ours = u64::from(self.connections) * u64::from(other.weight);
        let theirs = u64::from(other.connections) * u64::from(self.weight);
        ours.cmp(&theirs)
    }
}

/// The same client, by its address, to the same peer. Of an IPv4 address three bytes count.
pub struct IpHash;

impl Balancer for IpHash {
    fn pick(
        &self,
        peers: &mut Peers,
        attempt: &mut Attempt,
        session: &dyn Session,
    ) -> Option<PeerId> {
        let total: u32 = peers.all().iter().map(|peer| peer.config.weight).sum();
        if peers.is_single() || total == 0 {
            return peers.next_in_turn(attempt, |_| true);
        }
        let mut hash = attempt.hash.unwrap_or(89);
        while attempt.rehashes <= REHASHES_MAX {
            hash = hash_address(hash, session.client_ip());
            attempt.hash = Some(hash);
            let id = at_weight(peers, hash % total);
            attempt.rehashes += 1;
            if peers.is_available(id, attempt) {
                return Some(id);
            }
        }
        peers.next_in_turn(attempt, |_| true)
    }
}

fn hash_address(hash: u32, ip: Option<IpAddr>) -> u32 {
    let step = |hash: u32, byte: u8| (hash * 113 + u32::from(byte)) % 6271;
    match ip {
        Some(IpAddr::V4(ip)) => ip.octets()[..3].iter().copied().fold(hash, step),
        Some(IpAddr::V6(ip)) => ip.octets().into_iter().fold(hash, step),
        None => [0; 3].into_iter().fold(hash, step),
    }
}

/// The peer within whose share `weight` falls.
pub(super) fn at_weight(peers: &Peers, mut weight: u32) -> PeerId {
    for (index, peer) in peers.all().iter().enumerate() {
        match weight.checked_sub(peer.config.weight) {
            Some(left) => weight = left,
            None => return PeerId(index),
        }
    }
    PeerId(0)
}

/// Any peer by its weight; of two such, the one with fewer connections.
pub struct RandomTwo {
    /// Whether two are compared.
    pub compares: bool,
    state: Cell<u64>,
}

impl RandomTwo {
    /// Starts from `seed`.
    pub fn new(compares: bool, seed: u64) -> Self {
        Self {
            compares,
            state: Cell::new(seed | 1),
        }
    }

    /// xorshift64*: what is chosen need not be hard to guess.
    fn next(&self) -> u64 {
        let mut x = self.state.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.state.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// An available peer other than `other`, chosen by weight.
    fn any(&self, peers: &Peers, attempt: &Attempt, other: Option<PeerId>) -> Option<PeerId> {
        let candidates = || peers.available(attempt).filter(|id| Some(*id) != other);
        let weight = |id: &PeerId| peers.get(*id).map_or(0, |p| u64::from(p.config.weight));
        let total: u64 = candidates().map(|id| weight(&id)).sum();
        let mut at = self.next().checked_rem(total)?;
        candidates().find(|id| match at.checked_sub(weight(id)) {
            Some(left) => {
                at = left;
                false
            }
            None => true,
        })
    }
}

impl Balancer for RandomTwo {
    fn pick(&self, peers: &mut Peers, attempt: &mut Attempt, _: &dyn Session) -> Option<PeerId> {
        let first = self.any(peers, attempt, None)?;
        if !self.compares {
            return Some(first);
        }
        let Some(second) = self.any(peers, attempt, Some(first)) else {
            return Some(first);
        };
        let load = |id| peers.get(id).map(Load::of);
        match (load(first), load(second)) {
            (Some(a), Some(b)) if b.compare(&a).is_lt() => Some(second),
            _ => Some(first),
        }
    }
}
