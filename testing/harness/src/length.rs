//! How long tests of endurance last: short with every change, in full on request.

use std::env;

/// The variable that asks for the full length: `TIDEGATE_TEST_LENGTH=full`.
const VARIABLE: &str = "TIDEGATE_TEST_LENGTH";

/// Whether the full length was asked for.
#[must_use]
pub fn is_full() -> bool {
    env::var(VARIABLE).is_ok_and(|value| value == "full")
}

/// `full` when the full length was asked for, else `short`.
#[must_use]
pub fn of<T>(short: T, full: T) -> T {
    if is_full() { full } else { short }
}
