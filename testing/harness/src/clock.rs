//! Real time, for waiting on other processes.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition in another process is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// The present.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "other processes are watched in real time; no runtime with a clock exists here"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks `probe` until it answers or `limit` has passed; `None` means that it never did.
pub fn wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let started = now();
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if started.elapsed() >= limit {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Whether `condition` became true within `limit`.
pub fn becomes_true(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    wait_for(limit, || condition().then_some(())).is_some()
}
