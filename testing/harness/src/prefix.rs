//! A folder of its own for every server, gone when the server is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// When every file made here claims to have been changed: 2024-01-01 00:00:00 UTC. Two servers
/// that serve copies of a file must agree on its `Last-Modified` and `ETag`.
const FILE_TIME: Duration = Duration::from_secs(1_704_067_200);

/// Tells apart the folders of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A temporary folder that workers of any user can read, removed on drop.
#[derive(Debug)]
pub struct Prefix {
    path: PathBuf,
}

impl Prefix {
    /// Makes an empty folder under the system's temporary folder, with `logs/` and `html/` in it.
    ///
    /// # Panics
    ///
    /// When the temporary folder cannot be written to.
    #[must_use]
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidegate-test-{}-{number}", std::process::id());
        let prefix = Self {
            path: std::env::temp_dir().join(name),
        };
        // A leftover of a process that had the same id and was killed.
        let _ = fs::remove_dir_all(&prefix.path);
        for folder in ["", "logs", "html"] {
            prefix.make_folder(&prefix.path.join(folder));
        }
        prefix
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes` to `name` below the folder, with the same time for every file.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            self.make_folder(parent);
        }
        let time = SystemTime::UNIX_EPOCH + FILE_TIME;
        let written = fs::write(&path, bytes)
            .and_then(|()| fs::OpenOptions::new().write(true).open(&path))
            .and_then(|file| file.set_modified(time));
        assert!(
            written.is_ok(),
            "cannot write {}: {written:?}",
            path.display()
        );
        path
    }

    /// What `name` below the folder holds; empty when there is no such file.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Makes `folder` and what lies between it and the prefix, readable to all: a master that is
    /// root gives its workers to another user.
    fn make_folder(&self, folder: &Path) {
        let made = fs::create_dir_all(folder);
        assert!(made.is_ok(), "cannot make {}: {made:?}", folder.display());
        let inside = folder
            .ancestors()
            .take_while(|step| step.starts_with(&self.path));
        for step in inside {
            let opened = fs::set_permissions(step, fs::Permissions::from_mode(0o755));
            assert!(
                opened.is_ok(),
                "cannot open {} to all: {opened:?}",
                step.display()
            );
        }
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
