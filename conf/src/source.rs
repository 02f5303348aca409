//! The one interface through which everything is read at load time, and an in-memory one.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::glob;

/// What a configuration is read from: the file system, a bundle, or a test's memory.
pub trait Source {
    /// All bytes of a file.
    ///
    /// # Errors
    ///
    /// Those of opening and reading it; the operating system's number is shown to the operator.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// When a file was last changed, and how large it is.
    ///
    /// # Errors
    ///
    /// Those of asking for it.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// The existing paths that match a pattern, sorted by their bytes. No match is an empty list.
    ///
    /// # Errors
    ///
    /// A directory on the way that exists but cannot be listed.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// When it was last changed.
    pub modified: SystemTime,
    /// Its size in bytes.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
}

/// Files held in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    files: BTreeMap<PathBuf, Vec<u8>>,
    changes: BTreeMap<PathBuf, SystemTime>,
}

impl MemorySource {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or replaces it.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Says when a file was changed: else that was at the beginning of Unix time.
    #[must_use]
    pub fn changed_at(mut self, path: impl Into<PathBuf>, time: SystemTime) -> Self {
        self.changes.insert(path.into(), time);
        self
    }
}

impl Source for MemorySource {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let text = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let modified = self.changes.get(path).copied();
        Ok(Stamp {
            modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
            size: u64::try_from(text.len()).unwrap_or(u64::MAX),
            mode: 0o644,
        })
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let matches = |path: &&PathBuf| {
            glob::matches(pattern.as_os_str().as_bytes(), path.as_os_str().as_bytes())
        };
        Ok(self.files.keys().filter(matches).cloned().collect())
    }
}
