//! What `nginx -t` 1.31.5 printed first for broken files, and that ours prints the same.
//!
//! `""` is a file that nginx took. Directives are checked by a stand-in for the engine that knows
//! a handful of names, so that errors of syntax and of meaning compete as they do in earnest.

use super::{check_known, first_line, in_memory};
use crate::{MemorySource, load, load_with_parameters, sort_errors};
use std::path::Path;

/// A main file, and the first line for it.
const FILES: &[(&[u8], &str)] = &[
    (
        b"events {}\nhttp",
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nhttp\n",
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nworker_processes 1",
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nhttp {\n server {\n",
        "nginx: [emerg] unexpected end of file, expecting \"}\" in /p/conf/nginx.conf:4",
    ),
    (b"events {}\n# comment", ""),
    (
        b"events {}\nerror_log \"a\nb\nc",
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/nginx.conf:4",
    ),
    (
        b"events {}\nerror_log a\\",
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/nginx.conf:2",
    ),
    (
        b"}\nevents {}\n",
        "nginx: [emerg] unexpected \"}\" in /p/conf/nginx.conf:1",
    ),
    (
        b"events {}\nhttp {\n}\n}\n",
        "nginx: [emerg] unexpected \"}\" in /p/conf/nginx.conf:4",
    ),
    (
        b"events {}\nhttp {\n  server {\n    listen 80\n  }\n}\n",
        "nginx: [emerg] unexpected \"}\" in /p/conf/nginx.conf:5",
    ),
    (
        b"events {}\nhttp {\n ;\n}\n",
        "nginx: [emerg] unexpected \";\" in /p/conf/nginx.conf:3",
    ),
    (
        b"worker_processes 1;;\nevents {}\n",
        "nginx: [emerg] unexpected \";\" in /p/conf/nginx.conf:1",
    ),
    (
        b"events {}\n{\n}\n",
        "nginx: [emerg] unexpected \"{\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo bar;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo\n bar\n ;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:4",
    ),
    (
        b"events {}\nfoo bar\n;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nfoo\n{\n}\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nerror_log \"x\"y;\n",
        "nginx: [emerg] unexpected \"y\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nerror_log 'x'y;\n",
        "nginx: [emerg] unexpected \"y\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nhttp { server { server_name \"x\"}\n}\n",
        "nginx: [emerg] unexpected \"}\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nerror_log \"x\"\"y\";\n",
        "nginx: [emerg] unexpected \"\"\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo (\"x\") y;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo \"x\"#c\n;\n",
        "nginx: [emerg] unexpected \"#\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo \"x;\nbar;\nbaz \"y\";\n",
        "nginx: [emerg] unexpected \"y\" in /p/conf/nginx.conf:4",
    ),
    (
        b"events {}\nfoo a\"b;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\r\nfoo bar;\r\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\rfoo bar;\r",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:1",
    ),
    (
        b"events {}\nfoo${a}b;\n",
        "nginx: [emerg] unknown directive \"foo${a}b\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo ${a{b;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo ${{{ b;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo a{b;\n}\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo a}b;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo\\;bar x;\n",
        "nginx: [emerg] unknown directive \"foo\\;bar\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfo\\o\\\"\\t\\x x;\n",
        "nginx: [emerg] unknown directive \"fo\\o\"\t\\x\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo a\\\nb;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nfoo#bar baz;\n",
        "nginx: [emerg] unknown directive \"foo#bar\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\nfoo # ;\nbar;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nfoo bar # baz;\n",
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nfo\x00o x;\n",
        "nginx: [emerg] unknown directive \"fo\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\n\ninclude nosuch.conf;\n",
        "nginx: [emerg] open() \"/p/conf/nosuch.conf\" failed (2: No such file or directory) in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\ninclude a b;\n",
        "nginx: [emerg] invalid number of arguments in \"include\" directive in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\ninclude;\n",
        "nginx: [emerg] invalid number of arguments in \"include\" directive in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\ninclude a {\n}\n",
        "nginx: [emerg] directive \"include\" is not terminated by \";\" in /p/conf/nginx.conf:2",
    ),
    (
        b"events {}\ninclude d/*.conf;\nfoo;\n",
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/nginx.conf:3",
    ),
    (
        b"events {}\nhttp { types { include a b; } }\n",
        "nginx: [emerg] invalid number of arguments in \"include\" directive in /p/conf/nginx.conf:2",
    ),
];

/// A main file, the files that it includes, and the first line for it.
#[expect(clippy::type_complexity, reason = "a table of literals")]
const INCLUDES: &[(&[u8], &[(&str, &[u8])], &str)] = &[
    (
        b"events {}\ninclude d/a.conf;\n",
        &[("/p/conf/d/a.conf", b"\n\nfoo;\n")],
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/d/a.conf:3",
    ),
    (
        b"events {}\ninclude d/*.conf;\n",
        &[
            ("/p/conf/d/b.conf", b"foo_b;"),
            ("/p/conf/d/a.conf", b"\nfoo_a;"),
        ],
        "nginx: [emerg] unknown directive \"foo_a\" in /p/conf/d/a.conf:2",
    ),
    (
        b"events {}\nhttp {\n include d/a.conf;\n",
        &[("/p/conf/d/a.conf", b"server {}\n}\n")],
        "nginx: [emerg] unexpected \"}\" in /p/conf/d/a.conf:2",
    ),
    (
        b"events {}\nhttp {\n include d/a.conf;\n}\n",
        &[("/p/conf/d/a.conf", b"server {\n")],
        "nginx: [emerg] unexpected end of file, expecting \"}\" in /p/conf/d/a.conf:2",
    ),
    (
        b"events {}\nhttp {\n include d/a.conf;\n}\n",
        &[("/p/conf/d/a.conf", b"server")],
        "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in /p/conf/d/a.conf:1",
    ),
    (
        b"events {}\ninclude \"d/a.conf\";\n",
        &[("/p/conf/d/a.conf", b"foo;\n")],
        "nginx: [emerg] unknown directive \"foo\" in /p/conf/d/a.conf:1",
    ),
    (
        b"events {}\ninclude d/[ab].conf;\n",
        &[("/p/conf/d/a.conf", b"foo_a;\n")],
        "nginx: [emerg] unknown directive \"foo_a\" in /p/conf/d/a.conf:1",
    ),
    (
        b"events {}\ninclude d/*;\n",
        &[
            ("/p/conf/d/.a", b"foo_hidden;\n"),
            ("/p/conf/d/b", b"foo_b;"),
        ],
        "nginx: [emerg] unknown directive \"foo_b\" in /p/conf/d/b:1",
    ),
];

/// The argument of `-g`, and the first line for it.
const PARAMETERS: &[(&[u8], &str)] = &[
    (b"worker_processes 1;", ""),
    (
        b"worker_processes 1",
        "nginx: [emerg] unexpected end of parameter, expecting \";\" in command line",
    ),
    (b"}", "nginx: [emerg] unexpected \"}\" in command line"),
    (
        b"foo;",
        "nginx: [emerg] unknown directive \"foo\" in command line",
    ),
    (b"{", "nginx: [emerg] unexpected \"{\" in command line"),
    (
        b"error_log \"x\"y;",
        "nginx: [emerg] unexpected \"y\" in command line",
    ),
    (
        b"error_log \"x",
        "nginx: [emerg] unexpected end of parameter, expecting \";\" in command line",
    ),
    (
        b"include nosuch;",
        "nginx: [emerg] open() \"/p/conf/nosuch\" failed (2: No such file or directory) in command line",
    ),
    (b"#x", ""),
];

#[test]
fn broken_files() {
    for (text, expected) in FILES {
        let line = first_line(&in_memory(text));
        assert_eq!(line, *expected, "for {}", text.escape_ascii());
    }
}

#[test]
fn broken_includes() {
    for (text, files, expected) in INCLUDES {
        let source = files.iter().fold(in_memory(text), |source, (path, text)| {
            source.with(*path, *text)
        });
        assert_eq!(
            first_line(&source),
            *expected,
            "for {}",
            text.escape_ascii()
        );
    }
}

#[test]
fn broken_parameters() {
    for (text, expected) in PARAMETERS {
        let source = in_memory(b"events {}\n");
        let prefix = Path::new("/p/");
        let main = Path::new("conf/nginx.conf");
        let (tree, mut errors) =
            load_with_parameters(text, main, prefix, Path::new("/p/conf/"), &source);
        errors.extend(check_known(&tree.directives));
        sort_errors(&mut errors);
        let line = errors
            .first()
            .map(|error| error.nginx_line(&tree))
            .unwrap_or_default();
        assert_eq!(line, *expected, "for {}", text.escape_ascii());
    }
}

/// What fits into nginx's buffer of 4096 bytes, and what does not: quotes do not count, but the
/// byte that ends a word does, and comments are words too.
#[test]
fn parameters_that_are_too_long() {
    const STARTED: &str = "too long parameter \"aaaaaaaaaa...\" started";
    const COMMENT: &str = "too long parameter \"#ccccccccc...\" started";
    const MISSING: &str = "too long parameter, probably missing terminating";
    let double = format!("{MISSING} \"\"\" character");
    let single = format!("{MISSING} \"'\" character");
    let unknown = "unknown directive \"foo\"";
    let end = "unexpected end of file, expecting \";\" or \"}\"";

    let table = [
        ("foo ", "a", 4095, ";\n", unknown, 2),
        ("foo ", "a", 4096, ";\n", STARTED, 2),
        ("foo\n\n\"", "a\n", 3000, "\";\n", &double, 4),
        ("foo \"", "a", 4094, "\";\n", unknown, 2),
        ("foo \"", "a", 4095, "\";\n", STARTED, 2),
        ("foo \"", "a", 4096, "\";\n", &double, 2),
        ("foo '", "a", 5000, "';\n", &single, 2),
        ("#", "c", 4094, "\nfoo;\n", unknown, 3),
        ("#", "c", 4095, "\nfoo;\n", COMMENT, 2),
        ("#", "c", 5000, "\nfoo;\n", COMMENT, 2),
        ("foo ", "a", 4096, "", end, 2),
        ("foo ", "a ", 4000, ";\n", unknown, 2),
    ];
    for (before, unit, count, after, message, line) in table {
        let text = format!("events {{}}\n{before}{}{after}", unit.repeat(count));
        let expected = format!("nginx: [emerg] {message} in /p/conf/nginx.conf:{line}");
        let printed = first_line(&in_memory(text.as_bytes()));
        assert_eq!(printed, expected, "for {before:?} {unit:?} times {count}");
    }
}

/// The switch has no buffer to pass.
#[test]
fn parameters_of_the_command_line_may_be_long() {
    let text = format!("foo {};", "a".repeat(5000));
    let (tree, errors) = crate::parse_str(text.as_bytes());
    assert_eq!(errors, []);
    assert_eq!(
        tree.directives
            .first()
            .map(|directive| directive.args.len()),
        Some(1)
    );

    let (tree, errors) = crate::parse_str(b"events {} daemon off;");
    let lines: Vec<_> = errors.iter().map(|error| error.nginx_line(&tree)).collect();
    assert_eq!(
        lines,
        ["nginx: [emerg] block directives are not supported in -g option in command line"]
    );
    assert_eq!(tree.directives.len(), 1);
}

#[test]
fn a_missing_main_file_has_no_place() {
    let prefix = Path::new("/p/");
    let (tree, errors) = load(
        Path::new("conf/nginx.conf"),
        prefix,
        Path::new("/p/conf/"),
        &MemorySource::new(),
    );
    let lines: Vec<_> = errors.iter().map(|error| error.nginx_line(&tree)).collect();
    assert_eq!(
        lines,
        ["nginx: [emerg] open() \"/p/conf/nginx.conf\" failed (2: No such file or directory)"]
    );
}
