//! Tasks, timers, threads and hooks.

use super::{Journal, PATIENCE_MS, run_until, worker};
use crate::{BlockingPool, Elapsed, PoolFull, Worker, WorkerLimits};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

#[test]
fn sleeps_end_in_order_of_time() {
    let worker = worker();
    let journal = Journal::new();
    for ms in [30, 10, 20] {
        let (sleep, journal) = (worker.sleep(ms), journal.clone());
        let start = worker.now();
        worker.spawn(async move {
            sleep.await;
            let late = Worker::current().now() - start;
            assert!(late >= ms, "{ms} ms passed in {late}");
            journal.add(ms);
        });
    }
    run_until(&worker, || journal.len() == 3);
    assert_eq!(journal.entries(), [10, 20, 30]);
    assert_eq!((worker.active_tasks(), worker.panics()), (0, 0));
}

#[test]
fn a_turn_sleeps_until_the_next_timer_and_no_longer() {
    let worker = worker();
    let sleep = worker.sleep(20);
    worker.spawn(sleep);
    let start = worker.now();
    worker.turn(None);
    let waited = worker.now() - start;
    assert!((20..PATIENCE_MS).contains(&waited), "{waited} ms");
    assert_eq!(worker.active_tasks(), 0, "one turn was enough");
}

#[test]
fn a_dropped_sleep_leaves_no_timer() {
    let worker = worker();
    let started = worker.timeout(1, pending::<()>());
    drop(started);
    worker.spawn({
        let sleep = worker.timeout(60_000, async {});
        async move { assert_eq!(sleep.await, Ok(())) }
    });
    assert_eq!(worker.sleeps.borrow().next(), None);
}

#[test]
fn a_timeout_ends_what_takes_too_long() {
    let worker = worker();
    let journal = Journal::new();
    let (timeout, seen) = (worker.timeout(5, pending::<()>()), journal.clone());
    worker.spawn(async move { seen.add(timeout.await) });
    run_until(&worker, || journal.len() == 1);
    assert_eq!(journal.entries(), [Err(Elapsed)]);
}

#[test]
fn a_task_is_polled_before_spawn_returns_and_may_spawn() {
    let worker = worker();
    let journal = Journal::new();
    let (inner, seen) = (Rc::clone(&worker), journal.clone());
    worker.spawn(async move {
        seen.add("outer starts");
        let inside = seen.clone();
        inner.spawn(async move { inside.add("inner") });
        seen.add("outer ends");
    });
    assert_eq!(journal.entries(), ["outer starts", "inner", "outer ends"]);
}

#[test]
fn many_wakes_make_one_poll() {
    let worker = worker();
    let polls = Rc::new(Cell::new(0));
    let (count, wakers) = (Rc::clone(&polls), Journal::new());
    let given = wakers.clone();
    worker.spawn(poll_fn(move |cx| {
        given.add(cx.waker().clone());
        count.set(count.get() + 1);
        if count.get() == 2 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    for _ in 0..3 {
        wakers.entries()[0].wake_by_ref();
    }
    worker.turn(Some(0));
    assert_eq!(polls.get(), 2);
    wakers.entries()[0].wake_by_ref();
    worker.turn(Some(0));
    assert_eq!(polls.get(), 2, "it is done");
}

#[test]
fn tasks_that_always_wake_themselves_do_not_stop_the_loop() {
    let worker = worker();
    worker.spawn(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let done = Rc::new(Cell::new(false));
    let (sleep, seen) = (worker.sleep(5), Rc::clone(&done));
    worker.spawn(async move {
        sleep.await;
        seen.set(true);
    });
    let start = worker.now();
    while !done.get() {
        worker.turn(None);
        assert!(worker.now() < start + PATIENCE_MS);
    }
    worker.clear();
}

#[test]
fn another_thread_wakes_a_task() {
    let worker = worker();
    let (sender, receiver) = mpsc::channel();
    let done = Rc::new(Cell::new(false));
    let (seen, woken) = (Rc::clone(&done), Cell::new(false));
    worker.spawn(poll_fn(move |cx| {
        if woken.replace(true) {
            seen.set(true);
            return Poll::Ready(());
        }
        sender.send(cx.waker().clone()).unwrap();
        Poll::Pending
    }));
    let thread = std::thread::spawn(move || receiver.recv().unwrap().wake());
    worker.turn(Some(PATIENCE_MS));
    thread.join().unwrap();
    worker.turn(Some(0));
    assert!(done.get());
}

#[test]
fn a_panic_ends_its_task_alone() {
    let worker = worker();
    let journal = Journal::new();
    let seen = journal.clone();
    worker.set_report_hook(Rc::new(move |level, text| {
        seen.add(format!("[{level}] {text}"));
    }));
    let sleep = worker.sleep(1);
    worker.spawn(async move {
        sleep.await;
        panic!("of task {}", 1);
    });
    worker.spawn(async { panic!("at once") });
    let other = worker.sleep(5);
    worker.spawn(other);
    run_until(&worker, || worker.active_tasks() == 0);
    assert_eq!(worker.panics(), 2);
    let expected = ["[alert] panic: at once", "[alert] panic: of task 1"];
    assert_eq!(journal.entries(), expected);
}

#[test]
fn threads_work_and_the_queue_has_an_end() {
    let worker = worker();
    let pool = BlockingPool::new("test", 1, 1);
    let (release, gate) = mpsc::channel::<()>();
    let journal = Journal::new();
    let jobs = [
        worker.blocking(
            &pool,
            Box::new(move || gate.recv().map_or(0, |()| 1)) as Job,
        ),
        worker.blocking(&pool, Box::new(|| 2) as Job),
        worker.blocking(&pool, Box::new(|| 3) as Job),
    ];
    for job in jobs {
        let journal = journal.clone();
        worker.spawn(async move { journal.add(job.await) });
    }
    assert_eq!(journal.entries(), [Err(PoolFull)]);
    release.send(()).unwrap();
    run_until(&worker, || journal.len() == 3);
    assert_eq!(journal.entries(), [Err(PoolFull), Ok(1), Ok(2)]);
}

type Job = Box<dyn FnOnce() -> i32 + Send>;

#[test]
fn a_panic_on_a_thread_reaches_who_waits() {
    let worker = worker();
    let pool = BlockingPool::new("test", 2, 8);
    for _ in 0..4 {
        let job = worker.blocking(&pool, || panic!("in a thread"));
        worker.spawn(async move { job.await.unwrap() });
    }
    run_until(&worker, || worker.active_tasks() == 0);
    assert_eq!(worker.panics(), 4, "and the threads live on");
}

#[test]
fn the_hook_sees_every_turn() {
    let worker = worker();
    let journal = Journal::new();
    let seen = journal.clone();
    worker.set_turn_hook(Rc::new(move |worker| seen.add(worker.heartbeat())));
    worker.turn(Some(0));
    worker.turn(Some(0));
    assert_eq!(journal.entries(), [1, 2]);
}

#[test]
fn a_turn_that_takes_long_is_reported() {
    let worker = Worker::new(WorkerLimits {
        stall: Some(300),
        ..WorkerLimits::default()
    })
    .unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&reports);
    worker.set_report_hook(Rc::new(move |level, text| {
        kept.borrow_mut().push(format!("[{level}] {text}"));
    }));
    let long = Duration::from_millis(400);
    std::thread::sleep(long);
    worker.turn(Some(0));
    worker.turn(Some(400));
    worker.turn(Some(0));
    assert!(
        reports.borrow().is_empty(),
        "starting and waiting are no stalls"
    );
    worker.set_turn_hook(Rc::new(move |_| std::thread::sleep(long)));
    worker.turn(Some(0));
    worker.turn(Some(0));
    let first = reports.borrow().first().cloned().unwrap_or_default();
    assert!(
        first.starts_with("[warn] event loop stalled: one iteration took "),
        "{first}"
    );
}

#[test]
fn a_timer_repeats_until_told_otherwise() {
    let worker = worker();
    let left = Rc::new(Cell::new(3));
    let count = Rc::clone(&left);
    worker.on_timer_every(1, move || {
        count.set(count.get() - 1);
        count.get() > 0
    });
    run_until(&worker, || worker.active_tasks() == 0);
    assert_eq!(left.get(), 0);
}

#[test]
fn a_watched_descriptor_calls_until_it_is_read() {
    let worker = worker();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let calls = Rc::new(Cell::new(0));
    let seen = Rc::clone(&calls);
    let watch = worker.watch(
        std::os::fd::OwnedFd::from(near),
        Rc::new(move || seen.set(seen.get() + 1)),
    );
    std::io::Write::write_all(&mut &far, b"x").unwrap();
    worker.turn(Some(PATIENCE_MS));
    worker.turn(Some(PATIENCE_MS));
    assert_eq!(calls.get(), 2, "nobody read it");
    worker.unwatch(watch.unwrap());
    worker.turn(Some(0));
    assert_eq!(calls.get(), 2);
}

#[test]
fn what_is_raised_is_heard_by_all_workers_once_each_time() {
    let signal = Rc::new(sys::waker::EventFd::new().unwrap());
    let workers = [(); 2].map(|()| worker());
    let calls = Rc::new(Cell::new(0));
    for worker in &workers {
        let heard = Rc::clone(&calls);
        let on_raised = Rc::new(move || heard.set(heard.get() + 1));
        worker.watch_raised(Rc::clone(&signal), on_raised).unwrap();
    }
    for round in 1..=3 {
        signal.raise();
        signal.raise();
        for worker in &workers {
            worker.turn(Some(PATIENCE_MS));
            worker.turn(Some(0));
        }
        assert_eq!(calls.get(), 2 * round);
    }
}

#[test]
fn stop_ends_the_run() {
    let worker = worker();
    let (sleep, inside) = (worker.sleep(1), Rc::clone(&worker));
    worker.spawn(async move {
        sleep.await;
        inside.stop();
    });
    worker.run();
    assert!(worker.is_stopping());
}

#[test]
fn a_cleared_worker_is_freed() {
    let worker = worker();
    let sleep = worker.sleep(1000);
    worker.spawn(sleep);
    let held = Rc::downgrade(&worker);
    worker.clear();
    drop(worker);
    assert!(held.upgrade().is_none());
}
