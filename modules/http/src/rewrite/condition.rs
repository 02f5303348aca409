//! The condition of an `if`.

use super::program::Run;
use crate::file_test;
use engine::{Line, Pattern, Refused, Template, VariableId};
use http::Request;
use runtime::log::Level;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What must be true. `is` is `false` where the operator has a `!`.
pub(super) enum Condition {
    /// `($variable)`: it is neither empty nor `0`.
    Variable(VariableId),
    /// `($variable = value)`, `!=`
    Equal {
        variable: VariableId,
        value: Template,
        is: bool,
    },
    /// `($variable ~ pattern)`, `~*`, `!~`, `!~*`
    Match {
        variable: VariableId,
        pattern: Pattern,
        is: bool,
    },
    /// `(-f path)` and its like
    File {
        test: FileTest,
        path: Template,
        is: bool,
    },
}

/// What a file is tested for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileTest {
    /// `-f`: it is a regular file.
    Plain,
    /// `-d`: it is a folder.
    Directory,
    /// `-e`: it is either.
    Exists,
    /// `-x`: its owner may execute it.
    Executable,
}

/// The bit of a mode that lets the owner execute.
const OWNER_MAY_EXECUTE: u32 = 0o100;

/// A condition as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written<'t> {
    Variable(&'t [u8]),
    Equal {
        variable: &'t [u8],
        value: &'t [u8],
        is: bool,
    },
    Match {
        variable: &'t [u8],
        pattern: &'t [u8],
        ignore_case: bool,
        is: bool,
    },
    File {
        test: FileTest,
        path: &'t [u8],
        is: bool,
    },
}

impl Condition {
    /// Reads the arguments of `if`.
    ///
    /// # Errors
    ///
    /// `invalid condition "..."`, `unexpected "..." in condition`, and what patterns and
    /// templates are refused for.
    pub(super) fn read(line: &mut Line<'_>) -> Result<Self, Refused> {
        let words: Vec<&[u8]> = line.args().iter().map(|word| &word.text[..]).collect();
        Ok(match parse(&words)? {
            Written::Variable(name) => Self::Variable(line.variable(name)),
            Written::Equal {
                variable,
                value,
                is,
            } => Self::Equal {
                variable: line.variable(variable),
                value: line.compile(value)?,
                is,
            },
            Written::Match {
                variable,
                pattern,
                ignore_case,
                is,
            } => Self::Match {
                variable: line.variable(variable),
                pattern: line.pattern(pattern, ignore_case)?,
                is,
            },
            Written::File { test, path, is } => Self::File {
                test,
                path: line.compile(path)?,
                is,
            },
        })
    }

    /// Whether the condition is true for `request`.
    pub(super) fn holds(&self, request: &Request, run: &Run) -> bool {
        let value = |id: &VariableId| request.variable(*id).unwrap_or_default();
        match self {
            Self::Variable(id) => !matches!(&value(id)[..], b"" | b"0"),
            Self::Equal {
                variable,
                value: expected,
                is,
            } => (value(variable) == run.value(request, expected)) == *is,
            Self::Match {
                variable,
                pattern,
                is,
            } => run.matches(request, pattern, &value(variable)) == *is,
            Self::File { test, path, is } => {
                let path = run.value(request, path);
                test.holds(request, Path::new(OsStr::from_bytes(&path))) == *is
            }
        }
    }
}

impl FileTest {
    fn holds(self, request: &Request, path: &Path) -> bool {
        file_test::look(request, path).is_some_and(|stat| match self {
            Self::Plain => stat.is_file(),
            Self::Directory => stat.is_directory(),
            Self::Exists => stat.is_file() || stat.is_directory(),
            Self::Executable => stat.mode & OWNER_MAY_EXECUTE != 0,
        })
    }
}

impl Run {
    /// Matches `pattern` and logs what came of it. Where it does not match there are no
    /// captures, not even older ones.
    pub(super) fn matches(&self, request: &Request, pattern: &Pattern, subject: &[u8]) -> bool {
        let is_match = request.matches(pattern, subject);
        if !is_match {
            request.clear_captures();
        }
        if self.logs {
            let verb = if is_match {
                "matches"
            } else {
                "does not match"
            };
            let pattern = String::from_utf8_lossy(pattern.text());
            let subject = String::from_utf8_lossy(subject);
            let message = format!("\"{pattern}\" {verb} \"{subject}\"");
            request.log(Level::Notice, &message);
        }
        is_match
    }
}

/// Takes the parentheses off `words` and reads what is in them.
fn parse<'t>(words: &[&'t [u8]]) -> Result<Written<'t>, Refused> {
    let words = inside(words)?;
    match words[..] {
        [name @ [b'$', _, ..]] => Ok(Written::Variable(&name[1..])),
        [name @ [b'$', _, ..], operator, value] => comparison(&name[1..], operator, value),
        [operator @ ([b'-', letter] | [b'!', b'-', letter]), path] => {
            let is = operator[0] != b'!';
            let test = match letter {
                b'f' => FileTest::Plain,
                b'd' => FileTest::Directory,
                b'e' => FileTest::Exists,
                b'x' => FileTest::Executable,
                _ => return Err(invalid(operator)),
            };
            Ok(Written::File { test, path, is })
        }
        [first, ..] => Err(invalid(first)),
        [] => Err(invalid(b"")),
    }
}

/// The words between the parentheses, which may stand alone or at a word's end.
fn inside<'t>(words: &[&'t [u8]]) -> Result<Vec<&'t [u8]>, Refused> {
    let mut words = words.to_vec();
    match words.first_mut() {
        Some([b'(']) => {
            words.remove(0);
        }
        Some(word) if word.starts_with(b"(") => *word = &word[1..],
        word => return Err(invalid(word.map_or(b"", |word| *word))),
    }
    match words.last_mut() {
        Some([b')']) => {
            words.pop();
        }
        Some(word) if word.ends_with(b")") => *word = &word[..word.len() - 1],
        word => return Err(invalid(word.map_or(b"", |word| *word))),
    }
    Ok(words)
}

fn comparison<'t>(
    variable: &'t [u8],
    operator: &[u8],
    value: &'t [u8],
) -> Result<Written<'t>, Refused> {
    let is = !operator.starts_with(b"!");
    match operator {
        b"=" | b"!=" => Ok(Written::Equal {
            variable,
            value,
            is,
        }),
        b"~" | b"~*" | b"!~" | b"!~*" => Ok(Written::Match {
            variable,
            pattern: value,
            ignore_case: operator.ends_with(b"*"),
            is,
        }),
        _ => Err(Refused::new(format!(
            "unexpected \"{}\" in condition",
            String::from_utf8_lossy(operator)
        ))),
    }
}

fn invalid(word: &[u8]) -> Refused {
    Refused::new(format!(
        "invalid condition \"{}\"",
        String::from_utf8_lossy(word)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Written<'_>, &str>) {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let got = parse(&words);
        let got = got.as_ref().map_err(Refused::message).copied();
        assert_eq!(got, expected, "{text}");
    }

    fn equal(value: &str, is: bool) -> Written<'_> {
        Written::Equal {
            variable: b"a",
            value: value.as_bytes(),
            is,
        }
    }

    fn pattern(ignore_case: bool, is: bool) -> Written<'static> {
        Written::Match {
            variable: b"a",
            pattern: b"^b(c)",
            ignore_case,
            is,
        }
    }

    fn file(test: FileTest, is: bool) -> Written<'static> {
        Written::File {
            test,
            path: b"/p",
            is,
        }
    }

    #[test]
    fn parentheses_stand_alone_or_not() {
        for text in ["($a)", "( $a )", "( $a)", "($a )"] {
            check(text, Ok(Written::Variable(b"a")));
        }
        check("$a", Err("invalid condition \"$a\""));
        check("($a", Err("invalid condition \"$a\""));
        check("()", Err("invalid condition \"\""));
    }

    #[test]
    fn every_operator() {
        check("($a = b)", Ok(equal("b", true)));
        check("($a != b)", Ok(equal("b", false)));
        check("($a =  )", Ok(equal("", true)));
        check("($a = )", Err("invalid condition \"$a\""));
        check("($a ~ ^b(c))", Ok(pattern(false, true)));
        check("($a ~* ^b(c))", Ok(pattern(true, true)));
        check("($a !~ ^b(c) )", Ok(pattern(false, false)));
        check("($a !~* ^b(c))", Ok(pattern(true, false)));
        check("($a == b)", Err("unexpected \"==\" in condition"));
        check("($a b)", Err("invalid condition \"$a\""));
    }

    #[test]
    fn every_test_of_files() {
        check("(-f /p)", Ok(file(FileTest::Plain, true)));
        check("(!-f /p)", Ok(file(FileTest::Plain, false)));
        check("(-d /p)", Ok(file(FileTest::Directory, true)));
        check("(-e /p)", Ok(file(FileTest::Exists, true)));
        check("(!-x /p)", Ok(file(FileTest::Executable, false)));
        check("(-z /p)", Err("invalid condition \"-z\""));
        check("(-f /p /q)", Err("invalid condition \"-f\""));
        check("(text)", Err("invalid condition \"text\""));
    }
}
