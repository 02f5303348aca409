//! Over kqueue, on the BSDs and macOS; on Linux over libkqueue, for tests.
//!
//! kqueue has an entry for each direction of a descriptor, where epoll has one for both, and tells
//! of each in an event of its own. libkqueue takes a socket's error from it to tell of it, where
//! the BSDs leave it to be learnt by `SO_ERROR` as well.
//!
//! Source: kqueue(2) of FreeBSD.

use crate::{Events, check, own};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

/// The name by which `use` in a configuration knows it.
pub const METHOD: &str = "kqueue";
/// The system call behind [`Poller::wait`], for logs.
pub const WAIT: &str = "kevent";
/// The system call behind [`Poller::add`], for logs.
pub const CHANGE: &str = "kevent";

const _: () = assert!(usize::BITS == 64, "a token takes all of an entry's pointer");

/// What to be told about a descriptor, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    writable: bool,
    /// Once for each change, instead of again and again.
    edge: bool,
}

impl Interest {
    /// Everything about a connection, once for each change.
    pub const CONNECTION: Self = Self {
        writable: true,
        edge: true,
    };
    /// Readable, again and again until it has been read.
    pub const READABLE: Self = Self {
        writable: false,
        edge: false,
    };
    /// Readable, once each time that something came, whether or not it was read.
    pub const READABLE_EDGE: Self = Self {
        writable: false,
        edge: true,
    };
    /// As `READABLE`: kqueue wakes every process that waits for the same socket.
    pub const READABLE_EXCLUSIVE: Self = Self::READABLE;
}

/// What happened in one direction of one descriptor.
#[derive(Clone, Copy)]
pub struct Event(pub(crate) Raw);

/// The system's own word for it.
pub(crate) type Raw = abi::kevent;

/// No event.
pub(crate) const EMPTY: Raw = Raw {
    ident: 0,
    filter: 0,
    flags: 0,
    fflags: 0,
    data: 0,
    udata: ptr::null_mut(),
    #[cfg(target_os = "freebsd")]
    ext: [0; 4],
};

impl Event {
    /// The token given to [`Poller::add`].
    pub fn token(self) -> u64 {
        self.0.udata.addr() as u64
    }

    fn has(self, flag: u16) -> bool {
        self.0.flags & flag != 0
    }

    /// Bytes, an end of stream or an error wait to be read.
    pub fn is_readable(self) -> bool {
        self.0.filter == abi::EVFILT_READ || self.is_error()
    }

    /// There is room to write, or an error to learn by writing.
    pub fn is_writable(self) -> bool {
        self.0.filter == abi::EVFILT_WRITE || self.is_error()
    }

    /// The peer will send no more. Bytes that it sent before may still wait.
    pub fn is_peer_closed(self) -> bool {
        // The end of what is written is our own.
        self.is_error() || (self.has(abi::EV_EOF) && self.0.filter == abi::EVFILT_READ)
    }

    /// The connection is broken: nothing can be sent any more.
    pub fn is_error(self) -> bool {
        // With the end of a stream, `fflags` is the socket's error.
        self.has(abi::EV_ERROR) || (self.has(abi::EV_EOF) && self.0.fflags != 0)
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
        let fd = unsafe { abi::kqueue() };
        // SAFETY: the call above has just returned it.
        let fd = unsafe { own(fd) }?;
        Ok(Self { fd })
    }

    /// Adds `fd`; its events will carry `token`. Closing the descriptor takes it out again.
    ///
    /// # Errors
    ///
    /// The system's, for a file that cannot be waited for.
    pub fn add(&self, fd: BorrowedFd<'_>, interest: Interest, token: u64) -> io::Result<()> {
        let clear = if interest.edge { abi::EV_CLEAR } else { 0 };
        let flags = abi::EV_ADD | clear;
        self.change(entry(fd.as_raw_fd(), abi::EVFILT_READ, flags, token))?;
        if interest.writable {
            let added = self.change(entry(fd.as_raw_fd(), abi::EVFILT_WRITE, flags, token));
            if added.is_err() {
                // Half of an entry would tell of a token that its caller gives up.
                let _ = self.remove(fd);
            }
            added?;
        }
        Ok(())
    }

    /// Takes `fd` out.
    ///
    /// # Errors
    ///
    /// `ENOENT` when it is not in the set.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let delete = |filter| entry(fd.as_raw_fd(), filter, abi::EV_DELETE, 0);
        // Most were added for one direction alone.
        let _ = self.change(delete(abi::EVFILT_WRITE));
        self.change(delete(abi::EVFILT_READ))
    }

    fn change(&self, change: Raw) -> io::Result<()> {
        // SAFETY: `change` is one entry that outlives the call, and there is no room for events to
        // be written to; the descriptor is open as long as `self` is.
        let result = unsafe {
            abi::kevent_call(
                self.fd.as_raw_fd(),
                &raw const change,
                1,
                ptr::null_mut(),
                0,
                ptr::null(),
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
        let timeout = timeout_ms.map(|ms| libc::timespec {
            tv_sec: libc::time_t::try_from(ms / 1000).unwrap_or(libc::time_t::MAX),
            // Below a thousand million.
            tv_nsec: libc::c_long::try_from(ms % 1000 * 1_000_000).unwrap_or(0),
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: nothing is changed; the buffer holds at least `room` initialised entries and
        // lives past the call, as does the timeout where there is one.
        events.fill(|buffer, room| unsafe {
            abi::kevent_call(self.fd.as_raw_fd(), ptr::null(), 0, buffer, room, timeout)
        })
    }
}

/// An entry for one direction of `fd`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a pointer has 64 bits, see above"
)]
fn entry(fd: RawFd, filter: i16, flags: u16, token: u64) -> Raw {
    Raw {
        ident: usize::try_from(fd).unwrap_or(usize::MAX),
        filter,
        flags,
        udata: ptr::without_provenance_mut(token as usize),
        ..EMPTY
    }
}

/// The system's own.
#[cfg(not(target_os = "linux"))]
mod abi {
    pub(super) use libc::kevent as kevent_call;
    pub(super) use libc::{
        EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EV_ERROR, EVFILT_READ, EVFILT_WRITE, kevent, kqueue,
    };
}

/// libkqueue's, as its `sys/event.h` declares them.
#[cfg(target_os = "linux")]
mod abi {
    use libc::{c_int, c_void, timespec};

    pub(super) const EVFILT_READ: i16 = -1;
    pub(super) const EVFILT_WRITE: i16 = -2;
    pub(super) const EV_ADD: u16 = 0x0001;
    pub(super) const EV_DELETE: u16 = 0x0002;
    pub(super) const EV_CLEAR: u16 = 0x0020;
    pub(super) const EV_ERROR: u16 = 0x4000;
    pub(super) const EV_EOF: u16 = 0x8000;

    #[derive(Clone, Copy)]
    #[repr(C)]
    pub(crate) struct kevent {
        pub(super) ident: usize,
        pub(super) filter: i16,
        pub(super) flags: u16,
        pub(super) fflags: u32,
        pub(super) data: isize,
        pub(super) udata: *mut c_void,
    }

    #[link(name = "kqueue")]
    unsafe extern "C" {
        pub(super) fn kqueue() -> c_int;

        #[link_name = "kevent"]
        pub(super) fn kevent_call(
            kq: c_int,
            changes: *const kevent,
            change_count: c_int,
            events: *mut kevent,
            event_count: c_int,
            timeout: *const timespec,
        ) -> c_int;
    }
}
