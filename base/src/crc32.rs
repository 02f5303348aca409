//! CRC-32 (ISO 3309): by it nginx spreads keys over servers and knows its files again.

/// `TABLES[0]` is the checksum of a byte; of the others each is that of the byte with one more zero
/// behind it, so that eight bytes are taken in at once.
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0;
        while bit < 64 {
            value = if value & 1 == 1 {
                value >> 1 ^ 0xedb8_8320
            } else {
                value >> 1
            };
            bit += 1;
            if bit % 8 == 0 {
                tables[bit / 8 - 1][index] = value;
            }
        }
        index += 1;
        byte += 1;
    }
    tables
};

/// A checksum under way.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Crc32 {
    /// That of no bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes `bytes` in.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (eights, rest) = bytes.as_chunks::<8>();
        let crc = eights.iter().fold(self.0, |crc, eight| {
            let mixed = u64::from_le_bytes(*eight) ^ u64::from(crc);
            let bytes = mixed.to_le_bytes();
            let parts = bytes.iter().zip(TABLES.iter().rev());
            parts.fold(0, |crc, (&byte, table)| crc ^ table[usize::from(byte)])
        });
        let step = |crc: u32, byte: &u8| {
            let [low, ..] = crc.to_le_bytes();
            TABLES[0][usize::from(low ^ byte)] ^ crc >> 8
        };
        Self(rest.iter().fold(crc, step))
    }

    /// The checksum of all that was taken in.
    #[must_use]
    pub const fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_standard() {
        assert_eq!(
            Crc32::new().with(b"12345").with(b"6789").value(),
            0xcbf4_3926
        );
        assert_eq!(Crc32::new().value(), 0);
    }

    #[test]
    fn eight_bytes_at_once_are_as_one_by_one() {
        let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for len in 0..bytes.len() {
            let bytes = &bytes[..len];
            let one_by_one = bytes
                .iter()
                .fold(Crc32::new(), |crc, byte| crc.with(&[*byte]));
            assert_eq!(Crc32::new().with(bytes).value(), one_by_one.value());
        }
    }
}
