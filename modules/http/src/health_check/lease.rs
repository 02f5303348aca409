//! Which worker does the checks of a group: a row of numbers that all workers share, looked at
//! and changed while the group is held.

use runtime::Millis;
use shm::{SharedCounters, Slot};
use std::rc::Rc;

/// Milliseconds that a worker does the checks without saying so again. One that is killed is
/// found out sooner; this is for one that is stuck.
const TERM: Millis = 2000;

/// The process that does the checks; 0 for none.
const HOLDER: usize = 0;
/// Until when it does, unless it says so again.
const UNTIL: usize = 1;
/// How many numbers there are.
pub(super) const WIDTH: usize = 2;

/// The lease of one group.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) all: Rc<SharedCounters>,
    pub(super) row: usize,
}

impl Lease {
    /// Takes the lease for the process `pid`, or holds on to it; `false` while another worker
    /// has it. The group must be held.
    pub(super) fn take(&self, pid: u32, now: Millis) -> bool {
        let Some(slot) = self.slot() else {
            return false;
        };
        let holder = u32::try_from(slot.get(HOLDER)).unwrap_or(0);
        let is_free = holder == 0
            || holder == pid
            || slot.get(UNTIL) <= now
            || !sys::process::is_running(holder);
        if is_free {
            slot.set(HOLDER, pid.into());
            slot.set(UNTIL, now.saturating_add(TERM));
        }
        is_free
    }

    /// Whether the process `pid` has the lease.
    pub(super) fn is_held_by(&self, pid: u32) -> bool {
        self.slot()
            .is_some_and(|slot| slot.get(HOLDER) == u64::from(pid))
    }

    /// Gives the lease back, if it is that of process `pid`.
    pub(super) fn release(&self, pid: u32) {
        if let Some(slot) = self.slot().filter(|_| self.is_held_by(pid)) {
            slot.set(HOLDER, 0);
        }
    }

    fn slot(&self) -> Option<Slot<'_>> {
        self.all.slot(self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_has_it_until_it_is_gone_or_late() {
        let lease = Lease {
            all: Rc::new(SharedCounters::new(2, WIDTH).unwrap()),
            row: 1,
        };
        // Two processes that live: this one and its parent.
        let (first, second) = (sys::process::id(), std::os::unix::process::parent_id());
        assert!(lease.take(first, 1000));
        assert!(!lease.take(second, 1001));
        assert!(lease.take(first, 2500));
        assert!(!lease.take(second, 4499), "it said so again");
        assert!(lease.take(second, 4500), "it is late");
        assert!(lease.is_held_by(second) && !lease.is_held_by(first));
        lease.release(first);
        assert!(!lease.take(first, 4501));
        lease.release(second);
        assert!(lease.take(first, 4502));
    }

    #[test]
    fn a_process_that_is_gone_has_it_no_longer() {
        let lease = Lease {
            all: Rc::new(SharedCounters::new(1, WIDTH).unwrap()),
            row: 0,
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(lease.take(pid, 1000));
        assert!(lease.take(sys::process::id(), 1001));
    }
}
