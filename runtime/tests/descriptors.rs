//! Out of descriptors: alone in its process, whose limit it lowers.

use std::cell::RefCell;
use std::fs::File;
use std::net::TcpStream;
use std::rc::Rc;
use sys::socket::{Address, ListenOptions, Listener};
use tidegate_runtime::{Accepted, Class, Worker, WorkerLimits};

#[test]
fn accepting_pauses_and_goes_on_when_a_descriptor_is_freed() {
    let worker = Worker::new(WorkerLimits::default()).unwrap();
    let any = Address::Ip("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&any, &ListenOptions::default()).unwrap();
    let Address::Ip(addr) = listener.local_addr().unwrap() else {
        unreachable!("it was bound to an IP address");
    };
    let held = Rc::new(RefCell::new(Vec::new()));
    let keeper = Rc::clone(&held);
    let accept = move |accepted: Accepted| {
        accepted.stream.set_class(Class::Writing);
        keeper.borrow_mut().push(accepted);
    };
    worker.listen(listener, false, Rc::new(accept)).unwrap();
    let messages = Rc::new(RefCell::new(Vec::new()));
    let said = Rc::clone(&messages);
    worker.set_report_hook(Rc::new(move |level, text| {
        said.borrow_mut().push(format!("[{level}] {text}"));
    }));

    let _first = TcpStream::connect(addr).unwrap();
    while held.borrow().is_empty() {
        worker.turn(Some(100));
    }
    let _second = TcpStream::connect(addr).unwrap();
    sys::process::set_open_files_limit(64).unwrap();
    let mut ballast = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        ballast.push(file);
    }

    let (start, turns) = (worker.now(), worker.heartbeat());
    while worker.now() < start + 100 {
        worker.turn(Some(20));
    }
    assert!(worker.heartbeat() - turns < 30, "it does not spin");
    assert_eq!(held.borrow().len(), 1);
    assert!(messages.borrow()[0].starts_with("[crit] accept4() failed"));
    assert!(File::open("/dev/null").is_ok(), "the spare one can be used");

    drop(ballast.pop());
    drop(ballast.pop());
    worker.descriptor_freed();
    // Without waiting, so that it is not the pause that is over.
    worker.turn(Some(0));
    worker.turn(Some(0));
    assert_eq!(held.borrow().len(), 2);
}
