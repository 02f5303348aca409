//! Accepting, and giving up connections when there are too many.

use super::{Journal, run_until};
use crate::{Accepted, Class, Parked, Stream, Wake, Worker, WorkerLimits};
use std::cell::RefCell;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use sys::socket::{Address, ListenOptions, Listener, PeerAddr};

fn worker(connections: u32) -> Rc<Worker> {
    Worker::new(WorkerLimits {
        connections,
        multi_accept: true,
        ..WorkerLimits::default()
    })
    .unwrap()
}

fn listener() -> (Listener, std::net::SocketAddr) {
    let any = Address::Ip("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&any, &ListenOptions::default()).unwrap();
    match listener.local_addr().unwrap() {
        Address::Ip(addr) => (listener, addr),
        Address::Unix(_) => unreachable!("it was bound to an IP address"),
    }
}

type Held = Rc<RefCell<Vec<Accepted>>>;

/// Keeps what it accepts, in `class`.
fn keep(class: Class) -> (Held, Rc<dyn Fn(Accepted)>) {
    let held = Held::default();
    let keeper = Rc::clone(&held);
    let accept = move |accepted: Accepted| {
        accepted.stream.set_class(class);
        keeper.borrow_mut().push(accepted);
    };
    (held, Rc::new(accept))
}

/// Listens with `worker` and serves each connection with `serve`, in a task of its own; the
/// journal has what came of it.
fn serve_each<F>(
    worker: &Rc<Worker>,
    serve: impl Fn(Stream) -> F + 'static,
) -> (std::net::SocketAddr, Journal<F::Output>)
where
    F: Future<Output: Clone> + 'static,
{
    let (listener, addr) = listener();
    let journal = Journal::new();
    let kept = journal.clone();
    let accept = move |accepted: Accepted| {
        let (journal, served) = (kept.clone(), serve(accepted.stream));
        Worker::current().spawn(async move { journal.add(served.await) });
    };
    worker.listen(listener, false, Rc::new(accept)).unwrap();
    (addr, journal)
}

#[test]
fn accepts_with_the_address_of_the_peer() {
    let worker = worker(8);
    let (listener, addr) = listener();
    let (held, accept) = keep(Class::Header);
    let id = worker.listen(listener, false, accept).unwrap();
    let clients = [(); 3].map(|()| TcpStream::connect(addr).unwrap());
    run_until(&worker, || held.borrow().len() == 3);
    for (client, accepted) in clients.iter().zip(&*held.borrow()) {
        assert_eq!(accepted.peer, PeerAddr::from(client.local_addr().unwrap()));
    }
    assert_eq!(worker.connections().reading, 3);
    worker.close_listener(id);
    assert!(TcpStream::connect(addr).is_err());
    assert_eq!(held.borrow().len(), 3, "they live on");
}

#[test]
fn nothing_is_accepted_in_a_pause() {
    let worker = worker(8);
    let (listener, addr) = listener();
    let (held, accept) = keep(Class::Header);
    worker.listen(listener, true, accept).unwrap();
    worker.pause_accept();
    let _client = TcpStream::connect(addr).unwrap();
    worker.turn(Some(5));
    assert_eq!(held.borrow().len(), 0);
    worker.resume_accept();
    run_until(&worker, || held.borrow().len() == 1);
}

/// An idle connection that goes when asked to.
struct Idle {
    stream: Stream,
    number: usize,
    journal: Journal<(usize, Wake)>,
}

impl Parked for Idle {
    fn resume(self: Rc<Self>, wake: Wake) {
        self.journal.add((self.number, wake));
        assert!(self.stream.is_writable_hint());
    }
}

#[test]
fn the_longest_idle_make_room() {
    let worker = worker(2);
    let (listener, addr) = listener();
    let journal = Journal::new();
    let (seen, numbers) = (journal.clone(), std::cell::Cell::new(0));
    let accept = move |accepted: Accepted| {
        let number = numbers.replace(numbers.get() + 1);
        let _ = accepted.stream.try_read(&mut [0]);
        accepted.stream.set_class(Class::Idle);
        let journal = seen.clone();
        let stream = accepted.stream;
        let idle = Rc::new(Idle {
            stream,
            number,
            journal,
        });
        idle.stream.park(Rc::clone(&idle) as Rc<dyn Parked>);
    };
    worker.listen(listener, false, Rc::new(accept)).unwrap();
    let messages = Journal::new();
    let said = messages.clone();
    worker.set_report_hook(Rc::new(move |level, text| {
        said.add(format!("[{level}] {text}"));
    }));
    let _clients = [(); 4].map(|()| TcpStream::connect(addr).unwrap());
    run_until(&worker, || journal.len() == 2);
    assert_eq!(journal.entries(), [(0, Wake::Evicted), (1, Wake::Evicted)]);
    assert_eq!(worker.live_slots(), 2);
    let expected = ["[warn] 2 worker_connections are not enough, reusing connections"];
    assert_eq!(messages.entries(), expected, "once a second");
}

#[test]
fn a_slow_head_makes_room_and_its_task_hears_of_it() {
    let worker = worker(1);
    let (addr, journal) = serve_each(&worker, |stream| async move {
        let _ = stream.try_read(&mut [0]);
        stream.readable().await.unwrap_err().kind()
    });
    let _clients = [(); 2].map(|()| TcpStream::connect(addr).unwrap());
    run_until(&worker, || journal.len() == 1);
    assert_eq!(journal.entries(), [io::ErrorKind::ConnectionAborted]);
    assert_eq!((worker.live_slots(), worker.active_tasks()), (1, 1));
    worker.clear();
}

#[test]
fn those_that_are_answered_stay_and_others_wait_for_a_slot() {
    let worker = worker(1);
    let (listener, addr) = listener();
    let (held, accept) = keep(Class::Writing);
    worker.listen(listener, false, accept).unwrap();
    let _clients = [(); 2].map(|()| TcpStream::connect(addr).unwrap());
    run_until(&worker, || held.borrow().len() == 1);
    let turns = worker.heartbeat();
    let start = worker.now();
    while worker.now() < start + 50 {
        worker.turn(Some(10));
    }
    assert!(worker.heartbeat() - turns < 20, "it does not spin");
    held.borrow_mut().clear();
    // Without waiting: a free slot is used at once.
    worker.turn(Some(0));
    worker.turn(Some(0));
    assert_eq!(held.borrow().len(), 1);
}

#[test]
fn a_client_that_takes_nothing_makes_room_in_the_end() {
    let worker = worker(1);
    let (addr, journal) = serve_each(&worker, |stream| async move {
        stream.set_class(Class::Writing);
        let start = stream.worker().now();
        let error = loop {
            while stream.try_write(&[0; 1 << 16]).is_ok() {}
            if let Err(error) = stream.writable().await {
                break error;
            }
        };
        (error.kind(), stream.worker().now() - start)
    });
    let _clients = [(); 2].map(|()| TcpStream::connect(addr).unwrap());
    run_until(&worker, || journal.len() == 1);
    let (kind, waited) = journal.entries()[0];
    assert_eq!(kind, io::ErrorKind::ConnectionAborted);
    assert!(waited >= 400, "it had its time: {waited} ms");
    run_until(&worker, || worker.live_slots() == 1);
    assert_eq!(worker.connections().writing, 1);
    worker.clear();
}
