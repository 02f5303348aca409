//! Tests of a whole worker, over socket pairs and sockets of this machine.

mod accepting;
mod parking;
mod streams;
mod tasks;

use crate::{Stream, Worker, WorkerLimits};
use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

/// Longest time that anything here may take, in milliseconds.
const PATIENCE_MS: u64 = 5000;

fn worker() -> Rc<Worker> {
    Worker::new(WorkerLimits::default()).unwrap()
}

/// A stream and the peer's end of it.
fn pair(worker: &Rc<Worker>) -> (Stream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    (Stream::from_fd(worker, near.into()).unwrap(), far)
}

/// Runs turns until `done`.
fn run_until(worker: &Rc<Worker>, done: impl Fn() -> bool) {
    let start = worker.now();
    while !done() {
        worker.turn(Some(100));
        assert!(worker.now() < start + PATIENCE_MS, "nothing happens");
    }
}

/// What happened, in order.
#[derive(Clone)]
struct Journal<T>(Rc<RefCell<Vec<T>>>);

impl<T: Clone> Journal<T> {
    fn new() -> Self {
        Self(Rc::default())
    }

    fn add(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    fn entries(&self) -> Vec<T> {
        self.0.borrow().clone()
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }
}
