//! Cuts one text into directives' words, byte for byte as nginx does.
//!
//! The rules that surprise: a quote opens a quoted word only at the start of a word; a backslash
//! takes the next byte along whatever it is; `${` keeps the brace from opening a block, and so does
//! every further `{` right behind it; `}` closes a block only at the start of a word; and a word,
//! or a comment, must fit into nginx's read buffer.
//!
//! Source: `ngx_conf_read_token()`, nginx 1.31.5.

mod fault;
mod raw;
mod unescape;

use crate::limits::MAX_PARAMETER_BYTES;
use crate::{FileId, FileKind, Position, Word};

pub(crate) use fault::{Recovery, SyntaxError};
use raw::lua_block_length;
use unescape::unescape;

/// What ended a run of words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Token {
    /// `;`
    Semicolon(Position),
    /// `{`
    Open(Position),
    /// `}`, with no words before it.
    Close(Position),
    /// The end of the text, with no words before it.
    End(Position),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Between words.
    Gap,
    /// Behind `#`, up to the end of the line.
    Comment,
    /// In a word without quotes.
    Bare,
    /// In a word with these quotes.
    Quoted(u8),
    /// Behind a closing quote, where only space, `;`, `{` and `)` may follow.
    AfterQuote,
}

/// Reads one text.
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    file: FileId,
    /// Whether words must fit into the buffer through which nginx reads files.
    kind: FileKind,
    /// The next byte to read.
    at: usize,
    line: u32,
    line_start: usize,
    /// The first byte that nginx keeps in its buffer: that of the current word or comment.
    start: usize,
    /// The end of what nginx has in its buffer.
    buffered: usize,
    state: State,
    /// The byte before was a backslash.
    escaped: bool,
    /// The bytes before were `$`, or `$` and braces.
    variable: bool,
    /// Where the current word or comment began.
    word_at: Position,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8], file: FileId, kind: FileKind) -> Self {
        Self {
            text,
            file,
            kind,
            at: 0,
            line: 1,
            line_start: 0,
            start: 0,
            buffered: 0,
            state: State::Gap,
            escaped: false,
            variable: false,
            word_at: Position::default(),
        }
    }

    /// Reads words into `words` up to what ends them. `sequence` counts tokens.
    pub(crate) fn next(
        &mut self,
        words: &mut Vec<Word>,
        sequence: &mut u32,
    ) -> Result<Token, SyntaxError> {
        self.state = State::Gap;
        self.escaped = false;
        self.variable = false;
        self.start = self.at;
        loop {
            let Some(byte) = self.take(sequence)? else {
                return self.end(words, sequence);
            };
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
                if self.state == State::Comment {
                    self.state = State::Gap;
                }
            }
            if self.state == State::Comment {
                continue;
            }
            if std::mem::take(&mut self.escaped) {
                continue;
            }
            if self.state == State::AfterQuote && !self.check_after_quote(byte, sequence)? {
                continue;
            }
            let ended = match self.state {
                State::Gap => self.begin_word(byte, words, sequence)?,
                _ => self.continue_word(byte, words, sequence),
            };
            if let Some(token) = ended {
                return Ok(token);
            }
        }
    }

    /// Skips the body of a block in another language, up to the brace that closes it, and
    /// returns it. Braces in Lua's strings and comments do not count.
    pub(crate) fn take_raw_block(&mut self) -> &'a [u8] {
        let body = self.text.get(self.at..).unwrap_or_default();
        let length = lua_block_length(body);
        let (raw, _) = body.split_at(length);
        for &byte in raw {
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
            }
        }
        self.start = self.at;
        self.buffered = self.buffered.max(self.at);
        raw
    }

    /// The next byte, `None` at the end of the text, or an error when nginx's buffer is full.
    fn take(&mut self, sequence: &mut u32) -> Result<Option<u8>, SyntaxError> {
        let Some(&byte) = self.text.get(self.at) else {
            return Ok(None);
        };
        if self.at == self.buffered && self.kind == FileKind::File {
            if self.at - self.start == MAX_PARAMETER_BYTES {
                return Err(self.too_long(sequence));
            }
            self.buffered = self.text.len().min(self.start + MAX_PARAMETER_BYTES);
        }
        self.at += 1;
        Ok(Some(byte))
    }

    /// Judges the byte behind a closing quote: whether it begins or ends something.
    fn check_after_quote(&mut self, byte: u8, sequence: &mut u32) -> Result<bool, SyntaxError> {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                self.state = State::Gap;
                Ok(false)
            }
            b';' | b'{' | b')' => {
                self.state = State::Gap;
                Ok(true)
            }
            _ => {
                let mut error = self.unexpected(byte, sequence);
                error.hint = Some("a space, \";\", \"{\" or \")\" must follow a closing quote");
                // A quote that closed on another line most likely closed by mistake.
                let same_line = self.word_at.line == self.line;
                error.recovery = if same_line {
                    Recovery::Resume
                } else {
                    Recovery::GiveUp
                };
                error.cause = (!same_line).then_some(self.word_at);
                self.at -= 1;
                Err(error)
            }
        }
    }

    /// Handles a byte between words.
    fn begin_word(
        &mut self,
        byte: u8,
        words: &[Word],
        sequence: &mut u32,
    ) -> Result<Option<Token>, SyntaxError> {
        self.start = self.at - 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return Ok(None),
            b';' if words.is_empty() => return Err(self.unexpected(byte, sequence)),
            b'{' if words.is_empty() => {
                let error = self.unexpected(byte, sequence);
                return Err(SyntaxError {
                    recovery: Recovery::Anonymous,
                    ..error
                });
            }
            b'}' if !words.is_empty() => {
                let error = self.unexpected(byte, sequence);
                let hint = Some("the directive before it must end with \";\"");
                return Err(SyntaxError {
                    recovery: Recovery::Close,
                    hint,
                    ..error
                });
            }
            b';' => return Ok(Some(Token::Semicolon(self.here(sequence)))),
            b'{' => return Ok(Some(Token::Open(self.here(sequence)))),
            b'}' => return Ok(Some(Token::Close(self.here(sequence)))),
            _ => {}
        }
        self.word_at = self.place(self.start);
        self.state = match byte {
            b'#' => State::Comment,
            b'"' | b'\'' => {
                self.start += 1;
                State::Quoted(byte)
            }
            _ => State::Bare,
        };
        self.escaped = byte == b'\\';
        self.variable = byte == b'$';
        Ok(None)
    }

    /// Handles a byte within a word.
    fn continue_word(
        &mut self,
        byte: u8,
        words: &mut Vec<Word>,
        sequence: &mut u32,
    ) -> Option<Token> {
        if byte == b'{' && self.variable {
            return None;
        }
        self.variable = byte == b'$';
        self.escaped = byte == b'\\';

        if let State::Quoted(quote) = self.state {
            if byte == quote {
                self.push_word(words, true, sequence);
                self.state = State::AfterQuote;
            }
            return None;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => {
                self.push_word(words, false, sequence);
                self.state = State::Gap;
            }
            _ => return None,
        }
        match byte {
            b';' => Some(Token::Semicolon(self.here(sequence))),
            b'{' => Some(Token::Open(self.here(sequence))),
            _ => None,
        }
    }

    /// Adds the word that ends before the byte just taken.
    fn push_word(&mut self, words: &mut Vec<Word>, quoted: bool, sequence: &mut u32) {
        *sequence += 1;
        let position = Position {
            sequence: *sequence,
            ..self.word_at
        };
        let raw = self.text.get(self.start..self.at - 1).unwrap_or_default();
        words.push(Word {
            text: unescape(raw),
            position,
            quoted,
        });
    }

    /// Where the byte just taken stands.
    fn here(&self, sequence: &mut u32) -> Position {
        self.tick(self.place(self.at - 1), sequence)
    }

    fn tick(&self, place: Position, sequence: &mut u32) -> Position {
        *sequence += 1;
        Position {
            sequence: *sequence,
            ..place
        }
    }

    /// Line and column of byte `at` of the current line.
    fn place(&self, at: usize) -> Position {
        let column = u32::try_from(at - self.line_start.min(at) + 1).unwrap_or(u32::MAX);
        Position {
            file: self.file,
            line: self.line,
            column,
            sequence: 0,
        }
    }
}
