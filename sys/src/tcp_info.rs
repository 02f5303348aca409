//! What the kernel knows about a TCP connection.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A few of the figures of tcp(7), `TCP_INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round-trip time, microseconds.
    pub rtt_micros: u32,
    /// Its variance, microseconds.
    pub rtt_variance_micros: u32,
    /// The congestion window, segments.
    pub send_window: u32,
    /// The receive window, bytes.
    pub receive_space: u32,
}

/// The figures of `socket`.
///
/// # Errors
///
/// The system's, for a socket that is not TCP.
pub fn of(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>())
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointers are to locals that outlive the call, and `length` is the size of
    // the first.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zero is a value of every field, and the kernel wrote over some of them.
    let info = unsafe { info.assume_init() };
    Ok(TcpInfo {
        rtt_micros: info.tcpi_rtt,
        rtt_variance_micros: info.tcpi_rttvar,
        send_window: info.tcpi_snd_cwnd,
        receive_space: info.tcpi_rcv_space,
    })
}
