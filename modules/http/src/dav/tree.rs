//! Copies of files and of whole folders, complete or not at all.

use crate::file_work::Failure;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::file::{Kind, Open, Stat};

/// Deepest nesting that is copied: each level keeps a frame on the stack of a thread.
const DEPTH_MAX: usize = 200;

/// What becomes of links, pipes and devices in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// They are left out of the copy.
    Skip,
    /// There is no copy: the original is about to be removed, and they would be lost.
    Refuse,
}

/// Copies the file at `from` over a new file at `to`, with its permissions and its time.
///
/// # Errors
///
/// The system's; `to` is then as it was.
pub(super) fn copy_file(from: &Path, to: &Path, follows: bool) -> Result<(), Failure> {
    let how = if follows {
        Open::READ
    } else {
        Open::READ.no_follow()
    };
    let told = |error: &io::Error| Failure::of_storing("open()", from.display(), error);
    let source = sys::file::open(from, how, 0).map_err(|error| told(&error))?;
    let stat = sys::file::stat_of(source.as_fd()).map_err(|error| told(&error))?;
    if !stat.is_file() {
        let message = format!("\"{}\" is not a regular file", from.display());
        return Err(Failure::refused(403, message));
    }
    copy_open(source.as_fd(), &stat, to)
        .map_err(|error| Failure::of_storing("copying to", to.display(), &error))
}

fn copy_open(source: BorrowedFd<'_>, stat: &Stat, to: &Path) -> io::Result<()> {
    let copy = sys::file::create_unique([to.to_owned()], 0o600)?;
    sys::file::copy_all(source, copy.as_fd(), u64::MAX)?;
    sys::file::change_mode_of(copy.as_fd(), stat.mode & 0o777)?;
    sys::file::set_modified_of(copy.as_fd(), stat.mtime())?;
    drop(copy.keep());
    Ok(())
}

/// Copies the folder at `from` and all in it to `to`, where nothing may be yet.
///
/// # Errors
///
/// The first failure; `to` is then removed again.
pub(super) fn copy_folder(from: &Path, to: &Path, others: Others) -> Result<(), Failure> {
    let stat = sys::file::stat(from)
        .map_err(|error| Failure::of_call("stat()", from.display(), &error, 404))?;
    sys::file::create_directory(to, 0o700)
        .map_err(|error| Failure::of_call("mkdir()", to.display(), &error, 404))?;
    let copied = sys::file::stat(to)
        .map_err(|error| Failure::of_storing("stat()", to.display(), &error))
        .and_then(|root| {
            let copy = Copy { root, others };
            copy.contents(from, to, DEPTH_MAX)
        })
        .and_then(|()| {
            sys::file::change_mode(to, stat.mode & 0o777)
                .map_err(|error| Failure::of_storing("chmod()", to.display(), &error))
        });
    if copied.is_err() {
        // The failure that is told is the first one.
        let _ = std::fs::remove_dir_all(to);
    }
    copied
}

/// A copy of a tree being made.
struct Copy {
    /// The folder that the copy is made in, which must not be copied itself.
    root: Stat,
    others: Others,
}

impl Copy {
    fn contents(&self, from: &Path, to: &Path, depth: usize) -> Result<(), Failure> {
        let names = sys::file::read_directory(from)
            .map_err(|error| Failure::of_storing("opendir()", from.display(), &error))?;
        for entry in names {
            let entry =
                entry.map_err(|error| Failure::of_storing("readdir()", from.display(), &error))?;
            let name = OsStr::from_bytes(&entry.name);
            self.one(&from.join(name), to.join(name), depth)?;
        }
        Ok(())
    }

    fn one(&self, from: &Path, to: PathBuf, depth: usize) -> Result<(), Failure> {
        let stat = match sys::file::stat_link(from) {
            Ok(stat) => stat,
            // Removed since its name was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::of_storing("lstat()", from.display(), &error)),
        };
        match stat.kind() {
            Kind::File => copy_file(from, &to, false),
            Kind::Directory => self.folder(from, &stat, &to, depth),
            Kind::Link | Kind::Other if self.others == Others::Skip => Ok(()),
            Kind::Link | Kind::Other => {
                let message = format!("\"{}\" cannot be moved to another disk", from.display());
                Err(Failure::refused(500, message))
            }
        }
    }

    fn folder(&self, from: &Path, stat: &Stat, to: &Path, depth: usize) -> Result<(), Failure> {
        if (stat.dev, stat.ino) == (self.root.dev, self.root.ino) {
            let message = format!("\"{}\" would be copied into itself", from.display());
            return Err(Failure::refused(403, message));
        }
        let Some(depth) = depth.checked_sub(1) else {
            let message = format!("\"{}\" is nested too deeply", from.display());
            return Err(Failure::refused(500, message));
        };
        let told = |error: io::Error| Failure::of_storing("mkdir()", to.display(), &error);
        sys::file::create_directory(to, 0o700).map_err(told)?;
        self.contents(from, to, depth)?;
        sys::file::change_mode(to, stat.mode & 0o777).map_err(told)?;
        sys::file::set_modified(to, stat.mtime()).map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder of one test, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("tidegate-tree-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Copies `from` to `to` and checks that a refusal leaves nothing.
    #[track_caller]
    fn check(folder: &Folder, to: &str, others: Others, refused: Option<u16>) {
        let copied = copy_folder(&folder.at("from"), &folder.at(to), others);
        assert_eq!(copied.err().map(|failure| failure.status), refused);
        assert_eq!(folder.at(to).exists(), refused.is_none());
    }

    #[test]
    fn links_are_left_out_or_refused() {
        let folder = Folder::new("links");
        fs::create_dir_all(folder.at("from/sub")).unwrap();
        fs::write(folder.at("from/sub/file"), "x").unwrap();
        std::os::unix::fs::symlink("file", folder.at("from/sub/link")).unwrap();
        check(&folder, "strict", Others::Refuse, Some(500));
        check(&folder, "lax", Others::Skip, None);
        assert_eq!(fs::read(folder.at("lax/sub/file")).unwrap(), b"x");
        assert!(!folder.at("lax/sub/link").is_symlink());
    }

    #[test]
    fn a_copy_in_its_own_source_comes_to_an_end() {
        let folder = Folder::new("inside");
        fs::create_dir_all(folder.at("from/sub")).unwrap();
        check(&folder, "from/sub/copy", Others::Skip, Some(403));
    }

    #[test]
    fn nesting_has_an_end() {
        let folder = Folder::new("deep");
        let levels = |count: usize| folder.at("from").join("d/".repeat(count));
        fs::create_dir_all(levels(DEPTH_MAX)).unwrap();
        check(&folder, "copy", Others::Skip, None);
        fs::create_dir_all(levels(DEPTH_MAX + 1)).unwrap();
        check(&folder, "other", Others::Skip, Some(500));
    }
}
