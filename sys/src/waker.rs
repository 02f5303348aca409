//! Wakers that allocate nothing: which worker and which of its tasks is packed into the one
//! word that a [`Waker`] carries.
//!
//! A wake on the worker's own thread is a push onto a thread-local list. From any other thread
//! it goes through a locked list and an eventfd, which ends the worker's wait.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};

const _: () = assert!(usize::BITS == 64, "a task key takes 64 bits");

const FIELD_BITS: u32 = 24;

/// Highest index of a task, and the mask under which generations are compared.
pub const MAX_INDEX: u32 = (1 << FIELD_BITS) - 1;

/// Name of one task: a place in its worker's table, and which of the tasks that had this
/// place. From the high end: 16 bits of worker, 24 of generation, 24 of index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskKey(usize);

#[expect(
    clippy::cast_possible_truncation,
    reason = "every field is masked to its width"
)]
impl TaskKey {
    fn new(worker: u16, index: u32, generation: u32) -> Self {
        let low = (index & MAX_INDEX) as usize;
        let middle = ((generation & MAX_INDEX) as usize) << FIELD_BITS;
        Self(usize::from(worker) << (2 * FIELD_BITS) | middle | low)
    }

    fn worker(self) -> u16 {
        (self.0 >> (2 * FIELD_BITS)) as u16
    }

    /// Place in the worker's table of tasks.
    pub fn index(self) -> u32 {
        self.0 as u32 & MAX_INDEX
    }

    /// Generation of that place, modulo 2^24.
    pub fn generation(self) -> u32 {
        (self.0 >> FIELD_BITS) as u32 & MAX_INDEX
    }
}

/// An eventfd: a counter that can be waited for and raised from any thread, and from processes
/// that were forked since.
#[derive(Debug)]
pub struct EventFd {
    file: File,
}

impl EventFd {
    /// A counter at zero, close-on-exec and non-blocking.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors have run out.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just returned this descriptor, nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { file: fd.into() })
    }

    /// Makes it readable.
    pub fn raise(&self) {
        // It fails only when the counter is full, and then it is readable already.
        let _ = (&self.file).write(&1_u64.to_ne_bytes());
    }

    /// Makes it not readable.
    pub fn clear(&self) {
        // It fails only when it was clear already.
        let _ = (&self.file).read(&mut [0; 8]);
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Where other threads leave wakes for a worker.
#[derive(Debug)]
struct Remote {
    woken: Mutex<Vec<TaskKey>>,
    signal: EventFd,
}

/// No worker's number.
const NONE: u16 = u16::MAX;

thread_local! {
    /// The worker whose wakes go to `WOKEN`.
    static CURRENT: Cell<u16> = const { Cell::new(NONE) };
    static WOKEN: RefCell<Vec<TaskKey>> = const { RefCell::new(Vec::new()) };
}

/// The workers of this process by number. Locked only to wake across threads, and when a
/// worker comes or goes.
static WORKERS: Mutex<Vec<Option<Arc<Remote>>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The lists hold plain values that a panic cannot leave half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's end: makes wakers for its tasks and learns which were woken.
#[derive(Debug)]
pub struct WakeQueue {
    worker: u16,
    remote: Arc<Remote>,
}

impl WakeQueue {
    /// A queue for a new worker on this thread.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors have run out; `OutOfMemory` past 65,535 workers.
    pub fn new() -> io::Result<Self> {
        let remote = Arc::new(Remote {
            woken: Mutex::default(),
            signal: EventFd::new()?,
        });
        let mut workers = lock(&WORKERS);
        let free = workers.iter().position(Option::is_none);
        let place = free.unwrap_or(workers.len());
        let worker = u16::try_from(place).unwrap_or(NONE);
        if worker == NONE {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let len = workers.len().max(place + 1);
        workers.resize(len, None);
        workers[place] = Some(Arc::clone(&remote));
        drop(workers);
        let queue = Self { worker, remote };
        queue.enter();
        Ok(queue)
    }

    /// Sends the wakes that happen on this thread to this queue, until another one enters.
    pub fn enter(&self) {
        CURRENT.set(self.worker);
    }

    /// A waker for the task of this worker at `index`.
    pub fn waker(&self, index: u32, generation: u32) -> Waker {
        // SAFETY: every function of the table takes the key as a plain number, touches no
        // memory through it, and may be called from any thread.
        unsafe { Waker::from_raw(raw(TaskKey::new(self.worker, index, generation))) }
    }

    /// Readable when another thread woke a task.
    pub fn signal(&self) -> BorrowedFd<'_> {
        self.remote.signal.as_fd()
    }

    /// Moves the wakes of other threads to `woken`. To be called when `signal` is readable.
    pub fn take_remote(&self, woken: &mut Vec<TaskKey>) {
        // Cleared before the list is read: what comes later raises it again.
        self.remote.signal.clear();
        woken.append(&mut lock(&self.remote.woken));
    }

    /// Moves the wakes of this thread to `woken`.
    pub fn take_local(&self, woken: &mut Vec<TaskKey>) {
        let start = woken.len();
        WOKEN.with_borrow_mut(|local| woken.append(local));
        // Two workers on one thread happen only in tests.
        if woken
            .iter()
            .skip(start)
            .any(|key| key.worker() != self.worker)
        {
            woken.retain(|&key| key.worker() == self.worker || post(key));
        }
    }

    /// Whether a task was woken on this thread.
    pub fn has_local(&self) -> bool {
        WOKEN.with_borrow(|local| !local.is_empty())
    }
}

impl Drop for WakeQueue {
    fn drop(&mut self) {
        if CURRENT.get() == self.worker {
            CURRENT.set(NONE);
        }
        if let Some(place) = lock(&WORKERS).get_mut(usize::from(self.worker)) {
            *place = None;
        }
    }
}

fn wake(key: TaskKey) {
    let here = CURRENT
        .try_with(|current| current.get() == key.worker())
        .unwrap_or(false);
    if here {
        WOKEN.with_borrow_mut(|woken| woken.push(key));
    } else {
        post(key);
    }
}

/// Leaves `key` for its worker, if that still exists. Always `false`: it is not kept here.
fn post(key: TaskKey) -> bool {
    let remote = lock(&WORKERS)
        .get(usize::from(key.worker()))
        .cloned()
        .flatten();
    if let Some(remote) = remote {
        let mut woken = lock(&remote.woken);
        let was_empty = woken.is_empty();
        woken.push(key);
        drop(woken);
        if was_empty {
            remote.signal.raise();
        }
    }
    false
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| raw(key_of(data)),
    |data| wake(key_of(data)),
    |data| wake(key_of(data)),
    |_| {},
);

fn raw(key: TaskKey) -> RawWaker {
    RawWaker::new(ptr::without_provenance(key.0), &TABLE)
}

fn key_of(data: *const ()) -> TaskKey {
    TaskKey(data.addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_fields() {
        let key = TaskKey::new(0xABCD, MAX_INDEX, 0x12_3456);
        assert_eq!(key.worker(), 0xABCD);
        assert_eq!((key.index(), key.generation()), (MAX_INDEX, 0x12_3456));
        assert_eq!(TaskKey::new(1, 2, MAX_INDEX + 4).generation(), 3, "wraps");
    }

    #[test]
    fn a_wake_on_this_thread_stays_on_it() {
        let queue = WakeQueue::new().unwrap();
        queue.waker(3, 9).wake_by_ref();
        assert!(queue.has_local());
        let mut woken = Vec::new();
        queue.take_local(&mut woken);
        assert_eq!(woken.len(), 1);
        assert_eq!((woken[0].index(), woken[0].generation()), (3, 9));
        assert!(!queue.has_local());
    }

    #[test]
    fn a_wake_from_elsewhere_raises_the_signal() {
        let queue = WakeQueue::new().unwrap();
        let waker = queue.waker(5, 1);
        std::thread::spawn(move || waker.wake()).join().unwrap();
        let mut woken = Vec::new();
        queue.take_local(&mut woken);
        assert!(woken.is_empty());
        queue.take_remote(&mut woken);
        assert_eq!(woken[0].index(), 5);
    }

    #[test]
    fn a_wake_for_the_other_worker_of_a_thread_reaches_it() {
        let first = WakeQueue::new().unwrap();
        let waker = first.waker(41, 1);
        waker.wake_by_ref();
        let second = WakeQueue::new().unwrap();
        let mut woken = Vec::new();
        second.take_local(&mut woken);
        assert!(woken.is_empty());
        first.take_remote(&mut woken);
        // Another test may wake a worker that is gone, whose number this one has got.
        let own = woken.iter().filter(|key| key.index() == 41);
        assert_eq!(own.count(), 1);
    }

    #[test]
    fn a_wake_for_a_worker_that_is_gone_does_nothing() {
        let queue = WakeQueue::new().unwrap();
        let waker = queue.waker(1, 1);
        drop(queue);
        waker.wake();
    }
}
