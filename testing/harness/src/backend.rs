//! Servers and applications of other people, to stand behind the server under test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::prefix::Prefix;
use crate::process::{self, Signal};
use crate::{clock, skip};

/// How long one may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How often one is started anew because another process took its port.
const START_ATTEMPTS: u32 = 3;

/// The file of a program's standard error, see [`Backend::of_port`].
const LOG: &str = "log";

/// A program that serves on a port of its own. Dropped, it is ended.
#[derive(Debug)]
pub struct Backend {
    child: Child,
    port: u16,
    prefix: Prefix,
}

impl Backend {
    /// Runs `script` by `program`, which prints its port on a line of its own once it listens.
    /// The script's first argument is a file of its own for notes, see [`Backend::notes`].
    /// `None`, with the test counted as skipped, where the program is not installed.
    ///
    /// # Panics
    ///
    /// When the script does not print a port.
    #[must_use]
    #[track_caller]
    pub fn of_script(program: &str, script: &Path) -> Option<Self> {
        let prefix = Prefix::new();
        let mut command = Command::new(find(program)?);
        command.arg(script).arg(prefix.path().join("notes"));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("an installed program runs");
        let mut line = String::new();
        let output = child.stdout.take().map(BufReader::new);
        let read = output.map(|mut output| output.read_line(&mut line));
        let Ok(port) = line.trim().parse() else {
            panic!("{} printed no port: {read:?}", script.display());
        };
        Some(Self {
            child,
            port,
            prefix,
        })
    }

    /// Runs `program`, whose command `prepare` completes for a folder of its own and a port, until
    /// `is_up` says of that folder, in which `log` is what it writes to its standard error, that
    /// the program has its port: another process, or a child that another test forks in this
    /// moment, may have the port before it, and may well accept connections there. `None`, with
    /// the test counted as skipped, where it is not installed.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    #[track_caller]
    pub fn of_port(
        program: &str,
        prepare: impl Fn(&Prefix, u16, &mut Command),
        is_up: impl Fn(&Prefix) -> bool,
    ) -> Option<Self> {
        let path = find(program)?;
        let prefix = Prefix::new();
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let mut command = Command::new(&path);
            prepare(&prefix, port, &mut command);
            let log = File::create(prefix.path().join(LOG)).expect("a file");
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let child = command.stderr(log).spawn();
            let mut child = child.expect("an installed program runs");
            let started = clock::wait_for(START_LIMIT, || {
                let has_ended = child.try_wait().ok().flatten().is_some();
                let is_up = !has_ended && is_up(&prefix);
                (is_up || has_ended).then_some(is_up)
            });
            if started == Some(true) {
                return Some(Self {
                    child,
                    port,
                    prefix,
                });
            }
            end(&mut child);
        }
        panic!("{program} does not start:\n{}", prefix.read(LOG));
    }

    /// Runs Apache with `conf` as the rest of its configuration, in which `{prefix}` is its
    /// folder and every request is in [`Backend::notes`]: its first line, length and `X-Secret`.
    /// `None`, with the test counted as skipped, where it is not installed.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    #[track_caller]
    pub fn apache(conf: &str) -> Option<Self> {
        let prepare = |prefix: &Prefix, port: u16, command: &mut Command| {
            let place = prefix.path().display().to_string();
            let file = prefix.write("apache.conf", apache_conf(&place, port, conf).as_bytes());
            // One process, which a signal ends.
            command.arg("-X").arg("-f").arg(file);
        };
        // Written once the sockets are open.
        let is_up = |prefix: &Prefix| prefix.path().join("apache.pid").exists();
        Self::of_port("apache2", prepare, is_up)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own folder, see [`Backend::of_port`].
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Sends it `signal`.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        process::send(self.child.id(), signal).expect("it runs");
    }

    /// The lines that it wrote about the requests it saw, so far.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let notes = self.prefix.read("notes");
        notes.lines().map(str::to_owned).collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Asks a process to end, and insists when it does not.
fn end(child: &mut Child) {
    let _ = process::send(child.id(), Signal::Term);
    let is_gone = || child.try_wait().ok().flatten().is_some();
    if !clock::becomes_true(Duration::from_secs(3), is_gone) {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Where `program` is; `None`, with the test counted as skipped, when it is nowhere.
fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var("PATH").unwrap_or_default();
    let mut places = folders.split(':').chain(["/usr/sbin"]);
    let found = places.find_map(|folder| {
        let path = Path::new(folder).join(program);
        path.is_file().then_some(path)
    });
    if found.is_none() {
        skip::skip(&format!("{program} is not installed"));
    }
    found
}

/// Sockets for both protocols at one port.
///
/// # Panics
///
/// When the kernel has no such port.
#[must_use]
pub fn one_port() -> (TcpListener, UdpSocket) {
    let pair = || {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let udp = UdpSocket::bind(tcp.local_addr().ok()?).ok()?;
        Some((tcp, udp))
    };
    let mut pairs = std::iter::repeat_with(pair).take(100);
    pairs.find_map(|pair| pair).expect("a port that both have")
}

/// A port that both protocols had a moment ago.
///
/// # Panics
///
/// As [`one_port`].
#[must_use]
pub fn free_port() -> u16 {
    let (_, free) = one_port();
    free.local_addr().expect("an address").port()
}

fn apache_conf(place: &str, port: u16, conf: &str) -> String {
    let modules = ["mpm_event", "authz_core", "headers"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    format!(
        "{}ServerRoot {place}
         ServerName localhost
         Listen 127.0.0.1:{port}
         PidFile {place}/apache.pid
         DefaultRuntimeDir {place}
         ErrorLog {place}/log
         DocumentRoot {place}/html
         LogFormat \"%r %{{Content-Length}}i %{{X-Secret}}i\" notes
         CustomLog {place}/notes notes
         KeepAliveTimeout 60
         MaxKeepAliveRequests 0
         {}\n",
        modules.concat(),
        conf.replace("{prefix}", place)
    )
}
