//! Logs whose path has variables: opened for a line, or kept open by `open_log_file_cache`.

use super::settings::SETTINGS;
use engine::Template;
use http::Request;
use http::core::files::{self, SymlinkPolicy};
use http::error::os_error;
use runtime::Millis;
use runtime::log::{Level, LogFile, LogOptions};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A path that each request names.
pub(super) struct VariablePath {
    template: Template,
}

impl VariablePath {
    /// The path that `template` says, under the prefix unless it is absolute.
    pub(super) fn new(template: Template) -> Self {
        Self { template }
    }

    fn of(&self, request: &Request) -> PathBuf {
        let path = self.template.eval(request);
        let prefix = &request.connection.http.prefix;
        prefix.join(Path::new(OsStr::from_bytes(&path)))
    }
}

/// Writes `line` to the file that `request` names. What fails is logged and nothing else: a
/// log is no reason for trouble.
///
/// A request whose root folder does not exist writes nothing, so that clients cannot make
/// files by asking for hosts that there are not. Source: nginx documentation, `access_log`.
pub(super) fn write(path: &VariablePath, request: &Request, line: &[u8]) {
    let root = files::document_root(request);
    let is_folder = crate::file_test::stat(request, &root).and_then(|root| {
        if root.is_directory() {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::NotADirectory))
        }
    });
    if let Err(error) = is_folder {
        let (shown, error) = (root.display(), os_error(&error));
        request.log(
            Level::Error,
            &format!("testing \"{shown}\" existence failed ({error})"),
        );
        return;
    }
    let path = path.of(request);
    let location = Rc::clone(&request.location);
    let now = request.connection.http.worker.now();
    let open = |path: &Path| open(request, path);
    let written = match &*SETTINGS.of(&location.settings).open_files {
        Some(cache) => cache
            .open(&path, now, open)
            .map(|opened| opened.write(line)),
        None => open(&path).map(|file| file.write_now(line)),
    };
    if let Err(error) = written {
        let (shown, error) = (path.display(), os_error(&error));
        request.log(Level::Crit, &format!("open() \"{shown}\" failed ({error})"));
    }
}

/// Opens a log, without following links that `disable_symlinks` refuses.
fn open(request: &Request, path: &Path) -> io::Result<Rc<LogFile>> {
    let location = Rc::clone(&request.location);
    let symlinks = &*location.files.disable_symlinks;
    if symlinks.policy == SymlinkPolicy::Off {
        return LogFile::open(path, LogOptions::default());
    }
    let from = symlinks.from.as_ref().map(|from| from.eval(request));
    let file = crate::symlinks::open_to_append(path, from.as_deref(), symlinks.policy)?;
    Ok(LogFile::from_file(file.into(), LogOptions::default()))
}

/// Files kept open, those used longest ago given up first.
pub(super) struct OpenFiles {
    /// Most entries.
    max: usize,
    /// Milliseconds after which an unused entry is dropped.
    inactive: Millis,
    /// Uses from which on a file stays open.
    min_uses: u64,
    /// Milliseconds after which an open file is opened anew, in case it was renamed.
    valid: Millis,
    entries: RefCell<Entries>,
}

#[derive(Default)]
struct Entries {
    by_path: HashMap<Rc<Path>, Entry>,
    /// Paths by the number of their last use.
    by_use: BTreeMap<u64, Rc<Path>>,
    uses: u64,
}

struct Entry {
    /// The file; `None` until it was used often enough.
    file: Option<Rc<LogFile>>,
    uses: u64,
    last_use: u64,
    used: Millis,
    opened: Millis,
}

/// A file opened for one line.
pub(super) struct Opened {
    file: Rc<LogFile>,
    is_kept: bool,
}

impl Opened {
    fn write(&self, line: &[u8]) {
        if self.is_kept {
            self.file.append(line);
        } else {
            self.file.write_now(line);
        }
    }
}

impl OpenFiles {
    /// A cache without files; times in seconds.
    pub(super) fn new(max: usize, inactive: u64, min_uses: u64, valid: u64) -> Self {
        Self {
            max,
            inactive: inactive.saturating_mul(1000),
            min_uses,
            valid: valid.saturating_mul(1000),
            entries: RefCell::default(),
        }
    }

    /// The file at `path`, from the cache if it is there; otherwise as `open` opens it.
    ///
    /// # Errors
    ///
    /// Those of `open`.
    pub(super) fn open(
        &self,
        path: &Path,
        now: Millis,
        open: impl FnOnce(&Path) -> io::Result<Rc<LogFile>>,
    ) -> io::Result<Opened> {
        let mut entries = self.entries.borrow_mut();
        entries.drop_inactive(now.saturating_sub(self.inactive));
        let known = entries.by_path.get(path);
        let (file, opened) = match known.and_then(|entry| Some((entry.file.clone()?, entry.opened)))
        {
            Some((file, opened)) if now.saturating_sub(opened) <= self.valid => (file, opened),
            // What cannot be opened takes no other file's place.
            _ => (open(path)?, now),
        };
        let entry = entries.used(path, now, self.max);
        entry.opened = opened;
        let is_kept = entry.uses >= self.min_uses;
        if is_kept {
            entry.file = Some(Rc::clone(&file));
        }
        Ok(Opened { file, is_kept })
    }
}

impl Entries {
    /// Drops what was last used before `limit`.
    fn drop_inactive(&mut self, limit: Millis) {
        while let Some(oldest) = self.by_use.first_entry() {
            let is_idle = self
                .by_path
                .get(oldest.get())
                .is_none_or(|entry| entry.used < limit);
            if !is_idle {
                return;
            }
            self.by_path.remove(&oldest.remove());
        }
    }

    /// The entry of `path`, counted as used; a new one takes the place of the oldest when
    /// there are `max`.
    fn used(&mut self, path: &Path, now: Millis, max: usize) -> &mut Entry {
        self.uses += 1;
        let number = self.uses;
        let path = match self.by_path.get_key_value(path) {
            Some((path, entry)) => {
                let path = Rc::clone(path);
                self.by_use.remove(&entry.last_use);
                path
            }
            None => {
                if self.by_path.len() >= max
                    && let Some((_, oldest)) = self.by_use.pop_first()
                {
                    self.by_path.remove(&oldest);
                }
                Rc::from(path)
            }
        };
        self.by_use.insert(number, Rc::clone(&path));
        let entry = self.by_path.entry(path).or_insert(Entry {
            file: None,
            uses: 0,
            last_use: number,
            used: now,
            opened: now,
        });
        entry.uses += 1;
        entry.last_use = number;
        entry.used = now;
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &Path) -> io::Result<Rc<LogFile>> {
        LogFile::open(path, LogOptions::default())
    }

    fn folder() -> PathBuf {
        let name = format!(
            "tidegate-open-logs-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Files that were used often enough outlive their folder; the one used longest ago had to
    /// go, and one used once was never kept.
    #[test]
    fn kept_files_need_no_path() {
        let folder = folder();
        let cache = OpenFiles::new(3, 20, 2, 60);
        let uses = ["lru", "lru", "once", "first", "first", "second", "second"];
        for name in uses {
            cache.open(&folder.join(name), 0, plain).unwrap();
        }
        std::fs::remove_dir_all(&folder).unwrap();
        let is_open = |name: &str| cache.open(&folder.join(name), 1, plain).is_ok();
        let open: Vec<bool> = ["lru", "once", "first", "second"].map(is_open).into();
        assert_eq!(open, [false, false, true, true]);
    }

    #[test]
    fn idle_files_are_dropped_and_old_ones_opened_anew() {
        let folder = folder();
        let cache = OpenFiles::new(3, 20, 1, 10);
        let path = folder.join("log");
        cache.open(&path, 0, plain).unwrap();
        std::fs::remove_file(&path).unwrap();
        cache.open(&path, 10_000, plain).unwrap();
        assert!(!path.exists(), "still the first file");
        cache.open(&path, 10_001, plain).unwrap();
        assert!(path.exists(), "opened anew");
        cache.open(&folder.join("other"), 31_000, plain).unwrap();
        assert_eq!(cache.entries.borrow().by_path.len(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
