//! The balancers that need nothing but the peers.

use super::{Attempt, Balancer, Group, Peer, PeerId, Session};
use std::cell::Cell;
use std::cmp::Ordering;
use std::net::IpAddr;

/// How often a hashing balancer looks elsewhere before it takes turns. Source: nginx.
const REHASHES_MAX: u32 = 20;

/// Smooth weighted turns: the default.
pub struct RoundRobin;

impl Balancer for RoundRobin {
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        group.next_in_turn(attempt, |_| true)
    }
}

/// The peer with the fewest connections for its weight.
pub struct LeastConn;

impl Balancer for LeastConn {
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        let loads = group.available(attempt).map(|peer| Load::of(&peer));
        let least = loads.min_by(Load::compare)?;
        // Equally loaded peers take weighted turns; otherwise an idle group would send every
        // request to its first member.
        group.next_in_turn(attempt, |peer| Load::of(peer).compare(&least).is_eq())
    }
}

/// Connections per unit of weight.
struct Load {
    connections: u64,
    weight: u32,
}

impl Load {
    fn of(peer: &Peer<'_>) -> Self {
        Self {
            connections: peer.counters.connections(),
            weight: peer.config.weight,
        }
    }

    /// Orders by `connections / weight` without dividing: a/x < b/y when a·y < b·x.
    fn compare(&self, other: &Self) -> Ordering {
        let ours = self.connections.saturating_mul(u64::from(other.weight));
        let theirs = other.connections.saturating_mul(u64::from(self.weight));
        ours.cmp(&theirs)
    }
}

/// The same client, by its address, to the same peer. Of an IPv4 address three bytes count.
pub struct IpHash;

impl Balancer for IpHash {
    fn look(&self, session: &dyn Session, attempt: &mut Attempt) {
        if attempt.key.is_empty() {
            match session.client_ip() {
                Some(IpAddr::V4(ip)) => attempt.key.extend_from_slice(&ip.octets()[..3]),
                Some(IpAddr::V6(ip)) => attempt.key.extend_from_slice(&ip.octets()),
                None => attempt.key.extend_from_slice(&[0; 3]),
            }
        }
    }

    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        let total = group.total_weight();
        if group.is_single() || total == 0 {
            return group.next_in_turn(attempt, |_| true);
        }
        let step = |hash: u32, byte: &u8| (hash * 113 + u32::from(*byte)) % 6271;
        let mut hash = attempt.hash.unwrap_or(89);
        while attempt.rehashes <= REHASHES_MAX {
            hash = attempt.key.iter().fold(hash, step);
            attempt.hash = Some(hash);
            attempt.rehashes += 1;
            let found = group.at_weight(hash % total);
            if let Some(peer) = found.filter(|peer| group.is_available(peer, attempt)) {
                return Some(peer.id);
            }
        }
        group.next_in_turn(attempt, |_| true)
    }
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
    fn any<'g>(
        &self,
        group: &Group<'g>,
        attempt: &Attempt,
        other: Option<PeerId>,
    ) -> Option<Peer<'g>> {
        let available = group.available(attempt);
        let candidates: Vec<_> = available.filter(|peer| Some(peer.id) != other).collect();
        let weight = |peer: &Peer<'_>| u64::from(peer.config.weight);
        let total: u64 = candidates.iter().map(weight).sum();
        let mut at = self.next().checked_rem(total)?;
        candidates
            .into_iter()
            .find(|peer| match at.checked_sub(weight(peer)) {
                Some(left) => {
                    at = left;
                    false
                }
                None => true,
            })
    }
}

impl Balancer for RandomTwo {
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        let first = self.any(group, attempt, None)?;
        if !self.compares {
            return Some(first.id);
        }
        let second = self.any(group, attempt, Some(first.id));
        let better = second.filter(|second| Load::of(second).compare(&Load::of(&first)).is_lt());
        Some(better.unwrap_or(first).id)
    }
}
