//! Accepting, reading and writing. None of these waits when the socket is non-blocking.

use super::address::{PeerAddr, RawAddress};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Most slices that one `writev` takes on Linux (`UIO_MAXIOV`).
const MAX_SLICES: i32 = 1024;

fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Takes one connection from the queue of a listening socket, with its peer's address.
///
/// # Errors
///
/// `WouldBlock` when none waits, `EMFILE` or `ENFILE` when descriptors have run out, and
/// whatever happened to that connection in the queue, such as `ConnectionAborted`.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, PeerAddr)> {
    let mut peer = RawAddress::empty();
    let (addr, len) = peer.as_mut_ptrs();
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: `addr` has room for as many bytes as `len` points to, both outlive the call.
    let fd = unsafe { libc::accept4(listener.as_raw_fd(), addr, len, flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has just returned this descriptor, nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok((fd, peer.peer()))
}

/// Reads what is there into `buf`. 0 is the end of the stream.
///
/// # Errors
///
/// `WouldBlock` when nothing is there.
pub fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one exclusive slice.
    count(unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), 0) })
}

/// Reads at most `room` bytes, of which there must be one or more, and appends them to `buf`, in
/// which room is made for all of them. 0 is the end of the stream.
///
/// # Errors
///
/// `WouldBlock` when nothing is there.
pub fn read_append(fd: BorrowedFd<'_>, buf: &mut Vec<u8>, room: usize) -> io::Result<usize> {
    buf.reserve_exact(room);
    let spare = buf.spare_capacity_mut();
    let place = spare.as_mut_ptr().cast();
    let len = room.min(spare.len());
    // SAFETY: the pointer is to spare memory of `buf`, of which there are `len` bytes or more.
    let got = count(unsafe { libc::recv(fd.as_raw_fd(), place, len, 0) })?;
    // SAFETY: the kernel has written `got` bytes, at most `len`, behind the last one.
    unsafe { buf.set_len(buf.len() + got) };
    Ok(got)
}

/// As [`write()`], and more will follow at once: the kernel may wait for it to fill a packet.
///
/// # Errors
///
/// `WouldBlock` when there is no room.
pub fn write_more(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_MORE;
    // SAFETY: the pointer and the length are those of one slice.
    count(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// Writes as much of `bytes` as there is room for.
///
/// # Errors
///
/// `WouldBlock` when there is none.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one slice.
    count(unsafe {
        libc::send(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
        )
    })
}

/// Writes as much of `slices`, in order, as there is room for. Of more than 1024 slices the
/// first 1024 are looked at.
///
/// # Errors
///
/// `WouldBlock` when there is no room.
pub fn writev(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let slice_count = i32::try_from(slices.len()).unwrap_or(MAX_SLICES);
    let slice_count = slice_count.min(MAX_SLICES);
    // SAFETY: `IoSlice` is documented to have the layout of `iovec`; each of the first
    // `slice_count` describes bytes that are borrowed for the call.
    count(unsafe { libc::writev(fd.as_raw_fd(), slices.as_ptr().cast(), slice_count) })
}

/// Sends up to `len` bytes of `file` from `offset` without copying them through user space.
/// 0 means that the file ends there.
///
/// # Errors
///
/// `WouldBlock` when there is no room, `InvalidInput` for offsets beyond 2^63 and for files
/// that cannot be sent so.
pub fn sendfile(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let mut offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `offset` is a local that the kernel writes to before the call returns.
    count(unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut offset, len) })
}

/// Receives one message and its sender. What does not fit `buf` is lost.
///
/// # Errors
///
/// `WouldBlock` when none waits; an earlier send's failure, such as `ConnectionRefused`.
pub fn receive_from(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<(usize, PeerAddr)> {
    let mut peer = RawAddress::empty();
    let (addr, len) = peer.as_mut_ptrs();
    // SAFETY: the buffer is one exclusive slice; `addr` has room for `len` bytes, and both
    // outlive the call.
    let received = unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buf.as_mut_ptr().cast(),
            buf.len(),
            0,
            addr,
            len,
        )
    };
    Ok((count(received)?, peer.peer()))
}

/// Sends one message to `peer`.
///
/// # Errors
///
/// `WouldBlock` when there is no room; `InvalidInput` when `peer` is a Unix socket.
pub fn send_to(fd: BorrowedFd<'_>, bytes: &[u8], peer: &PeerAddr) -> io::Result<usize> {
    let raw = RawAddress::from_peer(peer)?;
    // SAFETY: the bytes are one slice, the address is a valid `sockaddr` of `raw.len()` bytes.
    count(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            0,
            raw.as_ptr(),
            raw.len(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, socketpair};
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn bytes_arrive_in_order_and_then_the_end() {
        let (near, far) = socketpair(Kind::Stream).unwrap();
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(writev(near.as_fd(), &slices).unwrap(), 4);
        assert_eq!(write(near.as_fd(), b"e").unwrap(), 1);
        let mut buf = [0; 16];
        assert_eq!(read(far.as_fd(), &mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"abcde");
        let error = read(far.as_fd(), &mut buf).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(near);
        assert_eq!(read(far.as_fd(), &mut buf).unwrap(), 0);
    }

    #[test]
    fn what_is_appended_leaves_what_was_there() {
        let (near, far) = socketpair(Kind::Stream).unwrap();
        let mut buf = b"ab".to_vec();
        let error = read_append(far.as_fd(), &mut buf, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(buf, b"ab");
        assert_eq!(write(near.as_fd(), b"cdefgh").unwrap(), 6);
        assert_eq!(read_append(far.as_fd(), &mut buf, 4).unwrap(), 4);
        assert_eq!(buf, b"abcdef", "no more than there was room for");
        buf.reserve_exact(1000);
        assert_eq!(read_append(far.as_fd(), &mut buf, 1).unwrap(), 1);
        assert_eq!(buf, b"abcdefg", "whatever else the buffer holds");
        assert_eq!(read_append(far.as_fd(), &mut buf, 100).unwrap(), 1);
        drop(near);
        assert_eq!(read_append(far.as_fd(), &mut buf, 100).unwrap(), 0);
        assert_eq!(buf, b"abcdefgh");
    }

    #[test]
    fn a_part_of_a_file_is_sent() {
        let path = std::env::temp_dir().join(format!("sys-sendfile-{}", std::process::id()));
        std::fs::File::create(&path)
            .unwrap()
            .write_all(b"0123456789")
            .unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (near, far) = socketpair(Kind::Stream).unwrap();
        assert_eq!(sendfile(near.as_fd(), file.as_fd(), 3, 4).unwrap(), 4);
        assert_eq!(sendfile(near.as_fd(), file.as_fd(), 10, 4).unwrap(), 0);
        let mut buf = [0; 16];
        assert_eq!(read(far.as_fd(), &mut buf).unwrap(), 4);
        assert_eq!(&buf[..4], b"3456");
        let beyond = sendfile(near.as_fd(), file.as_fd(), u64::MAX, 1).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn datagrams_name_their_sender() {
        let a = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let b = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = PeerAddr::from(b.local_addr().unwrap());
        assert_eq!(send_to(a.as_fd(), b"hello", &to).unwrap(), 5);
        let mut buf = [0; 16];
        let (len, from) = receive_from(b.as_fd(), &mut buf).unwrap();
        assert_eq!(&buf[..len], b"hello");
        assert_eq!(from, PeerAddr::from(a.local_addr().unwrap()));
    }
}
