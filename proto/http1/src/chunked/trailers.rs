//! The trailer section of a chunked body.

use crate::header_line::{HeaderLine, HeaderStep};
use crate::{Field, Known};

/// Trailer fields, kept until the body ends. Without any, nothing is allocated.
#[derive(Clone, Debug)]
pub struct Trailers {
    /// The section as received.
    bytes: Vec<u8>,
    max: usize,
    line: HeaderLine,
    pos: usize,
    fields: Vec<Field>,
}

/// Names that mean something for framing, routing, authentication or the reading of the body,
/// and so may not come after it (RFC 9110 section 6.5.1), beside those of [`Known`] below.
const FORBIDDEN: &[&[u8]] = &[
    b"age",
    b"expires",
    b"location",
    b"max-forwards",
    b"retry-after",
    b"set-cookie",
    b"vary",
    b"warning",
    b"www-authenticate",
    b"proxy-authenticate",
];

impl Trailers {
    pub(super) fn new(max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            max,
            line: HeaderLine::new(),
            pos: 0,
            fields: Vec::new(),
        }
    }

    /// Name and value of each field that may be a trailer, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// Reads on; how many bytes of `input` belong to the section, and whether it has ended.
    /// `None` for a broken rule.
    pub(super) fn read(&mut self, input: &[u8]) -> Option<(usize, bool)> {
        let mut read = 0;
        // Line by line, so that not a byte after the section is kept.
        while let Some(rest) = input.get(read..).filter(|rest| !rest.is_empty()) {
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let piece = rest.get(..length).unwrap_or_default();
            read += length;
            if self.bytes.len() + length > self.max {
                return None;
            }
            self.bytes.extend_from_slice(piece);
            if self.read_lines()? {
                return Some((read, true));
            }
        }
        Some((read, false))
    }

    /// Whether the empty line has come.
    fn read_lines(&mut self) -> Option<bool> {
        loop {
            let step = self.line.read(&self.bytes, &mut self.pos, true).ok()?;
            let ended = self.bytes.get(..self.pos)?;
            match step {
                HeaderStep::Partial => return Some(false),
                HeaderStep::End => return ended.ends_with(b"\r\n").then_some(true),
                HeaderStep::Line {
                    name,
                    value,
                    invalid,
                } => {
                    let field = Field::of(name, value, &self.bytes);
                    // Neither a bare LF nor a second CR.
                    if !is_line_end(ended.get(field.value.end()..)?) {
                        return None;
                    }
                    if !invalid && !is_forbidden(field, &self.bytes) {
                        self.fields.push(field);
                    }
                }
            }
        }
    }
}

/// Spaces, then CR LF.
fn is_line_end(gap: &[u8]) -> bool {
    gap.strip_suffix(b"\r\n")
        .is_some_and(|blanks| blanks.iter().all(|&byte| byte == b' '))
}

fn is_forbidden(field: Field, bytes: &[u8]) -> bool {
    match field.known {
        Known::Via | Known::XRequestId => false,
        Known::Other => {
            let name = field.name.of(bytes);
            FORBIDDEN
                .iter()
                .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
        }
        // Whatever the server itself reads belongs into the head.
        _ => true,
    }
}
