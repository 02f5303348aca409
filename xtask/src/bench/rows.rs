//! What is measured: one configuration and one URI a row.

/// The row about memory, which is measured in another way.
pub(super) const IDLE: &str = "idle";

/// The row about the memory of WebSocket connections, both sides of them.
pub(super) const WEBSOCKET: &str = "websocket";

/// The row about how much later what streams arrives.
pub(super) const STREAMING: &str = "streaming";

/// What a server does in a row.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Requested all the time.
    pub(super) uri: &'static str,
    /// Length of the answer, in bytes.
    pub(super) length: usize,
    /// Connections of the client.
    pub(super) connections: u32,
    /// nginx's directives inside `http`, beside those of every row.
    pub(super) http: &'static str,
    /// nginx's directives inside `server`.
    pub(super) server: &'static str,
    /// Whether an access log is written, by servers of any kind.
    pub(super) is_logged: bool,
    /// Whether servers with a configuration of their own can do the same.
    pub(super) is_common: bool,
    /// Whether the answer comes from a server behind, at `{port_back}`.
    pub(super) is_proxied: bool,
}

/// Serving a file, as most installations are configured.
const STATIC: Row = Row {
    name: "static-1k",
    uri: "/1k.bin",
    length: 1 << 10,
    connections: 32,
    http: "",
    server: "",
    is_logged: false,
    is_common: true,
    is_proxied: false,
};

/// Passing on what another server answers, over connections that stay.
const PROXY: Row = Row {
    name: "proxy-1k",
    http: "upstream back { server 127.0.0.1:{port_back}; keepalive 64; }",
    server: "location / {
        proxy_pass http://back;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
    }",
    is_common: false,
    is_proxied: true,
    ..STATIC
};

/// All rows, the cheapest first.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "return",
        uri: "/hello",
        length: 6,
        server: "location /hello { return 200 \"hello\\n\"; }",
        is_common: false,
        ..STATIC
    },
    STATIC,
    Row {
        name: "static-1k-cache",
        http: "open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;",
        is_common: false,
        ..STATIC
    },
    Row {
        name: "static-1k-log",
        http: "access_log logs/access.log;",
        is_logged: true,
        ..STATIC
    },
    Row {
        name: "static-100k",
        uri: "/100k.bin",
        length: 100 << 10,
        ..STATIC
    },
    Row {
        name: "static-10m",
        uri: "/10m.bin",
        length: 10 << 20,
        connections: 8,
        ..STATIC
    },
    PROXY,
    Row {
        name: "proxy-1m",
        uri: "/1m.bin",
        length: 1 << 20,
        connections: 8,
        ..PROXY
    },
];

/// What streams is passed on at once, and so is a switch of protocols.
pub(super) const STREAM: Row = Row {
    name: STREAMING,
    server: "location / {
        proxy_pass http://127.0.0.1:{port_back};
        proxy_buffering off;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $http_connection;
        proxy_read_timeout 600s;
    }",
    http: "",
    ..PROXY
};

/// Idle connections have each fetched this.
pub(super) const BEFORE_IDLE: Row = Row {
    http: "keepalive_timeout 600s;",
    ..STATIC
};
