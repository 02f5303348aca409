//! Processes that are killed while they hold a zone's lock.
//!
//! Not run by the standard harness: forking wants a process of a single thread.

#![expect(clippy::unwrap_used, reason = "a test without the standard harness")]

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use harness::process::child;
use sys::process;
use sys::signal::Signal;
use tidegate_shm::{SharedCounters, SharedMap, Zone};

fn main() -> ExitCode {
    let cases: &[(&str, fn())] = &[
        (
            "a_killed_owner_is_noticed_by_a_waiter",
            a_killed_owner_is_noticed_by_a_waiter,
        ),
        (
            "the_master_frees_the_lock_at_once",
            the_master_frees_the_lock_at_once,
        ),
        (
            "a_map_survives_kills_at_any_moment",
            a_map_survives_kills_at_any_moment,
        ),
        ("processes_count_together", processes_count_together),
    ];
    for (name, case) in cases {
        case();
        eprintln!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn kill(pid: u32) {
    process::send_signal(pid, Signal::KILL).unwrap();
}

fn reap(pid: u32) -> Option<i32> {
    for _ in 0..10_000 {
        if let Some(reaped) = process::reap().unwrap() {
            assert_eq!(reaped.pid, pid);
            return reaped.status.code();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{pid} does not end");
}

fn new_map(size: usize) -> SharedMap {
    SharedMap::open(Rc::new(Zone::new("test", "test", size).unwrap())).unwrap()
}

/// Longer than any wait here, and shorter than an owner that is not killed keeps the lock.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a child that takes the lock and keeps it; returns once it has it.
fn stuck_owner(map: &SharedMap, flag: &SharedCounters) -> u32 {
    let pid = child(|| {
        let _guard = map.lock();
        flag.slot(0).unwrap().add(0, 1);
        std::thread::sleep(Duration::from_secs(60));
    });
    while flag.sum(0) == 0 {
        std::thread::yield_now();
    }
    pid
}

#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn a_killed_owner_is_noticed_by_a_waiter() {
    let (map, flag) = (new_map(100_000), SharedCounters::new(1, 1).unwrap());
    map.lock().insert(b"key", b"value").unwrap();
    let pid = stuck_owner(&map, &flag);
    kill(pid);
    let start = Instant::now();
    // Not reaped: a zombie must count as dead.
    assert_eq!(map.lock().get(b"key"), Some(b"value".as_slice()));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    reap(pid);
}

/// At once is sooner than a waiter looks after the owner, which takes 50 ms. On a busy machine one
/// of a few is enough.
fn the_master_frees_the_lock_at_once() {
    let is_soon = |took: &Duration| *took < Duration::from_millis(40);
    let times: Vec<Duration> = (0..10).map(|_| time_to_free()).collect();
    assert!(times.iter().any(is_soon), "{times:?}");
}

/// How long it takes to get the lock after its owner was killed.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn time_to_free() -> Duration {
    let (map, flag) = (new_map(100_000), SharedCounters::new(1, 1).unwrap());
    let pid = stuck_owner(&map, &flag);
    assert!(!map.zone().force_unlock(process::id()));
    kill(pid);
    reap(pid);
    let start = Instant::now();
    assert!(map.zone().force_unlock(pid));
    map.lock().insert(b"key", b"value").unwrap();
    start.elapsed()
}

/// Children change the map as fast as they can and are killed again and again; the map must stay
/// whole: every value is what its key says, and the count is right.
fn a_map_survives_kills_at_any_moment() {
    let map = new_map(200_000);
    let (mut repairs, mut round) = (0, 0_u64);
    // On a busy machine many children are killed before they have begun.
    while round < 150 || (repairs <= 5 && round < 3000) {
        let pid = child(|| hammer(&map, round));
        // Another one contends for the lock all the while.
        let other = child(|| hammer(&map, round + 1_000_000));
        std::thread::sleep(Duration::from_micros(500 + round * 37 % 3000));
        kill(pid);
        kill(other);
        let mut left = vec![pid, other];
        while !left.is_empty() {
            if let Some(reaped) = process::reap().unwrap() {
                left.retain(|&pid| pid != reaped.pid);
                map.zone().force_unlock(reaped.pid);
            }
        }
        let before = repairs;
        repairs = map.zone().lock().repairs().unwrap();
        check(&map, round, repairs > before);
        round += 1;
    }
    assert!(
        repairs > 5,
        "only {repairs} kills hit a held lock: the test proves nothing"
    );
}

fn hammer(map: &SharedMap, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    loop {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let number = (state >> 33) % 3000;
        let key = number.to_ne_bytes();
        let length = usize::try_from(8 + number % 300).unwrap();
        let mut guard = map.lock();
        match state >> 61 {
            0 => drop(guard.remove(&key)),
            1..=3 => drop(guard.update(&key, |value| value.reverse())),
            _ => {
                let mut value = vec![0; length];
                value[..8].copy_from_slice(&key);
                value[length - 8..].copy_from_slice(&key);
                let _ = guard.insert_evicting(&key, &value);
            }
        }
    }
}

fn check(map: &SharedMap, round: u64, was_repaired: bool) {
    let mut guard = map.lock();
    let (mut count, expected) = (0, guard.len());
    guard.retain(|key, value| {
        count += 1;
        let number = u64::from_ne_bytes(key.try_into().unwrap());
        let length = usize::try_from(8 + number % 300).unwrap();
        assert_eq!(
            value.len(),
            length,
            "round {round}, repaired: {was_repaired}"
        );
        let mut reversed = key.to_vec();
        reversed.reverse();
        let ends = [&value[..8], &value[length - 8..]];
        assert!(length < 16 || ends == [key, key] || ends == [&reversed[..], &reversed[..]]);
        true
    });
    assert_eq!(count, expected, "round {round}, repaired: {was_repaired}");
    // Whatever the list says must also be found by key.
    for number in 0..3000_u64 {
        let found = guard.get(&number.to_ne_bytes()).is_some();
        count -= usize::from(found);
    }
    assert_eq!(count, 0, "round {round}, repaired: {was_repaired}");
}

fn processes_count_together() {
    let counters = SharedCounters::new(4, 3).unwrap();
    for slot in 0..4 {
        let pid = child(|| {
            for _ in 0..1000 {
                counters.slot(slot).unwrap().add(1, 1);
            }
        });
        assert_eq!(reap(pid), Some(0));
    }
    assert_eq!(counters.sum(1), 4000);
}
