//! A lock between processes that is given back when its owner dies.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sys::process;

use crate::own_pid::own_pid;

/// Set beside the owner's id while somebody may be asleep. Ids end at 2^22 (`PID_MAX_LIMIT`).
const WAITERS: u32 = 1 << 31;

/// How often a taken lock is looked at before going to sleep: about the length of a critical
/// section on another processor.
const SPINS: usize = 200;

/// How long a sleeper waits before it asks whether the owner still lives.
const PATIENCE: Duration = Duration::from_millis(50);

/// A lock word and a mark, in shared memory; all zero is unlocked.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Lock {
    /// 0, or the owner's process id and perhaps [`WAITERS`].
    owner: AtomicU32,
    /// 1 from taking the lock to giving it back. Found set when taking it, its last owner did not
    /// come to the end of what it was doing.
    dirty: AtomicU32,
}

/// What was found on taking the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// What it protects was left whole.
    Whole,
    /// Its last owner ended in the middle.
    Abandoned,
}

impl Lock {
    /// Waits until the lock is ours.
    pub(crate) fn acquire(&self) -> Found {
        let me = own_pid();
        if self.try_take(0, me).is_err() {
            self.wait(me);
        }
        match self.dirty.swap(1, Ordering::SeqCst) {
            0 => Found::Whole,
            _ => Found::Abandoned,
        }
    }

    /// Gives the lock back; what it protects is whole.
    pub(crate) fn release(&self) {
        self.dirty.store(0, Ordering::SeqCst);
        self.hand_on();
    }

    /// Gives the lock back, and tells the next owner that what it protects is not whole.
    pub(crate) fn abandon(&self) {
        self.hand_on();
    }

    /// Takes the lock away from `pid`, which has ended. Does nothing if that does not own it.
    pub(crate) fn force_release(&self, pid: u32) -> bool {
        let seen = self.owner.load(Ordering::SeqCst);
        let was_owner = seen & !WAITERS == pid
            && self
                .owner
                .compare_exchange(seen, 0, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok();
        if was_owner {
            self.wake();
        }
        was_owner
    }

    fn hand_on(&self) {
        if self.owner.swap(0, Ordering::Release) & WAITERS != 0 {
            self.wake();
        }
    }

    fn try_take(&self, seen: u32, wanted: u32) -> Result<u32, u32> {
        self.owner
            .compare_exchange(seen, wanted, Ordering::Acquire, Ordering::Relaxed)
    }

    #[cold]
    fn wait(&self, me: u32) {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if self.owner.load(Ordering::Relaxed) == 0 && self.try_take(0, me).is_ok() {
                return;
            }
        }
        loop {
            let seen = self.owner.load(Ordering::Relaxed);
            if seen == 0 {
                // Others may be asleep beside us: they rely on being woken after us.
                if self.try_take(0, me | WAITERS).is_ok() {
                    return;
                }
                continue;
            }
            let marked = seen | WAITERS;
            if seen != marked && self.try_take(seen, marked).is_err() {
                continue;
            }
            let timed_out = self.sleep(marked);
            // Taking it over keeps the mark "dirty", so that `acquire` sees what happened.
            if timed_out
                && !process::is_running(marked & !WAITERS)
                && self.try_take(marked, me | WAITERS).is_ok()
            {
                return;
            }
        }
    }

    /// Sleeps while the lock word is `seen`; says whether nobody woke us.
    fn sleep(&self, seen: u32) -> bool {
        let patience = libc::timespec {
            tv_sec: 0,
            tv_nsec: PATIENCE.subsec_nanos().into(),
        };
        // SAFETY: the arguments are those of futex(2) FUTEX_WAIT: an aligned word that lives on, a
        // value, and a relative timeout. Not private: the word is shared between processes.
        let done = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.owner.as_ptr(),
                libc::FUTEX_WAIT,
                seen,
                &raw const patience,
            )
        };
        done == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT)
    }

    fn wake(&self) {
        // SAFETY: the arguments are those of futex(2) FUTEX_WAKE: an aligned word and a count.
        unsafe { libc::syscall(libc::SYS_futex, self.owner.as_ptr(), libc::FUTEX_WAKE, 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_lock_says_so_once() {
        let lock = Lock::default();
        assert_eq!(lock.acquire(), Found::Whole);
        lock.abandon();
        assert_eq!(lock.acquire(), Found::Abandoned);
        lock.release();
        assert_eq!(lock.acquire(), Found::Whole);
        lock.release();
    }

    #[test]
    fn is_only_taken_from_its_owner() {
        let lock = Lock::default();
        lock.acquire();
        assert!(!lock.force_release(own_pid() + 1));
        assert!(lock.force_release(own_pid()));
        assert!(!lock.force_release(own_pid()));
        assert_eq!(lock.acquire(), Found::Abandoned);
    }

    /// Threads stand for processes here: the id does not matter where nobody dies.
    #[test]
    fn holds_one_at_a_time() {
        let lock = Lock::default();
        let inside = AtomicU32::new(0);
        let done = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        assert_eq!(lock.acquire(), Found::Whole);
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        inside.fetch_sub(1, Ordering::Relaxed);
                        done.fetch_add(1, Ordering::Relaxed);
                        lock.release();
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 20_000);
    }
}
