//! Notices that of many connections most have gone, when memory they needed can be given back.

use crate::clock::Millis;
use crate::worker::Worker;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Of fewer connections than these nobody cares what they leave.
const MANY: u32 = 128;

/// How long to wait for the rest to go, and between two calls: giving memory back costs some
/// hundred microseconds.
const PAUSE_MS: Millis = 1000;

#[derive(Default)]
pub(crate) struct Thinning {
    hook: RefCell<Option<Rc<dyn Fn()>>>,
    /// The most slots since the last call.
    most: Cell<u32>,
    is_due: Cell<bool>,
}

impl Worker {
    /// Calls `hook` when of many connections three quarters have gone, a second after that.
    pub fn on_thinning(&self, hook: Rc<dyn Fn()>) {
        self.thinning.hook.replace(Some(hook));
    }

    /// To be called at the end of every turn.
    #[inline]
    pub(crate) fn watch_thinning(&self) {
        let live = self.live_slots();
        let most = self.thinning.most.get().max(live);
        self.thinning.most.set(most);
        if most >= MANY && live <= most / 4 && !self.thinning.is_due.replace(true) {
            self.tell_of_thinning();
        }
    }

    #[cold]
    fn tell_of_thinning(&self) {
        let worker = self.shared();
        Rc::clone(&worker).spawn(async move {
            worker.sleep(PAUSE_MS).await;
            worker.thinning.most.set(worker.live_slots());
            worker.thinning.is_due.set(false);
            let hook = worker.thinning.hook.borrow().clone();
            if let Some(hook) = hook {
                hook();
            }
        });
    }

    pub(crate) fn forget_thinning(&self) {
        self.thinning.hook.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stream, WorkerLimits};
    use std::os::unix::net::UnixStream;

    #[test]
    fn told_once_when_most_of_many_have_gone() {
        let worker = Worker::new(WorkerLimits::default()).unwrap();
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        worker.on_thinning(Rc::new(move || counted.set(counted.get() + 1)));
        let mut streams: Vec<_> = (0..MANY)
            .map(|_| Stream::from_fd(&worker, UnixStream::pair().unwrap().0.into()).unwrap())
            .collect();
        worker.turn(Some(0));
        streams.truncate(33);
        worker.turn(Some(0));
        assert_eq!(worker.active_tasks(), 0, "one more than a quarter is left");
        streams.pop();
        worker.turn(Some(0));
        streams.clear();
        while worker.active_tasks() > 0 {
            worker.turn(Some(PAUSE_MS));
        }
        worker.turn(Some(0));
        assert_eq!((calls.get(), worker.active_tasks()), (1, 0));
        worker.clear();
    }
}
