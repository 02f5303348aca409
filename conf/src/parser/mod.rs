//! Builds the tree: directives into blocks, included files into the place of their `include`.
//!
//! Source: `ngx_conf_parse()` and `ngx_conf_include()`, nginx 1.31.5.

mod binary_base;
mod include;

use std::path::Path;
use std::sync::Arc;

use include::{is_free_form, is_include};

use crate::files::{Files, Refusal};
use crate::lexer::{Lexer, Recovery, SyntaxError, Token};
use crate::limits::{MAX_BLOCK_DEPTH, MAX_ERRORS};
use crate::{Directive, Error, FileId, FileKind, Focus, Position, Source, Tree, Word};

/// What the directives being read stand in.
#[derive(Clone, Copy)]
struct Frame<'a> {
    /// How many blocks are open, across files.
    depth: usize,
    /// The name of the innermost one.
    block: &'a [u8],
    /// Its `{`, if that is in the text being read.
    opened: Option<Position>,
}

/// Outside every block.
const OUTERMOST: Frame<'static> = Frame {
    depth: 0,
    block: b"",
    opened: None,
};

/// One text that is being read.
struct Text<'a> {
    lexer: Lexer<'a>,
    kind: FileKind,
    /// Nothing of it can be trusted any more; it counts as ended.
    given_up: bool,
}

/// What is known while a configuration is being read.
pub(crate) struct Parser<'a> {
    conf_prefix: &'a Path,
    source: &'a dyn Source,
    files: Files,
    directives: Vec<Directive>,
    errors: Vec<Error>,
    /// How many of them are fatal.
    faults: usize,
    /// The last value of [`Position::sequence`].
    sequence: u32,
    /// A limit was passed: nothing more is read.
    stopped: bool,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(conf_prefix: &'a Path, source: &'a dyn Source) -> Self {
        Self {
            conf_prefix,
            source,
            files: Files::default(),
            directives: Vec::new(),
            errors: Vec::new(),
            faults: 0,
            sequence: 0,
            stopped: false,
        }
    }

    /// What was read.
    pub(crate) fn finish(self) -> (Tree, Vec<Error>) {
        (
            Tree {
                files: self.files.into_list(),
                directives: self.directives,
            },
            self.errors,
        )
    }

    /// Reads the directives of `-g`.
    pub(crate) fn read_parameters(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let text: Arc<[u8]> = text.into();
        let id = self.files.add_parameters(Arc::clone(&text));
        let directives = self.read_text(&text, id, FileKind::CommandLine, OUTERMOST);
        self.directives.extend(directives);
    }

    /// Reads the main file.
    pub(crate) fn read_main(&mut self, path: &Path) {
        match self.read_file(path, OUTERMOST) {
            Ok(directives) => self.directives.extend(directives),
            Err(refusal) => self.report(refusal.error(path)),
        }
    }

    fn read_file(&mut self, path: &Path, frame: Frame<'_>) -> Result<Vec<Directive>, Refusal> {
        let (id, text) = self.files.open(path, self.source)?;
        let directives = self.read_text(&text, id, FileKind::File, frame);
        self.files.close();
        Ok(directives)
    }

    fn read_text(
        &mut self,
        text: &[u8],
        id: FileId,
        kind: FileKind,
        frame: Frame<'_>,
    ) -> Vec<Directive> {
        let mut text = Text {
            lexer: Lexer::new(text, id, kind),
            kind,
            given_up: false,
        };
        // A block that was opened elsewhere cannot be closed here.
        self.read_directives(
            &mut text,
            Frame {
                opened: None,
                ..frame
            },
        )
        .0
    }

    /// Reads directives up to the end of the block or of the text, and returns where that was.
    fn read_directives(
        &mut self,
        text: &mut Text<'_>,
        frame: Frame<'_>,
    ) -> (Vec<Directive>, Option<Position>) {
        let mut directives = Vec::new();
        let mut words = Vec::new();
        while !self.stopped && !text.given_up {
            match text.lexer.next(&mut words, &mut self.sequence) {
                Ok(Token::Semicolon(end)) => {
                    self.add_simple(std::mem::take(&mut words), end, frame, &mut directives);
                }
                Ok(Token::Open(end)) => {
                    let words = std::mem::take(&mut words);
                    directives.extend(self.read_block(text, words, end, frame));
                }
                Ok(Token::Close(end)) if frame.opened.is_some() => return (directives, Some(end)),
                Ok(Token::Close(end)) => self.report(stray_brace(end, frame)),
                Ok(Token::End(end)) => {
                    self.check_end(text, end, frame);
                    break;
                }
                Err(error) => {
                    let closed = self.recover(text, error, &mut words, frame, &mut directives);
                    if closed.is_some() && frame.opened.is_some() {
                        return (directives, closed);
                    }
                }
            }
        }
        (directives, None)
    }

    /// Reports a fault and brings the reading back on its feet; returns the `}` if it was one.
    fn recover(
        &mut self,
        text: &mut Text<'_>,
        fault: SyntaxError,
        words: &mut Vec<Word>,
        frame: Frame<'_>,
        directives: &mut Vec<Directive>,
    ) -> Option<Position> {
        let (recovery, position) = (fault.recovery, fault.position);
        self.report(fault.into());
        match recovery {
            Recovery::Resume => {}
            Recovery::Skip => words.clear(),
            Recovery::GiveUp => text.given_up = true,
            Recovery::Anonymous => {
                self.read_nested(text, b"", position, frame);
            }
            Recovery::Close => {
                self.add_simple(std::mem::take(words), position, frame, directives);
                return Some(position);
            }
        }
        None
    }

    /// Adds a directive that ended in `;`, or what it includes.
    fn add_simple(
        &mut self,
        words: Vec<Word>,
        end: Position,
        frame: Frame<'_>,
        directives: &mut Vec<Directive>,
    ) {
        let Some(directive) = directive(words, end) else {
            return;
        };
        if !is_include(&directive, frame) {
            return directives.push(directive);
        }
        if directive.args.len() != 1 {
            let message = "invalid number of arguments in \"include\" directive";
            return self.report(Error::of(&directive, message));
        }
        if self.is_kept_apart(&directive, frame, directives) {
            return directives.push(directive);
        }
        self.include(&directive, frame, directives);
    }

    /// Reads the block of a directive that ended in `{`.
    fn read_block(
        &mut self,
        text: &mut Text<'_>,
        words: Vec<Word>,
        end: Position,
        frame: Frame<'_>,
    ) -> Option<Directive> {
        let mut directive = directive(words, end)?;
        let refused = self.check_may_open(&directive, text.kind, frame);
        if directive.name.text.ends_with(b"_by_lua_block") {
            directive.raw = Some(text.lexer.take_raw_block().to_vec());
        }
        let (block, block_end) = self.read_nested(text, &directive.name.text, end, frame);
        directive.block = Some(block);
        directive.block_end = block_end;
        (!refused).then_some(directive)
    }

    /// Says so when a block cannot be here whatever the directive is; `true` if it cannot.
    fn check_may_open(&mut self, directive: &Directive, kind: FileKind, frame: Frame<'_>) -> bool {
        let message = if kind == FileKind::CommandLine {
            "block directives are not supported in -g option"
        } else if is_include(directive, frame) && !is_free_form(frame) {
            "directive \"include\" is not terminated by \";\""
        } else {
            return false;
        };
        self.report(Error::of(directive, message));
        true
    }

    /// Reads what stands behind the `{` at `opened`, up to its `}`.
    fn read_nested(
        &mut self,
        text: &mut Text<'_>,
        name: &[u8],
        opened: Position,
        frame: Frame<'_>,
    ) -> (Vec<Directive>, Option<Position>) {
        if frame.depth >= MAX_BLOCK_DEPTH {
            let message = format!("more than {MAX_BLOCK_DEPTH} blocks inside one another");
            self.report(Error::emerg(opened, message));
            self.stopped = true;
            return (Vec::new(), None);
        }
        let inner = Frame {
            depth: frame.depth + 1,
            block: name,
            opened: Some(opened),
        };
        let (mut directives, end) = self.read_directives(text, inner);
        self.read_kept_apart(&mut directives, inner);
        (directives, end)
    }

    /// Says so when the text ends within a block.
    fn check_end(&mut self, text: &mut Text<'_>, end: Position, frame: Frame<'_>) {
        let Some(opened) = frame.opened else {
            return;
        };
        // The blocks around it end here too, which need not be said again.
        text.given_up = true;
        let block = String::from_utf8_lossy(frame.block);
        let hint = format!(
            "the block \"{block}\" opened at line {} is not closed",
            opened.line
        );
        let error = Error::emerg(end, "unexpected end of file, expecting \"}\"").with_hint(hint);
        self.report(Error {
            focus: Some(Focus {
                position: opened,
                length: 1,
            }),
            ..error
        });
    }

    /// Adds an error, unless there are so many that nothing more is read.
    fn report(&mut self, error: Error) {
        if !error.is_fatal() {
            return self.errors.push(error);
        }
        if self.faults < MAX_ERRORS {
            self.errors.push(error);
            self.faults += 1;
        }
        self.stopped |= self.faults >= MAX_ERRORS;
    }
}

/// The directive that `words` make.
fn directive(words: Vec<Word>, end: Position) -> Option<Directive> {
    let mut words = words.into_iter();
    let name = words.next()?;
    let args = words.collect();
    Some(Directive {
        name,
        args,
        block: None,
        included: None,
        raw: None,
        end,
        block_end: None,
    })
}

/// The error for a `}` that closes nothing.
fn stray_brace(position: Position, frame: Frame<'_>) -> Error {
    let error = Error::emerg(position, "unexpected \"}\"");
    if frame.depth == 0 {
        return error;
    }
    error.with_hint("a block must be closed in the file in which it was opened")
}

impl From<SyntaxError> for Error {
    fn from(fault: SyntaxError) -> Self {
        Self {
            hint: fault.hint.map(str::to_owned),
            focus: fault.cause.map(|position| Focus {
                position,
                length: 1,
            }),
            ..Self::emerg(fault.position, fault.message)
        }
    }
}
