//! The response parser: status line and header lines of an upstream, and where its body ends.
//!
//! The rules are nginx 1.31's for upstreams (a bare LF ends a line), and stricter in two
//! points: a response without a status line is no response, and a NUL in a status line is
//! refused.

use crate::framing::{content_length, keeps_alive};
use crate::header_line::{HeaderLine, HeaderStep};
use crate::{ResponseField, ResponseFields, ResponseName, Span, Version};
use base::words::line_control;

/// A response head: spans into the buffer it was parsed from.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The version of the status line.
    pub version: Version,
    /// Code and reason as sent, without version and line end: `200 OK`.
    pub status_line: Span,
    /// Header lines in the order sent.
    pub fields: ResponseFields,
    /// Whether there are more status lines among these, which count for nothing.
    pub repeats_status_line: bool,
}

impl ResponseHead {
    /// Forgets the response, keeps the memory.
    pub fn reset(&mut self) {
        self.fields.clear();
        self.status = 0;
        self.version = Version::Http11;
        self.status_line = Span::default();
        self.repeats_status_line = false;
    }
}

/// Why a response cannot be used: the peer's fault, told to nobody but the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadResponse {
    /// It does not begin with a status line.
    NoStatusLine,
    /// A header line breaks the grammar; the span is the line up to the byte that does.
    HeaderLine(Span),
    /// A field that may be there once is there twice: the second, and the first.
    Repeated(ResponseField, ResponseField),
    /// A Content-Length that is not a plain number.
    ContentLength(ResponseField),
    /// A Transfer-Encoding other than `chunked`.
    TransferEncoding(ResponseField),
    /// Both a Content-Length and a Transfer-Encoding.
    TwoLengths,
}

impl BadResponse {
    /// Appends nginx's words for the error log to `out`; what is quoted from `buf` is escaped.
    pub fn describe(&self, buf: &[u8], out: &mut Vec<u8>) {
        let line = |field: &ResponseField, out: &mut Vec<u8>| {
            base::escape::log(field.name.of(buf), out);
            out.extend_from_slice(b": ");
            base::escape::log(field.value.of(buf), out);
        };
        match self {
            Self::NoStatusLine => {
                out.extend_from_slice(b"upstream sent no valid HTTP/1.0 header");
            }
            Self::HeaderLine(span) => {
                out.extend_from_slice(b"upstream sent invalid header: \"");
                base::escape::log(span.of(buf), out);
                if let Some(byte) = buf.get(span.end()) {
                    out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
                }
                out.extend_from_slice(b"...\"");
            }
            Self::Repeated(again, first) => {
                out.extend_from_slice(b"upstream sent duplicate header line: \"");
                line(again, out);
                out.extend_from_slice(b"\", previous value: \"");
                line(first, out);
                out.push(b'"');
            }
            Self::ContentLength(field) => {
                out.extend_from_slice(b"upstream sent invalid \"Content-Length\" header: \"");
                line(field, out);
                out.push(b'"');
            }
            Self::TransferEncoding(field) => {
                out.extend_from_slice(b"upstream sent unknown \"Transfer-Encoding\": \"");
                base::escape::log(field.value.of(buf), out);
                out.push(b'"');
            }
            Self::TwoLengths => out.extend_from_slice(
                b"upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
            ),
        }
    }
}

/// Parses one response head out of a contiguous buffer that grows between calls.
#[derive(Clone, Debug)]
pub struct ResponseParser {
    pos: usize,
    start: usize,
    is_past_status_line: bool,
    /// Whether the rest of a line is passed over.
    skips_line: bool,
    header: HeaderLine,
}

impl Default for ResponseParser {
    fn default() -> Self {
        Self::new(0)
    }
}

impl ResponseParser {
    /// A parser of the response that begins at byte `start` of the buffer.
    #[must_use]
    pub fn new(start: usize) -> Self {
        Self {
            pos: start,
            start,
            is_past_status_line: false,
            skips_line: false,
            header: HeaderLine::new(),
        }
    }

    /// Reads on in `buf`, which must begin with the bytes of the calls before. Gives where the
    /// head ends, or `None` when there is more of it to come. `head` must be the same one,
    /// reset before the first call.
    ///
    /// # Errors
    ///
    /// [`BadResponse`] as soon as a byte breaks the grammar.
    ///
    /// Source: RFC 9112 section 4; `ngx_http_parse_status_line()`, nginx 1.31.5.
    pub fn parse(
        &mut self,
        buf: &[u8],
        head: &mut ResponseHead,
    ) -> Result<Option<usize>, BadResponse> {
        if !self.is_past_status_line {
            let bytes = buf.get(self.start..).unwrap_or_default();
            let Some(line) = StatusLine::parse(bytes)? else {
                return Ok(None);
            };
            head.status = line.status;
            head.version = line.version;
            head.status_line = Span::new(self.start + line.code, self.start + line.end);
            self.pos = self.start + line.len;
            self.is_past_status_line = true;
        }
        if self.skips_line && !self.skip_line(buf) {
            return Ok(None);
        }
        loop {
            let line_start = self.pos;
            match self.header.read(buf, &mut self.pos, true) {
                Ok(HeaderStep::Partial) => return Ok(None),
                Ok(HeaderStep::End) => return Ok(Some(self.pos)),
                Ok(HeaderStep::Line { name, .. }) if is_status_line(name.of(buf)) => {
                    head.repeats_status_line = true;
                }
                Ok(HeaderStep::Line { name, value, .. }) => head.fields.push(ResponseField {
                    name,
                    value,
                    known: ResponseName::from_name(name.of(buf)),
                }),
                Err(_) => {
                    let line = self.bad_line(buf, line_start);
                    if !is_status_line(line.of(buf)) {
                        return Err(BadResponse::HeaderLine(line));
                    }
                    head.repeats_status_line = true;
                    if !self.skip_line(buf) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Passes over what is left of another status line, which programs behind servers print that
    /// have sent one already: nginx takes no notice of it. Gives whether its end is there.
    fn skip_line(&mut self, buf: &[u8]) -> bool {
        let rest = buf.get(self.pos..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest);
        self.skips_line = end.is_none();
        self.pos += end.map_or(rest.len(), |end| end + 1);
        self.header = HeaderLine::new();
        end.is_some()
    }

    /// The line being read, up to the byte that does not belong there.
    fn bad_line(&self, buf: &[u8], line_start: usize) -> Span {
        let start = self.header.line_start().unwrap_or(line_start);
        let read = Span::new(start, self.pos).of(buf);
        // What cannot follow a CR makes the CR one that does not belong there.
        let returns = read.iter().rev().take_while(|&&byte| byte == b'\r');
        Span::new(start, self.pos - returns.count())
    }
}

/// A status line, its parts by position from its first byte.
struct StatusLine {
    status: u16,
    version: Version,
    /// Where the code begins.
    code: usize,
    /// Where the text ends.
    end: usize,
    /// Bytes in all, line end included.
    len: usize,
}

impl StatusLine {
    /// Reads a line written as nearly all are: a version, one space, a code, a space and a reason,
    /// CR LF. `None` for whatever needs a closer look.
    fn usual(bytes: &[u8]) -> Option<Self> {
        let (start, rest) = bytes.split_first_chunk::<9>()?;
        let version = match start {
            b"HTTP/1.1 " => Version::Http11,
            b"HTTP/1.0 " => Version::Http10,
            _ => return None,
        };
        let (code, _) = rest.split_first_chunk::<3>()?;
        let end = start.len() + line_control(rest)?;
        let is_usual = rest.get(code.len()) == Some(&b' ') && bytes[end..].starts_with(b"\r\n");
        let status = status_code(code).filter(|_| is_usual)?;
        Some(Self {
            status,
            version,
            code: start.len(),
            end,
            len: end + b"\r\n".len(),
        })
    }

    /// Reads `bytes` as far as they go; `None` when a correct line has not ended yet.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, BadResponse> {
        const PREFIX: &[u8] = b"HTTP/";
        if let Some(line) = Self::usual(bytes) {
            return Ok(Some(line));
        }
        let line_end = memchr::memchr(b'\n', bytes);
        let line = &bytes[..line_end.unwrap_or(bytes.len())];
        let common = line.len().min(PREFIX.len());
        if line[..common] != PREFIX[..common] {
            return Err(BadResponse::NoStatusLine);
        }
        if line_end.is_none() {
            // What has arrived of it must be right, so that garbage without an end is no
            // reason to wait.
            return match memchr::memchr(0, line) {
                Some(_) => Err(BadResponse::NoStatusLine),
                None => Ok(None),
            };
        }
        Self::of_line(line)
            .map(|line| {
                Some(Self {
                    len: line.len,
                    ..line
                })
            })
            .ok_or(BadResponse::NoStatusLine)
    }

    /// Reads a whole line, without its LF.
    fn of_line(line: &[u8]) -> Option<Self> {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return None;
        }
        let version = text.strip_prefix(b"HTTP/")?;
        let space = version.iter().position(|&byte| byte == b' ')?;
        let is_http11 = at_least_http11(version.get(..space)?)?;
        let spaces = version[space..].iter().take_while(|&&b| b == b' ').count();
        let code = b"HTTP/".len() + space + spaces;
        let (digits, rest) = text.get(code..)?.split_first_chunk::<3>()?;
        // IIS sends minor codes: "403.1".
        let ends = matches!(rest.first(), None | Some(b' ' | b'.'));
        let status = status_code(digits).filter(|_| ends)?;
        Some(Self {
            status,
            version: if is_http11 {
                Version::Http11
            } else {
                Version::Http10
            },
            code,
            end: text.len(),
            len: line.len() + 1,
        })
    }
}

/// A code from 100.
fn status_code(digits: &[u8; 3]) -> Option<u16> {
    let [hundreds, tens, ones] = digits.map(|digit| u16::from(digit.wrapping_sub(b'0')));
    let is_code = (1..10).contains(&hundreds) && tens < 10 && ones < 10;
    is_code.then_some(hundreds * 100 + tens * 10 + ones)
}

/// Whether a line, of which this is the beginning, is a status line and no field: its name would be
/// no token.
fn is_status_line(begins: &[u8]) -> bool {
    begins.starts_with(b"HTTP/")
}

/// Whether `major.minor`, which is 1.0 at least, is 1.1 or more.
fn at_least_http11(version: &[u8]) -> Option<bool> {
    let dot = version.iter().position(|&byte| byte == b'.')?;
    let number = |digits: &[u8]| {
        let is_number = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| {
            digits
                .iter()
                .fold(0u16, |value, digit| value * 10 + u16::from(digit - b'0'))
        })
    };
    let (major, minor) = (number(&version[..dot])?, number(&version[dot + 1..])?);
    (major > 0).then_some((major, minor) > (1, 0))
}

/// How the end of a response body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// There is no body, whatever the fields say.
    None,
    /// So many bytes.
    Length(u64),
    /// By chunks.
    Chunked,
    /// When the peer closes.
    UntilClose,
}

/// What a complete response head means for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFraming {
    /// The body.
    pub body: ResponseBody,
    /// The Content-Length, which a response without a body may have.
    pub length: Option<u64>,
    /// Whether the peer allows another request on the connection.
    pub keep_alive: bool,
}

/// Fields that may be there once, since two readers could choose differently.
const UNIQUE: [ResponseName; 2] = [ResponseName::ContentLength, ResponseName::TransferEncoding];

/// Judges a complete `head` that answers a HEAD request if `to_head`.
///
/// # Errors
///
/// Whatever makes the end of the body ambiguous.
///
/// Source: RFC 9112 section 6.3; nginx 1.31.5 refuses the same.
pub fn response_framing(
    head: &ResponseHead,
    buf: &[u8],
    to_head: bool,
) -> Result<ResponseFraming, BadResponse> {
    for name in UNIQUE.into_iter().filter(|name| head.fields.repeats(*name)) {
        let mut lines = head.fields.all(name);
        if let (Some(first), Some(again)) = (lines.next(), lines.next()) {
            return Err(BadResponse::Repeated(*again, *first));
        }
    }
    let length = match head.fields.find(ResponseName::ContentLength) {
        None => None,
        Some(field) => {
            let parsed = content_length(field.value.of(buf));
            Some(parsed.ok_or(BadResponse::ContentLength(*field))?)
        }
    };
    let coding = head.fields.find(ResponseName::TransferEncoding);
    if let Some(coding) = coding {
        if length.is_some() {
            return Err(BadResponse::TwoLengths);
        }
        if !coding.value.of(buf).eq_ignore_ascii_case(b"chunked") {
            return Err(BadResponse::TransferEncoding(*coding));
        }
    }
    let body = match (coding, length) {
        _ if to_head || matches!(head.status, 100..=199 | 204 | 304) => ResponseBody::None,
        (Some(_), _) => ResponseBody::Chunked,
        (None, Some(length)) => ResponseBody::Length(length),
        (None, None) => ResponseBody::UntilClose,
    };
    let connection = head.fields.all(ResponseName::Connection);
    let keep_alive = keeps_alive(head.version, connection.map(|field| field.value.of(buf)));
    Ok(ResponseFraming {
        body,
        length,
        // Who answers twice may do so again, where nobody asked.
        keep_alive: keep_alive && body != ResponseBody::UntilClose && !head.repeats_status_line,
    })
}
