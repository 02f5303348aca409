//! Dates: the civil calendar, HTTP's formats, and those of logs and directory listings.
//!
//! Times are seconds since 1970-01-01 00:00:00 UTC, without leap seconds. What formats takes a
//! time; asking for the time is for others.

mod parse;

pub use parse::parse_http;

const SECONDS_PER_DAY: i64 = 86400;

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;

/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A date and a time of day, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year; 0 is 1 BC.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 is Sunday. Not looked at by [`Civil::to_unix`].
    pub weekday: u8,
}

impl Civil {
    /// The date and time of `unix` in UTC. Add a zone's offset before for its time.
    #[must_use]
    pub fn from_unix(unix: i64) -> Self {
        let days = unix.div_euclid(SECONDS_PER_DAY);
        let seconds = unsigned(unix.rem_euclid(SECONDS_PER_DAY));

        // Years that begin in March put the leap day last. An era is 400 of them.
        let shifted = days + DAYS_TO_EPOCH;
        let era = shifted.div_euclid(DAYS_PER_ERA);
        let day_of_era = unsigned(shifted.rem_euclid(DAYS_PER_ERA));
        let leap_days = day_of_era / 1460 - day_of_era / 36524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // March to July, and August to December, have the same pattern of 153 days.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };

        Self {
            year: era * 400 + i64::from(year_of_era) + i64::from(month <= 2),
            month: small(month),
            day: small(day),
            hour: small(seconds / 3600),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
            // Eras have whole weeks and begin on a Wednesday.
            weekday: small((day_of_era + 3) % 7),
        }
    }

    /// Seconds since 1970, of this time taken as UTC.
    #[must_use]
    pub fn to_unix(&self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;

        let seconds =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        days * SECONDS_PER_DAY + seconds
    }

    fn month_name(&self) -> &'static str {
        MONTHS
            .get(usize::from(self.month).wrapping_sub(1))
            .copied()
            .unwrap_or("???")
    }

    fn weekday_name(&self) -> &'static str {
        WEEKDAYS
            .get(usize::from(self.weekday))
            .copied()
            .unwrap_or("???")
    }
}

/// Every part of a date but the year is below 256.
fn small(part: u32) -> u8 {
    u8::try_from(part).unwrap_or(u8::MAX)
}

/// What is left of a division is small and not negative, and counted on with faster so.
fn unsigned(rest: i64) -> u32 {
    u32::try_from(rest).unwrap_or(0)
}

/// Days in `month` (1 to 12) of `year`, 0 for another month.
pub(crate) fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: what HTTP headers say (RFC 9110 section 5.6.7).
#[must_use]
pub fn http(unix: i64) -> String {
    let mut out = Vec::with_capacity(HTTP_LEN);
    write_http(unix, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Length of a date of [`http`] before the year 10,000, in bytes.
const HTTP_LEN: usize = 29;

/// Appends what [`http`] gives. By hand, since it is done for every file that is served and
/// `format!` takes ten times as long.
pub fn write_http(unix: i64, out: &mut Vec<u8>) {
    let t = Civil::from_unix(unix);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(t.weekday_name().as_bytes());
    text[5..7].copy_from_slice(&two_digits(t.day));
    text[8..11].copy_from_slice(t.month_name().as_bytes());
    text[17..19].copy_from_slice(&two_digits(t.hour));
    text[20..22].copy_from_slice(&two_digits(t.minute));
    text[23..25].copy_from_slice(&two_digits(t.second));
    if (0..10_000).contains(&t.year) {
        let year = unsigned(t.year);
        text[12..14].copy_from_slice(&two_digits(small(year / 100)));
        text[14..16].copy_from_slice(&two_digits(small(year % 100)));
        out.extend_from_slice(&text);
    } else {
        out.extend_from_slice(&text[..12]);
        out.extend_from_slice(format!("{:04}", t.year).as_bytes());
        out.extend_from_slice(&text[16..]);
    }
}

/// `number`, below 100, in two digits.
fn two_digits(number: u8) -> [u8; 2] {
    [b'0' + number / 10, b'0' + number % 10]
}

/// `Sun, 06-Nov-94 08:49:37 GMT`, or with a year of four digits from 2038, where old browsers
/// would read 38 as 1938: what `Set-Cookie` of `userid` says.
///
/// Source: `ngx_http_cookie_time()`, nginx 1.31.5.
#[must_use]
pub fn cookie(unix: i64) -> String {
    let t = Civil::from_unix(unix);
    let year = if t.year > 2037 {
        format!("{:04}", t.year)
    } else {
        format!("{:02}", t.year.rem_euclid(100))
    };
    format!(
        "{}, {:02}-{}-{year} {:02}:{:02}:{:02} GMT",
        t.weekday_name(),
        t.day,
        t.month_name(),
        t.hour,
        t.minute,
        t.second
    )
}

/// `1994-11-06T08:49:37+00:00`, `$time_iso8601`, in the zone `offset_minutes` east of UTC.
#[must_use]
pub fn iso8601(unix: i64, offset_minutes: i32) -> String {
    let t = Civil::from_unix(unix + i64::from(offset_minutes) * 60);
    let (sign, hours, minutes) = offset_parts(offset_minutes);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{hours:02}:{minutes:02}",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    )
}

/// `06/Nov/1994:08:49:37 +0000`, `$time_local`, in the zone `offset_minutes` east of UTC.
#[must_use]
pub fn log(unix: i64, offset_minutes: i32) -> String {
    let t = Civil::from_unix(unix + i64::from(offset_minutes) * 60);
    let (sign, hours, minutes) = offset_parts(offset_minutes);
    format!(
        "{:02}/{}/{:04}:{:02}:{:02}:{:02} {sign}{hours:02}{minutes:02}",
        t.day,
        t.month_name(),
        t.year,
        t.hour,
        t.minute,
        t.second
    )
}

/// `1994/11/06 08:49:37`, which error log lines begin with, in the zone `offset_minutes` east
/// of UTC.
#[must_use]
pub fn error_log(unix: i64, offset_minutes: i32) -> String {
    let t = Civil::from_unix(unix + i64::from(offset_minutes) * 60);
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    )
}

/// `06-Nov-1994 08:49`, as `autoindex` lists a file, in the zone `offset_minutes` east of UTC.
#[must_use]
pub fn autoindex(unix: i64, offset_minutes: i32) -> String {
    let t = Civil::from_unix(unix + i64::from(offset_minutes) * 60);
    format!(
        "{:02}-{}-{:04} {:02}:{:02}",
        t.day,
        t.month_name(),
        t.year,
        t.hour,
        t.minute
    )
}

/// Sign, hours and minutes of a zone's offset.
fn offset_parts(offset_minutes: i32) -> (char, u32, u32) {
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let minutes = offset_minutes.unsigned_abs();
    (sign, minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let unix = 784_111_777;
        assert_eq!(http(unix), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(cookie(unix), "Sun, 06-Nov-94 08:49:37 GMT");
        assert_eq!(cookie(2_145_916_800), "Fri, 01-Jan-2038 00:00:00 GMT");
        assert_eq!(iso8601(unix, 0), "1994-11-06T08:49:37+00:00");
        assert_eq!(iso8601(unix, -570), "1994-11-05T23:19:37-09:30");
        assert_eq!(log(unix, 0), "06/Nov/1994:08:49:37 +0000");
        assert_eq!(log(unix, 120), "06/Nov/1994:10:49:37 +0200");
        assert_eq!(error_log(unix, 60), "1994/11/06 09:49:37");
        assert_eq!(autoindex(unix, 0), "06-Nov-1994 08:49");
    }

    #[test]
    fn known_days() {
        for (unix, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (253_402_300_800, "Sat, 01 Jan 10000 00:00:00 GMT"),
            (-62_167_219_200, "Sat, 01 Jan 0000 00:00:00 GMT"),
        ] {
            assert_eq!(http(unix), text);
        }
    }

    /// Four hundred years, day by day: the calendar counts as a calendar does, and back.
    #[test]
    fn every_day_of_an_era() {
        let mut expected = Civil {
            year: 1900,
            month: 1,
            day: 1,
            hour: 13,
            minute: 14,
            second: 15,
            weekday: 1,
        };
        let first = expected.to_unix();
        for day in 0..DAYS_PER_ERA {
            let unix = first + day * SECONDS_PER_DAY;
            assert_eq!(Civil::from_unix(unix), expected);
            assert_eq!(expected.to_unix(), unix);

            expected.weekday = (expected.weekday + 1) % 7;
            expected.day += 1;
            if expected.day > days_in_month(expected.year, expected.month) {
                expected.day = 1;
                expected.month = expected.month % 12 + 1;
                expected.year += i64::from(expected.month == 1);
            }
        }
    }
}
