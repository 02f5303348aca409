//! How a connection ends: parked, lingering, at once, or by a reset.

use super::Connection;
use crate::error::{Abort, Error};
use crate::module::Phase;
use crate::request::Request;
use runtime::Class;
use std::rc::Rc;

/// Milliseconds that an idle connection is left open in a shutdown, so that a request that is
/// on its way is answered, with `Connection: close`, instead of reset.
const DRAIN_MILLIS: u64 = 3_000;

/// Bytes read and thrown away at once while lingering.
const LINGER_READ: usize = 16 << 10;

/// What becomes of a connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It takes the next request.
    KeepAlive,
    /// It is closed, once the client has seen the response.
    Linger,
    /// It is closed at once.
    AtOnce,
    /// The client was too slow: closed, or reset where configured.
    TimedOut,
    /// Others needed the connection's place: reset, so that nothing of the response is kept for
    /// a client that does not take it, nor taken for the whole of it.
    GivenUp,
}

impl Ending {
    /// What follows from a failure.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Aborted(Abort::TimedOut) => Self::TimedOut,
            Error::Aborted(Abort::Evicted) => Self::GivenUp,
            _ => Self::AtOnce,
        }
    }
}

/// Ends the connection of `request`.
///
/// A close while the client still sends makes its system throw the response away unread, so
/// the rest is read for a while first (`lingering_close`).
pub async fn close(request: &Request, ending: Ending) {
    let connection = &request.connection;
    let location = Rc::clone(&request.location);
    let settings = &location.transfer;
    if !matches!(ending, Ending::TimedOut | Ending::GivenUp) {
        // Responses to earlier requests, which are whole. That the client has left is no news.
        let _ = connection.flush().await;
    }
    if !location.pipeline.handlers(Phase::Log).is_empty() {
        // Log lines leave at the end of the turn. Whoever sees the connection close finds
        // the request in the log.
        connection.http.worker.turn_ended().await;
    }
    match ending {
        Ending::TimedOut if *settings.reset_timedout => {
            connection.stream.linger_reset();
        }
        Ending::GivenUp => connection.stream.linger_reset(),
        Ending::Linger => {
            let is_wanted = match *settings.lingering_close {
                0 => false,
                1 => !request.incoming.is_done() || connection.has_unread(),
                _ => true,
            };
            if is_wanted {
                linger(
                    connection,
                    *settings.lingering_time,
                    *settings.lingering_timeout,
                )
                .await;
            }
        }
        Ending::KeepAlive | Ending::AtOnce | Ending::TimedOut => {}
    }
}

/// Reads what is left of the request's body, so that the next request can be told from it,
/// and says whether there can be one: not after a client that was too slow, nor when the
/// framing is broken.
pub async fn discard_body(request: &mut Request) -> Ending {
    let location = Rc::clone(&request.location);
    let settings = &location.transfer;
    let connection = Rc::clone(&request.connection);
    let end = connection.http.worker.now() + *settings.lingering_time;
    connection.stream.set_class(Class::Reading);
    while !request.incoming.is_broken() && connection.http.worker.now() < end {
        if connection
            .read_more(LINGER_READ, *settings.lingering_timeout)
            .await
            .is_err()
        {
            return Ending::AtOnce;
        }
        if request.drop_received_body() {
            return Ending::KeepAlive;
        }
    }
    Ending::Linger
}

async fn linger(connection: &Connection, time: u64, timeout: u64) {
    let worker = &connection.http.worker;
    let end = worker.now() + time;
    if connection.stream.shutdown_write().is_err() {
        return;
    }
    connection.stream.set_class(Class::Reading);
    let mut sink = vec![0; LINGER_READ];
    while worker.now() < end {
        match connection.stream.try_read(&mut sink) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let deadline = (worker.now() + timeout).min(end);
                connection.stream.set_deadline(Some(deadline));
                if connection.stream.readable().await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

impl Connection {
    /// Keeps an idle connection open for a moment in a shutdown.
    pub(super) fn drain(self: Rc<Self>) {
        if self.stream.peer_closed() {
            return;
        }
        let settings = &self.servers().default.root.transfer;
        let millis = DRAIN_MILLIS.max(*settings.keepalive_min_timeout);
        if self.is_drained.replace(true) {
            return;
        }
        self.park(millis);
    }
}
