//! Inputs made from inputs: a small mutator with a seed, so that tests without a fuzzer find
//! what is near the corpus, and find it again.

/// Longest input made, bytes.
const LENGTH_MAX: usize = 4096;

/// Pieces that parsers tend to stumble over.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b"//",
    b"/../",
    b"%2e",
    b"%00",
    b"%",
    b"#",
    b"?",
    b"\"",
    b"\\",
    b"0",
    b"-1",
    b"+",
    b"ffffffffffffffff",
    b"9223372036854775808",
    b"\xff",
    b"\x7f",
    b"{",
    b"}",
    b"$",
    b",",
    b"=",
    b"HTTP/1.1",
    b"chunked",
    b"bytes=",
];

/// A stream of mutations.
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// The stream that `seed` begins; equal seeds give equal streams.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed | 1 }
    }

    /// A variation of one of `corpus`, which must not be empty, after one to four changes.
    pub fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.choose(corpus).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input.truncate(LENGTH_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let value = self.below(256).to_le_bytes()[0];
                input.insert(at, value);
            }
            2 => {
                let piece = self.choose(PIECES).copied().unwrap_or_default();
                input.splice(at..at, piece.iter().copied());
            }
            3 => {
                let end = (at + self.below(8) + 1).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let end = (at + self.below(64) + 1).min(input.len());
                let copy = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            5 => input.truncate(at),
            _ => {
                let other = self.choose(corpus).map(Vec::as_slice).unwrap_or_default();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }

    fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len().max(1)))
    }

    /// A number below `bound`, by xorshift64*.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % bound.max(1)
    }
}
