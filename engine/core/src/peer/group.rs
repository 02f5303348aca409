//! A group that is held: who may be chosen, whose turn it is, and how it ended.

use super::counters::{Counters, Health, Row};
use super::peers::{List, Report};
use super::{Attempt, Balancer, Outcome, PeerConfig, PeerId};
use runtime::Millis;
use std::cell::Cell;
use std::rc::Rc;

/// Units of a weight that growing shares are counted in.
const FULL: u64 = 100;

/// A group while nobody else changes it.
#[derive(Clone, Copy)]
pub struct Group<'a> {
    pub(super) list: &'a List,
    pub(super) rows: &'a [Row],
    /// How many connections to each peer are this process's.
    pub(super) own: Option<&'a [Cell<u64>]>,
}

/// One server of a group that is held.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Who it is.
    pub id: PeerId,
    /// What the configuration says.
    pub config: &'a Rc<PeerConfig>,
    /// What changes.
    pub counters: Counters<'a>,
    /// What sessions are bound to it by.
    pub session_id: &'a Rc<str>,
}

impl Peer<'_> {
    /// Whether it was given up because it failed too often.
    pub fn is_failing(&self, now: Millis) -> bool {
        let (config, counters) = (self.config, self.counters);
        config.max_fails > 0
            && counters.fails() >= u64::from(config.max_fails)
            && now.saturating_sub(counters.checked()) <= config.fail_timeout
    }

    /// Whether it is left alone because it did worse than others.
    #[inline]
    pub fn is_ejected(&self, now: Millis) -> bool {
        self.counters.ejected_until() > now
    }

    /// Whether it has as many connections as it may.
    pub fn is_full(&self) -> bool {
        let most = u64::from(self.config.max_conns);
        most > 0 && self.counters.connections() >= most
    }

    /// Says what checks found out about it at `now`. If it comes back it may begin slowly.
    pub fn set_health(&self, health: Health, now: Millis) {
        let was_usable = self.counters.health().is_usable();
        self.counters.set_health(health);
        if health.is_usable() && !was_usable {
            self.begin_slowly(now);
        }
    }

    /// Its share grows from nothing from now on, if it is configured to.
    pub(super) fn begin_slowly(&self, now: Millis) {
        if self.config.slow_start > 0 {
            self.counters.set_slow_start(now.max(1));
        }
    }

    /// Its `weight`, in units of which it has [`FULL`] for each when its share does not grow.
    fn grown(&self, weight: u64, now: Millis) -> u64 {
        let full = weight * FULL;
        match self.counters.slow_start() {
            0 => full,
            begin => {
                let passed = now.saturating_sub(begin);
                match (full.saturating_mul(passed)).checked_div(self.config.slow_start) {
                    Some(grown) if passed < self.config.slow_start => grown.max(1),
                    _ => full,
                }
            }
        }
    }
}

impl<'a> Group<'a> {
    /// The peers that are listed.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Peer<'a>> + use<'a> {
        let listed = self.list.rows.iter().zip(self.rows).zip(0_u32..);
        listed.filter_map(|((listed, row), number)| {
            let listed = listed.as_ref()?;
            Some(Peer {
                id: PeerId {
                    row: number,
                    serial: listed.serial,
                },
                config: &listed.config,
                counters: Counters::of(row),
                session_id: &listed.session_id,
            })
        })
    }

    /// The peer `id`; `None` when it is not listed any more.
    pub fn get(&self, id: PeerId) -> Option<Peer<'a>> {
        let index = id.row as usize;
        let listed = self.list.rows.get(index)?.as_ref()?;
        let row = self.rows.get(index)?;
        (listed.serial == id.serial).then(|| Peer {
            id,
            config: &listed.config,
            counters: Counters::of(row),
            session_id: &listed.session_id,
        })
    }

    /// Different after every change of the list.
    pub fn version(&self) -> u64 {
        self.list.version
    }

    /// Whether there is nothing to choose from: a lone peer is never given up.
    #[inline]
    pub fn is_single(&self) -> bool {
        self.list.len == 1
    }

    /// The sum of the weights of primary peers.
    pub fn total_weight(&self) -> u32 {
        self.list.total_weight
    }

    /// The primary peer within whose share `weight` falls.
    pub fn at_weight(&self, mut weight: u32) -> Option<Peer<'a>> {
        let mut primary = self.iter().filter(|peer| !peer.config.is_backup);
        primary.find(|peer| match weight.checked_sub(peer.config.weight) {
            Some(left) => {
                weight = left;
                false
            }
            None => true,
        })
    }

    /// Whether `attempt` may use the peer now.
    #[inline]
    pub fn is_available(&self, peer: &Peer<'_>, attempt: &Attempt) -> bool {
        let config = peer.config;
        if config.is_down || config.is_backup != attempt.wants_backup || peer.is_full() {
            return false;
        }
        let counters = peer.counters;
        if !counters.health().is_usable() || config.is_draining || counters.draining() != 0 {
            return false;
        }
        if self.is_single() {
            return true;
        }
        let (now, is_last_resort) = (attempt.now, attempt.is_last_resort);
        (is_last_resort || !peer.is_ejected(now))
            && (is_last_resort && counters.health() == Health::Up || !peer.is_failing(now))
            && !attempt.has_tried(peer.id)
    }

    /// The weight of `peer` now, to be compared with those of others of the group.
    pub fn weight(&self, peer: &Peer<'_>, now: Millis) -> u64 {
        let weight = u64::from(peer.config.weight);
        if self.list.has_slow_start {
            peer.grown(weight, now)
        } else {
            weight
        }
    }

    /// The peers that `attempt` may use now.
    pub fn available(&self, attempt: &Attempt) -> impl Iterator<Item = Peer<'a>> {
        self.iter().filter(|peer| self.is_available(peer, attempt))
    }

    /// The next of the available peers that `admits` names, in smooth weighted turns.
    #[inline]
    pub fn next_in_turn(
        &self,
        attempt: &Attempt,
        admits: impl Fn(&Peer<'a>) -> bool,
    ) -> Option<PeerId> {
        self.turn_of(self.available(attempt).filter(admits), attempt)
    }

    /// The next of those of the peers `ids` that are available, likewise. The others are not
    /// looked at.
    pub fn next_among(&self, attempt: &Attempt, ids: &[PeerId]) -> Option<PeerId> {
        let peers = ids.iter().filter_map(|id| self.get(*id));
        let available = peers.filter(|peer| self.is_available(peer, attempt));
        self.turn_of(available, attempt)
    }

    #[inline]
    fn turn_of(&self, peers: impl Iterator<Item = Peer<'a>>, attempt: &Attempt) -> Option<PeerId> {
        let mut total = 0;
        let mut best: Option<(Peer<'a>, i64)> = None;
        for peer in peers {
            let counters = peer.counters;
            total += self.grant(&peer, attempt.now);
            let credit = counters.credit();
            if best.is_none_or(|(_, most)| credit > most) {
                best = Some((peer, credit));
            }
        }
        let (peer, credit) = best?;
        peer.counters.set_credit(credit - total);
        Some(peer.id)
    }

    /// Adds to a peer's credit what it is due each turn; returns it.
    pub(super) fn grant(&self, peer: &Peer<'_>, now: Millis) -> i64 {
        let counters = peer.counters;
        let weight = counters.effective_weight();
        let due = if self.list.has_slow_start {
            peer.grown(weight, now).cast_signed()
        } else {
            weight.cast_signed()
        };
        counters.set_credit(counters.credit() + due);
        if weight < u64::from(peer.config.weight) {
            counters.set_effective_weight(weight + 1);
        }
        due
    }

    /// Chooses a peer: that which the session is bound to, else a primary one by `balancer`, and
    /// when there is none a backup one.
    pub(super) fn choose(
        &self,
        balancer: &dyn Balancer,
        attempt: &mut Attempt,
    ) -> Option<Peer<'a>> {
        let pick = |attempt: &mut Attempt| {
            let bound = self.bound(attempt, balancer);
            bound.or_else(|| balancer.pick(self, attempt))
        };
        let chosen = pick(attempt).or_else(|| {
            if attempt.wants_backup || !self.list.has_backup {
                return None;
            }
            attempt.wants_backup = true;
            let chosen = pick(attempt);
            attempt.wants_backup = chosen.is_some();
            chosen
        });
        let chosen = chosen.or_else(|| self.last_resort(attempt));
        let peer = self.get(chosen?)?;
        attempt.set_tried(peer.id);
        let counters = peer.counters;
        if attempt.now.saturating_sub(counters.checked()) > peer.config.fail_timeout {
            counters.set_checked(attempt.now);
        }
        counters.set_requests(counters.requests().wrapping_add(1));
        if let Some(own) = self.own_count(peer.id) {
            own.set(own.get() + 1);
        }
        counters.set_connections(counters.connections() + 1);
        Some(peer)
    }

    /// A peer that is ejected, or failed too often, but its checks succeed: better than nobody.
    /// Checks know of a server that is back before its `fail_timeout` is over, and call it
    /// unhealthy if it is not.
    fn last_resort(&self, attempt: &mut Attempt) -> Option<PeerId> {
        attempt.is_last_resort = true;
        let wanted_backup = attempt.wants_backup;
        let chosen = [false, true].into_iter().find_map(|wants_backup| {
            attempt.wants_backup = wants_backup;
            self.next_in_turn(attempt, |_| true)
        });
        attempt.is_last_resort = false;
        if chosen.is_none() {
            // One that waits for a peer asks again.
            attempt.wants_backup = wanted_backup;
        }
        chosen
    }

    /// Gives a peer back that was chosen, listed or not. Tells whether it is left alone from now
    /// on because it failed too often.
    pub(super) fn release(&self, id: PeerId, report: &Report) -> bool {
        let now = report.now;
        self.let_go(id);
        let Some(peer) = self.get(id) else {
            return false;
        };
        let counters = peer.counters;
        // Only of those that answer: others would be preferred for failing quickly.
        if let (Outcome::Answered, Some(time)) = (report.outcome, report.header_time) {
            counters.add_header_time(time);
            counters.add_response_time(report.response_time);
        }
        if self.is_single() {
            counters.set_fails(0);
            return false;
        }
        if report.outcome != Outcome::Failed {
            // A success after the failures were last counted forgives them.
            if counters.accessed() < counters.checked() {
                let max_fails = u64::from(peer.config.max_fails);
                if max_fails > 0 && counters.fails() >= max_fails {
                    peer.begin_slowly(now);
                }
                counters.set_fails(0);
            }
            return false;
        }
        let max_fails = u64::from(peer.config.max_fails);
        counters.set_fails(counters.fails().saturating_add(1));
        counters.set_accessed(now);
        counters.set_checked(now);
        let Some(penalty) = u64::from(peer.config.weight).checked_div(max_fails) else {
            return false;
        };
        counters.set_effective_weight(counters.effective_weight().saturating_sub(penalty));
        counters.fails() >= max_fails
    }

    /// Counts one connection less; the last one of a peer off the list frees its row.
    fn let_go(&self, id: PeerId) {
        let Some(row) = self.rows.get(id.row as usize) else {
            return;
        };
        let counters = Counters::of(row);
        if counters.serial() != u64::from(id.serial) {
            return;
        }
        if let Some(own) = self.own_count(id) {
            own.set(own.get().saturating_sub(1));
        }
        counters.set_connections(counters.connections().saturating_sub(1));
        if counters.leaving() != 0 && counters.connections() == 0 {
            counters.set_serial(0);
        }
    }

    fn own_count(&self, id: PeerId) -> Option<&'a Cell<u64>> {
        self.own?.get(id.row as usize)
    }
}
