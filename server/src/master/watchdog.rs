//! Workers whose loop stands still are killed, so that their connections do not wait for ever.

use std::time::Duration;

use runtime::log::Level;
use sys::clock;
use sys::process;
use sys::signal::Signal;

use super::Master;
use crate::plan::ProcessPlan;
use crate::worker::Sign;

/// When workers were last looked at.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    /// In milliseconds of the monotonic clock; 0 for never.
    last: u64,
}

/// How often to look, in milliseconds.
fn interval(stuck_after: Duration) -> u64 {
    u64::try_from(stuck_after.as_millis() / 4)
        .unwrap_or(u64::MAX)
        .max(1)
}

impl Watchdog {
    pub(super) fn next_due(&self, plan: &ProcessPlan) -> Option<u64> {
        plan.stuck_after
            .map(|after| self.last.saturating_add(interval(after)))
    }

    /// Whether it is time to look. When the master itself could not look in time, the machine as a
    /// whole stood still, and nobody is to blame for being late.
    fn is_due(&mut self, now: u64, interval: u64) -> bool {
        let since = now.saturating_sub(self.last);
        if since < interval {
            return false;
        }
        self.last = now;
        since < interval.saturating_mul(2)
    }
}

impl Master {
    pub(super) fn watch_workers(&mut self) {
        let Some(after) = self.running.configuration.plan().stuck_after else {
            return;
        };
        let now = clock::monotonic_ms();
        if !self.watchdog.is_due(now, interval(after)) {
            return;
        }
        let limit = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let supervision = &self.supervision;
        let stuck: Vec<u32> = self
            .children
            .iter_mut()
            .filter_map(|child| {
                let beat = supervision.slot(child.slot)?.get(Sign::Beat as usize);
                let is_stuck = now.saturating_sub(beat) > limit && !process::is_stopped(child.pid);
                is_stuck.then_some(child.pid)
            })
            .collect();
        for pid in stuck {
            let seconds = after.as_secs_f32();
            let text = format!("worker process {pid} has stood still for {seconds} s: killing it");
            self.log(Level::Alert, &text);
            self.send(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_its_interval_but_not_after_a_pause_of_its_own() {
        let mut watchdog = Watchdog { last: 1000 };
        assert!(!watchdog.is_due(1099, 100));
        assert!(watchdog.is_due(1100, 100));
        assert!(watchdog.is_due(1299, 100));
        assert!(!watchdog.is_due(1600, 100), "the machine stood still");
        assert!(watchdog.is_due(1700, 100));
    }
}
