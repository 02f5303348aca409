//! Configurations of rewrites, conditions, maps and variables, and requests to them.

use crate::boxed::Boxed;
use crate::exchange::split;
use crate::grammar;
use crate::pieces;
use crate::wire::{asked, seen};

/// What an input begins with whose first part is no text, but choices of what to write.
const CHOICES: u8 = 1;

/// Loads the first part of an input as an `http` block, and sends the rest to its first address.
///
/// # Panics
///
/// When what comes back is not well framed, does not end, or something is held at the end.
pub fn rules(data: &[u8]) {
    let mut parts = split(data).into_iter();
    let (Some(text), Some(client)) = (parts.next(), parts.next()) else {
        return;
    };
    let text = match text.split_first() {
        Some((&CHOICES, choices)) => grammar::configuration(choices),
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    let Some(server) = Boxed::new(&text) else {
        return;
    };
    if server.addresses() == 0 {
        return;
    }
    let outcome = server.converse(0, &pieces::of(client), &[], true);
    seen(&outcome, &asked(client));
}
