//! The peer that will be done first, as far as averages tell.

use super::{Attempt, Balancer, Group, Peer, PeerId};
use runtime::Millis;

/// Times from here on are equally bad. Source: nginx.
const TIME_MAX_MS: Millis = 5000;

/// Times that differ by less are equal. Source: nginx.
const STEP_MS: Millis = 20;

/// Which of a peer's times counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Until the head of an answer.
    Header,
    /// Until its end.
    LastByte,
}

impl Measure {
    /// How long `peer` would need for one more request, for each unit of its weight.
    pub(super) fn load(self, group: &Group<'_>, peer: &Peer<'_>, now: Millis) -> (u64, u64) {
        let counters = peer.counters;
        let average = match self {
            Self::Header => counters.header_time(),
            Self::LastByte => counters.response_time(),
        };
        let rested = now.saturating_sub(counters.checked());
        let timeout = peer.config.fail_timeout;
        // A slow peer that nobody asks is given another chance: its time halves.
        let halvings = match rested > timeout {
            true => rested / timeout.saturating_add(1000),
            false => 0,
        };
        let average = u32::try_from(halvings)
            .ok()
            .and_then(|halvings| average.checked_shr(halvings))
            .unwrap_or(0);
        // Requests that wait longer than is usual say more than those that were answered.
        let time = average.max(counters.waited(now));
        let time = if time > TIME_MAX_MS {
            TIME_MAX_MS
        } else {
            time + STEP_MS - time % STEP_MS
        };
        let load = time.saturating_mul(1 + counters.connections());
        (load, group.weight(peer, now))
    }
}

/// The peer with the least average time and the fewest connections for its weight.
pub struct LeastTime {
    /// What counts.
    pub measure: Measure,
    /// Whether requests count that are not answered yet.
    pub counts_waiting: bool,
}

impl Balancer for LeastTime {
    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        super::balance::least(group, attempt, |peer| {
            self.measure.load(group, peer, attempt.now)
        })
    }

    fn awaits(&self) -> Option<Measure> {
        self.counts_waiting.then_some(self.measure)
    }
}
