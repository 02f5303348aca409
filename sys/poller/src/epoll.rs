//! Over epoll, on Linux.

use crate::{Events, check, own};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The name by which `use` in a configuration knows it.
pub const METHOD: &str = "epoll";
/// The system call behind [`Poller::wait`], for logs.
pub const WAIT: &str = "epoll_wait";
/// The system call behind [`Poller::add`], for logs.
pub const CHANGE: &str = "epoll_ctl";

/// What to be told about a descriptor, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(u32);

#[expect(clippy::cast_sign_loss, reason = "the kernel's flags are a bit set")]
impl Interest {
    /// Everything about a connection, once for each change: one `epoll_ctl` a connection.
    pub const CONNECTION: Self =
        Self((libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32);
    /// Readable, again and again until it has been read.
    pub const READABLE: Self = Self(libc::EPOLLIN as u32);
    /// Readable, once each time that something came, whether or not it was read.
    pub const READABLE_EDGE: Self = Self((libc::EPOLLIN | libc::EPOLLET) as u32);
    /// As `READABLE`, but of several processes that wait for the same socket one is woken.
    pub const READABLE_EXCLUSIVE: Self = Self((libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32);
}

/// What happened to one descriptor.
#[derive(Clone, Copy)]
pub struct Event(pub(crate) Raw);

/// The system's own word for it.
pub(crate) type Raw = libc::epoll_event;

/// No event.
pub(crate) const EMPTY: Raw = Raw { events: 0, u64: 0 };

#[expect(clippy::cast_sign_loss, reason = "the kernel's flags are a bit set")]
impl Event {
    /// The token given to [`Poller::add`].
    pub fn token(self) -> u64 {
        self.0.u64
    }

    fn has(self, flags: libc::c_int) -> bool {
        self.0.events & flags as u32 != 0
    }

    /// Bytes, an end of stream or an error wait to be read.
    pub fn is_readable(self) -> bool {
        self.has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR)
    }

    /// There is room to write, or an error to learn by writing.
    pub fn is_writable(self) -> bool {
        self.has(libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR)
    }

    /// The peer will send no more. Bytes that it sent before may still wait.
    pub fn is_peer_closed(self) -> bool {
        self.has(libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR)
    }

    /// The connection is broken: nothing can be sent any more.
    pub fn is_error(self) -> bool {
        self.has(libc::EPOLLERR)
    }
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Poller {
    pub(crate) fd: OwnedFd,
}

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors or memory have run out.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        // SAFETY: the call above has just returned it.
        let fd = unsafe { own(fd) }?;
        Ok(Self { fd })
    }

    /// Adds `fd`; its events will carry `token`. Closing the descriptor takes it out again.
    ///
    /// # Errors
    ///
    /// `EEXIST` when it is there already, `EPERM` when it is a file that cannot be waited for.
    pub fn add(&self, fd: BorrowedFd<'_>, interest: Interest, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.0,
            u64: token,
        };
        self.control(libc::EPOLL_CTL_ADD, fd, &mut event)
    }

    /// Takes `fd` out.
    ///
    /// # Errors
    ///
    /// `ENOENT` when it is not in the set.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut unused = libc::epoll_event { events: 0, u64: 0 };
        self.control(libc::EPOLL_CTL_DEL, fd, &mut unused)
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: BorrowedFd<'_>,
        event: &mut libc::epoll_event,
    ) -> io::Result<()> {
        // SAFETY: both descriptors are open while they are borrowed; `event` is valid and the
        // kernel copies it before the call returns.
        let result = unsafe {
            libc::epoll_ctl(
                self.fd.as_raw_fd(),
                operation,
                fd.as_raw_fd(),
                std::ptr::from_mut(event),
            )
        };
        check(result).map(drop)
    }

    /// Waits for events, at most `timeout_ms` (`None`: for ever). A signal ends the wait
    /// without events.
    ///
    /// # Errors
    ///
    /// The system's; none is expected while the set is open.
    pub fn wait(&self, events: &mut Events, timeout_ms: Option<u64>) -> io::Result<()> {
        let timeout = timeout_ms.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX));
        // SAFETY: the buffer holds at least `room` initialised entries and lives past the call.
        events.fill(|buffer, room| unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), buffer, room, timeout)
        })
    }
}
