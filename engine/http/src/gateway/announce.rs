//! The PROXY protocol at the beginning of a connection to a peer: who its client is.

use crate::request::Request;
use std::net::SocketAddr;

/// Appends the header of version `version` for the client of `request`; nothing for 0.
///
/// The addresses are those that `realip` and an incoming PROXY header leave: as in nginx's
/// stream module, the client is who it turned out to be, the destination our own end.
pub(super) fn client(request: &Request, version: usize, out: &mut Vec<u8>) {
    let ends = || -> Option<(SocketAddr, SocketAddr)> {
        let source = request.remote_addr().to_socket_addr()?;
        Some((source, request.connection.local_addr()?))
    };
    match version {
        0 => {}
        1 => proxy_protocol::encode::v1(ends(), out),
        _ => proxy_protocol::encode::v2(ends(), &[], out)
            .expect("a header without records is short enough"),
    }
}
