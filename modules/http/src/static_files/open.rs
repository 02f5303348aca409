//! Opening a file the way its location says.

use super::{Body, Bytes, CACHE};
use crate::open_files;
use http::core::files::{Files, SymlinkPolicy};
use http::{FileRange, Request};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use sys::file::{Open, Stat};

/// Longest file that is kept in memory, in bytes.
pub(crate) const SMALL: u64 = 32 << 10;

/// What is at a path.
#[derive(Clone)]
pub(crate) enum Opened {
    /// A regular file.
    File(Found),
    /// A folder.
    Directory,
    /// A device, socket or pipe.
    Other,
}

/// A regular file, open or in memory.
#[derive(Clone)]
pub(crate) struct Found {
    /// Bytes in it.
    pub(crate) size: u64,
    /// When it was last changed, in seconds since 1970.
    pub(crate) mtime: i64,
    /// Its ETag, with quotes: time and size in hexadecimal, as nginx makes it.
    pub(crate) etag: Bytes,
    /// What is in it.
    pub(crate) content: Content,
}

/// Where the bytes of a file are.
#[derive(Clone)]
pub(crate) enum Content {
    /// In memory.
    Memory(Rc<[u8]>),
    /// In the open file.
    File {
        /// The descriptor.
        file: Arc<OwnedFd>,
        /// Whether reads bypass the page cache.
        direct: bool,
    },
}

impl Found {
    /// The file as a response's body.
    pub(crate) fn body(&self) -> Body {
        match &self.content {
            _ if self.size == 0 => Body::Empty,
            Content::Memory(bytes) => Body::Bytes(Bytes::Shared(Rc::clone(bytes))),
            Content::File { file, direct } => Body::File(FileRange {
                file: Arc::clone(file),
                start: 0,
                end: self.size,
                direct: *direct,
            }),
        }
    }

    /// What `stat` says of a file whose bytes are at `content`.
    pub(crate) fn new(stat: &Stat, content: Content) -> Self {
        Self {
            size: stat.size,
            mtime: stat.mtime(),
            etag: etag(stat),
            content,
        }
    }
}

/// `"time-size"` in hexadecimal.
fn etag(stat: &Stat) -> Bytes {
    let mut etag = Vec::with_capacity(28);
    // Writing to memory does not fail.
    let _ = write!(etag, "\"{:x}-{:x}\"", stat.mtime(), stat.size);
    Bytes::Shared(etag.into())
}

/// Opens `path`, or finds it in memory.
///
/// # Errors
///
/// The system's; `ELOOP` for a symbolic link that `disable_symlinks` refuses.
pub(crate) fn open(request: &Request, settings: &Files, path: &Path) -> io::Result<Opened> {
    let symlinks = &*settings.disable_symlinks;
    if let Some(limits) = *settings.open_file_cache {
        return open_files::find(request, settings, limits, path);
    }
    if symlinks.policy != SymlinkPolicy::Off {
        return open_checked(request, settings, path);
    }
    if settings.directio.is_some() {
        // How such a file is open depends on the location.
        return open_now(settings, path).map(|(opened, _)| opened);
    }
    CACHE.with(|cache| cache.find(path, || open_now(settings, path)))
}

/// Opens `path` on disk.
///
/// # Errors
///
/// The system's.
pub(crate) fn open_now(settings: &Files, path: &Path) -> io::Result<(Opened, Option<Stat>)> {
    let file = sys::file::open(path, Open::READ, 0)?;
    opened(settings, file)
}

/// Opens `path` without crossing symbolic links that are refused.
///
/// # Errors
///
/// The system's; `ELOOP` for a refused link.
pub(crate) fn open_checked(request: &Request, settings: &Files, path: &Path) -> io::Result<Opened> {
    let from = settings
        .disable_symlinks
        .from
        .as_ref()
        .map(|from| from.eval(request));
    let policy = settings.disable_symlinks.policy;
    let file = crate::symlinks::open(path, from.as_deref(), policy)?;
    opened(settings, file).map(|(opened, _)| opened)
}

fn opened(settings: &Files, file: OwnedFd) -> io::Result<(Opened, Option<Stat>)> {
    let stat = sys::file::stat_of(file.as_fd())?;
    if stat.is_directory() {
        return Ok((Opened::Directory, None));
    }
    if !stat.is_file() {
        return Ok((Opened::Other, None));
    }
    let direct = settings.directio.is_some_and(|size| stat.size >= size);
    let content = if stat.size <= SMALL && !direct {
        let size = usize::try_from(stat.size).unwrap_or(usize::MAX);
        let bytes = sys::file::read_to_vec(file.as_fd(), 0, size)?;
        if bytes.len() as u64 != stat.size {
            // It is being written at this moment: leave it to a later look.
            return Ok((Opened::File(Found::new(&stat, of_file(file, false))), None));
        }
        Content::Memory(bytes.into())
    } else {
        if *settings.read_ahead > 0 {
            // A hint: where it fails, reading is no worse than before.
            let _ = sys::file::advise_read_ahead(file.as_fd());
        }
        // A file system without direct reads serves the file all the same.
        let direct = direct && sys::file::set_direct_io(file.as_fd(), true).is_ok();
        of_file(file, direct)
    };
    Ok((Opened::File(Found::new(&stat, content)), Some(stat)))
}

fn of_file(file: OwnedFd, direct: bool) -> Content {
    Content::File {
        file: Arc::new(file),
        direct,
    }
}
