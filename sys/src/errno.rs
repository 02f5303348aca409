//! Numbers of errors that the standard library has no stable name for.

use std::io;

/// Too many symbolic links, or one where none may be.
pub const ELOOP: i32 = libc::ELOOP;
/// No descriptors left in this process.
pub const EMFILE: i32 = libc::EMFILE;
/// No descriptors left in the system.
pub const ENFILE: i32 = libc::ENFILE;

/// Whether descriptors, memory or places for connections have run out here: nothing that
/// somebody else did, and nothing that trying again at once would mend.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    let number = error.raw_os_error();
    error.kind() == io::ErrorKind::OutOfMemory || number.is_some_and(|n| shortages.contains(&n))
}
