//! Where keys come from: files, and subrequests.

use super::settings::Settings;
use engine::Template;
use http::error::os_error;
use http::subrequest::{Nested, subrequest};
use http::{Request, redirect};
use jose::limits::KEYS_TEXT_MAX;
use jose::{Keys, Skipped};
use runtime::Millis;
use runtime::log::Level;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sys::file::Stat;

/// Nanoseconds that a file must have been left alone before its times tell whether it changed.
const SETTLED_NS: i64 = 2_000_000_000;

/// Keys that hold until a moment of the worker's clock, in milliseconds.
type Cached = RefCell<Option<(Millis, Arc<Keys>)>>;

/// `auth_jwt_key_file`
pub(super) struct KeyFile {
    folder: PathBuf,
    path: Template,
    cached: Cached,
    /// Keys that were read from a file as it still is, of a name without variables.
    unchanged: RefCell<Option<(Stat, Arc<Keys>)>>,
}

impl KeyFile {
    /// Keys in the file `path`, seen from `folder`.
    pub(super) fn new(folder: PathBuf, path: Template) -> Self {
        Self {
            folder,
            path,
            cached: RefCell::default(),
            unchanged: RefCell::default(),
        }
    }

    fn load(&self, request: &Request) -> Option<Arc<Keys>> {
        let path = self
            .folder
            .join(OsStr::from_bytes(&self.path.eval(request)));
        let is_constant = self.path.as_constant().is_some();
        let mut unchanged = self.unchanged.borrow_mut();
        if let Some((stat, keys)) = &*unchanged
            && sys::file::stat(path.as_path()).is_ok_and(|now| is_same(stat, &now))
        {
            return Some(Arc::clone(keys));
        }
        let read = read(&path);
        let (text, stat) = read
            .map_err(|error| {
                let (path, error) = (path.display(), os_error(&error));
                request.log(Level::Error, &format!("open() \"{path}\" failed ({error})"));
            })
            .ok()?;
        let keys = parse(request, &text, || format!("\"{}\"", path.display()))?;
        let wall_ns = sys::clock::wall().unix_secs.saturating_mul(1_000_000_000);
        let is_settled = wall_ns.saturating_sub(stat.ctime_ns.max(stat.mtime_ns)) > SETTLED_NS;
        *unchanged = (is_constant && is_settled).then(|| (stat, Arc::clone(&keys)));
        Some(keys)
    }
}

fn is_same(kept: &Stat, now: &Stat) -> bool {
    (kept.dev, kept.ino, kept.size, kept.mtime_ns, kept.ctime_ns)
        == (now.dev, now.ino, now.size, now.mtime_ns, now.ctime_ns)
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Stat)> {
    let file = File::open(path)?;
    let stat = sys::file::stat_of(file.as_fd())?;
    let mut text = Vec::new();
    // One byte more than is allowed tells that it is too long.
    file.take(KEYS_TEXT_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok((text, stat))
}

/// `auth_jwt_key_request`
pub(super) struct KeyRequest {
    uri: Template,
    cached: Cached,
    /// The last answer to a URI without variables, and the keys in it: the same answer has the
    /// same keys.
    last: RefCell<Option<(Vec<u8>, Arc<Keys>)>>,
}

impl KeyRequest {
    /// Keys in the answer of `uri`.
    pub(super) fn new(uri: Template) -> Self {
        Self {
            uri,
            cached: RefCell::default(),
            last: RefCell::default(),
        }
    }

    async fn load(&self, request: &mut Request) -> Option<Arc<Keys>> {
        let uri = self.uri.eval(request);
        let (path, args) = redirect::split_args(&uri);
        let mut question = subrequest(request, path.to_vec(), args.to_vec()).ok()?;
        question.body = None;
        let shown = String::from_utf8_lossy(&uri).into_owned();
        let Ok((status, text)) = Nested::new(question).into_memory().await else {
            request.log(
                Level::Error,
                &format!("no keys could be had of \"{shown}\""),
            );
            return None;
        };
        if status != 200 {
            let message = format!("key request \"{shown}\" unexpected status: {status}");
            request.log(Level::Error, &message);
            return None;
        }
        if let Some((answer, keys)) = &*self.last.borrow()
            && *answer == text
        {
            return Some(Arc::clone(keys));
        }
        let keys = parse(request, &text, || format!("\"{shown}\""))?;
        let is_constant = self.uri.as_constant().is_some();
        *self.last.borrow_mut() = is_constant.then(|| (text, Arc::clone(&keys)));
        Some(keys)
    }
}

/// All keys of a location. `None`, which is logged, when some cannot be had, or there are none.
pub(super) async fn load(request: &mut Request, settings: &Settings) -> Option<Vec<Arc<Keys>>> {
    let now = request.connection.http.worker.now();
    let until = now.saturating_add(*settings.key_cache);
    let mut sets = Vec::with_capacity(settings.files.len() + settings.requests.len());
    for file in settings.files.iter() {
        let keys = match fresh(&file.cached, now) {
            Some(keys) => keys,
            None => keep(&file.cached, &file.path, (now, until), file.load(request)?),
        };
        sets.push(keys);
    }
    for source in settings.requests.iter() {
        let keys = match fresh(&source.cached, now) {
            Some(keys) => keys,
            None => {
                let keys = source.load(request).await?;
                keep(&source.cached, &source.uri, (now, until), keys)
            }
        };
        sets.push(keys);
    }
    if sets.is_empty() {
        request.log(
            Level::Error,
            "no keys are configured for JWT authentication",
        );
        return None;
    }
    Some(sets)
}

/// The keys that still hold.
fn fresh(cached: &Cached, now: Millis) -> Option<Arc<Keys>> {
    let cached = cached.borrow();
    let (until, keys) = cached.as_ref()?;
    (now < *until).then(|| Arc::clone(keys))
}

/// Keeps `keys` for the time that they hold, if it is not over at once; not those of a place
/// whose name differs from request to request.
fn keep(
    cached: &Cached,
    place: &Template,
    (now, until): (Millis, Millis),
    keys: Arc<Keys>,
) -> Arc<Keys> {
    if until > now && place.as_constant().is_some() {
        *cached.borrow_mut() = Some((until, Arc::clone(&keys)));
    }
    keys
}

fn parse(request: &Request, text: &[u8], place: impl Fn() -> String) -> Option<Arc<Keys>> {
    match Keys::parse(text) {
        Ok(keys) => {
            warn_of(request, keys.skipped(), &place);
            Some(Arc::new(keys))
        }
        Err(error) => {
            let message = format!("invalid keys in {}: {error}", place());
            request.log(Level::Error, &message);
            None
        }
    }
}

/// Most broken keys of one set that are logged one by one.
const WARNINGS_MAX: usize = 8;

/// Tells of keys that nothing is verified by.
fn warn_of(request: &Request, skipped: &[Skipped], place: impl Fn() -> String) {
    for key in skipped.iter().take(WARNINGS_MAX) {
        let message = format!("invalid key in {} is ignored: {key}", place());
        request.log(Level::Warn, &message);
    }
    if let Some(more @ 1..) = skipped.len().checked_sub(WARNINGS_MAX) {
        let message = format!("{more} more invalid keys in {} are ignored", place());
        request.log(Level::Warn, &message);
    }
}
