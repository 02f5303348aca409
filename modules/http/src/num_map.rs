//! `num_map`: a variable whose value follows from a number, or from the range that it is in.
//!
//! A number in the table is found before ranges are tried; of several ranges the first in the
//! table decides. Numbers are decimal, may be negative, and may have a fraction.
//!
//! Source: nginx documentation, ngx_http_num_map_module.

use crate::table::{self, Keys, Matches};
use engine::directive::{block, lossy};
use engine::variable::VariableNames;
use engine::{Arity, Contexts, Directive, Refused, Slot, Template, inherit_fields};
use http::Module;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Nothing to keep: the directive defines a variable.
#[derive(Clone, Default)]
struct Settings {}

inherit_fields!(Settings {});

const DIRECTIVES: &[Directive<Settings>] =
    &[block("num_map", Contexts::HTTP, Arity::TWO, |_, line| {
        table::read::<NumMap>(line)
    })];

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Variables by number.
pub(crate) static MODULE: Module = Module {
    name: "num_map",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// Digits of a fraction that count.
const FRACTION_DIGITS: u32 = 9;

/// Most digits of a number in all; more are no number.
const DIGITS_MAX: usize = 28;

/// A decimal number, in units of the last digit of a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Number(i128);

impl Number {
    const MIN: Self = Self(i128::MIN);
    const MAX: Self = Self(i128::MAX);

    /// Reads `-12.5`. Digits of a fraction beyond the ninth are refused, as they could not be
    /// told apart.
    fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match base::bytes::split_once(digits, b'.') {
            Some((_, b"")) => return None,
            Some(parts) => parts,
            None => (digits, &b""[..]),
        };
        if whole.is_empty() || digits.len() > DIGITS_MAX {
            return None;
        }
        let missing = FRACTION_DIGITS.checked_sub(u32::try_from(fraction.len()).ok()?)?;
        let mut value = 0_i128;
        for byte in whole.iter().chain(fraction) {
            let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
            value = value * 10 + i128::from(digit);
        }
        // At most 28 digits and nine zeros: below the 38 digits of an i128.
        let value = value * 10_i128.pow(missing);
        Some(Self(if is_negative { -value } else { value }))
    }

    /// The next number up.
    const fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The next number down.
    const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// What a line of the table is about.
#[derive(Debug, PartialEq)]
enum Source {
    One(Number),
    Range(RangeInclusive<Number>),
}

impl Source {
    /// Reads `80`, `8080-8090`, `<80`, `<=80`, `>80`, `>=80`.
    fn parse(text: &[u8]) -> Option<Self> {
        let bound = |text: &[u8]| Number::parse(text);
        Some(match text {
            [b'<', b'=', rest @ ..] => Self::Range(Number::MIN..=bound(rest)?),
            [b'>', b'=', rest @ ..] => Self::Range(bound(rest)?..=Number::MAX),
            [b'<', rest @ ..] => Self::Range(Number::MIN..=bound(rest)?.before()),
            [b'>', rest @ ..] => Self::Range(bound(rest)?.after()..=Number::MAX),
            _ => {
                // A minus at the start is the number's own.
                let dash = text.iter().skip(1).position(|byte| *byte == b'-');
                match dash {
                    None => Self::One(bound(text)?),
                    Some(dash) => {
                        let (low, high) = text.split_at(dash + 1);
                        let range = bound(low)?..=bound(high.get(1..)?)?;
                        (!range.is_empty()).then_some(Self::Range(range))?
                    }
                }
            }
        })
    }
}

/// The keys of one `num_map`.
#[derive(Default)]
struct NumMap {
    numbers: HashMap<Number, Template>,
    ranges: Vec<(RangeInclusive<Number>, Template)>,
}

impl Keys for NumMap {
    const DIRECTIVE: &'static str = "num_map";

    fn option(&mut self, _: &[u8]) -> bool {
        false
    }

    fn add(&mut self, key: &[u8], value: Template, _: &mut VariableNames) -> Result<(), Refused> {
        let refused = |what: &str| Refused::new(format!("{what} \"{}\"", lossy(key)));
        match Source::parse(key) {
            None => return Err(refused("invalid number")),
            Some(Source::Range(range)) => self.ranges.push((range, value)),
            Some(Source::One(number)) => {
                if self.numbers.insert(number, value).is_some() {
                    return Err(refused("conflicting parameter"));
                }
            }
        }
        Ok(())
    }

    fn find(&self, subject: &[u8], _: Matches<'_>) -> Option<&Template> {
        let number = Number::parse(subject)?;
        self.numbers.get(&number).or_else(|| {
            let mut ranges = self.ranges.iter();
            let found = ranges.find(|(range, _)| range.contains(&number));
            found.map(|(_, value)| value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[track_caller]
    fn check_find(lines: &str, subject: &str, expected: Option<&str>) {
        table::check_find::<NumMap>(lines, subject, expected);
    }

    #[test]
    fn numbers_come_before_ranges_and_the_default_last() {
        let ports = "default no; 80 http; 443 https; <=1023 low; 8080-8090 alt; >60000 high;";
        check_find(ports, "80", Some("http"));
        check_find(ports, "080", Some("http"));
        check_find(ports, "443", Some("https"));
        check_find(ports, "1023", Some("low"));
        check_find(ports, "-5", Some("low"));
        check_find(ports, "1024", Some("no"));
        check_find(ports, "8080", Some("alt"));
        check_find(ports, "8090", Some("alt"));
        check_find(ports, "8091", Some("no"));
        check_find(ports, "60000", Some("no"));
        check_find(ports, "60001", Some("high"));
        for subject in ["", "x", "80x", " 80", "+80", "1e3", "-", "1.", ".5"] {
            check_find(ports, subject, Some("no"));
        }
        check_find("80 x;", "81", None);
    }

    #[test]
    fn the_first_range_decides() {
        let table = "1-10 a; 5-20 b; >=15 c; <1 d;";
        check_find(table, "5", Some("a"));
        check_find(table, "11", Some("b"));
        check_find(table, "15", Some("b"));
        check_find(table, "21", Some("c"));
        check_find(table, "0", Some("d"));
        check_find("-10--5 a; -3-3 b;", "-5", Some("a"));
        check_find("-10--5 a; -3-3 b;", "-4", None);
        check_find("-10--5 a; -3-3 b;", "-3", Some("b"));
    }

    #[test]
    fn fractions_count() {
        let table = "<0.5 quick; 0.5-2 usual; >2 slow;";
        check_find(table, "0.499", Some("quick"));
        check_find(table, "0.500", Some("usual"));
        check_find(table, "2.000", Some("usual"));
        check_find(table, "2.001", Some("slow"));
        check_find("0.5 x;", "0.50", Some("x"));
        check_find("0.5 x;", "0.5000000001", None);
        check_find("9999999999999999999 x;", "9999999999999999999", Some("x"));
        check_find(">5 x;", "99999999999999999999999999999999999999", None);
    }

    #[test]
    fn mistakes_are_told() {
        for key in ["a", "5-3", "<", "<=x", "1-", "--", "1-2-3", "5-5x"] {
            check(
                &format!("num_map $uri $x {{ {key} 1; }}"),
                &format!("invalid number \"{key}\""),
            );
        }
        let conflict = "conflicting parameter \"1.0\"";
        check("num_map $uri $x { 1 a; 1.0 b; }", conflict);
        let twice = "duplicate default num_map parameter";
        check("num_map $uri $x { default 1; default 2; }", twice);
        let count = "invalid number of the num_map parameters";
        check("num_map $uri $x { 1; }", count);
        check("num_map $uri $x { 1 2 3; }", count);
        check("num_map $uri x { 1 2; }", "invalid variable name \"x\"");
        check("num_map $uri $x { volatile; 1 2; }", "");
    }
}
