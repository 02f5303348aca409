//! The texts of a configuration: each file read once, with limits on how many and how much.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limits::{MAX_INCLUDE_DEPTH, MAX_INCLUDES, MAX_TOTAL_BYTES};
use crate::{Error, FileId, FileKind, Level, Source, SourceFile};

/// Why a file is not read.
pub(crate) enum Refusal {
    /// The system refused.
    System(io::Error),
    /// It is being read already: reading it again would never end.
    Cycle,
    /// A limit of ours was passed.
    Limit(&'static str, usize),
}

impl Refusal {
    /// The error that the operator sees.
    pub(crate) fn error(&self, path: &Path) -> Error {
        let path = path.display();
        match self {
            // nginx opens a directory like any file and fails to read it, naming no place.
            Self::System(error) if error.kind() == io::ErrorKind::IsADirectory => {
                let message = format!("pread() \"{path}\" failed {}", describe(error));
                Error::new(Level::Crit, message)
            }
            Self::System(error) => {
                let message = format!("open() \"{path}\" failed {}", describe(error));
                Error::new(Level::Emerg, message)
            }
            Self::Cycle => Error::new(Level::Emerg, format!("\"{path}\" includes itself"))
                .with_hint("this include, or one that led to it, has to go"),
            Self::Limit(what, limit) => {
                let message = format!("\"{path}\" is not read: more than {limit} {what}");
                Error::new(Level::Emerg, message)
            }
        }
    }

    /// Whether further includes would only be refused again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Limit(..))
    }
}

/// Every text that was read.
#[derive(Default)]
pub(crate) struct Files {
    list: Vec<SourceFile>,
    ids: HashMap<PathBuf, FileId>,
    /// Those that are being read, the outermost first.
    open: Vec<FileId>,
    reads: usize,
    bytes: usize,
}

impl Files {
    /// Adds a text that is no file.
    pub(crate) fn add_parameters(&mut self, text: Arc<[u8]>) -> FileId {
        self.add(SourceFile {
            path: PathBuf::new(),
            text,
            kind: FileKind::CommandLine,
        })
    }

    /// Opens a file: from memory if it was read before. [`close`](Self::close) it afterwards.
    pub(crate) fn open(
        &mut self,
        path: &Path,
        source: &dyn Source,
    ) -> Result<(FileId, Arc<[u8]>), Refusal> {
        if self.open.len() >= MAX_INCLUDE_DEPTH {
            return Err(Refusal::Limit(
                "files include one another",
                MAX_INCLUDE_DEPTH,
            ));
        }
        if self.reads >= MAX_INCLUDES {
            return Err(Refusal::Limit("files are included", MAX_INCLUDES));
        }
        let known = self.ids.get(path).copied();
        if known.is_some_and(|id| self.open.contains(&id)) {
            return Err(Refusal::Cycle);
        }
        let id = match known {
            Some(id) => id,
            None => {
                let text = source.read(path).map_err(Refusal::System)?.into();
                let file = SourceFile {
                    path: path.to_owned(),
                    text,
                    kind: FileKind::File,
                };
                let id = self.add(file);
                self.ids.insert(path.to_owned(), id);
                id
            }
        };
        let text = self.text(id);
        if text.len() > MAX_TOTAL_BYTES - self.bytes {
            return Err(Refusal::Limit("bytes of configuration", MAX_TOTAL_BYTES));
        }
        self.bytes += text.len();
        self.reads += 1;
        self.open.push(id);
        Ok((id, text))
    }

    /// Ends the reading of the file opened last.
    pub(crate) fn close(&mut self) {
        self.open.pop();
    }

    /// How many were opened so far, a file counting each time.
    pub(crate) fn opened(&self) -> usize {
        self.reads
    }

    /// All of them, in the order of first reading.
    pub(crate) fn into_list(self) -> Vec<SourceFile> {
        self.list
    }

    fn text(&self, id: FileId) -> Arc<[u8]> {
        let file = usize::try_from(id.0)
            .ok()
            .and_then(|index| self.list.get(index));
        file.map(|file| Arc::clone(&file.text)).unwrap_or_default()
    }

    fn add(&mut self, file: SourceFile) -> FileId {
        // `MAX_INCLUDES` keeps the count far below 2^32.
        let id = FileId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(file);
        id
    }
}

/// The number and text of a system error as nginx prints them: `(2: No such file or directory)`.
pub(crate) fn describe(error: &io::Error) -> String {
    let (number, text) = match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => (number, error.to_string()),
        (None, io::ErrorKind::NotFound) => (2, "No such file or directory".to_owned()),
        (None, io::ErrorKind::PermissionDenied) => (13, "Permission denied".to_owned()),
        (None, io::ErrorKind::IsADirectory) => (21, "Is a directory".to_owned()),
        (None, _) => (5, error.to_string()),
    };
    let suffix = format!(" (os error {number})");
    format!(
        "({number}: {})",
        text.strip_suffix(&suffix).unwrap_or(&text)
    )
}
