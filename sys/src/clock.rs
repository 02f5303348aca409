//! The clocks of the system: monotonic time for timers, wall time for dates and logs.
//!
//! Reading a clock costs about 25 ns through the vDSO. `runtime` reads each of them at most
//! once a turn of its loop, so callers above it use the cached values there.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;

/// Milliseconds since an unspecified point; never goes back.
pub fn monotonic_ms() -> u64 {
    millis(read_clock(libc::CLOCK_MONOTONIC))
}

/// The same as of the kernel's last tick, which is up to 10 ms ago. Costs 5 ns.
pub fn monotonic_ms_of_tick() -> u64 {
    millis(read_clock(libc::CLOCK_MONOTONIC_COARSE))
}

fn millis(time: libc::timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1000 + nanos / 1_000_000
}

/// Nanoseconds since an unspecified point; never goes back.
pub fn monotonic_ns() -> u64 {
    let time = read_clock(libc::CLOCK_MONOTONIC);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanos
}

/// A moment of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_secs: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

/// The wall clock now.
pub fn wall() -> Wall {
    let time = read_clock(libc::CLOCK_REALTIME);
    Wall {
        unix_secs: time.tv_sec,
        nanos: u32::try_from(time.tv_nsec).unwrap_or(0),
    }
}

fn read_clock(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec that outlives the call. The clocks used above
    // exist on every supported system, so the call cannot fail; if it did, `time` stays zero.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

/// A moment as a calendar and a clock on the wall show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Civil {
    /// Year of the common era.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60: leap seconds are possible where the zone files hold them.
    pub second: u8,
    /// 0 to 6, from Sunday.
    pub weekday: u8,
    /// Minutes east of UTC.
    pub utc_offset_minutes: i32,
}

impl Civil {
    fn from_tm(time: &libc::tm) -> Self {
        let small = |field: libc::c_int| u8::try_from(field).unwrap_or(0);
        Self {
            year: time.tm_year.saturating_add(1900),
            month: small(time.tm_mon + 1),
            day: small(time.tm_mday),
            hour: small(time.tm_hour),
            minute: small(time.tm_min),
            second: small(time.tm_sec),
            weekday: small(time.tm_wday),
            utc_offset_minutes: i32::try_from(time.tm_gmtoff / 60).unwrap_or(0),
        }
    }
}

/// The local time at `unix_secs`, in the zone that `TZ` or `/etc/localtime` names.
///
/// # Errors
///
/// `EOVERFLOW` when the year does not fit 32 bits.
pub fn local(unix_secs: i64) -> io::Result<Civil> {
    let mut time = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to live values of the right types; `localtime_r` keeps neither.
    let filled = unsafe { libc::localtime_r(&raw const unix_secs, time.as_mut_ptr()) };
    if filled.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a result that is not null says that the whole structure was written.
    let time = unsafe { time.assume_init() };
    Ok(Civil::from_tm(&time))
}

/// The time in UTC at `unix_secs`.
///
/// # Errors
///
/// `EOVERFLOW` when the year does not fit 32 bits.
pub fn utc(unix_secs: i64) -> io::Result<Civil> {
    let mut time = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to live values of the right types; `gmtime_r` keeps neither.
    let filled = unsafe { libc::gmtime_r(&raw const unix_secs, time.as_mut_ptr()) };
    if filled.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a result that is not null says that the whole structure was written.
    let time = unsafe { time.assume_init() };
    Ok(Civil::from_tm(&time))
}

/// Whose time [`format`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// UTC.
    Utc,
    /// The zone that `TZ` or `/etc/localtime` names.
    Local,
}

/// The time at `unix_secs` as `strftime` writes it by `format`; `None` when it writes nothing,
/// or more than 2048 bytes.
pub fn format(unix_secs: i64, zone: Zone, format: &CStr) -> Option<Vec<u8>> {
    let mut time = MaybeUninit::<libc::tm>::uninit();
    let filled = match zone {
        // SAFETY: both pointers are to live values of the right types, and neither is kept.
        Zone::Utc => unsafe { libc::gmtime_r(&raw const unix_secs, time.as_mut_ptr()) },
        // SAFETY: as above.
        Zone::Local => unsafe { libc::localtime_r(&raw const unix_secs, time.as_mut_ptr()) },
    };
    if filled.is_null() {
        return None;
    }
    let mut out = vec![0; 2048];
    let (to, max) = (out.as_mut_ptr().cast(), out.len());
    // SAFETY: `to` has room for `max` bytes, `format` ends with NUL, and `time` was filled, as a
    // result that is not null says; its zone's name lives as long as the program.
    let len = unsafe { libc::strftime(to, max, format.as_ptr(), time.as_ptr()) };
    out.truncate(len);
    (len > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_does_not_go_back() {
        let first = monotonic_ns();
        let second = monotonic_ns();
        assert!(second >= first);
        assert!(monotonic_ms() >= first / 1_000_000);
    }

    /// The example date of RFC 9110 section 5.6.7.
    #[test]
    fn utc_of_a_known_second() {
        let expected = Civil {
            year: 1994,
            month: 11,
            day: 6,
            hour: 8,
            minute: 49,
            second: 37,
            weekday: 0,
            utc_offset_minutes: 0,
        };
        assert_eq!(utc(784_111_777).unwrap(), expected);
    }

    #[test]
    fn formats_of_a_known_second() {
        let at = |text: &CStr| format(784_111_777, Zone::Utc, text);
        assert_eq!(
            at(c"%A, %d-%b-%Y %H:%M:%S").unwrap(),
            b"Sunday, 06-Nov-1994 08:49:37"
        );
        assert_eq!(at(c""), None);
        assert!(format(784_111_777, Zone::Local, c"%Z %z").is_some());
        assert_eq!(format(i64::MAX, Zone::Local, c"%Y"), None);
    }

    #[test]
    fn years_out_of_range_are_an_error() {
        assert!(utc(i64::MAX).is_err());
        assert!(local(i64::MAX).is_err());
    }

    #[test]
    fn local_differs_from_utc_by_its_offset() {
        let (local, utc) = (local(784_111_777).unwrap(), utc(784_111_777).unwrap());
        let minutes = |c: Civil| i32::from(c.hour) * 60 + i32::from(c.minute);
        let shift = (minutes(local) - minutes(utc)).rem_euclid(24 * 60);
        assert_eq!(shift, local.utc_offset_minutes.rem_euclid(24 * 60));
    }
}
