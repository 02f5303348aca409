//! Loads configurations in unit tests of rooms.

use conf::MemorySource;
use engine::{Contexts, Line, Loading};
use http::config::{finish, loader, registry::Registry};
use std::path::Path;
use std::rc::Rc;

/// What loading `http { INSIDE }` says: messages of errors and warnings, without positions.
pub(crate) fn messages(inside: &str) -> Vec<String> {
    messages_with(&[], inside)
}

/// The same where files of these names lie beside the configuration.
pub(crate) fn messages_with(files: &[(&str, Vec<u8>)], inside: &str) -> Vec<String> {
    let loading = load_with(files, inside);
    let message = |error: &conf::Error| error.message.clone();
    loading.errors.iter().map(message).collect()
}

/// Loads `http { INSIDE }` with files of these names beside the configuration.
pub(crate) fn load_with(files: &[(&str, Vec<u8>)], inside: &str) -> Loading {
    let (main, folder) = (Path::new("/nonexistent/main"), Path::new("/nonexistent"));
    let text = format!("http {{ {inside} }}");
    let mut source = MemorySource::new().with(main, text);
    for (name, bytes) in files {
        source = source.with(folder.join(name), bytes.as_slice());
    }
    let source = Rc::new(source);
    let (tree, errors) = conf::load(main, folder, folder, &*source);
    let registry = Rc::new(Registry::new(crate::MODULES));
    let mut loading = Loading::new(folder, folder, source);
    loading.errors = errors;
    loader::read(&tree.directives[0], &mut loading, &registry);
    finish::finish(&mut loading, &registry);
    loading
}

/// Checks that loading `http { INSIDE }` says `expected` and nothing else; nothing at all where
/// that is empty.
#[track_caller]
pub(crate) fn check(inside: &str, expected: &str) {
    let messages = messages(inside);
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(messages, expected, "{inside}");
}

/// Loads each example of a page of the documentation.
#[test]
fn examples_of_the_documentation_load() {
    let page = include_str!("../../../docs/load-balancing.md");
    let examples = page.split("```nginx\n").skip(1);
    let examples: Vec<&str> = examples
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        check(example, "");
    }
}

/// The lines of a table, as a block such as `map` has them.
pub(crate) fn table_lines(text: &str) -> Vec<conf::Directive> {
    let (main, folder) = (Path::new("/nonexistent/main"), Path::new("/nonexistent"));
    let source = MemorySource::new().with(main, format!("map {{ {text} }}"));
    let (mut tree, errors) = conf::load(main, folder, folder, &source);
    assert!(errors.is_empty(), "{errors:?}");
    tree.directives.remove(0).block.unwrap()
}

/// A load that has read nothing and can read nothing.
pub(crate) fn loading() -> Loading {
    let folder = Path::new("/nonexistent");
    Loading::new(folder, folder, Rc::new(MemorySource::new()))
}

/// Reads one directive without a block by `read`, as the line of an `http` block.
pub(crate) fn line<T>(text: &str, read: impl FnOnce(&mut Line<'_>) -> T) -> T {
    line_in(&format!("{text};"), &mut loading(), read)
}

/// The same for a directive that is written to its end, in the course of `loading`.
pub(crate) fn line_in<T>(
    text: &str,
    loading: &mut Loading,
    read: impl FnOnce(&mut Line<'_>) -> T,
) -> T {
    let directives = table_lines(text);
    let nest = |_: &mut Loading, _: &conf::Directive, _: Contexts| 0;
    read(&mut Line {
        directive: &directives[0],
        context: Contexts::HTTP,
        level: 0,
        loading,
        nest: &nest,
    })
}
