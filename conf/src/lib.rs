//! nginx.conf text to a tree that keeps file, line and column of every token.
//!
//! [`load`] reads the main file and everything it includes through a [`Source`], lexes it exactly
//! as nginx 1.31 does, and answers with a [`Tree`] and the syntax errors found on the way. What a
//! directive means, where it may stand and how many arguments it takes is for the caller to say;
//! [`Error`] gives both the same wording, order and place in the text.
#![forbid(unsafe_code)]

mod dump;
mod error;
mod files;
pub mod geo_base;
pub mod glob;
mod known;
mod lexer;
pub mod limits;
mod loader;
mod nearest;
mod parser;
mod render;
mod source;
mod tree;

pub use dump::dump;
pub use error::{Error, Focus, Level, sort_errors};
pub use known::{ForeignDirective, Origin, foreign_module};
pub use loader::{load, load_with_parameters, parse_str};
pub use nearest::nearest;
pub use source::{MemorySource, Source, Stamp};
pub use tree::{Directive, FileId, FileKind, Included, Position, SourceFile, Tree, Word};

#[cfg(test)]
mod tests;
