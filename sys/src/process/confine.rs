//! What a process may use, and what it gives up.

use std::io;

use crate::outcome::{check, fit};

/// Sets how many descriptors may be open, both limits at once (`worker_rlimit_nofile`).
///
/// # Errors
///
/// The kernel's; more than the hard limit needs privileges.
pub fn set_open_files_limit(limit: u64) -> io::Result<()> {
    set_limit(libc::RLIMIT_NOFILE, limit)
}

/// How many descriptors may be open, and how many that may be raised to.
///
/// # Errors
///
/// The kernel's; none is expected.
pub fn open_files_limits() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is ours to write until the call returns.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Sets how large a core file may become, in bytes (`worker_rlimit_core`).
///
/// # Errors
///
/// The kernel's; more than the hard limit needs privileges.
pub fn set_core_size_limit(limit: u64) -> io::Result<()> {
    set_limit(libc::RLIMIT_CORE, limit)
}

fn set_limit(resource: libc::__rlimit_resource_t, limit: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: limit,
        rlim_max: limit,
    };
    // SAFETY: `limit` is initialised and outlives the call.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// Sets how nice the process is to others, from -20 (favoured) to 20 (`worker_priority`).
///
/// # Errors
///
/// The kernel's; less than the current value needs privileges.
pub fn set_priority(priority: i32) -> io::Result<()> {
    // SAFETY: only takes numbers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, priority) }).map(drop)
}

/// Lets the process run on these processors alone, numbered from 0 (`worker_cpu_affinity`).
///
/// # Errors
///
/// `InvalidInput` when a number is too large for this system's masks or none of the processors is
/// there, else the kernel's.
pub fn pin_to_cpus(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a cpu_set_t is an array of integers, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        if cpu >= size_of::<libc::cpu_set_t>() * 8 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the number was just checked to lie inside the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: `set` is initialised, of the stated size, and outlives the call; 0 is this process.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
        .map(drop)
}

/// Makes sure that no program started from here can gain privileges (`PR_SET_NO_NEW_PRIVS`).
///
/// # Errors
///
/// The kernel's, on kernels before 3.5.
pub fn forbid_new_privileges() -> io::Result<()> {
    set_option(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Whether the process may leave a core file, and be looked into by its own user. Changing user
/// turns it off.
///
/// # Errors
///
/// The kernel's.
pub fn set_dumpable(on: bool) -> io::Result<()> {
    set_option(libc::PR_SET_DUMPABLE, on.into())
}

fn set_option(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    const NONE: libc::c_ulong = 0;
    // SAFETY: both options used take one number; the kernel wants the others to be zero.
    check(unsafe { libc::prctl(option, value, NONE, NONE, NONE) }).map(drop)
}

/// A capability that a worker may keep: to send from addresses that are not of this system
/// (`CAP_NET_RAW`).
pub const NET_RAW: u32 = 13;

/// Keeps the permitted capabilities when root becomes another user (`PR_SET_KEEPCAPS`), until
/// [`limit_capabilities`].
///
/// # Errors
///
/// The kernel's.
pub fn keep_capabilities() -> io::Result<()> {
    set_option(libc::PR_SET_KEEPCAPS, 1)
}

/// Gives up every capability but `kept`, effective, permitted, inheritable and ambient; `kept`
/// stays effective and permitted.
///
/// # Errors
///
/// The kernel's: `EPERM` for one that is not permitted any more.
pub fn limit_capabilities(kept: Option<u32>) -> io::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two halves.
    const VERSION: u32 = 0x2008_0522;

    let header: [u32; 2] = [VERSION, 0];
    let mask = kept.map_or(0, |bit| 1_u64 << bit);
    // Halves of effective, permitted and inheritable; the low one first.
    let half = |bits: u64| {
        let bits = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        [bits, bits, 0]
    };
    let sets = [half(mask), half(mask >> 32)];
    // SAFETY: the arguments are those of capset(2): a header (version and pid, 0 for this process)
    // and two triples, alive until the call returns.
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    // The kernel takes from the ambient set what is no more permitted or inheritable.
    check(fit(done)?).map(drop)
}
