//! `open_file_cache`: open files, and failures to open, remembered for a while.

use crate::static_files::{Opened, open_checked, open_now};
use http::Request;
use http::core::files::{FileCacheLimits, Files, SymlinkPolicy};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use sys::file::Stat;

thread_local! {
    /// The caches of this worker, by their bounds: locations with the same bounds share one,
    /// as those that inherit one directive do.
    static CACHES: RefCell<Vec<(FileCacheLimits, Cache)>> = const { RefCell::new(Vec::new()) };
}

/// One cache.
#[derive(Default)]
struct Cache {
    entries: HashMap<OsString, Entry>,
}

struct Entry {
    /// `None` while uses are counted, before there are enough of them.
    outcome: Option<Result<Opened, i32>>,
    stat: Option<Stat>,
    /// Milliseconds of the loop's clock.
    checked_at: u64,
    used_at: u64,
    uses: u64,
}

/// The file at `path`, from the cache where that is still trusted.
///
/// # Errors
///
/// The system's, remembered or new.
pub(crate) fn find(
    request: &Request,
    settings: &Files,
    limits: FileCacheLimits,
    path: &Path,
) -> io::Result<Opened> {
    let now = request.connection.http.worker.now();
    CACHES.with_borrow_mut(|caches| {
        let at = caches
            .iter()
            .position(|(known, _)| *known == limits)
            .unwrap_or_else(|| {
                caches.push((limits, Cache::default()));
                caches.len() - 1
            });
        caches[at].1.find(request, settings, limits, path, now)
    })
}

impl Cache {
    fn find(
        &mut self,
        request: &Request,
        settings: &Files,
        limits: FileCacheLimits,
        path: &Path,
        now: u64,
    ) -> io::Result<Opened> {
        if let Some(entry) = self.entries.get_mut(path.as_os_str()) {
            entry.uses += 1;
            let valid_ms = settings.open_file_cache_valid.saturating_mul(1000);
            let is_trusted = now.saturating_sub(entry.checked_at) < valid_ms;
            if let Some(outcome) = &entry.outcome
                && (is_trusted || entry.is_unchanged(path))
            {
                let outcome = outcome.clone();
                if !is_trusted {
                    entry.checked_at = now;
                }
                entry.used_at = now;
                return outcome.map_err(io::Error::from_raw_os_error);
            }
        }
        let uses = self
            .entries
            .remove(path.as_os_str())
            .map_or(1, |entry| entry.uses);
        let opened = open(request, settings, path);
        let (outcome, stat) = match &opened {
            Ok((opened, stat)) => (Ok(opened.clone()), *stat),
            Err(error) => (Err(error.raw_os_error().unwrap_or(0)), None),
        };
        let is_kept = match &outcome {
            Ok(_) => uses >= *settings.open_file_cache_min_uses,
            Err(code) => *settings.open_file_cache_errors && *code != 0,
        };
        if is_kept || uses < *settings.open_file_cache_min_uses {
            self.make_room(limits, now);
            let entry = Entry {
                outcome: is_kept.then_some(outcome),
                stat,
                checked_at: now,
                used_at: now,
                uses,
            };
            self.entries.insert(path.as_os_str().to_owned(), entry);
        }
        opened.map(|(opened, _)| opened)
    }

    /// Drops what was not used for long, and when that is not enough, the least recent.
    fn make_room(&mut self, limits: FileCacheLimits, now: u64) {
        if self.entries.len() < limits.max {
            return;
        }
        let inactive_ms = limits.inactive.saturating_mul(1000);
        self.entries
            .retain(|_, entry| now.saturating_sub(entry.used_at) < inactive_ms);
        while self.entries.len() >= limits.max {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used_at);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else {
                break;
            };
            self.entries.remove(&path);
        }
    }
}

impl Entry {
    /// Looks at the file again after `open_file_cache_valid`.
    fn is_unchanged(&self, path: &Path) -> bool {
        match (&self.stat, sys::file::stat(path)) {
            (Some(kept), Ok(now)) => {
                (kept.ino, kept.dev, kept.size, kept.mtime_ns, kept.ctime_ns)
                    == (now.ino, now.dev, now.size, now.mtime_ns, now.ctime_ns)
            }
            _ => false,
        }
    }
}

fn open(request: &Request, settings: &Files, path: &Path) -> io::Result<(Opened, Option<Stat>)> {
    if settings.disable_symlinks.policy == SymlinkPolicy::Off {
        open_now(settings, path)
    } else {
        open_checked(request, settings, path).map(|opened| (opened, None))
    }
}
