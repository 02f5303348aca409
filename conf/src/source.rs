//! The one interface through which everything is read at load time, and an in-memory one.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::glob;

/// What a configuration is read from: the file system, a bundle, or a test's memory.
pub trait Source {
    /// All bytes of a file.
    ///
    /// # Errors
    ///
    /// Those of opening and reading it; the operating system's number is shown to the operator.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The existing paths that match a pattern, sorted by their bytes. No match is an empty list.
    ///
    /// # Errors
    ///
    /// A directory on the way that exists but cannot be listed.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// Files held in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    files: BTreeMap<PathBuf, Vec<u8>>,
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
}

impl Source for MemorySource {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let matches = |path: &&PathBuf| {
            glob::matches(pattern.as_os_str().as_bytes(), path.as_os_str().as_bytes())
        };
        Ok(self.files.keys().filter(matches).cloned().collect())
    }
}
