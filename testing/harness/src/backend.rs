//! Servers and applications of other people, to stand behind the server under test.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::prefix::Prefix;
use crate::process::{self, Signal};
use crate::{clock, skip};

/// How long one may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A program that serves HTTP on a port of its own. Dropped, it is ended.
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
        let program = find("apache2")?;
        let prefix = Prefix::new();
        let place = prefix.path().display().to_string();
        for _ in 0..3 {
            let port = free_port();
            prefix.write("apache.conf", apache_conf(&place, port, conf).as_bytes());
            let mut command = Command::new(&program);
            // One process, which a signal ends.
            command.arg("-X").arg("-f");
            command.arg(prefix.path().join("apache.conf"));
            let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
            let mut child = child.expect("an installed program runs");
            let is_up = clock::wait_for(START_LIMIT, || {
                let ended = child.try_wait().ok().flatten();
                let is_up = process::is_listening(port);
                (is_up || ended.is_some()).then_some(is_up && ended.is_none())
            });
            if is_up == Some(true) {
                return Some(Self {
                    child,
                    port,
                    prefix,
                });
            }
            end(&mut child);
        }
        panic!("apache2 does not start:\n{}", prefix.read("apache.log"));
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
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

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
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
         ErrorLog {place}/apache.log
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
