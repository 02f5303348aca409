//! The error log: levels, the format of a line, and several places to write to.

use super::subject::Subject;
use super::{LogSink, json};
use crate::clock::WallClock;
use crate::worker::Worker;
use std::fmt;
use std::io::Write;
use std::str::FromStr;

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The server cannot go on.
    Emerg,
    /// A bug, or something that needs somebody now.
    Alert,
    /// Something of this machine ran out or refused.
    Crit,
    /// A request failed.
    Error,
    /// Something was odd and worked.
    Warn,
    /// Something of note in normal operation.
    Notice,
    /// A client's mistake, or a detail.
    Info,
    /// For those who look for a bug.
    Debug,
}

impl Level {
    const NAMES: [(&'static str, Self); 8] = [
        ("emerg", Self::Emerg),
        ("alert", Self::Alert),
        ("crit", Self::Crit),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("notice", Self::Notice),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];

    /// The name in nginx.conf and in the log.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, level)| *level == self);
        found.map_or("debug", |(name, _)| name)
    }

    /// The severity of RFC 3164, 0 to 7.
    pub fn severity(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no level of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLevel;

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown log level")
    }
}

impl std::error::Error for UnknownLevel {}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, level)| *level).ok_or(UnknownLevel)
    }
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As nginx writes it.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Most bytes of a line. Source: `NGX_MAX_ERROR_STR`, nginx 1.31.5.
pub(super) const MAX_LINE: usize = 2048;

#[derive(Clone)]
struct Target {
    level: Level,
    format: Format,
    sink: LogSink,
}

/// An error log: any number of sinks, each with its level.
#[derive(Clone, Default)]
pub struct Logger {
    targets: Vec<Target>,
    /// The least of what is written anywhere.
    least: Option<Level>,
}

impl Logger {
    /// A log without a sink, which writes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink for messages of `level` and worse.
    pub fn add(&mut self, level: Level, format: Format, sink: LogSink) {
        self.least = self.least.max(Some(level));
        self.targets.push(Target {
            level,
            format,
            sink,
        });
    }

    /// The sinks, for instance to reopen their files.
    pub fn sinks(&self) -> impl Iterator<Item = &LogSink> + '_ {
        self.targets.iter().map(|target| &target.sink)
    }

    /// Whether a message of `level` would be written anywhere.
    pub fn enabled(&self, level: Level) -> bool {
        Some(level) <= self.least
    }

    /// Writes a message about the server itself at once.
    pub fn log(&self, level: Level, message: &str) {
        self.log_about(Subject::NONE, level, message);
    }

    /// Writes a message about `subject` at once.
    ///
    /// In a text, bytes that are not printable ASCII are written as `\xXX`, since both the
    /// message and its tags hold what clients sent, and terminals obey what they show.
    pub fn log_about(&self, subject: &Subject, level: Level, message: &str) {
        self.write(subject, level, message.as_bytes(), false);
    }

    /// As [`Logger::log_about`], to every sink whatever its level: for connections that are
    /// debugged.
    pub fn log_everywhere(&self, subject: &Subject, level: Level, message: &str) {
        self.write(subject, level, message.as_bytes(), true);
    }

    fn write(&self, subject: &Subject, level: Level, message: &[u8], everywhere: bool) {
        for target in self
            .targets
            .iter()
            .filter(|target| everywhere || level <= target.level)
        {
            let line = match target.format {
                Format::Text => text(level, message, subject),
                Format::Json => json::line(level, &timestamp(), message, subject),
            };
            target.sink.write_now(Some(level), &line);
        }
    }
}

/// `2026/11/20 22:04:31 [error] 123#123: *5 message, client: 192.0.2.1`
fn text(level: Level, message: &[u8], subject: &Subject) -> Vec<u8> {
    let pid = std::process::id();
    let mut line = Vec::with_capacity(256);
    line.extend_from_slice(&time(|wall| wall.error_log_time));
    // Writing to memory does not fail. A worker's one thread has its process's number.
    let _ = write!(line, " [{level}] {pid}#{pid}: ");
    if let Some(connection) = subject.connection {
        let _ = write!(line, "*{connection} ");
    }
    escape(&mut line, message, MAX_LINE);
    escape(&mut line, &subject.text(), MAX_LINE);
    line
}

fn timestamp() -> [u8; 29] {
    time(WallClock::iso8601_ms)
}

fn time<const N: usize>(field: impl Fn(&WallClock) -> [u8; N]) -> [u8; N] {
    match Worker::try_current() {
        Some(worker) => field(&worker.wall()),
        None => field(&WallClock::read()),
    }
}

/// Adds `text` with every byte that is not printable ASCII as `\xXX`, as long as the line is
/// not longer than `limit`.
fn escape(line: &mut Vec<u8>, text: &[u8], limit: usize) {
    for &byte in text {
        let needed = if matches!(byte, b' '..=b'~') { 1 } else { 4 };
        if line.len() + needed > limit {
            return;
        }
        if needed == 1 {
            line.push(byte);
        } else {
            let _ = write!(line, "\\x{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryLog;
    use super::*;
    use std::rc::Rc;

    fn logged(log: impl FnOnce(&Logger)) -> String {
        let memory = Rc::new(MemoryLog::new(1 << 16));
        let mut logger = Logger::new();
        logger.add(
            Level::Error,
            Format::Text,
            LogSink::Memory(Rc::clone(&memory)),
        );
        log(&logger);
        String::from_utf8(memory.snapshot()).unwrap()
    }

    #[test]
    fn a_line_is_as_nginx_writes_it() {
        let line = logged(|logger| {
            let mut subject = Subject::connection(5);
            subject.tag("client", "192.0.2.1");
            subject.quote("host", "a, b");
            logger.log_about(&subject, Level::Error, "it broke");
        });
        let pid = std::process::id();
        let rest =
            format!(" [error] {pid}#{pid}: *5 it broke, client: 192.0.2.1, host: \"a, b\"\n");
        assert_eq!(&line[19..], rest);
        let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let time: String = line[..19].chars().map(shape).collect();
        assert_eq!(time, "0000/00/00 00:00:00");
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        let line = logged(|logger| {
            logger.log(Level::Alert, "a\x1b[2J\n\x7f\u{e9}\\");
        });
        assert!(
            line.ends_with("a\\x1B[2J\\x0A\\x7F\\xC3\\xA9\\\n"),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn levels_are_respected() {
        let lines = logged(|logger| {
            assert!(logger.enabled(Level::Error) && !logger.enabled(Level::Warn));
            logger.log(Level::Warn, "hidden");
            logger.log(Level::Emerg, "seen");
        });
        assert!(lines.contains("[emerg]") && !lines.contains("hidden"));
    }

    #[test]
    fn long_lines_are_cut() {
        let line = logged(|logger| {
            logger.log(Level::Error, &"\u{ff}".repeat(5000));
        });
        assert!(line.len() <= MAX_LINE + 1);
        assert!(
            line.ends_with("\\xBF\n") || line.ends_with("\\xC3\n"),
            "no half escape at the end"
        );
    }

    #[test]
    fn names_and_levels_agree() {
        for (severity, (name, level)) in Level::NAMES.into_iter().enumerate() {
            assert_eq!(name.parse(), Ok(level));
            assert_eq!(level.to_string(), name);
            assert_eq!(usize::from(level.severity()), severity);
        }
        assert_eq!("loud".parse::<Level>(), Err(UnknownLevel));
    }
}
