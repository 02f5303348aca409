//! Which signal means what to whom.
//!
//! Source: control.xml; `ngx_signal_handler()`, nginx 1.31.5, whose words the log uses.

use sys::signal::{Caught, Signal};

/// Every signal that is read instead of being obeyed at once.
pub(crate) const CAUGHT: &[Signal] = &[
    Signal::HUP,
    Signal::USR1,
    Signal::WINCH,
    Signal::TERM,
    Signal::QUIT,
    Signal::USR2,
    Signal::ALRM,
    Signal::INT,
    Signal::IO,
    Signal::CHLD,
];

/// What must not end a process that writes to closed connections.
pub(crate) const IGNORED: &[Signal] = &[Signal::SYS, Signal::PIPE];

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// End now.
    Terminate,
    /// End once requests are done.
    Quit,
    /// Let the workers go and stay.
    StopAccepting,
    /// Take the new configuration.
    Reconfigure,
    /// Reopen the logs.
    Reopen,
    /// Start the new program.
    ChangeBinary,
    /// A child ended.
    Reap,
    /// Nothing.
    Ignore,
}

impl Action {
    /// What `signal` asks of a master, or of a single process. `is_daemon`: it has left its
    /// terminal, so that a change of the window's size is meant for it.
    pub(crate) fn of_master(signal: Signal, is_daemon: bool) -> Self {
        match signal {
            Signal::TERM | Signal::INT => Self::Terminate,
            Signal::QUIT => Self::Quit,
            Signal::WINCH if is_daemon => Self::StopAccepting,
            Signal::HUP => Self::Reconfigure,
            Signal::USR1 => Self::Reopen,
            Signal::USR2 => Self::ChangeBinary,
            Signal::CHLD => Self::Reap,
            _ => Self::Ignore,
        }
    }

    /// What `signal` asks of a worker.
    pub(crate) fn of_worker(signal: Signal, is_daemon: bool) -> Self {
        match signal {
            Signal::TERM | Signal::INT => Self::Terminate,
            Signal::QUIT => Self::Quit,
            Signal::WINCH if is_daemon => Self::Quit,
            Signal::USR1 => Self::Reopen,
            _ => Self::Ignore,
        }
    }

    /// What the log says is being done.
    const fn words(self) -> &'static str {
        match self {
            Self::Terminate => ", exiting",
            Self::Quit => ", shutting down",
            Self::StopAccepting => ", stop accepting connections",
            Self::Reconfigure => ", reconfiguring",
            Self::Reopen => ", reopening logs",
            Self::ChangeBinary => ", changing binary",
            Self::Reap | Self::Ignore => "",
        }
    }
}

/// nginx's line about a signal: `signal 1 (SIGHUP) received from 123, reconfiguring`.
pub(crate) fn line(caught: Caught, action: Action) -> String {
    let signal = caught.signal;
    let number = signal.number();
    let sender = match caught.sender {
        0 => String::new(),
        sender => format!(" from {sender}"),
    };
    format!(
        "signal {number} ({signal}) received{sender}{}",
        action.words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every signal against everybody who may get it, on one page.
    #[test]
    fn meanings() {
        use Action::{
            ChangeBinary, Ignore, Quit, Reap, Reconfigure, Reopen, StopAccepting, Terminate,
        };

        let table = [
            // signal         daemon's master  foreground master  daemon's worker  foreground worker
            (Signal::TERM, [Terminate, Terminate, Terminate, Terminate]),
            (Signal::INT, [Terminate, Terminate, Terminate, Terminate]),
            (Signal::QUIT, [Quit, Quit, Quit, Quit]),
            (Signal::WINCH, [StopAccepting, Ignore, Quit, Ignore]),
            (Signal::HUP, [Reconfigure, Reconfigure, Ignore, Ignore]),
            (Signal::USR1, [Reopen, Reopen, Reopen, Reopen]),
            (Signal::USR2, [ChangeBinary, ChangeBinary, Ignore, Ignore]),
            (Signal::CHLD, [Reap, Reap, Ignore, Ignore]),
            (Signal::ALRM, [Ignore, Ignore, Ignore, Ignore]),
            (Signal::IO, [Ignore, Ignore, Ignore, Ignore]),
        ];
        assert_eq!(table.len(), CAUGHT.len());
        for (signal, expected) in table {
            let found = [
                Action::of_master(signal, true),
                Action::of_master(signal, false),
                Action::of_worker(signal, true),
                Action::of_worker(signal, false),
            ];
            assert_eq!(found, expected, "{signal}");
        }
    }

    #[test]
    fn lines_are_nginxs() {
        let caught = Caught {
            signal: Signal::HUP,
            sender: 17,
        };
        assert_eq!(
            line(caught, Action::Reconfigure),
            "signal 1 (SIGHUP) received from 17, reconfiguring"
        );
        let caught = Caught {
            signal: Signal::IO,
            sender: 0,
        };
        assert_eq!(line(caught, Action::Ignore), "signal 29 (SIGIO) received");
    }
}
