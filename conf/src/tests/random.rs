//! Random texts: no panic, no endless reading, and a tree that holds together.

use super::{in_memory, load_from};
use crate::limits::{MAX_BLOCK_DEPTH, MAX_ERRORS};
use crate::{Directive, Position, Tree, dump};

/// Texts that are tried.
const ROUNDS: usize = 20_000;

/// What texts are made of: everything that the lexer treats apart, and some words.
const PIECES: &[&str] = &[
    " ",
    "\n",
    "\r\n",
    "\t",
    ";",
    ";\n",
    "{",
    "}",
    "{\n",
    "}\n",
    "\"",
    "'",
    "\\",
    "$",
    "${",
    "#",
    ")",
    "(",
    "a",
    "bc",
    "\u{e9}",
    "\0",
    "include ",
    "include nginx.conf;",
    "include *;",
    "include [;",
    "types {",
    "map $a $b {",
    "split_clients {",
    "x_by_lua_block {",
    "[[",
    "]]",
    "--",
    "[=[",
    "\u{feff}",
];

/// Marsaglia's xorshift64, seeded by hand so that a failure comes back.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(40) {
            text.extend_from_slice(PIECES[self.below(PIECES.len())].as_bytes());
            if self.below(30) == 0 {
                text.push(u8::try_from(self.below(256)).unwrap());
            }
            if self.below(200) == 0 {
                text.extend(std::iter::repeat_n(b'a', 4090 + self.below(12)));
            }
        }
        text
    }
}

#[test]
fn random_texts_make_sound_trees() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..ROUNDS {
        let text = random.text();
        let source = in_memory(&text).with("/p/conf/other", random.text());
        let (tree, errors) = load_from(&source);

        let shown = text.escape_ascii();
        assert!(errors.len() <= MAX_ERRORS, "{shown}");
        let mut last = 0;
        check_directives(&tree, &tree.directives, 0, &mut last);
        for error in &errors {
            assert!(
                error
                    .render_terminal(&tree, true)
                    .contains(&error.nginx_line(&tree)),
                "{shown}"
            );
        }
        assert!(dump(&tree).ends_with(b"\n"), "{shown}");
    }
}

/// Every position is a place of its text, and they come in the order of reading.
fn check_directives(tree: &Tree, directives: &[Directive], depth: usize, last: &mut u32) {
    assert!(depth <= MAX_BLOCK_DEPTH);
    for directive in directives {
        check_position(tree, directive.name.position, last);
        for word in &directive.args {
            check_position(tree, word.position, last);
        }
        check_position(tree, directive.end, last);
        check_directives(
            tree,
            directive.block.as_deref().unwrap_or_default(),
            depth + 1,
            last,
        );
        if let Some(end) = directive.block_end {
            check_position(tree, end, last);
        }
    }
}

fn check_position(tree: &Tree, at: Position, last: &mut u32) {
    assert!(at.sequence >= *last, "{at:?} after {last}");
    *last = at.sequence;
    let file = tree.file(at.file).unwrap();
    let line = file
        .text
        .split(|&byte| byte == b'\n')
        .nth(usize::try_from(at.line).unwrap() - 1);
    let column = usize::try_from(at.column).unwrap();
    assert!((1..=line.unwrap().len() + 1).contains(&column), "{at:?}");
}

/// Reading takes time in proportion to the text: a slow rule would show here as a minute.
#[test]
fn long_texts_are_read_in_one_go() {
    const LENGTH: usize = 4_000_000;
    for piece in [
        "a b;",
        "a {} ",
        "\"x\" ",
        "\\",
        "#\n",
        "$",
        "${{",
        "x_by_lua_block {[=[ ",
        " \n",
    ] {
        let text = piece.repeat(LENGTH / piece.len());
        let (_, errors) = load_from(&in_memory(text.as_bytes()));
        assert!(errors.len() <= 1, "{piece:?}");
    }
}
