//! CRC-32 (ISO 3309), by which nginx spreads keys over servers.

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ 0xedb8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
        byte += 1;
    }
    table
};

/// A checksum under way.
#[derive(Clone, Copy)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes `bytes` in.
    #[must_use]
    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let step = |crc: u32, byte: &u8| {
            let [low, ..] = crc.to_le_bytes();
            TABLE[usize::from(low ^ byte)] ^ crc >> 8
        };
        Self(bytes.iter().fold(self.0, step))
    }

    pub(super) fn value(self) -> u32 {
        !self.0
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
}
