//! Errors behind the first, and the limits.

use super::{check_known, in_memory, lines_of, load_from, load_text};
use crate::limits::{MAX_BLOCK_DEPTH, MAX_ERRORS, MAX_INCLUDE_DEPTH};
use crate::{MemorySource, sort_errors};

/// The messages and lines of errors in the main file.
fn short(text: &str) -> Vec<String> {
    let prefix = "nginx: [emerg] ";
    let lines = lines_of(text);
    let short = |line: &String| {
        let line = line.strip_prefix(prefix).unwrap_or(line);
        line.replace(" in /p/conf/nginx.conf:", " @")
    };
    lines.iter().map(short).collect()
}

#[test]
fn reading_goes_on_behind_a_fault() {
    let table: &[(&str, &[&str])] = &[
        (
            "a;;\nb;;\n",
            &["unexpected \";\" @1", "unexpected \";\" @2"],
        ),
        (
            "a { b }\nc { d }\n",
            &["unexpected \"}\" @1", "unexpected \"}\" @2"],
        ),
        ("}\n}\n", &["unexpected \"}\" @1", "unexpected \"}\" @2"]),
        (
            "{ ; }\n}\n",
            &[
                "unexpected \"{\" @1",
                "unexpected \";\" @1",
                "unexpected \"}\" @2",
            ],
        ),
        (
            "a \"b\"c;\nd 'e'f;\n",
            &["unexpected \"c\" @1", "unexpected \"f\" @2"],
        ),
        // A quote that ran over lines leaves nothing to trust.
        ("a \"b;\nc \"d\";\n;;\n", &["unexpected \"d\" @2"]),
        // One end of file closes every block, and is one error.
        (
            "a {\nb {\n;\n",
            &[
                "unexpected \";\" @3",
                "unexpected end of file, expecting \"}\" @4",
            ],
        ),
        (
            "a { b { c",
            &["unexpected end of file, expecting \";\" or \"}\" @1"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(short(text), *expected, "{text:?}");
    }
}

/// A directive whose `;` is missing is in the tree all the same, to be checked with the others.
#[test]
fn a_missing_semicolon_keeps_the_directive() {
    let (tree, errors) = load_text("server {\n listen 80\n}\nserver {}\n");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].hint.as_ref().unwrap().contains("\";\""));
    assert_eq!(tree.directives.len(), 2);
    assert!(tree.directives[0].block.as_ref().unwrap()[0].is("listen"));
}

#[test]
fn an_error_in_one_file_spares_the_others() {
    let source = in_memory(b"include a; include b; include c; }")
        .with("/p/conf/a", "x {")
        .with("/p/conf/c", "}");
    let (tree, errors) = load_from(&source);
    let lines: Vec<_> = errors.iter().map(|error| error.nginx_line(&tree)).collect();
    assert_eq!(
        lines,
        [
            "nginx: [emerg] unexpected end of file, expecting \"}\" in /p/conf/a:1",
            "nginx: [emerg] open() \"/p/conf/b\" failed (2: No such file or directory) \
             in /p/conf/nginx.conf:1",
            "nginx: [emerg] unexpected \"}\" in /p/conf/c:1",
            "nginx: [emerg] unexpected \"}\" in /p/conf/nginx.conf:1",
        ]
    );
}

/// nginx checks as it reads: whichever fault comes first in the text is printed first.
#[test]
fn errors_of_meaning_and_of_syntax_are_merged() {
    let (tree, mut errors) = load_text("foo;\n;\nbar;\n");
    errors.extend(check_known(&tree.directives));
    sort_errors(&mut errors);
    let lines: Vec<_> = errors
        .iter()
        .filter_map(|error| error.position)
        .map(|at| at.line)
        .collect();
    assert_eq!(lines, [1, 2, 3]);
}

#[test]
fn the_cause_of_an_open_end_is_shown() {
    let (tree, errors) = load_text("http {\n  server {\n    a;\n");
    let shown = errors[0].render_terminal(&tree, false);
    assert!(
        shown.contains("2 |   server {\n    |          ^\n"),
        "{shown}"
    );
    assert!(
        shown.contains("the block \"server\" opened at line 2 is not closed"),
        "{shown}"
    );
}

#[test]
fn errors_are_limited() {
    assert_eq!(lines_of(&";".repeat(10_000)).len(), MAX_ERRORS);
}

#[test]
fn blocks_are_limited() {
    let nested = |depth| format!("{}{}", "a {".repeat(depth), "}".repeat(depth));
    assert_eq!(lines_of(&nested(MAX_BLOCK_DEPTH)), [""; 0]);
    let expected = "nginx: [emerg] more than 100 blocks inside one another in /p/conf/nginx.conf:1";
    assert_eq!(lines_of(&nested(MAX_BLOCK_DEPTH + 1)), [expected]);
    assert_eq!(lines_of(&nested(1_000_000)), [expected]);
    assert_eq!(lines_of(&"{".repeat(1_000_000)).len(), MAX_ERRORS);
}

#[test]
fn blocks_are_counted_across_includes() {
    // Each of 40 files opens three blocks around the next.
    let mut source = in_memory(b"include 1;");
    for number in 1..=40 {
        let text = format!("a {{ a {{ a {{ include {}; }} }} }}", number + 1);
        source = source.with(format!("/p/conf/{number}"), text);
    }
    let (_, errors) = load_from(&source);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].message, "more than 100 blocks inside one another");
}

#[test]
fn a_file_cannot_include_itself() {
    let source = in_memory(b"include a;\n")
        .with("/p/conf/a", "\ninclude b;")
        .with("/p/conf/b", "include a;");
    let (tree, errors) = load_from(&source);
    let lines: Vec<_> = errors.iter().map(|error| error.nginx_line(&tree)).collect();
    assert_eq!(
        lines,
        ["nginx: [emerg] \"/p/conf/a\" includes itself in /p/conf/b:1"]
    );
}

#[test]
fn chains_of_includes_are_limited() {
    let chain = |length: usize| {
        (1..length).fold(MemorySource::new(), |source, number| {
            let name = if number == 1 {
                "nginx.conf".to_owned()
            } else {
                number.to_string()
            };
            source.with(
                format!("/p/conf/{name}"),
                format!("include {};", number + 1),
            )
        })
    };
    let fits = chain(MAX_INCLUDE_DEPTH).with(format!("/p/conf/{MAX_INCLUDE_DEPTH}"), "a;");
    assert_eq!(load_from(&fits).1, []);
    let errors = load_from(&chain(MAX_INCLUDE_DEPTH + 10)).1;
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .message
            .ends_with("more than 64 files include one another")
    );
}

/// Files that include the next one twice would be read 2^40 times.
#[test]
fn fans_of_includes_are_limited() {
    let mut source = in_memory(b"include 1; include 1;");
    for number in 1..40 {
        let text = format!("include {0}; include {0};", number + 1);
        source = source.with(format!("/p/conf/{number}"), text);
    }
    let source = source.with("/p/conf/40", "");
    let errors = load_from(&source).1;
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .message
            .ends_with("more than 100000 files are included")
    );
}
