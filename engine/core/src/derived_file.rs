//! Files that are made of a configuration's own, to spare the next start the making.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::SystemTime;

/// Those of one load, written once all of the configuration is known to be good.
#[derive(Debug, Default)]
pub struct DerivedFiles {
    /// In the order of the directives that asked for them.
    pub all: Vec<DerivedFile>,
}

/// One of them.
#[derive(Debug)]
pub struct DerivedFile {
    /// What it is, for messages.
    pub kind: &'static str,
    /// Its name.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// When what it was made of was changed: so old the file says it is, so that a change that came
    /// while it was being made is not missed.
    pub modified: SystemTime,
    /// The permission bits of a new one; one that was there keeps its own.
    pub mode: u32,
}

impl DerivedFile {
    /// Writes the file. Under its name is the old one or the new one, whole, at any time.
    ///
    /// # Errors
    ///
    /// The system's, with everything as it was.
    pub fn write(&self) -> io::Result<()> {
        let old = sys::file::stat(self.path.as_path());
        let mode = old.map_or(self.mode, |stat| stat.mode & 0o777);
        let names = (0_u32..).map(|number| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{}.{number}", sys::process::id()));
            PathBuf::from(name)
        });
        let temporary = sys::file::create_unique(names, mode)?;
        let mut file = std::fs::File::from(temporary.as_fd().try_clone_to_owned()?);
        file.write_all(&self.bytes)?;
        file.set_modified(self.modified)?;
        let renamed = temporary.rename_to(&self.path);
        renamed.map(drop).map_err(|(_, error)| error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    #[test]
    fn the_file_is_as_old_as_its_source_and_keeps_its_mode() {
        let folder = std::env::temp_dir().join(format!("tidegate-derived-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut file = DerivedFile {
            kind: "copy",
            path: folder.join("x.bin"),
            bytes: b"one".to_vec(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
            mode: 0o640,
        };
        let mode = |file: &DerivedFile| {
            let metadata = fs::metadata(&file.path).unwrap();
            assert_eq!(metadata.modified().unwrap(), file.modified);
            metadata.permissions().mode() & 0o777
        };
        file.write().unwrap();
        assert_eq!(mode(&file), 0o640);
        (file.bytes, file.mode) = (b"two".to_vec(), 0o600);
        file.write().unwrap();
        assert_eq!(mode(&file), 0o640);
        assert_eq!(fs::read(&file.path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left");
        fs::remove_dir_all(&folder).unwrap();
        assert!(file.write().is_err());
    }
}
