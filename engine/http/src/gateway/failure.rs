//! Why an attempt on a peer failed: what the log says, whether another peer may help, what the
//! client is told when none can.

use super::settings::{Local, next};
use crate::error::{Error, os_error};
use engine::address::Address;
use runtime::BindFailed;
use runtime::log::Level;
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
    /// The system refused at once to connect.
    Refused(String),
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

    /// A connection from `local` to `address`, which logs call `name`, was not made. Where sockets
    /// or memory have run out here, or the local address is none of ours, no peer is to blame,
    /// and none could do better.
    pub(super) fn of_connect(
        error: io::Error,
        local: Option<&Local>,
        (address, name): (&Address, &str),
    ) -> Self {
        if sys::errno::is_shortage(&error) {
            return Self::Ours(Error::resource("no connection to upstream", error));
        }
        let error = match error.downcast::<BindFailed>() {
            Ok(BindFailed(why)) => {
                let from = local.map(|local| local.address.to_string());
                let from = from.unwrap_or_default();
                let from = from.strip_suffix(":0").unwrap_or(&from);
                return Self::Ours(Error::resource(format!("bind({from}) failed"), why));
            }
            Err(error) => error,
        };
        // What the network answers comes later than what the system says at once of the address,
        // which the log then names.
        let is_answer = matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::TimedOut
        );
        let call = match address {
            Address::Ip(_) if is_answer => "connect()".to_owned(),
            _ => format!("connect() to {name}"),
        };
        let is_usual = is_answer
            || matches!(
                error.kind(),
                io::ErrorKind::WouldBlock
                    | io::ErrorKind::NetworkDown
                    | io::ErrorKind::NetworkUnreachable
            );
        match Self::of_io(&error, &call, Doing::Connecting) {
            Self::Broken(_, message) if !is_usual => Self::Refused(message),
            failure => failure,
        }
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
            Self::Denied | Self::Refused(_) => Doing::Connecting,
            Self::Invalid(_) | Self::Status(_) | Self::Ours(_) => Doing::ReadingHead,
        }
    }

    /// How loudly the log says it.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Refused(_) => Level::Crit,
            Self::ClientLeft(_) => Level::Info,
            _ => Level::Error,
        }
    }

    /// What the log says, if it says anything.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Broken(_, text) | Self::Refused(text) | Self::Invalid(text) => Some(text.clone()),
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
            Self::Broken(..) | Self::Refused(_) => Some(next::ERROR),
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
            Self::Broken(..) | Self::Refused(_) | Self::Invalid(_) => 502,
            Self::Denied => 403,
            Self::TimedOut(_) => 504,
            Self::Status(status) => *status,
            Self::ClientLeft(_) => 499,
            Self::Ours(_) => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attempt to connect fails: what the log says of it, and how loudly.
    #[track_caller]
    fn check(kind: io::ErrorKind, address: &Address, level: Level, expected: &str) {
        let failure = Failure::of_connect(kind.into(), None, (address, &address.to_string()));
        let message = failure.message().unwrap();
        let (call, rest) = message.split_once(" failed (").unwrap();
        assert_eq!((failure.level(), call), (level, expected), "{message}");
        assert!(rest.ends_with(") while connecting to upstream"), "{rest}");
        assert_eq!(failure.doing(), Doing::Connecting);
    }

    #[test]
    fn what_makes_no_connection_is_told_as_nginx_tells_it() {
        use io::ErrorKind::{ConnectionRefused, NetworkUnreachable, NotFound, PermissionDenied};
        let socket = Address::Unix(b"/s"[..].into());
        let host = Address::Ip(([192, 0, 2, 1], 80).into());
        check(ConnectionRefused, &host, Level::Error, "connect()");
        let named = "connect() to unix:/s";
        check(ConnectionRefused, &socket, Level::Error, named);
        check(NotFound, &socket, Level::Crit, named);
        let named = "connect() to 192.0.2.1:80";
        check(PermissionDenied, &host, Level::Crit, named);
        check(NetworkUnreachable, &host, Level::Error, named);
    }
}
