//! How much one connection may do before others have their turn.

use std::cell::Cell;

/// How many reads and writes whoever is called by the event loop may do: a task that is polled, or
/// a parked connection that is resumed. A client that sends requests as fast as they are answered,
/// or a fast server behind a fast client, is never out of work; without a limit all others wait.
///
/// Many enough that what a turn costs does not count, and few enough that a hundred such clients
/// take tenths of a second.
pub(crate) const OPERATIONS: u32 = 64;

/// What is left of the share of whoever is being called. Nobody limits what happens outside.
pub(crate) struct Share(Cell<u32>);

impl Share {
    pub(crate) fn new() -> Self {
        Self(Cell::new(u32::MAX))
    }

    /// A share for `call`, within which whoever calls gets none of it.
    #[inline]
    pub(crate) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        let before = self.0.replace(OPERATIONS);
        let result = call();
        self.0.set(before);
        result
    }

    /// Takes one operation, if there is one left.
    #[inline]
    pub(crate) fn take(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }

    /// Whether nothing is left until the next turn.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
