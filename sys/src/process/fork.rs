//! Making children, and hearing of their end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::outcome::check;

/// Which of the two a process is after [`fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, which knows the new one by this id.
    Parent(u32),
}

/// A child that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Reaped {
    /// Who it was.
    pub pid: u32,
    /// How it ended.
    pub status: ExitStatus,
}

/// Makes a copy of this process.
///
/// Only a process of a single thread may do so: what another thread had locked at that moment (the
/// allocator, say) would stay locked in the copy for ever.
///
/// # Errors
///
/// `Unsupported` when there are other threads (where `/proc` is there to tell), else the kernel's.
pub fn fork() -> io::Result<Fork> {
    if has_other_threads() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a process with several threads cannot be copied",
        ));
    }
    // SAFETY: no other thread exists, so that the child finds every lock as this thread left it.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid.cast_unsigned())),
    }
}

/// Whether this process has more than one thread, as far as `/proc` is there to tell.
pub(super) fn has_other_threads() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1)
}

/// The next child that has ended, if any has.
///
/// # Errors
///
/// The kernel's; having no children is none.
pub fn reap() -> io::Result<Option<Reaped>> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is ours to write until the call returns.
        match check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
            Ok(0) => return Ok(None),
            Ok(pid) => {
                let status = ExitStatus::from_raw(status);
                return Ok(Some(Reaped {
                    pid: pid.cast_unsigned(),
                    status,
                }));
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}

/// Ends this process without running anything that was registered for its end: what a child does
/// that must not touch what it has in common with its parent.
pub fn end_now(code: i32) -> ! {
    // SAFETY: does not return, and runs no code of this process.
    unsafe { libc::_exit(code) }
}
