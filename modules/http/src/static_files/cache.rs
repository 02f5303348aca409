//! Small files in memory, looked at on disk before every use.

use super::open::{Content, Found, Opened, SMALL};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use sys::file::Stat;

/// Bytes of files that one worker keeps.
const BYTES_MAX: u64 = 4 << 20;

/// Files that one worker keeps.
const ENTRIES_MAX: usize = 1024;

/// Nanoseconds that a file must have been left alone before its times tell whether it
/// changed: they are only as fine as the kernel's clock tick.
const SETTLED_NS: i64 = 2_000_000_000;

/// Small files by path.
#[derive(Default)]
pub(crate) struct FileCache {
    entries: RefCell<HashMap<OsString, Entry>>,
    bytes: Cell<u64>,
}

struct Entry {
    stat: Stat,
    found: Found,
}

impl FileCache {
    /// The file at `path` if it is here and unchanged on disk, else what `open` gives, which
    /// is kept if it is small.
    ///
    /// # Errors
    ///
    /// What `open` fails with.
    pub(crate) fn find(
        &self,
        path: &Path,
        open: impl FnOnce() -> io::Result<(Opened, Option<Stat>)>,
    ) -> io::Result<Opened> {
        if let Some(entry) = self.entries.borrow().get(path.as_os_str())
            && let Ok(now) = sys::file::stat(path)
            && is_same(&entry.stat, &now)
        {
            return Ok(Opened::File(entry.found.clone()));
        }
        self.remove(path);
        let (opened, stat) = open()?;
        if let (Opened::File(found), Some(stat)) = (&opened, stat)
            && matches!(found.content, Content::Memory(_))
            && is_settled(&stat)
        {
            self.insert(path, stat, found.clone());
        }
        Ok(opened)
    }

    fn insert(&self, path: &Path, stat: Stat, found: Found) {
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= ENTRIES_MAX || self.bytes.get() + stat.size > BYTES_MAX {
            // Starting over is simple, and the files that are asked for most come back first.
            entries.clear();
            self.bytes.set(0);
        }
        self.bytes.set(self.bytes.get() + stat.size);
        entries.insert(path.as_os_str().to_owned(), Entry { stat, found });
    }

    fn remove(&self, path: &Path) {
        if let Some(entry) = self.entries.borrow_mut().remove(path.as_os_str()) {
            self.bytes.set(self.bytes.get() - entry.stat.size);
        }
    }
}

fn is_same(kept: &Stat, now: &Stat) -> bool {
    kept.ino == now.ino
        && kept.dev == now.dev
        && kept.size == now.size
        && kept.mtime_ns == now.mtime_ns
        && kept.ctime_ns == now.ctime_ns
}

/// Whether a change after this look would show in the file's times.
fn is_settled(stat: &Stat) -> bool {
    let wall = sys::clock::wall();
    let now_ns = wall.unix_secs.saturating_mul(1_000_000_000);
    stat.size <= SMALL && now_ns.saturating_sub(stat.ctime_ns.max(stat.mtime_ns)) > SETTLED_NS
}
