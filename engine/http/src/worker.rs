//! The HTTP server within one worker: what connections share.

use crate::bytes::Bytes;
use crate::config::generation::Generation;
use crate::core::receive::TempPath;
use crate::request::RequestHead;
use runtime::{BlockingPool, ConnectionCounts, Worker};
use shm::SharedCounters;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use sys::file::Temporary;

/// Most heads kept for reuse.
const SPARE_HEADS_MAX: usize = 64;

/// What is counted, for `stub_status` and metrics. The gauges of a worker that died are given
/// back by clearing its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections accepted since the start.
    Accepted,
    /// Of these, those that were served.
    Handled,
    /// Requests since the start.
    Requests,
    /// Connections now.
    Active,
    /// Of these, those whose request's head is being read.
    Reading,
    /// Those whose answer is being made or sent.
    Writing,
    /// Those that wait for a request.
    Waiting,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 7;
}

/// The counters of all workers, and which of them are this worker's.
#[derive(Clone)]
pub struct WorkerCounters {
    /// All workers' counters.
    pub all: Rc<SharedCounters>,
    /// This worker's slot.
    pub slot: usize,
    /// This worker's number among those of its configuration, from 0. One that dies is replaced
    /// by one of the same number.
    pub number: usize,
}

impl WorkerCounters {
    /// Adds one.
    pub fn add(&self, counter: Counter) {
        if let Some(slot) = self.all.slot(self.slot) {
            slot.add(counter as usize, 1);
        }
    }

    /// Shows all workers how many connections this one has.
    fn publish(&self, connections: ConnectionCounts) {
        if let Some(slot) = self.all.slot(self.slot) {
            slot.set(Counter::Active as usize, connections.active.into());
            slot.set(Counter::Reading as usize, connections.reading.into());
            slot.set(Counter::Writing as usize, connections.writing.into());
            slot.set(Counter::Waiting as usize, connections.waiting.into());
        }
    }

    /// The sum over all workers.
    pub fn sum(&self, counter: Counter) -> u64 {
        self.all.sum(counter as usize)
    }
}

/// Clients whose connections are logged in detail (`debug_connection`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DebugConnection {
    /// Clients of these addresses.
    Network(base::cidr::Cidr),
    /// Clients over unix-domain sockets.
    Unix,
}

impl DebugConnection {
    fn matches(&self, peer: &sys::socket::PeerAddr) -> bool {
        match (self, peer.ip()) {
            (Self::Network(network), Some(ip)) => network.contains(ip),
            (Self::Unix, None) => true,
            _ => false,
        }
    }
}

/// What the connections of one worker share.
pub struct HttpWorker {
    /// The loop.
    pub worker: Rc<Worker>,
    /// The configuration.
    pub generation: Rc<Generation>,
    /// Where relative paths start (`-p`).
    pub prefix: PathBuf,
    /// Thread pools by name.
    pub pools: HashMap<Vec<u8>, Rc<BlockingPool>>,
    /// Counters for `stub_status`, shared by all workers.
    pub counters: Option<WorkerCounters>,
    /// Clients whose connections are logged in detail.
    pub debugged: RefCell<Vec<DebugConnection>>,
    /// Whether this worker finishes what it has and takes nothing new.
    pub is_draining: Cell<bool>,
    connections: Cell<u64>,
    temporary_files: Cell<u64>,
    #[expect(
        clippy::vec_box,
        reason = "requests hold heads boxed, so that neither is moved whole"
    )]
    spare_heads: RefCell<Vec<Box<RequestHead>>>,
    spare_buffers: RefCell<Vec<Vec<u8>>>,
}

impl HttpWorker {
    /// A server without connections yet.
    pub fn new(
        worker: Rc<Worker>,
        generation: Rc<Generation>,
        prefix: PathBuf,
        pools: HashMap<Vec<u8>, Rc<BlockingPool>>,
        counters: Option<WorkerCounters>,
    ) -> Rc<Self> {
        let this = Self {
            worker,
            generation,
            prefix,
            pools,
            counters,
            debugged: RefCell::default(),
            is_draining: Cell::new(false),
            connections: Cell::new(0),
            temporary_files: Cell::new(u64::from(sys::process::id()) << 20),
            spare_heads: RefCell::default(),
            spare_buffers: RefCell::default(),
        };
        let this = Rc::new(this);
        if let Some(counters) = this.counters.clone() {
            let publish = move |worker: &Worker| counters.publish(worker.connections());
            this.worker.set_turn_hook(Rc::new(publish));
        }
        let modules = this.generation.modules().iter();
        for start in modules.filter_map(|module| module.start_worker) {
            start(&this);
        }
        this
    }

    /// This worker's number among those of its configuration: what one worker is to do for all,
    /// number 0 does.
    pub fn number(&self) -> usize {
        self.counters.as_ref().map_or(0, |counters| counters.number)
    }

    /// Whether connections of `peer` are logged in detail.
    pub fn is_debugged(&self, peer: &sys::socket::PeerAddr) -> bool {
        self.debugged
            .borrow()
            .iter()
            .any(|debugged| debugged.matches(peer))
    }

    /// The next connection's serial number.
    pub fn number_connection(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        self.connections.get()
    }

    /// Counts a connection that was accepted and will be served.
    pub fn count_accepted(&self) {
        if let Some(counters) = &self.counters {
            counters.add(Counter::Accepted);
            counters.add(Counter::Handled);
        }
    }

    /// Shows all workers how many connections this one has. Done at the end of every turn;
    /// whoever wants to know about this very moment asks for it.
    pub fn publish_gauges(&self) {
        if let Some(counters) = &self.counters {
            counters.publish(self.worker.connections());
        }
    }

    /// What all workers count together; 0 where nothing is counted.
    pub fn total(&self, counter: Counter) -> u64 {
        self.counters
            .as_ref()
            .map_or(0, |counters| counters.sum(counter))
    }

    /// Counts a request.
    pub fn count_request(&self) {
        if let Some(counters) = &self.counters {
            counters.add(Counter::Requests);
        }
    }

    /// An empty head, with memory of an earlier one where there is some.
    pub fn take_head(&self) -> Box<RequestHead> {
        self.spare_heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a head back whose request has ended.
    pub fn give_head(&self, mut head: Box<RequestHead>) {
        let mut spare = self.spare_heads.borrow_mut();
        if spare.len() < SPARE_HEADS_MAX && head.buf.capacity() <= 16 << 10 {
            head.buf.clear();
            head.spare.clear();
            head.parsed.reset();
            spare.push(head);
        }
    }

    /// An empty buffer, with memory of an earlier one where there is some.
    pub fn take_buffer(&self) -> Vec<u8> {
        self.spare_buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub fn give_buffer(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare_buffers.borrow_mut();
        if spare.len() < SPARE_HEADS_MAX && (1..=64 << 10).contains(&buffer.capacity()) {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// Creates a temporary file in `path`, under a number of its own.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub fn create_temporary(&self, path: &TempPath) -> io::Result<Temporary> {
        let names = || {
            std::iter::repeat_with(|| {
                let number = self.temporary_files.get();
                self.temporary_files.set(number + 1);
                temporary_name(path, number)
            })
        };
        match sys::file::create_unique(names(), 0o600) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The folder is made at start where the configuration names it; the built-in
                // configuration leaves none behind unless it is needed.
                sys::file::create_directory(&**path.folder, 0o700)?;
                sys::file::create_unique(names(), 0o600)
            }
            created => created,
        }
    }

    /// The date for the `Date` field.
    pub fn http_date(&self) -> Bytes {
        self.worker.wall().http_date.to_vec().into()
    }
}

/// `path/c/bbb/0000bbbc`: subfolders are named by the last digits of the number.
fn temporary_name(path: &TempPath, number: u64) -> PathBuf {
    let digits = format!("{number:010}");
    let mut folder = PathBuf::clone(&path.folder);
    let mut end = digits.len();
    for level in path
        .levels
        .iter()
        .map(|level| usize::from(*level))
        .filter(|level| *level > 0)
    {
        folder.push(&digits[end - level..end]);
        end -= level;
    }
    if end < digits.len() {
        // Made on demand, as nginx does.
        let _ = std::fs::create_dir_all(&folder);
    }
    folder.join(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subfolders_are_named_by_the_last_digits() {
        let root = std::env::temp_dir().join(format!("tidegate-temp-{}", std::process::id()));
        let path = TempPath {
            folder: Rc::new(root.clone()),
            levels: [1, 2, 0],
        };
        assert_eq!(temporary_name(&path, 12345), root.join("5/34/0000012345"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
