//! Values one after another, as short as they can be: numbers in as many bytes as they need,
//! strings with their length before them.
//!
//! Whoever reads asks for the same values in the same order as they were written. What would
//! be read behind the end is nothing: 0, or no bytes.

/// Bits of a number in one byte; the highest says that more follow.
const BITS: u32 = 7;

const MORE: u8 = 1 << BITS;

/// Values to be read again later.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Adds a number.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= u64::from(MORE) {
            self.out.push(number.to_le_bytes()[0] | MORE);
            number >>= BITS;
        }
        self.out.push(number.to_le_bytes()[0]);
    }

    /// Adds a yes or a no.
    pub(crate) fn flag(&mut self, flag: bool) {
        self.number(flag.into());
    }

    /// Adds a length, or a position in memory.
    pub(crate) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// Adds a string.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// Adds what may be missing.
    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Adds a string that may be missing.
    pub(crate) fn optional_bytes(&mut self, bytes: Option<&[u8]>) {
        self.optional(bytes, Self::bytes);
    }

    /// Everything, in no more memory than it needs.
    pub(crate) fn finish(self) -> Box<[u8]> {
        self.out.into()
    }
}

/// Reads what a [`Writer`] wrote.
pub(crate) struct Reader<'t> {
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { rest: text }
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut number = 0;
        let mut shift = 0;
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            number |= u64::from(byte & !MORE).checked_shl(shift).unwrap_or(0);
            shift += BITS;
            if byte & MORE == 0 {
                break;
            }
        }
        number
    }

    /// A number that was one of type `T`.
    pub(crate) fn small<T: TryFrom<u64> + Default>(&mut self) -> T {
        T::try_from(self.number()).unwrap_or_default()
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.number() != 0
    }

    pub(crate) fn bytes(&mut self) -> &'t [u8] {
        let len: usize = self.small();
        let (bytes, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    pub(crate) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| read(self))
    }

    pub(crate) fn optional_bytes<T: From<Vec<u8>>>(&mut self) -> Option<T> {
        self.optional(|text| text.bytes().to_vec().into())
    }

    /// As many values as their number, which comes first, says; none behind the end.
    pub(crate) fn several<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.small::<usize>().min(self.rest.len());
        let mut all = Vec::with_capacity(count);
        all.extend((0..count).map(|_| read(self)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        let numbers = [0, 1, 127, 128, 300, 1 << 35, u64::MAX];
        let mut text = Writer::default();
        text.count(numbers.len());
        for number in numbers {
            text.number(number);
        }
        text.bytes(b"abc");
        text.optional_bytes(None);
        text.optional_bytes(Some(b""));
        text.flag(true);
        let text = text.finish();
        let mut reader = Reader::new(&text);
        assert_eq!(reader.several(Reader::number), numbers);
        assert_eq!(reader.bytes(), b"abc");
        assert_eq!(reader.optional_bytes::<Vec<u8>>(), None);
        assert_eq!(reader.optional_bytes(), Some(Vec::new()));
        assert!(reader.flag());
        assert!(reader.rest.is_empty());
    }

    #[test]
    fn small_numbers_take_one_byte() {
        let mut text = Writer::default();
        text.number(127);
        text.flag(false);
        assert_eq!(*text.finish(), [127, 0]);
    }

    #[test]
    fn behind_the_end_is_nothing() {
        let mut reader = Reader::new(b"\x05ab");
        assert_eq!(reader.bytes(), b"ab");
        assert_eq!((reader.number(), reader.bytes()), (0, &b""[..]));
        assert_eq!(Reader::new(&[0xff; 12]).small::<u16>(), 0);
        let many = Reader::new(&[0xff, 0xff, 0x7f, 1]).several(Reader::number);
        assert_eq!(many.len(), 1);
    }
}
