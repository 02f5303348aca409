//! What must be true at the end of every server's life, whatever its test was about.

use std::process::ExitStatus;

/// How a server's end was not clean.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Violation {
    /// A line that no healthy server logs.
    Line(String),
    /// The master did not exit with 0.
    Exit(String),
    /// It was asked to quit with no client left, and something kept a worker from it.
    DidNotQuit,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "in the error log: {line}"),
            Self::Exit(status) => write!(f, "the master ended with {status}"),
            Self::DidNotQuit => f.write_str("it did not quit: a request or connection is leaked"),
        }
    }
}

/// Which lines of an error log a test expects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// Any line at all.
    pub(crate) everything: bool,
    /// Lines that contain one of these.
    pub(crate) containing: Vec<String>,
}

/// Marks of a line that no healthy server logs: nginx's levels for its own faults, a worker that
/// a signal ended, a connection that was never closed.
const MARKS: [&str; 4] = ["[alert]", "[emerg]", "exited on signal", "open socket #"];

/// The lines of `log` that tell of a fault and are not `allowed`.
pub(crate) fn judge_log(log: &str, allowed: &Allowed) -> Vec<Violation> {
    if allowed.everything {
        return Vec::new();
    }
    log.lines()
        .filter(|line| MARKS.iter().any(|mark| line.contains(mark)))
        .filter(|line| {
            !allowed
                .containing
                .iter()
                .any(|text| line.contains(text.as_str()))
        })
        .map(|line| Violation::Line(line.to_owned()))
        .collect()
}

/// What is wrong with how the master ended; `None` stands for a master that had to be killed.
pub(crate) fn judge_exit(status: Option<ExitStatus>) -> Option<Violation> {
    match status {
        None => Some(Violation::DidNotQuit),
        Some(status) if status.success() => None,
        Some(status) => Some(Violation::Exit(status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
        2024/01/01 00:00:00 [notice] 1#1: signal 17 (SIGCHLD) received\n\
        2024/01/01 00:00:00 [alert] 1#1: worker process 2 exited on signal 11\n\
        2024/01/01 00:00:00 [emerg] 1#1: unknown directive \"x\"\n\
        2024/01/01 00:00:00 [error] 2#2: *1 open() failed\n";

    #[test]
    fn faults_are_found_and_ordinary_errors_are_not() {
        assert_eq!(judge_log(LOG, &Allowed::default()).len(), 2);
    }

    #[test]
    fn only_what_was_allowed_is_forgiven() {
        let unknown = Allowed {
            everything: false,
            containing: vec!["unknown directive".into()],
        };
        let left = judge_log(LOG, &unknown);
        assert!(matches!(&left[..], [Violation::Line(line)] if line.contains("signal 11")));

        let everything = Allowed {
            everything: true,
            containing: Vec::new(),
        };
        assert_eq!(judge_log(LOG, &everything), []);
    }

    #[test]
    fn a_master_must_end_by_itself_and_well() {
        let ended = |text: &str| std::process::Command::new(text).status().ok();
        assert_eq!(judge_exit(ended("true")), None);
        assert!(matches!(
            judge_exit(ended("false")),
            Some(Violation::Exit(_))
        ));
        assert_eq!(judge_exit(None), Some(Violation::DidNotQuit));
    }
}
