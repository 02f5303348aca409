//! Chunked bodies (RFC 9112 section 7.1): a strict decoder, and the framing to send.

mod extension;
mod trailers;

use crate::Refusal;
use extension::Extension;
use std::ops::Range;
pub use trailers::Trailers;

/// What ends a body that was sent in chunks, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What begins the trailer section, where there is one. An empty line ends it.
pub const TRAILERS_START: &[u8] = b"0\r\n";

/// What follows the bytes of every chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Largest chunk, bytes: what nginx takes, which refuses a size whose next digit could
/// overflow 63 bits whether or not there is one.
const SIZE_MAX: u64 = i64::MAX.unsigned_abs() / 16;

const INVALID: Refusal = Refusal::bad_request("client sent invalid chunked body");

/// Bounds of what is in a body beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Bytes of chunk extensions, blanks and leading zeros in the whole body. They mean
    /// nothing to anybody, and without a bound they carry a body that never grows (S-5 in
    /// the list of attacks; Go CVE-2023-39326).
    pub extension_max: usize,
    /// Bytes of the trailer section, which is kept until the body ends.
    pub trailer_max: usize,
    /// Fields in it. There are few uses for trailers, and none takes more than a handful.
    pub trailer_fields_max: usize,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            extension_max: 4096,
            trailer_max: 8192,
            trailer_fields_max: 100,
        }
    }
}

/// What one call of [`ChunkedDecoder::decode`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes of the input that are done with. What follows them is the next call's input.
    pub consumed: usize,
    /// Bytes of the body: a part of the input, before `consumed`.
    pub data: Option<Range<usize>>,
    /// Whether the body is complete. What follows `consumed` is no longer its.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
    Extension(Extension),
    SizeLineFeed,
    Data,
    DataEnd,
    DataLineFeed,
    Trailers,
    Done,
}

/// Decodes a chunked body, whatever pieces it comes in.
///
/// Only CR LF ends a line. A size is hexadecimal digits alone, below 2^59. Extensions must
/// be well-formed, and are dropped.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Bytes of the current chunk that are still to come.
    remaining: u64,
    /// What is left of [`ChunkLimits::extension_max`].
    extension_left: usize,
    trailers: Trailers,
}

impl ChunkedDecoder {
    /// A decoder at the first byte of a body.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self {
            state: State::SizeStart,
            remaining: 0,
            extension_left: limits.extension_max,
            trailers: Trailers::new(limits),
        }
    }

    /// Whether the whole body has been decoded.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer fields, once the body is complete.
    #[must_use]
    pub fn trailers(&self) -> &Trailers {
        &self.trailers
    }

    /// Reads `input` up to the end of a run of body bytes, of the body, or of `input`. Call
    /// again with what follows `consumed` while there is any.
    ///
    /// # Errors
    ///
    /// 400 for anything but the grammar, for a size that does not fit, and beyond the limits.
    /// Nothing can be read from the connection after that.
    ///
    /// Source: RFC 9112 section 7.1; `ngx_http_parse_chunked()`, nginx 1.31.5, which does not
    /// look into extensions and trailers.
    pub fn decode(&mut self, input: &[u8]) -> Result<Chunk, Refusal> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            match self.state {
                State::Data => {
                    let available = u64::try_from(rest.len()).unwrap_or(u64::MAX);
                    // Not more than `rest.len()`, so the conversion back cannot fail.
                    let length = usize::try_from(self.remaining.min(available)).unwrap_or(0);
                    self.take(length);
                    let data = Some(at..at + length);
                    return Ok(Chunk {
                        consumed: at + length,
                        data,
                        done: false,
                    });
                }
                State::Trailers => {
                    let (read, done) = self.trailers.read(rest).ok_or(INVALID)?;
                    at += read;
                    if done {
                        self.state = State::Done;
                    }
                }
                State::Done => break,
                _ => {
                    at += 1;
                    self.state = match rest.first() {
                        Some(&byte) => self.framing_byte(byte).ok_or(INVALID)?,
                        None => break,
                    };
                }
            }
        }
        Ok(Chunk {
            consumed: at,
            data: None,
            done: self.is_done(),
        })
    }

    fn take(&mut self, length: usize) {
        self.remaining = self
            .remaining
            .saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        if self.remaining == 0 {
            self.state = State::DataEnd;
        }
    }

    /// The state after a byte that is neither data nor trailer, `None` for a broken rule.
    fn framing_byte(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::SizeStart, _) => {
                self.remaining = hex_digit(byte)?;
                Some(State::Size)
            }
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.size_digit(byte),
            (State::Size, _) => self.extension_byte(Extension::start(), byte),
            (State::Extension(extension), _) => self.extension_byte(extension, byte),
            (State::SizeLineFeed, b'\n') if self.remaining == 0 => Some(State::Trailers),
            (State::SizeLineFeed, b'\n') => Some(State::Data),
            (State::DataEnd, b'\r') => Some(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Some(State::SizeStart),
            _ => None,
        }
    }

    fn size_digit(&mut self, byte: u8) -> Option<State> {
        if self.remaining == 0 {
            self.spend_extension()?;
        }
        let size = self
            .remaining
            .checked_mul(16)?
            .checked_add(hex_digit(byte)?)?;
        self.remaining = size;
        (size <= SIZE_MAX).then_some(State::Size)
    }

    fn extension_byte(&mut self, extension: Extension, byte: u8) -> Option<State> {
        if byte == b'\r' {
            return extension.may_end().then_some(State::SizeLineFeed);
        }
        self.spend_extension()?;
        extension.after(byte).map(State::Extension)
    }

    fn spend_extension(&mut self) -> Option<()> {
        self.extension_left = self.extension_left.checked_sub(1)?;
        Some(())
    }
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new(ChunkLimits::default())
    }
}

fn hex_digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// The line before the bytes of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; Self::MAX],
    start: usize,
}

impl ChunkHead {
    /// Sixteen digits and CR LF.
    const MAX: usize = 18;

    /// The line's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// The line that announces `length` bytes, in lower-case hexadecimal as nginx writes it. A
/// `length` of 0 would end the body: send nothing, or [`LAST_CHUNK`].
#[must_use]
pub fn encode_chunk_head(length: u64) -> ChunkHead {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let mut head = ChunkHead {
        bytes: [0; ChunkHead::MAX],
        start: ChunkHead::MAX - 2,
    };
    head.bytes[ChunkHead::MAX - 2] = b'\r';
    head.bytes[ChunkHead::MAX - 1] = b'\n';
    let mut rest = length;
    loop {
        head.start -= 1;
        head.bytes[head.start] = DIGITS[(rest & 15) as usize];
        rest >>= 4;
        if rest == 0 {
            return head;
        }
    }
}
