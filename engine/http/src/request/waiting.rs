//! Waiting on behalf of a client, who may leave meanwhile.

use super::Request;
use crate::connection::Connection;
use crate::module::Flow;
use runtime::Millis;
use runtime::log::Level;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

impl Request {
    /// What comes of `waiting`; `None` when the client leaves first, and the request ends with
    /// it. Only one task at a time may watch a client.
    pub async fn unless_left<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let watches = self.is_waited_for();
        let mut waiting = pin!(waiting);
        poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(come) => Poll::Ready(Some(come)),
            Poll::Pending if watches && self.connection.poll_left(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Holds the request back for `millis` milliseconds.
    ///
    /// # Errors
    ///
    /// A 499, when the client leaves meanwhile.
    pub async fn hold_back(&self, millis: Millis) -> Result<(), Flow> {
        let sleep = self.connection.http.worker.sleep(millis);
        let is_over = self.unless_left(sleep).await;
        is_over.ok_or_else(|| {
            self.log(Level::Info, "client prematurely closed connection");
            Flow::Status(499)
        })
    }
}

impl Connection {
    /// Whether the client is gone; if not, the task is woken when it goes.
    pub(crate) fn poll_left(&self, cx: &mut Context<'_>) -> bool {
        // A deadline of an earlier wait would end this one.
        self.stream.set_deadline(None);
        self.stream.poll_peer_closed(cx).is_ready()
    }
}
