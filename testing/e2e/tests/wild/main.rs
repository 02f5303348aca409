//! Configurations as they are found in the wild (`configs/`), loaded as they are.
//!
//! All that is changed on the way are places: `/etc`, `/var`, `/srv` and `/run` lie in a folder of
//! the test, and port 80 is one that the kernel chose.

mod app;
mod dav;
mod debian;
mod mirror;
mod vhosts;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::backend::free_port;
use harness::{Binary, Client, Prefix, Response, Signal, clock, process};

/// Folders of a system that a configuration names.
const PLACES: [&str; 5] = ["/etc/", "/var/", "/srv/", "/srv;", "/run/"];

/// A server that runs one of the configurations.
struct Site {
    prefix: Prefix,
    port: u16,
    master: Child,
}

impl Site {
    /// Starts the configuration called `name`, with `files` in the file system it sees.
    #[track_caller]
    fn start(name: &str, files: &[(&str, &[u8])]) -> Self {
        let prefix = Prefix::new();
        let port = free_port();
        for folder in ["var/log/nginx", "var/lib/nginx", "run", "srv"] {
            let made = fs::create_dir_all(prefix.path().join(folder));
            assert!(made.is_ok(), "cannot make {folder}: {made:?}");
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("configs")
            .join(name);
        let copied = copy(&source, &prefix, Path::new("etc/nginx"), port);
        assert!(copied.is_ok(), "cannot copy {name}: {copied:?}");
        for (file, bytes) in files {
            prefix.write(file, bytes);
        }
        let master = launch(&prefix);
        let mut site = Self {
            prefix,
            port,
            master,
        };
        let is_up = clock::becomes_true(Duration::from_secs(20), || site.is_up());
        let log = site.prefix.read("var/log/nginx/error.log");
        assert!(is_up, "{name} does not start:\n{}\n{log}", site.stderr());
        site
    }

    /// Whether workers listen; a server that has ended never will.
    fn is_up(&mut self) -> bool {
        let ended = self.master.try_wait().ok().flatten();
        assert!(ended.is_none(), "it ended:\n{}", self.stderr());
        let pid = self.prefix.read("run/nginx.pid");
        pid.trim() == self.master.id().to_string() && process::is_listening(self.port)
    }

    fn stderr(&self) -> String {
        self.prefix.read("stderr")
    }

    /// Opens a connection.
    #[track_caller]
    fn connect(&self) -> Client {
        match Client::connect(SocketAddr::from(([127, 0, 0, 1], self.port))) {
            Ok(client) => client,
            Err(error) => panic!("cannot connect: {error}\n{}", self.stderr()),
        }
    }

    /// Sends a request of `method` for `path` of `host` with the lines of `fields` and `body`.
    #[track_caller]
    fn ask(&self, method: &str, host: &str, path: &str, fields: &str, body: &str) -> Response {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        self.connect().request(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}Connection: close\r\n\r\n{body}"
        ))
    }

    /// Requests `path` of `host`.
    #[track_caller]
    fn get(&self, host: &str, path: &str) -> Response {
        self.ask("GET", host, path, "", "")
    }

    /// Lines of the log `name`, waiting until there are `count`.
    #[track_caller]
    fn log(&self, name: &str, count: usize) -> Vec<String> {
        let lines = || -> Option<Vec<String>> {
            let text = self.prefix.read(&format!("var/log/nginx/{name}"));
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (text.ends_with('\n') && lines.len() >= count).then_some(lines)
        };
        let found = clock::wait_for(Duration::from_secs(20), lines);
        found.unwrap_or_else(|| panic!("{name} has no {count} lines"))
    }

    /// Makes the folder `name`, which workers may write to.
    #[track_caller]
    fn make_writable(&self, name: &str) {
        let folder = self.prefix.path().join(name);
        let made = fs::create_dir_all(&folder)
            .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)));
        assert!(made.is_ok(), "cannot make {name}: {made:?}");
    }
}

impl Drop for Site {
    /// Ends the server; what it logged meanwhile must not tell of faults of its own.
    fn drop(&mut self) {
        let _ = process::send(self.master.id(), Signal::Quit);
        let ended = clock::wait_for(Duration::from_secs(20), || {
            self.master.try_wait().ok().flatten()
        });
        if ended.is_none() {
            let _ = process::send(self.master.id(), Signal::Term);
            let _ = self.master.wait();
        }
        let log = self.prefix.read("var/log/nginx/error.log");
        let faults: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("[alert]") || line.contains("[emerg]"))
            .collect();
        if !std::thread::panicking() {
            assert!(faults.is_empty(), "{}", faults.join("\n"));
            assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        }
    }
}

/// Starts the master in the foreground.
#[track_caller]
fn launch(prefix: &Prefix) -> Child {
    let binary = Binary::Tidegate.path();
    let binary = binary.unwrap_or_else(|why| panic!("{why}"));
    let stderr = fs::File::create(prefix.path().join("stderr"));
    let stderr = stderr.unwrap_or_else(|error| panic!("no file for stderr: {error}"));
    let child = Command::new(binary)
        .arg("-p")
        .arg(prefix.path().join("etc/nginx"))
        .args(["-c", "nginx.conf", "-g", "daemon off;", "-e"])
        .arg(prefix.path().join("var/log/nginx/error.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn();
    child.unwrap_or_else(|error| panic!("cannot run the server: {error}"))
}

/// Copies a folder of configurations to `to` below the prefix, with the test's own places.
fn copy(from: &Path, prefix: &Prefix, to: &Path, port: u16) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), prefix, &target, port)?;
        } else if kind.is_symlink() {
            let link = prefix.path().join(&target);
            fs::create_dir_all(prefix.path().join(to))?;
            symlink(fs::read_link(entry.path())?, link)?;
        } else {
            let text = fs::read_to_string(entry.path())?;
            let name = target.to_string_lossy().into_owned();
            prefix.write(&name, placed(&text, prefix, port).as_bytes());
        }
    }
    Ok(())
}

/// A configuration's text with the test's places and port.
fn placed(text: &str, prefix: &Prefix, port: u16) -> String {
    let place = prefix.path().display().to_string();
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let lines = text.lines().map(|line| {
        if line.trim_start().starts_with("listen") {
            if line.contains("[::]") && !has_ipv6 {
                return String::new();
            }
            return line
                .replace("[::]:80", &format!("[::1]:{port}"))
                .replace(" 80", &format!(" 127.0.0.1:{port}"));
        }
        PLACES.iter().fold(line.to_owned(), |line, name| {
            line.replace(name, &format!("{place}{name}"))
        })
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
