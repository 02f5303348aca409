//! What tells the workers where requests wait that another one has given a peer back.
//!
//! It is made with the configuration, before the workers are forked, which share it. So workers of
//! one configuration hear each other, and nobody else: they alone count the connections of its zone.

use runtime::Worker;
use shm::SharedCounters;
use std::io;
use std::rc::Rc;
use sys::waker::EventFd;

/// One for the workers of a group.
#[derive(Debug)]
pub struct Bell {
    signal: Rc<EventFd>,
    /// How many requests wait, in all workers. Those of a worker that was killed stay counted,
    /// which costs a ring that nobody needs, and no more.
    waiting: SharedCounters,
}

impl Bell {
    /// One that nobody waits for yet.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors or memory have run out.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            signal: Rc::new(EventFd::new()?),
            waiting: SharedCounters::new(1, 1)?,
        })
    }

    /// Another request waits.
    pub(super) fn begin_waiting(&self) {
        if let Some(counters) = self.waiting.slot(0) {
            counters.add(0, 1);
        }
    }

    /// One waits no more.
    pub(super) fn end_waiting(&self) {
        if let Some(counters) = self.waiting.slot(0) {
            counters.subtract(0, 1);
        }
    }

    /// Rings, if more than the `own` requests of this worker wait.
    ///
    /// Who is about to wait is counted before it looks for a peer a last time, and a peer is given
    /// back before this looks at the count, both under the lock of the zone: one sees the other.
    pub(super) fn ring(&self, own: usize) {
        if self.waiting.sum(0) > own as u64 {
            self.signal.raise();
        }
    }

    /// Calls `heard` whenever somebody has rung, until `worker` ends.
    ///
    /// # Errors
    ///
    /// The system's, when the user may watch no more.
    pub(super) fn listen(&self, worker: &Worker, heard: impl Fn() + 'static) -> io::Result<()> {
        worker.watch_raised(Rc::clone(&self.signal), Rc::new(heard))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::WorkerLimits;
    use std::cell::Cell;

    #[test]
    fn rings_for_those_who_wait_elsewhere() {
        let worker = Worker::new(WorkerLimits::default()).unwrap();
        let bell = Bell::new().unwrap();
        let rings = Rc::new(Cell::new(0));
        let heard = Rc::clone(&rings);
        bell.listen(&worker, move || heard.set(heard.get() + 1))
            .unwrap();
        bell.begin_waiting();
        bell.begin_waiting();
        bell.ring(2);
        worker.turn(Some(0));
        assert_eq!(rings.get(), 0, "both are this worker's");
        bell.ring(1);
        worker.turn(Some(1000));
        assert_eq!(rings.get(), 1);
        bell.end_waiting();
        bell.ring(1);
        worker.turn(Some(0));
        assert_eq!(rings.get(), 1);
        worker.clear();
    }
}
