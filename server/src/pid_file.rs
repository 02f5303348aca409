//! The file that says who the master is.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::report::reason;

/// Writes the id of this process to `path`.
///
/// # Errors
///
/// nginx's message.
pub(crate) fn write(path: &Path) -> Result<(), String> {
    fs::write(path, format!("{}\n", std::process::id()))
        .map_err(|e| format!("open() \"{}\" failed{}", path.display(), reason(&e)))
}

/// Whether `path` could be written, which is tried. Unlike nginx's `-t`, it leaves no empty file
/// behind, for which a running server would look in vain.
///
/// # Errors
///
/// nginx's message.
pub(crate) fn test(path: &Path) -> Result<(), String> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    let tried = match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let made = options.create_new(true).open(path);
            made.and_then(|_| fs::remove_file(path))
        }
        tried => tried.map(drop),
    };
    tried.map_err(|e| format!("open() \"{}\" failed{}", path.display(), reason(&e)))
}

/// The id that `path` holds.
///
/// # Errors
///
/// nginx's message.
pub(crate) fn read(path: &Path) -> Result<u32, String> {
    let text = fs::read(path)
        .map_err(|e| format!("open() \"{}\" failed{}", path.display(), reason(&e)))?;
    let text = text.trim_ascii_end();
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            format!("invalid PID number \"{text}\" in \"{}\"", path.display())
        })
}

/// Removes it.
///
/// # Errors
///
/// nginx's message.
pub(crate) fn remove(path: &Path) -> Result<(), String> {
    fs::remove_file(path)
        .map_err(|e| format!("unlink() \"{}\" failed{}", path.display(), reason(&e)))
}

/// Where the old master keeps its id while a new program runs.
pub(crate) fn old(path: &Path) -> PathBuf {
    with_suffix(path, ".oldbin")
}

/// `path` with something behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Moves it.
///
/// # Errors
///
/// The kernel's.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("tidegate-pid-{}", std::process::id()));
        write(&path).unwrap();
        assert_eq!(read(&path), Ok(std::process::id()));
        for (text, shown) in [
            ("abc\n", "abc"),
            ("-5\n", "-5"),
            ("", ""),
            ("99999999999", "99999999999"),
        ] {
            fs::write(&path, text).unwrap();
            let expected = format!("invalid PID number \"{shown}\" in \"{}\"", path.display());
            assert_eq!(read(&path), Err(expected));
        }
        remove(&path).unwrap();
        assert!(
            read(&path)
                .unwrap_err()
                .ends_with("failed (2: No such file or directory)")
        );
    }

    #[test]
    fn trying_changes_nothing() {
        let path = std::env::temp_dir().join(format!("tidegate-try-{}", std::process::id()));
        test(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "1\n").unwrap();
        test(&path).unwrap();
        assert_eq!(read(&path), Ok(1));
        remove(&path).unwrap();
        let inside = path.join("none");
        let expected = format!(
            "open() \"{}\" failed (2: No such file or directory)",
            inside.display()
        );
        assert_eq!(test(&inside), Err(expected));
    }

    #[test]
    fn the_old_one_stands_beside_it() {
        assert_eq!(
            old(Path::new("/run/nginx.pid")),
            Path::new("/run/nginx.pid.oldbin")
        );
    }
}
