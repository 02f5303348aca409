//! `error_log`, for every subsystem.

use crate::line::{Line, Refused};
use crate::log_target::LogTarget;
use runtime::log::{Format, Level, LogOptions, Logger};
use std::cell::OnceCell;
use std::rc::Rc;

/// The error logs of one level: any number, each with its own severity.
#[derive(Clone, Default)]
pub struct ErrorLogs {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    targets: Vec<(LogTarget, Level, Format)>,
    logger: OnceCell<Logger>,
}

impl ErrorLogs {
    /// Logs to the given targets.
    pub fn new(targets: Vec<(LogTarget, Level, Format)>) -> Self {
        Self {
            inner: Rc::new(Inner {
                targets,
                logger: OnceCell::new(),
            }),
        }
    }

    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.inner.targets.is_empty()
    }

    /// Whether messages of `level` are for any of them.
    pub fn takes(&self, level: Level) -> bool {
        let mut targets = self.inner.targets.iter();
        targets.any(|(_, least, _)| level <= *least)
    }

    /// The log. Its files must have been opened.
    #[inline]
    pub fn logger(&self) -> &Logger {
        self.inner.logger.get_or_init(|| {
            let mut logger = Logger::new();
            for (target, level, format) in &self.inner.targets {
                if let Some(sink) = target.sink() {
                    logger.add(*level, *format, sink);
                }
            }
            logger
        })
    }

    /// The first file among them.
    pub fn first_file(&self) -> Option<std::path::PathBuf> {
        self.inner
            .targets
            .iter()
            .find_map(|(target, ..)| match target {
                LogTarget::File(handle) => Some(handle.path().to_owned()),
                _ => None,
            })
    }

    /// The same logs and one more.
    #[must_use]
    pub fn with(&self, target: LogTarget, level: Level, format: Format) -> Self {
        let mut targets = self.inner.targets.clone();
        targets.push((target, level, format));
        Self::new(targets)
    }
}

/// Reads `error_log file [level] [format=json]`; nginx Plus writes the format as `json`.
///
/// # Errors
///
/// `invalid log level "..."`, and what a syslog server's parameters are refused for.
pub fn read(logs: &ErrorLogs, line: &mut Line<'_>) -> Result<ErrorLogs, Refused> {
    let text = line.arg(0);
    let target = LogTarget::parse(line, text, LogOptions::default())?;
    let mut level = Level::Error;
    let mut format = Format::Text;
    for index in 1..line.args().len() {
        let word = line.arg(index);
        match word {
            b"format=json" | b"json" => format = Format::Json,
            b"format=text" => format = Format::Text,
            _ => level = parse_level(word)?,
        }
    }
    Ok(logs.with(target, level, format))
}

fn parse_level(word: &[u8]) -> Result<Level, Refused> {
    let text = String::from_utf8_lossy(word);
    // Categories of debugging are levels to nginx; all of them are `debug` here.
    if text.starts_with("debug_") {
        return Ok(Level::Debug);
    }
    text.parse()
        .map_err(|_| Refused::new(format!("invalid log level \"{text}\"")))
}
