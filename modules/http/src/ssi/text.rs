//! Values and expressions of commands: escapes, variables, comparisons.

/// Why a value cannot be had, as the error log says it.
pub type Problem = String;

/// The value that `text` stands for: `$name` and `${name}` become what `lookup` appends, and a
/// backslash before a quote, a dollar sign or itself goes.
///
/// # Errors
///
/// A `$` without a name, and a bracket that is not closed.
pub fn evaluate(
    text: &[u8],
    mut lookup: impl FnMut(&[u8], &mut Vec<u8>),
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'\\' => {
                let Some((&escaped, after)) = after.split_first() else {
                    break;
                };
                if !matches!(escaped, b'\\' | b'\'' | b'"' | b'$') {
                    out.push(b'\\');
                }
                out.push(escaped);
                rest = after;
            }
            b'$' => {
                let (name, after) = variable(after, text)?;
                lookup(name, &mut out);
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    Ok(out)
}

/// The name behind a dollar sign, and what follows it.
fn variable<'t>(rest: &'t [u8], text: &[u8]) -> Result<(&'t [u8], &'t [u8]), Problem> {
    let (rest, has_bracket) = match rest.strip_prefix(b"{") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let len = rest
        .iter()
        .position(|byte| !engine::template::is_name_byte(*byte))
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at(len);
    let after = match (has_bracket, after.strip_prefix(b"}")) {
        (false, _) => after,
        (true, Some(after)) => after,
        (true, None) if rest.is_empty() => return Err(invalid(text)),
        (true, None) => {
            let shown = String::from_utf8_lossy(name);
            return Err(format!(
                "the closing bracket in \"{shown}\" variable is missing"
            ));
        }
    };
    if name.is_empty() {
        return Err(invalid(text));
    }
    Ok((name, after))
}

fn invalid(text: &[u8]) -> Problem {
    let shown = String::from_utf8_lossy(text);
    format!("invalid variable name in \"{shown}\"")
}

/// The expression of an `if`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// What is looked at, to be evaluated.
    pub left: Vec<u8>,
    /// What it is compared with; without that it is true unless it is empty.
    pub right: Option<Right>,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Whether being different makes it true.
    pub is_negative: bool,
    /// Whether the text is a regular expression.
    pub is_pattern: bool,
    /// What to compare with, to be evaluated.
    pub text: Vec<u8>,
}

impl Expression {
    /// Reads `text`, `text = other`, `text != other`, `text = /pattern/`; `None` for anything
    /// else. The left side is read in lower case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_left = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'{' | b'}' | b'_' | b'"' | b'\'')
        };
        let len = text.iter().position(|byte| !is_left(byte));
        let (left, rest) = text.split_at(len.unwrap_or(text.len()));
        let left = left.to_ascii_lowercase();
        let rest = skip_spaces(rest);
        if rest.is_empty() {
            return Some(Self { left, right: None });
        }
        let (is_negative, rest) = match (rest.strip_prefix(b"="), rest.strip_prefix(b"!=")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return None,
        };
        let rest = skip_spaces(rest);
        let (is_pattern, text) = match rest {
            [b'/', pattern @ .., b'/'] => (true, pattern),
            [b'/', _, ..] => return None,
            [b'\\', b'/', ..] => (false, rest.get(1..)?),
            _ => (false, rest),
        };
        Some(Self {
            left,
            right: Some(Right {
                is_negative,
                is_pattern,
                text: text.to_vec(),
            }),
        })
    }
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(len..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let got = evaluate(text.as_bytes(), |name, out| {
            out.push(b'<');
            out.extend_from_slice(name);
            out.push(b'>');
        });
        let got = got.map(|value| String::from_utf8(value).unwrap());
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn values_have_variables_and_escapes() {
        check("", Ok(""));
        check("plain", Ok("plain"));
        check("a$b-${c}d$1", Ok("a<b>-<c>d<1>"));
        check(r#"\\ \' \" \$x \n"#, Ok(r#"\ ' " $x \n"#));
        check("a\\", Ok("a"));
        check("$", Err("invalid variable name in \"$\""));
        check("a$-", Err("invalid variable name in \"a$-\""));
        check("${", Err("invalid variable name in \"${\""));
        check("${}", Err("invalid variable name in \"${}\""));
        check(
            "${a b}",
            Err("the closing bracket in \"a\" variable is missing"),
        );
    }

    /// Left side; whether it is negative, whether a pattern, right side.
    type Sides<'t> = (&'t str, Option<(bool, bool, &'t str)>);

    #[track_caller]
    fn check_expression(text: &str, expected: Option<Sides<'_>>) {
        let got = Expression::parse(text.as_bytes());
        let expected = expected.map(|(left, right)| Expression {
            left: left.into(),
            right: right.map(|(is_negative, is_pattern, text)| Right {
                is_negative,
                is_pattern,
                text: text.into(),
            }),
        });
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn expressions() {
        check_expression("", Some(("", None)));
        check_expression("$A ", Some(("$a", None)));
        check_expression("$a = b c", Some(("$a", Some((false, false, "b c")))));
        check_expression("$a!=$B", Some(("$a", Some((true, false, "$B")))));
        check_expression("${a}=", Some(("${a}", Some((false, false, "")))));
        check_expression("$a = /^b$/", Some(("$a", Some((false, true, "^b$")))));
        check_expression("$a != /b/", Some(("$a", Some((true, true, "b")))));
        check_expression(r"$a = \/b/", Some(("$a", Some((false, false, "/b/")))));
        check_expression("$a = /b", None);
        check_expression("$a = /", Some(("$a", Some((false, false, "/")))));
        check_expression("$a < b", None);
        check_expression("a-b", None);
    }
}
