//! The buckets of a zone, in memory that all workers share.

use super::bucket::{Bucket, wait};
use crate::limits::{Keys, Named};
use http::Request;
use shm::{Full, MapGuard};
use std::rc::Rc;

/// Longest key in bytes, as nginx has it.
const KEY_MAX: usize = 65_535;

/// A zone: who is limited, and to what rate.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) keys: Keys,
    /// Thousandths of a request a second.
    pub(super) rate: u64,
}

/// One `limit_req`.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) zone: Rc<Named<Zone>>,
    /// Most excess, in thousandths, above which requests are rejected.
    pub(super) burst: u64,
    /// Excess, in thousandths, up to which requests need not wait.
    pub(super) delay: u64,
}

/// What the limits of a location say about a request.
#[derive(Debug)]
pub(super) enum Verdict<'l> {
    /// None of them has a key for it.
    Unlimited,
    /// It goes on at once.
    Passed,
    /// It goes on in so many milliseconds, for the sake of this limit.
    Delayed {
        millis: u64,
        excess: u64,
        limit: &'l Limit,
    },
    /// It is too much for this limit.
    Rejected { excess: u64, limit: &'l Limit },
    /// This limit has no room to count it.
    NoRoom(&'l Limit),
}

/// Asks each limit in turn. A request that one of them rejects is counted by none.
pub(super) fn judge<'l>(request: &Request, limits: &'l [Limit], now: u64) -> Verdict<'l> {
    let mut asked = Vec::new();
    for limit in limits {
        let Some(zone) = limit.zone.zone() else {
            continue;
        };
        let Some(key) = zone.keys.of(request, KEY_MAX) else {
            continue;
        };
        asked.push((limit, zone, key));
    }
    let keys: Vec<_> = asked
        .iter()
        .map(|(limit, zone, key)| (*limit, *zone, key.as_slice()))
        .collect();
    judge_keys(&keys, now)
}

/// The last limit is asked and counted at once, so that a single one costs a single lock.
fn judge_keys<'l>(keys: &[(&'l Limit, &Zone, &[u8])], now: u64) -> Verdict<'l> {
    let Some(((limit, zone, key), before)) = keys.split_last() else {
        return Verdict::Unlimited;
    };
    for (limit, zone, key) in before {
        let excess = zone.excess(key, now);
        if excess > limit.burst {
            return Verdict::Rejected { excess, limit };
        }
    }
    let excess = match zone.count(key, now, limit.burst) {
        Ok(excess) if excess > limit.burst => return Verdict::Rejected { excess, limit },
        Ok(excess) => excess,
        Err(Full) => return Verdict::NoRoom(limit),
    };
    let mut slowest = (wait(excess, limit.delay, zone.rate), excess, *limit);
    for (limit, zone, key) in before.iter().rev() {
        let Ok(excess) = zone.count(key, now, u64::MAX) else {
            return Verdict::NoRoom(limit);
        };
        let millis = wait(excess, limit.delay, zone.rate);
        if millis > slowest.0 {
            slowest = (millis, excess, limit);
        }
    }
    match slowest {
        (0, ..) => Verdict::Passed,
        (millis, excess, limit) => Verdict::Delayed {
            millis,
            excess,
            limit,
        },
    }
}

impl Zone {
    /// The excess that one more request would make.
    fn excess(&self, key: &[u8], now: u64) -> u64 {
        let mut map = self.keys.map.lock();
        let bucket = map.update(key, |value| Bucket::from_bytes(value));
        bucket.map_or(0, |bucket| bucket.with_request(self.rate, now).excess)
    }

    /// The excess with one more request, which is counted unless that is more than `burst`.
    fn count(&self, key: &[u8], now: u64, burst: u64) -> Result<u64, Full> {
        let mut map = self.keys.map.lock();
        let counted = map.update(key, |value| {
            let next = Bucket::from_bytes(value).with_request(self.rate, now);
            if next.excess <= burst
                && let Some(place) = value.first_chunk_mut()
            {
                *place = next.to_bytes();
            }
            next.excess
        });
        if let Some(excess) = counted {
            return Ok(excess);
        }
        self.forget_old(&mut map, now);
        let fresh = Bucket {
            excess: 0,
            last: now,
        }
        .to_bytes();
        if map.insert(key, &fresh).is_err() {
            keep_own_entry(&mut map);
            map.remove_oldest();
            self.forget_old(&mut map, now);
            map.insert(key, &fresh)?;
        }
        Ok(0)
    }

    /// Makes room a little at a time: of the two least recently used buckets, those that are
    /// long drained.
    fn forget_old(&self, map: &mut MapGuard<'_>, now: u64) {
        for _ in 0..2 {
            keep_own_entry(map);
            let oldest = map.oldest().map(|(_, value)| Bucket::from_bytes(value));
            if !oldest.is_some_and(|bucket| bucket.is_forgettable(self.rate, now)) {
                return;
            }
            map.remove_oldest();
        }
    }
}

/// The entry without a key is the zone's own, and stays.
fn keep_own_entry(map: &mut MapGuard<'_>) {
    if map.oldest().is_some_and(|(key, _)| key.is_empty()) {
        map.update(b"", |_| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Declared;
    use crate::testing::line;

    fn limit(name: &str, (rate, burst, delay): (u64, u64, u64)) -> Limit {
        let zone = line("limit_req_zone $uri", |line| {
            let word = format!("zone={name}:32k");
            let declared = Declared::read("limit_req_zone", word.as_bytes()).unwrap();
            declared
                .make(line, ("limit_req", "limit_req"), |keys| Zone { keys, rate })
                .unwrap()
        });
        Limit { zone, burst, delay }
    }

    fn judge_at<'l>(limits: &'l [Limit], now: u64) -> Verdict<'l> {
        let with_key = |limit: &'l Limit| (limit, limit.zone.zone().unwrap(), &b"key"[..]);
        let keys: Vec<_> = limits.iter().map(with_key).collect();
        judge_keys(&keys, now)
    }

    #[test]
    fn bursts_wait_and_more_is_rejected() {
        let limits = [limit("a", (1000, 2000, 0))];
        assert!(matches!(judge_at(&limits, 5000), Verdict::Passed));
        let delayed = |verdict, expected| {
            let Verdict::Delayed { millis, .. } = verdict else {
                panic!("{verdict:?}");
            };
            assert_eq!(millis, expected);
        };
        delayed(judge_at(&limits, 5000), 1000);
        delayed(judge_at(&limits, 5000), 2000);
        for _ in 0..3 {
            let verdict = judge_at(&limits, 5000);
            assert!(matches!(verdict, Verdict::Rejected { excess: 3000, .. }));
        }
        delayed(judge_at(&limits, 6000), 2000);
    }

    #[test]
    fn what_one_limit_rejects_no_limit_counts() {
        let limits = [limit("a", (1000, 5000, u64::MAX)), limit("b", (1000, 0, 0))];
        assert!(matches!(judge_at(&limits, 5000), Verdict::Passed));
        for _ in 0..9 {
            let Verdict::Rejected { limit, .. } = judge_at(&limits, 5000) else {
                panic!("not rejected");
            };
            assert_eq!(limit.zone.name, "b");
        }
        let first = limits[0].zone.zone().unwrap();
        assert_eq!(first.excess(b"key", 5000), 1000);
    }

    #[test]
    fn the_slowest_limit_decides_how_long() {
        let limits = [limit("a", (500, 9000, 0)), limit("b", (1000, 9000, 0))];
        assert!(matches!(judge_at(&limits, 5000), Verdict::Passed));
        let Verdict::Delayed { millis, limit, .. } = judge_at(&limits, 5000) else {
            panic!("not delayed");
        };
        assert_eq!((millis, limit.zone.name.as_str()), (2000, "a"));
    }

    #[test]
    fn a_full_zone_forgets_the_least_recently_used() {
        let limit = limit("a", (1000, 0, 0));
        let zone = limit.zone.zone().unwrap();
        for number in 0..5000_u32 {
            assert_eq!(zone.count(&number.to_ne_bytes(), 5000, 0), Ok(0));
        }
        assert_eq!(zone.count(&4999_u32.to_ne_bytes(), 5000, 0), Ok(1000));
        assert_eq!(zone.count(&0_u32.to_ne_bytes(), 5000, 0), Ok(0));
        assert!(zone.keys.map.lock().get(b"").is_some());
    }
}
