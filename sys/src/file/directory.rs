//! Reading the names in a folder.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;

use super::{Kind, PathArg};

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name, without its folder.
    pub name: Vec<u8>,
    /// What it is, not following links; `None` where the file system does not say so for free.
    pub kind: Option<Kind>,
}

/// The names in a folder, in the file system's order, without `.` and `..`.
#[derive(Debug)]
pub struct Directory {
    names: std::fs::ReadDir,
}

/// Starts reading the folder at `path`.
///
/// # Errors
///
/// The kernel's.
pub fn read_directory(path: &(impl PathArg + ?Sized)) -> io::Result<Directory> {
    path.with_c_str(|path| {
        let path = std::ffi::OsString::from_vec(path.to_bytes().to_vec());
        Ok(Directory {
            names: std::fs::read_dir(path)?,
        })
    })
}

impl Iterator for Directory {
    type Item = io::Result<DirectoryEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.names.next()? {
            Ok(entry) => entry,
            Err(e) => return Some(Err(e)),
        };
        let kind = entry.file_type().ok().map(|kind| {
            if kind.is_file() {
                Kind::File
            } else if kind.is_dir() {
                Kind::Directory
            } else if kind.is_symlink() {
                Kind::Link
            } else {
                debug_assert!(
                    kind.is_socket()
                        || kind.is_fifo()
                        || kind.is_block_device()
                        || kind.is_char_device()
                );
                Kind::Other
            }
        });
        Some(Ok(DirectoryEntry {
            name: entry.file_name().into_vec(),
            kind,
        }))
    }
}
