//! The workers that there are, and how far each has got.

use sys::signal::Signal;

/// How long a worker that was told to end now may take before it is killed, in milliseconds.
const TERMINATION_MS: u64 = 1500;

/// How much longer than `worker_shutdown_timeout` a worker may take, in milliseconds.
const GRACE_MS: u64 = 1000;

/// How far a worker has been told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// Told to finish what it has; to be told to end now at that time, if at any.
    Quitting(Option<u64>),
    /// Told to end now; to be killed at that time.
    Terminating(u64),
    Killed,
}

/// A worker.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: u32,
    /// Its number among the workers of its configuration.
    pub(super) number: usize,
    /// Its slot in the counters.
    pub(super) slot: usize,
    /// Which configuration it runs.
    pub(super) generation: u64,
    /// When it was started, in milliseconds of the monotonic clock.
    pub(super) started: u64,
    leaving: Leaving,
}

impl Child {
    pub(super) const fn new(
        pid: u32,
        number: usize,
        slot: usize,
        generation: u64,
        started: u64,
    ) -> Self {
        Self {
            pid,
            number,
            slot,
            generation,
            started,
            leaving: Leaving::No,
        }
    }

    pub(super) const fn is_leaving(&self) -> bool {
        !matches!(self.leaving, Leaving::No)
    }

    /// Notes that it was told to finish; `timeout` is how long it may take, in milliseconds.
    pub(super) fn note_quit(&mut self, now: u64, timeout: Option<u64>) {
        if self.leaving == Leaving::No {
            let due = timeout.map(|timeout| now.saturating_add(timeout).saturating_add(GRACE_MS));
            self.leaving = Leaving::Quitting(due);
        }
    }

    /// Notes that it was told to end now.
    pub(super) fn note_terminate(&mut self, now: u64) {
        if matches!(self.leaving, Leaving::No | Leaving::Quitting(_)) {
            self.leaving = Leaving::Terminating(now + TERMINATION_MS);
        }
    }

    /// Notes that it was killed.
    pub(super) fn note_kill(&mut self) {
        self.leaving = Leaving::Killed;
    }

    /// What it must be told now because it has not gone in time.
    pub(super) fn press(&mut self, now: u64) -> Option<Signal> {
        match self.leaving {
            Leaving::Quitting(Some(due)) if now >= due => {
                self.note_terminate(now);
                Some(Signal::TERM)
            }
            Leaving::Terminating(due) if now >= due => {
                self.note_kill();
                Some(Signal::KILL)
            }
            _ => None,
        }
    }

    const fn due(&self) -> Option<u64> {
        match self.leaving {
            Leaving::Quitting(due) => due,
            Leaving::Terminating(due) => Some(due),
            Leaving::No | Leaving::Killed => None,
        }
    }
}

/// All workers, and those that are to come.
#[derive(Debug, Default)]
pub(super) struct Children {
    all: Vec<Child>,
    /// When which worker is to be started.
    to_come: Vec<(u64, usize)>,
}

impl Children {
    pub(super) fn add(&mut self, child: Child) {
        self.all.push(child);
    }

    pub(super) fn remove(&mut self, pid: u32) -> Option<Child> {
        let index = self.all.iter().position(|child| child.pid == pid)?;
        Some(self.all.swap_remove(index))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Child> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Child> {
        self.all.iter_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The lowest slot below `slots` that no worker has.
    pub(super) fn free_slot(&self, slots: usize) -> Option<usize> {
        (0..slots).find(|&slot| self.all.iter().all(|child| child.slot != slot))
    }

    /// Arranges for worker `number` to be started at `due`.
    pub(super) fn start_later(&mut self, due: u64, number: usize) {
        self.to_come.push((due, number));
    }

    /// Forgets what was to be started.
    pub(super) fn start_nothing(&mut self) {
        self.to_come.clear();
    }

    /// The numbers of the workers to be started by now.
    pub(super) fn take_due(&mut self, now: u64) -> Vec<usize> {
        self.to_come
            .extract_if(.., |(due, _)| *due <= now)
            .map(|(_, number)| number)
            .collect()
    }

    /// When something is to be done about any of them.
    pub(super) fn next_due(&self) -> Option<u64> {
        let leaving = self.all.iter().filter_map(Child::due);
        leaving
            .chain(self.to_come.iter().map(|(due, _)| *due))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaver_is_pressed_harder_and_harder() {
        let mut child = Child::new(1, 0, 0, 0, 0);
        assert_eq!((child.due(), child.press(u64::MAX)), (None, None));
        child.note_quit(100, Some(5000));
        assert!(child.is_leaving());
        assert_eq!(child.press(6099), None);
        assert_eq!(child.press(6100), Some(Signal::TERM));
        assert_eq!(child.press(6100 + TERMINATION_MS - 1), None);
        assert_eq!(child.press(6100 + TERMINATION_MS), Some(Signal::KILL));
        assert_eq!((child.due(), child.press(u64::MAX)), (None, None));
    }

    #[test]
    fn without_a_timeout_a_worker_may_take_for_ever() {
        let mut child = Child::new(1, 0, 0, 0, 0);
        child.note_quit(100, None);
        assert_eq!((child.due(), child.press(u64::MAX)), (None, None));
        child.note_terminate(200);
        assert_eq!(child.due(), Some(200 + TERMINATION_MS));
        child.note_quit(300, None);
        assert_eq!(child.due(), Some(200 + TERMINATION_MS), "not put off");
    }

    #[test]
    fn slots_are_reused_once_free() {
        let mut children = Children::default();
        for slot in 0..3 {
            children.add(Child::new(10 + slot, 0, slot as usize, 0, 0));
        }
        assert_eq!(children.free_slot(3), None);
        children.remove(11);
        assert_eq!(children.free_slot(3), Some(1));
        assert!(children.remove(11).is_none());
    }

    #[test]
    fn starts_come_when_they_are_due() {
        let mut children = Children::default();
        children.start_later(50, 1);
        children.start_later(20, 0);
        assert_eq!(children.next_due(), Some(20));
        assert_eq!(children.take_due(19), Vec::<usize>::new());
        assert_eq!(children.take_due(20), [0]);
        assert_eq!(children.next_due(), Some(50));
        children.start_nothing();
        assert_eq!(children.next_due(), None);
    }
}
