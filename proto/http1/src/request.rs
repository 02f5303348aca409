//! The request parser: line after line, within nginx's buffers.

use crate::header_line::{HeaderLine, HeaderStep};
use crate::request_line::RequestLine;
use crate::{Detail, Field, Head, Known, Limits, Refusal, Span, TargetForm, Version};

/// What a call of [`RequestParser::parse`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again with the same bytes and more behind them.
    Partial,
    /// [`host_so_far`](crate::host_so_far) has an answer. Call again with the same bytes, and
    /// with limits that do not stop here. Only with [`Limits::stops_at_host`].
    HostKnown,
    /// The head is complete; the body, or the next request, begins at `head_len`.
    Complete {
        /// Bytes of the head, blank lines before and after it included.
        head_len: usize,
    },
}

/// Parses one request head out of a contiguous buffer that grows between calls.
///
/// A byte is looked at once, however the head is cut into pieces. An invalid byte is refused
/// as soon as it is seen, without waiting for the end of its line.
#[derive(Clone, Debug)]
pub struct RequestParser {
    /// The next byte to look at.
    pos: usize,
    /// Where nginx's current buffer would end; 0 before the first call.
    window_end: usize,
    /// Further buffers in use.
    buffers: usize,
    stage: Stage,
    line: RequestLine,
    header: HeaderLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    RequestLine,
    Header,
    Complete,
}

/// Why reading a window ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    All,
    Host,
}

impl Default for RequestParser {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestParser {
    /// A parser at the first byte of a request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pos: 0,
            window_end: 0,
            buffers: 0,
            stage: Stage::RequestLine,
            line: RequestLine::new(),
            header: HeaderLine::new(),
        }
    }

    /// Starts over, for a new request at the beginning of the buffer.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Whether the request line has ended, so that the wait is for header lines. Tells
    /// whether an error happened `while reading client request line` or `headers`.
    #[must_use]
    pub fn is_past_request_line(&self) -> bool {
        self.stage != Stage::RequestLine
    }

    /// Reads on in `buf`, which must begin with the bytes of the calls before. `head` must be
    /// the same one, [`Head::reset`] before the first call, and is meaningful once the answer
    /// is [`Progress::Complete`] (its request line: once [`Self::is_past_request_line`]).
    ///
    /// # Errors
    ///
    /// [`Refusal`] where nginx refuses: 400 for broken grammar, 414 and 494 for what does not
    /// fit into `limits`, 505 for a major version above 1.
    ///
    /// Source: `ngx_http_parse_request_line()`, `ngx_http_parse_header_line()` and
    /// `ngx_http_alloc_large_header_buffer()`, nginx 1.31.5; RFC 9112.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        head: &mut Head,
    ) -> Result<Progress, Refusal> {
        if self.window_end == 0 {
            self.window_end = limits.initial_buffer.max(1);
        }

        loop {
            let window = buf.get(..self.window_end).unwrap_or(buf);
            if self.read_window(window, limits, head)? == Read::Host {
                return Ok(Progress::HostKnown);
            }
            if self.stage == Stage::Complete {
                return Ok(Progress::Complete { head_len: self.pos });
            }
            if window.len() < self.window_end {
                return Ok(Progress::Partial);
            }
            self.next_buffer(limits, head)?;
        }
    }

    /// Reads until the window or the head ends, or the host is known and that is asked for.
    fn read_window(
        &mut self,
        window: &[u8],
        limits: &Limits,
        head: &mut Head,
    ) -> Result<Read, Refusal> {
        if self.stage == Stage::RequestLine && self.line.read(window, &mut self.pos, head)? {
            self.stage = if head.version == Version::Http09 {
                Stage::Complete
            } else {
                Stage::Header
            };
            if limits.stops_at_host && head.target.form != TargetForm::Origin {
                return Ok(Read::Host);
            }
        }

        while self.stage == Stage::Header {
            match self
                .header
                .read(window, &mut self.pos, limits.underscores_in_headers)?
            {
                HeaderStep::Partial => break,
                HeaderStep::End => self.stage = Stage::Complete,
                HeaderStep::Line {
                    name,
                    value,
                    invalid,
                } => {
                    if invalid && limits.ignore_invalid_headers {
                        ignore(Span::new(name.start(), value.end()), head);
                        continue;
                    }
                    let field = Field::of(name, value, window);
                    if head.fields.len() >= limits.max_headers {
                        return Err(Refusal::new(494, "client sent too many header lines"));
                    }
                    head.push(field);
                    if limits.stops_at_host && field.known == Known::Host {
                        return Ok(Read::Host);
                    }
                }
            }
        }
        Ok(Read::All)
    }

    /// Moves on to a further buffer, as nginx does when one is full: what has been read of
    /// the current line is copied to its beginning.
    fn next_buffer(&mut self, limits: &Limits, head: &Head) -> Result<(), Refusal> {
        let begun = match self.stage {
            Stage::RequestLine => self.line.start(),
            Stage::Header | Stage::Complete => self.header.line_start(),
        };

        if begun.is_none() && self.stage == Stage::RequestLine {
            return self.skip_blank_lines(limits);
        }
        let start = begun.unwrap_or(self.pos);
        let is_line_too_long = begun.is_some() && self.pos - start >= limits.line_max;
        if is_line_too_long || self.buffers >= limits.buffers {
            return Err(self.too_long(head));
        }
        self.buffers += 1;
        self.window_end = start + limits.line_max.max(1);
        Ok(())
    }

    /// nginx reads blank lines before a request forever. Here one more buffer of them is
    /// enough, since the caller cannot drop them before the request line has begun.
    fn skip_blank_lines(&mut self, limits: &Limits) -> Result<(), Refusal> {
        let initial = limits.initial_buffer.max(1);
        if self.window_end > initial {
            return Err(Refusal::bad_request("client sent invalid request"));
        }
        self.window_end = self.pos + initial;
        Ok(())
    }

    fn too_long(&self, head: &Head) -> Refusal {
        if self.stage == Stage::RequestLine {
            return Refusal::new(414, "client sent too long URI");
        }
        if self.header.line_start().is_none() && head.fields.is_empty() && head.ignored == 0 {
            return Refusal::new(494, "client sent too large request");
        }
        let line = Span::new(self.header.last_start(), self.pos);
        Refusal::new(494, "client sent too long header line").quoting(Detail::Cut(line))
    }
}

fn ignore(line: Span, head: &mut Head) {
    if head.ignored == 0 {
        head.first_ignored = line;
    }
    head.ignored += 1;
}
