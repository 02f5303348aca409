//! The error log: levels, the format of a line, and several places to write to.

use super::LogSink;
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
const MAX_LINE: usize = 2048;

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
}

impl Logger {
    /// A log without a sink, which writes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink for messages of `level` and worse.
    pub fn add(&mut self, level: Level, format: Format, sink: LogSink) {
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
        self.targets.iter().any(|target| level <= target.level)
    }

    /// Writes a message at once. `connection` is its number, if it is about one; `context`
    /// goes after the message (`, client: 192.0.2.1, server: ...`, with its comma).
    ///
    /// Bytes that are not printable ASCII are written as `\xXX`, since both texts hold what
    /// clients sent, and terminals obey what they show.
    pub fn log(&self, level: Level, connection: Option<u64>, message: &[u8], context: &[u8]) {
        self.write(level, connection, message, context, false);
    }

    /// As [`Logger::log`], to every sink whatever its level: for connections that are debugged.
    pub fn log_everywhere(
        &self,
        level: Level,
        connection: Option<u64>,
        message: &[u8],
        context: &[u8],
    ) {
        self.write(level, connection, message, context, true);
    }

    fn write(
        &self,
        level: Level,
        connection: Option<u64>,
        message: &[u8],
        context: &[u8],
        everywhere: bool,
    ) {
        for target in self
            .targets
            .iter()
            .filter(|target| everywhere || level <= target.level)
        {
            let line = Line {
                level,
                connection,
                message,
                context,
            };
            let text = match target.format {
                Format::Text => line.text(),
                Format::Json => line.json(),
            };
            target.sink.write_now(Some(level), &text);
        }
    }
}

struct Line<'a> {
    level: Level,
    connection: Option<u64>,
    message: &'a [u8],
    context: &'a [u8],
}

impl Line<'_> {
    /// `2026/11/20 22:04:31 [error] 123#123: *5 message, client: 192.0.2.1`
    fn text(&self) -> Vec<u8> {
        let pid = std::process::id();
        let mut line = Vec::with_capacity(256);
        line.extend_from_slice(&time(|wall| wall.error_log_time));
        // Writing to memory does not fail. A worker's one thread has its process's number.
        let _ = write!(line, " [{}] {pid}#{pid}: ", self.level);
        if let Some(connection) = self.connection {
            let _ = write!(line, "*{connection} ");
        }
        escape(&mut line, self.message, MAX_LINE);
        escape(&mut line, self.context, MAX_LINE);
        line
    }

    fn json(&self) -> Vec<u8> {
        let pid = std::process::id();
        let mut line = Vec::with_capacity(256);
        line.extend_from_slice(b"{\"time\":\"");
        line.extend_from_slice(&time(|wall| wall.iso8601));
        let level = self.level;
        let _ = write!(line, "\",\"level\":\"{level}\",\"pid\":{pid},\"tid\":{pid}");
        if let Some(connection) = self.connection {
            let _ = write!(line, ",\"connection\":{connection}");
        }
        json_field(&mut line, "message", self.message);
        let context = self.context.strip_prefix(b", ").unwrap_or(self.context);
        if !context.is_empty() {
            json_field(&mut line, "context", context);
        }
        line.push(b'}');
        line
    }
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

fn json_field(line: &mut Vec<u8>, name: &str, text: &[u8]) {
    let mut printable = Vec::with_capacity(text.len());
    escape(&mut printable, text, MAX_LINE);
    let _ = write!(line, ",\"{name}\":\"");
    for byte in printable {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::MemoryLog;
    use super::*;
    use std::rc::Rc;

    fn logged(format: Format, log: impl FnOnce(&Logger)) -> String {
        let memory = Rc::new(MemoryLog::new(1 << 16));
        let mut logger = Logger::new();
        logger.add(Level::Error, format, LogSink::Memory(Rc::clone(&memory)));
        log(&logger);
        String::from_utf8(memory.snapshot()).unwrap()
    }

    #[test]
    fn a_line_is_as_nginx_writes_it() {
        let line = logged(Format::Text, |logger| {
            logger.log(Level::Error, Some(5), b"it broke", b", client: 192.0.2.1");
        });
        let pid = std::process::id();
        let rest = format!(" [error] {pid}#{pid}: *5 it broke, client: 192.0.2.1\n");
        assert_eq!(&line[19..], rest);
        let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let time: String = line[..19].chars().map(shape).collect();
        assert_eq!(time, "0000/00/00 00:00:00");
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        let line = logged(Format::Text, |logger| {
            logger.log(Level::Alert, None, b"a\x1b[2J\n\x7f\xC3\xA9\\", b"");
        });
        assert!(
            line.ends_with("a\\x1B[2J\\x0A\\x7F\\xC3\\xA9\\\n"),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn levels_are_respected() {
        let lines = logged(Format::Text, |logger| {
            assert!(logger.enabled(Level::Error) && !logger.enabled(Level::Warn));
            logger.log(Level::Warn, None, b"hidden", b"");
            logger.log(Level::Emerg, None, b"seen", b"");
        });
        assert!(lines.contains("[emerg]") && !lines.contains("hidden"));
    }

    #[test]
    fn long_lines_are_cut() {
        let line = logged(Format::Text, |logger| {
            logger.log(Level::Error, None, &[0xFF; 10_000], b"");
        });
        assert!(line.len() <= MAX_LINE + 1);
        assert!(line.ends_with("\\xFF\n"), "no half escape at the end");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = logged(Format::Json, |logger| {
            logger.log(Level::Error, Some(7), b"say \"hi\"\n", b", client: ::1");
        });
        let pid = std::process::id();
        let rest = format!(
            ",\"level\":\"error\",\"pid\":{pid},\"tid\":{pid},\"connection\":7,\
             \"message\":\"say \\\"hi\\\"\\\\x0A\",\"context\":\"client: ::1\"}}\n"
        );
        assert!(line.starts_with("{\"time\":\""));
        assert!(line.ends_with(&rest), "{line}");
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
