//! A leaky bucket: requests pour in, and drain at the rate of the zone.

/// A thousandth of a request is the unit of all that is counted here.
pub(super) const REQUEST: u64 = 1000;

/// After so many milliseconds without a request a drained bucket is forgotten.
const FORGET_AFTER: u64 = 60_000;

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    /// Requests beyond the rate, in thousandths.
    pub(super) excess: u64,
    /// When it was counted, in milliseconds of the monotonic clock, which all workers share.
    pub(super) last: u64,
}

impl Bucket {
    /// Reads what [`Bucket::to_bytes`] wrote; damaged bytes are an empty bucket.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_ne_bytes(*word));
        Self {
            excess: word(0),
            last: word(1),
        }
    }

    /// The bytes for shared memory.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (excess, last) = bytes.split_at_mut(8);
        excess.copy_from_slice(&self.excess.to_ne_bytes());
        last.copy_from_slice(&self.last.to_ne_bytes());
        bytes
    }

    /// The bucket with one more request at `now`, drained by `rate` thousandths a second.
    ///
    /// Workers read the clock at different moments, so `last` may be a little later than `now`;
    /// when it is much later, the clock began anew.
    pub(super) fn with_request(self, rate: u64, now: u64) -> Self {
        let millis = match now.checked_sub(self.last) {
            Some(millis) => millis,
            None if self.last - now > FORGET_AFTER => 1,
            None => 0,
        };
        let excess = self.excess.saturating_add(REQUEST);
        Self {
            excess: excess.saturating_sub(drained(rate, millis)),
            last: if millis > 0 { now } else { self.last },
        }
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_forgettable(self, rate: u64, now: u64) -> bool {
        let millis = now.abs_diff(self.last);
        millis >= FORGET_AFTER && self.excess <= drained(rate, millis)
    }
}

fn drained(rate: u64, millis: u64) -> u64 {
    rate.saturating_mul(millis) / 1000
}

/// Milliseconds until `excess` has drained to `allowed`.
pub(super) fn wait(excess: u64, allowed: u64, rate: u64) -> u64 {
    let over = excess.saturating_sub(allowed);
    over.saturating_mul(1000) / rate.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two requests a second.
    const RATE: u64 = 2 * REQUEST;

    #[test]
    fn requests_within_the_rate_leave_no_excess() {
        let mut bucket = Bucket { excess: 0, last: 0 };
        for now in [500, 1000, 1700, 2200] {
            bucket = bucket.with_request(RATE, now);
            assert_eq!(
                bucket,
                Bucket {
                    excess: 0,
                    last: now
                }
            );
        }
    }

    #[test]
    fn excess_adds_up_and_drains() {
        let first = Bucket {
            excess: 0,
            last: 1000,
        };
        let second = first.with_request(RATE, 1000);
        assert_eq!(
            second,
            Bucket {
                excess: 1000,
                last: 1000
            }
        );
        let third = second.with_request(RATE, 1100);
        assert_eq!(
            third,
            Bucket {
                excess: 1800,
                last: 1100
            }
        );
        assert_eq!(third.with_request(RATE, 2100).excess, 800);
        assert_eq!(wait(third.excess, 0, RATE), 900);
        assert_eq!(wait(third.excess, 1000, RATE), 400);
        assert_eq!(wait(third.excess, 2000, RATE), 0);
        assert_eq!(wait(third.excess, u64::MAX, RATE), 0);
    }

    #[test]
    fn a_clock_that_lags_drains_nothing() {
        let bucket = Bucket {
            excess: 0,
            last: 1000,
        };
        let next = bucket.with_request(RATE, 990);
        assert_eq!(
            next,
            Bucket {
                excess: 1000,
                last: 1000
            }
        );
        let far = Bucket {
            excess: 0,
            last: 100_000,
        };
        assert_eq!(far.with_request(RATE, 5).last, 5);
    }

    #[test]
    fn drained_buckets_are_forgotten_after_a_minute() {
        let bucket = Bucket {
            excess: 500_000,
            last: 0,
        };
        assert!(!bucket.is_forgettable(RATE, 59_999));
        assert!(!bucket.is_forgettable(RATE, 60_000));
        assert!(bucket.is_forgettable(RATE, 250_000));
    }

    #[test]
    fn bytes_hold_all_of_it() {
        let bucket = Bucket {
            excess: u64::MAX,
            last: 7,
        };
        assert_eq!(Bucket::from_bytes(&bucket.to_bytes()), bucket);
        assert_eq!(Bucket::from_bytes(b"damaged"), Bucket::default());
    }
}
