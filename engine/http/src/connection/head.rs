//! Reads a request's head and routes it to its server.

use super::Connection;
use crate::config::addresses::AddressServers;
use crate::config::server_names::NameMatch;
use crate::core::client::CLIENT;
use crate::error::{Abort, Error};
use crate::request::{Request, RequestHead};
use crate::request_body::Incoming;
use base::place;
use http1::{BodyLength, Known, Progress, RequestParser, Span, TargetForm, Version};
use runtime::Class;
use std::io;
use std::rc::Rc;

/// What came of waiting for a request.
pub enum Next {
    /// A request whose head is complete.
    Request(Box<Request>),
    /// A request that breaks a rule: to be answered with this status, then closed.
    Refused(Box<Request>, u16),
    /// Nothing yet: the connection can be parked.
    Idle,
    /// The client left, was too slow, or was given up.
    Closed,
}

/// Reads until a head is complete.
pub async fn next_request(connection: &Rc<Connection>) -> Next {
    if !connection.has_unread() {
        return Next::Idle;
    }
    let mut head = connection.http.take_head();
    let mut pending = connection.pending.take();
    connection
        .was_pipelined
        .set(!pending.is_empty() && connection.requests.get() > 0);
    head.buf.append(&mut pending);
    connection.pending.replace(pending);
    match read_head(connection, &mut head).await {
        Ok(Read::Complete(head_len)) => {
            if head.buf.len() > head_len {
                let rest = &head.buf[head_len..];
                connection
                    .pending
                    .with(|pending| pending.extend_from_slice(rest));
                head.buf.truncate(head_len);
            }
            prepare(connection, head)
        }
        Ok(Read::Idle) => {
            connection.http.give_head(head);
            Next::Idle
        }
        Ok(Read::Refused(status, reason)) => refused(connection, head, status, &reason),
        Ok(Read::BadLine(status, reason)) => {
            // No version that such a line names is believed.
            head.parsed.version = Version::Http10;
            refused(connection, head, status, &reason)
        }
        Err(Error::Aborted(Abort::TimedOut)) => {
            let request = unfinished_request(connection, head);
            request.log(
                runtime::log::Level::Info,
                "client timed out while reading client request",
            );
            super::h1::log_unanswered(request, 408);
            Next::Closed
        }
        Err(error) => {
            if !head.buf.is_empty() {
                connection.log(
                    runtime::log::Level::Info,
                    &format!("{error} while reading client request line"),
                );
                let request = unfinished_request(connection, head);
                super::h1::log_unanswered(request, 400);
            }
            Next::Closed
        }
    }
}

enum Read {
    Complete(usize),
    Idle,
    /// For its fields.
    Refused(u16, String),
    /// For its first line.
    BadLine(u16, String),
}

async fn read_head(connection: &Rc<Connection>, head: &mut RequestHead) -> Result<Read, Error> {
    let servers = connection.servers();
    let settings = CLIENT.of(&servers.default.settings);
    let mut limits = settings.limits();
    limits.stops_at_host = servers.limits_differ;
    let mut parser = RequestParser::new();
    let mut has_deadline = false;
    loop {
        if !head.buf.is_empty() {
            match parser.parse(&head.buf, &limits, &mut head.parsed) {
                Ok(Progress::Complete { head_len }) => return Ok(Read::Complete(head_len)),
                Ok(Progress::HostKnown) => {
                    limits = http1::Limits {
                        initial_buffer: limits.initial_buffer,
                        ..limits_for_host(servers, head)
                    };
                    continue;
                }
                Ok(Progress::Partial) => {}
                Err(http1::Refusal { status, reason, .. }) => {
                    return Ok(if parser.is_past_request_line() {
                        let reason = format!("{reason} while reading client headers");
                        Read::Refused(status, reason)
                    } else {
                        let reason = format!("{reason} while reading client request line");
                        Read::BadLine(status, reason)
                    });
                }
            }
        }
        let filled = head.buf.len();
        let room = limits.initial_buffer.max(filled.min(limits.line_max));
        match connection.stream.try_read_append(&mut head.buf, room) {
            Ok(0) => return Err(Error::Aborted(Abort::ClientLeft)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if filled == 0 {
                    return Ok(Read::Idle);
                }
                connection.flush().await?;
                if room > limits.initial_buffer {
                    head.buf.shrink_to_fit();
                }
                if !has_deadline {
                    has_deadline = true;
                    connection.stream.set_class(Class::Header);
                    let deadline = connection.http.worker.now() + *settings.header_timeout;
                    connection.stream.set_deadline(Some(deadline));
                }
                connection.stream.readable().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The limits of the server that the host read last leads to.
fn limits_for_host(servers: &AddressServers, head: &RequestHead) -> http1::Limits {
    let host = http1::host_so_far(&head.parsed, &head.buf);
    let server = match servers.find(host.as_ref().map_or(b"", |host| &host.name)) {
        NameMatch::Default => &servers.default,
        NameMatch::Server(server) | NameMatch::Pattern(_, server) => server,
    };
    CLIENT.of(&server.settings).limits()
}

fn new_request(connection: &Rc<Connection>, head: Box<RequestHead>) -> Box<Request> {
    connection
        .requests
        .set(connection.requests.get().saturating_add(1));
    let server = Rc::clone(&connection.servers().default);
    place::boxed(|| Request::new(Rc::clone(connection), server, head))
}

/// A request that ends before it was read whole, at the server that is known by then.
fn unfinished_request(connection: &Rc<Connection>, head: Box<RequestHead>) -> Box<Request> {
    let mut request = new_request(connection, head);
    if read_host_so_far(&mut request) {
        select_server(&mut request);
    }
    request
}

fn refused(connection: &Rc<Connection>, head: Box<RequestHead>, status: u16, reason: &str) -> Next {
    let mut request = unfinished_request(connection, head);
    let parsed = &mut request.head.parsed;
    if parsed.request_line.is_empty() {
        parsed.request_line = first_line(&request.head.buf);
    }
    request.log(runtime::log::Level::Info, reason);
    Next::Refused(request, status)
}

/// The first line as far as it was received: logs show what was refused.
fn first_line(buf: &[u8]) -> Span {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = buf.iter().take_while(|byte| is_break(byte)).count();
    let line = buf.get(start..).unwrap_or_default();
    let len = line.iter().position(is_break).unwrap_or(line.len());
    Span::new(start, start + len)
}

/// Fills the request from its head: URI, framing, host, server.
fn prepare(connection: &Rc<Connection>, head: Box<RequestHead>) -> Next {
    let mut request = new_request(connection, head);
    match fill(&mut request) {
        Ok(()) => Next::Request(request),
        Err((status, reason)) => {
            request.log(runtime::log::Level::Info, &reason);
            Next::Refused(request, status)
        }
    }
}

fn fill(request: &mut Request) -> Result<(), (u16, String)> {
    // First, since logs name the URI also of a request that is refused for its fields. Which
    // server it is for is not known yet, so it is the default server's say how slashes are merged.
    fill_uri(request)?;
    let filled = fill_framing(request);
    if filled.is_ok() || read_host_so_far(request) || has_no_host(request) {
        select_server(request);
    }
    let allows_connect = CLIENT.of(&request.server.settings).allows_connect;
    let RequestHead { buf, parsed } = &*request.head;
    http1::check_method(parsed, buf, filled?, allows_connect)
        .map_err(|refusal| (refusal.status, refusal.reason.to_owned()))
}

/// Fills in the host of a request that ends early, if one is known by then.
fn read_host_so_far(request: &mut Request) -> bool {
    let Some(host) = http1::host_so_far(&request.head.parsed, &request.head.buf) else {
        return false;
    };
    request.host_port = host.port;
    request.host = host.name.into_owned();
    true
}

/// No host is a name too, unlike a broken one.
fn has_no_host(request: &Request) -> bool {
    let parsed = &request.head.parsed;
    parsed.target.form == TargetForm::Origin && !parsed.has(Known::Host)
}

fn fill_framing(request: &mut Request) -> Result<BodyLength, (u16, String)> {
    let parsed = &request.head.parsed;
    let buf = &request.head.buf;
    let refusal = |refusal: http1::Refusal| (refusal.status, refusal.reason.to_owned());
    let framing = http1::framing(parsed, buf).map_err(refusal)?;
    request.keep_alive.set(framing.keep_alive);
    request.incoming = Incoming::new(framing.body, framing.expect_continue);
    if let Some(host) = framing.host {
        request.host = host.name.into_owned();
        request.host_port = host.port;
    }
    Ok(framing.body)
}

pub(super) fn fill_uri(request: &mut Request) -> Result<(), (u16, String)> {
    let buf = &request.head.buf;
    let target = &request.head.parsed.target;
    if target.complex {
        let merge = *CLIENT.of(&request.server.settings).merge_slashes;
        let normalized = http1::uri::normalize_into(target.uri.of(buf), merge, &mut request.uri);
        if normalized.is_err() {
            request.uri.clear();
            return Err((400, "client sent invalid request".to_owned()));
        }
    } else {
        request.uri.extend_from_slice(target.path.of(buf));
    }
    if let Some(query) = target.query {
        request.args = query.of(buf).to_vec();
    }
    Ok(())
}

/// Chooses the server by the host; a name found by pattern leaves its captures behind.
pub(crate) fn select_server(request: &mut Request) {
    let connection = Rc::clone(&request.connection);
    let servers = connection.servers();
    let server = match servers.find(&request.host) {
        NameMatch::Default => return,
        NameMatch::Server(server) => Rc::clone(server),
        NameMatch::Pattern(pattern, server) => {
            let host = request.host.clone();
            request.matches(pattern, &host);
            Rc::clone(server)
        }
    };
    request.location = Rc::clone(&server.root);
    request.server = server;
}
