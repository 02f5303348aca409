//! Logs: where lines go, and the error log.
//!
//! A line of an access log waits until the end of the turn, so that the lines of one turn take
//! one system call; it never delays or fails the request that it is about. A line of an error
//! log is written at once.

mod file;
mod json;
mod logger;
mod memory;
mod subject;
mod syslog;

pub use file::{LogFile, LogOptions};
pub use logger::{Format, Level, Logger, UnknownLevel};
pub use memory::MemoryLog;
pub use subject::Subject;
pub use syslog::{Syslog, SyslogAddress, SyslogOptions};

pub(crate) use file::flush_turn;

use logger::MAX_LINE;

use crate::clock::Millis;
use crate::worker::Worker;
use std::io;
use std::rc::Rc;

/// Where lines of a log go.
#[derive(Clone)]
pub enum LogSink {
    /// A file.
    File(Rc<LogFile>),
    /// A syslog server.
    Syslog(Rc<Syslog>),
    /// A ring in memory.
    Memory(Rc<MemoryLog>),
}

impl LogSink {
    /// Writes one line, given without its end. `level` is for syslog alone, which uses the
    /// one it was configured with for `None`.
    pub fn write(&self, level: Option<Level>, line: &[u8]) {
        match self {
            Self::File(file) => file.append(line),
            Self::Syslog(syslog) => syslog.send(level, line),
            Self::Memory(memory) => memory.append(line),
        }
    }

    /// As [`Self::write`], and does not wait for the end of the turn.
    pub fn write_now(&self, level: Option<Level>, line: &[u8]) {
        match self {
            Self::File(file) => file.write_now(line),
            Self::Syslog(syslog) => syslog.send(level, line),
            Self::Memory(memory) => memory.append(line),
        }
    }

    /// Writes out what waits.
    pub fn flush(&self) {
        if let Self::File(file) = self {
            file.flush();
        }
    }
}

/// A system error as nginx's logs show it, number first: `2: No such file or directory`.
pub fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let words = text.split(" (os error").next().unwrap_or_default();
            format!("{number}: {words}")
        }
        None => text,
    }
}

/// The monotonic clock, of the worker if there is one.
fn now() -> Millis {
    Worker::try_current().map_or_else(sys::clock::monotonic_ms, |worker| worker.now())
}
