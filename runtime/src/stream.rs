//! One connection: its descriptor, its slot, and reading and writing without waiting.

use crate::clock::Millis;
use crate::slots::{Class, Flags, Parked, Slots, Waiting};
use crate::worker::Worker;
use poller::Interest;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};
use sys::socket::{self, Address, Kind, PeerAddr};

/// A connection was given up, for a new one or because the worker ends. Inside an [`io::Error`] of the kind
/// `ConnectionAborted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evicted;

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection given up")
    }
}

impl std::error::Error for Evicted {}

/// A non-blocking descriptor with a slot in its worker's table. Dropping it closes it.
///
/// The `try_` calls never wait. What they learn about the descriptor is kept: after
/// `WouldBlock`, or a read that got less than it had room for, they answer `WouldBlock`
/// without a system call until the event loop hears of a change. So they do once whoever calls
/// them has had its share of this turn. So every `WouldBlock` is followed by `readable`,
/// `writable` or [`park`](Self::park).
pub struct Stream {
    worker: Rc<Worker>,
    fd: OwnedFd,
    index: u32,
}

const _: () = assert!(size_of::<Stream>() == 16);

impl Stream {
    /// Makes a stream of any descriptor that can be waited for. It should be non-blocking.
    /// Its class is [`Class::Peer`] until it is set.
    ///
    /// # Errors
    ///
    /// The system's, when the descriptor cannot be asked what it is.
    pub fn from_fd(worker: &Rc<Worker>, fd: OwnedFd) -> io::Result<Self> {
        let flags = match socket::socket_kind(fd.as_fd()) {
            Ok(Kind::Datagram) => Flags::DATAGRAM,
            Ok(Kind::Stream | Kind::Multipath) => Flags::READABLE,
            // A pipe, for instance.
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Flags::READABLE,
            Err(error) => return Err(error),
        };
        let flags = flags.with(Flags::READABLE).with(Flags::WRITABLE);
        Ok(Self::adopt(worker, fd, Class::Peer, flags))
    }

    /// Gives a new descriptor a slot. It joins the set of the event loop when somebody first
    /// waits for it: a connection that is served at once never does.
    pub(crate) fn adopt(worker: &Rc<Worker>, fd: OwnedFd, class: Class, flags: Flags) -> Self {
        let index = worker.slots.borrow_mut().insert(class, flags);
        let worker = Rc::clone(worker);
        Self { worker, fd, index }
    }

    /// The worker it belongs to.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The descriptor, for what has no method here.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The local address.
    ///
    /// # Errors
    ///
    /// The system's; none is expected of a socket.
    pub fn local_addr(&self) -> io::Result<Address> {
        socket::local_address(self.fd())
    }

    #[inline]
    fn flags(&self) -> Flags {
        self.worker.slots.borrow().flags(self.index)
    }

    fn clear(&self, flags: Flags) {
        let mut slots = self.worker.slots.borrow_mut();
        slots.slot(self.index).flags.clear(flags);
    }

    /// Does `operation` if the descriptor may be ready for it, and remembers if it was not. An error
    /// of the connection may have come behind bytes that nobody has told of yet: what can be read
    /// is asked for then, whatever is known.
    #[inline]
    fn attempt<T>(
        &self,
        ready: Flags,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        if !self.flags().has(ready) || self.worker.share.is_spent() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.worker.share.take();
        loop {
            match operation(self.fd.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear(ready);
                    return Err(error);
                }
                Err(error) => {
                    let mut slots = self.worker.slots.borrow_mut();
                    slots.slot(self.index).flags.add(Flags::READABLE);
                    return Err(error);
                }
                result => return result,
            }
        }
    }

    /// Reads into `buf`. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing is there; otherwise the connection's error.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.attempt(Flags::READABLE, |fd| socket::read(fd, buf))?;
        if got < buf.len() {
            self.after_short_read();
        }
        Ok(got)
    }

    /// Reads at most `room` bytes, of which there must be one or more, and appends them to `buf`,
    /// in which room is made for all of them. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Self::try_read`].
    pub fn try_read_append(&self, buf: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let got = self.attempt(Flags::READABLE, |fd| socket::read_append(fd, buf, room))?;
        if got < room {
            self.after_short_read();
        }
        Ok(got)
    }

    /// All that was there has been read. An end that was announced is still to be seen.
    fn after_short_read(&self) {
        let mut slots = self.worker.slots.borrow_mut();
        let flags = &mut slots.slot(self.index).flags;
        if !flags.has(Flags::PEER_CLOSED.with(Flags::DATAGRAM)) {
            flags.clear(Flags::READABLE);
        }
    }

    /// Writes as much of `bytes` as there is room for.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; otherwise the connection's error.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.attempt(Flags::WRITABLE, |fd| socket::write(fd, bytes))?;
        Ok(self.after_write(sent, bytes.len()))
    }

    /// As [`Self::try_write`], and more will follow at once: the kernel may wait for it to fill
    /// a packet.
    ///
    /// # Errors
    ///
    /// As [`Self::try_write`].
    pub fn try_write_more(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.attempt(Flags::WRITABLE, |fd| socket::write_more(fd, bytes))?;
        Ok(self.after_write(sent, bytes.len()))
    }

    /// Writes as much of `slices`, in order, as there is room for.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; otherwise the connection's error.
    pub fn try_writev(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = self.attempt(Flags::WRITABLE, |fd| socket::writev(fd, slices))?;
        let asked = slices.iter().map(|slice| slice.len()).sum();
        Ok(self.after_write(sent, asked))
    }

    /// Sends up to `len` bytes of `file` from `offset`. 0 means that the file ends there.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room; otherwise the connection's or the file's error.
    pub fn try_sendfile(&self, file: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<usize> {
        self.attempt(Flags::WRITABLE, |fd| {
            socket::sendfile(fd, file, offset, len)
        })
    }

    /// A short write filled the socket: the event loop will tell when there is room again.
    fn after_write(&self, sent: usize, asked: usize) -> usize {
        if sent < asked {
            self.clear(Flags::WRITABLE);
        }
        sent
    }

    /// Receives one datagram and its sender.
    ///
    /// # Errors
    ///
    /// As of [`socket::receive_from`].
    pub fn try_receive_from(&self, buf: &mut [u8]) -> io::Result<(usize, PeerAddr)> {
        self.attempt(Flags::READABLE, |fd| socket::receive_from(fd, buf))
    }

    /// Sends one datagram to `peer`.
    ///
    /// # Errors
    ///
    /// As of [`socket::send_to`].
    pub fn try_send_to(&self, bytes: &[u8], peer: &PeerAddr) -> io::Result<usize> {
        self.attempt(Flags::WRITABLE, |fd| socket::send_to(fd, bytes, peer))
    }

    /// Does a reading operation of the caller's own, which must not wait.
    ///
    /// # Errors
    ///
    /// Those of `operation`; `WouldBlock` without calling it when nothing is there.
    pub fn try_read_with<T>(
        &self,
        operation: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.attempt(Flags::READABLE, operation)
    }

    /// Does a writing operation of the caller's own, which must not wait.
    ///
    /// # Errors
    ///
    /// Those of `operation`; `WouldBlock` without calling it when there is no room.
    pub fn try_write_with<T>(
        &self,
        operation: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.attempt(Flags::WRITABLE, operation)
    }

    /// Ready when a read may succeed.
    ///
    /// # Errors
    ///
    /// `TimedOut` once the deadline has passed, until another is set; `ConnectionAborted`
    /// (with [`Evicted`] inside) once the connection was given up.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_for(Flags::READABLE, |waiting| waiting.set_reader(cx.waker()))
    }

    /// Ready when a write may succeed. Errors as of [`Self::poll_readable`].
    ///
    /// # Errors
    ///
    /// `TimedOut` and `ConnectionAborted`.
    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let ready = self.poll_for(Flags::WRITABLE, |waiting| waiting.set_writer(cx.waker()));
        let mut slots = self.worker.slots.borrow_mut();
        match ready {
            Poll::Pending => slots.stall(self.index, self.worker.now()),
            Poll::Ready(_) => slots.resume(self.index),
        }
        ready
    }

    /// Ready when the peer has closed or broken the connection, even while what it sent
    /// before waits to be read. Takes the reader's place. Errors as of
    /// [`Self::poll_readable`].
    ///
    /// # Errors
    ///
    /// `TimedOut` and `ConnectionAborted`.
    pub fn poll_peer_closed(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_for(Flags::PEER_CLOSED, |waiting| waiting.set_reader(cx.waker()))
    }

    fn poll_for(
        &self,
        ready: Flags,
        wait: impl FnOnce(&mut Waiting) -> Waiting,
    ) -> Poll<io::Result<()>> {
        let mut slots = self.worker.slots.borrow_mut();
        let slot = slots.slot(self.index);
        if slot.flags.has(Flags::EVICTED) {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, Evicted);
            return Poll::Ready(Err(error));
        }
        if slot.flags.has(Flags::TIMED_OUT) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let is_ready = slot.flags.has(ready);
        if is_ready && (ready == Flags::PEER_CLOSED || !self.worker.share.is_spent()) {
            return Poll::Ready(Ok(()));
        }
        let replaced = wait(&mut slot.waiting);
        if is_ready {
            // In the next turn.
            let token = slots.token(self.index);
            self.worker.deferred.borrow_mut().push(token);
        }
        let registered = self.register(&mut slots);
        drop(slots);
        drop(replaced);
        match registered {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits until a read may succeed.
    ///
    /// # Errors
    ///
    /// `TimedOut` and `ConnectionAborted`, see [`Self::poll_readable`].
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits until a write may succeed.
    ///
    /// # Errors
    ///
    /// `TimedOut` and `ConnectionAborted`, see [`Self::poll_readable`].
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx)).await
    }

    /// Waits until the peer has closed or broken the connection.
    ///
    /// # Errors
    ///
    /// `TimedOut` and `ConnectionAborted`, see [`Self::poll_readable`].
    pub async fn closed_by_peer(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_peer_closed(cx)).await
    }

    /// Joins the set of the event loop, once.
    #[inline]
    fn register(&self, slots: &mut Slots) -> io::Result<()> {
        if slots.flags(self.index).has(Flags::REGISTERED) {
            return Ok(());
        }
        let token = slots.token(self.index);
        let slot = slots.slot(self.index);
        let poller = &self.worker.poller;
        poller.add(self.fd.as_fd(), Interest::CONNECTION, token.into())?;
        slot.flags.add(Flags::REGISTERED);
        Ok(())
    }

    /// Leaves the connection without a task: the slot keeps `owner` until something happens,
    /// and then calls it. What has happened already is told at the end of this turn, so a
    /// caller that did not read until `WouldBlock` loses nothing.
    pub fn park(&self, owner: Rc<dyn Parked>) {
        let mut slots = self.worker.slots.borrow_mut();
        let registered = self.register(&mut slots);
        let token = slots.token(self.index);
        let slot = slots.slot(self.index);
        let before = std::mem::replace(&mut slot.waiting, Waiting::Parked(owner));
        if registered.is_err() {
            slot.flags.add(Flags::BROKEN);
        }
        if slot.flags.wake().is_some() {
            self.worker.deferred.borrow_mut().push(token);
        }
        drop(slots);
        drop(before);
    }

    /// Sets the one deadline of this connection, or removes it. A new one ends `TimedOut`.
    pub fn set_deadline(&self, at: Option<Millis>) {
        self.worker.slots.borrow_mut().set_deadline(self.index, at);
    }

    /// The deadline, if one is set and has not passed.
    pub fn deadline(&self) -> Option<Millis> {
        self.worker.slots.borrow().deadline(self.index)
    }

    /// Says what the connection is doing from now on.
    pub fn set_class(&self, class: Class) {
        self.worker.slots.borrow_mut().set_class(self.index, class);
    }

    /// Says that the connection got on with what it is doing, so that others of its class are
    /// given up before it.
    pub fn report_progress(&self) {
        self.worker.slots.borrow_mut().touch(self.index);
    }

    /// Whether a read may succeed, as far as is known.
    pub fn is_readable_hint(&self) -> bool {
        self.flags().has(Flags::READABLE)
    }

    /// Whether a write may succeed, as far as is known.
    pub fn is_writable_hint(&self) -> bool {
        self.flags().has(Flags::WRITABLE)
    }

    /// Whether the peer is known to send no more. Bytes it sent before may still wait.
    pub fn peer_closed(&self) -> bool {
        self.flags().has(Flags::PEER_CLOSED)
    }

    /// Tells the peer that no more bytes will come.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the connection is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        socket::shutdown_write(self.fd())
    }

    /// Sends small segments at once, or waits to fill them. No effect on Unix sockets.
    pub fn set_nodelay(&self, on: bool) {
        // It fails on sockets that are not TCP, which do not wait anyway.
        let _ = socket::set_nodelay(self.fd(), on);
    }

    /// Holds back segments that are not full until `false`. No effect on Unix sockets.
    pub fn set_cork(&self, on: bool) {
        // As above.
        let _ = socket::set_cork(self.fd(), on);
    }

    /// Makes closing reset the connection and drop what was not sent.
    pub fn linger_reset(&self) {
        // It fails only where there is no connection to reset.
        let _ = socket::set_linger(self.fd(), Some(0));
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("fd", &self.fd)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let waiting = self.worker.free_slot(self.index);
        drop(waiting);
    }
}
