//! What can be wrong with a text, and how reading may go on.

use super::{Lexer, State, Token};
use crate::{FileKind, Position, Word};

/// How the reader may go on after a [`SyntaxError`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Recovery {
    /// Read the next directive.
    Skip,
    /// Read on, keeping the words collected so far.
    Resume,
    /// Take the words as a directive that ended here, then close the block.
    Close,
    /// A block without a name begins here.
    Anonymous,
    /// Nothing that follows can be trusted.
    GiveUp,
}

/// A fault of the text.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Where nginx reports it.
    pub(crate) position: Position,
    /// Where the cause is, when it is somewhere else.
    pub(crate) cause: Option<Position>,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
    pub(crate) recovery: Recovery,
}

impl Lexer<'_> {
    /// The end of the text: fine between directives, an error within one.
    pub(super) fn end(&mut self, words: &[Word], sequence: &mut u32) -> Result<Token, SyntaxError> {
        let position = self.tick(self.place(self.at), sequence);
        if words.is_empty() && matches!(self.state, State::Gap | State::Comment) {
            return Ok(Token::End(position));
        }
        let message = match self.kind {
            FileKind::File => "unexpected end of file, expecting \";\" or \"}\"",
            FileKind::CommandLine => "unexpected end of parameter, expecting \";\"",
        };
        let (cause, hint) = match self.state {
            State::Quoted(_) => (Some(self.word_at), "this quote is never closed"),
            _ => (
                words.first().map(|word| word.position),
                "this directive never ends",
            ),
        };
        Err(SyntaxError {
            position,
            cause,
            message: message.to_owned(),
            hint: cause.is_some().then_some(hint),
            recovery: Recovery::GiveUp,
        })
    }

    /// The error for a word or comment that does not fit into nginx's buffer.
    pub(super) fn too_long(&mut self, sequence: &mut u32) -> SyntaxError {
        let message = match self.state {
            State::Quoted(quote) => format!(
                "too long parameter, probably missing terminating \"{}\" character",
                char::from(quote)
            ),
            _ => {
                let shown = self
                    .text
                    .get(self.start..self.start + 10)
                    .unwrap_or_default();
                format!(
                    "too long parameter \"{}...\" started",
                    String::from_utf8_lossy(shown)
                )
            }
        };
        let hint = match self.state {
            State::Comment => "a comment line may be at most 4095 bytes long",
            _ => "a parameter may be at most 4095 bytes long",
        };
        SyntaxError {
            position: self.tick(self.word_at, sequence),
            cause: None,
            message,
            hint: Some(hint),
            recovery: Recovery::GiveUp,
        }
    }

    pub(super) fn unexpected(&self, byte: u8, sequence: &mut u32) -> SyntaxError {
        SyntaxError {
            position: self.here(sequence),
            cause: None,
            message: format!("unexpected \"{}\"", String::from_utf8_lossy(&[byte])),
            hint: None,
            recovery: Recovery::Skip,
        }
    }
}
