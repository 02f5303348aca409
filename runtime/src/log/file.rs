//! A log file: appended to, reopened after rotation, never a reason for a request to fail.

use super::{now, os_error};
use crate::clock::Millis;
use crate::worker::Worker;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How lines are collected before they are written. Source: `access_log` of
/// ngx_http_log_module.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Bytes to collect (`buffer=`). `None` writes at the end of every turn.
    pub buffer: Option<usize>,
    /// Longest time a collected line waits, in milliseconds (`flush=`).
    pub flush: Option<Millis>,
    /// Level from 1 to 9 at which every full buffer is compressed (`gzip=`).
    pub gzip: Option<u32>,
}

/// Bytes collected in one turn before they are written without waiting for its end.
const TURN_BYTES: usize = 64 * 1024;

/// How long lines are dropped after a write failed, before the next attempt.
const RETRY_MS: Millis = 1000;

type ErrorHook = Rc<dyn Fn(&str)>;

thread_local! {
    /// Files with lines that wait for the end of the turn.
    static WAITING: RefCell<Vec<Rc<LogFile>>> = const { RefCell::new(Vec::new()) };
}

/// Writes the lines of this turn.
pub(crate) fn flush_turn() {
    if WAITING.with_borrow(Vec::is_empty) {
        return;
    }
    for file in WAITING.take() {
        file.is_waiting.set(false);
        file.flush();
    }
}

/// A file that lines are appended to. Shared by every log that names it.
pub struct LogFile {
    path: PathBuf,
    options: LogOptions,
    file: RefCell<File>,
    pending: RefCell<Vec<u8>>,
    /// Lines in `pending`.
    pending_lines: Cell<u64>,
    /// Somebody will flush it: the end of the turn, or a timer.
    is_waiting: Cell<bool>,
    dropped: Cell<u64>,
    retry_at: Cell<Millis>,
    on_error: RefCell<Option<ErrorHook>>,
}

impl LogFile {
    /// Opens `path` for appending, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open(path: impl Into<PathBuf>, options: LogOptions) -> io::Result<Rc<Self>> {
        let path = path.into();
        let file = open_to_append(&path, false)?;
        Ok(Self::new(path, file, options))
    }

    /// A log that goes to a descriptor which has no path of its own, such as standard error.
    /// Reopening leaves it as it is.
    pub fn from_file(file: File, options: LogOptions) -> Rc<Self> {
        Self::new(PathBuf::new(), file, options)
    }

    fn new(path: PathBuf, file: File, options: LogOptions) -> Rc<Self> {
        Rc::new(Self {
            path,
            options,
            file: RefCell::new(file),
            pending: RefCell::default(),
            pending_lines: Cell::new(0),
            is_waiting: Cell::new(false),
            dropped: Cell::new(0),
            retry_at: Cell::new(0),
            on_error: RefCell::default(),
        })
    }

    /// The path, empty for a log without one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lines lost since the start, because they could not be written.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Calls `hook` with a message when writing fails, at most once a second.
    pub fn set_error_hook(&self, hook: Rc<dyn Fn(&str)>) {
        self.on_error.replace(Some(hook));
    }

    /// Adds one line, given without its end.
    pub fn append(self: &Rc<Self>, line: &[u8]) {
        let limit = self.options.buffer.unwrap_or(TURN_BYTES);
        let mut pending = self.pending.borrow_mut();
        if !pending.is_empty() && pending.len() + line.len() >= limit {
            drop(pending);
            self.flush();
            pending = self.pending.borrow_mut();
        }
        pending.extend_from_slice(line);
        pending.push(b'\n');
        self.pending_lines.set(self.pending_lines.get() + 1);
        let is_full = pending.len() >= limit;
        drop(pending);
        if is_full || !self.will_be_flushed() {
            self.flush();
        }
    }

    /// Arranges for what is collected to be written. Without a worker there is nobody to.
    fn will_be_flushed(self: &Rc<Self>) -> bool {
        let Some(worker) = Worker::try_current() else {
            return self.options.buffer.is_some();
        };
        if self.is_waiting.get() {
            return true;
        }
        match (self.options.buffer, self.options.flush) {
            (None, _) => WAITING.with_borrow_mut(|waiting| waiting.push(Rc::clone(self))),
            (Some(_), None) => return true,
            (Some(_), Some(after)) => {
                let this = Rc::clone(self);
                let sleep = worker.sleep(after);
                worker.spawn(async move {
                    sleep.await;
                    this.is_waiting.set(false);
                    this.flush();
                });
            }
        }
        self.is_waiting.set(true);
        true
    }

    /// Writes one line, given without its end, past what is collected.
    pub fn write_now(&self, line: &[u8]) {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        self.write_out(&bytes, 1);
    }

    /// Writes what is collected.
    pub fn flush(&self) {
        let mut bytes = self.pending.take();
        let lines = self.pending_lines.take();
        if bytes.is_empty() {
            return;
        }
        match self.options.gzip.map(|level| compress(&bytes, level)) {
            None => self.write_out(&bytes, lines),
            Some(Ok(compressed)) => self.write_out(&compressed, lines),
            Some(Err(error)) => self.fail(&error, lines),
        }
        // Its room is used for the next lines, unless a burst made it large.
        bytes.clear();
        bytes.shrink_to(self.options.buffer.unwrap_or(TURN_BYTES));
        self.pending.replace(bytes);
    }

    fn write_out(&self, bytes: &[u8], lines: u64) {
        // A full disk is not asked again for every line.
        if now() < self.retry_at.get() {
            self.dropped.set(self.dropped.get() + lines);
            return;
        }
        let mut file = self.file.borrow_mut();
        if let Err(error) = file.write_all(bytes) {
            drop(file);
            self.fail(&error, lines);
        }
    }

    fn fail(&self, error: &io::Error, lines: u64) {
        self.dropped.set(self.dropped.get() + lines);
        self.retry_at.set(now() + RETRY_MS);
        let hook = self.on_error.borrow().clone();
        if let Some(hook) = hook {
            hook(&format!(
                "write() to \"{}\" failed ({}), {} lines lost so far",
                self.path.display(),
                os_error(error),
                self.dropped.get()
            ));
        }
    }

    /// Opens the path anew, after the file was renamed. What was collected goes to the old
    /// file. On failure the old file stays in use.
    ///
    /// # Errors
    ///
    /// The system's; `ELOOP` for a symbolic link where somebody else could have put it.
    pub fn reopen(&self) -> io::Result<()> {
        self.flush();
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let file = open_to_append(&self.path, others_may_replace(&self.path))?;
        self.file.replace(file);
        self.retry_at.set(0);
        Ok(())
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.flush();
    }
}

fn open_to_append(path: &Path, refuse_links: bool) -> io::Result<File> {
    let flags = if refuse_links { libc::O_NOFOLLOW } else { 0 };
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(flags)
        .open(path)
}

/// Whether the folder belongs to somebody who is neither root nor us, and who could put a link
/// to one of our files in the place of the log.
fn others_may_replace(path: &Path) -> bool {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // If it cannot be seen, opening will fail with a better error.
    std::fs::metadata(folder).is_ok_and(|folder| {
        let owner = folder.uid();
        owner != 0 && owner != sys::user::effective_user()
    })
}

/// One gzip member; a file of several is a valid gzip file.
fn compress(bytes: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let compressed = Vec::with_capacity(bytes.len() / 4);
    let mut encoder = GzEncoder::new(compressed, Compression::new(level.clamp(1, 9)));
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests;
