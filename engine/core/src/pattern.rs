//! Regular expressions: linear time where possible, PCRE2 with limits for the rest.

use crate::line::Refused;
use crate::variable::{VariableId, VariableNames};
use std::cell::OnceCell;
use std::rc::Rc;

/// Steps after which PCRE2 gives up on one match, so that no subject can hold a
/// worker: about 10 ms on the machines measured.
const MATCH_LIMIT: u32 = 200_000;

/// A compiled regular expression with the variables that its named groups set.
#[derive(Clone)]
pub struct Pattern {
    inner: Rc<Compiled>,
}

struct Compiled {
    engine: Engine,
    text: Vec<u8>,
    /// Variables set by named groups: number of the group, the variable.
    names: Vec<(usize, VariableId)>,
}

enum Engine {
    /// Linear in the length of the subject.
    Linear(Linear),
    /// Look-around, back-references, and whatever else `regex` reads differently.
    Backtracking(pcre2::bytes::Regex),
}

/// An expression for the linear engine.
///
/// There `$` is the end of the text alone, in PCRE2 also the place before a line break that
/// ends it. The two differ for such subjects only, which hardly ever come: those are matched
/// by PCRE2, compiled when the first of them does.
struct Linear {
    regex: regex::bytes::Regex,
    /// How PCRE2 is to be given the expression, where it has a `$`.
    dollar: Option<Dollar>,
}

struct Dollar {
    limited: String,
    ignore_case: bool,
    compiled: OnceCell<Option<pcre2::bytes::Regex>>,
}

impl Linear {
    /// What `subject` is to be matched with instead, if that matters.
    #[inline]
    fn instead(&self, subject: &[u8]) -> Option<&pcre2::bytes::Regex> {
        if subject.last() != Some(&b'\n') {
            return None;
        }
        let dollar = self.dollar.as_ref()?;
        let compile = || backtracking(&dollar.limited, dollar.ignore_case).ok();
        dollar.compiled.get_or_init(compile).as_ref()
    }

    /// Whether it matches; the groups are written over `groups`.
    fn captures(&self, subject: &[u8], groups: &mut Groups) -> bool {
        let mut locations = self.regex.capture_locations();
        let is_match = self.regex.captures_read(&mut locations, subject).is_some();
        if is_match {
            groups.clear();
            groups.extend((0..locations.len()).map(|group| locations.get(group)));
        }
        is_match
    }
}

/// Positions of the groups of one match; group 0 is the whole match.
pub type Groups = Vec<Option<(usize, usize)>>;

impl Pattern {
    /// Compiles `text`; named groups are resolved as variables.
    ///
    /// # Errors
    ///
    /// `pcre2_compile() failed: ... in "text" at "rest"`, as nginx says it.
    pub fn compile(
        text: &[u8],
        ignore_case: bool,
        variables: &mut VariableNames,
    ) -> Result<Self, Refused> {
        let refuse = |why: &str, rest: &str| {
            let shown = String::from_utf8_lossy(text);
            Refused::new(format!(
                "pcre2_compile() failed: {why} in \"{shown}\"{rest}"
            ))
        };
        let source = std::str::from_utf8(text).map_err(|_| refuse("not valid UTF-8", ""))?;
        let limit = format!("(*LIMIT_MATCH={MATCH_LIMIT})");
        let limited = format!("{limit}{source}");
        let compiled = backtracking(&limited, ignore_case).map_err(|error| {
            let offset = error.offset().unwrap_or(0);
            let rest = limited.get(offset.max(limit.len())..).unwrap_or("");
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!(" at \"{rest}\"")
            };
            refuse(&reason(&error, offset), &rest)
        })?;
        let names = compiled
            .capture_names()
            .iter()
            .enumerate()
            .filter_map(|(group, name)| {
                Some((group, variables.resolve_group(name.as_ref()?.as_bytes())))
            })
            .collect();
        let engine = match linear(source, ignore_case, compiled.captures_len()) {
            Some(regex) => Engine::Linear(Linear {
                regex,
                dollar: source.contains('$').then_some(Dollar {
                    limited,
                    ignore_case,
                    compiled: OnceCell::new(),
                }),
            }),
            None => Engine::Backtracking(compiled),
        };
        Ok(Self {
            inner: Rc::new(Compiled {
                engine,
                text: text.to_vec(),
                names,
            }),
        })
    }

    /// Whether `subject` matches.
    ///
    /// # Errors
    ///
    /// The matcher gave up: the subject took more steps than allowed.
    pub fn is_match(&self, subject: &[u8]) -> Result<bool, MatchError> {
        let backtracking = match &self.inner.engine {
            Engine::Linear(linear) => match linear.instead(subject) {
                None => return Ok(linear.regex.is_match(subject)),
                Some(instead) => instead,
            },
            Engine::Backtracking(regex) => regex,
        };
        backtracking.is_match(subject).map_err(|_| MatchError)
    }

    /// The groups of the first match in `subject`, written over `groups`.
    ///
    /// # Errors
    ///
    /// The matcher gave up: the subject took more steps than allowed.
    pub fn captures(&self, subject: &[u8], groups: &mut Groups) -> Result<bool, MatchError> {
        let backtracking = match &self.inner.engine {
            Engine::Linear(linear) => match linear.instead(subject) {
                None => return Ok(linear.captures(subject, groups)),
                Some(instead) => instead,
            },
            Engine::Backtracking(regex) => regex,
        };
        let mut locations = backtracking.capture_locations();
        let found = backtracking.captures_read(&mut locations, subject);
        if found.map_err(|_| MatchError)?.is_none() {
            return Ok(false);
        }
        groups.clear();
        groups.extend((0..locations.len()).map(|group| locations.get(group)));
        Ok(true)
    }

    /// The expression as written.
    pub fn text(&self) -> &[u8] {
        &self.inner.text
    }

    /// Variables that a match sets: number of the group, the variable.
    pub fn names(&self) -> &[(usize, VariableId)] {
        &self.inner.names
    }

    /// How many groups there are beside the whole match.
    pub fn group_count(&self) -> usize {
        match &self.inner.engine {
            Engine::Linear(linear) => linear.regex.captures_len() - 1,
            Engine::Backtracking(regex) => regex.captures_len() - 1,
        }
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({})", String::from_utf8_lossy(&self.inner.text))
    }
}

/// A match was given up because it took too many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchError;

/// The expression for PCRE2, as machine code where the library can.
fn backtracking(text: &str, ignore_case: bool) -> Result<pcre2::bytes::Regex, pcre2::Error> {
    pcre2::bytes::RegexBuilder::new()
        .caseless(ignore_case)
        .jit_if_available(true)
        .build(text)
}

/// PCRE2's own words, without those that the crate puts before them.
fn reason(error: &pcre2::Error, offset: usize) -> String {
    let text = error.to_string();
    match text.split_once(&format!(" at offset {offset}: ")) {
        Some((_, reason)) => reason.to_owned(),
        None => text,
    }
}

/// The expression for the linear engine, if that engine reads it as PCRE2 does.
fn linear(source: &str, ignore_case: bool, groups: usize) -> Option<regex::bytes::Regex> {
    if reads_differently(source.as_bytes()) {
        return None;
    }
    regex::bytes::RegexBuilder::new(source)
        .unicode(false)
        .case_insensitive(ignore_case)
        .build()
        .ok()
        .filter(|regex| regex.captures_len() == groups)
}

/// Whether `source` uses something that both engines accept but read differently:
/// set operations and nested sets in classes, possessive quantifiers, `\v`, `\<`, `\>`, `\b{`.
fn reads_differently(source: &[u8]) -> bool {
    let mut class = false;
    let mut bytes = source.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (byte, next) {
            // Possessive quantifiers, which `regex` takes for a repetition of a repetition.
            (b'*' | b'+' | b'?' | b'}', Some(b'+')) if !class => return true,
            (b'\\', Some(b'v' | b'<' | b'>')) => return true,
            (b'\\', Some(b'b' | b'B')) if source.get(at + 2) == Some(&b'{') => return true,
            (b'\\', _) => {
                bytes.next();
            }
            (b'[', Some(b':')) if class => {
                bytes.next();
            }
            (b'[', _) if class => return true,
            (b'[', _) => {
                class = true;
                // A bracket that stands first is a member, not the end.
                if next == Some(b'^') {
                    bytes.next();
                }
                if bytes.peek().is_some_and(|(_, first)| *first == b']') {
                    bytes.next();
                }
            }
            // "[:alpha:]" ends with its own bracket.
            (b':', Some(b']')) if class => {
                bytes.next();
            }
            (b']', _) => class = false,
            (b'&', Some(b'&')) | (b'-', Some(b'-')) | (b'~', Some(b'~')) if class => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Pattern {
        Pattern::compile(text.as_bytes(), false, &mut VariableNames::default()).unwrap()
    }

    #[track_caller]
    fn check_linear(text: &str, expected: bool) {
        let linear = matches!(compile(text).inner.engine, Engine::Linear(_));
        assert_eq!(linear, expected, "{text}");
    }

    #[test]
    fn plain_expressions_are_linear_and_the_rest_is_not() {
        check_linear(r"^/a/(\d+)\.php$", true);
        check_linear(r"\.(gif|jpg)$", true);
        check_linear(r"[[:alpha:]]x", true);
        check_linear(r"(?<name>[^/]+)", true);
        check_linear(r"^(?!/api)", false);
        check_linear(r"(a)\1", false);
        check_linear(r"[a&&b]", false);
        check_linear(r"[a[b]", false);
        check_linear(r"a\v", false);
        check_linear(r"^/p/a++a", false);
        check_linear(r"a?+", false);
        check_linear(r"a\++[*+]", true);
    }

    #[test]
    fn both_engines_give_groups_and_names() {
        for text in [r"^/(?<id>\d+)/(x)?", r"^/(?<id>\d+)/(x)?(?=.|$)"] {
            let mut variables = VariableNames::default();
            let pattern = Pattern::compile(text.as_bytes(), false, &mut variables).unwrap();
            let mut groups = Groups::new();
            assert_eq!(pattern.captures(b"/42/y", &mut groups), Ok(true));
            assert_eq!(groups[1], Some((1, 3)));
            assert_eq!(groups[2], None);
            assert_eq!(pattern.names(), [(1, variables.resolve(b"id"))]);
            assert_eq!(pattern.captures(b"/a", &mut groups), Ok(false));
        }
    }

    #[test]
    fn a_hostile_subject_is_given_up_not_waited_for() {
        let pattern = compile(r"^(a+)+$(?<!b)");
        let subject = [&[b'a'; 4000][..], b"!"].concat();
        assert_eq!(pattern.is_match(&subject), Err(MatchError));
    }

    #[test]
    fn a_broken_expression_is_refused() {
        for (text, message) in [
            ("(a", "missing closing parenthesis in \"(a\""),
            ("a)b", "unmatched closing parenthesis in \"a)b\" at \")b\""),
        ] {
            let refused = Pattern::compile(text.as_bytes(), false, &mut VariableNames::default());
            assert_eq!(
                refused.unwrap_err().message(),
                format!("pcre2_compile() failed: {message}")
            );
        }
    }

    /// `$` also matches before a line break that ends the text, whichever engine is used.
    #[test]
    fn a_last_line_break_is_behind_the_end() {
        for (text, subject, expected) in [
            (r"\.php$", "/a.php\n", Some((2, 6))),
            (r"\.php$", "/a.php\n\n", None),
            (r"\.php\z", "/a.php\n", None),
            (r"a$\n$", "a\n", Some((0, 2))),
            (r"(a|a\n)$", "a\n", Some((0, 1))),
            (r"[$]\n", "$\n", Some((0, 2))),
            (r"\.php$(?<!x)", "/a.php\n", Some((2, 6))),
        ] {
            let pattern = compile(text);
            let mut groups = Groups::new();
            let is_match = pattern.captures(subject.as_bytes(), &mut groups).unwrap();
            let found = is_match.then(|| groups[0].unwrap());
            assert_eq!(found, expected, "{text} in {subject:?}");
            assert_eq!(pattern.is_match(subject.as_bytes()), Ok(is_match));
        }
        check_linear(r"\.php$", true);
    }
}
