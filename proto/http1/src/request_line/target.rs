//! The target of a request line: RFC 9112 section 3.2, as nginx reads it.

use super::{INVALID_REQUEST, RequestLine, State};
use crate::scan::{URI, UriByte};
use crate::{Head, Method, Refusal, Span, TargetForm};

impl RequestLine {
    /// From after the method to the `//` of an absolute target.
    pub(super) fn before_authority(
        &mut self,
        byte: u8,
        pos: usize,
        head: &mut Head,
    ) -> Result<(), Refusal> {
        self.state = match (self.state, byte) {
            (State::SpacesBeforeTarget, b' ') => State::SpacesBeforeTarget,
            (State::SpacesBeforeTarget, b'/') => {
                self.begin_path(pos, head);
                return Ok(());
            }
            (State::SpacesBeforeTarget, b'a'..=b'z' | b'A'..=b'Z') => {
                head.target.form = TargetForm::Absolute;
                head.target.scheme = Span::new(pos, pos);
                State::Scheme
            }
            (State::Scheme, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.') => {
                State::Scheme
            }
            (State::Scheme, b':') => {
                head.target.scheme = head.target.scheme.to(pos);
                State::SchemeSlash
            }
            (State::SchemeSlash, b'/') => State::SchemeSecondSlash,
            (State::SchemeSecondSlash, b'/') => State::HostStart,
            _ => return Err(INVALID_REQUEST),
        };
        Ok(())
    }

    /// The host and port of an absolute target or of CONNECT.
    pub(super) fn in_authority(
        &mut self,
        byte: u8,
        pos: usize,
        head: &mut Head,
    ) -> Result<(), Refusal> {
        self.state = match (self.state, byte) {
            (State::SpacesBeforeHost, b' ') => State::SpacesBeforeHost,
            (State::SpacesBeforeHost | State::HostStart, _) => {
                head.target.authority = Span::new(pos, pos);
                match byte {
                    b'[' => State::AddressLiteral,
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => State::Host,
                    b':' => State::PortStart,
                    _ => return self.end_authority(byte, pos, head),
                }
            }
            (State::Host, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-') => State::Host,
            (State::Host | State::HostEnd, b':') => State::PortStart,
            (State::AddressLiteral, b']') => State::HostEnd,
            (State::AddressLiteral, byte) if is_in_address_literal(byte) => State::AddressLiteral,
            (State::PortStart | State::Port, b'0'..=b'9') => State::Port,
            (State::AddressLiteral, _) => return Err(INVALID_REQUEST),
            _ => return self.end_authority(byte, pos, head),
        };
        Ok(())
    }

    fn end_authority(&mut self, byte: u8, pos: usize, head: &mut Head) -> Result<(), Refusal> {
        head.target.authority = head.target.authority.to(pos);
        if head.method == Method::Connect {
            // Only `host:port` will do.
            head.target.form = TargetForm::Authority;
            if byte == b' ' && self.state == State::Port {
                self.state = State::SpacesAfterTarget;
                return Ok(());
            }
            return Err(INVALID_REQUEST);
        }

        match byte {
            b'/' => self.begin_path(pos, head),
            b'?' => {
                head.target.empty_path = true;
                head.target.complex = true;
                head.target.uri = Span::new(pos, pos);
                head.target.path = Span::new(pos, pos);
                head.target.query = Some(Span::new(pos + 1, pos + 1));
                self.state = State::Query;
            }
            b' ' => {
                // The `/` that stands for the missing path is the first of the `//`.
                let slash = head.target.scheme.end() + 1;
                head.target.uri = Span::new(slash, slash + 1);
                head.target.path = head.target.uri;
                self.state = State::SpacesAfterTarget;
            }
            _ => return Err(INVALID_REQUEST),
        }
        Ok(())
    }

    fn begin_path(&mut self, pos: usize, head: &mut Head) {
        head.target.uri = Span::new(pos, pos);
        head.target.path = head.target.uri;
        self.after_slash = true;
        self.state = State::Path;
    }

    pub(super) fn read_path(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        head: &mut Head,
    ) -> Result<(), Refusal> {
        loop {
            let rest = window.get(*pos..).unwrap_or_default();
            let is_special = |&byte: &u8| URI[usize::from(byte)] != UriByte::Plain;
            let run = rest.iter().position(is_special).unwrap_or(rest.len());
            *pos += run;
            self.after_slash &= run == 0;
            let Some(&byte) = rest.get(run) else {
                return Ok(());
            };
            let was_after_slash = std::mem::replace(&mut self.after_slash, false);
            match URI[usize::from(byte)] {
                UriByte::Plain => {}
                UriByte::Slash => {
                    head.target.complex |= was_after_slash;
                    self.after_slash = true;
                }
                UriByte::Dot => head.target.complex |= was_after_slash,
                UriByte::Plus => head.target.plus = true,
                UriByte::Percent => {
                    head.target.quoted = true;
                    head.target.complex = true;
                }
                UriByte::Question => {
                    head.target.path = head.target.path.to(*pos);
                    head.target.query = Some(Span::new(*pos + 1, *pos + 1));
                    self.state = State::Query;
                    *pos += 1;
                    return Ok(());
                }
                UriByte::Hash => {
                    head.target.path = head.target.path.to(*pos);
                    self.begin_fragment(pos, head);
                    return Ok(());
                }
                UriByte::Space | UriByte::Cr | UriByte::Lf => {
                    head.target.path = head.target.path.to(*pos);
                    self.end_target(*pos, head);
                    return Ok(());
                }
                UriByte::Bad => return Err(INVALID_REQUEST),
            }
            *pos += 1;
        }
    }

    /// Reads a query, or a fragment, of which only its end matters.
    pub(super) fn read_query(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        head: &mut Head,
    ) -> Result<(), Refusal> {
        loop {
            let rest = window.get(*pos..).unwrap_or_default();
            let is_special = |&byte: &u8| {
                !matches!(
                    URI[usize::from(byte)],
                    UriByte::Plain | UriByte::Slash | UriByte::Dot | UriByte::Percent
                )
            };
            let run = rest.iter().position(is_special).unwrap_or(rest.len());
            *pos += run;
            let Some(&byte) = rest.get(run) else {
                return Ok(());
            };
            match URI[usize::from(byte)] {
                UriByte::Hash if !self.in_fragment => {
                    head.target.query = head.target.query.map(|query| query.to(*pos));
                    self.begin_fragment(pos, head);
                    continue;
                }
                UriByte::Space | UriByte::Cr | UriByte::Lf => {
                    if !self.in_fragment {
                        head.target.query = head.target.query.map(|query| query.to(*pos));
                    }
                    self.end_target(*pos, head);
                    return Ok(());
                }
                UriByte::Bad => return Err(INVALID_REQUEST),
                _ => *pos += 1,
            }
        }
    }

    fn begin_fragment(&mut self, pos: &mut usize, head: &mut Head) {
        head.target.complex = true;
        self.in_fragment = true;
        self.state = State::Query;
        *pos += 1;
    }

    /// The byte at `pos`, a space or a line end, is left to the states that follow.
    fn end_target(&mut self, pos: usize, head: &mut Head) {
        head.target.uri = head.target.uri.to(pos);
        self.state = State::SpacesAfterTarget;
    }
}

/// RFC 3986 section 3.2.2, as nginx reads it: unreserved, sub-delims and colons.
fn is_in_address_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-._~!$&'()*+,;=".contains(&byte)
}
