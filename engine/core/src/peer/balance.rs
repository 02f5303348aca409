//! The balancers that need nothing but the peers.

use super::{Attempt, Balancer, Group, Measure, Peer, PeerId, Session};
use runtime::Millis;
use std::cell::Cell;
use std::cmp::Ordering;
use std::net::IpAddr;

/// How often a hashing balancer looks elsewhere before it takes turns. Source: nginx.
const MISSES_MAX: u32 = 20;

/// How many peers are guessed before all are looked at.
const GUESSES: usize = 8;

/// Smooth weighted turns: the default.
pub struct RoundRobin;

impl Balancer for RoundRobin {
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        group.next_in_turn(attempt, |_| true)
    }

    fn takes_turns(&self) -> bool {
        true
    }
}

/// The peer with the fewest connections for its weight.
pub struct LeastConn;

impl Balancer for LeastConn {
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        least(group, attempt, |peer| {
            Comparison::Connections.load(group, peer, attempt.now)
        })
    }
}

/// The available peer with the least `load` for its weight. Equally loaded ones take weighted
/// turns; otherwise an idle group would send every request to its first member.
pub(super) fn least<'g>(
    group: &Group<'g>,
    attempt: &Attempt,
    load: impl Fn(&Peer<'g>) -> (u64, u64),
) -> Option<PeerId> {
    let mut best: Option<(PeerId, (u64, u64))> = None;
    let mut is_only_one = true;
    for peer in group.available(attempt) {
        let own = load(&peer);
        match best.map_or(Ordering::Less, |(_, least)| compare(own, least)) {
            Ordering::Less => (best, is_only_one) = (Some((peer.id, own)), true),
            Ordering::Equal => is_only_one = false,
            Ordering::Greater => {}
        }
    }
    let (id, least) = best?;
    if is_only_one {
        return Some(id);
    }
    group.next_in_turn(attempt, |peer| compare(load(peer), least).is_eq())
}

/// What loads of two peers are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// How many connections they have.
    Connections,
    /// How long they take.
    Time(Measure),
}

impl Comparison {
    /// A peer's load, and its weight that this is to be divided by.
    fn load(self, group: &Group<'_>, peer: &Peer<'_>, now: Millis) -> (u64, u64) {
        match self {
            Self::Connections => (peer.counters.connections(), group.weight(peer, now)),
            Self::Time(measure) => measure.load(group, peer, now),
        }
    }
}

/// Orders by load / weight without dividing: a/x < b/y when a·y < b·x.
fn compare((a, x): (u64, u64), (b, y): (u64, u64)) -> Ordering {
    a.saturating_mul(y).cmp(&b.saturating_mul(x))
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
        while attempt.misses <= MISSES_MAX {
            hash = attempt.key.iter().fold(hash, step);
            attempt.hash = Some(hash);
            let found = group.at_weight(hash % total);
            if let Some(peer) = found.filter(|peer| group.is_available(peer, attempt)) {
                return Some(peer.id);
            }
            attempt.misses += 1;
        }
        group.next_in_turn(attempt, |_| true)
    }
}

/// Any peer by its weight; of two such, the one with less load.
pub struct RandomTwo {
    /// What two are compared by, if they are.
    pub compares: Option<Comparison>,
    state: Cell<u64>,
}

impl RandomTwo {
    /// Starts from `seed`.
    pub fn new(compares: Option<Comparison>, seed: u64) -> Self {
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
        if other.is_some() && group.is_single() {
            return None;
        }
        // Mostly the first or second guess is one; looking at all of many peers costs far more.
        let guesses = if group.total_weight() > 0 { GUESSES } else { 0 };
        let guessed = (0..guesses).find_map(|_| {
            let at = self.next() % u64::from(group.total_weight());
            group
                .at_weight(u32::try_from(at).ok()?)
                .filter(|peer| Some(peer.id) != other && group.is_available(peer, attempt))
        });
        guessed.or_else(|| self.any_of_all(group, attempt, other))
    }

    /// The same where few are available.
    fn any_of_all<'g>(
        &self,
        group: &Group<'g>,
        attempt: &Attempt,
        other: Option<PeerId>,
    ) -> Option<Peer<'g>> {
        let candidates = || {
            let available = group.available(attempt);
            available.filter(|peer| Some(peer.id) != other)
        };
        let weight = |peer: &Peer<'_>| u64::from(peer.config.weight);
        let total: u64 = candidates().map(|peer| weight(&peer)).sum();
        let mut at = self.next().checked_rem(total)?;
        candidates().find(|peer| match at.checked_sub(weight(peer)) {
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
        let Some(comparison) = self.compares else {
            return Some(first.id);
        };
        let load = |peer: &Peer<'_>| comparison.load(group, peer, attempt.now);
        let second = self.any(group, attempt, Some(first.id));
        let better = second.filter(|second| compare(load(second), load(&first)).is_lt());
        Some(better.unwrap_or(first).id)
    }

    fn start_worker(&self, seed: u64) {
        self.state.set((self.state.get() ^ seed) | 1);
    }
}
