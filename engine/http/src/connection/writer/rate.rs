//! How fast a response may leave.

use crate::core::transfer::Transfer;
use crate::request::Request;
use runtime::Millis;

/// `limit_rate`: bytes a second, counted from the start of the request in whole seconds, as
/// nginx counts.
pub(super) struct Rate {
    per_second: u64,
    after: u64,
    started: Millis,
}

impl Rate {
    pub(super) fn of(request: &Request, settings: &Transfer) -> Option<Self> {
        let value = |set: Option<u64>, template: &engine::Template| {
            set.unwrap_or_else(|| {
                if template.is_empty() {
                    return 0;
                }
                base::units::parse_size(&template.eval(request)).unwrap_or(0)
            })
        };
        let per_second = value(request.limit_rate, &settings.limit_rate);
        if per_second == 0 {
            return None;
        }
        let after = value(request.limit_rate_after, &settings.limit_rate_after);
        Some(Self {
            per_second,
            after,
            started: request.started,
        })
    }

    /// Bytes that may go now after `sent`, or how many milliseconds to wait.
    pub(super) fn allowance(&self, sent: u64, now: Millis) -> Result<u64, Millis> {
        let seconds = now.saturating_sub(self.started) / 1000 + 1;
        let budget = self
            .per_second
            .saturating_mul(seconds)
            .saturating_add(self.after);
        match budget.checked_sub(sent) {
            Some(room) if room > 0 => Ok(room),
            _ => Err(((sent - budget) * 1000 / self.per_second + 1).min(60_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_gives_a_seconds_worth_at_once_and_then_waits() {
        let rate = Rate {
            per_second: 1000,
            after: 500,
            started: 10_000,
        };
        assert_eq!(rate.allowance(0, 10_000), Ok(1500));
        assert_eq!(rate.allowance(1400, 10_900), Ok(100));
        assert_eq!(rate.allowance(1500, 10_999), Err(1));
        assert_eq!(rate.allowance(2000, 10_500), Err(501));
        assert_eq!(rate.allowance(1500, 11_000), Ok(1000));
    }
}
