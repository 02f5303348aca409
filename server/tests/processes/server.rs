//! A server in a folder of its own, and what can be asked of it and about it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sys::process;
use sys::signal::Signal;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A prefix with a configuration, and perhaps a server that runs it. Ends the server when dropped.
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    pub(crate) address: SocketAddr,
    /// A server in the foreground.
    foreground: Option<Child>,
}

/// Who answered a connection.
pub(crate) struct Greeting {
    pub(crate) pid: u32,
    pub(crate) generation: String,
    pub(crate) colour: String,
    #[expect(dead_code, reason = "held open, not read: its drop closes it")]
    pub(crate) connection: TcpStream,
}

impl Server {
    /// A folder with `text` as its configuration, where `ADDRESS` stands for a free address.
    pub(crate) fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidegate-processes-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        for sub in ["conf", "logs"] {
            fs::create_dir_all(folder.join(sub)).unwrap();
            // Workers of another user write here as well.
            fs::set_permissions(folder.join(sub), fs::Permissions::from_mode(0o777)).unwrap();
        }
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let server = Self {
            folder,
            address,
            foreground: None,
        };
        server.configure(text);
        server
    }

    /// The same, started as a daemon.
    pub(crate) fn start(text: &str) -> Self {
        let server = Self::new(text);
        let output = server.command(&[]);
        assert!(output.status.success(), "{output:?}");
        server.wait_for_master();
        server
    }

    /// The same, in the foreground.
    pub(crate) fn start_in_foreground(text: &str) -> Self {
        let mut server = Self::new(&format!("daemon off; {text}"));
        let mut command = server.program();
        server.foreground = Some(command.stderr(Stdio::null()).spawn().unwrap());
        server.wait_for_master();
        server
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, text: &str) {
        let text = text.replace("ADDRESS", &self.address.to_string());
        fs::write(self.folder.join("conf/nginx.conf"), text).unwrap();
    }

    fn program(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("-p")
            .arg(&self.folder)
            .env("COLOUR", "blue")
            .env("SECRET", "1");
        command
    }

    /// Runs the program with further arguments to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).output().unwrap()
    }

    /// Runs the program; its exit code and what it printed to standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join("logs/nginx.pid")
    }

    /// The master's process id.
    pub(crate) fn master(&self) -> u32 {
        read_pid(&self.pid_file()).unwrap()
    }

    fn wait_for_master(&self) {
        until("the master writes its id", || {
            read_pid(&self.pid_file()).is_some()
        });
        until("somebody answers", || self.try_greet().is_some());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        process::send_signal(self.master(), signal).unwrap();
    }

    /// Connects, and hears who answers.
    pub(crate) fn greet(&self) -> Greeting {
        self.try_greet().unwrap()
    }

    pub(crate) fn try_greet(&self) -> Option<Greeting> {
        let connection = TcpStream::connect(self.address).ok()?;
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = String::new();
        BufReader::new(&connection).read_line(&mut line).ok()?;
        let mut words = line.split_whitespace().map(str::to_owned);
        Some(Greeting {
            pid: words.next()?.parse().ok()?,
            generation: words.next()?,
            colour: words.next()?,
            connection,
        })
    }

    /// The error log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("logs/error.log")).unwrap_or_default()
    }

    pub(crate) fn until_logged(&self, text: &str) {
        until(&format!("the log says \"{text}\": {}", self.log()), || {
            self.log().contains(text)
        });
    }

    /// How many connections the counters know of, as last written by a worker.
    pub(crate) fn counted(&self) -> String {
        fs::read_to_string(self.folder.join("logs/nginx.count")).unwrap_or_default()
    }

    /// Waits until every process of the server has gone.
    pub(crate) fn until_gone(&mut self, master: u32) {
        if let Some(child) = &mut self.foreground {
            let status = child.wait().unwrap();
            assert!(status.success(), "{status}");
            self.foreground = None;
        }
        until("the master goes", || !process::is_running(master));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pids = [self.pid_file(), self.folder.join("logs/nginx.pid.oldbin")];
        for master in pids.iter().filter_map(|path| read_pid(path)) {
            let _ = process::send_signal(master, Signal::TERM);
            let gone = || !process::is_running(master);
            wait(gone, PATIENCE);
        }
        if let Some(child) = &mut self.foreground {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log\n{}---", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn read_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The children of `master`, oldest first, but for those that have ended.
pub(crate) fn workers(master: u32) -> Vec<u32> {
    let path = format!("/proc/{master}/task/{master}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let mut children: Vec<u32> = children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    children.retain(|&pid| process::is_running(pid));
    children.sort_unstable();
    children
}

/// What `ps` shows.
pub(crate) fn title(pid: u32) -> String {
    let shown = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8(shown)
        .unwrap()
        .trim_end_matches('\0')
        .replace('\0', " ")
}

/// A line of `/proc/PID/status`.
pub(crate) fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim().to_owned()
}

/// Waits until it is so.
pub(crate) fn until(what: &str, is_so: impl FnMut() -> bool) {
    assert!(
        wait(is_so, PATIENCE).is_some(),
        "waited in vain until {what}"
    );
}

/// How long it took until it was so.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
pub(crate) fn wait(mut is_so: impl FnMut() -> bool, patience: Duration) -> Option<Duration> {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Some(start.elapsed())
}
