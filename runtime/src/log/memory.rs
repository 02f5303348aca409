//! A log in memory: the newest lines, for a debugger or a status page to look at.

use std::cell::RefCell;
use std::collections::VecDeque;

/// The newest lines that fit a fixed size. Source: `error_log memory:`.
pub struct MemoryLog {
    size_bytes: usize,
    bytes: RefCell<VecDeque<u8>>,
}

impl MemoryLog {
    /// Room for `size_bytes`, taken as lines come.
    pub fn new(size_bytes: usize) -> Self {
        Self {
            size_bytes,
            bytes: RefCell::default(),
        }
    }

    /// Adds a line, in the place of the oldest ones. Of a line that is larger than the whole
    /// ring the start is kept.
    pub fn append(&self, line: &[u8]) {
        let Some(room) = self.size_bytes.checked_sub(1) else {
            return;
        };
        let line = line.get(..room).unwrap_or(line);
        let mut bytes = self.bytes.borrow_mut();
        while bytes.len() + line.len() > room {
            // Whole lines go, so that what is left starts with one.
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let end = end.map_or(bytes.len(), |end| end + 1);
            bytes.drain(..end);
        }
        bytes.extend(line);
        bytes.push_back(b'\n');
    }

    /// All lines, the oldest first, each with its end.
    pub fn snapshot(&self) -> Vec<u8> {
        self.bytes.borrow().iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_first() {
        let log = MemoryLog::new(12);
        for line in [&b"one"[..], b"two", b"three"] {
            log.append(line);
        }
        assert_eq!(log.snapshot(), b"two\nthree\n");
        log.append(b"much longer than the ring");
        assert_eq!(log.snapshot(), b"much longer\n");
    }

    #[test]
    fn no_room_keeps_nothing() {
        let log = MemoryLog::new(0);
        log.append(b"line");
        assert!(log.snapshot().is_empty());
    }
}
