//! Who a process is, and what it can say to others.

use std::io;

use crate::file::PathArg;
use crate::outcome::{check, fit};
use crate::signal::Signal;

/// The id of this process.
#[must_use]
pub fn id() -> u32 {
    std::process::id()
}

/// The id of the process that made this one, or of the one that took it over.
#[must_use]
pub fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

/// Sends `signal` to the process `pid`.
///
/// # Errors
///
/// The kernel's: `ESRCH` when there is no such process, `EPERM` when it is not ours to signal.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    raw_kill(pid, signal.number())
}

/// Whether there is a process `pid`, among them ended ones that were not reaped.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    match raw_kill(pid, 0) {
        Ok(()) => true,
        Err(e) => e.raw_os_error() == Some(libc::EPERM),
    }
}

/// Whether the process `pid` still runs: an ended one that was not reaped does not.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    is_alive(pid) && !matches!(state(pid), Some(b'Z' | b'X'))
}

/// Whether the process `pid` was stopped, by a signal or by a debugger.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    matches!(state(pid), Some(b'T' | b't'))
}

/// The letter that stands for a process's state in proc(5); `None` where it cannot be seen.
fn state(pid: u32) -> Option<u8> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // It follows the name, which is in brackets and may hold anything.
    let after_name = stat.iter().rposition(|&byte| byte == b')')?;
    stat.get(after_name + 2).copied()
}

fn raw_kill(pid: u32, signal: libc::c_int) -> io::Result<()> {
    // 0 and what is negative as a pid_t address whole groups of processes.
    let pid: libc::pid_t = fit(pid)?;
    if pid == 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: only takes numbers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Leaves the terminal and the group of processes that this one was started in.
///
/// # Errors
///
/// The kernel's: the leader of a group cannot.
pub fn start_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Sets which permission bits new files do not get. Returns what was set before.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: only takes a number, and cannot fail.
    unsafe { libc::umask(mask) }
}

/// Makes `path` the folder that relative paths start from.
///
/// # Errors
///
/// The kernel's.
pub fn change_directory(path: &(impl PathArg + ?Sized)) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    path.with_c_str(|path| check(unsafe { libc::chdir(path.as_ptr()) }).map(drop))
}

/// How many processors are switched on, at least 1: what `worker_processes auto` starts.
#[must_use]
pub fn online_cpus() -> usize {
    // SAFETY: only takes a number.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1).max(1)
}

/// The size of a page of memory in bytes.
#[must_use]
pub fn page_size() -> usize {
    // SAFETY: only takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096).max(4096)
}
