//! One header line as a resumable machine. Requests, responses and trailers share it.

use crate::scan::{NAME, NameByte};
use crate::{Detail, Refusal, Span};
use base::words;

/// What reading came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeaderStep {
    /// The bytes ran out.
    Partial,
    /// A whole line.
    Line {
        name: Span,
        value: Span,
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
    /// At the CR or LF of the empty line.
    HeaderEnd,
    /// After its CR.
    LastLineFeed,
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

/// A line written as nearly all are: a plain name, a colon, one space, a value, CR LF.
struct WholeLine {
    name: Span,
    value: Span,
    /// Where the next line begins.
    next: usize,
}

impl WholeLine {
    /// Finds one at `pos`, in about a third of the machine's time; `None` for whatever needs a
    /// closer look.
    #[inline]
    fn find(window: &[u8], pos: usize) -> Option<Self> {
        let rest = window.get(pos..)?;
        let name = words::name_end(rest)?;
        let value = rest.get(name..)?.strip_prefix(b": ")?;
        let length = words::line_control(value)?;
        let (text, end) = value.split_at_checked(length)?;
        if name == 0 || !end.starts_with(b"\r\n") {
            return None;
        }
        if matches!(text, [] | [b' ', ..] | [.., b' ']) {
            return None;
        }
        let start = pos + name + b": ".len();
        Some(Self {
            name: Span::new(pos, pos + name),
            value: Span::new(start, start + length),
            next: start + length + b"\r\n".len(),
        })
    }
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

    /// First byte of the line begun last.
    pub(crate) fn last_start(&self) -> usize {
        self.start
    }

    /// Reads on from `pos`, up to the end of the line or of `window`.
    ///
    /// Source: `ngx_http_parse_header_line()`, nginx 1.31.5.
    #[inline]
    pub(crate) fn read(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        underscores: bool,
    ) -> Result<HeaderStep, Refusal> {
        if self.state == State::Start {
            if let Some(line) = WholeLine::find(window, *pos) {
                self.start = *pos;
                *pos = line.next;
                return Ok(HeaderStep::Line {
                    name: line.name,
                    value: line.value,
                    invalid: false,
                });
            }
            let rest = window.get(*pos..).unwrap_or_default();
            if rest.starts_with(b"\r\n") {
                *pos += b"\r\n".len();
                return Ok(HeaderStep::End);
            }
        }
        self.read_closely(window, pos, underscores)
    }

    /// Reads a line that is not all there, or not as usual. Not a part of [`Self::read`], which is
    /// a part of every loop over lines.
    #[inline(never)]
    fn read_closely(
        &mut self,
        window: &[u8],
        pos: &mut usize,
        underscores: bool,
    ) -> Result<HeaderStep, Refusal> {
        // The states follow each other, so a line that is all there takes one pass.
        if self.state == State::Start {
            let Some(&byte) = window.get(*pos) else {
                return Ok(HeaderStep::Partial);
            };
            self.begin_line(*pos);
            self.state = match byte {
                b'\r' | b'\n' => State::HeaderEnd,
                b':' => return Err(self.refusal(*pos, byte)),
                _ => State::Name,
            };
        }
        if self.state == State::Name {
            self.read_name(window, pos, underscores)?;
        }
        if self.state == State::SpaceBeforeValue {
            self.skip_spaces(window, pos);
        }
        if self.state == State::Value {
            self.read_value(window, pos)?;
        }
        match self.state {
            State::LineEnd => self.end_line(window, pos),
            State::HeaderEnd | State::LastLineFeed => self.end_header(window, pos),
            _ => Ok(HeaderStep::Partial),
        }
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
        loop {
            let rest = window.get(*pos..).unwrap_or_default();
            let Some(run) = words::name_end(rest) else {
                *pos = window.len();
                return Ok(());
            };
            *pos += run;
            let byte = rest.get(run).copied().unwrap_or_default();
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
    }

    fn skip_spaces(&mut self, window: &[u8], pos: &mut usize) {
        let rest = window.get(*pos..).unwrap_or_default();
        match rest.iter().position(|&byte| byte != b' ') {
            Some(spaces) => {
                *pos += spaces;
                self.value = Span::new(*pos, *pos);
                self.state = State::Value;
            }
            None => *pos = window.len(),
        }
    }

    /// Reads a value up to its line end, and drops the spaces before that.
    fn read_value(&mut self, window: &[u8], pos: &mut usize) -> Result<(), Refusal> {
        let rest = window.get(*pos..).unwrap_or_default();
        let Some(length) = words::line_control(rest) else {
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

    /// Takes the LF, and any number of CRs before it, as nginx does.
    fn end_line(&mut self, window: &[u8], pos: &mut usize) -> Result<HeaderStep, Refusal> {
        loop {
            match window.get(*pos) {
                Some(b'\n') => break,
                Some(b'\r') => *pos += 1,
                Some(_) => return Err(self.refusal(self.value.end(), b'\r')),
                None => return Ok(HeaderStep::Partial),
            }
        }
        *pos += 1;
        self.state = State::Start;
        Ok(HeaderStep::Line {
            name: self.name,
            value: self.value,
            invalid: self.invalid,
        })
    }

    /// Takes the empty line: one CR or none, and the LF.
    fn end_header(&mut self, window: &[u8], pos: &mut usize) -> Result<HeaderStep, Refusal> {
        if self.state == State::HeaderEnd && window.get(*pos) == Some(&b'\r') {
            *pos += 1;
            self.state = State::LastLineFeed;
        }
        match window.get(*pos) {
            Some(b'\n') => {
                *pos += 1;
                self.state = State::Start;
                Ok(HeaderStep::End)
            }
            Some(_) => Err(self.refusal(self.start, b'\r')),
            None => Ok(HeaderStep::Partial),
        }
    }

    fn refusal(&self, end: usize, byte: u8) -> Refusal {
        let line = Span::new(self.start, end);
        Refusal::bad_request("client sent invalid header line").quoting(Detail::BadByte(line, byte))
    }
}
