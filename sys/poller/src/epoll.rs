//! Over epoll, on Linux.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

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
    /// As `READABLE`, but of several processes that wait for the same socket one is woken.
    pub const READABLE_EXCLUSIVE: Self = Self((libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32);
}

/// What happened to one descriptor.
#[derive(Clone, Copy)]
pub struct Event(libc::epoll_event);

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

/// Room for the events of one call to [`Poller::wait`].
pub struct Events {
    buffer: Vec<libc::epoll_event>,
    count: usize,
}

impl Events {
    /// Room for `capacity` events.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: vec![libc::epoll_event { events: 0, u64: 0 }; capacity.max(1)],
            count: 0,
        }
    }

    /// The events of the last wait.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.buffer.iter().take(self.count).copied().map(Event)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the last wait ended without an event.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Poller {
    fd: OwnedFd,
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
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just returned this descriptor, nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
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
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits for events, at most `timeout_ms` (`None`: for ever). A signal ends the wait
    /// without events.
    ///
    /// # Errors
    ///
    /// The system's; none is expected while the set is open.
    pub fn wait(&self, events: &mut Events, timeout_ms: Option<u64>) -> io::Result<()> {
        let timeout = timeout_ms.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX));
        let room = i32::try_from(events.buffer.len()).unwrap_or(i32::MAX);
        events.count = 0;
        // SAFETY: the buffer holds at least `room` initialised entries and lives past the call.
        let count = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                events.buffer.as_mut_ptr(),
                room,
                timeout,
            )
        };
        match usize::try_from(count) {
            Ok(count) => {
                events.count = count;
                Ok(())
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
