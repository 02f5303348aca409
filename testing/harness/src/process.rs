//! Processes as `/proc` shows them, and signals to them.

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};
use std::time::Duration;
use sys::process::Fork;

/// Starts a child that runs `work` and never comes back from it; gives its process id. It ends
/// with 1 after a panic, else with 0. For programs of a single thread, which the standard harness
/// of tests is not.
///
/// # Panics
///
/// When the system has no process left.
pub fn child(work: impl FnOnce()) -> u32 {
    match sys::process::fork().expect("a process") {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            let outcome = panic::catch_unwind(AssertUnwindSafe(work));
            sys::process::end_now(i32::from(outcome.is_err()));
        }
    }
}

/// The signals that an nginx master or worker understands, and the two that end a test's patience.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// Read the configuration again.
    Hup,
    /// Stop after the requests in progress.
    Quit,
    /// Stop now.
    Term,
    /// Reopen the log files.
    Usr1,
    /// Start a new binary beside this one.
    Usr2,
    /// Stop the workers after their requests; the master stays.
    Winch,
    /// End without a chance to clean up.
    Kill,
    /// Stand still.
    Stop,
    /// Go on after [`Signal::Stop`].
    Continue,
}

impl Signal {
    /// Its name as `kill` takes it.
    fn name(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Term => "TERM",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Winch => "WINCH",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// Sends `signal` to the process `pid`.
///
/// The shell's own `kill` does it: the standard library cannot, and this crate has no unsafe code.
///
/// # Errors
///
/// `NotFound` when there is no such process.
pub fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{} {pid}", signal.name())])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if sent.success() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// One line of `/proc/PID/stat`, as far as tests and benchmarks need it.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// `R`, `S`, `Z` and so on, as `ps` shows it.
    pub state: char,
    /// The process that started it.
    pub parent: u32,
    /// User and system time used so far by all its threads, in clock ticks (1/100 s on Linux).
    pub cpu_ticks: u64,
}

/// What the kernel says of `pid` now; `None` when it is gone.
#[must_use]
pub fn stat(pid: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses itself.
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: u32::try_from(number(1)?).ok()?,
        cpu_ticks: number(11)? + number(12)?,
    })
}

/// CPU time that the first thread of `pid` has used, to the nanosecond; `None` when it is gone.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Whether `pid` runs: it exists and is not merely waiting for its parent to look.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

/// The running children of `pid`, oldest first.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&child| stat(child).is_some_and(|stat| stat.parent == pid && stat.state != 'Z'))
        .collect();
    found.sort_unstable();
    found
}

/// What `pid` calls itself: its command line with blanks between the arguments.
#[must_use]
pub fn title(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}

/// The workers of the master `pid`: its children that say so, without the cache's processes.
#[must_use]
pub fn workers(pid: u32) -> Vec<u32> {
    let is_worker = |child: &u32| {
        let title = title(*child);
        title.contains("worker process") && !title.contains("shutting down")
    };
    children(pid).into_iter().filter(is_worker).collect()
}

/// How many descriptors `pid` has open.
#[must_use]
pub fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Whether some process of this network namespace listens on TCP `port`.
#[must_use]
pub fn is_listening(port: u16) -> bool {
    // "sl local_address rem_address st ...": LISTEN is 0A, ports are hexadecimal.
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        fs::read_to_string(table)
            .unwrap_or_default()
            .lines()
            .skip(1)
            .any(|line| {
                let mut fields = line.split_whitespace().skip(1);
                let local = fields.next().unwrap_or_default();
                local.ends_with(&suffix) && fields.nth(1) == Some("0A")
            })
    })
}

/// A figure of `/proc/PID/FILE` that stands in a line `NAME:  N kB`, in bytes.
///
/// `memory_bytes(pid, "status", "RssAnon")`, `memory_bytes(pid, "smaps_rollup", "Pss")`.
#[must_use]
pub fn memory_bytes(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_with_its_child() {
        let own = std::process::id();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();

        assert!(is_running(own));
        assert!(children(own).contains(&child.id()));
        assert!(open_descriptors(own) >= 3);
        assert!(memory_bytes(own, "status", "VmRSS").unwrap() > 0);

        send(child.id(), Signal::Term).unwrap();
        child.wait().unwrap();
        assert!(!is_running(child.id()));
        assert!(send(child.id(), Signal::Term).is_err());
    }

    #[test]
    fn listening_ports_are_seen_and_others_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_listening(port));
        drop(listener);
        // A child that another test forks in this very moment holds it until its exec.
        let is_gone = || !is_listening(port);
        assert!(crate::clock::becomes_true(Duration::from_secs(5), is_gone));
    }
}
