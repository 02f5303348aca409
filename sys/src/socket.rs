//! Sockets: addresses, listening, connecting, options, and input and output without waiting.
//!
//! Every socket made here is non-blocking and close-on-exec from its first moment.

mod address;
mod io;
mod listener;
mod options;

pub use address::{Address, PeerAddr};
pub use io::{
    accept, read, read_append, receive_from, send_to, sendfile, write, write_more, writev,
};
pub use listener::{KeepAlive, ListenOptions, Listener};
pub use options::{
    bind_before_connect, connect, local_address, peer_address, set_cloexec, set_cork,
    set_keepalive, set_linger, set_nodelay, set_nonblocking, set_receive_buffer, set_send_buffer,
    set_transparent, shutdown_read, shutdown_write, socket, socket_kind, socketpair, take_error,
};

/// How bytes travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// As one stream (TCP, Unix stream).
    #[default]
    Stream,
    /// As separate messages (UDP, Unix datagram).
    Datagram,
    /// As one stream over several paths at once (MPTCP, RFC 8684).
    Multipath,
}
