//! What the directives common to all gateways say, one table for every prefix.
//!
//! `gateway_connection_directives!("proxy_")` and `gateway_message_directives!` (see [`rows`])
//! make the rows; a gateway adds its own beside them.
//!
//! Source: nginx documentation, ngx_http_proxy_module.

pub mod rows;

use super::store::Store;
use crate::core::receive::TempPath;
use engine::address::Address;
use engine::{Conditions, Setting, Template, inherit_fields};
use http1::ResponseName;
use runtime::ConnectOptions;
use std::path::PathBuf;
use std::rc::Rc;
use sys::socket::KeepAlive;

/// What may be held against an attempt, as bits of `next_upstream`.
pub mod next {
    use engine::directive::Words;

    /// The connection failed.
    pub const ERROR: u32 = 1;
    /// It took too long.
    pub const TIMEOUT: u32 = 1 << 1;
    /// The response made no sense.
    pub const INVALID_HEADER: u32 = 1 << 2;
    /// Statuses: from this bit on, in the order of [`STATUSES`].
    const STATUS: u32 = 1 << 3;
    /// The request may do something twice.
    pub const NON_IDEMPOTENT: u32 = 1 << 10;
    /// Never.
    pub const OFF: u32 = 1 << 11;
    /// The configuration allows no connection to the peer.
    pub const DENIED: u32 = 1 << 12;

    /// The words, with their bits.
    pub const WORDS: Words = &[
        ("error", ERROR),
        ("timeout", TIMEOUT),
        ("invalid_header", INVALID_HEADER),
        ("non_idempotent", NON_IDEMPOTENT),
        ("http_500", STATUS),
        ("http_502", STATUS << 1),
        ("http_503", STATUS << 2),
        ("http_504", STATUS << 3),
        ("http_403", STATUS << 4),
        ("http_404", STATUS << 5),
        ("http_429", STATUS << 6),
        // Of caches nothing is known here.
        ("updating", 1 << 13),
        ("off", OFF),
        ("denied", DENIED),
    ];

    /// The words of a gateway that reads no responses.
    pub const WORDS_OF_TUNNELS: Words = &[
        ("error", ERROR),
        ("timeout", TIMEOUT),
        ("denied", DENIED),
        ("off", OFF),
    ];

    /// The statuses that may send a request to the next peer.
    const STATUSES: [u16; 7] = [500, 502, 503, 504, 403, 404, 429];

    /// The bit of `status`, if it has one.
    pub fn of_status(status: u16) -> Option<u32> {
        let index = STATUSES.iter().position(|&known| known == status)?;
        Some(STATUS << index)
    }
}

/// Fields of responses that a configuration may have ignored, as bits.
pub mod ignore {
    use engine::directive::Words;

    /// `X-Accel-Redirect`
    pub const REDIRECT: u32 = 1;
    /// `X-Accel-Limit-Rate`
    pub const LIMIT_RATE: u32 = 1 << 1;
    /// `X-Accel-Buffering`
    pub const BUFFERING: u32 = 1 << 2;
    /// `X-Accel-Charset`
    pub const CHARSET: u32 = 1 << 3;

    /// The names, with their bits. The last five concern caches alone.
    pub const NAMES: Words = &[
        ("X-Accel-Redirect", REDIRECT),
        ("X-Accel-Limit-Rate", LIMIT_RATE),
        ("X-Accel-Buffering", BUFFERING),
        ("X-Accel-Charset", CHARSET),
        ("X-Accel-Expires", 1 << 4),
        ("Expires", 1 << 5),
        ("Cache-Control", 1 << 6),
        ("Set-Cookie", 1 << 7),
        ("Vary", 1 << 8),
    ];
}

/// `bind`
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// The address, perhaps with a port.
    address: Template,
    /// Whether it may be one that is not of this system, such as the client's.
    is_transparent: bool,
}

/// Whether some connection may come from an address that is not of this system, for which
/// workers need a capability.
#[derive(Default)]
pub struct Transparent(pub bool);

/// Where a connection comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// The address; port 0 leaves the port to the system.
    pub address: Address,
    /// Whether it may be one that is not of this system.
    pub is_transparent: bool,
}

/// Settings of a gateway at one location. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Until a connection is made.
    pub connect_timeout: Setting<u64>,
    /// Between two writes.
    pub send_timeout: Setting<u64>,
    /// Between two reads.
    pub read_timeout: Setting<u64>,
    /// Whether a response is read as fast as it comes.
    pub buffering: Setting<bool>,
    /// Whether a request's body is read before the peer is asked.
    pub request_buffering: Setting<bool>,
    /// Whether the peer is left to finish when the client has gone.
    pub ignore_client_abort: Setting<bool>,
    /// Whether errors are answered by `error_page`.
    pub intercept_errors: Setting<bool>,
    /// For a response's head.
    pub buffer_size: Setting<u64>,
    /// Number and size of the buffers that are read ahead into.
    pub buffers: Setting<(u64, u64)>,
    /// Of those, what may be on its way to the client. Kept for configurations that name it:
    /// what is sent is taken out of the buffers at once.
    pub busy_buffers_size: Setting<u64>,
    /// What may be read ahead into a file beyond the buffers.
    pub max_temp_file_size: Setting<u64>,
    /// What is written to it at once. Kept as above.
    pub temp_file_write_size: Setting<u64>,
    /// Where it is made.
    pub temp_path: Setting<TempPath>,
    /// Bits of [`next`].
    pub next_upstream: Setting<u32>,
    /// Most peers tried; 0 for all.
    pub next_upstream_tries: Setting<u64>,
    /// How long peers are tried; 0 for ever.
    pub next_upstream_timeout: Setting<u64>,
    /// Fields kept from clients.
    pub hide: Setting<Vec<Vec<u8>>>,
    /// Fields passed though they are usually kept from clients.
    pub pass: Setting<Vec<Vec<u8>>>,
    /// Fields kept from clients in the end; filled in when all is read.
    pub hidden: Hidden,
    /// Bits of [`ignore`].
    pub ignore_headers: Setting<u32>,
    /// Whether the client's fields are passed.
    pub pass_request_headers: Setting<bool>,
    /// Whether its body is.
    pub pass_request_body: Setting<bool>,
    /// Bytes a second read from the peer.
    pub limit_rate: Setting<Template>,
    /// Where connections come from.
    pub bind: Setting<Option<Bind>>,
    /// Whether silent peers are probed.
    pub socket_keepalive: Setting<bool>,
    /// The kernel's receive buffer.
    pub socket_rcvbuf: Setting<u64>,
    /// The kernel's send buffer.
    pub socket_sndbuf: Setting<u64>,
    /// Where answers are kept.
    pub store: Setting<Store>,
    /// Permission bits of what is kept.
    pub store_access: Setting<u64>,
    /// Whether ranges are cut out of whatever comes.
    pub force_ranges: Setting<bool>,
    /// Kept for configurations that name it: it has no effect on this system.
    pub send_lowat: Setting<u64>,
    /// Whether a tunnel outlives the end of one of its directions.
    pub half_close: Setting<bool>,
    /// All of them must be true for a peer to be asked.
    pub allow_upstream: Setting<Conditions>,
    /// Whether `bind` is made anew for each peer.
    pub bind_dynamic: Setting<bool>,
    /// Whether the request is put in words anew for each peer.
    pub request_dynamic: Setting<bool>,
    /// Index in [`PROXY_PROTOCOL`].
    pub proxy_protocol: Setting<usize>,
}

/// Names of fields.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// Bits of [`ResponseName`].
    known: u64,
    /// What has no bit.
    others: Vec<Vec<u8>>,
}

/// The words of `proxy_protocol`.
pub const PROXY_PROTOCOL: &[&str] = &["off", "on", "v2"];

impl Settings {
    /// The local address for `request`; `None` to leave it to the system.
    pub fn local_address(&self, request: &crate::Request) -> Option<Local> {
        let bind = self.bind.as_ref()?;
        let text = bind.address.eval(request);
        let text = std::str::from_utf8(&text).ok()?;
        if text.is_empty() {
            return None;
        }
        let parsed = parse_local(text);
        if parsed.is_none() {
            let message = format!("invalid local address \"{text}\"");
            request.log(runtime::log::Level::Error, &message);
        }
        parsed.map(|address| Local {
            address,
            is_transparent: bind.is_transparent,
        })
    }

    /// How connections from `local` are made.
    pub fn connect_options(&self, local: Option<Local>) -> ConnectOptions {
        let size = |bytes: u64| (bytes > 0).then_some(bytes);
        ConnectOptions {
            is_transparent: local.as_ref().is_some_and(|local| local.is_transparent),
            bind: local.map(|local| local.address),
            timeout: Some(*self.connect_timeout),
            nodelay: true,
            keepalive: self.socket_keepalive.then(|| KeepAlive {
                on: true,
                ..KeepAlive::default()
            }),
            receive_buffer: size(*self.socket_rcvbuf),
            send_buffer: size(*self.socket_sndbuf),
            ..ConnectOptions::default()
        }
    }

    /// Settles what is hidden: `usual` and what `hide` names, but for what `pass` names.
    pub fn settle_hidden(&mut self, usual: &[&str]) {
        let passes = |name: &[u8]| self.pass.iter().any(|p| p.eq_ignore_ascii_case(name));
        let usual = usual.iter().map(|name| name.as_bytes());
        let mut hidden = Hidden::default();
        let all = usual.chain(self.hide.iter().map(Vec::as_slice));
        for name in all.filter(|name| !passes(name)) {
            match ResponseName::from_name(name) {
                ResponseName::Other => hidden.others.push(name.to_vec()),
                known => hidden.known |= known.bit(),
            }
        }
        self.hidden = hidden;
    }

    /// Whether the sizes of buffers fit each other; `prefix` is that of the directives' names.
    ///
    /// # Errors
    ///
    /// nginx's sentence about the one that does not.
    pub fn check_sizes(&self, prefix: &str) -> Result<(), String> {
        let (number, size) = *self.buffers;
        let least = size.max(*self.buffer_size);
        let limit = format!(
            "the maximum of the value of \"{prefix}buffer_size\" and one of the \"{prefix}buffers\""
        );
        let too_small = |name: &str, setting: &Setting<u64>| {
            let is_bad = setting.is_set() && **setting < least;
            is_bad.then(|| format!("\"{prefix}{name}\" must be equal to or greater than {limit}"))
        };
        let busy = if self.busy_buffers_size.is_set() {
            *self.busy_buffers_size
        } else {
            least.saturating_mul(2)
        };
        let file = &self.max_temp_file_size;
        let fault = too_small("busy_buffers_size", &self.busy_buffers_size)
            .or_else(|| {
                let is_bad = busy > (number.saturating_sub(1)).saturating_mul(size);
                is_bad.then(|| {
                    format!(
                        "\"{prefix}busy_buffers_size\" must be less than the size of all \
                         \"{prefix}buffers\" minus one buffer"
                    )
                })
            })
            .or_else(|| too_small("temp_file_write_size", &self.temp_file_write_size))
            .or_else(|| {
                let is_bad = file.is_set() && **file != 0 && **file < least;
                is_bad.then(|| {
                    format!(
                        "\"{prefix}max_temp_file_size\" must be equal to zero to disable \
                         temporary files usage or must be equal to or greater than {limit}"
                    )
                })
            });
        fault.map_or(Ok(()), Err)
    }

    /// Whether the field `name`, which is `known`, is kept from clients.
    pub fn is_hidden(&self, known: ResponseName, name: &[u8]) -> bool {
        if known != ResponseName::Other {
            return self.hidden.known & known.bit() != 0;
        }
        let mut others = self.hidden.others.iter();
        others.any(|hidden| hidden.len() == name.len() && name.eq_ignore_ascii_case(hidden))
    }
}

fn parse_local(text: &str) -> Option<Address> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Some(Address::Ip(std::net::SocketAddr::new(ip, 0)));
    }
    text.parse().ok().map(Address::Ip)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Setting::new(60_000),
            send_timeout: Setting::new(60_000),
            read_timeout: Setting::new(60_000),
            buffering: Setting::new(true),
            request_buffering: Setting::new(true),
            ignore_client_abort: Setting::new(false),
            intercept_errors: Setting::new(false),
            buffer_size: Setting::new(4096),
            buffers: Setting::new((8, 4096)),
            busy_buffers_size: Setting::new(8192),
            max_temp_file_size: Setting::new(1 << 30),
            temp_file_write_size: Setting::new(8192),
            temp_path: Setting::new(TempPath {
                folder: Rc::new(PathBuf::new()),
                levels: [1, 2, 0],
            }),
            next_upstream: Setting::new(next::ERROR | next::TIMEOUT),
            next_upstream_tries: Setting::new(0),
            next_upstream_timeout: Setting::new(0),
            hide: Setting::new(Vec::new()),
            pass: Setting::new(Vec::new()),
            hidden: Hidden::default(),
            ignore_headers: Setting::new(0),
            pass_request_headers: Setting::new(true),
            pass_request_body: Setting::new(true),
            limit_rate: Setting::new(Template::default()),
            bind: Setting::new(None),
            socket_keepalive: Setting::new(false),
            socket_rcvbuf: Setting::new(0),
            socket_sndbuf: Setting::new(0),
            store: Setting::new(Store::Off),
            store_access: Setting::new(0o600),
            force_ranges: Setting::new(false),
            send_lowat: Setting::new(0),
            half_close: Setting::new(false),
            allow_upstream: Setting::new(Conditions::default()),
            bind_dynamic: Setting::new(false),
            request_dynamic: Setting::new(false),
            proxy_protocol: Setting::new(0),
        }
    }
}

inherit_fields!(Settings {
    connect_timeout, send_timeout, read_timeout, buffering, request_buffering,
    ignore_client_abort, intercept_errors, buffer_size, buffers, busy_buffers_size,
    max_temp_file_size, temp_file_write_size, temp_path, next_upstream, next_upstream_tries,
    next_upstream_timeout, hide, pass, ignore_headers, pass_request_headers,
    pass_request_body, limit_rate, bind, socket_keepalive, socket_rcvbuf, socket_sndbuf,
    store, store_access, force_ranges, send_lowat, half_close, allow_upstream, bind_dynamic,
    request_dynamic, proxy_protocol,
} own: { hidden });
