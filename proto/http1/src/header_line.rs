//! One header line as a resumable machine. Requests, responses and trailers share it.

use crate::scan::{self, NAME, NameByte};
use crate::{Detail, Field, Known, Refusal, Span};

/// What reading came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeaderStep {
    /// The bytes ran out.
    Partial,
    /// A whole line.
    Line {
        field: Field,
        /// Whether the name has bytes that no name should have.
        invalid: bool,
    },
    /// The empty line after the last one.
    End,
}

/// Where in a line the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Name,
    SpaceBeforeValue,
    Value,
    /// At the CR or LF that ends a line, or after its CR.
    LineEnd,
    /// After the CR of the empty line.
    HeaderEnd,
}

/// The line being read.
#[derive(Clone, Debug)]
pub(crate) struct HeaderLine {
    state: State,
    invalid: bool,
    /// First byte of this line, or of the one before while none has begun.
    start: usize,
    name: Span,
    value: Span,
}

impl HeaderLine {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Start,
            invalid: false,
            start: 0,
            name: Span::default(),
            value: Span::default(),
        }
    }

    /// First byte of the line that is being read, `None` between two lines.
    pub(crate) fn line_start(&self) -> Option<usize> {
        (self.state != State::Start).then_some(self.start)
    }

    /// From the name to the end of the value, of the line begun last.
    pub(crate) fn last_line(&self) -> Span {
        Span::new(self.start, self.value.end())
    }

    /// Reads on from `pos`, up to the end of the line or of `window`.
    ///
    /// Source: `ngx_http_parse_header_line()`, nginx 1.31.5.
    pub(crate) fn read(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        underscores: bool,
    ) -> Result<HeaderStep, Refusal> {
        while let Some(&byte) = window.get(*pos) {
            match (self.state, byte) {
                (State::Start, b'\r') => {
                    self.begin_line(*pos);
                    self.state = State::HeaderEnd;
                    *pos += 1;
                }
                (State::Start | State::HeaderEnd, b'\n') => {
                    self.state = State::Start;
                    *pos += 1;
                    return Ok(HeaderStep::End);
                }
                (State::Start, _) => {
                    self.begin_line(*pos);
                    if byte == b':' {
                        return Err(self.refusal(*pos, byte));
                    }
                    self.state = State::Name;
                }
                (State::Name, _) => self.read_name(window, pos, underscores)?,
                (State::SpaceBeforeValue, b' ') => *pos += 1,
                (State::SpaceBeforeValue, _) => {
                    self.value = Span::new(*pos, *pos);
                    self.state = State::Value;
                }
                (State::Value, _) => self.read_value(window, pos)?,
                (State::LineEnd, b'\n') => {
                    self.state = State::Start;
                    *pos += 1;
                    return Ok(self.line(window));
                }
                // Any number of CRs before the LF, as nginx takes them.
                (State::LineEnd, b'\r') => *pos += 1,
                (State::LineEnd, _) => return Err(self.refusal(self.value.end(), b'\r')),
                (State::HeaderEnd, _) => return Err(self.refusal(self.start, b'\r')),
            }
        }
        Ok(HeaderStep::Partial)
    }

    fn begin_line(&mut self, pos: usize) {
        self.start = pos;
        self.invalid = false;
        self.value = Span::new(pos, pos);
    }

    /// Reads a name up to its colon, or up to a line end: then there is no value.
    fn read_name(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        underscores: bool,
    ) -> Result<(), Refusal> {
        while let Some(&byte) = window.get(*pos) {
            match NAME[usize::from(byte)] {
                NameByte::Plain => {}
                NameByte::Underscore => self.invalid |= !underscores,
                NameByte::Odd => self.invalid = true,
                NameByte::Bad => return Err(self.refusal(*pos, byte)),
                NameByte::Colon => {
                    self.name = Span::new(self.start, *pos);
                    self.state = State::SpaceBeforeValue;
                    *pos += 1;
                    return Ok(());
                }
                NameByte::LineEnd => {
                    self.name = Span::new(self.start, *pos);
                    self.value = Span::new(*pos, *pos);
                    self.state = State::LineEnd;
                    return Ok(());
                }
            }
            *pos += 1;
        }
        Ok(())
    }

    /// Reads a value up to its line end, and drops the spaces before that.
    fn read_value(&mut self, window: &[u8], pos: &mut usize) -> Result<(), Refusal> {
        let rest = window.get(*pos..).unwrap_or_default();
        let Some(length) = scan::line_control(rest) else {
            *pos = window.len();
            return Ok(());
        };

        *pos += length;
        if window.get(*pos) == Some(&0) {
            return Err(self.refusal(*pos, 0));
        }
        let value = self.value.to(*pos);
        let text = value.of(window);
        let trailing = text.iter().rev().take_while(|&&byte| byte == b' ').count();
        self.value = value.to(*pos - trailing);
        self.state = State::LineEnd;
        Ok(())
    }

    fn line(&self, window: &[u8]) -> HeaderStep {
        let known = Known::from_name(self.name.of(window));
        let field = Field {
            name: self.name,
            value: self.value,
            known,
        };
        HeaderStep::Line {
            field,
            invalid: self.invalid,
        }
    }

    fn refusal(&self, end: usize, byte: u8) -> Refusal {
        let line = Span::new(self.start, end);
        Refusal::bad_request("client sent invalid header line").quoting(Detail::BadByte(line, byte))
    }
}
