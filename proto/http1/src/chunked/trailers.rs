//! The trailer section of a chunked body.

use super::ChunkLimits;
use crate::header_line::{HeaderLine, HeaderStep};
use crate::{Field, Known};
use base::bytes::starts_with_ignore_case;

/// Trailer fields, kept until the body ends. Without any, nothing is allocated.
#[derive(Clone, Debug)]
pub struct Trailers {
    /// The section as received.
    bytes: Vec<u8>,
    max: usize,
    /// How many more fields there may be.
    fields_left: usize,
    line: HeaderLine,
    pos: usize,
    fields: Vec<Field>,
}

/// Names that mean something for framing, routing, authentication or the reading of the body,
/// and so may not come after it (RFC 9110 section 6.5.1), beside those of [`Known`] below.
const FORBIDDEN: &[&[u8]] = &[
    b"age",
    b"expires",
    b"http2-settings",
    b"location",
    b"max-forwards",
    b"retry-after",
    b"set-cookie",
    b"vary",
    b"warning",
    b"www-authenticate",
];

/// How such names begin, where there are many of them. What proxies say about the client, and
/// what some servers take for another URI or method, is as good as routing.
const FORBIDDEN_STARTS: &[&[u8]] = &[
    b"content-",
    b"proxy-",
    b"x-accel-",
    b"x-forwarded-",
    b"x-http-method",
    b"x-original-",
    b"x-rewrite-",
];

/// What begins like the names above, and is known only when the body is complete (RFC 9530
/// section 2, RFC 1864).
const DIGESTS: &[&[u8]] = &[b"content-digest", b"content-md5"];

impl Trailers {
    pub(super) fn new(limits: ChunkLimits) -> Self {
        Self {
            bytes: Vec::new(),
            max: limits.trailer_max,
            fields_left: limits.trailer_fields_max,
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
                    self.fields_left = self.fields_left.checked_sub(1)?;
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
            let is = |other: &&[u8]| name.eq_ignore_ascii_case(other);
            let starts_with = |start: &&[u8]| starts_with_ignore_case(name, start);
            FORBIDDEN.iter().any(is)
                || FORBIDDEN_STARTS.iter().any(starts_with) && !DIGESTS.iter().any(is)
        }
        // Whatever the server itself reads belongs into the head.
        _ => true,
    }
}
