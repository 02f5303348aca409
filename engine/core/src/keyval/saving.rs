//! Keeps the state file up to date.
//!
//! A worker that has changed a pair writes all pairs a moment later, in a thread, under another
//! name that is then given to the file; however often they change meanwhile, and whoever does.
//! One process at a time writes. What a worker still had to write when it ends it writes then.

use super::head::Head;
use super::{Keyval, Pair, state};
use runtime::{BlockingPool, Millis, Worker};
use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use sys::clock::monotonic_ms;

/// Milliseconds from a change until it is written.
const DELAY: Millis = 100;

/// For how many times as long as it took nothing is written again.
const REST: Millis = 10;

/// Milliseconds after which a process that writes is taken for dead.
const CLAIM: Millis = 10_000;

/// Where and by whom pairs are written.
pub(super) struct Saving {
    path: PathBuf,
    /// Whether a task of this process will write.
    is_planned: Cell<bool>,
    /// Held by whichever thread of this process writes.
    file: Arc<Mutex<()>>,
}

impl Saving {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            is_planned: Cell::new(false),
            file: Arc::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What there is to write.
enum Claim {
    Nothing,
    /// Another process is at it.
    Other,
    /// This version.
    Own(u64, Vec<Pair>),
}

impl Keyval {
    /// Reads the pairs of a state file into an empty zone; there need not be a file yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read or understood, or its pairs not be taken, in words.
    pub fn load(&self, source: &dyn conf::Source) -> Result<(), String> {
        let Some(saving) = &self.saving else {
            return Ok(());
        };
        let text = match source.read(&saving.path) {
            Ok(text) if !text.trim_ascii().is_empty() => text,
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("open() failed ({error})")),
        };
        let pairs = state::decode(&text, wall_ms())?;
        self.fill(&pairs, monotonic_ms())
            .map_err(|refusal| refusal.to_string())
    }

    /// Sees to it that what has changed is written to the state file soon, on a thread of
    /// `pool`; `report` is told when it cannot be.
    pub fn save_soon(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        pool: &Rc<BlockingPool>,
        report: impl Fn(&str) + 'static,
    ) {
        let Some(saving) = &self.saving else {
            return;
        };
        if saving.is_planned.replace(true) {
            return;
        }
        let save = Save {
            keyval: Rc::clone(self),
            is_done: false,
            report: Box::new(report),
        };
        worker.spawn(save.run(Rc::downgrade(worker), Rc::clone(pool)));
    }

    /// Whether pairs have changed that are in no state file yet.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        let head = Head::read(&self.map.lock());
        self.saving.is_some() && head.saved != head.version
    }

    /// Makes this process the one that writes, if there is something to write.
    fn claim(&self, is_last: bool) -> Claim {
        let now = monotonic_ms();
        let mut guard = self.map.lock();
        let mut head = Head::read(&guard);
        if head.saved == head.version {
            return Claim::Nothing;
        }
        let own = u64::from(sys::process::id());
        let is_free = head.writer == 0 || head.writer == own;
        if !is_free && !is_last && now < head.since.saturating_add(CLAIM) {
            return Claim::Other;
        }
        (head.writer, head.since) = (own, now);
        // Without room for it nobody is kept from writing.
        let _ = head.write(&mut guard);
        Claim::Own(head.version, self.pairs_of(&mut guard, now))
    }

    /// Notes that `version` was written, or could not be.
    fn release(&self, version: u64, is_written: bool) {
        let mut guard = self.map.lock();
        let mut head = Head::read(&guard);
        if head.writer != u64::from(sys::process::id()) {
            // Somebody else thought us dead, and may have been faster: once more.
            head.version += 1;
        } else {
            head.writer = 0;
            if is_written {
                head.saved = version;
            }
        }
        let _ = head.write(&mut guard);
    }
}

/// Writes until nothing is left to write, and at the latest when it is dropped.
struct Save {
    keyval: Rc<Keyval>,
    is_done: bool,
    report: Box<dyn Fn(&str)>,
}

impl Save {
    async fn run(mut self, worker: std::rc::Weak<Worker>, pool: Rc<BlockingPool>) {
        let mut pause = DELAY;
        while let Some(worker) = worker.upgrade() {
            worker.sleep(pause).await;
            let Some(saving) = &self.keyval.saving else {
                break;
            };
            pause = DELAY;
            let (version, pairs) = match self.keyval.claim(false) {
                Claim::Nothing => break,
                Claim::Other => continue,
                Claim::Own(version, pairs) => (version, pairs),
            };
            let before = monotonic_ms();
            let (path, lock) = (saving.path.clone(), Arc::clone(&saving.file));
            let job = move || write(&path, &lock, &pairs);
            let written = match worker.blocking(&pool, job).await {
                Ok(written) => written,
                Err(full) => Err(io::Error::other(full)),
            };
            self.keyval.release(version, written.is_ok());
            if let Err(error) = written {
                self.tell(&error);
                break;
            }
            let took = monotonic_ms().saturating_sub(before);
            pause = DELAY.max(took.saturating_mul(REST));
        }
        self.is_done = true;
    }

    fn tell(&self, error: &io::Error) {
        if let Some(path) = self.keyval.state_file() {
            let path = path.display();
            (self.report)(&format!("cannot write state file \"{path}\": {error}"));
        }
    }
}

impl Drop for Save {
    fn drop(&mut self) {
        let Some(saving) = &self.keyval.saving else {
            return;
        };
        saving.is_planned.set(false);
        // The worker ends.
        if !self.is_done
            && let Claim::Own(version, pairs) = self.keyval.claim(true)
        {
            let written = write(&saving.path, &saving.file, &pairs);
            self.keyval.release(version, written.is_ok());
            if let Err(error) = written {
                self.tell(&error);
            }
        }
    }
}

/// Writes `pairs` to the file `path`, which is the old or the new one at any time. It keeps its
/// mode; a new one is its owner's alone.
fn write(path: &Path, lock: &Mutex<()>, pairs: &[Pair]) -> io::Result<()> {
    // Nothing is left half done under it.
    let _alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let mode = sys::file::stat(path).map_or(0o600, |stat| stat.mode & 0o777);
    let names = (0_u32..).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.{number}", sys::process::id()));
        PathBuf::from(name)
    });
    let temporary = sys::file::create_unique(names, mode)?;
    let mut file = fs::File::from(temporary.as_fd().try_clone_to_owned()?);
    file.write_all(&state::encode(pairs, wall_ms()))?;
    file.sync_data()?;
    temporary
        .rename_to(path)
        .map(drop)
        .map_err(|(_, error)| error)
}

/// Milliseconds of Unix time.
fn wall_ms() -> Millis {
    let wall = sys::clock::wall();
    let seconds = u64::try_from(wall.unix_secs).unwrap_or(0);
    seconds * 1000 + u64::from(wall.nanos) / 1_000_000
}
