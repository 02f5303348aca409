//! `-s`: finding the master, and asking it.

use std::path::Path;

use runtime::log::Level;
use sys::process;

use crate::cli::Request;
use crate::pid_file;
use crate::report::{Message, Reporter, print, reason};
use crate::status;

/// Asks the master whose id is in `pid_file`; says whether that went well. A reload has gone well
/// once the new workers run.
pub(crate) fn send(request: Request, pid_file: &Path, reporter: &Reporter) -> bool {
    reporter.note(&Message::new(Level::Notice, "signal process started"));
    let pid = match pid_file::read(pid_file) {
        Ok(pid) => pid,
        Err(text) => {
            reporter.tell(&Message::new(Level::Error, text));
            return false;
        }
    };
    if request == Request::Reload
        && process::is_alive(pid)
        && let Some(outcome) = status::ask(pid_file)
    {
        outcome.lines.iter().for_each(|line| print(line));
        return outcome.succeeded;
    }
    let signal = request.signal();
    if let Err(e) = process::send_signal(pid, signal) {
        let text = format!("kill({pid}, {}) failed{}", signal.number(), reason(&e));
        reporter.tell(&Message::new(Level::Alert, text));
        return false;
    }
    true
}
