//! The backslashes of a word.

/// Replaces `\"`, `\'`, `\\`, `\t`, `\r` and `\n`; every other backslash stays.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, tail @ ..] = rest {
        let replaced = match (byte, tail.first()) {
            (b'\\', Some(&next @ (b'"' | b'\'' | b'\\'))) => Some(next),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            _ => None,
        };
        text.push(replaced.unwrap_or(*byte));
        rest = if replaced.is_some() {
            tail.get(1..).unwrap_or_default()
        } else {
            tail
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn only_known_escapes_are_replaced() {
        let table: [(&[u8], &[u8]); 7] = [
            (br"plain", b"plain"),
            (br#"\"\'\\"#, br#""'\"#),
            (br"a\tb\rc\nd", b"a\tb\rc\nd"),
            (br"\.\d\;", br"\.\d\;"),
            (br"\\n", br"\n"),
            (br"\\\n", b"\\\n"),
            // Cannot come from the lexer, which takes a backslash with the byte behind it.
            (br"end\", br"end\"),
        ];
        for (raw, text) in table {
            assert_eq!(unescape(raw), text, "{}", raw.escape_ascii());
        }
    }
}
