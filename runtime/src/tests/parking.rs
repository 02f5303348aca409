//! Connections without a task.

use super::{Journal, PATIENCE_MS, pair, run_until, worker};
use crate::share::OPERATIONS;
use crate::{Class, Parked, Stream, Wake, Worker};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

/// Writes down why it was resumed, and parks again until it is told to go.
struct Connection {
    stream: Stream,
    journal: Journal<Wake>,
}

impl Parked for Connection {
    fn resume(self: Rc<Self>, wake: Wake) {
        self.journal.add(wake);
        if wake != Wake::Readable {
            return;
        }
        while matches!(self.stream.try_read(&mut [0; 4]), Ok(1..)) {}
        let owner = Rc::clone(&self);
        if !self.stream.peer_closed() {
            self.stream.park(owner);
        }
    }
}

fn park(worker: &Rc<Worker>, journal: &Journal<Wake>) -> UnixStream {
    let (stream, far) = pair(worker);
    // Consumes what a new stream is taken for.
    assert!(stream.try_read(&mut [0]).is_err());
    stream.set_class(Class::Idle);
    let journal = journal.clone();
    let connection = Rc::new(Connection { stream, journal });
    connection
        .stream
        .park(Rc::clone(&connection) as Rc<dyn Parked>);
    far
}

#[test]
fn resumed_by_bytes_and_by_the_end() {
    let (worker, journal) = (worker(), Journal::new());
    let mut far = park(&worker, &journal);
    worker.turn(Some(0));
    assert_eq!(journal.entries(), [], "being writable is no news");
    for _ in 0..2 {
        far.write_all(b"hello").unwrap();
        worker.turn(Some(PATIENCE_MS));
    }
    drop(far);
    worker.turn(Some(PATIENCE_MS));
    assert_eq!(journal.entries(), [Wake::Readable; 3]);
    assert_eq!((worker.live_slots(), worker.active_tasks()), (0, 0));
}

#[test]
fn bytes_left_unread_are_told_at_once() {
    let (worker, journal) = (worker(), Journal::new());
    let (stream, mut far) = pair(&worker);
    far.write_all(b"12").unwrap();
    // One of two bytes: what is left makes no event.
    assert_eq!(stream.try_read(&mut [0]).unwrap(), 1);
    let connection = Rc::new(Connection {
        stream,
        journal: journal.clone(),
    });
    connection
        .stream
        .park(Rc::clone(&connection) as Rc<dyn Parked>);
    drop(connection);
    worker.turn(Some(0));
    assert_eq!(journal.entries(), [Wake::Readable]);
    worker.clear();
    assert_eq!(worker.live_slots(), 0);
}

#[test]
fn resumed_by_its_deadline() {
    let (worker, journal) = (worker(), Journal::new());
    let (stream, _far) = pair(&worker);
    assert!(stream.try_read(&mut [0]).is_err());
    stream.set_deadline(Some(worker.now() + 5));
    stream.set_deadline(Some(worker.now() + 20));
    let start = worker.now();
    let connection = Rc::new(Connection {
        stream,
        journal: journal.clone(),
    });
    connection
        .stream
        .park(Rc::clone(&connection) as Rc<dyn Parked>);
    drop(connection);
    run_until(&worker, || journal.len() == 1);
    assert_eq!(journal.entries(), [Wake::TimedOut]);
    assert!(worker.now() >= start + 20, "the later one counts");
    assert_eq!(worker.live_slots(), 0);
}

#[test]
fn shutting_down_resumes_all_that_are_parked() {
    let (worker, journal) = (worker(), Journal::new());
    let _far = [(); 3].map(|()| park(&worker, &journal));
    let (busy, _peer) = pair(&worker);
    assert_eq!(worker.connections().waiting, 3);
    worker.close_idle();
    assert_eq!(journal.entries(), [Wake::Shutdown; 3]);
    assert_eq!(worker.live_slots(), 1, "{busy:?} is at work");
}

/// Panics when it is resumed.
struct Broken(Stream);

impl Parked for Broken {
    fn resume(self: Rc<Self>, _: Wake) {
        panic!("cannot handle {:?}", self.0);
    }
}

#[test]
fn a_panic_closes_its_connection_alone() {
    let worker = worker();
    let (stream, mut far) = pair(&worker);
    let owner = Rc::new(Broken(stream));
    owner.0.park(Rc::clone(&owner) as Rc<dyn Parked>);
    drop(owner);
    far.write_all(b"x").unwrap();
    run_until(&worker, || worker.live_slots() == 0);
    assert_eq!(worker.panics(), 1);
}

#[test]
fn what_is_left_when_a_share_is_spent_is_told_in_the_next_turn() {
    const SHARE: usize = OPERATIONS as usize;
    let (worker, journal) = (worker(), Journal::new());
    let mut far = park(&worker, &journal);
    // Four bytes a read.
    far.write_all(&[0; 4 * 5 * SHARE]).unwrap();
    worker.turn(Some(PATIENCE_MS));
    assert!((1..=2).contains(&journal.len()));
    run_until(&worker, || journal.len() >= 6);
    assert_eq!(journal.entries(), [Wake::Readable; 6], "no bytes, no news");
    drop(far);
    run_until(&worker, || worker.live_slots() == 0);
}
