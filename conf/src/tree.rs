//! The tree: files, directives, words, and where each stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::range_table::RangeTable;

use crate::Stamp;

/// Which file of [`Tree::files`] a position is in.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct FileId(pub u32);

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Position {
    /// The file.
    pub file: FileId,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// When it was read: grows from token to token across includes, so that errors found later
    /// can be put in the order in which nginx would have met them.
    pub sequence: u32,
}

/// One word of a directive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Word {
    /// The word without its quotes and with its escapes replaced.
    pub text: Vec<u8>,
    /// Its first byte in the file, which is the opening quote if it has one.
    pub position: Position,
    /// Whether it was written in quotes.
    pub quoted: bool,
}

impl Word {
    /// The word as text for a message: up to its first NUL, as nginx prints it, with whatever is
    /// not UTF-8 replaced.
    #[must_use]
    pub fn display(&self) -> std::borrow::Cow<'_, str> {
        let printed = self
            .text
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        String::from_utf8_lossy(printed)
    }
}

/// One directive with its arguments and, if it opens one, its block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directive {
    /// The first word.
    pub name: Word,
    /// The other words.
    pub args: Vec<Word>,
    /// What stands between `{` and `}`, includes already spliced in; `None` when it ended in `;`.
    pub block: Option<Vec<Self>>,
    /// What was read where an `include` is kept as a directive of its own, as in a `geo` of ranges;
    /// its lines, if it has some, are the block.
    pub included: Option<Box<Included>>,
    /// The body of a `*_by_lua_block`, which is not made of directives; its `block` is empty.
    pub raw: Option<Vec<u8>>,
    /// The `;` or the `{`: where nginx places every error of this directive.
    pub end: Position,
    /// The `}`: where nginx places errors that need the whole block.
    pub block_end: Option<Position>,
}

/// What an `include` was read as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Included {
    /// Its text.
    Text,
    /// Its text, of one file that is all that its block has: a binary base may be made of it.
    Whole {
        /// The name that the base has to have.
        base: PathBuf,
        /// What was known of the text before it was read.
        text: Stamp,
    },
    /// The binary base beside it.
    Base(Arc<RangeTable>),
}

impl Directive {
    /// Whether its name is `name`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.text == name.as_bytes()
    }
}

/// Where the text of a [`SourceFile`] came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A file.
    File,
    /// The `-g` switch.
    CommandLine,
}

/// A text that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceFile {
    /// Its full name; empty for the command line.
    pub path: PathBuf,
    /// All of it.
    pub text: Arc<[u8]>,
    /// Where it came from.
    pub kind: FileKind,
}

/// A whole configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    /// Every text that was read, each once, in the order of first reading.
    pub files: Vec<SourceFile>,
    /// The directives of the outermost level; those of `-g` come first.
    pub directives: Vec<Directive>,
}

impl Tree {
    /// The file that `id` names, if it is one of this tree.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    /// The name of the main file, if it could be read.
    #[must_use]
    pub fn main_path(&self) -> Option<&Path> {
        let main = self.files.iter().find(|file| file.kind == FileKind::File)?;
        Some(&main.path)
    }
}
