//! From an accepted socket to a connection that waits for its first request.

use super::{Connection, h1};
use crate::config::addresses::ListenSocket;
use crate::core::client::CLIENT;
use crate::core::transfer::TRANSFER;
use crate::error::Error;
use crate::worker::HttpWorker;
use proxy_protocol::Parsed;
use runtime::{Accepted, Class};
use std::rc::Rc;

/// Bytes that a PROXY protocol header may take, its TLVs included.
const PROXY_HEADER_MAX: usize = 4096;

/// Takes a new connection in.
pub fn accept(http: &Rc<HttpWorker>, socket: &Rc<ListenSocket>, accepted: Accepted) {
    let connection = Connection::new(http, socket, accepted.stream, accepted.peer);
    let servers = connection.servers();
    let settings = CLIENT.of(&servers.default.settings);
    let timeout = *settings.header_timeout;
    if *TRANSFER.of(&servers.default.root.settings).tcp_nodelay {
        // Pipelined and partial responses must not wait for an acknowledgement.
        connection.stream.set_nodelay(true);
    }
    if servers.proxy_protocol {
        http.worker.spawn(begin_with_proxy(connection, timeout));
        return;
    }
    let worker = Rc::clone(&http.worker);
    worker.spawn(h1::serve(connection));
}

/// Reads the PROXY protocol header that must come first, then serves.
async fn begin_with_proxy(connection: Rc<Connection>, timeout: u64) {
    connection.stream.set_class(Class::Header);
    match read_proxy_header(&connection, timeout).await {
        Ok(()) => h1::serve(connection).await,
        Err(error) => connection.log(error.level(), &error.to_string()),
    }
}

async fn read_proxy_header(connection: &Rc<Connection>, timeout: u64) -> Result<(), Error> {
    loop {
        let parsed = proxy_protocol::parse(&connection.pending.borrow());
        match parsed {
            Ok(Parsed::Complete { consumed, header }) => {
                connection.pending.borrow_mut().drain(..consumed);
                // Set once: this runs before anything else.
                let _ = connection.rare().proxy.set(header);
                return Ok(());
            }
            Ok(Parsed::Partial) if connection.pending.borrow().len() < PROXY_HEADER_MAX => {
                connection.read_more(PROXY_HEADER_MAX, timeout).await?;
            }
            Ok(Parsed::Partial) | Err(_) => {
                let pending = connection.pending.borrow();
                let shown = pending.escape_ascii().to_string();
                let shown: String = shown.chars().take(256).collect();
                return Err(Error::client(400, format!("broken header: \"{shown}\"")));
            }
        }
    }
}
