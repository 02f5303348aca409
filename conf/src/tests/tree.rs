//! What a tree holds: words, positions, blocks, included files.

use super::{in_memory, load_from, load_text};
use crate::{Directive, Error, FileId, Level, Word, dump, nearest};

fn texts(words: &[Word]) -> Vec<&str> {
    words
        .iter()
        .map(|word| std::str::from_utf8(&word.text).unwrap())
        .collect()
}

fn only(text: &str) -> Directive {
    let (tree, errors) = load_text(text);
    assert_eq!(errors, [], "{text:?}");
    let [directive] = tree.directives.as_slice() else {
        panic!("not one directive: {text:?}");
    };
    directive.clone()
}

#[test]
fn words_are_cut_and_unescaped() {
    let table: &[(&str, &[&str])] = &[
        ("a b  c;", &["b", "c"]),
        ("a\tb\r\nc;", &["b", "c"]),
        (r#"a "b c" 'd "e"';"#, &["b c", "d \"e\""]),
        (r#"a "" '';"#, &["", ""]),
        (r#"a "it's" 'say "x"';"#, &["it's", "say \"x\""]),
        (r#"a b"c d'e;"#, &["b\"c", "d'e"]),
        (r#"a "b\"c" 'd\'e';"#, &["b\"c", "d'e"]),
        (
            r"a \; b\;c \ d \#e \{;",
            &[r"\;", r"b\;c", r"\ d", r"\#e", r"\{"],
        ),
        (r"a \.php$ ^/(\d+)\\x;", &[r"\.php$", r"^/(\d+)\x"]),
        (r"a b\tc\nd\re;", &["b\tc\nd\re"]),
        ("a ${b} x${c}y $d;", &["${b}", "x${c}y", "$d"]),
        ("a \"${b}{c}\" '{;}';", &["${b}{c}", "{;}"]),
        ("a b#c # d;\n e;", &["b#c", "e"]),
        ("a \"b\n#c\";", &["b\n#c"]),
        ("a (\"b\") c;", &["(\"b\")", "c"]),
        ("a \"b\") c;", &["b", ")", "c"]),
        ("a b}c;", &["b}c"]),
    ];
    for (text, expected) in table {
        assert_eq!(texts(&only(text).args), *expected, "{text:?}");
    }
}

#[test]
fn quotes_are_remembered() {
    let directive = only("a \"off\" off;");
    let quoted: Vec<_> = directive.args.iter().map(|word| word.quoted).collect();
    assert_eq!(quoted, [true, false]);
}

#[test]
fn blocks_nest() {
    let http = only("http { server { listen 80; } map $a $b { default { } } }");
    let block = http.block.as_deref().unwrap();
    assert!(block[0].is("server") && block[1].is("map"));
    assert_eq!(texts(&block[0].block.as_ref().unwrap()[0].args), ["80"]);
    // An empty block is a block; no block is none.
    assert_eq!(block[1].block.as_ref().unwrap()[0].block, Some(Vec::new()));
    assert_eq!(only("a;").block, None);
}

#[test]
fn positions_are_those_of_the_text() {
    let directive = only("\n  server\n\t\"a b\"\n {\n }\n");
    let place = |at: crate::Position| (at.line, at.column);
    assert_eq!(place(directive.name.position), (2, 3));
    assert_eq!(place(directive.args[0].position), (3, 2));
    assert_eq!(place(directive.end), (4, 2));
    assert_eq!(directive.block_end.map(place), Some((5, 2)));
}

#[test]
fn sequences_follow_reading_across_includes() {
    let source =
        in_memory(b"a; include b.conf; d { include b.conf; }").with("/p/conf/b.conf", "b c;");
    let (tree, errors) = load_from(&source);
    assert_eq!(errors, []);
    let mut ends = Vec::new();
    for directive in &tree.directives {
        ends.push(directive.end.sequence);
        ends.extend(
            directive
                .block
                .iter()
                .flatten()
                .map(|inner| inner.end.sequence),
        );
    }
    assert_eq!(ends.len(), 4);
    assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
}

#[test]
fn includes_are_spliced_and_read_once() {
    let source =
        in_memory(b"include a/*.conf; types { include /etc/t; } map $a $b { include /etc/t; }")
            .with("/p/conf/a/2.conf", "two;")
            .with("/p/conf/a/1.conf", "one;")
            .with("/p/conf/a/.0.conf", "hidden;")
            .with("/p/conf/a/1.bak", "backup;")
            .with("/etc/t", "x y;");
    let (tree, errors) = load_from(&source);
    assert_eq!(errors, []);
    let names: Vec<_> = tree
        .directives
        .iter()
        .map(|directive| directive.name.display())
        .collect();
    assert_eq!(names, ["one", "two", "types", "map"]);
    for table in &tree.directives[2..] {
        assert_eq!(table.block.as_ref().unwrap()[0].name.text, b"x");
    }
    assert_eq!(tree.directives[0].name.position.file, FileId(1));
    let paths: Vec<_> = tree
        .files
        .iter()
        .map(|file| file.path.to_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "/p/conf/nginx.conf",
            "/p/conf/a/1.conf",
            "/p/conf/a/2.conf",
            "/etc/t"
        ]
    );
}

/// In a table, `include` is a file only where nginx takes it as one.
#[test]
fn includes_of_tables() {
    let split = only("split_clients $a $b { include nosuch; }");
    assert_eq!(texts(&split.block.unwrap()[0].args), ["nosuch"]);
    let map = only("map $a $b { include c d; }");
    assert_eq!(texts(&map.block.unwrap()[0].args), ["c", "d"]);
}

#[test]
fn lua_blocks_are_kept_as_text() {
    let text = "a { content_by_lua_block {\n x = { '}' } -- }\n y = [[}]] --[=[ } ]] ]=]\n} b; }";
    let outer = only(text);
    let [lua, b] = outer.block.as_deref().unwrap() else {
        panic!("not two directives");
    };
    let raw = b"\n x = { '}' } -- }\n y = [[}]] --[=[ } ]] ]=]\n";
    assert_eq!(lua.raw.as_deref(), Some(raw.as_slice()));
    assert_eq!(lua.block, Some(Vec::new()));
    assert_eq!((b.end.line, lua.block_end.unwrap().line), (4, 4));
    let hint = Error::unknown_directive(lua, []).hint.unwrap();
    assert!(hint.contains("OpenResty"), "{hint}");
}

#[test]
fn dumps_as_nginx_does() {
    let source = in_memory(b"include a;\ninclude a;\n").with("/p/conf/a", "x;");
    let (tree, _) = load_from(&source);
    let expected = "# configuration file /p/conf/nginx.conf:\ninclude a;\ninclude a;\n\n\
                    # configuration file /p/conf/a:\nx;\n";
    assert_eq!(String::from_utf8(dump(&tree)).unwrap(), expected);
}

#[test]
fn terminals_see_the_place() {
    let (tree, _) = load_text("http {\n\tservr_name a\x1b[31m;\n}\n");
    let directive = &tree.directives[0].block.as_ref().unwrap()[0];
    let error = Error::unknown_directive(directive, ["server", "server_name"]);
    let expected = "nginx: [emerg] unknown directive \"servr_name\" in /p/conf/nginx.conf:2\n\
                    \x20 2 |  servr_name a?[31m;\n\
                    \x20   |  ^^^^^^^^^^\n\
                    \x20 hint: did you mean \"server_name\"?\n";
    assert_eq!(error.render_terminal(&tree, false), expected);
    assert!(
        error
            .render_terminal(&tree, true)
            .contains("\x1b[31m^^^^^^^^^^\x1b[0m")
    );
}

#[test]
fn a_byte_order_mark_is_named() {
    let (tree, errors) = load_text("\u{feff}user nobody;");
    assert_eq!(errors, []);
    let error = Error::unknown_directive(&tree.directives[0], ["user"]);
    assert_eq!(error.message, "unknown directive \"\u{feff}user\"");
    assert!(error.hint.unwrap().contains("byte order mark"));
}

#[test]
fn long_messages_are_cut_as_nginx_cuts_them() {
    let (tree, _) = load_text("");
    let error = Error::new(Level::Warn, "é".repeat(600));
    assert_eq!(
        error.nginx_line(&tree),
        format!("nginx: [warn] {}", "é".repeat(512))
    );
}

#[test]
fn nearest_names() {
    let known = ["server", "server_name", "location", "listen", "if"];
    let table = [
        ("sever", Some("server")),
        ("servre", Some("server")),
        ("serer_nmae", Some("server_name")),
        ("locaton", Some("location")),
        ("fi", Some("if")),
        ("x", None),
        ("", None),
        ("gzip", None),
    ];
    for (name, expected) in table {
        assert_eq!(nearest(name, known), expected, "{name:?}");
    }
    let endless = "server".repeat(100);
    assert_eq!(nearest(&endless, [endless.as_str()]), None);
}
