//! Reads a request's head and routes it to its server.

use super::Connection;
use crate::config::addresses::AddressServers;
use crate::config::server_names::NameMatch;
use crate::core::client::CLIENT;
use crate::error::{Abort, Error};
use crate::request::{Request, RequestHead};
use base::place;
use http1::{
    BodyLength, Known, Method, Progress, Refusal, RequestParser, Span, TargetForm, Version,
};
use runtime::Class;
use std::io;
use std::rc::Rc;

/// What came of looking for a request.
pub enum Next {
    /// A request whose head is complete. One that breaks a rule is to be answered with a status,
    /// then closed.
    Request(Box<Request>, Option<u16>),
    /// The rest of a head has to be waited for.
    Partial(Box<Reading>),
    /// Nothing yet: the connection can be parked.
    Idle,
    /// The client left, was too slow, or was given up.
    Closed,
}

/// The next request, as far as it has come.
pub fn next_request(connection: &Rc<Connection>) -> Next {
    let is_begun = !connection.pending.is_empty();
    if !is_begun && !connection.stream.is_readable_hint() {
        return Next::Idle;
    }
    let mut head = connection.http.take_head();
    let is_first = connection.requests.get() == 0;
    connection.was_pipelined.set(is_begun && !is_first);
    if is_begun {
        connection.pending.with(|pending| head.buf.append(pending));
    }
    let reading = Reading {
        head,
        parser: RequestParser::new(),
        limits: connection.servers().limits.clone(),
        has_deadline: false,
        judged: None,
    };
    reading.go_on(connection)
}

/// A head that is being read.
pub struct Reading {
    head: Box<RequestHead>,
    parser: RequestParser,
    limits: http1::Limits,
    has_deadline: bool,
    /// With how many fields the head was judged last.
    judged: Option<usize>,
}

/// How far a head was read.
enum Read {
    Complete(usize),
    Partial,
    /// For its fields, or for what they follow.
    Refused(Refusal),
    /// For its first line.
    BadLine(Refusal),
}

/// What was being read when a request broke a rule, as the log tells it.
type Doing = &'static str;

const IN_LINE: Doing = "while reading client request line";
const IN_FIELDS: Doing = "while reading client request headers";

const INVALID_URI: Refusal = Refusal::bad_request("client sent invalid request");

impl Reading {
    /// Reads on, now that there is more.
    fn go_on(mut self, connection: &Rc<Connection>) -> Next {
        let read = self.read(connection);
        let mut head = self.head;
        match read {
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
            Ok(Read::Partial) if head.buf.is_empty() => {
                connection.http.give_head(head);
                Next::Idle
            }
            Ok(Read::Partial) => Next::Partial(Box::new(Self { head, ..self })),
            Ok(Read::Refused(refusal)) => {
                let (request, judged) = unfinished_request(connection, head);
                refused(request, judged.err().unwrap_or((refusal, IN_FIELDS)))
            }
            Ok(Read::BadLine(refusal)) => {
                // No version that such a line names is believed.
                head.parsed.version = Version::Http10;
                refused(new_request(connection, head), (refusal, IN_LINE))
            }
            Err(error) => failed(connection, head, &error),
        }
    }

    /// Waits for more and reads on.
    pub async fn wait(mut self: Box<Self>, connection: &Rc<Connection>) -> Next {
        match self.readable(connection).await {
            Ok(()) => self.go_on(connection),
            Err(error) => failed(connection, self.head, &error),
        }
    }

    async fn readable(&mut self, connection: &Connection) -> Result<(), Error> {
        connection.flush().await?;
        if self.room() > self.limits.initial_buffer {
            self.head.buf.shrink_to_fit();
        }
        if !self.has_deadline {
            self.has_deadline = true;
            connection.stream.set_class(Class::Header);
            let settings = CLIENT.of(&connection.servers().default.settings);
            let deadline = connection.http.worker.now() + *settings.header_timeout;
            connection.stream.set_deadline(Some(deadline));
        }
        Ok(connection.stream.readable().await?)
    }

    /// How much is read at once.
    fn room(&self) -> usize {
        let filled = self.head.buf.len();
        self.limits
            .initial_buffer
            .max(filled.min(self.limits.line_max))
    }

    fn read(&mut self, connection: &Rc<Connection>) -> Result<Read, Error> {
        loop {
            let head = &mut *self.head;
            if !head.buf.is_empty() {
                match self.parser.parse(&head.buf, &self.limits, &mut head.parsed) {
                    Ok(Progress::Complete { head_len }) => return Ok(Read::Complete(head_len)),
                    Ok(Progress::HostKnown) => {
                        self.limits = http1::Limits {
                            initial_buffer: self.limits.initial_buffer,
                            ..limits_for_host(connection.servers(), head)
                        };
                        continue;
                    }
                    Ok(Progress::Partial) if !self.parser.is_past_request_line() => {}
                    Ok(Progress::Partial) => {
                        // What breaks a rule already is answered before the rest of it comes.
                        let count = Some(head.parsed.fields.len());
                        if std::mem::replace(&mut self.judged, count) != count
                            && let Err(refusal) = check_so_far(connection.servers(), head)
                        {
                            return Ok(Read::Refused(refusal));
                        }
                    }
                    Err(refusal) if self.parser.is_past_request_line() => {
                        return Ok(Read::Refused(refusal));
                    }
                    Err(refusal) => return Ok(Read::BadLine(refusal)),
                }
            }
            let room = self.room();
            match connection.stream.try_read_append(&mut self.head.buf, room) {
                Ok(0) => return Err(Error::Aborted(Abort::ClientLeft)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Read::Partial);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A head will not be read to its end: the client left, or took too long.
#[cold]
fn failed(connection: &Rc<Connection>, head: Box<RequestHead>, error: &Error) -> Next {
    let (status, text) = match error {
        Error::Aborted(Abort::TimedOut) => (
            408,
            "client timed out (110: Connection timed out)".to_owned(),
        ),
        _ if head.buf.is_empty() => return Next::Closed,
        error => (400, error.to_string()),
    };
    let (request, _) = unfinished_request(connection, head);
    let doing = match request.head.parsed.request_line.is_empty() {
        true => IN_LINE,
        false => IN_FIELDS,
    };
    request.log(runtime::log::Level::Info, &format!("{text} {doing}"));
    super::h1::log_unanswered(request, status);
    Next::Closed
}

/// Judges what is there of a head whose request line has ended.
#[cold]
fn check_so_far(servers: &AddressServers, head: &RequestHead) -> Result<(), Refusal> {
    let RequestHead { buf, parsed, .. } = head;
    if parsed.target.complex {
        let merges_slashes = *CLIENT.of(&servers.default.settings).merge_slashes;
        let uri = parsed.target.uri.of(buf);
        http1::uri::normalize(uri, merges_slashes).map_err(|_| INVALID_URI)?;
    }
    http1::authority(parsed, buf)?;
    http1::check_fields_so_far(parsed, buf)
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

/// A request that ends before it was read whole, at the server that is known by then, and what
/// of it is known by then to break a rule.
fn unfinished_request(
    connection: &Rc<Connection>,
    head: Box<RequestHead>,
) -> (Box<Request>, Result<(), (Refusal, Doing)>) {
    let mut request = new_request(connection, head);
    if request.head.parsed.request_line.is_empty() {
        return (request, Ok(()));
    }
    let mut judged = fill_line(&mut request);
    if judged.is_ok() {
        if read_host_so_far(&mut request) {
            select_server(&mut request);
        }
        let RequestHead { buf, parsed, .. } = &*request.head;
        judged = http1::check_fields_so_far(parsed, buf).map_err(|refusal| (refusal, IN_FIELDS));
    }
    (request, judged)
}

/// Logs why `request` is refused.
#[cold]
fn refused(mut request: Box<Request>, (refusal, doing): (Refusal, Doing)) -> Next {
    let RequestHead { buf, parsed, .. } = &mut *request.head;
    if parsed.request_line.is_empty() {
        parsed.request_line = first_line(buf);
    }
    let mut text = Vec::new();
    refusal.describe(buf, &mut text);
    let text = format!("{} {doing}", String::from_utf8_lossy(&text));
    request.log(runtime::log::Level::Info, &text);
    Next::Request(request, Some(refusal.status))
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
        Ok(()) => Next::Request(request, None),
        Err(refusal) => refused(request, refusal),
    }
}

fn fill(request: &mut Request) -> Result<(), (Refusal, Doing)> {
    // First, since logs name the URI also of a request that is refused for its fields. Which
    // server it is for is not known yet, so it is the default server's say how slashes are merged.
    fill_line(request)?;
    let filled = fill_framing(request);
    if filled.is_ok() || read_host_so_far(request) || has_no_host(request) {
        select_server(request);
    }
    let allows_connect =
        request.method == Method::Connect && CLIENT.of(&request.server.settings).allows_connect;
    let RequestHead { buf, parsed, .. } = &*request.head;
    filled
        .and_then(|body| http1::check_method(parsed, buf, body, allows_connect))
        .map_err(|refusal| (refusal, IN_FIELDS))
}

/// Fills in what the request line says, which is judged before anything else.
fn fill_line(request: &mut Request) -> Result<(), (Refusal, Doing)> {
    fill_uri(request).map_err(|refusal| (refusal, IN_LINE))?;
    let RequestHead { buf, parsed, .. } = &*request.head;
    match http1::authority(parsed, buf) {
        Ok(_) => Ok(()),
        Err(refusal) => Err((refusal, IN_LINE)),
    }
}

/// Fills in the host of a request that ends early, if one is known by then.
fn read_host_so_far(request: &mut Request) -> bool {
    let Some(host) = http1::host_so_far(&request.head.parsed, &request.head.buf) else {
        return false;
    };
    request.host_port = host.port;
    request.host.clear();
    request.host.extend_from_slice(&host.name);
    true
}

/// No host is a name too, unlike a broken one.
fn has_no_host(request: &Request) -> bool {
    let parsed = &request.head.parsed;
    parsed.target.form == TargetForm::Origin && !parsed.has(Known::Host)
}

fn fill_framing(request: &mut Request) -> Result<BodyLength, Refusal> {
    let RequestHead { buf, parsed, .. } = &*request.head;
    let framing = http1::framing(parsed, buf)?;
    request.keep_alive.set(framing.keep_alive);
    let expects_continue = framing.expect_continue;
    request.incoming.announce(framing.body, expects_continue);
    if let Some(host) = framing.host {
        request.host.extend_from_slice(&host.name);
        request.host_port = host.port;
    }
    Ok(framing.body)
}

pub(super) fn fill_uri(request: &mut Request) -> Result<(), Refusal> {
    let buf = &request.head.buf;
    let target = &request.head.parsed.target;
    if target.complex {
        let merge = *CLIENT.of(&request.server.settings).merge_slashes;
        let normalized = http1::uri::normalize_into(target.uri.of(buf), merge, &mut request.uri);
        if normalized.is_err() {
            request.uri.clear();
            return Err(INVALID_URI);
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
    let server = match request.connection.servers().find(&request.host) {
        NameMatch::Default => return,
        NameMatch::Server(server) => Rc::clone(server),
        NameMatch::Pattern(pattern, server) => {
            request.matches(pattern, &request.host);
            Rc::clone(server)
        }
    };
    request.location = Rc::clone(&server.root);
    request.server = server;
}
