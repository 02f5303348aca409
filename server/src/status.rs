//! How `-s reload` learns what became of it.
//!
//! The master listens on a Unix socket beside its process id, `nginx.pid.status`, which only its own
//! user can open. Whoever connects and writes `reload` gets `ok` or `failed`, and the lines to show.
//! Where there is no such socket (nginx itself runs, or the path is too long), the signal is sent
//! and nothing is learnt, as ever.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::process;

use crate::listeners::fits_socket_name;
use crate::pid_file::with_suffix;

/// The only request there is.
const REQUEST: &[u8; 7] = b"reload\n";

/// How long the master waits for whoever has connected to write: it has connected to do so.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a reload may take before `-s reload` gives up waiting to hear of it.
const LONGEST_RELOAD: Duration = Duration::from_secs(300);

/// Most bytes of an answer.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    /// What to show, in nginx's form.
    pub(crate) lines: Vec<String>,
}

/// The master's end.
#[derive(Debug)]
pub(crate) struct StatusSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Somebody who waits for an outcome.
#[derive(Debug)]
pub(crate) struct Asker {
    stream: UnixStream,
}

impl StatusSocket {
    /// Opens the socket beside the process id at `pid_file`, in place of one that was left behind.
    pub(crate) fn open(pid_file: &Path) -> io::Result<Self> {
        let path = path(pid_file);
        if !fits_socket_name(&path) {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let umask = process::set_umask(0o177);
        let listener = UnixListener::bind(&path);
        process::set_umask(umask);
        let listener = listener?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    /// The next one who asks for a reload.
    pub(crate) fn accept(&self) -> Option<Asker> {
        let (mut stream, _) = self.listener.accept().ok()?;
        let mut request = [0; REQUEST.len()];
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        stream.read_exact(&mut request).ok()?;
        (request == *REQUEST).then_some(Asker { stream })
    }

    /// Moves the socket beside another process id file.
    pub(crate) fn rename(&mut self, pid_file: &Path) -> io::Result<()> {
        let to = path(pid_file);
        fs::rename(&self.path, &to)?;
        self.path = to;
        Ok(())
    }

    /// Closes the socket and removes its name.
    pub(crate) fn remove(self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.path);
    }
}

impl AsFd for StatusSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Asker {
    /// Tells the outcome. Whoever has gone meanwhile does not want to know.
    pub(crate) fn answer(mut self, outcome: &Outcome) {
        let mut text = String::from(if outcome.succeeded {
            "ok\n"
        } else {
            "failed\n"
        });
        for line in &outcome.lines {
            text.push_str(line);
            text.push('\n');
        }
        let _ = self.stream.write_all(text.as_bytes());
    }
}

/// Asks the master whose id is in `pid_file` to reload, and waits for the outcome. `None` when it
/// cannot be asked this way.
pub(crate) fn ask(pid_file: &Path) -> Option<Outcome> {
    let path = path(pid_file);
    if !fits_socket_name(&path) {
        return None;
    }
    let mut stream = UnixStream::connect(path).ok()?;
    stream.set_read_timeout(Some(LONGEST_RELOAD)).ok()?;
    stream.write_all(REQUEST).ok()?;
    let mut answer = Vec::new();
    let read = stream.take(LONGEST_ANSWER).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let mut lines = answer.lines();
    let lost = || Outcome {
        succeeded: false,
        lines: vec!["nginx: [alert] the master did not say what became of the reload".to_owned()],
    };
    Some(match (read, lines.next()) {
        (Ok(_), Some(verdict @ ("ok" | "failed"))) => Outcome {
            succeeded: verdict == "ok",
            lines: lines.map(str::to_owned).collect(),
        },
        _ => lost(),
    })
}

fn path(pid_file: &Path) -> PathBuf {
    with_suffix(pid_file, ".status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reaches_whoever_asked() {
        let pid_file = std::env::temp_dir().join(format!("tidegate-status-{}", std::process::id()));
        assert_eq!(ask(&pid_file), None, "nobody listens");
        let socket = StatusSocket::open(&pid_file).unwrap();
        for succeeded in [true, false] {
            let outcome = Outcome {
                succeeded,
                lines: vec!["a line".into(), "another".into()],
            };
            let asker = {
                let pid_file = pid_file.clone();
                std::thread::spawn(move || ask(&pid_file))
            };
            let accepted = std::iter::repeat_with(|| {
                std::thread::sleep(Duration::from_millis(1));
                socket.accept()
            });
            accepted.flatten().next().unwrap().answer(&outcome);
            assert_eq!(asker.join().unwrap(), Some(outcome));
        }
        socket.remove();
        assert!(!path(&pid_file).exists());
    }
}
