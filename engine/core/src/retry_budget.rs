//! A limit to how many requests are tried again, so that servers that fail are not asked all the
//! more because they do.
//!
//! Every request that comes puts a share of a retry into the budget, and so does time; every
//! retry takes one out. What is put in beyond the most that it holds is lost.

use runtime::Millis;
use std::cell::Cell;

/// A retry, in the units of the budget: a thousandth of a hundredth, so that both a percentage
/// of a request and a rate over milliseconds are whole numbers.
const RETRY: u64 = 100_000;

/// Milliseconds whose share of retries can be saved up.
const SAVED: Millis = 10_000;

/// What may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Retries for each hundred requests.
    pub percent: u32,
    /// Retries a second, whatever comes.
    pub per_second: u32,
}

impl Default for RetryRules {
    /// A retry for each request, and 100 a second: no server is asked more than twice as often
    /// as clients ask, and where few of many servers fail nothing is ever held back.
    fn default() -> Self {
        Self {
            percent: 100,
            per_second: 100,
        }
    }
}

/// The budget of one group in one worker.
#[derive(Debug)]
pub struct RetryBudget {
    /// `None` for no limit.
    rules: Option<RetryRules>,
    left: Cell<u64>,
    /// When time last put something in.
    filled: Cell<Millis>,
    /// When it was last told that nothing is left.
    told: Cell<Option<Millis>>,
}

impl RetryBudget {
    /// A full budget; with `None` for rules one without end.
    pub fn new(rules: Option<RetryRules>) -> Self {
        let budget = Self {
            rules,
            left: Cell::new(0),
            filled: Cell::new(0),
            told: Cell::new(None),
        };
        if let Some(rules) = rules {
            budget.left.set(most(rules));
        }
        budget
    }

    /// A request has come.
    pub fn count_request(&self) {
        if let Some(rules) = self.rules {
            self.put(u64::from(rules.percent) * (RETRY / 100), rules);
        }
    }

    /// Whether a request may be tried again now.
    pub fn has_retry(&self, now: Millis) -> bool {
        let Some(rules) = self.rules else {
            return true;
        };
        // The clock of the first use is not known when the budget is made.
        let since = now.saturating_sub(self.filled.replace(now)).min(SAVED);
        self.put(since * u64::from(rules.per_second) * (RETRY / 1000), rules);
        self.left.get() >= RETRY
    }

    /// A request is tried again.
    pub fn take_retry(&self) {
        self.left.set(self.left.get().saturating_sub(RETRY));
    }

    /// Whether to say that nothing is left: once a second is enough.
    pub fn must_tell(&self, now: Millis) -> bool {
        let is_due = self.told.get().is_none_or(|told| now >= told + 1000);
        if is_due {
            self.told.set(Some(now));
        }
        is_due
    }

    fn put(&self, amount: u64, rules: RetryRules) {
        let left = self.left.get().saturating_add(amount);
        self.left.set(left.min(most(rules)));
    }
}

/// The most that a budget holds: what ten seconds give, or a hundred requests where that is more.
fn most(rules: RetryRules) -> u64 {
    let of_time = u64::from(rules.per_second) * (SAVED / 1000);
    of_time.max(u64::from(rules.percent)) * RETRY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(percent: u32, per_second: u32) -> RetryBudget {
        RetryBudget::new(Some(RetryRules {
            percent,
            per_second,
        }))
    }

    /// Takes what there is, at most 10,000 retries, and says how many there were.
    fn drain(budget: &RetryBudget, now: Millis) -> usize {
        let takes = (0..10_000).take_while(|_| {
            let has = budget.has_retry(now);
            if has {
                budget.take_retry();
            }
            has
        });
        takes.count()
    }

    #[test]
    fn requests_earn_their_share() {
        let budget = budget(20, 0);
        assert_eq!(drain(&budget, 5000), 20, "full at the start");
        for _ in 0..99 {
            budget.count_request();
        }
        assert_eq!(drain(&budget, 90_000), 19, "time gives nothing");
        budget.count_request();
        assert_eq!(drain(&budget, 90_000), 1);
    }

    #[test]
    fn seconds_earn_the_least_there_is() {
        let budget = budget(0, 10);
        assert_eq!(drain(&budget, 5000), 100);
        assert_eq!(drain(&budget, 5099), 0);
        assert_eq!(drain(&budget, 5100), 1);
        assert_eq!(drain(&budget, 6100), 10);
        assert_eq!(drain(&budget, 600_000), 100, "no more than is saved up");
    }

    #[test]
    fn without_rules_there_is_no_end() {
        let budget = RetryBudget::new(None);
        assert_eq!(drain(&budget, 1), 10_000);
    }

    #[test]
    fn a_budget_of_nothing_gives_nothing() {
        assert_eq!(drain(&budget(0, 0), 5000), 0);
    }

    #[test]
    fn the_lack_is_told_once_a_second() {
        let budget = budget(0, 0);
        let told: Vec<_> = [5, 900, 1005, 1006].map(|now| budget.must_tell(now)).into();
        assert_eq!(told, [true, false, true, false]);
    }
}
