//! Leaving the terminal.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use sys::process::{self, Fork};

/// Goes on as a child that belongs to no terminal; the process that was started ends well.
///
/// # Errors
///
/// Which call failed, and why.
pub(crate) fn leave_terminal() -> Result<(), (&'static str, io::Error)> {
    match process::fork().map_err(|e| ("fork()", e))? {
        Fork::Parent(_) => process::end_now(0),
        Fork::Child => {}
    }
    process::start_session().map_err(|e| ("setsid()", e))?;
    process::set_umask(0);
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|e| ("open(\"/dev/null\")", e))?;
    for number in [0, 1] {
        process::replace_descriptor(null.as_fd(), number).map_err(|e| ("dup2()", e))?;
    }
    Ok(())
}

/// Makes standard error the file at `path`: what libraries print, and panics, end up in the log.
///
/// # Errors
///
/// The kernel's.
pub(crate) fn redirect_standard_error(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    process::replace_descriptor(file.as_fd(), 2)
}
