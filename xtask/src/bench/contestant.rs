//! A server in the race: how it is configured, started, watched and stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::{Binary, Builder, Client, Prefix, Server, Signal, clock, process};

use super::bare;
use super::rows::{Page, Row};

/// Where workers run.
const CORE: &str = "0";

/// How long a server may take to listen, and to stop.
const LIMIT: Duration = Duration::from_secs(5);

/// What every row says to servers of nginx's language, as distributions configure them.
const COMMON: &str = "sendfile on; tcp_nopush on;";

/// Which language a server's configuration is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// nginx itself, which has paths built in.
    Nginx,
    /// A server that takes nginx's place.
    LikeNginx,
    H2o,
    Lighttpd,
    /// A proxy alone.
    Haproxy,
    /// A loop that does what no proxy can do without, which is the least that one can cost.
    Bare,
}

/// A server that may be started.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    /// nginx's directives outside all blocks.
    pub(super) main: &'static str,
}

/// A server that runs.
pub(super) struct Running {
    name: &'static str,
    port: u16,
    process: Process,
}

/// Either is stopped when it is dropped.
enum Process {
    Harnessed(Server),
    Own(Own),
}

/// A server that the harness does not know.
struct Own {
    child: Child,
    _prefix: Option<Prefix>,
}

impl Contestant {
    /// Starts the server for `row`, before the one at `back`; `None` when it has no part in it.
    pub(super) fn start(&self, row: &Row, back: Option<u16>) -> Result<Option<Running>, String> {
        self.start_with(row, back, "")
    }

    /// The same, with more text for nginx's `events` block.
    pub(super) fn start_with(
        &self,
        row: &Row,
        back: Option<u16>,
        events: &str,
    ) -> Result<Option<Running>, String> {
        let (port, process) = match self.kind {
            Kind::Nginx | Kind::LikeNginx => {
                let server = self
                    .prepare_nginx(row, row.http, row.server, CORE)
                    .with_port("back", back.unwrap_or_default())
                    .with_events(events);
                let server = self.try_start(server)?;
                (server.port(), Process::Harnessed(server))
            }
            Kind::H2o | Kind::Lighttpd if !row.is_common => return Ok(None),
            Kind::Haproxy if !row.is_proxied => return Ok(None),
            Kind::Bare if !row.is_proxied || row.length > bare::LONGEST_BODY => return Ok(None),
            Kind::Bare => {
                let back = back.unwrap_or_default().to_string();
                return start_bare(self.name, CORE, ["--back", &back]).map(Some);
            }
            Kind::H2o | Kind::Lighttpd | Kind::Haproxy => {
                let (port, own) = self.start_own(row, back)?;
                (port, Process::Own(own))
            }
        };
        Ok(Some(Running {
            name: self.name,
            port,
            process,
        }))
    }

    /// Starts what answers `row` behind those that are measured, on the client's core: a server of
    /// nginx's language where the answer is long, so that it comes as servers send it.
    ///
    /// It should be quicker than those it stands behind: while a server waits for it, what is
    /// measured is going to sleep and waking up.
    pub(super) fn start_behind(&self, row: &Row) -> Result<Running, String> {
        const NAME: &str = "the server behind";
        if row.page == Page::Plain && row.length <= bare::LONGEST_BODY {
            let length = row.length.to_string();
            return start_bare(NAME, super::load::CORE, ["--length", &length]);
        }
        let http = "keepalive_requests 100000000;";
        let server = self.prepare_nginx(row, http, "", super::load::CORE);
        let server = self.try_start(server)?;
        Ok(Running {
            name: NAME,
            port: server.port(),
            process: Process::Harnessed(server),
        })
    }

    /// Prepares a server of nginx's language with the page of `row`.
    fn prepare_nginx(&self, row: &Row, http: &str, server: &str, core: &str) -> Builder {
        let http = format!(
            "{COMMON}\n{http}\nserver {{ listen 127.0.0.1:{{port}}; root html; {server} }}"
        );
        Server::new(&http)
            .binary(Binary::At {
                path: self.path.clone(),
                like_nginx: self.kind == Kind::Nginx,
            })
            .with_main(self.main)
            .with_wrapper(&["taskset", "-c", core])
            .with_file(&format!("html{}", row.uri), row.page.bytes(row.length))
            // A benchmark reports figures; faults are for the tests to find.
            .allow_alerts()
    }

    fn try_start(&self, server: Builder) -> Result<Server, String> {
        server
            .try_start()
            .map_err(|error| format!("{}: {error}", self.name))
    }

    fn start_own(&self, row: &Row, back: Option<u16>) -> Result<(u16, Own), String> {
        let prefix = Prefix::new();
        prefix.write(&format!("html{}", row.uri), &row.page.bytes(row.length));
        let port = free_port()?;
        let place = prefix.path().display().to_string();
        let (text, switches): (String, &[&str]) = match self.kind {
            Kind::Lighttpd => (lighttpd_conf(row, &place, port), &["-D", "-f"]),
            Kind::Haproxy => (haproxy_conf(port, back.unwrap_or_default()), &["-db", "-f"]),
            _ => (h2o_conf(row, &place, port), &["-c"]),
        };
        let conf = prefix.write("server.conf", text.as_bytes());
        let mut command = Command::new(&self.path);
        command.args(switches).arg(conf);
        let own = spawn(self.name, CORE, &command, port, Some(prefix));
        let own = own.map_err(|error| format!("{error}; its configuration:\n{text}"))?;
        Ok((port, own))
    }
}

/// Starts `cargo xtask bare` with `option`.
fn start_bare(name: &'static str, core: &str, option: [&str; 2]) -> Result<Running, String> {
    let port = free_port()?;
    let program = std::env::current_exe().map_err(|error| format!("{name}: {error}"))?;
    let mut command = Command::new(program);
    command.arg(bare::TASK).args(option);
    command.args(["--port", &port.to_string()]);
    Ok(Running {
        name,
        port,
        process: Process::Own(spawn(name, core, &command, port, None)?),
    })
}

/// Runs `command`, whose files are in `prefix`, on `core`; it has to listen at `port`.
fn spawn(
    name: &str,
    core: &str,
    command: &Command,
    port: u16,
    prefix: Option<Prefix>,
) -> Result<Own, String> {
    let child = Command::new("taskset")
        .args(["-c", core])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let own = Own {
        child,
        _prefix: prefix,
    };
    match clock::becomes_true(LIMIT, || process::is_listening(port)) {
        true => Ok(own),
        false => Err(format!("{name} does not listen")),
    }
}

/// A port that nobody uses now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener
        .map(|addr| addr.port())
        .map_err(|error| format!("no port: {error}"))
}

/// Passing everything on, in haproxy's words.
fn haproxy_conf(port: u16, back: u16) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 8000\n\
         defaults\n  mode http\n  http-reuse always\n  timeout connect 10s\n\
         \x20 timeout client 600s\n  timeout server 600s\n  timeout tunnel 600s\n\
         listen all\n  bind 127.0.0.1:{port}\n  server back 127.0.0.1:{back}\n"
    )
}

/// `row` in h2o's words.
fn h2o_conf(row: &Row, place: &str, port: u16) -> String {
    let log = if row.is_logged {
        format!("access-log: {place}/logs/access.log\n")
    } else {
        String::new()
    };
    format!(
        "num-threads: 1\nmax-connections: 20000\nerror-log: {place}/logs/error.log\n{log}\
         listen:\n  host: 127.0.0.1\n  port: {port}\n\
         hosts:\n  default:\n    paths:\n      /:\n        file.dir: {place}/html\n\
         http1-request-timeout: 600\n"
    )
}

/// `row` in lighttpd's words.
fn lighttpd_conf(row: &Row, place: &str, port: u16) -> String {
    let log = if row.is_logged {
        format!(
            "server.modules = ( \"mod_accesslog\" )\naccesslog.filename = \"{place}/logs/access.log\"\n"
        )
    } else {
        String::new()
    };
    format!(
        "server.document-root = \"{place}/html\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
         server.errorlog = \"{place}/logs/error.log\"\nserver.max-keep-alive-idle = 600\n\
         server.max-connections = 16384\nserver.max-fds = 20000\n{log}"
    )
}

impl Running {
    /// Which server it is.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The port that it listens at.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where that is.
    pub(super) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// All its processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        let first = match &self.process {
            Process::Harnessed(server) => server.master(),
            Process::Own(own) => own.child.id(),
        };
        let mut all = vec![first];
        all.extend(process::children(first));
        all
    }

    /// CPU time of all its processes so far, in microseconds.
    pub(super) fn cpu_us(&self) -> u64 {
        // Linux counts in hundredths of a second for every program.
        const TICK_US: u64 = 10_000;
        let ticks = self
            .processes()
            .into_iter()
            .filter_map(process::stat)
            .map(|stat| stat.cpu_ticks);
        ticks.sum::<u64>() * TICK_US
    }

    /// Makes sure that the server does what the row is about.
    pub(super) fn check(&self, row: &Row) -> Result<(), String> {
        let fields: String = row
            .fields
            .iter()
            .map(|field| format!("{field}\r\n"))
            .collect();
        let answer = Client::connect(self.addr()).and_then(|mut client| {
            client.send(format!(
                "GET {} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n",
                row.uri
            ))?;
            client.try_receive()
        });
        match answer {
            Ok(Some(response)) if response.status == 200 && response.body.len() == row.length => {
                Ok(())
            }
            other => Err(format!(
                "{} does not serve {}: {other:?}",
                self.name, row.uri
            )),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let pid = self.child.id();
        let _ = process::send(pid, Signal::Term);
        if !clock::becomes_true(LIMIT, || !process::is_running(pid)) {
            let _ = process::send(pid, Signal::Kill);
        }
        let _ = self.child.wait();
    }
}
