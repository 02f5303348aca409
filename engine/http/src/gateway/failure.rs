//! Why an attempt on a peer failed: what the log says, whether another peer may help, what the
//! client is told when none can.

use super::settings::next;
use crate::error::{Error, os_error};
use engine::address::Address;
use std::io;

/// What was being done, as the log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Connecting,
    Sending,
    ReadingHead,
    ReadingBody,
}

impl Doing {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Connecting => "while connecting to upstream",
            Self::Sending => "while sending request to upstream",
            Self::ReadingHead => "while reading response header from upstream",
            Self::ReadingBody => "while reading upstream",
        }
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection failed.
    Broken(Doing, String),
    /// The peer took too long.
    TimedOut(Doing),
    /// What it sent makes no sense.
    Invalid(String),
    /// It answered with a status that another peer may do better than.
    Status(u16),
    /// The configuration allows no connection to the peer.
    Denied,
    /// The client is gone.
    ClientLeft(Doing),
    /// The fault is not the peer's.
    Ours(Error),
}

impl Failure {
    /// A failure of the peer's connection.
    pub(super) fn of_io(error: &io::Error, call: &str, doing: Doing) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut(doing),
            _ => {
                let (why, doing_text) = (os_error(error), doing.text());
                Self::Broken(doing, format!("{call} failed ({why}) {doing_text}"))
            }
        }
    }

    /// A connection to `address`, which logs call `name`, was not made. Where sockets or memory
    /// have run out here, no peer is to blame, and none could do better.
    pub(super) fn of_connect(error: io::Error, address: &Address, name: &str) -> Self {
        if sys::errno::is_shortage(&error) {
            return Self::Ours(Error::resource("no connection to upstream", error));
        }
        let call = match address {
            Address::Unix(_) => format!("connect() to {name}"),
            Address::Ip(_) => "connect()".to_owned(),
        };
        Self::of_io(&error, &call, Doing::Connecting)
    }

    /// The peer closed before it had answered.
    pub(super) fn premature(doing: Doing) -> Self {
        let text = doing.text();
        let text = format!("upstream prematurely closed connection {text}");
        Self::Broken(doing, text)
    }

    /// What was being done.
    pub(super) fn doing(&self) -> Doing {
        match self {
            Self::Broken(doing, _) | Self::TimedOut(doing) | Self::ClientLeft(doing) => *doing,
            Self::Denied => Doing::Connecting,
            Self::Invalid(_) | Self::Status(_) | Self::Ours(_) => Doing::ReadingHead,
        }
    }

    /// What the log says, if it says anything.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Broken(_, text) | Self::Invalid(text) => Some(text.clone()),
            Self::TimedOut(doing) => Some(format!(
                "upstream timed out (110: Connection timed out) {}",
                doing.text()
            )),
            Self::ClientLeft(doing) => Some(format!(
                "epoll_wait() reported that client prematurely closed connection, \
                 so upstream connection is closed too {}",
                doing.text()
            )),
            Self::Denied => Some(format!(
                "access to upstream denied {}",
                Doing::Connecting.text()
            )),
            Self::Status(_) | Self::Ours(_) => None,
        }
    }

    /// Its bit in `next_upstream`; `None` where no other peer can help.
    pub(super) fn bit(&self) -> Option<u32> {
        match self {
            Self::Broken(..) => Some(next::ERROR),
            Self::TimedOut(_) => Some(next::TIMEOUT),
            Self::Invalid(_) => Some(next::INVALID_HEADER),
            Self::Denied => Some(next::DENIED),
            Self::Status(status) => next::of_status(*status),
            Self::ClientLeft(_) | Self::Ours(_) => None,
        }
    }

    /// What the client is told.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Broken(..) | Self::Invalid(_) => 502,
            Self::Denied => 403,
            Self::TimedOut(_) => 504,
            Self::Status(status) => *status,
            Self::ClientLeft(_) => 499,
            Self::Ours(_) => 500,
        }
    }
}
