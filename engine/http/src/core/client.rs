//! How request heads are read: buffers, limits, what is tolerated.

use crate::module::Module;
use engine::directive::{custom, flag, millis, number, size};
use engine::{Arity, Contexts, Directive, Line, Loading, Refused, Setting, Slot, inherit_fields};

/// Settings of a server for request heads.
#[derive(Clone)]
pub struct Client {
    /// Bytes of the first buffer.
    pub header_buffer: Setting<u64>,
    /// Number and bytes of further buffers.
    pub large_buffers: Setting<(u64, u64)>,
    /// Milliseconds for the whole head.
    pub header_timeout: Setting<u64>,
    /// Most fields.
    pub max_headers: Setting<u64>,
    /// Whether fields with odd names are dropped.
    pub ignore_invalid_headers: Setting<bool>,
    /// Whether underscores are not odd.
    pub underscores_in_headers: Setting<bool>,
    /// Whether `//` means `/`.
    pub merge_slashes: Setting<bool>,
    /// Whether CONNECT is served by some location: [`allow_connect`].
    pub allows_connect: bool,
    /// nginx's memory pool of a connection; we have none.
    connection_pool: Setting<u64>,
    /// nginx's memory pool of a request; we have none.
    request_pool: Setting<u64>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            header_buffer: Setting::new(1024),
            large_buffers: Setting::new((4, 8192)),
            header_timeout: Setting::new(60_000),
            max_headers: Setting::new(1000),
            ignore_invalid_headers: Setting::new(true),
            underscores_in_headers: Setting::new(false),
            merge_slashes: Setting::new(true),
            allows_connect: false,
            connection_pool: Setting::new(512),
            request_pool: Setting::new(4096),
        }
    }
}

inherit_fields!(Client {
    header_buffer,
    large_buffers,
    header_timeout,
    max_headers,
    ignore_invalid_headers,
    underscores_in_headers,
    merge_slashes,
    connection_pool,
    request_pool,
} own: { allows_connect });

/// Lets clients of the server around `level` ask for tunnels.
pub fn allow_connect(loading: &mut Loading, level: u32) {
    let arena = crate::config::arena::arena(loading);
    let server = arena.levels[level as usize].server_level;
    if let Some(client) = CLIENT.edit(&mut arena.levels[server as usize].server) {
        client.allows_connect = true;
    }
}

impl Client {
    /// The same as the parser's limits.
    pub fn limits(&self) -> http1::Limits {
        let clamp = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        http1::Limits {
            initial_buffer: clamp(*self.header_buffer),
            buffers: clamp(self.large_buffers.0),
            line_max: clamp(self.large_buffers.1),
            max_headers: clamp(*self.max_headers),
            ignore_invalid_headers: *self.ignore_invalid_headers,
            underscores_in_headers: *self.underscores_in_headers,
            stops_at_host: false,
        }
    }
}

const DIRECTIVES: &[Directive<Client>] = &[
    size("client_header_buffer_size", Contexts::HTTP_SERVER, |s| {
        &mut s.header_buffer
    }),
    custom(
        "large_client_header_buffers",
        Contexts::HTTP_SERVER,
        Arity::TWO,
        read_large_buffers,
    ),
    millis("client_header_timeout", Contexts::HTTP_SERVER, |s| {
        &mut s.header_timeout
    }),
    number(
        "max_headers",
        Contexts::HTTP_SERVER,
        0,
        u32::MAX as u64,
        |s| &mut s.max_headers,
    ),
    flag("ignore_invalid_headers", Contexts::HTTP_SERVER, |s| {
        &mut s.ignore_invalid_headers
    }),
    flag("underscores_in_headers", Contexts::HTTP_SERVER, |s| {
        &mut s.underscores_in_headers
    }),
    flag("merge_slashes", Contexts::HTTP_SERVER, |s| {
        &mut s.merge_slashes
    }),
    size("connection_pool_size", Contexts::HTTP_SERVER, |s| {
        &mut s.connection_pool
    }),
    size("request_pool_size", Contexts::HTTP_SERVER, |s| {
        &mut s.request_pool
    }),
];

/// Settings for request heads.
pub static CLIENT: Slot<Client> = Slot::server(DIRECTIVES);

/// Reading request heads.
pub static MODULE: Module = Module {
    name: "core_client",
    settings: &[&CLIENT],
    ..Module::EMPTY
};

fn read_large_buffers(settings: &mut Client, line: &mut Line<'_>) -> Result<(), Refused> {
    if settings.large_buffers.is_set() {
        return Err(Refused::duplicate());
    }
    let count = line.number(0, 0, 1 << 20)?;
    let size = base::units::parse_size(line.arg(1))
        .ok()
        .filter(|&size| size > 0 && count > 0);
    settings
        .large_buffers
        .set((count, size.ok_or_else(|| Refused::new("invalid value"))?));
    Ok(())
}
