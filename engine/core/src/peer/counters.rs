//! What changes about a peer while it is used: a row of numbers.

use std::cell::Cell;

/// What is known of a peer's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nobody checks it.
    #[default]
    Unknown,
    /// Its last checks succeeded.
    Up,
    /// Its last checks failed: it is not used.
    Unhealthy,
    /// It must be checked before it is used for the first time.
    Checking,
}

impl Health {
    const ALL: [Self; 4] = [Self::Unknown, Self::Up, Self::Unhealthy, Self::Checking];

    fn of_number(number: u64) -> Self {
        let index = usize::try_from(number).unwrap_or(0);
        Self::ALL.get(index).copied().unwrap_or_default()
    }

    /// Whether a peer of which this is known may be used.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Unknown | Self::Up)
    }
}

/// Numbers every field, and makes two functions of it: to read it and to set it.
macro_rules! counters {
    ($($(#[$doc:meta])* $get:ident $set:ident;)*) => {
        #[expect(non_camel_case_types, reason = "the names of fields, as numbers of words")]
        #[derive(Clone, Copy)]
        enum Word { $($get,)* Count }

        /// How many words a row has.
        pub(super) const WIDTH: usize = Word::Count as usize;

        impl Counters<'_> {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $get(self) -> u64 {
                    self.row[Word::$get as usize].get()
                }

                #[doc = concat!("Sets [`Counters::", stringify!($get), "`].")]
                #[inline]
                pub fn $set(self, value: u64) {
                    self.row[Word::$get as usize].set(value);
                }
            )*
        }
    };
}

/// The counters of one peer, in place. Looked at and changed through [`Peers::with`].
///
/// [`Peers::with`]: super::Peers::with
#[derive(Clone, Copy, Debug)]
pub struct Counters<'a> {
    row: &'a Row,
}

/// A row, in memory of one worker or of all.
pub(super) type Row = [Cell<u64>; WIDTH];

/// A row of zeros.
pub(super) fn empty_row() -> Row {
    std::array::from_fn(|_| Cell::new(0))
}

counters! {
    /// The serial number of the row's peer; 0 when the row is free.
    serial set_serial;
    /// Whether (1) the peer is off the list, and only waits for its last requests.
    leaving set_leaving;
    /// Where its description is, in a zone.
    description set_description;
    /// Connections now.
    connections set_connections;
    /// Failures in the current period.
    fails set_fails;
    /// When it last failed.
    accessed set_accessed;
    /// When its failures were last forgiven, or began to count.
    checked set_checked;
    /// Its weight, less what failures took off it.
    effective_weight set_effective_weight;
    /// Its credit in smooth weighted round robin: a signed number, see [`Counters::credit`].
    current_weight set_current_weight;
    /// How often it was chosen.
    requests set_requests;
    /// Its health as a number, see [`Counters::health`].
    health_number set_health_number;
    /// Which of the group's checks found it unhealthy, a bit for each.
    failed_checks set_failed_checks;
    /// Which of them must be completed before it is used, likewise.
    pending_checks set_pending_checks;
    /// How often it was checked.
    checks set_checks;
    /// How many of these checks failed.
    check_fails set_check_fails;
    /// How often checks found it unhealthy that had not been before.
    times_unhealthy set_times_unhealthy;
    /// Whether (1) the last check passed.
    last_passed set_last_passed;
    /// Average milliseconds until the head of its answers, of late; 0 before the first.
    header_time set_header_time;
    /// Average milliseconds until the end of its answers, of late; 0 before the first.
    response_time set_response_time;
    /// How many requests wait for it, where the balancer counts them.
    waiting set_waiting;
    /// The sum of the times since when they do, wrapping.
    waiting_since set_waiting_since;
    /// When it came back, and its share began to grow; 0 when it has all of it.
    slow_start set_slow_start;
    /// Whether (1) it gets no new sessions, but keeps those that are bound to it.
    draining set_draining;
    /// When the window began in which its errors and times are counted; 0 for none.
    window set_window;
    /// Requests of the window.
    window_requests set_window_requests;
    /// How many of them were errors.
    window_errors set_window_errors;
    /// Milliseconds until the heads of the other answers, all together.
    window_time set_window_time;
    /// One more than the milliseconds that an answer's head took on average in the window before;
    /// 0 when that is not known.
    latency set_latency;
    /// Until when it is ejected, or was last if that is over and not noticed yet; 0 for not.
    ejected_until set_ejected_until;
    /// How often it was ejected, less the good windows since.
    ejections set_ejections;
}

impl<'a> Counters<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        Self { row }
    }

    /// Its credit in smooth weighted round robin.
    #[inline]
    pub fn credit(self) -> i64 {
        self.current_weight().cast_signed()
    }

    /// Sets [`Counters::credit`].
    #[inline]
    pub fn set_credit(self, credit: i64) {
        self.set_current_weight(credit.cast_unsigned());
    }

    /// Takes `time` into an average that forgets: a twentieth of each new one counts (as in nginx).
    fn averaged(average: u64, time: u64) -> u64 {
        match average {
            0 => time,
            average => (time + 19 * average + 10) / 20,
        }
    }

    /// Takes a time until the head of an answer into [`Counters::header_time`].
    pub(super) fn add_header_time(self, ms: u64) {
        self.set_header_time(Self::averaged(self.header_time(), ms));
    }

    /// Takes a time until the end of an answer into [`Counters::response_time`].
    pub(super) fn add_response_time(self, ms: u64) {
        self.set_response_time(Self::averaged(self.response_time(), ms));
    }

    /// Counts a request that waits since `since`.
    pub(super) fn begin_waiting(self, since: u64) {
        self.set_waiting(self.waiting() + 1);
        self.set_waiting_since(self.waiting_since().wrapping_add(since));
    }

    /// The request that waited since `since` waits no more.
    pub(super) fn end_waiting(self, since: u64) {
        match self.waiting() {
            0 => {}
            1 => self.forget_waiting(),
            more => {
                self.set_waiting(more - 1);
                self.set_waiting_since(self.waiting_since().wrapping_sub(since));
            }
        }
    }

    /// Nobody waits any more.
    pub(super) fn forget_waiting(self) {
        self.set_waiting(0);
        self.set_waiting_since(0);
    }

    /// Milliseconds that requests have waited, on average.
    pub(super) fn waited(self, now: u64) -> u64 {
        let average = self.waiting_since().checked_div(self.waiting());
        average.map_or(0, |since| now.saturating_sub(since))
    }

    /// Begins to count errors and times anew.
    pub(super) fn begin_window(self, now: u64) {
        self.set_window(now.max(1));
        self.set_window_requests(0);
        self.set_window_errors(0);
        self.set_window_time(0);
    }

    /// What is known of its health.
    #[inline]
    pub fn health(self) -> Health {
        Health::of_number(self.health_number())
    }

    /// Sets [`Counters::health`].
    pub fn set_health(self, health: Health) {
        self.set_health_number(health as u64);
    }

    /// Begins anew, as the peer `serial` of `weight`. The serial number, which makes the row
    /// count, is for the caller to set.
    pub(super) fn begin(self, weight: u32) {
        for word in self.row {
            word.set(0);
        }
        self.set_effective_weight(u64::from(weight));
    }

    /// Takes over what the configuration before this one knew of the same peer.
    pub(super) fn take_over(self, old: Counters<'_>, max_weight: u32) {
        self.set_fails(old.fails());
        self.set_accessed(old.accessed());
        self.set_checked(old.checked());
        self.set_effective_weight(old.effective_weight().min(u64::from(max_weight)));
        self.set_requests(old.requests());
        self.set_health_number(old.health_number());
        self.set_header_time(old.header_time());
        self.set_response_time(old.response_time());
        self.set_slow_start(old.slow_start());
        self.set_draining(old.draining());
        self.set_latency(old.latency());
        self.set_window(old.window());
        self.set_ejected_until(old.ejected_until());
        self.set_ejections(old.ejections());
    }
}
