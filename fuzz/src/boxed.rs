//! A worker in a box: the whole server for one connection, on the thread of whoever asks.
//!
//! Its clients are socket pairs and its upstream is a socket of this thread, so that a turn of
//! its loop never has to wait, and the same input gives the same output.

use conf::MemorySource;
use engine::Loading;
use http::config::{finish, loader, registry::Registry};
use http::connection::accept::accept;
use http::worker::HttpWorker;
use runtime::log::Level;
use runtime::{Accepted, Stream, Worker, WorkerLimits};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use sys::socket::PeerAddr;

/// Turns without anything new after which nothing more will come by itself.
const IDLE_TURNS: usize = 4;

/// Turns after which a connection is taken for one that never ends.
const TURNS_MAX: usize = 5_000;

/// The server.
pub(crate) struct Boxed {
    worker: Rc<Worker>,
    http: Rc<HttpWorker>,
    upstream: UnixListener,
    path: PathBuf,
    /// What the loop complained of.
    alerts: Rc<RefCell<Vec<String>>>,
}

/// One connection to the upstream.
pub(crate) struct Visit {
    stream: Option<UnixStream>,
    /// What came.
    pub(crate) received: Vec<u8>,
    /// What it was told.
    pub(crate) said: Vec<u8>,
    /// Whether something came since the last answer.
    is_asked: bool,
}

/// What became of a client's connection.
pub(crate) struct Outcome {
    /// What it received.
    pub(crate) answer: Vec<u8>,
    /// Whether the server closed before the client did.
    pub(crate) is_closed: bool,
    /// What the upstream saw, a connection each.
    pub(crate) visits: Vec<Visit>,
}

impl Boxed {
    /// A server with `text` as its `http` block, in which `{upstream}` is where its upstream
    /// listens; `None` when that is refused.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let path = socket_path();
        let _ = std::fs::remove_file(&path);
        let text = text.replace("{upstream}", &format!("unix:{}", path.display()));
        let generation = load(&text)?;
        let upstream = UnixListener::bind(&path).expect("a socket in the temporary folder");
        upstream.set_nonblocking(true).expect("an open socket");
        let worker = Worker::new(WorkerLimits::default()).expect("descriptors");
        let alerts = Rc::<RefCell<Vec<String>>>::default();
        let sink = Rc::clone(&alerts);
        worker.set_report_hook(Rc::new(move |level, message| {
            if level <= Level::Alert {
                sink.borrow_mut().push(message.to_owned());
            }
        }));
        let folder = std::env::temp_dir();
        let http = HttpWorker::new(Rc::clone(&worker), generation, folder, HashMap::new(), None);
        Some(Self {
            worker,
            http,
            upstream,
            path,
            alerts,
        })
    }

    /// How many addresses it listens on.
    pub(crate) fn addresses(&self) -> usize {
        self.http.generation.sockets.len()
    }

    /// Sends `pieces` over a new connection to the listening address `address`, and answers each
    /// request to the upstream with the next of `answers`, the last one again and again. When
    /// nothing moves any more the upstream closes, and then the client.
    ///
    /// # Panics
    ///
    /// When the loop complains, or something is held once both sides are gone.
    pub(crate) fn converse(
        &self,
        address: usize,
        pieces: &[&[u8]],
        answers: &[&[u8]],
        closes_after_answer: bool,
    ) -> Outcome {
        let (mut client, server) = UnixStream::pair().expect("descriptors");
        for end in [&client, &server] {
            end.set_nonblocking(true).expect("an open socket");
        }
        let stream = Stream::from_fd(&self.worker, server.into()).expect("room for a stream");
        let peer = PeerAddr::V4 {
            ip: Ipv4Addr::LOCALHOST,
            port: 1,
        };
        let socket = Rc::clone(&self.http.generation.sockets[address]);
        accept(&self.http, &socket, Accepted { stream, peer });

        let mut outcome = Outcome {
            answer: Vec::new(),
            is_closed: false,
            visits: Vec::new(),
        };
        let mut answers = Answers {
            all: answers,
            next: 0,
            closes: closes_after_answer,
        };
        for piece in pieces {
            let _ = client.write_all(piece);
            self.settle(&mut client, &mut outcome, &mut answers);
        }
        // What is left of the upstream ends: whatever is not complete by now never will be.
        for visit in &mut outcome.visits {
            visit.stream = None;
        }
        answers.closes = true;
        self.settle(&mut client, &mut outcome, &mut answers);
        drop(client);
        for visit in &mut outcome.visits {
            visit.stream = None;
        }
        self.drain();
        outcome
    }

    /// Turns until nothing moves.
    fn settle(&self, client: &mut UnixStream, outcome: &mut Outcome, answers: &mut Answers<'_>) {
        let mut idle = 0;
        for _ in 0..TURNS_MAX {
            self.turn();
            let mut has_moved = self.take_visitors(outcome);
            for visit in &mut outcome.visits {
                has_moved |= visit.serve(answers);
            }
            match read(client, &mut outcome.answer) {
                Some(count) => has_moved |= count > 0,
                None => outcome.is_closed = true,
            }
            idle = if has_moved { 0 } else { idle + 1 };
            if idle > IDLE_TURNS {
                return;
            }
        }
        panic!("it never ends");
    }

    fn take_visitors(&self, outcome: &mut Outcome) -> bool {
        let before = outcome.visits.len();
        while let Ok((stream, _)) = self.upstream.accept() {
            stream.set_nonblocking(true).expect("an open socket");
            outcome.visits.push(Visit {
                stream: Some(stream),
                received: Vec::new(),
                said: Vec::new(),
                is_asked: false,
            });
        }
        outcome.visits.len() > before
    }

    /// Both sides are gone: nothing may be held any more.
    fn drain(&self) {
        for _ in 0..TURNS_MAX {
            if self.worker.live_slots() == 0 {
                return;
            }
            self.turn();
            // Whoever comes to the upstream now comes in vain.
            while self.upstream.accept().is_ok() {}
        }
        panic!("{} connections are held", self.worker.live_slots());
    }

    fn turn(&self) {
        self.worker.turn(Some(0));
        let alerts = self.alerts.take();
        assert!(alerts.is_empty(), "{alerts:?}");
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        self.worker.clear();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What the upstream says.
struct Answers<'a> {
    all: &'a [&'a [u8]],
    next: usize,
    closes: bool,
}

impl Visit {
    /// Reads what came, and answers it. Gives whether anything moved.
    fn serve(&mut self, answers: &mut Answers<'_>) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        match read(stream, &mut self.received) {
            None => {
                self.stream = None;
                return true;
            }
            Some(0) => {}
            Some(_) => {
                self.is_asked = true;
                return true;
            }
        }
        if !std::mem::take(&mut self.is_asked) {
            return false;
        }
        let last = answers.all.len().saturating_sub(1);
        if let Some(answer) = answers.all.get(answers.next.min(last)) {
            let _ = stream.write_all(answer);
            self.said.extend_from_slice(answer);
        }
        answers.next += 1;
        if answers.closes {
            self.stream = None;
        }
        true
    }
}

/// Reads what is there; `None` at the end.
fn read(stream: &mut UnixStream, into: &mut Vec<u8>) -> Option<usize> {
    let before = into.len();
    match stream.read_to_end(into) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(into.len() - before),
        Ok(_) | Err(_) => match into.len() - before {
            0 => None,
            count => Some(count),
        },
    }
}

/// A name of this thread's own.
fn socket_path() -> PathBuf {
    let name = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    std::env::temp_dir().join(format!("tidegate-fuzz-{name}.sock"))
}

/// Loads `http { TEXT }`; `None` when it is refused.
fn load(text: &str) -> Option<Rc<http::Generation>> {
    let (main, folder) = (Path::new("/nonexistent/main"), Path::new("/nonexistent"));
    let source = MemorySource::new().with(main, format!("http {{\n{text}\n}}\n"));
    let source = Rc::new(source);
    let (tree, errors) = conf::load(main, folder, folder, &*source);
    if !errors.is_empty() {
        return None;
    }
    let registry = Rc::new(Registry::new(http_modules::MODULES));
    let mut loading = Loading::new(folder, folder, source);
    loader::read(tree.directives.first()?, &mut loading, &registry);
    let generation = finish::finish(&mut loading, &registry);
    let is_refused = loading.errors.iter().any(conf::Error::is_fatal);
    generation.filter(|_| !is_refused)
}
