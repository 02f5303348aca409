//! Signals as something to read: blocked for good, and taken from a `signalfd`.
//!
//! No code of ours ever runs inside a signal handler. A descriptor made by [`Signals::catch`]
//! belongs to one process: after a fork the child makes its own. Programs started from here must
//! get an empty mask back ([`crate::process::execute`] and `std::process::Command` both see to it).

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::outcome::{check, check_length, fit};

/// A signal by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(libc::c_int);

/// Every signal that has a name here.
const NAMES: &[(Signal, &str)] = &[
    (Signal::HUP, "SIGHUP"),
    (Signal::INT, "SIGINT"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::KILL, "SIGKILL"),
    (Signal::USR1, "SIGUSR1"),
    (Signal::USR2, "SIGUSR2"),
    (Signal::PIPE, "SIGPIPE"),
    (Signal::ALRM, "SIGALRM"),
    (Signal::TERM, "SIGTERM"),
    (Signal::CHLD, "SIGCHLD"),
    (Signal::WINCH, "SIGWINCH"),
    (Signal::IO, "SIGIO"),
    (Signal::SYS, "SIGSYS"),
];

impl Signal {
    /// Reload the configuration.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// Stop at once, as Ctrl-C sends it.
    pub const INT: Self = Self(libc::SIGINT);
    /// Stop once requests are done.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// End now; cannot be caught.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// Reopen the logs.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// Upgrade the program.
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// Somebody writes to what nobody reads.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// A timer of the process.
    pub const ALRM: Self = Self(libc::SIGALRM);
    /// Stop at once.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// A child ended.
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// Let the workers go, and stay.
    pub const WINCH: Self = Self(libc::SIGWINCH);
    /// Something can be read or written.
    pub const IO: Self = Self(libc::SIGIO);
    /// A system call that there is not.
    pub const SYS: Self = Self(libc::SIGSYS);

    /// The signal's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    /// `SIGHUP`, or the number where it has no name here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(signal, _)| signal == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "SIG{}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Which.
    pub signal: Signal,
    /// Who sent it, or the child that it is about; 0 when it was the kernel, or a process that
    /// cannot be seen from here.
    pub sender: u32,
}

/// Signals of this process, waiting to be read.
#[derive(Debug)]
pub struct Signals {
    queue: OwnedFd,
}

impl Signals {
    /// From now on, `signals` interrupt nothing and are read from the result instead.
    ///
    /// Call it before other threads start: they inherit what is blocked. Dropping the result
    /// leaves the signals blocked.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn catch(signals: &[Signal]) -> io::Result<Self> {
        let set = set_of(signals);
        for &signal in signals {
            // Whoever started this program may have had it ignored (`nohup`).
            set_disposition(signal, libc::SIG_DFL)?;
        }
        // SAFETY: `set` is initialised; the old mask is not asked for.
        match unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())
        } {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        // SAFETY: `set` is initialised and outlives the call.
        let queue = check(unsafe {
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        })?;
        // SAFETY: the kernel has just given this descriptor to us alone.
        let queue = unsafe { OwnedFd::from_raw_fd(queue) };
        Ok(Self { queue })
    }

    /// The next signal that has arrived, if any. Signals of one kind that arrive before they are
    /// read are one.
    ///
    /// # Errors
    ///
    /// The kernel's, never `WouldBlock`.
    pub fn next(&self) -> io::Result<Option<Caught>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        // SAFETY: `info` is ours to write for the stated length until the call returns.
        let read = check_length(unsafe {
            libc::read(
                self.queue.as_raw_fd(),
                info.as_mut_ptr().cast(),
                size_of::<libc::signalfd_siginfo>(),
            )
        });
        match read {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        }
        // SAFETY: it is made of integers, zeroed before the kernel filled it in.
        let info = unsafe { info.assume_init_ref() };
        let signal = Signal(info.ssi_signo.cast_signed());
        // Codes above 0 are the kernel's own; about a child it names the child.
        let names_process = info.ssi_code <= 0 || signal == Signal::CHLD;
        let sender = if names_process { info.ssi_pid } else { 0 };
        Ok(Some(Caught { signal, sender }))
    }

    /// Waits until a signal has arrived, or one of `others` can be read, or `timeout` is over
    /// (`None`: for ever). Says which of `others` can be read (or have ended).
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn wait(
        &self,
        others: &[BorrowedFd<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<Vec<bool>> {
        let wanted = |fd: BorrowedFd<'_>| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut polled: Vec<_> = others
            .iter()
            .copied()
            .chain([self.as_fd()])
            .map(wanted)
            .collect();
        // Rounded up: waking early would make the caller spin for the rest.
        let milliseconds = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000))
                .unwrap_or(libc::c_int::MAX)
        });
        let count = fit(polled.len())?;
        // SAFETY: `polled` is an array of that length, ours to write until the call returns.
        let ready = check(unsafe { libc::poll(polled.as_mut_ptr(), count, milliseconds) });
        match ready {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(vec![false; others.len()]),
            Err(e) => Err(e),
            Ok(_) => Ok(polled
                .iter()
                .take(others.len())
                .map(|fd| fd.revents != 0)
                .collect()),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// Makes `signals` do nothing at all.
///
/// # Errors
///
/// The kernel's.
pub fn ignore(signals: &[Signal]) -> io::Result<()> {
    signals
        .iter()
        .try_for_each(|&signal| set_disposition(signal, libc::SIG_IGN))
}

/// Gives the process back what a program expects at its start: nothing blocked, nothing ignored
/// of what [`ignore`] was called for.
pub(crate) fn reset() {
    let set = set_of(&[]);
    for signal in [Signal::PIPE, Signal::SYS] {
        // Fails only for numbers that are no signals.
        drop(set_disposition(signal, libc::SIG_DFL));
    }
    // SAFETY: `set` is initialised; the old mask is not asked for. Cannot fail with SIG_SETMASK.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
}

fn set_of(signals: &[Signal]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is ours to write; sigemptyset initialises it and cannot fail.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by the call above.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: `set` is initialised; a number that is no signal changes nothing.
        unsafe { libc::sigaddset(&raw mut set, signal.0) };
    }
    set
}

fn set_disposition(signal: Signal, disposition: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: only SIG_DFL and SIG_IGN are passed, which run no code of ours.
    if unsafe { libc::signal(signal.0, disposition) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
