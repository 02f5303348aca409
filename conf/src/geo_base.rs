//! The binary base: what nginx makes of a file of address ranges that a `geo` includes, to spare
//! itself the reading of the text. nginx maps it into memory as its own structures of a 64-bit
//! little-endian machine lie there, with offsets in the file for pointers:
//!
//! | bytes | what |
//! |---:|---|
//! | 6 | `GEORNG` |
//! | 1 | version, 0 |
//! | 1 | size of a pointer, 8 |
//! | 4 | 0x12345678, which shows the order of bytes |
//! | 4 | CRC-32 of everything behind it |
//! | | values, each: length in 28 bits with flags above, 4 bytes of nothing, offset of its text, which is the next byte; the text, filled up to a multiple of 8 |
//! | 16 | a value whose text is nowhere ends them |
//! | 8 * 65536 | for each upper half of an address, where its ranges are, or 0 |
//! | | for each that has some: ranges of 16 bytes (offset of the value, lower halves of first and last address, 4 bytes of nothing), then 8 bytes of 0 |
//!
//! nginx believes whatever has the right checksum; here every offset has to be where nginx would
//! have put it, so that no file leads out of itself or grows when it is read.
//!
//! Source: files that nginx 1.22 and 1.31.5 wrote.

use base::crc32::Crc32;
use base::range_table::{BLOCK, RangeTable};

/// How a base begins: name, version, size of a pointer, order of bytes.
const MAGIC: [u8; 12] = *b"GEORNG\x00\x08\x78\x56\x34\x12";

/// Size of the header: [`MAGIC`] and the checksum.
const HEADER: usize = 16;

/// Size of a value without its text.
const VALUE: usize = 16;

/// Size of an offset.
const OFFSET: usize = 8;

/// How many lists of ranges there may be: one for each upper half of an address.
const LISTS: usize = 1 << 16;

/// How many bits of a value's first word are its length.
const LENGTH_BITS: u32 = 28;

/// The flags of a value that is there, above its length.
const VALID: u32 = 1;

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is no base, one of another kind of machine, or nothing that nginx could have written.
    Incompatible,
    /// It was changed or cut.
    Checksum,
}

/// Reads a base.
///
/// # Errors
///
/// When it is none that can be trusted.
pub fn parse(bytes: &[u8]) -> Result<RangeTable, Fault> {
    let (magic, rest) = bytes
        .split_first_chunk::<{ MAGIC.len() }>()
        .ok_or(Fault::Incompatible)?;
    let (checksum, content) = rest.split_first_chunk().ok_or(Fault::Incompatible)?;
    if *magic != MAGIC {
        return Err(Fault::Incompatible);
    }
    if Crc32::new().with(content).value() != u32::from_le_bytes(*checksum) {
        return Err(Fault::Checksum);
    }
    let mut reader = Reader {
        bytes,
        at: HEADER,
        table: RangeTable::default(),
        value_at: Vec::new(),
    };
    reader.read().ok_or(Fault::Incompatible)?;
    Ok(reader.table)
}

/// A base while it is being read.
struct Reader<'a> {
    bytes: &'a [u8],
    /// The next byte.
    at: usize,
    table: RangeTable,
    /// The number of the value that begins at each eighth byte behind the header; what is no
    /// beginning has the number of no value.
    value_at: Vec<u32>,
}

impl<'a> Reader<'a> {
    /// Reads what stands behind the header, all of it; `None` when something is not as it must be.
    fn read(&mut self) -> Option<()> {
        self.read_values()?;
        let offsets = self.take(LISTS * OFFSET)?;
        for (high, offset) in (0..).zip(offsets.as_chunks().0) {
            match u64::from_le_bytes(*offset) {
                0 => {}
                offset => self.read_list(high, offset)?,
            }
        }
        (self.at == self.bytes.len()).then_some(())
    }

    fn read_values(&mut self) -> Option<()> {
        loop {
            let start = self.at;
            let head = self.take_word()?;
            let text = usize::try_from(self.take_word()?).ok()?;
            if text == 0 {
                return Some(());
            }
            let flags_and_length = u32::try_from(head & u64::from(u32::MAX)).ok()?;
            if text != start + VALUE || flags_and_length >> LENGTH_BITS != VALID {
                return None;
            }
            let length = flags_and_length & ((1 << LENGTH_BITS) - 1);
            let length = usize::try_from(length).ok()?;
            let value = self.take(length)?;
            self.take(length.next_multiple_of(OFFSET) - length)?;
            let number = self.table.add_value(value);
            self.value_at.resize((start - HEADER) / OFFSET, u32::MAX);
            self.value_at.push(number);
        }
    }

    /// Reads the ranges of addresses with the upper half `high`: the list that is next.
    fn read_list(&mut self, high: u32, offset: u64) -> Option<()> {
        if usize::try_from(offset).ok()? != self.at {
            return None;
        }
        let mut is_empty = true;
        loop {
            let value = usize::try_from(self.take_word()?).ok()?;
            if value == 0 {
                return (!is_empty).then_some(());
            }
            is_empty = false;
            let behind_header = value.checked_sub(HEADER)?;
            if behind_header % OFFSET != 0 {
                return None;
            }
            let number = *self.value_at.get(behind_header / OFFSET)?;
            let ends = self.take_word()?;
            let first = high * BLOCK + u32::try_from(ends & 0xffff).ok()?;
            let last = high * BLOCK + u32::try_from(ends >> 16 & 0xffff).ok()?;
            self.table.push(first, last, number).ok()?;
        }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn take_word(&mut self) -> Option<u64> {
        let word = self.take(OFFSET)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }
}

/// Writes a base.
#[must_use]
pub fn write(table: &RangeTable) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.resize(HEADER, 0);
    let value_offsets = write_values(table, &mut bytes);
    let lists = bytes.len();
    bytes.resize(lists + LISTS * OFFSET, 0);
    let mut highest = None;
    for (first, last, number) in table.ranges() {
        let high = first / BLOCK;
        if highest != Some(high) {
            if highest.is_some() {
                bytes.extend([0; OFFSET]);
            }
            highest = Some(high);
            let at = lists + high as usize * OFFSET;
            let offset = (bytes.len() as u64).to_le_bytes();
            bytes[at..at + OFFSET].copy_from_slice(&offset);
        }
        let value = value_offsets.get(number as usize).copied();
        bytes.extend(value.unwrap_or_default().to_le_bytes());
        let ends = u64::from(first % BLOCK) | u64::from(last % BLOCK) << 16;
        bytes.extend(ends.to_le_bytes());
    }
    if highest.is_some() {
        bytes.extend([0; OFFSET]);
    }
    let checksum = Crc32::new().with(&bytes[HEADER..]).value();
    bytes[MAGIC.len()..HEADER].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Writes the values and what ends them, and gives the offset of each.
fn write_values(table: &RangeTable, bytes: &mut Vec<u8>) -> Vec<u64> {
    let offset_of = |text: &[u8]| {
        let start = bytes.len();
        // A word of a configuration is far shorter than 2^28 bytes.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend(u64::from(length | VALID << LENGTH_BITS).to_le_bytes());
        bytes.extend(((start + VALUE) as u64).to_le_bytes());
        bytes.extend(text);
        bytes.resize(bytes.len().next_multiple_of(OFFSET), 0);
        start as u64
    };
    let offsets = table.values().map(offset_of).collect();
    bytes.resize(bytes.len() + VALUE, 0);
    offsets
}

#[cfg(test)]
mod tests;
