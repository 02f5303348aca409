//! From an accepted socket to a connection that waits for its first request.

use super::{Connection, ProxyHeader, h1};
use crate::config::addresses::ListenSocket;
use crate::core::client::CLIENT;
use crate::error::Error;
use crate::worker::HttpWorker;
use proxy_protocol::{HEADER_MAX, Parsed};
use runtime::{Accepted, Class};
use std::rc::Rc;

/// Takes a new connection in.
pub fn accept(http: &Rc<HttpWorker>, socket: &Rc<ListenSocket>, accepted: Accepted) {
    http.count_accepted();
    let connection = Connection::new(http, socket, accepted.stream, accepted.peer);
    connection.debug(|c| {
        format!(
            "accepted connection from {} at {}",
            c.peer, c.socket.address
        )
    });
    let servers = connection.servers();
    let settings = CLIENT.of(&servers.default.settings);
    let timeout = *settings.header_timeout;
    // On from the start: pipelined and partial responses must not wait for an acknowledgement.
    if !*servers.default.root.transfer.tcp_nodelay {
        connection.stream.set_nodelay(false);
    }
    if servers.proxy_protocol {
        http.worker.spawn(begin_with_proxy(connection, timeout));
        return;
    }
    h1::serve(connection);
}

/// Reads the PROXY protocol header that must come first, then serves.
async fn begin_with_proxy(connection: Rc<Connection>, timeout: u64) {
    connection.stream.set_class(Class::Header);
    match read_proxy_header(&connection, timeout).await {
        Ok(()) => h1::serve(connection),
        Err(error) => connection.log(error.level(), &error.to_string()),
    }
}

async fn read_proxy_header(connection: &Rc<Connection>, timeout: u64) -> Result<(), Error> {
    // For the whole of it, however it drips.
    let deadline = connection.http.worker.now() + timeout;
    loop {
        let parsed = connection
            .pending
            .with(|pending| parse_proxy_header(pending))?;
        let Some((consumed, header)) = parsed else {
            let left = deadline.saturating_sub(connection.http.worker.now());
            connection.read_more(HEADER_MAX, left).await?;
            continue;
        };
        connection
            .pending
            .with(|pending| pending.drain(..consumed).count());
        // Set once: this runs before anything else.
        let _ = connection.rare().proxy.set(header);
        return Ok(());
    }
}

/// The header at the start of `input` and its length; `None` while it is incomplete.
fn parse_proxy_header(input: &[u8]) -> Result<Option<(usize, ProxyHeader)>, Error> {
    match proxy_protocol::parse(input) {
        Ok(Parsed::Partial) => Ok(None),
        Ok(Parsed::Complete { consumed, header }) => {
            let tlvs = header.tlvs.as_bytes().to_vec();
            let addresses = header.addresses;
            Ok(Some((consumed, ProxyHeader { addresses, tlvs })))
        }
        Err(bad) => Err(Error::client(400, bad.to_string())),
    }
}
