//! Where logs go: files that are opened when a load has succeeded, and syslog servers.

use crate::address;
use crate::line::{Line, Refused};
use runtime::log::{
    Level, LogFile, LogOptions, LogSink, MemoryLog, Syslog, SyslogAddress, SyslogOptions,
};
use std::cell::{OnceCell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file that is opened once the whole configuration is known to be right, so that a broken
/// one leaves no trace. Logs that name one file with one set of options share it.
pub struct LogHandle {
    path: PathBuf,
    options: RefCell<LogOptions>,
    file: OnceCell<Rc<LogFile>>,
}

impl LogHandle {
    /// The file; `None` before it was opened.
    pub fn file(&self) -> Option<&Rc<LogFile>> {
        self.file.get()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// All log files of a load.
#[derive(Clone, Default)]
pub struct LogFiles {
    all: Vec<Rc<LogHandle>>,
}

impl LogFiles {
    /// The handle of `path`, shared with whoever named it before. Who asks for no buffer shares
    /// the one that another asked for.
    ///
    /// # Errors
    ///
    /// `access_log "..." already defined with conflicting parameters`.
    pub fn handle(&mut self, path: PathBuf, options: LogOptions) -> Result<Rc<LogHandle>, Refused> {
        if let Some(known) = self.all.iter().find(|handle| handle.path == path) {
            let mut of_known = known.options.borrow_mut();
            if of_known.buffer.is_none() {
                *of_known = options;
            } else if options.buffer.is_some()
                && (of_known.buffer, of_known.flush, of_known.gzip)
                    != (options.buffer, options.flush, options.gzip)
            {
                return Err(Refused::new(format!(
                    "access_log \"{}\" already defined with conflicting parameters",
                    path.display()
                )));
            }
            return Ok(Rc::clone(known));
        }
        let handle = Rc::new(LogHandle {
            path,
            options: RefCell::new(options),
            file: OnceCell::new(),
        });
        self.all.push(Rc::clone(&handle));
        Ok(handle)
    }

    /// Opens what is not open yet.
    ///
    /// # Errors
    ///
    /// The first file that cannot be opened, with what the system said.
    pub fn open(&self) -> Result<(), (PathBuf, io::Error)> {
        for handle in self.all.iter().filter(|handle| handle.file.get().is_none()) {
            let file = LogFile::open(handle.path.clone(), handle.options.borrow().clone())
                .map_err(|error| (handle.path.clone(), error))?;
            // It was empty a moment ago, and there is one thread.
            let _ = handle.file.set(file);
        }
        Ok(())
    }

    /// Opens all files anew, after they were renamed. Gives those that could not be.
    pub fn reopen(&self) -> Vec<(PathBuf, io::Error)> {
        let mut failed = Vec::new();
        for handle in &self.all {
            if let Some(Err(error)) = handle.file.get().map(|file| file.reopen()) {
                failed.push((handle.path.clone(), error));
            }
        }
        failed
    }

    /// Writes out what waits in buffers.
    pub fn flush(&self) {
        for file in self.all.iter().filter_map(|handle| handle.file.get()) {
            file.flush();
        }
    }

    /// The open files.
    pub fn iter(&self) -> impl Iterator<Item = &Rc<LogHandle>> {
        self.all.iter()
    }
}

/// Where one log goes.
#[derive(Clone)]
pub enum LogTarget {
    /// A file.
    File(Rc<LogHandle>),
    /// Standard error.
    Stderr(Rc<LogFile>),
    /// A syslog server.
    Syslog(Rc<Syslog>),
    /// A ring in memory.
    Memory(Rc<MemoryLog>),
}

impl LogTarget {
    /// Reads `stderr`, `syslog:...`, `memory:size` or a path.
    ///
    /// # Errors
    ///
    /// In nginx's words, where a syslog parameter or a size is wrong.
    pub fn parse(line: &mut Line<'_>, text: &[u8], options: LogOptions) -> Result<Self, Refused> {
        if text == b"stderr" {
            return Ok(Self::Stderr(stderr()?));
        }
        if let Some(parameters) = text.strip_prefix(b"syslog:") {
            let options = parse_syslog(&String::from_utf8_lossy(parameters))?;
            return Ok(Self::Syslog(Rc::new(Syslog::new(options))));
        }
        if let Some(size) = text.strip_prefix(b"memory:") {
            let size = base::units::parse_size(size)
                .ok()
                .and_then(|size| usize::try_from(size).ok());
            let size = size.filter(|&size| size > 0).ok_or_else(|| {
                let shown = String::from_utf8_lossy(text).into_owned();
                Refused::new(format!(
                    "invalid buffer size \"{}\"",
                    &shown["memory:".len()..]
                ))
            })?;
            return Ok(Self::Memory(Rc::new(MemoryLog::new(size))));
        }
        let path = line.loading.full_path(text);
        line.loading
            .shared::<LogFiles>()
            .handle(path, options)
            .map(Self::File)
    }

    /// Where lines are written; `None` while the file is not open.
    pub fn sink(&self) -> Option<LogSink> {
        Some(match self {
            Self::File(handle) => LogSink::File(Rc::clone(handle.file()?)),
            Self::Stderr(file) => LogSink::File(Rc::clone(file)),
            Self::Syslog(syslog) => LogSink::Syslog(Rc::clone(syslog)),
            Self::Memory(memory) => LogSink::Memory(Rc::clone(memory)),
        })
    }
}

/// Standard error as a log.
///
/// # Errors
///
/// `dup() failed`, when descriptors have run out.
pub fn stderr() -> Result<Rc<LogFile>, Refused> {
    use std::os::fd::AsFd;
    let fd = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Refused::new(format!("dup() of standard error failed ({error})")))?;
    Ok(LogFile::from_file(fd.into(), LogOptions::default()))
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv",
    "ftp", "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

const SEVERITIES: [(&str, Level); 8] = [
    ("emerg", Level::Emerg),
    ("alert", Level::Alert),
    ("crit", Level::Crit),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("notice", Level::Notice),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

/// Reads `server=...,facility=...,severity=...,tag=...,nohostname`.
fn parse_syslog(text: &str) -> Result<SyslogOptions, Refused> {
    let mut server = None;
    let mut options = SyslogOptions {
        address: SyslogAddress::Unix(PathBuf::new()),
        facility: 23,
        severity: Level::Info,
        tag: "nginx".to_owned(),
        hostname: Some(String::from_utf8_lossy(&sys::host::name()).into_owned()),
    };
    for parameter in text.split(',') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "server" => {
                if server.is_some() {
                    return Err(Refused::new("duplicate syslog \"server\""));
                }
                server = Some(syslog_address(value)?);
            }
            "facility" => {
                let found = FACILITIES.iter().position(|known| *known == value);
                let found = found.and_then(|at| u8::try_from(at).ok());
                options.facility = found
                    .ok_or_else(|| Refused::new(format!("unknown syslog facility \"{value}\"")))?;
            }
            "severity" => {
                let found = SEVERITIES.iter().find(|(known, _)| *known == value);
                options.severity = found
                    .map(|(_, level)| *level)
                    .ok_or_else(|| Refused::new(format!("unknown syslog severity \"{value}\"")))?;
            }
            "tag" => options.tag = syslog_tag(value)?,
            "nohostname" => options.hostname = None,
            _ => {
                return Err(Refused::new(format!(
                    "unknown syslog parameter \"{parameter}\""
                )));
            }
        }
    }
    options.address = server.ok_or_else(|| Refused::new("no syslog server specified"))?;
    Ok(options)
}

fn syslog_tag(value: &str) -> Result<String, Refused> {
    if value.len() > 32 {
        return Err(Refused::new("syslog tag length exceeds 32"));
    }
    if !value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(Refused::new(
            "syslog \"tag\" only allows alphanumeric characters and underscore",
        ));
    }
    Ok(value.to_owned())
}

fn syslog_address(value: &str) -> Result<SyslogAddress, Refused> {
    if let Some(path) = value.strip_prefix("unix:") {
        return Ok(SyslogAddress::Unix(path.into()));
    }
    let invalid = || Refused::new(format!("invalid syslog server \"{value}\""));
    let (host, port) = address::split_host(value).ok_or_else(invalid)?;
    let port = port
        .map_or(Some(514), |port| port.parse().ok())
        .ok_or_else(invalid)?;
    let ips = address::resolve(host)
        .ok_or_else(|| Refused::new(format!("host not found in syslog server \"{value}\"")))?;
    let ip = *ips.first().ok_or_else(invalid)?;
    Ok(SyslogAddress::Udp((ip, port).into()))
}
