//! What the file system says of a file.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::PathArg;
use crate::outcome::check;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link, seen without following it.
    Link,
    /// A socket, FIFO or device.
    Other,
}

impl Kind {
    /// The kind in the upper bits of a mode.
    pub(super) const fn of_mode(mode: u32) -> Self {
        match mode & libc::S_IFMT {
            libc::S_IFREG => Self::File,
            libc::S_IFDIR => Self::Directory,
            libc::S_IFLNK => Self::Link,
            _ => Self::Other,
        }
    }
}

/// The facts about a file that a server acts on, in one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The device that holds the file.
    pub dev: u64,
    /// The file's number on that device.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// When the content last changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When content or attributes last changed, in nanoseconds since 1970. Cannot be set by
    /// programs, hence the field to trust when asking whether a file is still the same.
    pub ctime_ns: i64,
    /// Kind and permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// Space taken on disk, in units of 512 bytes.
    pub blocks: u64,
}

impl Stat {
    /// What the file is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::of_mode(self.mode)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.kind(), Kind::File)
    }

    /// Whether it is a folder.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind(), Kind::Directory)
    }

    /// When the content last changed, in whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn mtime(&self) -> i64 {
        self.mtime_ns.div_euclid(NANOSECONDS)
    }

    fn of_statx(from: &libc::statx) -> Self {
        Self {
            dev: libc::makedev(from.stx_dev_major, from.stx_dev_minor),
            ino: from.stx_ino,
            size: from.stx_size,
            mtime_ns: nanoseconds(&from.stx_mtime),
            ctime_ns: nanoseconds(&from.stx_ctime),
            mode: u32::from(from.stx_mode),
            uid: from.stx_uid,
            blocks: from.stx_blocks,
        }
    }
}

const NANOSECONDS: i64 = 1_000_000_000;

/// Saturates in the year 2262.
fn nanoseconds(time: &libc::statx_timestamp) -> i64 {
    time.tv_sec
        .saturating_mul(NANOSECONDS)
        .saturating_add(i64::from(time.tv_nsec))
}

/// Describes the file that `path` leads to.
///
/// # Errors
///
/// The kernel's.
pub fn stat(path: &(impl PathArg + ?Sized)) -> io::Result<Stat> {
    path.with_c_str(|path| raw_statx(libc::AT_FDCWD, path, 0))
}

/// Describes `path` itself, even where it is a symbolic link.
///
/// # Errors
///
/// The kernel's.
pub fn stat_link(path: &(impl PathArg + ?Sized)) -> io::Result<Stat> {
    path.with_c_str(|path| raw_statx(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW))
}

/// Describes the name `path` in `folder`, following a link at its end only if `follow`.
///
/// # Errors
///
/// The kernel's.
pub fn stat_at(
    folder: BorrowedFd<'_>,
    path: &(impl PathArg + ?Sized),
    follow: bool,
) -> io::Result<Stat> {
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    path.with_c_str(|path| raw_statx(folder.as_raw_fd(), path, flags))
}

/// Describes an open file.
///
/// # Errors
///
/// The kernel's.
pub fn stat_of(file: BorrowedFd<'_>) -> io::Result<Stat> {
    raw_statx(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn raw_statx(folder: libc::c_int, path: &CStr, flags: libc::c_int) -> io::Result<Stat> {
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: `path` is NUL-terminated, `answer` is a statx to write to; both outlive the call.
    let done = unsafe {
        libc::statx(
            folder,
            path.as_ptr(),
            flags,
            libc::STATX_BASIC_STATS,
            answer.as_mut_ptr(),
        )
    };
    check(done)?;
    // SAFETY: it is made of integers, zeroed before the kernel filled it in.
    Ok(Stat::of_statx(unsafe { answer.assume_init_ref() }))
}
