//! The entries of the crate: which text is read first, and from where the others come.

use std::path::Path;

use crate::parser::Parser;
use crate::{Error, MemorySource, Source, Tree};

/// Reads a configuration.
///
/// `main` is taken relative to `prefix` (nginx's `-p`), included files relative to `conf_prefix`
/// (the folder of the main file), as nginx does. The tree holds whatever could be understood,
/// even when there are errors. The first error is the one at which nginx stops; reading goes on
/// behind it wherever what follows can still be understood.
#[must_use]
pub fn load(
    main: &Path,
    prefix: &Path,
    conf_prefix: &Path,
    source: &dyn Source,
) -> (Tree, Vec<Error>) {
    load_with_parameters(b"", main, prefix, conf_prefix, source)
}

/// The same with the directives of the `-g` switch, which come first.
#[must_use]
pub fn load_with_parameters(
    parameters: &[u8],
    main: &Path,
    prefix: &Path,
    conf_prefix: &Path,
    source: &dyn Source,
) -> (Tree, Vec<Error>) {
    let mut parser = Parser::new(conf_prefix, source);
    parser.read_parameters(parameters);
    parser.read_main(&prefix.join(main));
    parser.finish()
}

/// Reads the directives of a `-g` switch alone; errors are "in command line". There is nothing
/// that it could include.
#[must_use]
pub fn parse_str(text: &[u8]) -> (Tree, Vec<Error>) {
    let nothing = MemorySource::new();
    let mut parser = Parser::new(Path::new(""), &nothing);
    parser.read_parameters(text);
    parser.finish()
}
