//! Shell patterns as `include` takes them: `*`, `?`, `[…]`, and `\` before any of them.
//!
//! Source: glob(7) without flags, which is what nginx calls.

/// Whether `name` is a pattern, so that no match of it is not an error.
///
/// Source: `ngx_conf_include()`, nginx 1.31.5.
#[must_use]
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| b"*?[".contains(byte))
}

/// Whether the whole of `path` matches `pattern`, component by component.
#[must_use]
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let mut patterns = pattern.split(|&byte| byte == b'/');
    let mut names = path.split(|&byte| byte == b'/');
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if component_matches(pattern, name) => {}
            _ => return false,
        }
    }
}

/// Whether one component of a path matches one of a pattern. A leading dot matches only itself.
///
/// Takes at most the product of both lengths: a failed `*` is only ever retried from the last one.
#[must_use]
pub fn component_matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && !matches!(pattern, [b'.', ..] | [b'\\', b'.', ..]) {
        return false;
    }
    let (mut pattern, mut name) = (pattern, name);
    // What to try next if the part behind the last `*` does not fit: the pattern behind the
    // star, and the name from one byte further on.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((rest, name));
            continue;
        }
        if let [byte, rest @ ..] = name {
            if let Some(behind) = match_one(pattern, *byte) {
                pattern = behind;
                name = rest;
                continue;
            }
        } else if pattern.is_empty() {
            return true;
        }
        let Some((behind_star, [_, shorter @ ..])) = retry else {
            return false;
        };
        pattern = behind_star;
        name = shorter;
        retry = Some((behind_star, shorter));
    }
}

/// The pattern behind the part that matches `byte`, or `None` when it does not.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => match match_set(rest, byte) {
            Some((true, behind)) => Some(behind),
            Some((false, _)) => None,
            // Without a closing bracket, the opening one stands for itself.
            None => (byte == b'[').then_some(rest),
        },
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
    }
}

/// Whether `byte` is in the set that begins behind `[`, and the pattern behind its `]`.
fn match_set(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    let mut first = true;
    loop {
        let (low, high, behind) = match rest {
            [] => return None,
            [b']', behind @ ..] if !first => return Some((found != negated, behind)),
            [low, b'-', high, behind @ ..] if *high != b']' => (*low, *high, behind),
            [b'\\', literal, behind @ ..] => (*literal, *literal, behind),
            [literal, behind @ ..] => (*literal, *literal, behind),
        };
        found |= (low..=high).contains(&byte);
        first = false;
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let table = [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?", "a", true),
            ("?", "", false),
            ("[abc]x", "bx", true),
            ("[!abc]x", "bx", false),
            ("[^abc]x", "dx", true),
            ("[a-c]", "b", true),
            ("[a-c]", "d", false),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*/", "/a/b", false),
        ];
        for (pattern, path, expected) in table {
            let found = matches(pattern.as_bytes(), path.as_bytes());
            assert_eq!(found, expected, "{pattern} against {path}");
        }
    }

    /// With retries from every star, this would take longer than the universe has.
    #[test]
    fn stars_do_not_multiply() {
        let pattern = b"*a".repeat(50);
        let name = b"a".repeat(49);
        assert!(!matches(&pattern, &name));
    }
}
