//! Recoding of text between an 8-bit charset and another, or UTF-8, a piece at a time.

/// One character of an 8-bit charset in UTF-8: at most three bytes, for characters up to U+FFFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Utf8 {
    len: u8,
    bytes: [u8; 3],
}

impl Utf8 {
    const fn one(byte: u8) -> Self {
        Self {
            len: 1,
            bytes: [byte, 0, 0],
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A table between two 8-bit charsets; what is not in it is a question mark.
#[derive(Clone, Debug)]
pub struct ByteTable(Box<[u8; 256]>);

/// From an 8-bit charset to UTF-8; what is not in it is a question mark.
#[derive(Clone, Debug)]
pub struct ToUtf8(Box<[Utf8; 256]>);

/// From UTF-8 to an 8-bit charset, in pages of 256 characters; what is not in it is written as
/// a numeric character reference.
#[derive(Clone, Debug)]
pub struct FromUtf8(Vec<Option<Box<[u8; 256]>>>);

/// One direction of a `charset_map`.
#[derive(Clone, Debug)]
pub enum Table {
    /// Byte by byte.
    Bytes(ByteTable),
    /// To UTF-8.
    ToUtf8(ToUtf8),
    /// From UTF-8.
    FromUtf8(FromUtf8),
}

impl Table {
    /// Whether the length stays what it was.
    pub fn keeps_length(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }
}

/// Fills `table` with ASCII and question marks.
fn ascii<T: Copy>(of: impl Fn(u8) -> T) -> Box<[T; 256]> {
    let mut table = Box::new([of(b'?'); 256]);
    for (byte, entry) in (0..128).zip(table.iter_mut()) {
        *entry = of(byte);
    }
    table
}

/// Both directions of a `charset_map` between 8-bit charsets.
#[derive(Clone, Debug)]
pub struct BytePair {
    /// From the first charset to the second.
    pub forth: ByteTable,
    /// From the second to the first.
    pub back: ByteTable,
}

impl Default for BytePair {
    fn default() -> Self {
        Self {
            forth: ByteTable(ascii(|byte| byte)),
            back: ByteTable(ascii(|byte| byte)),
        }
    }
}

impl BytePair {
    /// Says that `first` and `second` are the same character.
    pub fn add(&mut self, first: u8, second: u8) {
        self.forth.0[usize::from(first)] = second;
        self.back.0[usize::from(second)] = first;
    }
}

/// Both directions of a `charset_map` whose second charset is UTF-8.
#[derive(Clone, Debug)]
pub struct Utf8Pair {
    /// From the 8-bit charset to UTF-8.
    pub forth: ToUtf8,
    /// From UTF-8 to the 8-bit charset.
    pub back: FromUtf8,
}

impl Default for Utf8Pair {
    fn default() -> Self {
        let mut first = Box::new([0; 256]);
        for (byte, entry) in (0..128).zip(first.iter_mut()) {
            *entry = byte;
        }
        let mut pages = vec![None; 256];
        pages[0] = Some(first);
        Self {
            forth: ToUtf8(ascii(Utf8::one)),
            back: FromUtf8(pages),
        }
    }
}

impl Utf8Pair {
    /// Says that `byte` is the character that `utf8` encodes. Gives `false` when that is none
    /// from U+0080 to U+FFFF.
    #[must_use]
    pub fn add(&mut self, byte: u8, utf8: &[u8]) -> bool {
        let (character, len) = match decode(utf8) {
            Decoded::Character(character @ 0x80.., len) if len == utf8.len() => (character, len),
            _ => return false,
        };
        let (Ok(len), Ok(page)) = (u8::try_from(len), usize::try_from(character >> 8)) else {
            return false;
        };
        let Some(page) = self.back.0.get_mut(page) else {
            return false;
        };
        let mut bytes = [0; 3];
        bytes
            .iter_mut()
            .zip(utf8)
            .for_each(|(to, from)| *to = *from);
        self.forth.0[usize::from(byte)] = Utf8 { len, bytes };
        let low = usize::from(character.to_le_bytes()[0]);
        page.get_or_insert_with(|| Box::new([0; 256]))[low] = byte;
        true
    }
}

/// What UTF-8 begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decoded {
    /// A character and its bytes.
    Character(u32, usize),
    /// Nothing that encodes a character, and how many bytes of it to leave out.
    Invalid(usize),
    /// The beginning of a character.
    Partial,
}

/// Decodes the first character. `bytes` must not be empty.
///
/// As nginx does it: a byte that breaks a sequence off is left out together with it, and
/// surrogates are characters.
fn decode(bytes: &[u8]) -> Decoded {
    let (more, first, min) = match bytes.first().copied().unwrap_or(0xff) {
        byte @ 0..0x80 => return Decoded::Character(byte.into(), 1),
        byte @ 0xc2..0xe0 => (1, byte & 0x1f, 0x80),
        byte @ 0xe0..0xf0 => (2, byte & 0x0f, 0x800),
        byte @ 0xf0..0xf8 => (3, byte & 0x07, 0x1_0000),
        _ => return Decoded::Invalid(1),
    };
    let Some(rest) = bytes.get(1..=more) else {
        return Decoded::Partial;
    };
    let mut character = u32::from(first);
    for (&byte, len) in rest.iter().zip(2..) {
        if byte < 0x80 {
            return Decoded::Invalid(len);
        }
        character = character << 6 | u32::from(byte & 0x3f);
    }
    if (min..=0x10_ffff).contains(&character) {
        Decoded::Character(character, more + 1)
    } else {
        Decoded::Invalid(more + 1)
    }
}

/// Recodes one body; remembers the beginning of a character that the last piece ended with.
#[derive(Debug, Default)]
pub struct Recoder {
    saved: [u8; 3],
    saved_len: usize,
}

impl Recoder {
    /// Appends `input` to `out`, recoded by `table`.
    pub fn recode(&mut self, table: &Table, input: &[u8], out: &mut Vec<u8>) {
        match table {
            Table::Bytes(table) => {
                out.extend(input.iter().map(|&byte| table.0[usize::from(byte)]));
            }
            Table::ToUtf8(table) => {
                for &byte in input {
                    out.extend_from_slice(table.0[usize::from(byte)].as_slice());
                }
            }
            Table::FromUtf8(table) => self.recode_utf8(table, input, out),
        }
    }

    fn recode_utf8(&mut self, table: &FromUtf8, mut input: &[u8], out: &mut Vec<u8>) {
        // What is saved ends within the next few bytes: a character has four at most.
        while self.saved_len > 0 {
            let mut joined = [0; 6];
            let saved = &self.saved[..self.saved_len];
            let both = saved.iter().chain(input.iter().take(3));
            let mut len = 0;
            for (to, from) in joined.iter_mut().zip(both) {
                *to = *from;
                len += 1;
            }
            let used = match decode(&joined[..len]) {
                Decoded::Partial => {
                    self.save(&joined[..len]);
                    return;
                }
                decoded => emit(table, decoded, out),
            };
            let (of_saved, of_input) = (
                used.min(self.saved_len),
                used.saturating_sub(self.saved_len),
            );
            self.saved.copy_within(of_saved..self.saved_len, 0);
            self.saved_len -= of_saved;
            input = input.get(of_input..).unwrap_or_default();
        }
        while !input.is_empty() {
            match decode(input) {
                Decoded::Partial => {
                    self.save(input);
                    return;
                }
                decoded => {
                    let used = emit(table, decoded, out);
                    input = input.get(used..).unwrap_or_default();
                }
            }
        }
    }

    /// Remembers the beginning of a character, of at most three bytes.
    fn save(&mut self, bytes: &[u8]) {
        self.saved_len = bytes.len().min(self.saved.len());
        for (to, from) in self.saved.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
}

/// Appends what stands for `decoded`; gives how many bytes it was.
fn emit(table: &FromUtf8, decoded: Decoded, out: &mut Vec<u8>) -> usize {
    match decoded {
        Decoded::Character(character, used) => {
            match character {
                0..0x80 => out.push(character.to_le_bytes()[0]),
                _ => match table.find(character) {
                    Some(byte) => out.push(byte),
                    None => out.extend_from_slice(format!("&#{character};").as_bytes()),
                },
            }
            used
        }
        Decoded::Invalid(used) => {
            out.push(b'?');
            used
        }
        Decoded::Partial => 0,
    }
}

impl FromUtf8 {
    fn find(&self, character: u32) -> Option<u8> {
        let page = self
            .0
            .get(usize::try_from(character >> 8).ok()?)?
            .as_ref()?;
        let byte = page[usize::from(character.to_le_bytes()[0])];
        (byte != 0).then_some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cyrillic A to ER of KOI8-R, as far as the tests need it.
    fn koi8() -> Utf8Pair {
        let mut pair = Utf8Pair::default();
        for (byte, text) in [(0xe1, "А"), (0xc1, "а"), (0xe2, "Б"), (0xa4, "€")] {
            assert!(pair.add(byte, text.as_bytes()));
        }
        pair
    }

    fn recode(table: &Table, pieces: &[&[u8]]) -> String {
        let (mut recoder, mut out) = (Recoder::default(), Vec::new());
        for piece in pieces {
            recoder.recode(table, piece, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check_from(input: &[u8], expected: &[u8]) {
        let table = Table::FromUtf8(koi8().back);
        let mut out = Vec::new();
        Recoder::default().recode(&table, input, &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
        // The same in every two pieces, and byte by byte.
        for cut in 0..=input.len() {
            let (mut recoder, mut out) = (Recoder::default(), Vec::new());
            recoder.recode(&table, &input[..cut], &mut out);
            recoder.recode(&table, &input[cut..], &mut out);
            assert_eq!(out, expected, "cut at {cut}");
        }
        let (mut recoder, mut out) = (Recoder::default(), Vec::new());
        for byte in input {
            recoder.recode(&table, &[*byte], &mut out);
        }
        assert_eq!(out, expected);
    }

    #[test]
    fn to_utf8_and_what_is_unknown() {
        let table = Table::ToUtf8(koi8().forth);
        assert_eq!(recode(&table, &[b"a\xe1\xc1", b"\xff\xa4!"]), "aАа?€!");
    }

    #[test]
    fn from_utf8_and_what_is_unknown() {
        check_from("aА€".as_bytes(), b"a\xe1\xa4");
        check_from("фф😀.".as_bytes(), b"&#1092;&#1092;&#128512;.");
        check_from("\u{10ffff}".as_bytes(), b"&#1114111;");
        check_from(b"\0\x7f", b"\0\x7f");
    }

    #[test]
    fn invalid_sequences_are_question_marks() {
        check_from(b"\xc0\xaf", b"??");
        check_from(b"\xff\xfe\x80a", b"???a");
        check_from(b"\xe0\x80\x80a", b"?a");
        check_from(b"\xf4\x90\x80\x80a", b"?a");
        check_from(b"\xf8a", b"?a");
        check_from(b"\xe2\x41\x42\x43", b"?BC");
        check_from(b"\xf0\x9f\x41\xd0\x90", b"?\xe1");
        // The beginning of a character at the very end is dropped.
        check_from(b"a\xf0\x9f\x98", b"a");
    }

    /// A character of four bytes that comes in four pieces: nginx's CVE-2026-42934 took the
    /// index of what was saved for its length there.
    #[test]
    fn a_character_over_more_than_two_pieces() {
        let table = Table::FromUtf8(koi8().back);
        let pieces: [&[u8]; 5] = [b"\xf0", b"\x9f", b"", b"\x98", b"\x80\xd0"];
        let (mut recoder, mut out) = (Recoder::default(), Vec::new());
        for piece in pieces {
            recoder.recode(&table, piece, &mut out);
        }
        recoder.recode(&table, b"\x90", &mut out);
        assert_eq!(out, b"&#128512;\xe1");
    }

    /// A saved beginning that turns out invalid: nginx's CVE-2026-48142 went on before the place
    /// that it had already used up.
    #[test]
    fn an_invalid_character_over_pieces() {
        for cut in 1..4 {
            let input = b"\xf5\x8f\xbf\xbfxyz\xe2\x82\xac";
            let table = Table::FromUtf8(koi8().back);
            let (mut recoder, mut out) = (Recoder::default(), Vec::new());
            recoder.recode(&table, &input[..cut], &mut out);
            recoder.recode(&table, &input[cut..], &mut out);
            assert_eq!(out, b"?xyz\xa4", "cut at {cut}");
        }
    }

    #[test]
    fn bytes_go_both_ways() {
        let mut pair = BytePair::default();
        pair.add(0xe1, 0xc0);
        assert_eq!(recode(&Table::Bytes(pair.back), &[b"a\xc1"]), "a?");
        let (mut recoder, mut out) = (Recoder::default(), Vec::new());
        recoder.recode(&Table::Bytes(pair.forth), b"\xe1\xe2", &mut out);
        assert_eq!(out, b"\xc0?");
    }

    #[test]
    fn only_single_characters_are_added() {
        let mut pair = Utf8Pair::default();
        assert!(!pair.add(0xe1, "😀".as_bytes()));
        assert!(!pair.add(0xe1, b"\xff"));
        assert!(!pair.add(0xe1, b"\xd0"));
        assert!(!pair.add(0xe1, b"\xd0\x90a"));
        assert!(!pair.add(0xe1, b"a"));
    }
}
