//! Bytes held for a connection, as small as they can be while there are none.

use std::cell::Cell;

/// A vector in a cell: what ten thousand idle connections have should not count borrows.
#[derive(Default)]
pub struct Held(Cell<Vec<u8>>);

impl Held {
    /// Takes all bytes out.
    pub fn take(&self) -> Vec<u8> {
        self.0.take()
    }

    /// Holds `bytes` instead of what was held.
    pub fn replace(&self, bytes: Vec<u8>) {
        self.0.set(bytes);
    }

    /// Looks at the bytes, or changes them. Inside, nothing seems to be held.
    pub fn with<T>(&self, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut bytes = self.0.take();
        let value = edit(&mut bytes);
        self.0.set(bytes);
        value
    }

    /// How many bytes are held.
    pub fn len(&self) -> usize {
        self.with(|bytes| bytes.len())
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_can_be_changed_in_place() {
        let held = Held::default();
        held.replace(b"abc".to_vec());
        held.with(|bytes| bytes.push(b'd'));
        assert_eq!((held.len(), held.is_empty()), (4, false));
        assert_eq!(held.take(), b"abcd");
        assert!(held.is_empty());
    }
}
