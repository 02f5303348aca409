//! What follows from checks that passed and failed: a peer's health.

use super::Checked;
use super::settings::Check;
use engine::peer::Health;

/// What the checks of a group say of one peer, a bit for each check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// Those that found it unhealthy.
    pub(super) failed: u64,
    /// Those that must be completed before it is used.
    pub(super) pending: u64,
}

impl Bits {
    /// What is known before the first check of a peer of which the configuration before knew
    /// `before`.
    pub(super) fn at_start(checked: &Checked, before: Health) -> Self {
        let all = u64::MAX >> (64 - checked.checks.clamp(1, 64));
        let waived = match before {
            Health::Up => checked.persistent,
            _ => 0,
        };
        let failed = match before {
            Health::Unhealthy => all & !checked.mandatory,
            _ => 0,
        };
        Self {
            failed,
            pending: checked.mandatory & !waived,
        }
    }

    /// A single failed check is enough, and so is one that is yet to come.
    pub(super) fn health(self) -> Health {
        match self {
            Self { failed: 1.., .. } => Health::Unhealthy,
            Self { pending: 1.., .. } => Health::Checking,
            _ => Health::Up,
        }
    }
}

/// Results of one check of one peer, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Streak {
    /// What the last one was.
    passed: bool,
    /// How many of the same there were in a row.
    count: u32,
}

impl Streak {
    /// Adds a result of check `number`; gives what is known of the peer now, before which
    /// `bits` was.
    pub(super) fn add(&mut self, passed: bool, check: &Check, number: u32, bits: Bits) -> Bits {
        if self.passed != passed {
            self.passed = passed;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        let bit = 1_u64 << number.min(63);
        let Bits { failed, pending } = bits;
        let was_pending = pending & bit != 0;
        let failed = match passed {
            true if self.count >= check.passes => failed & !bit,
            // Nobody waits for a second failure of a server that was never found healthy.
            false if was_pending || self.count >= check.fails => failed | bit,
            _ => failed,
        };
        Bits {
            failed,
            pending: pending & !bit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health_check::settings::read_for_test;

    /// Plays results (`+` passed, `-` failed) of one check; gives the health after each.
    #[track_caller]
    fn play(parameters: &str, mut bits: Bits, results: &str, expected: &str) {
        let check = read_for_test(parameters);
        let mut streak = Streak::default();
        let after = results.chars().map(|result| {
            bits = streak.add(result == '+', &check, 0, bits);
            match bits.health() {
                Health::Up => 'u',
                Health::Unhealthy => 'x',
                Health::Checking => 'c',
                Health::Unknown => '?',
            }
        });
        assert_eq!(
            after.collect::<String>(),
            expected,
            "{parameters} {results}"
        );
    }

    const UP: Bits = Bits {
        failed: 0,
        pending: 0,
    };
    const CHECKING: Bits = Bits {
        failed: 0,
        pending: 1,
    };

    #[test]
    fn results_in_a_row_decide() {
        play("", UP, "+-+-", "uxux");
        play("fails=3", UP, "--+---+", "uuuuuxu");
        play("passes=2", UP, "-+-++", "xxxxu");
        play("fails=2 passes=2", UP, "--+-+++", "uxxxxuu");
    }

    #[test]
    fn the_first_check_of_a_new_server_decides_alone() {
        play("mandatory fails=3 passes=2", CHECKING, "+", "u");
        play("mandatory fails=3 passes=2", CHECKING, "-+-++", "xxxxu");
    }

    #[test]
    fn one_failed_check_of_several_is_enough() {
        let check = read_for_test("");
        let (mut first, mut second) = (Streak::default(), Streak::default());
        let bits = first.add(false, &check, 0, UP);
        let bits = second.add(true, &check, 63, bits);
        assert_eq!(bits.health(), Health::Unhealthy);
        let bits = second.add(false, &check, 63, bits);
        let bits = first.add(true, &check, 0, bits);
        assert_eq!(bits.health(), Health::Unhealthy);
        assert_eq!(second.add(true, &check, 63, bits), UP);
    }

    #[test]
    fn reloads_keep_what_was_known() {
        let checked = |checks, mandatory, persistent| Checked {
            upstream: http::gateway::Upstream::of_addresses("u", Vec::new()),
            checks,
            mandatory,
            persistent,
        };
        let health = |checked: &Checked, before| Bits::at_start(checked, before).health();
        use Health::{Checking, Unhealthy, Unknown, Up};
        let plain = checked(2, 0, 0);
        let mandatory = checked(1, 1, 0);
        let persistent = checked(64, 1, 1);
        for (before, expected) in [
            (Unknown, [Up, Checking, Checking]),
            (Up, [Up, Checking, Up]),
            (Checking, [Up, Checking, Checking]),
        ] {
            let all = [&plain, &mandatory, &persistent];
            assert_eq!(all.map(|checked| health(checked, before)), expected);
        }
        assert_eq!(Bits::at_start(&plain, Unhealthy).failed, 0b11);
        assert_eq!(health(&plain, Unhealthy), Unhealthy);
        assert_eq!(health(&mandatory, Unhealthy), Checking);
    }
}
