//! A request: what the client sent, where it was routed, and what modules remember of it.

pub(crate) mod packed;
mod slot;
mod values;
mod waiting;

pub use slot::{AnyRequestSlot, RequestSlot};

use crate::config::generation::{Generation, Location, Server};
use crate::connection::Connection;
use crate::module::Flow;
use crate::request_body::{Incoming, ReceivedBody};
use crate::response::ResponseHead;
use crate::subrequest::Family;
use crate::variable::Kept;
use base64::Engine as _;
use http1::{Known, Method, Version};
use runtime::Millis;
use slot::StateEntries;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use values::Captures;

/// Base64 as clients write it: with padding or without.
const CREDENTIALS: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How often a request may be sent to another URI before that is a cycle.
const REDIRECTS_MAX: u8 = 10;

/// How deep subrequests may be within one another, as in nginx.
const SUBREQUESTS_MAX: u8 = 51;

/// The head as received: bytes, and where the parts are in them.
#[derive(Clone, Default)]
pub struct RequestHead {
    /// The bytes of request line and fields.
    pub buf: Vec<u8>,
    /// The parts.
    pub parsed: http1::Head,
    /// Memory of an earlier request's URI and host, for those of the next.
    pub(crate) spare: Spare,
}

/// Empty strings with memory.
#[derive(Default)]
pub(crate) struct Spare {
    pub(crate) uri: Vec<u8>,
    pub(crate) host: Vec<u8>,
}

impl Spare {
    /// Forgets what is in the strings, and memory beyond a kilobyte.
    pub(crate) fn clear(&mut self) {
        for text in [&mut self.uri, &mut self.host] {
            text.clear();
            text.shrink_to(1 << 10);
        }
    }
}

impl Clone for Spare {
    /// Memory is not copied.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// One request, or a subrequest made for one.
pub struct Request {
    /// The connection it came over.
    pub connection: Rc<Connection>,
    /// The configuration it is served under, from its start to its end.
    pub generation: Rc<Generation>,
    /// The server that its Host named.
    pub server: Rc<Server>,
    /// The location that its URI leads to.
    pub location: Rc<Location>,
    /// What was received.
    pub head: Box<RequestHead>,
    /// The method; of an error page, GET.
    pub method: Method,
    /// The normalised path: `$uri`.
    pub uri: Vec<u8>,
    /// What followed the question mark: `$args`.
    pub args: Vec<u8>,
    /// Whether the URI was not changed since it was received, so that redirects can reuse
    /// what the client sent.
    pub uri_is_original: bool,
    /// Whether the location was found by the URI as it is now, so that a gateway can put its
    /// own in the place of the location's part.
    pub location_matches_uri: bool,
    /// Whether an `alias` of a pattern is a folder in which the URI names a file, as it is
    /// once `try_files` has found one there.
    pub uri_follows_alias: bool,
    /// The host that the client named, validated: lower case, without port.
    pub host: Vec<u8>,
    /// The port that the client named beside the host.
    pub host_port: Option<u16>,
    /// Whether this request can be served from locations marked `internal`.
    pub is_internal: bool,
    /// Whether this is a subrequest.
    pub is_subrequest: bool,
    /// Whether nobody waits for this: the client has its answer, or it is done beside that.
    pub(crate) is_detached: bool,
    /// What it shares with the requests made for the same main request.
    pub(crate) family: OnceCell<Rc<Family>>,
    /// Whether failures are answered by nothing but their status: whoever made this request
    /// has something to put in the place of an error page.
    pub has_substitute: bool,
    /// Subrequests that may still be within one another.
    pub(crate) nesting_left: u8,
    /// The status that an error page stands for.
    pub error_status: Option<u16>,
    /// Whether an error page is being made, which must not lead to another one unless
    /// `recursive_error_pages` says so.
    pub in_error_page: bool,
    /// The body still to come over the wire.
    pub incoming: Incoming,
    /// The body as read by [`Request::read_body`].
    pub body: Option<Rc<ReceivedBody>>,
    /// What was sent.
    pub sent: Sent,
    /// When its first byte was read.
    pub started: Millis,
    /// A rate that a module or `set $limit_rate` gave, in bytes a second.
    pub limit_rate: Option<u64>,
    /// The same for the bytes sent before the rate applies.
    pub limit_rate_after: Option<u64>,
    /// Whether the connection stays open after this request.
    pub keep_alive: Cell<bool>,
    /// The user that authentication found.
    pub user: Option<Vec<u8>>,
    /// Fields for the response whatever it becomes: `WWW-Authenticate` beside an error page.
    pub extra_fields: Vec<(crate::Bytes, crate::Bytes)>,
    /// What takes the connection over once the response's head was sent.
    pub tunnel: Option<crate::gateway::Tunnel>,
    /// What is remembered of the peers that it was sent to, once it was to any.
    pub(crate) records: Option<Box<crate::gateway::record::Records>>,
    /// The client's address where it is not the connection's (`realip`).
    pub real_peer: Option<sys::socket::PeerAddr>,
    /// `$request_id`, made at its first use.
    pub(crate) random_id: OnceCell<[u8; 16]>,
    /// One more than may follow; 0 once there was one too many.
    redirects_left: u8,
    captures: RefCell<Captures>,
    /// Made when the first value is kept, and shared with subrequests.
    kept: OnceCell<Rc<RefCell<Vec<Kept>>>>,
    variable_depth: Cell<u8>,
    /// How often something was read that is not settled yet.
    unsettled: Cell<u32>,
    /// Whether tags for a line of the error log are being computed.
    pub(crate) is_tagging: Cell<bool>,
    /// One entry a slot, made when the first of them is filled.
    state: OnceCell<StateEntries>,
}

/// What was sent of the response, for logs.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Status; 0 before there is one.
    pub status: u16,
    /// All bytes, head included.
    pub bytes: u64,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Bytes of the head.
    pub header_bytes: u64,
    /// The head as filters left it.
    pub head: Option<Box<ResponseHead>>,
    /// Whether the body was complete.
    pub is_complete: bool,
}

impl Request {
    /// A request as parsed, before it is routed any further than to its server.
    pub fn new(connection: Rc<Connection>, server: Rc<Server>, mut head: Box<RequestHead>) -> Self {
        let generation = Rc::clone(&connection.http.generation);
        let location = Rc::clone(&server.root);
        let started = connection.http.worker.now();
        let Spare { uri, host } = std::mem::take(&mut head.spare);
        Self {
            method: head.parsed.method,
            connection,
            generation,
            server,
            location,
            head,
            uri,
            args: Vec::new(),
            uri_is_original: true,
            location_matches_uri: true,
            uri_follows_alias: false,
            host,
            host_port: None,
            is_internal: false,
            is_subrequest: false,
            is_detached: false,
            family: OnceCell::new(),
            has_substitute: false,
            nesting_left: SUBREQUESTS_MAX,
            error_status: None,
            in_error_page: false,
            incoming: Incoming::default(),
            body: None,
            sent: Sent::default(),
            started,
            limit_rate: None,
            limit_rate_after: None,
            keep_alive: Cell::new(false),
            user: None,
            extra_fields: Vec::new(),
            tunnel: None,
            records: None,
            real_peer: None,
            random_id: OnceCell::new(),
            redirects_left: REDIRECTS_MAX + 1,
            captures: RefCell::default(),
            kept: OnceCell::new(),
            variable_depth: Cell::new(0),
            unsettled: Cell::new(0),
            is_tagging: Cell::new(false),
            state: OnceCell::new(),
        }
    }

    /// A request for whatever the caller says, made for this one: it shares the head, the body
    /// as far as it was read, and the values of variables.
    pub(crate) fn nested(&self) -> Self {
        let head = self.head.clone();
        let mut nested = Self::new(Rc::clone(&self.connection), Rc::clone(&self.server), head);
        nested.generation = Rc::clone(&self.generation);
        nested.location = Rc::clone(&self.server.root);
        nested.uri_is_original = false;
        nested.host.clone_from(&self.host);
        nested.host_port = self.host_port;
        nested.family = OnceCell::from(Rc::clone(self.family()));
        nested.nesting_left = self.nesting_left.saturating_sub(1);
        nested.body.clone_from(&self.body);
        nested.is_detached = self.is_detached;
        nested.keep_alive = self.keep_alive.clone();
        nested.user.clone_from(&self.user);
        nested.real_peer = self.real_peer;
        nested.random_id = OnceCell::from(*self.random_id());
        nested.kept = OnceCell::from(Rc::clone(self.kept.get_or_init(Rc::default)));
        nested
    }

    /// The same request as it is now, for what goes on while its response is sent. What modules
    /// remember of it is not in there, but for the servers that it was sent to.
    pub fn snapshot(&self) -> Self {
        let mut same = self.nested();
        same.location = Rc::clone(&self.location);
        same.method = self.method;
        same.uri.clone_from(&self.uri);
        same.args.clone_from(&self.args);
        same.uri_is_original = self.uri_is_original;
        same.uri_follows_alias = self.uri_follows_alias;
        same.is_internal = self.is_internal;
        same.is_subrequest = self.is_subrequest;
        same.nesting_left = self.nesting_left;
        same.error_status = self.error_status;
        same.sent = self.sent.clone();
        same.started = self.started;
        same.captures = self.captures.clone();
        crate::gateway::record::keep(self, &mut same);
        same
    }

    /// What it shares with the requests made for the same main request.
    pub(crate) fn family(&self) -> &Rc<Family> {
        self.family.get_or_init(Rc::default)
    }

    /// The number of `$request_id`.
    pub(crate) fn random_id(&self) -> &[u8; 16] {
        self.random_id.get_or_init(sys::random::bytes::<16>)
    }

    /// The first value of a field that the parser knows.
    pub fn header(&self, known: Known) -> Option<&[u8]> {
        self.head.parsed.value(known, &self.head.buf)
    }

    /// Every field: name and value as received.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let buf = &self.head.buf;
        self.head
            .parsed
            .fields
            .iter()
            .map(|f| (f.name.of(buf), f.value.of(buf)))
    }

    /// `$request_uri`: the path and arguments as received.
    pub fn original_uri(&self) -> &[u8] {
        self.head.parsed.target.uri.of(&self.head.buf)
    }

    /// The request line as received.
    pub fn line(&self) -> &[u8] {
        self.head.parsed.request_line.of(&self.head.buf)
    }

    /// The protocol's version.
    pub fn version(&self) -> Version {
        self.head.parsed.version
    }

    /// The method's name as received.
    pub fn method_name(&self) -> &[u8] {
        if self.method == self.head.parsed.method {
            self.head.parsed.method_span.of(&self.head.buf)
        } else {
            self.method.name().map_or(b"", str::as_bytes)
        }
    }

    /// Whether only the head of the response is wanted.
    pub fn is_head(&self) -> bool {
        self.head.parsed.method == Method::Head && !self.is_subrequest
    }

    /// Whether the client waits for what is done about this request, so that its leaving is of
    /// account. That of a subrequest is its main request's, in whose task it runs.
    pub fn is_waited_for(&self) -> bool {
        !self.is_detached
    }

    /// Lets the request go on in a task of its own: the client may leave before it ends, and is
    /// watched by somebody else.
    pub fn detach(&mut self) {
        self.is_detached = true;
    }

    /// The host for redirects and `$host`: what the client named, else the server's name.
    pub fn host(&self) -> &[u8] {
        if self.host.is_empty() {
            self.server.name()
        } else {
            &self.host
        }
    }

    /// Moves the request to another level, such as the block of an `if` that was true.
    pub fn enter(&mut self, level: u32) {
        self.location = Rc::clone(self.generation.level(level));
    }

    /// Calls `read` while `head` can be asked for as what was sent: filters that evaluate
    /// `$sent_http_...` run before anything was.
    pub fn with_head<T>(&mut self, head: &mut ResponseHead, read: impl FnOnce(&Self) -> T) -> T {
        let lent = std::mem::take(head);
        let before = self.sent.head.replace(Box::new(lent));
        let value = read(self);
        if let Some(lent) = std::mem::replace(&mut self.sent.head, before) {
            *head = *lent;
        }
        value
    }

    /// Counts one more redirection.
    ///
    /// Gives `false` when that was one too many.
    pub fn count_redirect(&mut self) -> bool {
        self.redirects_left = self.redirects_left.saturating_sub(1);
        self.redirects_left > 0
    }

    /// Whether no redirection was one too many yet.
    pub(crate) fn can_redirect(&self) -> bool {
        self.redirects_left > 0
    }

    /// The client's address: the connection's, or what a module found to stand behind it.
    pub fn remote_addr(&self) -> sys::socket::PeerAddr {
        self.real_peer.unwrap_or(self.connection.peer)
    }

    /// What the client says who it is by: `Authorization`, or, where a tunnel is asked for,
    /// `Proxy-Authorization` (RFC 9110, section 11).
    pub fn authorization(&self) -> Option<&[u8]> {
        self.header(if self.method == Method::Connect {
            Known::ProxyAuthorization
        } else {
            Known::Authorization
        })
    }

    /// The answer that asks the client who it is, in the way that `challenge` tells: 401, or 407
    /// where a tunnel is asked for.
    pub fn ask_who(&mut self, challenge: Vec<u8>) -> Flow {
        let (status, name) = if self.method == Method::Connect {
            (407, "Proxy-Authenticate")
        } else {
            (401, "WWW-Authenticate")
        };
        let field = (name.into(), challenge.into());
        // An error page that asks for the same again says so once.
        if !self.extra_fields.contains(&field) {
            self.extra_fields.push(field);
        }
        Flow::Status(status)
    }

    /// User, not empty, and password of [`Self::authorization`] by `Basic` (RFC 7617).
    pub fn basic_credentials(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let value = self.authorization()?;
        let (scheme, rest) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let decoded = CREDENTIALS.decode(rest.trim_ascii()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        (colon > 0).then(|| (decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
    }
}
