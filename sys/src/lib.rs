//! System calls behind safe functions: the only crate, with `shm`, that contains `unsafe`.

pub mod aligned;
pub mod allocator;
pub mod clock;
pub mod crypt;
pub mod errno;
pub mod file;
pub mod host;
mod outcome;
pub mod process;
pub mod random;
pub mod signal;
pub mod socket;
pub mod tcp_info;
pub mod user;
pub mod waker;
