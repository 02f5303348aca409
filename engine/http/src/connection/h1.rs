//! HTTP/1 over one connection: request after request, until it closes or falls idle.

use super::close::{self, Ending};
use super::head::{Next, next_request};
use super::{Connection, writer};
use crate::core::post_action;
use crate::core::transfer::{TRANSFER, disabled};
use crate::error::{Abort, Error};
use crate::gateway::{Ended, Tunnel};
use crate::module::{Phase, Run};
use crate::phase;
use crate::request::Request;
use crate::request::packed::Packed;
use crate::response::Response;
use http1::{Known, Method, Version};
use runtime::Class;
use runtime::log::Level;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Serves requests until the connection closes or has nothing to do.
pub async fn serve(connection: Rc<Connection>) {
    loop {
        match next_request(&connection).await {
            Next::Idle => {
                if connection.flush().await.is_err() {
                    return;
                }
                return idle(&connection);
            }
            Next::Closed => return,
            Next::Request(request) => {
                if !exchange(&connection, request, None).await {
                    return;
                }
            }
            Next::Refused(request, status) => {
                exchange(&connection, request, Some(status)).await;
                return;
            }
        }
    }
}

/// Parks the connection, or closes it when it may not stay.
fn idle(connection: &Rc<Connection>) {
    let is_new = connection.requests.get() == 0;
    let timeout = if is_new {
        *crate::core::client::CLIENT
            .of(&connection.servers().default.settings)
            .header_timeout
    } else {
        u64::from(connection.idle_timeout.get())
    };
    if connection.http.is_draining.get() {
        return Rc::clone(connection).drain();
    }
    connection.park(timeout);
}

/// Answers one request. Gives whether the connection can take another.
async fn exchange(
    connection: &Rc<Connection>,
    mut request: Box<Request>,
    refusal: Option<u16>,
) -> bool {
    connection.stream.set_class(Class::Writing);
    connection.http.count_request();
    if refusal.is_some() {
        request.keep_alive.set(false);
    }
    let serving = async {
        let response = match refusal {
            None => phase::serve(&mut request).await?,
            Some(status) => phase::refuse(&mut request, status).await?,
        };
        without_body(&mut request, response).await
    };
    let answered = without_holding_back(connection, pin!(serving)).await;
    let sent = match answered {
        Ok(response) => {
            decide_keep_alive(&request, response.head.must_close);
            writer::send(&mut request, response).await
        }
        Err(abort) => Err(abort.into()),
    };
    if let (Ok(()), Some(tunnel)) = (&sent, request.tunnel.take()) {
        // In a task of its own, which is smaller than one that can serve a request.
        let worker = Rc::clone(&connection.http.worker);
        worker.spawn(Tunnelled::Open(tunnel, Some(request.pack())));
        return false;
    }
    let mut ending = match sent {
        Ok(()) if request.keep_alive.get() && request.drop_received_body() => Ending::KeepAlive,
        Ok(()) if request.keep_alive.get() => close::discard_body(&mut request).await,
        Ok(()) => Ending::Linger,
        Err(error) => {
            log_failure(&mut request, &error);
            Ending::of(&error)
        }
    };
    if post_action::is_wanted(&request) {
        let acting = Box::pin(post_action::run(&mut request));
        without_holding_back(connection, pin!(acting)).await;
        // As after any answer, an error may have taken it away.
        if matches!(ending, Ending::KeepAlive) && !request.keep_alive.get() {
            ending = Ending::Linger;
        }
    }
    log(&mut request);
    let keeps = matches!(ending, Ending::KeepAlive);
    if keeps {
        let settings = TRANSFER.of(&request.location.settings);
        let millis = u32::try_from(*settings.keepalive_timeout).unwrap_or(u32::MAX);
        connection.idle_timeout.set(millis);
    } else {
        close::close(&request, ending).await;
    }
    let Request { head, .. } = *request;
    connection.http.give_head(head);
    keeps
}

/// A tunnel, and then the end of its request, which is put away until then. An `async fn` would
/// have room for its arguments twice.
enum Tunnelled {
    Open(Tunnel, Option<Packed>),
    Ending(Pin<Box<dyn Future<Output = ()>>>),
}

impl Future for Tunnelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut *self {
                Self::Open(tunnel, request) => {
                    let ended = ready!(tunnel.as_mut().poll(cx));
                    let Some(request) = request.take() else {
                        return Poll::Ready(());
                    };
                    let ending = end_tunnelled(request.unpack(), ended);
                    // Closes the connection to the peer, before anything is logged.
                    *self = Self::Ending(Box::pin(ending));
                }
                Self::Ending(ending) => return ending.as_mut().poll(cx),
            }
        }
    }
}

async fn end_tunnelled(mut request: Box<Request>, ended: Ended) {
    if ended.timed_out {
        let text =
            "upstream timed out (110: Connection timed out) while proxying upgraded connection";
        request.log(Level::Info, text);
    }
    request.sent.bytes += ended.sent;
    request.sent.body_bytes += ended.sent;
    if post_action::is_wanted(&request) {
        post_action::run(&mut request).await;
    }
    log(&mut request);
    close::close(&request, Ending::Linger).await;
}

/// `serving`. When it has to wait, earlier responses that were held back leave first: the
/// client may wait for them before it sends what is waited for.
async fn without_holding_back<T>(
    connection: &Connection,
    mut serving: Pin<&mut impl Future<Output = T>>,
) -> T {
    let mut has_waited = false;
    let answered = poll_fn(|cx| match serving.as_mut().poll(cx) {
        Poll::Ready(answered) => Poll::Ready(Some(answered)),
        Poll::Pending if !std::mem::replace(&mut has_waited, true) && connection.holds_back() => {
            Poll::Ready(None)
        }
        Poll::Pending => Poll::Pending,
    });
    if let Some(answered) = answered.await {
        return answered;
    }
    // That the client has left is found out with the answer.
    let _ = connection.flush().await;
    serving.await
}

/// Throws away what has come of a body that nobody read, so that `response` is not held back
/// for it. A body that turns out broken makes a 400 of any success.
///
/// Source: `ngx_http_discard_request_body()` and its callers, nginx 1.31.5.
async fn without_body(request: &mut Request, response: Response) -> Result<Response, Abort> {
    if request.incoming.is_done() || request.drop_received_body() {
        return Ok(response);
    }
    if !request.incoming.is_broken() {
        return Ok(response);
    }
    request.keep_alive.set(false);
    if response.head.status >= 400 {
        return Ok(response);
    }
    request.log(Level::Error, "client sent invalid chunked body");
    phase::refuse(request, 400).await
}

/// Takes keep-alive away where configuration, age or the response forbid it.
fn decide_keep_alive(request: &Request, must_close: bool) {
    if !request.keep_alive.get() {
        return;
    }
    let connection = &request.connection;
    let settings = TRANSFER.of(&request.location.settings);
    let age = connection
        .http
        .worker
        .now()
        .saturating_sub(connection.started);
    let keeps = !must_close
        && *settings.keepalive_timeout > 0
        && !connection.http.is_draining.get()
        && u64::from(connection.requests.get()) < *settings.keepalive_requests
        && age < *settings.keepalive_time
        && !is_disabled_browser(request, *settings.keepalive_disable)
        // A client that was not told to go on may send the body, or not.
        && !request.incoming.awaits_continue();
    request.keep_alive.set(keeps);
}

fn is_disabled_browser(request: &Request, browsers: u32) -> bool {
    let Some(agent) = request.header(Known::UserAgent) else {
        return false;
    };
    let has = |text: &[u8]| memchr::memmem::find(agent, text).is_some();
    let is_msie6 = || {
        request.head.parsed.method == Method::Post
            && (has(b"MSIE 4.") || has(b"MSIE 5.") || has(b"MSIE 6."))
            && !has(b"Opera")
    };
    let is_safari = || has(b"Mac OS X") && has(b"Safari/") && !has(b"Chrome/");
    browsers & disabled::MSIE6 != 0 && is_msie6() || browsers & disabled::SAFARI != 0 && is_safari()
}

/// Tells the error log of what ended an exchange, and the access log of a request without an answer.
#[cold]
fn log_failure(request: &mut Request, error: &Error) {
    let mut text = error.to_string();
    if matches!(error, Error::Aborted(Abort::ClientLeft)) && request.sent.header_bytes > 0 {
        text.push_str(" while sending response to client");
    }
    request.log(error.level(), &text);
    if request.sent.status == 0 {
        request.sent.status = unanswered_status(error);
    }
}

/// What logs show for a request that `error` left without an answer: nginx's numbers.
fn unanswered_status(error: &Error) -> u16 {
    match error {
        Error::Aborted(Abort::TimedOut) => 408,
        Error::Aborted(Abort::Evicted) => 503,
        _ => 499,
    }
}

/// Runs the log phase.
pub(crate) fn log(request: &mut Request) {
    let location = Rc::clone(&request.location);
    for handler in location.pipeline.handlers(Phase::Log) {
        if let Run::Now(run) = handler
            && let Err(error) = run(request)
        {
            request.log(error.level(), &error.to_string());
        }
    }
}

/// Logs a request that ends without an answer.
pub(super) fn log_unanswered(mut request: Box<Request>, status: u16) {
    request.sent.status = status;
    log(&mut request);
}

/// Whether the response may be framed as HTTP/1.1 has it.
pub(crate) fn speaks_http11(request: &Request) -> bool {
    request.version() >= Version::Http11
}

impl From<Abort> for Error {
    fn from(abort: Abort) -> Self {
        Self::Aborted(abort)
    }
}
