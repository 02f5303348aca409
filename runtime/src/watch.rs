//! Descriptors that are not connections: a channel to the master, a signal pipe, a netlink
//! socket, what other workers raise. Whoever watches one is called while it is readable, or each
//! time that it is raised.

use crate::slots::Token;
use crate::table::{Key, Table};
use crate::worker::Worker;
use poller::Interest;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use sys::waker::EventFd;

/// Name of a watched descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchId(Key);

pub(crate) struct Watched {
    fd: Rc<dyn AsFd>,
    on_readable: Rc<dyn Fn()>,
}

pub(crate) type Watches = Table<Watched>;

impl Worker {
    /// Calls `on_readable` in every turn in which `fd` is readable, until [`Worker::unwatch`].
    /// A caller that reads from it keeps a share of it: `fd` may be an `Rc<OwnedFd>`.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` for a plain file, which is always readable.
    pub fn watch(
        &self,
        fd: impl Into<Rc<OwnedFd>>,
        on_readable: Rc<dyn Fn()>,
    ) -> io::Result<WatchId> {
        self.add_watch(fd.into(), Interest::READABLE, on_readable)
    }

    /// Calls `on_raised` when `signal` was raised since the last call, in every worker that asked
    /// for it: nobody clears it.
    ///
    /// # Errors
    ///
    /// The system's, when the user may watch no more.
    pub fn watch_raised(
        &self,
        signal: Rc<EventFd>,
        on_raised: Rc<dyn Fn()>,
    ) -> io::Result<WatchId> {
        self.add_watch(signal, Interest::READABLE_EDGE, on_raised)
    }

    fn add_watch(
        &self,
        fd: Rc<dyn AsFd>,
        interest: Interest,
        on_readable: Rc<dyn Fn()>,
    ) -> io::Result<WatchId> {
        let key = self.watches.borrow_mut().insert(Watched {
            fd: Rc::clone(&fd),
            on_readable,
        });
        let token = Token::watch(key);
        match self.poller.add(fd.as_fd(), interest, token.into()) {
            Ok(()) => Ok(WatchId(key)),
            Err(error) => {
                self.watches.borrow_mut().remove(key);
                Err(error)
            }
        }
    }

    /// Stops watching and gives up the worker's share of the descriptor.
    pub fn unwatch(&self, id: WatchId) {
        let watched = self.watches.borrow_mut().remove(id.0);
        if let Some(watched) = watched {
            // It may stay open elsewhere, so that closing our share would not take it out.
            let _ = self.poller.remove(watched.fd.as_fd());
        }
    }

    pub(crate) fn call_watcher(&self, key: Key) {
        let on_readable = {
            let mut watches = self.watches.borrow_mut();
            watches
                .get(key)
                .map(|watched| Rc::clone(&watched.on_readable))
        };
        if let Some(on_readable) = on_readable {
            self.guard(|| on_readable());
        }
    }
}
