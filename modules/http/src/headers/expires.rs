//! `expires`: how long a response may be kept.

use base::date;
use base::units::parse_time_sec;
use engine::{Line, Refused, Template};
use http::{Bytes, Request, ResponseHead};

const DAY: i64 = 24 * 60 * 60;

/// `expires`, for one location.
#[derive(Clone, Debug)]
pub(super) enum Expires {
    /// Nothing is said.
    Off,
    /// The same for every response.
    Fixed(When),
    /// Text with variables, read for each response.
    Computed(Base, Template),
}

/// What a response's time is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The time of the request.
    Access,
    /// Its Last-Modified.
    Modified,
}

/// When a response expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing is said.
    Off,
    /// It has already.
    Epoch,
    /// In ten years.
    Max,
    /// Seconds after (or before) a time.
    After(Base, i64),
    /// At that second of the local day.
    Daily(i64),
}

/// `expires [modified] time | epoch | max | off`
pub(super) fn read(line: &mut Line<'_>) -> Result<Expires, Refused> {
    let (from, index) = match line.args().len() {
        1 => (Base::Access, 0),
        _ if line.arg(0) == b"modified" => (Base::Modified, 1),
        _ => return Err(refused("invalid value")),
    };
    let template = line.template(index)?;
    match template.as_constant() {
        Some(text) => parse(text, from).map_err(refused).map(|when| match when {
            When::Off => Expires::Off,
            when => Expires::Fixed(when),
        }),
        None => Ok(Expires::Computed(from, template)),
    }
}

fn refused(why: &str) -> Refused {
    Refused::new(format!("\"expires\" directive {why}"))
}

fn parse(text: &[u8], from: Base) -> Result<When, &'static str> {
    match (from, text) {
        (Base::Access, b"off") => return Ok(When::Off),
        (Base::Access, b"epoch") => return Ok(When::Epoch),
        (Base::Access, b"max") => return Ok(When::Max),
        (Base::Modified, [b'@', ..]) => {
            return Err("daily time cannot be used with \"modified\" parameter");
        }
        _ => {}
    }
    let (sign, time) = match text {
        [sign @ (b'@' | b'+' | b'-'), rest @ ..] => (*sign, rest),
        _ => (b'+', text),
    };
    let seconds = parse_time_sec(time)
        .ok()
        .and_then(|seconds| i64::try_from(seconds).ok())
        .ok_or("invalid value")?;
    match sign {
        b'@' if seconds > DAY => Err("daily time value must be less than 24 hours"),
        b'@' => Ok(When::Daily(seconds)),
        b'-' => Ok(When::After(from, -seconds)),
        _ => Ok(When::After(from, seconds)),
    }
}

impl Expires {
    pub(super) fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// Sets `Expires` and `Cache-Control`. A value that cannot be read says nothing.
    pub(super) fn apply(&self, request: &mut Request, head: &mut ResponseHead) {
        let when = match self {
            Self::Off => return,
            Self::Fixed(when) => *when,
            Self::Computed(from, template) => {
                let text = request.with_head(head, |request| template.eval(request));
                match parse(&text, *from) {
                    Ok(when) => when,
                    Err(_) => return,
                }
            }
        };
        let now = request.connection.http.worker.wall().unix_secs;
        let Some((expires, cache_control)) = when.fields(now, head.modified()) else {
            return;
        };
        set(head, "Expires", expires);
        set(head, "Cache-Control", cache_control);
    }
}

impl When {
    /// The values of `Expires` and `Cache-Control`.
    fn fields(self, now: i64, last_modified: Option<i64>) -> Option<(Bytes, Bytes)> {
        let (at, age, is_past) = match self {
            Self::Off => return None,
            Self::Epoch => {
                return Some(("Thu, 01 Jan 1970 00:00:01 GMT".into(), "no-cache".into()));
            }
            Self::Max => {
                return Some((
                    "Thu, 31 Dec 2037 23:55:55 GMT".into(),
                    "max-age=315360000".into(),
                ));
            }
            Self::After(_, 0) => (now, 0, false),
            Self::After(base, seconds) => {
                let from = match base {
                    Base::Access => now,
                    Base::Modified => last_modified.unwrap_or(now),
                };
                let at = from.saturating_add(seconds);
                (at, at.saturating_sub(now), seconds < 0)
            }
            Self::Daily(second) => {
                let at = next_time(now, second);
                (at, at - now, false)
            }
        };
        let cache_control = if is_past || age < 0 {
            "no-cache".into()
        } else {
            format!("max-age={age}").into()
        };
        Some((date::http(at).into(), cache_control))
    }
}

/// The next moment after `now` that is `second` of a local day.
fn next_time(now: i64, second: i64) -> i64 {
    let offset = |time| {
        let local = sys::clock::local(time).unwrap_or_default();
        i64::from(local.utc_offset_minutes) * 60
    };
    let at_offset = |offset: i64| {
        let midnight = (now + offset).div_euclid(DAY) * DAY - offset;
        let at = midnight + second;
        if at > now { at } else { at + DAY }
    };
    let first = at_offset(offset(now));
    // Clocks may have been changed until then.
    first + offset(now) - offset(first)
}

/// Sets the first field `name` and removes all others of that name.
fn set(head: &mut ResponseHead, name: &'static str, value: Bytes) {
    let is_it = |known: &Bytes| known.eq_ignore_ascii_case(name.as_bytes());
    let Some(first) = head.fields.iter().position(|(known, _)| is_it(known)) else {
        head.add(name, value);
        return;
    };
    head.fields[first].1 = value;
    let mut index = 0;
    head.fields.retain(|(known, _)| {
        index += 1;
        index - 1 <= first || !is_it(known)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 784_111_777;

    #[track_caller]
    fn check(text: &str, from: Base, expires: &str, cache_control: &str) {
        let when = parse(text.as_bytes(), from).unwrap();
        let (at, age) = when.fields(NOW, Some(NOW - 100)).unwrap();
        assert_eq!(at, Bytes::from(expires.to_owned()), "{text}");
        assert_eq!(age, Bytes::from(cache_control.to_owned()), "{text}");
    }

    #[test]
    fn times_from_access_and_modification() {
        use Base::{Access, Modified};
        check(
            "1h",
            Access,
            "Sun, 06 Nov 1994 09:49:37 GMT",
            "max-age=3600",
        );
        check(
            "+1h",
            Access,
            "Sun, 06 Nov 1994 09:49:37 GMT",
            "max-age=3600",
        );
        check("0", Access, "Sun, 06 Nov 1994 08:49:37 GMT", "max-age=0");
        check("-1", Access, "Sun, 06 Nov 1994 08:49:36 GMT", "no-cache");
        check(
            "200",
            Modified,
            "Sun, 06 Nov 1994 08:51:17 GMT",
            "max-age=100",
        );
        check("50", Modified, "Sun, 06 Nov 1994 08:48:47 GMT", "no-cache");
        check("epoch", Access, "Thu, 01 Jan 1970 00:00:01 GMT", "no-cache");
        check(
            "max",
            Access,
            "Thu, 31 Dec 2037 23:55:55 GMT",
            "max-age=315360000",
        );
    }

    #[test]
    fn a_time_of_day_is_within_the_next_day() {
        for second in [0, 1, 3600, 43_200, DAY - 1] {
            let at = next_time(NOW, second);
            assert!(at > NOW && at <= NOW + DAY + 3600, "{second}");
            let local = sys::clock::local(at).unwrap();
            let of_day = i64::from(local.hour) * 3600
                + i64::from(local.minute) * 60
                + i64::from(local.second);
            assert_eq!(of_day, second);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (text, from, message) in [
            ("x", Base::Access, "invalid value"),
            ("", Base::Access, "invalid value"),
            ("max", Base::Modified, "invalid value"),
            (
                "@25h",
                Base::Access,
                "daily time value must be less than 24 hours",
            ),
            (
                "@1h",
                Base::Modified,
                "daily time cannot be used with \"modified\" parameter",
            ),
        ] {
            assert_eq!(parse(text.as_bytes(), from), Err(message));
        }
        assert_eq!(parse(b"off", Base::Access), Ok(When::Off));
    }

    #[test]
    fn fields_that_were_there_are_replaced() {
        let mut head = ResponseHead::default();
        for (name, value) in [("Cache-Control", "a"), ("X", "x"), ("cache-control", "b")] {
            head.add(name, value);
        }
        set(&mut head, "Cache-Control", "c".into());
        let names: Vec<&[u8]> = head.fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, [&b"Cache-Control"[..], b"X"]);
        assert_eq!(head.find(b"cache-control"), Some(&"c".into()));
    }
}
