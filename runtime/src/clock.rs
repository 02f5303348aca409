//! Time as a worker sees it: read at both ends of a turn, rendered once a second.

use std::cell::{Cell, Ref, RefCell};
use std::io::Write;
use sys::clock::{Civil, Wall};

/// Milliseconds of the monotonic clock.
pub type Millis = u64;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The wall clock and its texts. All texts but `http_date` are in local time.
#[derive(Clone, Debug)]
pub struct WallClock {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_secs: i64,
    /// Milliseconds within the second.
    pub millis: u16,
    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
    pub http_date: [u8; 29],
    /// `06/Nov/1994:08:49:37 +0000` (nginx's `$time_local`).
    pub log_time: [u8; 26],
    /// `1994-11-06T08:49:37+00:00` (nginx's `$time_iso8601`).
    pub iso8601: [u8; 25],
    /// `1994/11/06 08:49:37`, which starts a line of the error log.
    pub error_log_time: [u8; 19],
    /// `Nov  6 08:49:37`, as RFC 3164 section 4.1.2 wants it.
    pub syslog_time: [u8; 15],
}

impl WallClock {
    /// The clock at this moment. Callers inside a worker use [`Worker::wall`] instead.
    ///
    /// [`Worker::wall`]: crate::Worker::wall
    pub fn read() -> Self {
        Self::at(sys::clock::wall())
    }

    /// `1994-11-06T08:49:37.123+00:00` (nginx's `$time_iso8601_ms`).
    pub fn iso8601_ms(&self) -> [u8; 29] {
        let mut text = [b' '; 29];
        let (seconds, zone) = self.iso8601.split_at(19);
        text[..19].copy_from_slice(seconds);
        fill(&mut text[19..23], |out| write!(out, ".{:03}", self.millis));
        text[23..].copy_from_slice(zone);
        text
    }

    fn at(wall: Wall) -> Self {
        let mut clock = Self {
            unix_secs: wall.unix_secs,
            millis: millis_of(wall),
            http_date: [b' '; 29],
            log_time: [b' '; 26],
            iso8601: [b' '; 25],
            error_log_time: [b' '; 19],
            syslog_time: [b' '; 15],
        };
        clock.render();
        clock
    }

    fn set(&mut self, wall: Wall) {
        self.millis = millis_of(wall);
        if self.unix_secs != wall.unix_secs {
            self.unix_secs = wall.unix_secs;
            self.render();
        }
    }

    /// Writes every text. A year that does not fit leaves the end of a text off, no more.
    fn render(&mut self) {
        let utc = sys::clock::utc(self.unix_secs).unwrap_or_default();
        fill(&mut self.http_date, |out| {
            let Civil { year, day, .. } = utc;
            let (weekday, month) = (weekday(utc), month(utc));
            write!(
                out,
                "{weekday}, {day:02} {month} {year:04} {} GMT",
                Hms(utc)
            )
        });

        let local = sys::clock::local(self.unix_secs).unwrap_or(utc);
        let Civil { year, day, .. } = local;
        let (name, number, time) = (month(local), local.month, Hms(local));
        let zone = local.utc_offset_minutes;
        let sign = if zone < 0 { '-' } else { '+' };
        let (hours, minutes) = (zone.abs() / 60, zone.abs() % 60);
        fill(&mut self.log_time, |out| {
            write!(
                out,
                "{day:02}/{name}/{year:04}:{time} {sign}{hours:02}{minutes:02}"
            )
        });
        fill(&mut self.iso8601, |out| {
            write!(
                out,
                "{year:04}-{number:02}-{day:02}T{time}{sign}{hours:02}:{minutes:02}"
            )
        });
        fill(&mut self.error_log_time, |out| {
            write!(out, "{year:04}/{number:02}/{day:02} {time}")
        });
        fill(&mut self.syslog_time, |out| {
            write!(out, "{name} {day:2} {time}")
        });
    }
}

fn millis_of(wall: Wall) -> u16 {
    u16::try_from(wall.nanos / 1_000_000).unwrap_or(999)
}

fn month(time: Civil) -> &'static str {
    let index = usize::from(time.month.saturating_sub(1));
    MONTHS.get(index).copied().unwrap_or("Jan")
}

fn weekday(time: Civil) -> &'static str {
    let index = usize::from(time.weekday);
    WEEKDAYS.get(index).copied().unwrap_or("Sun")
}

fn fill(text: &mut [u8], write: impl FnOnce(&mut &mut [u8]) -> std::io::Result<()>) {
    let mut rest = text;
    // It fails only past year 9999, when the text does not fit any more.
    let _ = write(&mut rest);
}

/// Shows the time of day as `08:49:37`.
struct Hms(Civil);

impl std::fmt::Display for Hms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Civil {
            hour,
            minute,
            second,
            ..
        } = self.0;
        write!(f, "{hour:02}:{minute:02}:{second:02}")
    }
}

/// The cached clocks of one worker.
pub(crate) struct Clock {
    now: Cell<Millis>,
    wall: RefCell<WallClock>,
    /// The wall clock has not been read in this turn.
    stale: Cell<bool>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            now: Cell::new(sys::clock::monotonic_ms()),
            wall: RefCell::new(WallClock::read()),
            stale: Cell::new(false),
        }
    }

    pub(crate) fn now(&self) -> Millis {
        self.now.get()
    }

    pub(crate) fn tick(&self) {
        self.now.set(sys::clock::monotonic_ms());
        self.stale.set(true);
    }

    /// As [`Self::tick`], by a cheaper clock that is some milliseconds late. For the end of a turn,
    /// after which nobody looks but who counts how long to wait.
    pub(crate) fn tick_roughly(&self) {
        self.now
            .set(self.now().max(sys::clock::monotonic_ms_of_tick()));
    }

    pub(crate) fn wall(&self) -> Ref<'_, WallClock> {
        // Somebody who still looks at the clock of before keeps it for this time.
        if self.stale.get()
            && let Ok(mut wall) = self.wall.try_borrow_mut()
        {
            wall.set(sys::clock::wall());
            self.stale.set(false);
        }
        self.wall.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    /// The example date of RFC 9110 section 5.6.7.
    #[test]
    fn texts_of_a_known_second() {
        let clock = WallClock::at(Wall {
            unix_secs: 784_111_777,
            nanos: 123_999_999,
        });
        assert_eq!(clock.millis, 123);
        assert_eq!(text(&clock.http_date), "Sun, 06 Nov 1994 08:49:37 GMT");
        // The others depend on the zone; their shape does not.
        let log = text(&clock.log_time);
        assert_eq!(&log[2..12], "/Nov/1994:");
        let iso = text(&clock.iso8601);
        assert_eq!(
            (&iso[..8], &iso[10..11], &iso[22..23]),
            ("1994-11-", "T", ":")
        );
        let with_millis = [&iso[..19], ".123", &iso[19..]].concat();
        assert_eq!(text(&clock.iso8601_ms()), with_millis);
        assert_eq!(&text(&clock.error_log_time)[..8], "1994/11/");
        assert_eq!(&text(&clock.syslog_time)[..4], "Nov ");
        assert_eq!(log[12..20], iso[11..19], "one time of day");
    }

    #[test]
    fn the_next_second_is_rendered_and_milliseconds_always() {
        let mut clock = WallClock::at(Wall {
            unix_secs: 0,
            nanos: 0,
        });
        assert_eq!(text(&clock.http_date), "Thu, 01 Jan 1970 00:00:00 GMT");
        clock.set(Wall {
            unix_secs: 0,
            nanos: 5_000_000,
        });
        assert_eq!(clock.millis, 5);
        clock.set(Wall {
            unix_secs: 1,
            nanos: 0,
        });
        assert_eq!(text(&clock.http_date), "Thu, 01 Jan 1970 00:00:01 GMT");
    }
}
