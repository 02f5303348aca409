//! Reading a configuration from the file system.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use conf::{Source, Stamp, glob};

use crate::paths::Paths;

/// The files of this machine, and the configuration that is built in.
#[derive(Debug)]
pub(crate) struct FileSource<'a> {
    paths: &'a Paths,
}

impl<'a> FileSource<'a> {
    pub(crate) const fn new(paths: &'a Paths) -> Self {
        Self { paths }
    }
}

impl Source for FileSource<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.paths.built_in {
            Some(text) if path == self.paths.file => Ok(text.into()),
            _ => std::fs::read(path),
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let metadata = std::fs::metadata(path)?;
        Ok(Stamp {
            modified: metadata.modified()?,
            size: metadata.len(),
            mode: metadata.permissions().mode() & 0o777,
        })
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![PathBuf::new()];
        for component in pattern.components() {
            let name = component.as_os_str();
            if matches!(component, Component::Normal(_)) && glob::is_pattern(name.as_bytes()) {
                found = expand(&found, name)?;
            } else {
                let unescaped = unescape(name.as_bytes());
                found = found
                    .iter()
                    .map(|path| path.join(OsStr::from_bytes(&unescaped)))
                    .collect();
                found.retain(|path| path.symlink_metadata().is_ok());
            }
        }
        found.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
        Ok(found)
    }
}

/// The names in each of `folders` that match.
fn expand(folders: &[PathBuf], pattern: &OsStr) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let listed = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let entries = match std::fs::read_dir(listed) {
            Ok(entries) => entries,
            // Not a folder, or gone meanwhile: it holds no match.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotADirectory | io::ErrorKind::NotFound
                ) =>
            {
                continue;
            }
            Err(e) => return Err(e),
        };
        for entry in entries {
            let name = entry?.file_name();
            if glob::component_matches(pattern.as_bytes(), name.as_bytes()) {
                found.push(folder.join(name));
            }
        }
    }
    Ok(found)
}

/// A component without wildcards may still hold escapes.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        let literal = if byte == b'\\' {
            bytes.next().copied()
        } else {
            Some(byte)
        };
        plain.extend(literal);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Options;

    #[test]
    fn patterns_match_at_any_depth_and_come_sorted() {
        let root = std::env::temp_dir().join(format!("tidegate-source-{}", std::process::id()));
        for file in ["b/2.conf", "a/1.conf", "a/.hidden.conf", "a/note.txt", "c"] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let paths = Paths::find(&Options {
            prefix: Some("/x".into()),
            ..Options::default()
        });
        let source = FileSource::new(&paths);
        let glob = |pattern: &str| -> Vec<_> {
            let found = source.glob(&root.join(pattern)).unwrap();
            found
                .iter()
                .map(|path| path.strip_prefix(&root).unwrap().to_path_buf())
                .collect()
        };
        assert_eq!(
            glob("*/*.conf"),
            [Path::new("a/1.conf"), Path::new("b/2.conf")]
        );
        assert_eq!(
            glob("?/[0-9].conf"),
            [Path::new("a/1.conf"), Path::new("b/2.conf")]
        );
        assert_eq!(glob("a/n\\ote.txt"), [Path::new("a/note.txt")]);
        assert_eq!(glob("a/*.none"), Vec::<PathBuf>::new());
        assert_eq!(glob("none/*"), Vec::<PathBuf>::new());
        assert_eq!(source.read(&root.join("c")).unwrap(), b"c");
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_built_in_text_is_a_file_like_others() {
        let mut paths = Paths::find(&Options {
            prefix: Some("/x".into()),
            ..Options::default()
        });
        paths.built_in = Some("events {}");
        assert_eq!(
            FileSource::new(&paths).read(&paths.file).unwrap(),
            b"events {}"
        );
    }
}
