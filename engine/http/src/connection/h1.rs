//! HTTP/1 over one connection: request after request, until it closes or falls idle.

use super::close::{self, Ending};
use super::head::{Next, Reading, next_request};
use super::writer::Unsent;
use super::{Connection, writer};
use crate::core::post_action;
use crate::core::transfer::disabled;
use crate::error::{Abort, Error};
use crate::gateway::{Ended, Tunnel};
use crate::module::{BoxFuture, Flow, Phase, Run};
use crate::phase::{Course, Pause, Reached};
use crate::request::packed::Packed;
use crate::request::{Request, Spare};
use crate::response::Response;
use base::place;
use http1::{Known, Method, Version};
use runtime::Class;
use runtime::log::Level;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Whether the next request can be taken; if not, why: the connection is left to itself, or
/// something has to be waited for.
type Served = ControlFlow<Option<Halt>>;

/// What has to be waited for before serving goes on.
enum Halt {
    /// The rest of a head.
    Head(Box<Reading>),
    /// That responses leave which were held back, so that the connection can fall idle.
    Idle,
    /// That such responses leave before the connection closes.
    Last,
    /// What a phase of the request waits for.
    Phase(Box<Request>, Course, Pause),
    /// That a response leaves, the body of which may have to be waited for.
    Response(Box<Request>, Box<Unsent>),
    /// That the last of a response leaves.
    Flush(Box<Request>),
    /// The end of an exchange. Gives whether the connection can take another.
    End(Pin<Box<dyn Future<Output = bool>>>),
}

const CLOSED: Served = ControlFlow::Break(None);

fn halt(at: Halt) -> Served {
    ControlFlow::Break(Some(at))
}

/// Serves requests until the connection closes or has nothing to do. What need not be waited for
/// is done before this returns; for the rest there is a task.
pub fn serve(connection: Rc<Connection>) {
    if let Some(at) = serve_on(&connection) {
        let worker = Rc::clone(&connection.http.worker);
        worker.spawn_boxed(place::pinned(|| wait(connection, at)));
    }
}

/// Serves as far as that goes without waiting.
fn serve_on(connection: &Rc<Connection>) -> Option<Halt> {
    loop {
        if let ControlFlow::Break(halt) = begin(connection, next_request(connection)) {
            return halt;
        }
    }
}

/// Serves on from a halt.
async fn wait(connection: Rc<Connection>, mut at: Halt) {
    loop {
        let served = match at {
            Halt::Head(reading) => begin(&connection, reading.wait(&connection).await),
            Halt::Idle => match connection.flush().await {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => CLOSED,
            },
            Halt::Last => {
                // That the client has left is no news.
                let _ = connection.flush().await;
                CLOSED
            }
            Halt::Phase(mut request, mut course, pause) => {
                let over = pause.over(&mut request);
                let flow = without_holding_back(&connection, over).await;
                let reached = course.resume(&mut request, flow);
                follow(request, course, reached)
            }
            Halt::Response(mut request, unsent) => {
                // Boxed, since the task of every connection would have room for it otherwise.
                match Box::pin(unsent.send(&mut request)).await {
                    Ok(()) => flush(request),
                    Err(error) => end(request, Err(error)),
                }
            }
            Halt::Flush(request) => {
                let sent = connection.flush().await;
                end(request, sent)
            }
            Halt::End(ending) => match ending.await {
                true => ControlFlow::Continue(()),
                false => CLOSED,
            },
        };
        let next = match served {
            ControlFlow::Continue(()) => serve_on(&connection),
            ControlFlow::Break(next) => next,
        };
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
}

/// Parks the connection, or closes it when it may not stay.
fn idle(connection: &Rc<Connection>) -> Served {
    match connection.try_flush() {
        Ok(true) => {}
        Ok(false) => return halt(Halt::Idle),
        Err(_) => return CLOSED,
    }
    let is_new = connection.requests.get() == 0;
    let timeout = if is_new {
        *crate::core::client::CLIENT
            .of(&connection.servers().default.settings)
            .header_timeout
    } else {
        u64::from(connection.idle_timeout.get())
    };
    if connection.http.is_draining.get() {
        Rc::clone(connection).drain();
    } else {
        connection.park(timeout);
    }
    CLOSED
}

/// Answers a request, if there is one.
fn begin(connection: &Rc<Connection>, next: Next) -> Served {
    let (mut request, refusal) = match next {
        Next::Request(request, refusal) => (request, refusal),
        Next::Partial(reading) => return halt(Halt::Head(reading)),
        Next::Idle => return idle(connection),
        Next::Closed if connection.holds_back() => return halt(Halt::Last),
        Next::Closed => return CLOSED,
    };
    connection.stream.set_class(Class::Writing);
    connection.http.count_request();
    if let Some(status) = refusal {
        request.keep_alive.set(false);
        return refuse(request, status);
    }
    log_head(&request);
    let mut course = Course::main(&mut request);
    let reached = course.run(&mut request);
    follow(request, course, reached)
}

/// Answers a request by `status`, with its error page or the built-in one.
fn refuse(mut request: Box<Request>, status: u16) -> Served {
    let mut course = Course::refusal(&mut request);
    let reached = course.run_from(&mut request, Flow::Status(status));
    follow(request, course, reached)
}

/// Follows what the phases came to.
fn follow(mut request: Box<Request>, course: Course, reached: Reached) -> Served {
    match reached {
        Reached::Pause(pause) => halt(Halt::Phase(request, course, pause)),
        Reached::Response(Err(abort)) => end(request, Err(abort.into())),
        Reached::Response(Ok(response))
            if has_broken_body(&mut request, &response) && !course.is_refusal() =>
        {
            refuse(request, 400)
        }
        Reached::Response(Ok(response)) => send(request, response),
    }
}

fn send(mut request: Box<Request>, response: Response) -> Served {
    request.debug(|_| {
        let length = response.head.content_length;
        format!(
            "http response: status {}, length {length:?}",
            response.head.status
        )
    });
    decide_keep_alive(&request, response.head.must_close);
    match writer::gather(&mut request, response) {
        None => flush(request),
        Some(unsent) => halt(Halt::Response(request, unsent)),
    }
}

/// Sends what was gathered. It is held back to leave with the next response, when the next
/// request is there already.
fn flush(request: Box<Request>) -> Served {
    let connection = &request.connection;
    if request.keep_alive.get() && !connection.pending.is_empty() {
        return end(request, Ok(()));
    }
    match connection.try_flush() {
        Ok(true) => end(request, Ok(())),
        Ok(false) => halt(Halt::Flush(request)),
        Err(error) => end(request, Err(error.into())),
    }
}

/// Ends an exchange whose response was sent, or could not be.
fn end(mut request: Box<Request>, sent: Result<(), Error>) -> Served {
    if let (Ok(()), Some(tunnel)) = (&sent, request.tunnel.take()) {
        // In a task of its own, which is smaller than one that can serve a request.
        let worker = Rc::clone(&request.connection.http.worker);
        worker.spawn(Tunnelled::Open(tunnel, Some(request.pack())));
        return CLOSED;
    }
    let ending = match sent {
        Ok(()) if !request.keep_alive.get() => Some(Ending::Linger),
        Ok(()) if request.drop_received_body() => Some(Ending::KeepAlive),
        // What is left of the body must come first.
        Ok(()) => None,
        Err(error) => {
            log_failure(&mut request, &error);
            Some(Ending::of(&error))
        }
    };
    if ending == Some(Ending::KeepAlive) && !post_action::is_wanted(&request) {
        log(&mut request);
        keep_alive(request);
        return ControlFlow::Continue(());
    }
    halt(Halt::End(Box::pin(end_late(request, ending))))
}

/// Ends an exchange after which something has to be waited for. Gives whether the connection can
/// take another.
async fn end_late(mut request: Box<Request>, ending: Option<Ending>) -> bool {
    let mut ending = match ending {
        Some(ending) => ending,
        None => close::discard_body(&mut request).await,
    };
    if post_action::is_wanted(&request) {
        let connection = Rc::clone(&request.connection);
        let acting = Box::pin(post_action::run(&mut request));
        without_holding_back(&connection, acting).await;
        // As after any answer, an error may have taken it away.
        if ending == Ending::KeepAlive && !request.keep_alive.get() {
            ending = Ending::Linger;
        }
    }
    log(&mut request);
    if ending == Ending::KeepAlive {
        keep_alive(request);
        return true;
    }
    close::close(&request, ending).await;
    false
}

/// Leaves the connection to the next request.
fn keep_alive(request: Box<Request>) {
    let Request {
        connection,
        location,
        mut head,
        uri,
        host,
        ..
    } = *request;
    let settings = &location.transfer;
    let millis = u32::try_from(*settings.keepalive_timeout).unwrap_or(u32::MAX);
    connection.idle_timeout.set(millis);
    head.spare = Spare { uri, host };
    connection.http.give_head(head);
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
    if let Some((level, text)) = &ended.message {
        request.log(*level, text);
    }
    request.sent.bytes += ended.sent;
    request.sent.body_bytes += ended.sent;
    if post_action::is_wanted(&request) {
        post_action::run(&mut request).await;
    }
    log(&mut request);
    close::close(&request, Ending::Linger).await;
}

/// What `serving` comes to. When it has to wait, earlier responses that were held back leave
/// first: the client may wait for them before it sends what is waited for.
async fn without_holding_back<T>(connection: &Connection, mut serving: BoxFuture<'_, T>) -> T {
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
/// for it. Gives whether a body turned out broken, which makes a 400 of any success.
///
/// Source: `ngx_http_discard_request_body()` and its callers, nginx 1.31.5.
fn has_broken_body(request: &mut Request, response: &Response) -> bool {
    if request.drop_received_body() || !request.incoming.is_broken() {
        return false;
    }
    request.keep_alive.set(false);
    if response.head.status >= 400 {
        return false;
    }
    request.log(Level::Error, "client sent invalid chunked body");
    true
}

/// Takes keep-alive away where configuration, age or the response forbid it.
fn decide_keep_alive(request: &Request, must_close: bool) {
    if !request.keep_alive.get() {
        return;
    }
    let connection = &request.connection;
    let settings = &request.location.transfer;
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

/// Tells the error log, where it wants to know that much, what was received.
fn log_head(request: &Request) {
    if !request.is_debugged() {
        return;
    }
    request.debug(|r| {
        format!(
            "http request line: \"{}\"",
            String::from_utf8_lossy(r.line())
        )
    });
    request.debug(|r| {
        let field = |(name, value): (&[u8], &[u8])| {
            format!(
                "{}: {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )
        };
        format!(
            "http header: {:?}",
            r.headers().map(field).collect::<Vec<_>>()
        )
    });
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
