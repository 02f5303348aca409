//! Sizes, times, numbers and flags as nginx.conf writes them.
//!
//! Everything is read from bytes, without a sign, and with overflow checked against the signed
//! 64-bit types that nginx computes in: what nginx refuses is refused here.

/// The largest value that nginx holds in any of these types.
const MAX: u64 = i64::MAX as u64;

/// The text is not a value of the wanted kind, or does not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidValue;

impl std::fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("invalid value")
    }
}

impl std::error::Error for InvalidValue {}

/// Reads a decimal number of digits alone, at most 2^63 - 1.
///
/// # Errors
///
/// Nothing to read, a byte that is no digit, or a number that does not fit.
///
/// Source: `ngx_atoi()`, `ngx_atosz()`, `ngx_atoof()`, nginx 1.31.5.
pub fn parse_decimal(text: &[u8]) -> Result<u64, InvalidValue> {
    if text.is_empty() {
        return Err(InvalidValue);
    }
    text.iter()
        .try_fold(0, |value, &byte| push_digit(value, byte))
}

/// Reads a decimal number with at most `places` digits behind its point, in units of the last
/// place: with two places, `10.5` is 1050 and `10` is 1000.
///
/// # Errors
///
/// Nothing to read, a second point, more digits behind it than `places`, any other byte, or a
/// number that does not fit.
///
/// Source: `ngx_atofp()`, nginx 1.31.5.
pub fn parse_fixed_point(text: &[u8], places: u32) -> Result<u64, InvalidValue> {
    if text.is_empty() {
        return Err(InvalidValue);
    }
    let mut value = 0;
    let mut missing = places;
    let mut behind_point = false;
    for &byte in text {
        if byte == b'.' && !behind_point {
            behind_point = true;
            continue;
        }
        if behind_point {
            missing = missing.checked_sub(1).ok_or(InvalidValue)?;
        }
        value = push_digit(value, byte)?;
    }
    (0..missing).try_fold(value, |value, _| push_digit(value, b'0'))
}

/// Reads a hexadecimal number of digits alone, in either case, at most 2^63 - 1.
///
/// # Errors
///
/// Nothing to read, a byte that is no hexadecimal digit, or a number that does not fit.
///
/// Source: `ngx_hextoi()`, nginx 1.31.5.
pub fn parse_hex(text: &[u8]) -> Result<u64, InvalidValue> {
    if text.is_empty() {
        return Err(InvalidValue);
    }
    text.iter().try_fold(0_u64, |value, &byte| {
        let digit = char::from(byte).to_digit(16).ok_or(InvalidValue)?;
        let value = value.checked_mul(16).ok_or(InvalidValue)?;
        at_most_max(value + u64::from(digit))
    })
}

/// Reads a size in bytes: `512`, `8k`, `1M`.
///
/// # Errors
///
/// No digits, any other unit, or a size of 2^63 bytes or more.
///
/// Source: `ngx_parse_size()`, nginx 1.31.5.
pub fn parse_size(text: &[u8]) -> Result<u64, InvalidValue> {
    match text {
        [digits @ .., b'k' | b'K'] => scaled(digits, 1 << 10),
        [digits @ .., b'm' | b'M'] => scaled(digits, 1 << 20),
        digits => scaled(digits, 1),
    }
}

/// Reads a length or offset of a file in bytes: what [`parse_size`] takes, and `2g`.
///
/// # Errors
///
/// As for [`parse_size`].
///
/// Source: `ngx_parse_offset()`, nginx 1.31.5.
pub fn parse_offset(text: &[u8]) -> Result<u64, InvalidValue> {
    match text {
        [digits @ .., b'g' | b'G'] => scaled(digits, 1 << 30),
        other => parse_size(other),
    }
}

/// Reads `on` or `off`, in any case.
///
/// # Errors
///
/// Any other word.
///
/// Source: `ngx_conf_set_flag_slot()`, nginx 1.31.5.
pub fn parse_flag(text: &[u8]) -> Result<bool, InvalidValue> {
    if text.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(InvalidValue)
    }
}

/// Reads a time in milliseconds: `250ms`, `30s`, `1h 30m`, and `30`, which is seconds.
///
/// Units go from large to small, each at most once: `w d h m s ms`. Years and months are not
/// taken, as their milliseconds would be a mistake rather than a wish.
///
/// # Errors
///
/// No digits, an unknown or misplaced unit, or a time that does not fit.
///
/// Source: `ngx_parse_time()`, nginx 1.31.5.
pub fn parse_time_ms(text: &[u8]) -> Result<u64, InvalidValue> {
    parse_time(text, Resolution::Milliseconds)
}

/// Reads a time in seconds: `30`, `1h 30m`, `2d`, `1y`.
///
/// Units go from large to small, each at most once: `y M w d h m s`. A year has 365 days, a
/// month 30.
///
/// # Errors
///
/// As for [`parse_time_ms`].
///
/// Source: `ngx_parse_time()`, nginx 1.31.5.
pub fn parse_time_sec(text: &[u8]) -> Result<u64, InvalidValue> {
    parse_time(text, Resolution::Seconds)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Resolution {
    Seconds,
    Milliseconds,
}

/// How far down the units a time has come; each must be below the one before.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Step {
    Start,
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    /// Behind a number without a unit and a space.
    Last,
}

impl Step {
    /// The unit's length in seconds; the millisecond has none.
    fn seconds(self) -> u64 {
        match self {
            Self::Year => 365 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Week => 7 * 86_400,
            Self::Day => 86_400,
            Self::Hour => 3_600,
            Self::Minute => 60,
            Self::Start | Self::Second | Self::Millisecond | Self::Last => 1,
        }
    }
}

fn parse_time(text: &[u8], resolution: Resolution) -> Result<u64, InvalidValue> {
    let per_second = if resolution == Resolution::Seconds {
        1
    } else {
        1000
    };
    let mut step = match resolution {
        Resolution::Seconds => Step::Start,
        // Years and months count as passed.
        Resolution::Milliseconds => Step::Month,
    };
    let mut total: u64 = 0;
    let mut value = 0;
    let mut has_digits = false;
    let mut rest = text;

    while let [byte, behind @ ..] = rest {
        if byte.is_ascii_digit() {
            value = push_digit(value, *byte)?;
            has_digits = true;
            rest = behind;
            continue;
        }
        let (unit, behind) = time_unit(rest)?;
        // A number without a unit counts as seconds, and may be no second one of them.
        let rank = if unit == Step::Last {
            Step::Second
        } else {
            unit
        };
        if step >= rank || (unit == Step::Millisecond && resolution == Resolution::Seconds) {
            return Err(InvalidValue);
        }
        step = unit;

        let scale = if unit == Step::Millisecond {
            1
        } else {
            unit.seconds() * per_second
        };
        total = add(total, value, scale)?;
        value = 0;
        let spaces = behind.iter().take_while(|&&byte| byte == b' ').count();
        rest = behind.get(spaces..).unwrap_or_default();
    }
    if !has_digits {
        return Err(InvalidValue);
    }
    add(total, value, per_second)
}

/// The unit at the start of `text`, and what is behind it.
fn time_unit(text: &[u8]) -> Result<(Step, &[u8]), InvalidValue> {
    Ok(match text {
        [b'm', b's', behind @ ..] => (Step::Millisecond, behind),
        [b'y', behind @ ..] => (Step::Year, behind),
        [b'M', behind @ ..] => (Step::Month, behind),
        [b'w', behind @ ..] => (Step::Week, behind),
        [b'd', behind @ ..] => (Step::Day, behind),
        [b'h', behind @ ..] => (Step::Hour, behind),
        [b'm', behind @ ..] => (Step::Minute, behind),
        [b's', behind @ ..] => (Step::Second, behind),
        [b' ', behind @ ..] => (Step::Last, behind),
        _ => return Err(InvalidValue),
    })
}

/// `total + value * scale`, if nginx could hold it.
fn add(total: u64, value: u64, scale: u64) -> Result<u64, InvalidValue> {
    let scaled = value.checked_mul(scale).ok_or(InvalidValue)?;
    at_most_max(
        total
            .checked_add(at_most_max(scaled)?)
            .ok_or(InvalidValue)?,
    )
}

fn scaled(digits: &[u8], scale: u64) -> Result<u64, InvalidValue> {
    add(0, parse_decimal(digits)?, scale)
}

fn push_digit(value: u64, byte: u8) -> Result<u64, InvalidValue> {
    if !byte.is_ascii_digit() {
        return Err(InvalidValue);
    }
    add(u64::from(byte - b'0'), value, 10)
}

fn at_most_max(value: u64) -> Result<u64, InvalidValue> {
    if value <= MAX {
        Ok(value)
    } else {
        Err(InvalidValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Result<u64, InvalidValue> = Err(InvalidValue);

    /// Reads every text of a table and compares.
    fn check(
        read: fn(&[u8]) -> Result<u64, InvalidValue>,
        table: &[(&str, Result<u64, InvalidValue>)],
    ) {
        for (text, expected) in table {
            assert_eq!(read(text.as_bytes()), *expected, "{text:?}");
        }
    }

    #[test]
    fn decimals_have_no_sign_and_fit_63_bits() {
        check(
            parse_decimal,
            &[
                ("0", Ok(0)),
                ("007", Ok(7)),
                ("9223372036854775807", Ok(MAX)),
                ("9223372036854775808", BAD),
                ("99999999999999999999999", BAD),
                ("", BAD),
                ("+1", BAD),
                ("-1", BAD),
                (" 1", BAD),
                ("1k", BAD),
            ],
        );
    }

    #[test]
    fn fixed_points_are_padded_to_their_places() {
        check(
            |text| parse_fixed_point(text, 2),
            &[
                ("10.5", Ok(1050)),
                ("10", Ok(1000)),
                ("0.05", Ok(5)),
                ("5.", Ok(500)),
                (".5", Ok(50)),
                ("1.005", BAD),
                ("1.1.", BAD),
                ("", BAD),
                ("-1", BAD),
                ("92233720368547758.07", Ok(MAX)),
                ("92233720368547758.08", BAD),
                ("92233720368547759", BAD),
            ],
        );
    }

    #[test]
    fn hexadecimals() {
        check(
            parse_hex,
            &[
                ("0", Ok(0)),
                ("fF", Ok(255)),
                ("7fffffffffffffff", Ok(MAX)),
                ("8000000000000000", BAD),
                ("10000000000000000", BAD),
                ("", BAD),
                ("0x1", BAD),
                ("g", BAD),
            ],
        );
    }

    #[test]
    fn sizes_take_k_and_m_only() {
        check(
            parse_size,
            &[
                ("0", Ok(0)),
                ("512", Ok(512)),
                ("8k", Ok(8192)),
                ("8K", Ok(8192)),
                ("1m", Ok(1 << 20)),
                ("1M", Ok(1 << 20)),
                ("1g", BAD),
                ("k", BAD),
                ("1kk", BAD),
                ("1 k", BAD),
                ("", BAD),
                ("9223372036854775807", Ok(MAX)),
                ("9007199254740991k", Ok(MAX - 1023)),
                ("9007199254740992k", BAD),
                ("8796093022207m", Ok(MAX - 1_048_575)),
                ("8796093022208m", BAD),
            ],
        );
    }

    #[test]
    fn offsets_take_g_too() {
        check(
            parse_offset,
            &[
                ("2g", Ok(2 << 30)),
                ("2G", Ok(2 << 30)),
                ("8k", Ok(8192)),
                ("1t", BAD),
                ("g", BAD),
                ("8589934591g", Ok(MAX - 1_073_741_823)),
                ("8589934592g", BAD),
            ],
        );
    }

    #[test]
    fn flags_ignore_case() {
        assert_eq!(parse_flag(b"on"), Ok(true));
        assert_eq!(parse_flag(b"OFF"), Ok(false));
        assert_eq!(parse_flag(b"yes"), Err(InvalidValue));
        assert_eq!(parse_flag(b""), Err(InvalidValue));
        assert_eq!(parse_flag(b"on "), Err(InvalidValue));
    }

    #[test]
    fn times_in_seconds() {
        check(
            parse_time_sec,
            &[
                ("30", Ok(30)),
                ("0", Ok(0)),
                ("1s", Ok(1)),
                ("1m", Ok(60)),
                ("1h", Ok(3600)),
                ("1d", Ok(86_400)),
                ("1w", Ok(604_800)),
                ("1M", Ok(2_592_000)),
                ("1y", Ok(31_536_000)),
                ("1h30m", Ok(5400)),
                ("1h 30m", Ok(5400)),
                ("1h  30", Ok(3630)),
                (
                    "1y1M1w1d1h1m1s",
                    Ok(31_536_000 + 2_592_000 + 604_800 + 86_400 + 3661),
                ),
                // A bare number behind seconds is added as seconds.
                ("1s5", Ok(6)),
                ("1h m", Ok(3600)),
                (" 5", Ok(5)),
                ("1 5", Ok(6)),
                ("1 5s", BAD),
                ("1 5m", BAD),
                ("30m 1h", BAD),
                ("1h1h", BAD),
                ("1s 1s", BAD),
                ("1ms", BAD),
                ("h", BAD),
                ("", BAD),
                (" ", BAD),
                ("-1", BAD),
                ("1x", BAD),
                ("9223372036854775807", Ok(MAX)),
                ("9223372036854775808", BAD),
                ("292471208677y", Ok(292_471_208_677 * 31_536_000)),
                ("292471208678y", BAD),
                ("1m9223372036854775807", BAD),
            ],
        );
    }

    #[test]
    fn times_in_milliseconds() {
        check(
            parse_time_ms,
            &[
                ("30", Ok(30_000)),
                ("250ms", Ok(250)),
                ("1s250ms", Ok(1250)),
                ("1m 250ms", Ok(60_250)),
                ("1w", Ok(604_800_000)),
                ("250ms1s", BAD),
                ("1ms1ms", BAD),
                ("1 1ms", BAD),
                ("1y", BAD),
                ("1M", BAD),
                ("9223372036854775807ms", Ok(MAX)),
                ("9223372036854775", Ok(MAX - 807)),
                ("9223372036854776", BAD),
                ("9223372036854775s807ms", Ok(MAX)),
                ("9223372036854775s808ms", BAD),
            ],
        );
    }
}
