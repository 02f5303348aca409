//! HTTP dates read: the one format in use, and the two that are obsolete.

use super::{Civil, MONTHS, days_in_month};

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or
/// `Sun Nov  6 08:49:37 1994`, as seconds since 1970; `None` for anything else.
///
/// As in nginx, the name of the weekday and what follows the time are not looked at, and a
/// year of two digits is from 1970 to 2069. Unlike there, months are known by all their
/// letters.
///
/// Source: `ngx_parse_http_time()`, nginx 1.31.5; RFC 9110 section 5.6.7.
#[must_use]
pub fn parse_http(text: &[u8]) -> Option<i64> {
    let weekday_end = text.iter().position(|byte| matches!(byte, b',' | b' '))?;
    let is_asctime = text.get(weekday_end) == Some(&b' ');
    let mut rest = Reader {
        rest: text.get(weekday_end + 1..)?,
    };
    rest.skip_spaces();
    // The shortest date has this much after its weekday.
    if rest.rest.len() < 18 {
        return None;
    }

    let (year, month, day, hour, minute, second) = if is_asctime {
        let month = rest.month()?;
        rest.expect(b' ')?;
        let day = rest.day_of_asctime()?;
        let (hour, minute, second) = rest.time()?;
        rest.expect(b' ')?;
        (rest.number(4)?, month, day, hour, minute, second)
    } else {
        let day = rest.number(2)?;
        let separator = rest.byte()?;
        let month = rest.month()?;
        let year = match separator {
            b' ' => {
                rest.expect(b' ')?;
                rest.number(4)?
            }
            b'-' => {
                rest.expect(b'-')?;
                let year = rest.number(2)?;
                if year < 70 { 2000 + year } else { 1900 + year }
            }
            _ => return None,
        };
        let (hour, minute, second) = rest.time()?;
        (year, month, day, hour, minute, second)
    };

    let day = u8::try_from(day).ok()?;
    let is_valid =
        (1..=days_in_month(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let civil = Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
        weekday: 0,
    };
    is_valid.then(|| civil.to_unix())
}

/// What is left of the text.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn expect(&mut self, expected: u8) -> Option<()> {
        (self.byte()? == expected).then_some(())
    }

    fn skip_spaces(&mut self) {
        while let Some((b' ', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        (0..digits).try_fold(0, |number, _| {
            let byte = self.byte()?;
            byte.is_ascii_digit()
                .then(|| number * 10 + i64::from(byte - b'0'))
        })
    }

    fn two_digits(&mut self) -> Option<u8> {
        self.number(2).and_then(|number| u8::try_from(number).ok())
    }

    /// The month, 1 to 12.
    fn month(&mut self) -> Option<u8> {
        let (name, rest) = self.rest.split_first_chunk::<3>()?;
        self.rest = rest;
        let at = MONTHS.iter().position(|month| month.as_bytes() == name)?;
        u8::try_from(at + 1).ok()
    }

    /// A day of one or two digits, padded with a space, and the space after it.
    fn day_of_asctime(&mut self) -> Option<i64> {
        if self.rest.first() == Some(&b' ') {
            self.byte();
        }
        let day = self.number(1)?;
        if self.rest.first() == Some(&b' ') {
            return Some(day);
        }
        Some(day * 10 + self.number(1)?)
    }

    /// A space, then hours, minutes and seconds.
    fn time(&mut self) -> Option<(u8, u8, u8)> {
        self.expect(b' ')?;
        let hour = self.two_digits()?;
        self.expect(b':')?;
        let minute = self.two_digits()?;
        self.expect(b':')?;
        Some((hour, minute, self.two_digits()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::http;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse_http(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn three_formats() {
        let unix = Some(784_111_777);
        check("Sun, 06 Nov 1994 08:49:37 GMT", unix);
        check("Sunday, 06-Nov-94 08:49:37 GMT", unix);
        check("Sun Nov  6 08:49:37 1994", unix);
        check("Sun Nov 16 08:49:37 1994", Some(784_975_777));
        check("Sun,   06 Nov 1994 08:49:37", unix);
        check("x, 06 Nov 1994 08:49:37 CET", unix);
        check("Thu, 01-Jan-70 00:00:00 GMT", Some(0));
        check("Tue, 31-Dec-69 23:59:59 GMT", Some(3_155_759_999));
        check("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400));
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "0",
            "Sun",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:3",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Xyz 1994 08:49:37 GMT",
            "Sun, 06/Nov/1994 08:49:37 GMT",
            "Sun, 06 Nov-1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun Nov  6 08:49:37 94",
            "Sunday, 06-Nov-+4 08:49:37 GMT",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn reads_what_is_written() {
        for unix in (0..253_402_300_799).step_by(100_000_007) {
            assert_eq!(parse_http(http(unix).as_bytes()), Some(unix));
        }
    }
}
