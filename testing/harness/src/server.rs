//! A server process that belongs to one test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

use crate::builder::{Builder, Readiness};
use crate::client::Client;
use crate::clock;
use crate::config::Ports;
use crate::oracle::{self, Allowed, Violation};
use crate::prefix::Prefix;
use crate::process::{self, Signal};
use crate::response::Response;

/// How long to wait for a line of a log, or for new workers.
const EVENT_LIMIT: Duration = Duration::from_secs(20);

/// A running server. When dropped, it is asked to quit, and the test fails if it does not quit
/// cleanly or has logged a fault in its life.
#[derive(Debug)]
pub struct Server {
    master: Child,
    exited: Option<ExitStatus>,
    prefix: Prefix,
    ports: Ports,
    allowed: Allowed,
    quit_limit: Duration,
}

impl Server {
    /// Takes over a master that has just been started.
    pub(crate) fn of_parts(master: Child, prefix: Prefix, ports: Ports, builder: &Builder) -> Self {
        Self {
            master,
            exited: None,
            prefix,
            ports,
            allowed: builder.allowed.clone(),
            quit_limit: builder.quit_limit,
        }
    }

    /// Describes a server by the inside of its `http` block; an empty text leaves the block out.
    ///
    /// `{port}` and `{port_NAME}` (or `%%PORT%%`, `%%PORT_NAME%%`) become ports chosen by the
    /// kernel, `{prefix}` the server's folder. `html/` below it is where files are served from
    /// by default. There is one worker, and no access log unless the text asks for one.
    #[must_use]
    #[expect(
        clippy::new_ret_no_self,
        reason = "a server is described first and then started"
    )]
    pub fn new(http: &str) -> Builder {
        Builder::new(http)
    }

    /// Describes a server with one `server` block, listening on `{port}`, by the inside of it.
    #[must_use]
    pub fn of_one(inside: &str) -> Builder {
        Self::new(&format!(
            "server {{\nlisten 127.0.0.1:{{port}};\n{inside}\n}}"
        ))
    }

    /// The port of `{port}`.
    #[must_use]
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.port_of("")
    }

    /// The port of `{port_NAME}`.
    ///
    /// # Panics
    ///
    /// When the configuration names no such port.
    #[must_use]
    #[track_caller]
    pub fn port_of(&self, name: &str) -> u16 {
        let Some(port) = self.ports.get(name) else {
            panic!("the configuration has no port called {name:?}");
        };
        port
    }

    /// All ports of the configuration by name.
    pub fn ports(&self) -> impl Iterator<Item = (&str, u16)> {
        self.ports.all()
    }

    /// The server's folder.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// A file or folder below the prefix.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.prefix.path().join(name)
    }

    /// Opens a connection to `{port}`.
    ///
    /// # Panics
    ///
    /// When nobody accepts it.
    #[must_use]
    #[track_caller]
    pub fn connect(&self) -> Client {
        self.connect_to(self.port())
    }

    /// Opens a connection to `port` of this machine.
    ///
    /// # Panics
    ///
    /// When nobody accepts it.
    #[must_use]
    #[track_caller]
    pub fn connect_to(&self, port: u16) -> Client {
        match Client::connect(SocketAddr::from(([127, 0, 0, 1], port))) {
            Ok(client) => client,
            Err(error) => panic!(
                "cannot connect to port {port}: {error}\n{}",
                self.error_log()
            ),
        }
    }

    /// Requests `path` on a connection of its own.
    ///
    /// # Panics
    ///
    /// When no response comes.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }

    /// Sends `bytes`, one request, on a connection of its own and reads the response.
    ///
    /// # Panics
    ///
    /// When no response comes.
    #[must_use]
    #[track_caller]
    pub fn request(&self, bytes: impl AsRef<[u8]>) -> Response {
        self.connect().request(bytes)
    }

    /// The process id of the master.
    #[must_use]
    pub fn master(&self) -> u32 {
        self.master.id()
    }

    /// The process ids of the workers that serve; waits for the first one.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        let running = || Some(process::workers(self.master())).filter(|pids| !pids.is_empty());
        clock::wait_for(EVENT_LIMIT, running).unwrap_or_default()
    }

    /// Descriptors open in all workers together, to be compared before and after.
    #[must_use]
    pub fn open_descriptors(&self) -> usize {
        self.workers()
            .into_iter()
            .map(process::open_descriptors)
            .sum()
    }

    /// Sends `signal` to the master.
    ///
    /// # Panics
    ///
    /// When the master is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let sent = process::send(self.master(), signal);
        assert!(sent.is_ok(), "the master is gone:\n{}", self.error_log());
    }

    /// Sends HUP and waits until new workers serve and the old ones have stopped accepting.
    ///
    /// # Errors
    ///
    /// The `[emerg]` line of a configuration that was refused, or what was waited for in vain.
    pub fn reload(&self) -> Result<(), String> {
        let old = self.workers();
        let seen = self.error_log().len();
        self.signal(Signal::Hup);
        let outcome = clock::wait_for(EVENT_LIMIT, || {
            let log = self.error_log();
            let new_lines = log.get(seen..).unwrap_or_default();
            if let Some(line) = new_lines.lines().find(|line| line.contains("[emerg]")) {
                return Some(Err(line.to_owned()));
            }
            let are_replaced = process::workers(self.master())
                .iter()
                .any(|pid| !old.contains(pid));
            let are_leaving = old.iter().all(|pid| is_leaving(new_lines, *pid));
            (are_replaced && are_leaving).then_some(Ok(()))
        });
        outcome.unwrap_or_else(|| Err("no new workers took over".to_owned()))
    }

    /// Replaces the configuration file by one with `http` inside its block, and reloads.
    ///
    /// # Errors
    ///
    /// As [`Server::reload`].
    pub fn reload_with(&mut self, builder: &Builder) -> Result<(), String> {
        let written = builder.write_conf(&self.prefix, &mut self.ports);
        written.map_err(|error| error.to_string())?;
        self.ports.release();
        self.reload()
    }

    /// The error log so far.
    #[must_use]
    pub fn error_log(&self) -> String {
        self.prefix.read("logs/error.log")
    }

    /// `logs/access.log` so far.
    #[must_use]
    pub fn access_log(&self) -> String {
        self.prefix.read("logs/access.log")
    }

    /// The first `count` lines of `logs/NAME`, waiting until there are so many.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[must_use]
    #[track_caller]
    pub fn log_lines(&self, name: &str, count: usize) -> Vec<String> {
        let file = format!("logs/{name}");
        let lines = || {
            let text = self.prefix.read(&file);
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        };
        let Some(mut lines) = clock::wait_for(EVENT_LIMIT, lines) else {
            panic!(
                "{file} never had {count} lines:\n{}",
                self.prefix.read(&file)
            );
        };
        lines.truncate(count);
        lines
    }

    /// Waits for a line of the error log that contains `text`.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[track_caller]
    pub fn wait_for_error_log(&self, text: &str) {
        let found = clock::becomes_true(EVENT_LIMIT, || self.error_log().contains(text));
        assert!(found, "no {text:?} in the error log:\n{}", self.error_log());
    }

    /// Waits up to `limit` for the master to end by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        clock::wait_for(limit, || self.exit_status())
    }

    /// How the master ended, if it has.
    fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.exited.is_none() {
            self.exited = self.master.try_wait().ok().flatten();
        }
        self.exited
    }

    /// Waits up to `limit` for the server to listen or to end.
    pub(crate) fn wait_ready(&mut self, limit: Duration) -> Option<Readiness> {
        clock::wait_for(limit, || self.readiness())
    }

    /// Leaves the end unjudged: a server that never lived has its own error.
    pub(crate) fn forgive_everything(&mut self) {
        self.allowed.everything = true;
    }

    /// What there is to know about the start by now.
    fn readiness(&mut self) -> Option<Readiness> {
        if self.exit_status().is_some() {
            return Some(Readiness::Exited);
        }
        // The process id is written once everything is bound, and names this very process, so a
        // stranger that listens on the port is not taken for the server.
        let is_named = self.prefix.read("logs/nginx.pid").trim() == self.master().to_string();
        let are_bound = is_named && self.ports.listening().all(process::is_listening);
        are_bound.then_some(Readiness::Listening)
    }

    /// Ends the server, gently first.
    fn stop(&mut self) -> Vec<Violation> {
        if self.exit_status().is_none() {
            let _ = process::send(self.master(), Signal::Quit);
        }
        let status = self.wait_exit(self.quit_limit);
        if status.is_none() {
            self.end_by_force();
        }
        let mut violations = oracle::judge_log(&self.error_log(), &self.allowed);
        if !self.allowed.everything {
            violations.extend(oracle::judge_exit(status));
        }
        violations
    }

    /// TERM to the master, then KILL to it and to every process it started.
    fn end_by_force(&mut self) {
        let children = process::children(self.master());
        let _ = process::send(self.master(), Signal::Term);
        if self.wait_exit(Duration::from_secs(2)).is_some() {
            return;
        }
        for pid in children.into_iter().chain([self.master()]) {
            if process::is_running(pid) {
                let _ = process::send(pid, Signal::Kill);
            }
        }
        let _ = self.master.wait();
    }
}

/// Whether `log` tells that the worker `pid` has stopped accepting.
fn is_leaving(log: &str, pid: u32) -> bool {
    let mark = format!(" {pid}#");
    log.lines()
        .any(|line| line.contains(&mark) && line.contains("gracefully shutting down"))
}

impl Drop for Server {
    fn drop(&mut self) {
        let violations = self.stop();
        if violations.is_empty() {
            return;
        }
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        let report = format!("the server did not end well:\n{}", list.join("\n"));
        if thread::panicking() {
            eprintln!("{report}");
        } else {
            panic!("{report}\n--- error log\n{}", self.error_log());
        }
    }
}
