//! Why a request was not served, sorted by who can do something about it.

pub use runtime::log::os_error;

use runtime::log::Level;
use std::io;

/// Why a request was not served.
#[derive(Debug)]
pub enum Error {
    /// The client broke a rule or a limit. It is told which; nobody here is paged.
    Client {
        /// What it is told.
        status: u16,
        /// What the error log says.
        reason: String,
    },
    /// Something of ours ran out or refused: memory, descriptors, disk.
    Resource {
        /// What was being done, as the log says it: `open() "path" failed`.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration asks for what cannot be done: a header with a line break in it, a
    /// redirection cycle.
    Operator {
        /// What the error log says.
        reason: String,
    },
    /// A server that the request was handed to failed.
    Upstream {
        /// What the client is told, if it is not too late.
        status: u16,
        /// What the error log says.
        reason: String,
    },
    /// The exchange cannot go on and the client cannot be told.
    Aborted(Abort),
}

/// Why an exchange ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// The client closed or reset the connection.
    ClientLeft,
    /// The client was too slow.
    TimedOut,
    /// The server needed the connection's place for somebody else.
    Evicted,
    /// A source failed after the response had begun.
    SourceFailed,
    /// The configuration says to close without an answer (`return 444`).
    Configured,
}

impl Error {
    /// The client's mistake.
    pub fn client(status: u16, reason: impl Into<String>) -> Self {
        Self::Client {
            status,
            reason: reason.into(),
        }
    }

    /// The failure of a server that the request was handed to.
    pub fn upstream(status: u16, reason: impl Into<String>) -> Self {
        Self::Upstream {
            status,
            reason: reason.into(),
        }
    }

    /// The operator's mistake.
    pub fn operator(reason: impl Into<String>) -> Self {
        Self::Operator {
            reason: reason.into(),
        }
    }

    /// What the system refused while `doing`.
    pub fn resource(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Resource {
            doing: doing.into(),
            source,
        }
    }

    /// What the client is told, or `None` when it cannot be told anything.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Client { status, .. } | Self::Upstream { status, .. } => Some(*status),
            Self::Resource { .. } | Self::Operator { .. } => Some(500),
            Self::Aborted(Abort::TimedOut) => Some(408),
            Self::Aborted(_) => None,
        }
    }

    /// How loudly it is logged. Clients' mistakes stay at `info`: anyone can make them. But a body
    /// that is too large may be one of the configuration's.
    pub fn level(&self) -> Level {
        match self {
            // As configured, or told already by who ended it.
            Self::Aborted(Abort::Configured) => Level::Debug,
            Self::Client { status: 413, .. } => Level::Error,
            Self::Client { .. } | Self::Aborted(_) => Level::Info,
            Self::Operator { .. } | Self::Upstream { .. } => Level::Error,
            Self::Resource { .. } => Level::Crit,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client { reason, .. }
            | Self::Upstream { reason, .. }
            | Self::Operator { reason } => f.write_str(reason),
            Self::Resource { doing, source } => write!(f, "{doing} ({})", os_error(source)),
            Self::Aborted(Abort::ClientLeft) => f.write_str("client prematurely closed connection"),
            Self::Aborted(Abort::TimedOut) => f.write_str("client timed out"),
            Self::Aborted(Abort::Evicted) => f.write_str("connection given up"),
            Self::Aborted(Abort::SourceFailed) => f.write_str("response could not be completed"),
            Self::Aborted(Abort::Configured) => f.write_str("connection closed as configured"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Resource { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    /// A failure of the client's connection.
    fn from(error: io::Error) -> Self {
        Self::Aborted(match error.kind() {
            io::ErrorKind::TimedOut => Abort::TimedOut,
            io::ErrorKind::ConnectionAborted => Abort::Evicted,
            _ => Abort::ClientLeft,
        })
    }
}
