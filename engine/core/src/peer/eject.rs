//! Taking a peer out of its group for a while because it does worse than the others: it fails
//! too many requests, or takes too long for its answers.
//!
//! Requests are counted in windows, a peer's own, in its [`Counters`]. Errors are judged at each
//! of them, times when the window is over. Ours, not nginx's, whose `max_fails`
//! counts failures and no slow or wrong answers.

use super::group::{Group, Peer};
use super::{Counters, Outcome, Report};
use runtime::Millis;
use std::fmt;

/// Milliseconds that the other peers' answers count as at least: differences below are the
/// machine's mood.
const FAST: Millis = 5;

/// Most doublings of the time that a peer is out for.
const DOUBLINGS_MAX: u64 = 20;

/// When peers are ejected, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectRules {
    /// Errors in a hundred requests; `None` to count none.
    pub errors_percent: Option<u32>,
    /// How many times the median of the other peers' times a peer's may be; `None` for any.
    pub latency: Option<u32>,
    /// Requests of a window below which nothing is judged.
    pub requests: u32,
    /// Milliseconds of a window.
    pub interval: Millis,
    /// Most peers of a hundred that may be out, for whatever reason.
    pub share_percent: u32,
    /// Milliseconds that a peer is out for at first; each time it is ejected again without a
    /// good window between, twice as long.
    pub time: Millis,
    /// Most milliseconds.
    pub max_time: Millis,
}

impl Default for EjectRules {
    fn default() -> Self {
        Self {
            errors_percent: None,
            latency: None,
            requests: 20,
            interval: 10_000,
            share_percent: 50,
            time: 30_000,
            max_time: 300_000,
        }
    }
}

/// Why a peer is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many errors in so many requests.
    Errors(u64, u64),
    /// So many milliseconds an answer, and so many of the other peers.
    Latency(Millis, Millis),
}

/// What became of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is out for so many milliseconds.
    Ejected(Cause, Millis),
    /// It is used again.
    Readmitted,
}

/// The words of the log.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ejected(Cause::Errors(errors, requests), time) => {
                write!(
                    f,
                    "peer is ejected for {time}ms, {errors} of {requests} requests failed"
                )
            }
            Self::Ejected(Cause::Latency(own, others), time) => {
                write!(
                    f,
                    "peer is ejected for {time}ms, answers take {own}ms, of others {others}ms"
                )
            }
            Self::Readmitted => f.write_str("peer is admitted again"),
        }
    }
}

impl Group<'_> {
    /// Counts how a request to `peer` ended, and judges the peer by it.
    pub(super) fn judge(
        &self,
        peer: &Peer<'_>,
        report: &Report,
        rules: &EjectRules,
    ) -> Option<Change> {
        let (counters, now) = (peer.counters, report.now);
        let is_error = report.outcome == Outcome::Failed;
        // A client that left says nothing about the peer.
        if !is_error && report.header_time.is_none() {
            return None;
        }
        let mut change = None;
        if counters.ejected_until() > 0 {
            if peer.is_ejected(now) {
                return None;
            }
            counters.set_ejected_until(0);
            change = Some(Change::Readmitted);
        }
        let slow = self.end_window(peer, now, rules);
        counters.set_window_requests(counters.window_requests() + 1);
        if is_error {
            counters.set_window_errors(counters.window_errors() + 1);
        } else {
            let time = report.header_time.unwrap_or(0);
            counters.set_window_time(counters.window_time().saturating_add(time));
        }
        let failing = if is_error {
            too_many_errors(counters, rules)
        } else {
            None
        };
        let Some(cause) = failing.or(slow) else {
            return change;
        };
        // Counting begins anew, so that the group is not looked through at every request.
        counters.begin_window(now);
        if !self.may_eject(peer, now, rules) {
            return change;
        }
        let time = eject(counters, now, rules);
        peer.begin_slowly(now.saturating_add(time));
        Some(Change::Ejected(cause, time))
    }

    /// Begins a new window when the time of the last one is over, and says whether it shows that
    /// the peer is slow.
    fn end_window(&self, peer: &Peer<'_>, now: Millis, rules: &EjectRules) -> Option<Cause> {
        let counters = peer.counters;
        let age = now.saturating_sub(counters.window());
        if age < rules.interval && counters.window() > 0 {
            return None;
        }
        let (errors, requests) = (counters.window_errors(), counters.window_requests());
        let (answers, time) = (requests.saturating_sub(errors), counters.window_time());
        counters.begin_window(now);
        counters.set_latency(0);
        // What was long ago says nothing about now.
        if age >= rules.interval.saturating_mul(2) || answers < u64::from(rules.requests) {
            return None;
        }
        let own = time.checked_div(answers)?;
        // A zero says that nothing is known.
        counters.set_latency(own + 1);
        let others = self.median_of_others(peer, now, rules);
        if let (Some(factor), Some(others)) = (rules.latency, others)
            && own > u64::from(factor) * others.max(FAST)
        {
            return Some(Cause::Latency(own, others));
        }
        counters.set_ejections(counters.ejections().saturating_sub(1));
        None
    }

    /// The median of the mean times that answers of the other peers took, the lower one of two.
    fn median_of_others(&self, peer: &Peer<'_>, now: Millis, rules: &EjectRules) -> Option<Millis> {
        let is_new = |other: &Peer<'_>| {
            let age = now.saturating_sub(other.counters.window());
            age < rules.interval.saturating_mul(2)
        };
        let others = self
            .iter()
            .filter(|other| other.id != peer.id && is_new(other));
        let mut times: Vec<Millis> = others
            .filter_map(|other| other.counters.latency().checked_sub(1))
            .collect();
        times.sort_unstable();
        times.get(times.len().checked_sub(1)? / 2).copied()
    }

    /// Whether enough of the others would be left.
    fn may_eject(&self, peer: &Peer<'_>, now: Millis, rules: &EjectRules) -> bool {
        let is_alike = |other: &Peer<'_>| {
            other.config.is_backup == peer.config.is_backup && !other.config.is_down
        };
        let (mut all, mut out) = (0_u64, 0_u64);
        for other in self.iter().filter(is_alike) {
            let is_out = !other.counters.health().is_usable()
                || other.is_ejected(now)
                || other.is_failing(now) && other.id != peer.id;
            all += 1;
            out += u64::from(is_out);
        }
        out + 1 < all && (out + 1) * 100 <= u64::from(rules.share_percent) * all
    }
}

fn too_many_errors(counters: Counters<'_>, rules: &EjectRules) -> Option<Cause> {
    let (errors, requests) = (counters.window_errors(), counters.window_requests());
    let counted = requests.max(u64::from(rules.requests));
    let most = u64::from(rules.errors_percent?).saturating_mul(counted);
    (errors.saturating_mul(100) >= most).then_some(Cause::Errors(errors, requests))
}

/// Takes the peer out; returns for how many milliseconds.
fn eject(counters: Counters<'_>, now: Millis, rules: &EjectRules) -> Millis {
    let times = counters.ejections();
    let doubled = rules.time.saturating_mul(1 << times.min(DOUBLINGS_MAX));
    let time = doubled.min(rules.max_time);
    counters.set_ejections(times.saturating_add(1));
    counters.set_ejected_until(now.saturating_add(time));
    counters.set_latency(0);
    time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::peer::{Attempt, Health, NoRoom, PeerConfig, Peers, RoundRobin};
    use std::rc::Rc;

    const RULES: EjectRules = EjectRules {
        errors_percent: Some(50),
        latency: Some(3),
        requests: 4,
        interval: 1000,
        share_percent: 50,
        time: 100,
        max_time: 350,
    };

    /// Groups of `count` peers in memory and in a zone.
    fn both(count: u16) -> [Peers; 2] {
        let config = |port| PeerConfig::new(Address::Ip(([127, 0, 0, 1], port).into()));
        let configs = || (1..=count).map(config).collect::<Vec<_>>();
        let zone = shm::Zone::new("z", "upstream", shm::SMALLEST_ZONE).unwrap();
        let shared: Result<Peers, NoRoom> = Peers::shared(&Rc::new(zone), "u", configs(), None);
        [Peers::new(configs()), shared.unwrap()]
    }

    /// Judges peer `index` by an answer after `time` milliseconds, or by an error.
    fn judge(peers: &Peers, index: usize, now: Millis, time: Option<Millis>) -> Option<Change> {
        let id = peers.list()[index].id;
        let report = Report {
            outcome: match time {
                Some(_) => Outcome::Answered,
                None => Outcome::Failed,
            },
            now,
            header_time: time,
            response_time: time.unwrap_or(0),
        };
        peers.judge(id, &report, &RULES)
    }

    fn out(peers: &Peers, now: Millis) -> Vec<bool> {
        peers.with(|group| group.iter().map(|peer| peer.is_ejected(now)).collect())
    }

    /// Errors until something happens, at most ten.
    fn fail(peers: &Peers, index: usize, now: Millis) -> Option<Change> {
        (0..10).find_map(|_| judge(peers, index, now, None))
    }

    #[test]
    fn a_share_of_errors_is_too_many_once_there_are_enough_requests() {
        for peers in both(3) {
            assert_eq!(judge(&peers, 0, 1, None), None, "one of at least four");
            let ejected = Change::Ejected(Cause::Errors(2, 2), 100);
            assert_eq!(judge(&peers, 0, 2, None), Some(ejected));
            assert_eq!(out(&peers, 101), [true, false, false]);
            assert_eq!(out(&peers, 102), [false; 3]);
            for _ in 0..9 {
                assert_eq!(judge(&peers, 1, 3, Some(1)), None);
                assert_eq!(judge(&peers, 1, 3, None), None);
                assert_eq!(judge(&peers, 1, 3, Some(1)), None);
            }
        }
    }

    #[test]
    fn errors_of_long_ago_are_forgotten() {
        for peers in both(3) {
            assert_eq!(judge(&peers, 0, 1, None), None);
            assert_eq!(judge(&peers, 0, 1001, None), None);
            assert_eq!(judge(&peers, 0, 5000, None), None);
            assert!(judge(&peers, 0, 5999, None).is_some());
        }
    }

    #[test]
    fn each_time_it_is_out_for_longer_and_good_windows_make_up_for_it() {
        for peers in both(2) {
            let time = |change| match change {
                Some(Change::Ejected(_, time)) => time,
                other => panic!("{other:?}"),
            };
            let mut now = 0;
            for expected in [100, 200, 350, 350] {
                if now > 0 {
                    assert_eq!(judge(&peers, 0, now, Some(1)), Some(Change::Readmitted));
                }
                assert_eq!(time(fail(&peers, 0, now)), expected);
                assert_eq!(judge(&peers, 0, now + 1, None), None, "it was asked before");
                now += expected;
            }
            // Four good windows, of which the last one ends with the request after it.
            assert_eq!(judge(&peers, 0, now, Some(1)), Some(Change::Readmitted));
            for _ in 0..4 {
                for _ in 0..4 {
                    assert_eq!(judge(&peers, 0, now, Some(1)), None);
                }
                now += 1000;
                assert_eq!(judge(&peers, 0, now, Some(1)), None);
            }
            now += 5000;
            assert_eq!(time(fail(&peers, 0, now)), 100);
        }
    }

    #[test]
    fn who_takes_several_times_as_long_as_the_others_is_ejected() {
        for peers in both(3) {
            // The last two are as good as each other: below 5 ms nothing counts.
            for (index, time) in [(1, 2), (2, 5), (0, 16)] {
                for _ in 0..4 {
                    assert_eq!(judge(&peers, index, 1, Some(time)), None);
                }
            }
            assert_eq!(judge(&peers, 1, 1002, Some(2)), None);
            assert_eq!(judge(&peers, 2, 1002, Some(5)), None);
            let slow = Change::Ejected(Cause::Latency(16, 2), 100);
            assert_eq!(judge(&peers, 0, 1002, Some(16)), Some(slow));
            assert_eq!(out(&peers, 1003), [true, false, false]);
        }
    }

    #[test]
    fn a_share_stays_and_nobody_alone_is_ejected() {
        for peers in both(4) {
            assert!(fail(&peers, 0, 1).is_some());
            assert!(fail(&peers, 1, 1).is_some());
            assert_eq!(fail(&peers, 2, 1), None, "half of them");
            // Those that are unhealthy count as well.
            peers.set_health(peers.list()[3].id, Health::Unhealthy, 1);
            assert_eq!(fail(&peers, 0, 200), Some(Change::Readmitted));
            assert!(fail(&peers, 0, 200).is_some());
            assert_eq!(out(&peers, 201), [true, false, false, false]);
            assert_eq!(fail(&peers, 2, 201), None);
        }
        for peers in both(1) {
            assert_eq!(fail(&peers, 0, 1), None);
        }
    }

    #[test]
    fn the_ejected_are_asked_where_nobody_else_is_left() {
        for peers in both(2) {
            assert!(fail(&peers, 0, 1).is_some());
            let ask = || {
                let mut attempt = Attempt {
                    now: 2,
                    ..Attempt::default()
                };
                let chosen = peers.choose(&RoundRobin, &mut attempt, &crate::peer::tests::NOBODY);
                chosen.map(|chosen| chosen.id)
            };
            let ids: Vec<_> = peers.list().iter().map(|peer| peer.id).collect();
            assert_eq!(ask(), Some(ids[1]));
            peers.set_health(ids[1], Health::Unhealthy, 2);
            assert_eq!(ask(), Some(ids[0]));
        }
    }
}
