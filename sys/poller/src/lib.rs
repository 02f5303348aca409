//! Waiting for many descriptors at once: one set of them, each with a token of the caller's.
//!
//! Two systems can do it, behind the same types: epoll on Linux, kqueue on the BSDs and macOS. The
//! choice is made when the program is compiled, so that the seam costs nothing. What keeps it
//! honest, in `cargo xtask test`: this crate is linted for FreeBSD and macOS, and its tests run over
//! both methods on Linux, kqueue's being libkqueue's, with `--cfg tidegate_kqueue`.
//!
//! It is a crate of its own because it alone of all that makes system calls compiles elsewhere than
//! on Linux so far.

#[cfg(all(target_os = "linux", not(tidegate_kqueue)))]
mod epoll;
#[cfg(not(all(target_os = "linux", not(tidegate_kqueue))))]
mod kqueue;

#[cfg(all(target_os = "linux", not(tidegate_kqueue)))]
use epoll as method;
#[cfg(not(all(target_os = "linux", not(tidegate_kqueue))))]
use kqueue as method;

pub use method::{CHANGE, Event, Interest, METHOD, Poller, WAIT};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Room for the events of one call to [`Poller::wait`].
pub struct Events {
    buffer: Vec<method::Raw>,
    count: usize,
}

impl Events {
    /// Room for `capacity` events.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: vec![method::EMPTY; capacity.max(1)],
            count: 0,
        }
    }

    /// The events of the last wait.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.buffer[..self.count].iter().copied().map(Event)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the last wait ended without an event.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Calls `wait` with the buffer and its length, both for the system. Its answer is how many
    /// events there are, or below 0; that a signal came is no error.
    fn fill(
        &mut self,
        wait: impl FnOnce(*mut method::Raw, libc::c_int) -> libc::c_int,
    ) -> io::Result<()> {
        let room = libc::c_int::try_from(self.buffer.len()).unwrap_or(libc::c_int::MAX);
        self.count = 0;
        let answer = check(wait(self.buffer.as_mut_ptr(), room));
        match answer {
            Ok(count) => {
                self.count = usize::try_from(count).unwrap_or(0);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a system call answered, which is below 0 for an error.
fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}

/// The descriptor that a system call has just returned, which nobody else owns.
///
/// # Safety
///
/// It is as that says, or below 0.
unsafe fn own(answer: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(answer)?;
    // SAFETY: the caller says so.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// What is said of `token` by the next events; readable, writable, closed.
    fn next(poller: &Poller, token: u64) -> (bool, bool, bool) {
        let mut events = Events::with_capacity(8);
        poller.wait(&mut events, Some(1000)).unwrap();
        events.iter().filter(|event| event.token() == token).fold(
            (false, false, false),
            |said, event| {
                (
                    said.0 | event.is_readable(),
                    said.1 | event.is_writable(),
                    said.2 | event.is_peer_closed(),
                )
            },
        )
    }

    #[track_caller]
    fn assert_quiet(poller: &Poller) {
        let mut events = Events::with_capacity(8);
        poller.wait(&mut events, Some(0)).unwrap();
        assert!(events.is_empty(), "nothing changed since");
    }

    #[test]
    fn edge_triggered_once_for_each_change() {
        let poller = Poller::new().unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        poller.add(near.as_fd(), Interest::CONNECTION, 7).unwrap();
        assert_eq!(next(&poller, 7), (false, true, false), "from the start");
        assert_quiet(&poller);

        far.write_all(b"x").unwrap();
        let (readable, _, closed) = next(&poller, 7);
        assert!(readable && !closed);
        assert_quiet(&poller);

        near.read_exact(&mut [0]).unwrap();
        drop(far);
        assert!(next(&poller, 7).2);
    }

    #[test]
    fn level_triggered_until_it_was_read() {
        let poller = Poller::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        poller
            .add(listener.as_fd(), Interest::READABLE_EXCLUSIVE, u64::MAX)
            .unwrap();
        assert_quiet(&poller);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(next(&poller, u64::MAX), (true, false, false));
        }
        listener.accept().unwrap();
        assert_quiet(&poller);
    }

    #[test]
    fn told_each_time_that_something_came_to_whoever_waits() {
        let pollers = [(); 2].map(|()| Poller::new().unwrap());
        let (near, mut far) = UnixStream::pair().unwrap();
        for poller in &pollers {
            poller
                .add(near.as_fd(), Interest::READABLE_EDGE, 7)
                .unwrap();
            assert_quiet(poller);
        }
        for _ in 0..2 {
            far.write_all(b"x").unwrap();
            for poller in &pollers {
                assert_eq!(next(poller, 7), (true, false, false));
                assert_quiet(poller);
            }
        }
    }

    #[test]
    fn an_end_of_our_own_is_not_the_peers() {
        let poller = Poller::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        poller.add(near.as_fd(), Interest::CONNECTION, 1).unwrap();
        assert!(next(&poller, 1).1);
        near.shutdown(Shutdown::Write).unwrap();
        let mut events = Events::with_capacity(8);
        poller.wait(&mut events, Some(0)).unwrap();
        assert!(events.iter().all(|event| !event.is_peer_closed()));
        far.shutdown(Shutdown::Write).unwrap();
        assert!(next(&poller, 1).2);
    }

    #[test]
    fn what_was_removed_is_not_told_of() {
        let poller = Poller::new().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        poller.add(near.as_fd(), Interest::READABLE, 1).unwrap();
        far.write_all(b"x").unwrap();
        poller.remove(near.as_fd()).unwrap();
        assert_quiet(&poller);
        assert!(poller.remove(near.as_fd()).is_err(), "it is not there");
    }

    #[test]
    fn a_wait_without_events_times_out() {
        let poller = Poller::new().unwrap();
        let mut events = Events::with_capacity(1);
        poller.wait(&mut events, Some(5)).unwrap();
        assert!(events.is_empty());
    }
}
