//! `match`: tests that the response to a health check must pass.
//!
//! What a test set says about a response follows from the response alone: its head, the first
//! bytes of its body, and the variables that it names.

use crate::map::variable_name;
use base::bytes;
use engine::directive::lossy;
use engine::variable::VariableId;
use engine::{Line, Pattern, Refused};
use std::ops::RangeInclusive;

/// Bytes of a body that are examined. Source: nginx documentation, `match`.
pub(super) const BODY_MAX: usize = 256 << 10;

/// Statuses that there can be.
const STATUSES: RangeInclusive<u16> = 100..=599;

/// What is looked at, in this order; the words of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Status,
    Fields,
    Body,
    Variables,
}

impl Stage {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Status => "while checking status code",
            Self::Fields => "while checking headers",
            Self::Body => "while checking body",
            Self::Variables => "while checking variables",
        }
    }
}

/// One `match` block.
#[derive(Debug)]
pub(super) struct TestSet {
    pub(super) name: String,
    statuses: Vec<StatusTest>,
    fields: Vec<FieldTest>,
    bodies: Vec<(Pattern, Wanted)>,
    /// Variables that must be neither empty nor `0`.
    required: Vec<VariableId>,
}

/// Whether what a test looks for must be there, or must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Present,
    Absent,
}

impl Wanted {
    fn agrees(self, is_found: bool) -> bool {
        is_found == (self == Self::Present)
    }
}

#[derive(Debug)]
struct StatusTest {
    ranges: Vec<RangeInclusive<u16>>,
    wanted: Wanted,
}

#[derive(Debug)]
struct FieldTest {
    name: Vec<u8>,
    condition: Condition,
}

#[derive(Debug)]
enum Condition {
    /// The field is there, or is not.
    Is(Wanted),
    /// It is there with this value, or with others only.
    Equals(Vec<u8>, Wanted),
    /// It is there with a value that matches, or with such only as do not.
    Matches(Pattern, Wanted),
}

impl Default for TestSet {
    /// Any status 2xx or 3xx passes.
    fn default() -> Self {
        Self {
            statuses: vec![StatusTest {
                ranges: vec![200..=399],
                wanted: Wanted::Present,
            }],
            ..Self::empty(String::new())
        }
    }
}

impl TestSet {
    fn empty(name: String) -> Self {
        Self {
            name,
            statuses: Vec::new(),
            fields: Vec::new(),
            bodies: Vec::new(),
            required: Vec::new(),
        }
    }

    /// Reads `match name { ... }`.
    pub(super) fn read(line: &mut Line<'_>) -> Result<Self, Refused> {
        let mut set = Self::empty(lossy(line.arg(0)));
        let directives = line.block();
        for directive in directives {
            set.add(directive, line)
                .map_err(|refused| refused.at(directive.end))?;
        }
        Ok(set)
    }

    /// Reads one line of the block.
    fn add(&mut self, test: &conf::Directive, line: &mut Line<'_>) -> Result<(), Refused> {
        let words: Vec<&[u8]> = test.args.iter().map(|word| word.text.as_slice()).collect();
        match test.name.text.as_slice() {
            b"status" => self.statuses.push(read_status(&words)?),
            b"header" => self.fields.push(read_field(&words, line)?),
            b"body" => self.bodies.push(read_body(&words, line)?),
            b"require" if !words.is_empty() => {
                for word in words {
                    let name = variable_name(word)?;
                    self.required.push(line.variable(name));
                }
            }
            b"require" => return Err(wrong_count("require")),
            name => {
                let name = lossy(name);
                return Err(Refused::new(format!("unknown directive \"{name}\"")));
            }
        }
        Ok(())
    }

    /// Whether the body is asked about at all.
    pub(super) fn needs_body(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// The last thing that is looked at in a response that passes.
    pub(super) fn last_stage(&self) -> Stage {
        if !self.required.is_empty() {
            Stage::Variables
        } else if !self.bodies.is_empty() {
            Stage::Body
        } else if !self.fields.is_empty() {
            Stage::Fields
        } else {
            Stage::Status
        }
    }

    /// Judges a head by its status and fields.
    ///
    /// # Errors
    ///
    /// What did not pass.
    pub(super) fn judge_head<'f>(
        &self,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    ) -> Result<(), Stage> {
        if !self.statuses.iter().all(|test| test.passes(status)) {
            return Err(Stage::Status);
        }
        if !self.fields.iter().all(|test| test.passes(fields.clone())) {
            return Err(Stage::Fields);
        }
        Ok(())
    }

    /// Judges the first [`BODY_MAX`] bytes of a body. A match that takes too many steps is none.
    ///
    /// # Errors
    ///
    /// What did not pass.
    pub(super) fn judge_body(&self, body: &[u8]) -> Result<(), Stage> {
        let passes = |(pattern, wanted): &(Pattern, Wanted)| match pattern.is_match(body) {
            Ok(is_found) => wanted.agrees(is_found),
            Err(_) => false,
        };
        if self.bodies.iter().all(passes) {
            Ok(())
        } else {
            Err(Stage::Body)
        }
    }

    /// Judges the variables, whose values `value` tells.
    ///
    /// # Errors
    ///
    /// What did not pass.
    pub(super) fn judge_variables(
        &self,
        value: impl Fn(VariableId) -> Option<Vec<u8>>,
    ) -> Result<(), Stage> {
        let is_true = |id: &VariableId| {
            let value = value(*id).unwrap_or_default();
            !value.is_empty() && value != b"0"
        };
        if self.required.iter().all(is_true) {
            Ok(())
        } else {
            Err(Stage::Variables)
        }
    }
}

impl StatusTest {
    fn passes(&self, status: u16) -> bool {
        let is_listed = self.ranges.iter().any(|range| range.contains(&status));
        self.wanted.agrees(is_listed)
    }
}

impl FieldTest {
    fn passes<'f>(&self, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> bool {
        let mut values = fields
            .filter(|(name, _)| name.eq_ignore_ascii_case(&self.name))
            .map(|(_, value)| value)
            .peekable();
        let is_there = values.peek().is_some();
        match &self.condition {
            Condition::Is(wanted) => wanted.agrees(is_there),
            Condition::Equals(text, wanted) => {
                is_there && wanted.agrees(values.any(|value| value == text.as_slice()))
            }
            Condition::Matches(pattern, wanted) => {
                let matched: Result<Vec<bool>, _> =
                    values.map(|value| pattern.is_match(value)).collect();
                let is_found = |found: Vec<bool>| wanted.agrees(found.contains(&true));
                is_there && matched.is_ok_and(is_found)
            }
        }
    }
}

fn wrong_count(name: &str) -> Refused {
    Refused::new(format!(
        "invalid number of arguments in \"{name}\" directive"
    ))
}

/// `status [!] code | from-to ...`
fn read_status(words: &[&[u8]]) -> Result<StatusTest, Refused> {
    let (wanted, codes) = match words {
        [b"!", codes @ ..] => (Wanted::Absent, codes),
        codes => (Wanted::Present, codes),
    };
    if codes.is_empty() {
        return Err(wrong_count("status"));
    }
    let ranges = codes.iter().map(|word| {
        let (from, to) = bytes::split_once(word, b'-').unwrap_or((word, word));
        let range = code(from).zip(code(to)).filter(|(from, to)| from <= to);
        let invalid = || Refused::new(format!("invalid status \"{}\"", lossy(word)));
        range.map(|(from, to)| from..=to).ok_or_else(invalid)
    });
    Ok(StatusTest {
        ranges: ranges.collect::<Result<_, _>>()?,
        wanted,
    })
}

fn code(word: &[u8]) -> Option<u16> {
    let code = base::units::parse_decimal(word).ok()?;
    let code = u16::try_from(code).ok()?;
    STATUSES.contains(&code).then_some(code)
}

/// `header name`, `header ! name`, `header name = | != | ~ | !~ value`
fn read_field(words: &[&[u8]], line: &mut Line<'_>) -> Result<FieldTest, Refused> {
    let (name, condition) = match words {
        [b"!", name] => (name, Condition::Is(Wanted::Absent)),
        [name] => (name, Condition::Is(Wanted::Present)),
        [name, operator, value] => (name, read_condition(operator, value, line)?),
        _ => return Err(wrong_count("header")),
    };
    if name.is_empty() {
        return Err(Refused::new("empty header name"));
    }
    Ok(FieldTest {
        name: name.to_vec(),
        condition,
    })
}

fn read_condition(
    operator: &[u8],
    value: &[u8],
    line: &mut Line<'_>,
) -> Result<Condition, Refused> {
    let wanted = match operator {
        [b'!', _] => Wanted::Absent,
        _ => Wanted::Present,
    };
    match operator {
        b"=" | b"!=" => Ok(Condition::Equals(value.to_vec(), wanted)),
        b"~" | b"!~" => Ok(Condition::Matches(line.pattern(value, false)?, wanted)),
        _ => Err(invalid_operator(operator)),
    }
}

fn invalid_operator(operator: &[u8]) -> Refused {
    Refused::new(format!("invalid operator \"{}\"", lossy(operator)))
}

/// `body ~ | !~ pattern`
fn read_body(words: &[&[u8]], line: &mut Line<'_>) -> Result<(Pattern, Wanted), Refused> {
    let [operator, pattern] = words else {
        return Err(wrong_count("body"));
    };
    let wanted = match *operator {
        b"~" => Wanted::Present,
        b"!~" => Wanted::Absent,
        _ => return Err(invalid_operator(operator)),
    };
    Ok((line.pattern(pattern, false)?, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{line_in, loading};

    fn set(tests: &str) -> Result<TestSet, String> {
        line_in(&format!("match m {{ {tests} }}"), &mut loading(), |line| {
            TestSet::read(line).map_err(|refused| refused.message().to_owned())
        })
    }

    type Fields<'f> = &'f [(&'f str, &'f str)];

    #[track_caller]
    fn judge(tests: &str, status: u16, fields: Fields<'_>, body: &str) -> Result<(), Stage> {
        let set = set(tests).unwrap();
        let fields = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        set.judge_head(status, fields)?;
        set.judge_body(body.as_bytes())
    }

    #[track_caller]
    fn statuses(test: &str, passing: &[u16], failing: &[u16]) {
        for status in passing {
            assert_eq!(judge(test, *status, &[], ""), Ok(()), "{test} {status}");
        }
        for status in failing {
            let failed = judge(test, *status, &[], "");
            assert_eq!(failed, Err(Stage::Status), "{test} {status}");
        }
    }

    /// The forms of nginx's documentation, in its order.
    #[test]
    fn statuses_are_listed_or_ruled_out() {
        statuses("status 200;", &[200], &[201, 500]);
        statuses("status ! 500;", &[200, 501], &[500]);
        statuses("status 200 204;", &[200, 204], &[202]);
        statuses("status ! 301 302;", &[300, 303], &[301, 302]);
        statuses("status 200-399;", &[200, 399], &[199, 400]);
        statuses("status ! 400-599;", &[399], &[400, 500, 599]);
        statuses(
            "status 301-303 307;",
            &[301, 302, 303, 307],
            &[300, 304, 306],
        );
        statuses("status 200-399; status ! 304;", &[200, 303], &[304, 404]);
    }

    #[track_caller]
    fn field(test: &str, fields: Fields<'_>, passes: bool) {
        let expected = if passes { Ok(()) } else { Err(Stage::Fields) };
        let judged = judge(&format!("header {test};"), 500, fields, "");
        assert_eq!(judged, expected, "{test} {fields:?}");
    }

    #[test]
    fn fields_are_compared() {
        let html = &[("content-type", "text/html")];
        let json = &[("Content-Type", "application/json")];
        field("Content-Type = text/html", html, true);
        field("Content-Type = text/html", json, false);
        field("Content-Type = text/html", &[], false);
        field("Content-Type != text/html", json, true);
        field("Content-Type != text/html", html, false);
        // A field that must have another value must be there.
        field("Content-Type != text/html", &[], false);
        field("Connection ~ close", &[("Connection", "close, x")], true);
        field("Connection ~ close", &[("Connection", "Close")], false);
        field("Connection !~ close", &[("Connection", "keep")], true);
        field("Connection !~ close", &[("Connection", "close")], false);
        field("Connection !~ close", &[], false);
        field("Host", &[("host", "")], true);
        field("Host", &[], false);
        field("! Refresh", &[], true);
        field("! Refresh", &[("refresh", "1")], false);
    }

    #[test]
    fn of_repeated_fields_one_is_enough_or_all_are_needed() {
        let two = &[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")];
        field("Set-Cookie = b=2", two, true);
        field("Set-Cookie != b=2", two, false);
        field("Set-Cookie ~ ^b", two, true);
        field("Set-Cookie !~ ^c", two, true);
        field("Set-Cookie !~ ^b", two, false);
    }

    #[test]
    fn bodies_match_or_do_not() {
        let welcome = "body ~ \"Welcome to nginx!\";";
        assert_eq!(
            judge(welcome, 500, &[], "<h1>Welcome to nginx!</h1>"),
            Ok(())
        );
        assert_eq!(judge(welcome, 200, &[], "Welcome"), Err(Stage::Body));
        let no = "status 200-399; body !~ \"maintenance mode\";";
        assert_eq!(judge(no, 200, &[], ""), Ok(()));
        assert_eq!(judge(no, 200, &[], "in maintenance mode"), Err(Stage::Body));
        assert_eq!(judge(no, 404, &[], ""), Err(Stage::Status));
    }

    /// A pattern that a hostile body could keep busy is given up, which passes no test.
    #[test]
    fn a_match_that_takes_too_long_is_a_failure() {
        let body = format!("{}!", "a".repeat(64));
        let looks_ahead = "body !~ \"^(?=a)(a|aa)+$\";";
        assert_eq!(judge(looks_ahead, 200, &[], &body), Err(Stage::Body));
    }

    #[test]
    fn required_variables_are_neither_empty_nor_zero() {
        let mut loading = loading();
        let text = "match m { require $a $b; }";
        let set = line_in(text, &mut loading, |line| TestSet::read(line).unwrap());
        let judge = |a: &'static str, b: &'static str| {
            set.judge_variables(|id| Some([a, b][id.index()].into()))
        };
        assert_eq!(judge("1", "x"), Ok(()));
        assert_eq!(judge("00", "x"), Ok(()));
        for (a, b) in [("0", "x"), ("1", ""), ("", "")] {
            assert_eq!(judge(a, b), Err(Stage::Variables), "{a} {b}");
        }
        assert_eq!(set.judge_variables(|_| None), Err(Stage::Variables));
        assert_eq!(set.last_stage(), Stage::Variables);
    }

    #[test]
    fn without_tests_success_and_redirection_pass() {
        let set = TestSet::default();
        for (status, passes) in [(199, false), (200, true), (399, true), (400, false)] {
            let judged = set.judge_head(status, std::iter::empty());
            assert_eq!(judged.is_ok(), passes, "{status}");
        }
        assert!(!set.needs_body());
        assert_eq!(set.last_stage(), Stage::Status);
    }

    #[test]
    fn misuse_is_refused() {
        let check = |tests: &str, expected: &str| assert_eq!(set(tests).unwrap_err(), expected);
        check(
            "status;",
            "invalid number of arguments in \"status\" directive",
        );
        check(
            "status !;",
            "invalid number of arguments in \"status\" directive",
        );
        for word in ["20", "600", "+200", "399-200", "200-", "-", "abc"] {
            check(
                &format!("status {word};"),
                &format!("invalid status \"{word}\""),
            );
        }
        check("header A == b;", "invalid operator \"==\"");
        check("header ! A b;", "invalid operator \"A\"");
        check(
            "header A =;",
            "invalid number of arguments in \"header\" directive",
        );
        check("body = x;", "invalid operator \"=\"");
        check(
            "body ~;",
            "invalid number of arguments in \"body\" directive",
        );
        check("require a;", "invalid variable name \"a\"");
        check(
            "require;",
            "invalid number of arguments in \"require\" directive",
        );
        check("trailer A;", "unknown directive \"trailer\"");
        assert!(set("body ~ (;").unwrap_err().starts_with("pcre2_compile()"));
    }
}
