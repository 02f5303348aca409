//! What is said before a configuration's own log is there, and about configurations.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use conf::{Error, Tree};
use runtime::log::{Format, Level, LogFile, LogOptions, LogSink, Logger, os_error};

use crate::paths::Paths;

/// Something to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) level: Level,
    /// What goes behind the level.
    pub(crate) text: String,
    /// The same with the place in the text, for a terminal.
    terminal: Option<String>,
}

impl Message {
    pub(crate) fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            terminal: None,
        }
    }

    pub(crate) fn emerg(text: impl Into<String>) -> Self {
        Self::new(Level::Emerg, text)
    }

    /// What is wrong at a place of `tree`.
    pub(crate) fn of_error(error: &Error, tree: &Tree) -> Self {
        let level = error.level.name().parse().unwrap_or(Level::Emerg);
        let colour = std::env::var_os("NO_COLOR").is_none();
        Self {
            level,
            text: error.located(tree),
            terminal: Some(error.render_terminal(tree, colour)),
        }
    }

    /// nginx's line for a terminal: `nginx: [emerg] ...`.
    pub(crate) fn line(&self) -> String {
        format!("nginx: [{}] {}", self.level, self.text)
    }

    /// Prints it to standard error.
    pub(crate) fn print(&self) {
        match &self.terminal {
            Some(shown) if io::stderr().is_terminal() => print(shown.trim_end()),
            _ => print(&self.line()),
        }
    }
}

/// Prints a line to standard error; where that is closed, nobody wants it.
pub(crate) fn print(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// ` (13: Permission denied)`, as nginx puts behind what failed.
pub(crate) fn reason(error: &io::Error) -> String {
    format!(" ({})", os_error(error))
}

/// Tells the operator: on standard error, and in the error log of the command line.
pub(crate) struct Reporter {
    log: Logger,
}

impl Reporter {
    /// Opens the log, and says so on standard error when that fails.
    pub(crate) fn open(paths: &Paths) -> Self {
        let mut log = Logger::new();
        if !paths.logs_to_stderr() {
            match open_log(&paths.error_log) {
                Ok(file) => log.add(
                    Level::Notice,
                    Format::Text,
                    LogSink::File(LogFile::from_file(file, LogOptions::default())),
                ),
                Err(e) => {
                    let path = paths.error_log.display();
                    let text = format!(
                        "could not open error log file: open() \"{path}\" failed{}",
                        reason(&e)
                    );
                    Message::new(Level::Alert, text).print();
                }
            }
        }
        Self { log }
    }

    /// Logs it, and prints what is more than a notice.
    pub(crate) fn tell(&self, message: &Message) {
        if message.level <= Level::Warn {
            message.print();
        }
        self.note(message);
    }

    /// Logs it.
    pub(crate) fn note(&self, message: &Message) {
        self.log.log(message.level, &message.text);
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_as_nginx_writes_them() {
        let error = io::Error::from_raw_os_error(13);
        assert_eq!(reason(&error), " (13: Permission denied)");
        let error = io::Error::other("something else");
        assert_eq!(reason(&error), " (something else)");
    }

    #[test]
    fn errors_name_their_place() {
        let (tree, errors) = conf::parse_str(b"a {");
        let message = Message::of_error(&errors[0], &tree);
        assert!(
            message.line().starts_with("nginx: [emerg] "),
            "{}",
            message.line()
        );
        assert!(
            message.line().ends_with(" in command line"),
            "{}",
            message.line()
        );
    }
}
