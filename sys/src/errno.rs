//! Numbers of errors that the standard library has no stable name for.

/// Too many symbolic links, or one where none may be.
pub const ELOOP: i32 = libc::ELOOP;
/// No descriptors left in this process.
pub const EMFILE: i32 = libc::EMFILE;
/// No descriptors left in the system.
pub const ENFILE: i32 = libc::ENFILE;
