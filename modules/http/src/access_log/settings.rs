//! `log_format`, `access_log` and `open_log_file_cache`.

use super::format::{Escape, Format, Formats};
use super::open_files::{OpenFiles, VariablePath};
use engine::directive::{custom, lossy, unset};
use engine::log_target::{LogFiles, LogTarget};
use engine::{
    Arity, Contexts, Directive, Line, Loading, Refused, Setting, Slot, Template, inherit_fields,
};
use http::config::finish::Finishing;
use runtime::log::{LogOptions, LogSink};
use std::cell::OnceCell;
use std::rc::Rc;

/// Bytes that are collected for a compressed log whose `buffer` is not given.
const GZIP_BUFFER: u64 = 64 << 10;

/// Where lines go that no directive gave another place.
const DEFAULT_PATH: &[u8] = b"logs/access.log";

/// Formats are kept by the load, since logs need them while it lasts.
#[derive(Clone, Default)]
pub(super) struct FormatDirectives {}

inherit_fields!(FormatDirectives {});

/// `log_format`.
pub(super) static FORMATS: Slot<FormatDirectives> = Slot::main(&[custom(
    "log_format",
    Contexts::HTTP,
    Arity {
        min: 2,
        max: usize::MAX,
    },
    |_, line| read_format(line),
)]);

/// The access logs of a location.
#[derive(Clone)]
pub(super) struct Settings {
    /// `access_log`.
    pub(super) logs: Setting<Logs>,
    /// Files of logs with variables in their path, kept open.
    pub(super) open_files: Setting<Option<Rc<OpenFiles>>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            logs: Setting::new(Logs::default()),
            open_files: Setting::new(None),
        }
    }
}

inherit_fields!(Settings { logs, open_files });

/// `access_log`.
pub(super) static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

const DIRECTIVES: &[Directive<Settings>] = &[
    custom(
        "access_log",
        Contexts::ALL_AND_IF.with(Contexts::LIMIT_EXCEPT),
        Arity::SOME,
        read_log,
    ),
    custom(
        "open_log_file_cache",
        Contexts::ALL,
        Arity::between(1, 4),
        read_open_files,
    ),
];

/// All logs of a level.
#[derive(Clone, Default)]
pub(super) struct Logs {
    is_off: bool,
    all: Vec<Rc<Log>>,
}

impl Logs {
    /// Those to be written: none beside `access_log off`.
    pub(super) fn active(&self) -> &[Rc<Log>] {
        if self.is_off { &[] } else { &self.all }
    }
}

/// One access log.
pub(super) struct Log {
    /// What a line says.
    pub(super) format: Rc<Format>,
    /// Where it goes.
    pub(super) destination: Destination,
    /// `if=`.
    pub(super) condition: Option<Template>,
}

/// Where the lines of a log go.
pub(super) enum Destination {
    /// A file or a syslog server, found at the first line.
    Fixed(LogTarget, OnceCell<LogSink>),
    /// A file named by the request.
    Variable(VariablePath),
}

/// `log_format name [escape=default|json|none] text ...`
fn read_format(line: &mut Line<'_>) -> Result<(), Refused> {
    let mut texts = 1..line.args().len();
    let mut escape = Escape::Default;
    if let Some(word) = line.arg(1).strip_prefix(b"escape=") {
        escape = match word {
            b"default" => Escape::Default,
            b"json" => Escape::Json,
            b"none" => Escape::None,
            _ => {
                let shown = lossy(word);
                return Err(Refused::new(format!(
                    "unknown log format escaping \"{shown}\""
                )));
            }
        };
        texts.start = 2;
    }
    let (name, args) = (line.arg(0), line.args());
    let texts = args[texts].iter().map(|word| &*word.text);
    let format = Format::compile(texts, escape, &mut line.loading.variables)?;
    line.loading.shared::<Formats>().define(name, format)
}

fn find_format(loading: &mut Loading, name: &[u8]) -> Result<Rc<Format>, Refused> {
    // Taken out for a moment: built-in formats are compiled when they are first asked for.
    let mut formats: Formats = loading.take_shared();
    let found = formats.find(name, &mut loading.variables);
    *loading.shared() = formats;
    found.ok_or_else(|| Refused::new(format!("unknown log format \"{}\"", lossy(name))))
}

/// `access_log path [format [buffer=size] [gzip[=level]] [flush=time] [if=condition]] | off`
fn read_log(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    if line.arg(0) == b"off" {
        if line.args().len() > 1 {
            return Err(line.invalid_parameter(1));
        }
        settings.logs.edit().is_off = true;
        return Ok(());
    }
    let name = if line.args().len() > 1 {
        line.arg(1)
    } else {
        b"combined"
    };
    let format = find_format(line.loading, name)?;
    let parameters = Parameters::read(line)?;
    let destination = destination(line, parameters.options)?;
    settings.logs.edit().all.push(Rc::new(Log {
        format,
        destination,
        condition: parameters.condition,
    }));
    Ok(())
}

/// What may follow path and format.
#[derive(Default)]
struct Parameters {
    options: LogOptions,
    condition: Option<Template>,
}

impl Parameters {
    fn read(line: &mut Line<'_>) -> Result<Self, Refused> {
        let mut parameters = Self::default();
        let options = &mut parameters.options;
        for index in 2..line.args().len() {
            let word = line.arg(index);
            if let Some(size) = word.strip_prefix(b"buffer=") {
                let parsed = base::units::parse_size(size).ok();
                options.buffer = Some(buffer_size(parsed, size)?);
            } else if let Some(time) = word.strip_prefix(b"flush=") {
                let parsed = base::units::parse_time_ms(time).ok();
                let parsed = parsed.filter(|time| *time > 0);
                options.flush = Some(parsed.ok_or_else(|| invalid("flush time", time))?);
            } else if let Some(level) = gzip_level(word) {
                options.gzip = Some(level?);
                let size = options.buffer.map_or(Some(GZIP_BUFFER), |_| None);
                if size.is_some() {
                    options.buffer = Some(buffer_size(size, b"")?);
                }
            } else if let Some(condition) = word.strip_prefix(b"if=") {
                parameters.condition = Some(line.compile(condition)?);
            } else {
                return Err(line.invalid_parameter(index));
            }
        }
        if options.flush.is_some() && options.buffer.is_none() {
            let path = lossy(line.arg(0));
            return Err(Refused::new(format!(
                "no buffer is defined for access_log \"{path}\""
            )));
        }
        Ok(parameters)
    }
}

fn buffer_size(size: Option<u64>, text: &[u8]) -> Result<usize, Refused> {
    size.and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
        .ok_or_else(|| invalid("buffer size", text))
}

/// The level of `gzip` or `gzip=level`; `None` for any other word.
fn gzip_level(word: &[u8]) -> Option<Result<u32, Refused>> {
    let rest = word.strip_prefix(b"gzip")?;
    if rest.is_empty() {
        return Some(Ok(1));
    }
    let text = rest.strip_prefix(b"=")?;
    let level = match text {
        [digit @ b'1'..=b'9'] => Ok(u32::from(digit - b'0')),
        _ => Err(invalid("compression level", text)),
    };
    Some(level)
}

fn invalid(what: &str, text: &[u8]) -> Refused {
    Refused::new(format!("invalid {what} \"{}\"", lossy(text)))
}

fn destination(line: &mut Line<'_>, options: LogOptions) -> Result<Destination, Refused> {
    let text = line.arg(0);
    let is_buffered = options.buffer.is_some();
    if text.starts_with(b"syslog:") {
        if is_buffered {
            return Err(Refused::new("logs to syslog cannot be buffered"));
        }
        let target = LogTarget::parse(line, text, options)?;
        return Ok(Destination::Fixed(target, OnceCell::new()));
    }
    if memchr::memchr(b'$', text).is_some() {
        if is_buffered {
            return Err(Refused::new("buffered logs cannot have variables in name"));
        }
        return Ok(Destination::Variable(VariablePath::new(line.template(0)?)));
    }
    let path = line.loading.full_path(text);
    let handle = line.loading.shared::<LogFiles>().handle(path, options);
    let handle = handle.map_err(|_| {
        let shown = lossy(text);
        Refused::new(format!(
            "access_log \"{shown}\" already defined with conflicting parameters"
        ))
    })?;
    Ok(Destination::Fixed(LogTarget::File(handle), OnceCell::new()))
}

/// `open_log_file_cache max=N [inactive=time] [min_uses=N] [valid=time] | off`
fn read_open_files(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let field = unset(&mut settings.open_files)?;
    let (mut max, mut inactive, mut min_uses, mut valid) = (None, 10, 1, 60);
    let mut is_off = false;
    for index in 0..line.args().len() {
        let word = line.arg(index);
        let invalid = || {
            let shown = lossy(word);
            Refused::new(format!(
                "invalid \"open_log_file_cache\" parameter \"{shown}\""
            ))
        };
        let (name, value) = match memchr::memchr(b'=', word) {
            Some(at) => word.split_at(at + 1),
            None => (word, &b""[..]),
        };
        match name {
            b"max=" => max = Some(base::units::parse_decimal(value).map_err(|_| invalid())?),
            b"inactive=" => {
                inactive = base::units::parse_time_sec(value).map_err(|_| invalid())?;
            }
            b"min_uses=" => min_uses = base::units::parse_decimal(value).map_err(|_| invalid())?,
            b"valid=" => valid = base::units::parse_time_sec(value).map_err(|_| invalid())?,
            b"off" => is_off = true,
            _ => return Err(invalid()),
        }
    }
    if is_off {
        field.set(None);
        return Ok(());
    }
    let max = max.and_then(|max| usize::try_from(max).ok());
    let Some(max) = max.filter(|max| *max > 0) else {
        return Err(Refused::new(
            "\"open_log_file_cache\" must have \"max\" parameter",
        ));
    };
    field.set(Some(Rc::new(OpenFiles::new(
        max, inactive, min_uses, valid,
    ))));
    Ok(())
}

/// Gives every server that names no log nginx's: `logs/access.log`, in the format `combined`.
pub(super) fn add_default(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let mut default = Settings::default();
    // The first level is `http` itself, which serves nothing.
    for level in finishing.arena.levels.iter_mut().skip(1) {
        let Some(settings) = SETTINGS.edit(&mut level.location) else {
            continue;
        };
        if settings.logs.is_set() {
            continue;
        }
        if !default.logs.is_set() {
            default.logs.set(default_logs(finishing.loading)?);
        }
        settings.logs.inherit(&default.logs);
    }
    Ok(())
}

fn default_logs(loading: &mut Loading) -> Result<Logs, Refused> {
    let format = find_format(loading, b"combined")?;
    let path = loading.full_path(DEFAULT_PATH);
    let files = loading.shared::<LogFiles>();
    let handle = files.handle(path, LogOptions::default())?;
    let log = Log {
        format,
        destination: Destination::Fixed(LogTarget::File(handle), OnceCell::new()),
        condition: None,
    };
    Ok(Logs {
        is_off: false,
        all: vec![Rc::new(log)],
    })
}
