//! The request line as a resumable machine.
//!
//! What comes in runs (method, path, query) is read in loops of its own; the rest is one
//! match of state and byte. The target has a file of its own.

mod target;

use crate::{Head, Method, Refusal, Span, Version};

const INVALID_METHOD: Refusal = Refusal::bad_request("client sent invalid method");
const INVALID_REQUEST: Refusal = Refusal::bad_request("client sent invalid request");
const INVALID_VERSION: Refusal = Refusal::new(505, "client sent invalid version");
const INVALID_METHOD_09: Refusal =
    Refusal::bad_request("client sent invalid method in HTTP/0.9 request");

/// Where in the line the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BlankLines,
    Method,
    SpacesBeforeTarget,
    Scheme,
    SchemeSlash,
    SchemeSecondSlash,
    SpacesBeforeHost,
    HostStart,
    Host,
    AddressLiteral,
    HostEnd,
    PortStart,
    Port,
    Path,
    Query,
    SpacesAfterTarget,
    /// Inside `HTTP/`, so many bytes of it read.
    Protocol(u8),
    MajorStart,
    Major,
    MinorStart,
    Minor,
    SpacesAfterVersion,
    LineFeed,
    Done,
}

/// The line being read; what it has found so far is in the [`Head`].
#[derive(Clone, Debug)]
pub(crate) struct RequestLine {
    state: State,
    start: usize,
    /// Whether the last byte of the path was a slash.
    after_slash: bool,
    /// Whether a `#` has been seen: what follows is neither path nor query.
    in_fragment: bool,
    minor: u16,
}

impl RequestLine {
    pub(crate) fn new() -> Self {
        Self {
            state: State::BlankLines,
            start: 0,
            after_slash: false,
            in_fragment: false,
            minor: 0,
        }
    }

    /// First byte of the line, `None` before it has begun.
    pub(crate) fn start(&self) -> Option<usize> {
        (self.state != State::BlankLines).then_some(self.start)
    }

    /// Reads on from `pos`. `true` when the line is complete and `pos` after it.
    ///
    /// Source: `ngx_http_parse_request_line()`, nginx 1.31.5; RFC 9112 section 3.
    pub(crate) fn read(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        head: &mut Head,
    ) -> Result<bool, Refusal> {
        while let Some(&byte) = window.get(*pos) {
            match self.state {
                State::BlankLines => self.begin(byte, *pos, head)?,
                State::Method => {
                    self.read_method(window, pos, head)?;
                    continue;
                }
                State::Path => {
                    self.read_path(window, pos, head)?;
                    continue;
                }
                State::Query => {
                    self.read_query(window, pos, head)?;
                    continue;
                }
                State::SpacesBeforeTarget
                | State::Scheme
                | State::SchemeSlash
                | State::SchemeSecondSlash => self.before_authority(byte, *pos, head)?,
                State::SpacesBeforeHost
                | State::HostStart
                | State::Host
                | State::AddressLiteral
                | State::HostEnd
                | State::PortStart
                | State::Port => self.in_authority(byte, *pos, head)?,
                State::SpacesAfterTarget => {
                    if let Some(version) = common_version(window, *pos) {
                        self.end_at_version(version, pos, head);
                        return Ok(true);
                    }
                    self.in_version(byte, *pos, head)?;
                }
                _ => self.in_version(byte, *pos, head)?,
            }
            *pos += 1;
            if self.state == State::Done {
                return self.finish(head).map(|()| true);
            }
        }
        Ok(false)
    }

    fn begin(&mut self, byte: u8, pos: usize, head: &mut Head) -> Result<(), Refusal> {
        match byte {
            b'\r' | b'\n' => Ok(()),
            b'A'..=b'Z' | b'_' | b'-' => {
                self.start = pos;
                head.request_line = Span::new(pos, pos);
                self.state = State::Method;
                Ok(())
            }
            _ => Err(INVALID_METHOD),
        }
    }

    fn read_method(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        head: &mut Head,
    ) -> Result<(), Refusal> {
        while let Some(&byte) = window.get(*pos) {
            match byte {
                b'A'..=b'Z' | b'_' | b'-' => *pos += 1,
                b' ' => {
                    head.method_span = Span::new(self.start, *pos);
                    head.method = Method::from_name(head.method_span.of(window));
                    self.state = match head.method {
                        Method::Connect => State::SpacesBeforeHost,
                        _ => State::SpacesBeforeTarget,
                    };
                    *pos += 1;
                    return Ok(());
                }
                _ => return Err(INVALID_METHOD),
            }
        }
        Ok(())
    }

    /// From after the target to the end of the line.
    fn in_version(&mut self, byte: u8, pos: usize, head: &mut Head) -> Result<(), Refusal> {
        self.state = match (self.state, byte) {
            (State::SpacesAfterTarget, b' ') => State::SpacesAfterTarget,
            (State::SpacesAfterTarget, b'H') => {
                head.protocol = Span::new(pos, pos);
                State::Protocol(1)
            }
            (State::SpacesAfterTarget, b'\r' | b'\n') => {
                head.version = Version::Http09;
                self.end_line(byte, pos, head);
                return Ok(());
            }
            (State::Protocol(1), b'T') => State::Protocol(2),
            (State::Protocol(2), b'T') => State::Protocol(3),
            (State::Protocol(3), b'P') => State::Protocol(4),
            (State::Protocol(4), b'/') => {
                name_connect_path(head, pos);
                State::MajorStart
            }
            (State::MajorStart, b'1') => State::Major,
            (State::Major, b'.') => State::MinorStart,
            (State::MajorStart, b'2'..=b'9') | (State::Major, b'0'..=b'9') => {
                return Err(INVALID_VERSION);
            }
            (State::MinorStart, b'0'..=b'9') => {
                self.minor = u16::from(byte - b'0');
                State::Minor
            }
            (State::Minor, b'0'..=b'9') if self.minor <= 99 => {
                self.minor = self.minor * 10 + u16::from(byte - b'0');
                State::Minor
            }
            (State::Minor | State::SpacesAfterVersion, b' ') => State::SpacesAfterVersion,
            (State::Minor | State::SpacesAfterVersion, b'\r' | b'\n') => {
                head.version = if self.minor == 0 {
                    Version::Http10
                } else {
                    Version::Http11
                };
                head.protocol = head.protocol.to(pos);
                self.end_line(byte, pos, head);
                return Ok(());
            }
            (State::LineFeed, b'\n') => State::Done,
            _ => return Err(INVALID_REQUEST),
        };
        Ok(())
    }

    fn end_line(&mut self, byte: u8, pos: usize, head: &mut Head) {
        head.request_line = head.request_line.to(pos);
        self.state = if byte == b'\n' {
            State::Done
        } else {
            State::LineFeed
        };
    }

    /// The whole of a usual line end is there: `HTTP/1.1` and CR LF.
    fn end_at_version(&mut self, version: Version, pos: &mut usize, head: &mut Head) {
        const VERSION_LEN: usize = b"HTTP/1.1".len();

        name_connect_path(head, *pos + b"HTTP".len());
        head.version = version;
        head.protocol = Span::new(*pos, *pos + VERSION_LEN);
        head.request_line = head.request_line.to(*pos + VERSION_LEN);
        self.state = State::Done;
        *pos += VERSION_LEN + b"\r\n".len();
    }

    fn finish(&self, head: &Head) -> Result<(), Refusal> {
        if head.version == Version::Http09 && head.method != Method::Get {
            return Err(INVALID_METHOD_09);
        }
        Ok(())
    }
}

/// The version, where the line ends the way almost every line does.
#[inline]
fn common_version(window: &[u8], pos: usize) -> Option<Version> {
    let tail = window.get(pos..)?.first_chunk::<10>()?;
    match tail {
        b"HTTP/1.1\r\n" => Some(Version::Http11),
        b"HTTP/1.0\r\n" => Some(Version::Http10),
        _ => None,
    }
}

/// `$request_uri` of CONNECT is `/`: that of its `HTTP/`, the only one in the line.
fn name_connect_path(head: &mut Head, slash: usize) {
    if head.method == Method::Connect {
        head.target.uri = Span::new(slash, slash + 1);
        head.target.path = head.target.uri;
    }
}
