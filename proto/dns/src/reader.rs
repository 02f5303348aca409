//! Going through a message from its beginning.

use crate::limits::{NAME_MAX, POINTERS_MAX};
use crate::name::Name;

/// A place in a message. Whatever does not fit the message gives `None`.
#[derive(Clone)]
pub(crate) struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    pub(crate) fn new(message: &'m [u8]) -> Self {
        Self { message, at: 0 }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'m [u8]> {
        let end = self.at.checked_add(count)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        let bytes = self.bytes(2)?.first_chunk()?;
        Some(u16::from_be_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let bytes = self.bytes(4)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Takes the next `count` bytes as a part to be read on its own. Names in it may point to
    /// all of the message before them.
    pub(crate) fn part(&mut self, count: usize) -> Option<Self> {
        let start = self.at;
        self.bytes(count)?;
        Some(Self {
            message: &self.message[..self.at],
            at: start,
        })
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.message.len()
    }

    /// A name, compressed or not. Source: RFC 1035, 4.1.4.
    pub(crate) fn name(&mut self) -> Option<Name> {
        let mut wire = [0; NAME_MAX];
        let mut len = 0;
        let mut at = self.at;
        // Where the labels being read began: pointers go back from there, never forward.
        let mut start = self.at;
        let mut end = None;
        let mut pointers = 0;
        loop {
            let head = *self.message.get(at)?;
            match head >> 6 {
                0 => {
                    let next = at + 1 + usize::from(head);
                    let label = self.message.get(at + 1..next)?;
                    let room = wire.get_mut(len..len + 1 + label.len())?;
                    room[0] = head;
                    for (to, from) in room[1..].iter_mut().zip(label) {
                        *to = from.to_ascii_lowercase();
                    }
                    len += 1 + label.len();
                    at = next;
                    if head == 0 {
                        break;
                    }
                }
                3 => {
                    let low = *self.message.get(at + 1)?;
                    let target = usize::from(u16::from_be_bytes([head & 0x3f, low]));
                    pointers += 1;
                    if target >= start || pointers > POINTERS_MAX {
                        return None;
                    }
                    end = end.or(Some(at + 2));
                    at = target;
                    start = target;
                }
                // Label types that nobody uses (RFC 6891, 5).
                _ => return None,
            }
        }
        self.at = end.unwrap_or(at);
        Some(Name::from_wire(&wire[..len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &[u8], at: usize, expected: Option<(&str, usize)>) {
        let mut reader = Reader { message, at };
        let name = reader.name().map(|name| name.to_string());
        let got = name.as_deref().map(|name| (name, reader.at));
        assert_eq!(got, expected);
    }

    #[test]
    fn plain_and_compressed() {
        let message = b"\x01A\x02bc\0\x01x\xc0\x02\x01y\xc0\x06";
        check(message, 0, Some(("a.bc", 6)));
        check(message, 6, Some(("x.bc", 10)));
        check(message, 10, Some(("y.x.bc", 14)));
        check(message, 5, Some((".", 6)));
    }

    #[test]
    fn what_would_not_end_is_refused() {
        check(b"\xc0\x00", 0, None);
        check(b"\xc0\x02\xc0\x00", 2, None);
        check(b"\x01a\xc0\x00", 0, None);
        check(b"\x01a\xc0\x05\0\0", 0, None);
        check(b"\x01", 0, None);
        check(b"\x01a", 0, None);
        check(b"\xc0", 0, None);
        check(b"\x40a\0", 0, None);
    }

    #[test]
    fn pointers_are_counted() {
        let mut message = b"\x01a\0".to_vec();
        for _ in 0..20_u16 {
            let target = if message.len() == 3 {
                0
            } else {
                message.len() - 2
            };
            message.extend_from_slice(&(0xc000 | u16::try_from(target).unwrap()).to_be_bytes());
        }
        check(&message, 3 + 15 * 2, Some(("a", 3 + 16 * 2)));
        check(&message, 3 + 16 * 2, None);
    }

    #[test]
    fn no_name_is_longer_than_the_longest() {
        let mut message = Vec::new();
        for _ in 0..4 {
            message.push(63);
            message.extend_from_slice(&[b'a'; 63]);
        }
        message.push(0);
        check(&message, 0, None);
        check(
            &message,
            64,
            Some((&["a"; 3].map(|a| a.repeat(63)).join("."), 257)),
        );
    }
}
