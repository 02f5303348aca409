//! Finds the end of a block that is written in Lua, so that reading can go on behind it.

/// How many of the bytes behind `{` come before the `}` that closes it; all when none does.
///
/// Braces in strings (`'…'`, `"…"`, `[[…]]`, `[=[…]=]`) and in comments do not count.
pub(crate) fn lua_block_length(body: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let rest = body.get(at..).unwrap_or_default();
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
        at += match byte {
            b'"' | b'\'' => string_length(rest, byte),
            b'-' if rest.starts_with(b"--") => comment_length(rest),
            b'[' => long_bracket_length(rest).unwrap_or(1),
            _ => 1,
        };
    }
    body.len()
}

/// The length of a string in quotes, which a line break ends too.
fn string_length(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'\\' => 2,
            b'\n' => return at,
            _ if byte == quote => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

/// The length of a comment: to the end of the line, or of its long bracket.
fn comment_length(text: &[u8]) -> usize {
    let behind = text.get(2..).unwrap_or_default();
    match long_bracket_length(behind) {
        Some(length) => 2 + length,
        None => text
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(text.len()),
    }
}

/// The length of `[[…]]` with any number of `=` in its brackets, if `text` begins with one.
fn long_bracket_length(text: &[u8]) -> Option<usize> {
    let level = text
        .get(1..)?
        .iter()
        .take_while(|&&byte| byte == b'=')
        .count();
    if text.first() != Some(&b'[') || text.get(1 + level) != Some(&b'[') {
        return None;
    }
    let mut at = level + 2;
    while let Some(offset) = text.get(at..)?.iter().position(|&byte| byte == b']') {
        at += offset + 1;
        let closing = text.get(at..).unwrap_or_default();
        let equals = closing.iter().take_while(|&&byte| byte == b'=').count();
        if equals == level && closing.get(equals) == Some(&b']') {
            return Some(at + equals + 1);
        }
        at += equals;
    }
    Some(text.len())
}
