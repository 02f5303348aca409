//! Tests of the crate as a whole.

mod binary_base;
mod oracle;
mod random;
mod recovery;
mod tree;

use std::path::Path;

use crate::{Directive, Error, MemorySource, Tree, load, sort_errors};

/// The directives that the stand-in for the engine knows.
const KNOWN: &[&str] = &[
    "daemon",
    "error_log",
    "events",
    "http",
    "listen",
    "map",
    "server",
    "server_name",
    "types",
    "worker_processes",
];

/// A source with `text` as its main file.
fn in_memory(text: &[u8]) -> MemorySource {
    MemorySource::new().with("/p/conf/nginx.conf", text)
}

/// Loads the main file of `source` from the place where nginx would have it.
fn load_from(source: &MemorySource) -> (Tree, Vec<Error>) {
    load(
        Path::new("conf/nginx.conf"),
        Path::new("/p/"),
        Path::new("/p/conf/"),
        source,
    )
}

/// Loads `text` alone.
fn load_text(text: &str) -> (Tree, Vec<Error>) {
    load_from(&in_memory(text.as_bytes()))
}

/// nginx's lines for the errors of `text`.
fn lines_of(text: &str) -> Vec<String> {
    let (tree, errors) = load_text(text);
    errors.iter().map(|error| error.nginx_line(&tree)).collect()
}

/// An error for every directive with an unknown name.
fn check_known(directives: &[Directive]) -> Vec<Error> {
    let mut errors = Vec::new();
    for directive in directives {
        if !KNOWN.iter().any(|name| directive.is(name)) {
            errors.push(Error::unknown_directive(directive, KNOWN.iter().copied()));
        }
        // The lines of a table have no names.
        if !directive.is("types") && !directive.is("map") {
            errors.extend(check_known(directive.block.as_deref().unwrap_or_default()));
        }
    }
    errors
}

/// The first line that is printed for `source`, empty if none is.
fn first_line(source: &MemorySource) -> String {
    let (tree, mut errors) = load_from(source);
    errors.extend(check_known(&tree.directives));
    sort_errors(&mut errors);
    errors
        .first()
        .map(|error| error.nginx_line(&tree))
        .unwrap_or_default()
}
