//! What a token says: the time in which it is good, values by name.

use crate::parts;
use crate::refusal::Refusal;
use base::json::{Object, Value};
use std::fmt::Write;

/// The claims of a token, signed or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Object);

impl Claims {
    /// Reads the payload of a token.
    ///
    /// # Errors
    ///
    /// It is not an object, or has a name twice.
    pub fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        parts::object(payload, "claims are not a JSON object").map(Self)
    }

    /// Whether `exp` and `nbf` hold at `now`, in seconds of Unix time, give or take `leeway`
    /// seconds (RFC 7519, section 4.1).
    ///
    /// # Errors
    ///
    /// They do not hold, or are no numbers.
    pub fn check_time(&self, now: i64, leeway: u64) -> Result<(), Refusal> {
        let (now, leeway) = (i128::from(now), i128::from(leeway));
        // A token is good before its end; a fraction of a second past that is past it.
        if let Some(end) = self.time("exp")?
            && now - leeway >= end
        {
            return Err(Refusal::Expired);
        }
        if let Some(start) = self.time("nbf")?
            && now + leeway < start
        {
            return Err(Refusal::TooEarly);
        }
        Ok(())
    }

    fn time(&self, name: &str) -> Result<Option<i128>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Integer(seconds)) => Ok(Some(*seconds)),
            // What is beyond the numbers of i128 ends at their ends.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it saturates, which is what is wanted"
            )]
            Some(Value::Real(seconds)) => Ok(Some(seconds.floor() as i128)),
            Some(_) => Err(Refusal::Malformed("a time among the claims is no number")),
        }
    }

    /// The claims by name.
    #[must_use]
    pub fn members(&self) -> &Object {
        &self.0
    }
}

/// Which numbers with a fraction are written without an exponent.
const PLAIN: std::ops::Range<f64> = 1e-4..1e17;

/// Appends the value at `path`, from the top of `object`, to `out`: strings as they are, numbers
/// and `true` and `false` in their notation, the items of a list with commas between.
///
/// `false` when there is nothing, or an object or `null`, which have no such text.
pub fn write_value<'p>(
    object: &Object,
    path: impl IntoIterator<Item = &'p str>,
    out: &mut Vec<u8>,
) -> bool {
    let mut path = path.into_iter();
    let first = path.next().and_then(|name| object.get(name));
    let value = path.fold(first, |value, name| value?.as_object()?.get(name));
    value.is_some_and(|value| write(value, out))
}

fn write(value: &Value, out: &mut Vec<u8>) -> bool {
    match value {
        Value::Null | Value::Object(_) => return false,
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Integer(value) => print(value, out),
        // Of few bytes in a token hundreds must not become.
        Value::Real(value) if *value != 0.0 && !PLAIN.contains(&value.abs()) => {
            print(format_args!("{value:e}"), out);
        }
        Value::Real(value) => print(value, out),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::List(items) => {
            let mut is_first = true;
            for item in items {
                let before = out.len();
                if !is_first {
                    out.push(b',');
                }
                if write(item, out) {
                    is_first = false;
                } else {
                    out.truncate(before);
                }
            }
        }
    }
    true
}

fn print(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = write!(text, "{value}");
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(claims: &str, now: i64, leeway: u64, expected: Result<(), Refusal>) {
        let claims = Claims::parse(claims.as_bytes()).unwrap();
        assert_eq!(claims.check_time(now, leeway), expected, "{claims:?}");
    }

    #[test]
    fn tokens_are_good_in_their_time() {
        check("{}", 5, 0, Ok(()));
        check(r#"{"exp":10}"#, 9, 0, Ok(()));
        check(r#"{"exp":10}"#, 10, 0, Err(Refusal::Expired));
        check(r#"{"exp":10}"#, 10, 1, Ok(()));
        check(r#"{"exp":10}"#, 12, 2, Err(Refusal::Expired));
        check(r#"{"exp":9.5}"#, 9, 0, Err(Refusal::Expired));
        check(r#"{"nbf":10}"#, 9, 0, Err(Refusal::TooEarly));
        check(r#"{"nbf":10}"#, 9, 1, Ok(()));
        check(r#"{"nbf":10}"#, 10, 0, Ok(()));
    }

    #[test]
    fn times_do_not_overflow() {
        check(
            r#"{"exp":18446744073709551615}"#,
            i64::MAX,
            u64::MAX,
            Ok(()),
        );
        check(r#"{"exp":1e300,"nbf":-1e300}"#, i64::MAX, 0, Ok(()));
        check(
            r#"{"exp":-1e300}"#,
            i64::MIN,
            u64::MAX,
            Err(Refusal::Expired),
        );
        check(
            r#"{"nbf":1e300}"#,
            i64::MAX,
            u64::MAX,
            Err(Refusal::TooEarly),
        );
        check(
            r#"{"exp":-9223372036854775808}"#,
            0,
            0,
            Err(Refusal::Expired),
        );
        let wrong = Refusal::Malformed("a time among the claims is no number");
        check(r#"{"exp":"99999999999"}"#, 0, 0, Err(wrong));
        check(r#"{"exp":null}"#, 0, 0, Err(wrong));
        check(r#"{"nbf":[1]}"#, 0, 0, Err(wrong));
    }

    #[test]
    fn values_by_name() {
        let claims = r#"{"a":"x","b":{"c d":[1,"two",true,[3,4],{},5.5]},"n":null,"o":{"p":{}}}"#;
        let claims = Claims::parse(claims.as_bytes()).unwrap();
        let value = |path: &[&str]| {
            let mut out = Vec::new();
            let found = write_value(claims.members(), path.iter().copied(), &mut out);
            assert!(found || out.is_empty());
            found.then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(value(&["a"]).as_deref(), Some("x"));
        assert_eq!(value(&["b", "c d"]).as_deref(), Some("1,two,true,3,4,5.5"));
        assert_eq!(value(&["b"]), None);
        assert_eq!(value(&["n"]), None);
        assert_eq!(value(&["o", "p"]), None);
        assert_eq!(value(&["a", "x"]), None);
        assert_eq!(value(&["missing"]), None);
        assert_eq!(value(&[]), None);
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [
            ("1.50", "1.5"),
            ("-1e2", "-100"),
            ("0.0001", "0.0001"),
            ("0e9", "0"),
            ("1e300", "1e300"),
            ("-2.5E-300", "-2.5e-300"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744073709552e19"),
        ] {
            let claims = Claims::parse(format!("{{\"n\":{number}}}").as_bytes()).unwrap();
            let mut out = Vec::new();
            assert!(write_value(claims.members(), ["n"], &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
