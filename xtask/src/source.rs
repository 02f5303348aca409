//! Rust text as far as counting needs it: what is code, and where functions begin and end.

/// `text` with comments, and the insides of strings and character literals, blanked out; line
/// breaks stay where they are, so that positions and line numbers still hold.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while let Some(&byte) = bytes.get(code.len()) {
        let rest = &bytes[code.len()..];
        let is_in_word = code.last().is_some_and(|&last: &u8| is_word(last));
        let length = hidden_length(rest, is_in_word);
        if length == 0 {
            code.push(byte);
        }
        code.extend(
            rest[..length]
                .iter()
                .map(|&b| if b == b'\n' { b'\n' } else { b' ' }),
        );
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// How many bytes at the start of `rest` are a comment or a literal; 0 when it is code.
fn hidden_length(rest: &[u8], is_in_word: bool) -> usize {
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => string(rest),
        [b'\'', ..] => character(rest),
        [b'r', ..] if !is_in_word => raw_string(rest),
        [b'b' | b'c', b'r', ..] if !is_in_word => match raw_string(&rest[1..]) {
            0 => 0,
            length => length + 1,
        },
        _ => 0,
    }
}

/// The length of a block comment, with those nested in it.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// The length of a string with its quotes.
fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &[u8]) -> usize {
    let end = |from: usize| rest.iter().skip(from).take(10).position(|&b| b == b'\'');
    match rest.get(1) {
        Some(b'\\') => end(3).map_or(0, |at| at + 4),
        Some(&byte) if !byte.is_ascii() => end(2).map_or(0, |at| at + 3),
        Some(_) if rest.get(2) == Some(&b'\'') => 3,
        _ => 0,
    }
}

/// The length of `r"..."` or `r#"..."#`; 0 for anything else that begins with an `r`.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest.iter().skip(1).take_while(|&&b| b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = &rest[2 + hashes..];
    let end = body.windows(close.len()).position(|piece| piece == close);
    end.map_or(rest.len(), |at| 2 + hashes + at + close.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A function with a body: where it is and how long.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// Lines with code from `fn` to the closing brace.
    pub(crate) length: usize,
}

/// The functions of `code`, which is what [`code_only`] returned.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    word_starts(code, "fn")
        .filter_map(|at| function_at(code, at))
        .collect()
}

/// The function whose `fn` is at `start`; `None` for a type, or a declaration without a body.
fn function_at(code: &str, start: usize) -> Option<Function> {
    let name: String = code[start + 2..]
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let mut depth = 0_i32;
    let mut braces = 0_i32;
    for (at, character) in code[start..].char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    let length = code_lines(&code[start..=start + at]);
                    let line = code[..start].matches('\n').count() + 1;
                    return Some(Function { name, line, length }).filter(|f| !f.name.is_empty());
                }
                if braces < 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// How many lines of `code` are not blank.
pub(crate) fn code_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// `code` up to its unit tests, which by custom come last.
pub(crate) fn without_tests(code: &str) -> &str {
    code.find("\n#[cfg(test)]\nmod ")
        .map_or(code, |at| &code[..at])
}

/// Where `word` stands in `code` as a word of its own.
pub(crate) fn word_starts<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> {
    let bytes = code.as_bytes();
    let is_free = move |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_none_or(|&byte| !is_word(byte))
    };
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| is_free(at.checked_sub(1)) && is_free(Some(at + word.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_remains() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("}\"{", x)"#, "f(      , x)"),
            (r##"f(r#"}"{"#)"##, "f(        )"),
            ("f(br\"{\")", "f(     )"),
            (
                "fn f<'a>(x: &'a u8, c: '{', d: '\\'')",
                "fn f<'a>(x: &'a u8, c:    , d:     )",
            ),
            ("number\"\"", "number  "),
        ] {
            assert_eq!(code_only(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_are_measured_without_blank_lines_and_comments() {
        let code = code_only(
            "trait T { fn a(&self); }\nfn b(x: [u8; 2]) -> fn(u8) -> u8 {\n\n    // {\n    c()\n}\n",
        );
        let found = functions(&code);
        assert_eq!(
            found[0],
            Function {
                name: "b".into(),
                line: 2,
                length: 3
            }
        );
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn tests_are_not_counted() {
        let code = "a\nb\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(code_lines(without_tests(code)), 2);
    }

    #[test]
    fn words_are_found_whole() {
        assert_eq!(
            word_starts("unsafe_code unsafe un unsafely", "unsafe").collect::<Vec<_>>(),
            [12]
        );
    }
}
