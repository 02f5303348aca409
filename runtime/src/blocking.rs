//! Threads for work that cannot be done without waiting, such as reading a cold file.

use crate::worker::Worker;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// The queue of a [`BlockingPool`] is full, or no thread could be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFull;

impl fmt::Display for PoolFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("thread pool queue overflow")
    }
}

impl std::error::Error for PoolFull {}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that are at work on a job.
    busy: usize,
    closed: bool,
}

struct Shared {
    name: String,
    max_threads: usize,
    max_queue: usize,
    queue: Mutex<Queue>,
    work: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No lock is held while a job runs, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool of threads, started as they are needed: one made before a fork has none yet.
/// Source: nginx's `thread_pool`.
pub struct BlockingPool {
    shared: Arc<Shared>,
}

impl BlockingPool {
    /// A pool of at most `threads` threads, in front of which at most `max_queue` jobs wait.
    pub fn new(name: &str, threads: usize, max_queue: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.to_owned(),
                max_threads: threads.max(1),
                max_queue,
                queue: Mutex::default(),
                work: Condvar::new(),
            }),
        }
    }

    fn submit(&self, job: Job) -> Result<(), PoolFull> {
        let mut queue = lock(&self.shared.queue);
        // Those in the queue have a thread coming, up to as many as are not at work.
        let free = queue.threads - queue.busy;
        let is_met = queue.jobs.len() < free;
        if !is_met && queue.threads < self.shared.max_threads {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name(self.shared.name.clone());
            match thread.spawn(move || shared.serve()) {
                Ok(_) => queue.threads += 1,
                Err(_) if queue.threads == 0 => return Err(PoolFull),
                Err(_) => {}
            }
        } else if !is_met && queue.jobs.len() >= self.shared.max_queue + free {
            return Err(PoolFull);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }
}

impl Shared {
    fn serve(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                queue.busy += 1;
                drop(queue);
                job();
                queue = lock(&self.queue);
                queue.busy -= 1;
            } else if queue.closed {
                return;
            } else {
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Drop for BlockingPool {
    /// Lets the threads end after the jobs that they have; it does not wait for them.
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.work.notify_all();
    }
}

/// Where a job leaves its result.
struct Outcome<T> {
    result: Option<thread::Result<T>>,
    waker: Option<Waker>,
}

impl Worker {
    /// Runs `job` on a thread of `pool`. It runs even if nobody waits for it any more.
    /// A panic in it goes on in the task that awaits it.
    pub fn blocking<T, J>(
        &self,
        pool: &BlockingPool,
        job: J,
    ) -> impl Future<Output = Result<T, PoolFull>> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let outcome = Arc::new(Mutex::new(Outcome {
            result: None,
            waker: None,
        }));
        let theirs = Arc::clone(&outcome);
        let submitted = pool.submit(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(job));
            let mut outcome = lock(&theirs);
            outcome.result = Some(result);
            let waker = outcome.waker.take();
            drop(outcome);
            if let Some(waker) = waker {
                waker.wake();
            }
        }));
        poll_fn(move |cx| match submitted {
            Ok(()) => poll_outcome(&outcome, cx).map(Ok),
            Err(full) => Poll::Ready(Err(full)),
        })
    }
}

fn poll_outcome<T>(outcome: &Mutex<Outcome<T>>, cx: &Context<'_>) -> Poll<T> {
    let mut outcome = lock(outcome);
    match outcome.result.take() {
        Some(Ok(value)) => Poll::Ready(value),
        Some(Err(panic)) => {
            drop(outcome);
            resume_unwind(panic)
        }
        None => {
            outcome.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}
