//! Hot files, looked at on disk before every use: small ones in memory, others open.

use super::open::{Content, Found, Opened};
use base::hash::BuildQuick;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::rc::Rc;
use sys::file::Stat;

/// Bytes of files that one worker keeps in memory.
const BYTES_MAX: u64 = 4 << 20;

/// Files that one worker keeps.
const ENTRIES_MAX: usize = 1024;

/// Of these, files that it keeps open.
const OPEN_MAX: usize = 64;

/// Milliseconds after which a file that nobody asked for is let go, so that a deleted file
/// gives its space back soon.
const UNUSED_MILLIS: u64 = 5_000;

/// Nanoseconds that a file must have been left alone before its times tell whether it
/// changed: they are only as fine as the kernel's clock tick.
const SETTLED_NS: i64 = 2_000_000_000;

/// Hot files by path.
#[derive(Clone, Default)]
pub(crate) struct FileCache {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: RefCell<HashMap<OsString, Entry, BuildQuick>>,
    bytes: Cell<u64>,
    open: Cell<usize>,
    is_swept: Cell<bool>,
}

struct Entry {
    stat: Stat,
    found: Found,
    /// Whether it was asked for since the last sweep.
    is_used: Cell<bool>,
}

impl Entry {
    fn is_open_file(&self) -> bool {
        matches!(self.found.content, Content::File { .. })
    }
}

impl FileCache {
    /// The file at `path` if it is here and unchanged on disk, else what `open` gives, which
    /// is kept if there is room.
    ///
    /// # Errors
    ///
    /// What `open` fails with.
    pub(crate) fn find(
        &self,
        path: &Path,
        open: impl FnOnce() -> io::Result<(Opened, Option<Stat>)>,
    ) -> io::Result<Opened> {
        if let Some(entry) = self.inner.entries.borrow().get(path.as_os_str())
            && let Ok(now) = sys::file::stat(path)
            && is_same(&entry.stat, &now)
        {
            entry.is_used.set(true);
            return Ok(Opened::File(entry.found.clone()));
        }
        self.remove(path);
        let (opened, stat) = open()?;
        if let (Opened::File(found), Some(stat)) = (&opened, stat)
            && is_settled(&stat)
        {
            self.insert(path, stat, found.clone());
        }
        Ok(opened)
    }

    fn insert(&self, path: &Path, stat: Stat, found: Found) {
        let inner = &self.inner;
        let entry = Entry {
            stat,
            found,
            is_used: Cell::new(true),
        };
        let (bytes, open) = if entry.is_open_file() {
            (0, 1)
        } else {
            (stat.size, 0)
        };
        if inner.entries.borrow().len() >= ENTRIES_MAX
            || inner.bytes.get() + bytes > BYTES_MAX
            || inner.open.get() + open > OPEN_MAX
        {
            // Starting over is simple, and the files that are asked for most come back first.
            self.sweep(|_| false);
        }
        inner.bytes.set(inner.bytes.get() + bytes);
        inner.open.set(inner.open.get() + open);
        inner
            .entries
            .borrow_mut()
            .insert(path.as_os_str().to_owned(), entry);
        self.start_sweeping();
    }

    fn remove(&self, path: &Path) {
        let removed = self.inner.entries.borrow_mut().remove(path.as_os_str());
        if let Some(entry) = removed {
            self.forget(&entry);
        }
    }

    fn forget(&self, entry: &Entry) {
        let inner = &self.inner;
        if entry.is_open_file() {
            inner.open.set(inner.open.get() - 1);
        } else {
            inner.bytes.set(inner.bytes.get() - entry.stat.size);
        }
    }

    /// Lets go of the entries that `keep` does not want.
    fn sweep(&self, keep: impl Fn(&Entry) -> bool) {
        self.inner.entries.borrow_mut().retain(|_, entry| {
            let is_kept = keep(entry);
            if !is_kept {
                self.forget(entry);
            }
            is_kept
        });
    }

    /// Sweeps from time to time while there is something to sweep.
    fn start_sweeping(&self) {
        let Some(worker) = runtime::Worker::try_current() else {
            return;
        };
        if self.inner.is_swept.replace(true) {
            return;
        }
        let cache = self.clone();
        worker.on_timer_every(UNUSED_MILLIS, move || {
            cache.sweep(|entry| entry.is_used.replace(false));
            let goes_on = !cache.inner.entries.borrow().is_empty();
            cache.inner.is_swept.set(goes_on);
            goes_on
        });
    }
}

fn is_same(kept: &Stat, now: &Stat) -> bool {
    kept.ino == now.ino
        && kept.dev == now.dev
        && kept.size == now.size
        && kept.mtime_ns == now.mtime_ns
        && kept.ctime_ns == now.ctime_ns
        && kept.mode == now.mode
}

/// Whether a change after this look would show in the file's times.
fn is_settled(stat: &Stat) -> bool {
    let now_ns = sys::clock::wall().unix_secs.saturating_mul(1_000_000_000);
    now_ns.saturating_sub(stat.ctime_ns.max(stat.mtime_ns)) > SETTLED_NS
}
