//! Configurations made of bytes: every byte is a choice, so that any input loads and those that
//! differ little do much the same.

use std::fmt::Write as _;

/// How deep blocks go.
const DEPTH_MAX: usize = 3;

/// Statements of a block at most.
const STATEMENTS_MAX: usize = 6;

/// Parts of values and replacements.
const PARTS: &[&str] = &[
    "/a",
    "/b/",
    "${uri}",
    "${args}",
    "$1",
    "$2",
    "${x0}",
    "${x1}",
    "${m0}",
    "${m1}",
    "${s0}",
    "${sub}",
    "${arg_x}",
    "${host}",
    "${http_x}",
    "${request_uri}",
    "?",
    "%20",
    "%",
    "x=1",
    "${is_args}",
    "${cookie_k}",
    "${query_string}",
];

/// Patterns; some are for the engine that knows more.
const PATTERNS: &[&str] = &[
    "^",
    "^/a",
    "(.*)",
    "^/(.)(.*)$",
    "^(/a)+",
    "^/(?<sub>[^/]+)",
    "(a+)+$",
    "^(?!/b)",
    "(.)\\\\1",
    "b$",
    "^/((a|b)/?)*x",
    "(?i)A",
    ".",
    "%",
    "^[^a]*$",
    "(x+x+)+y",
];

const CODES: &[&str] = &[
    "200", "204", "301", "302", "403", "404", "405", "444", "500", "503",
];

/// Choices, one a byte; the first of everything once they are used up.
struct Choices<'b>(std::slice::Iter<'b, u8>);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % count)
    }

    fn of<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    fn is_over(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    /// A value of up to three parts, in quotes.
    fn value(&mut self) -> String {
        let count = self.below(3) + 1;
        let parts: String = (0..count).map(|_| self.of(PARTS)).collect();
        format!("\"{parts}\"")
    }

    fn pattern(&mut self) -> String {
        format!("\"{}\"", self.of(PATTERNS))
    }
}

/// An `http` block's content in which `bytes` chose what there is.
pub(crate) fn configuration(bytes: &[u8]) -> String {
    let mut choices = Choices(bytes.iter());
    let mut text = String::new();
    for name in ["m0", "m1"] {
        let (of, default) = (choices.of(&PARTS[2..8]), choices.value());
        let (pattern, value) = (choices.pattern(), choices.value());
        let volatile = choices.of(&["", "volatile; "]);
        // A string is looked up before patterns are.
        let key = choices.of(&["/a", "*.test", "1", "\"\""]);
        let _ = writeln!(
            text,
            "map {of} ${name} {{ {volatile}default {default}; {key} x; \"~{}\" {value}; }}",
            &pattern[1..pattern.len() - 1]
        );
    }
    let percent = choices.below(100);
    let _ = writeln!(text, "split_clients $uri $s0 {{ {percent}% a; * $args; }}");
    text += "server { listen 127.0.0.1:1; server_name one.test ~^(?<sub>.+)\\.two$;\n\
             set $x0 a; set $x1 $arg_x;\n";
    block(&mut choices, &mut text, 0, Inside::Server);
    text += "}\n";
    text
}

/// What a statement stands in.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Server,
    Location,
    /// `if`, in which neither blocks nor `try_files` stand.
    If,
}

fn block(choices: &mut Choices<'_>, text: &mut String, depth: usize, inside: Inside) {
    let count = choices.below(STATEMENTS_MAX);
    let mut tries_files = inside == Inside::If;
    for number in 0..count {
        if choices.is_over() {
            break;
        }
        match choices.below(8) {
            0 => {
                let (pattern, to) = (choices.pattern(), choices.value());
                let flag = choices.of(&["", "last", "break", "redirect", "permanent"]);
                let _ = writeln!(text, "rewrite {pattern} {to} {flag};");
            }
            1 => {
                let (name, value) = (choices.of(&["x0", "x1"]), choices.value());
                let _ = writeln!(text, "set ${name} {value};");
            }
            2 if inside != Inside::If => {
                let _ = writeln!(text, "if ({}) {{", condition(choices));
                block(choices, text, depth + 1, Inside::If);
                text.push_str("}\n");
            }
            3 if inside == Inside::Server && depth < DEPTH_MAX => {
                let _ = writeln!(text, "location {} {{", path(choices, depth, number));
                block(choices, text, depth + 1, Inside::Location);
                text.push_str("}\n");
            }
            4 => {
                let (code, to) = (choices.of(&CODES[4..]), choices.value());
                // A page for every code would be one for what the server itself answers.
                let _ = writeln!(
                    text,
                    "error_page {code} ={} {to};",
                    choices.of(&["", "200"])
                );
            }
            5 if !tries_files => {
                tries_files = true;
                let (first, last) = (choices.value(), choices.value());
                let _ = writeln!(text, "try_files {first} {last};");
            }
            6 => text.push_str("break;\n"),
            7 => {
                let (code, value) = (choices.of(CODES), choices.value());
                let _ = writeln!(text, "return {code} {value};");
            }
            _ => {
                let _ = writeln!(text, "add_header X {};", choices.value());
            }
        }
    }
}

fn condition(choices: &mut Choices<'_>) -> String {
    let of = choices.of(&["$uri", "$args", "$x0", "$m0", "$1", "$host"]);
    match choices.below(5) {
        0 => of.to_owned(),
        1 => format!("{of} = {}", choices.value()),
        2 => format!("{of} != {}", choices.value()),
        3 => format!(
            "{of} {} {}",
            choices.of(&["~", "~*", "!~"]),
            choices.pattern()
        ),
        _ => format!(
            "{} {}",
            choices.of(&["-f", "-d", "-e", "!-x"]),
            choices.value()
        ),
    }
}

/// A location's name, no two the same.
fn path(choices: &mut Choices<'_>, depth: usize, number: usize) -> String {
    match choices.below(5) {
        0 => format!("/a/{depth}{number}"),
        1 => format!("= /{depth}{number}"),
        2 => format!("^~ /b{depth}{number}"),
        3 => format!("@{depth}{number}"),
        _ => format!("~ \"{}(){{{depth},{number}9}}\"", choices.of(PATTERNS)),
    }
}
