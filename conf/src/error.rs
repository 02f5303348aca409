//! What is wrong with a configuration, in nginx's words and at nginx's line.

use std::fmt;

use crate::limits::MAX_MESSAGE_BYTES;
use crate::{Directive, FileKind, Position, Tree, Word, foreign_module, nearest};

/// How bad it is, by nginx's names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// The configuration cannot be used.
    Emerg,
    /// Something of the system failed.
    Alert,
    /// Reading failed half way.
    Crit,
    /// Something failed that the configuration can do without.
    Error,
    /// It works, but hardly as meant.
    Warn,
    /// Worth knowing.
    Notice,
}

impl Level {
    /// The word between the brackets of a log line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Notice => "notice",
        }
    }
}

/// The words that an excerpt marks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Focus {
    /// The first marked byte.
    pub position: Position,
    /// How many bytes are marked; those past the end of the line are not.
    pub length: u32,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// How bad it is.
    pub level: Level,
    /// What nginx says, without level and place.
    pub message: String,
    /// Where nginx says it is: mostly [`Directive::end`]. `None` when no place is named.
    pub position: Option<Position>,
    /// What the excerpt marks; `None` marks `position`.
    pub focus: Option<Focus>,
    /// What to do about it, in our words.
    pub hint: Option<String>,
    /// Whether the configuration works all the same, although the level is that of a failure.
    pub is_harmless: bool,
}

impl Error {
    /// An error that names no place.
    #[must_use]
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            position: None,
            focus: None,
            hint: None,
            is_harmless: false,
        }
    }

    /// An `[emerg]` at `position`.
    #[must_use]
    pub fn emerg(position: Position, message: impl Into<String>) -> Self {
        Self::new(Level::Emerg, message).at(position)
    }

    /// An `[emerg]` of a directive: nginx names the line where it ends, the excerpt marks its name.
    #[must_use]
    pub fn of(directive: &Directive, message: impl Into<String>) -> Self {
        Self::emerg(directive.end, message).focus_on(&directive.name)
    }

    /// The same at another place.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// The same with `word` marked in the excerpt.
    #[must_use]
    pub fn focus_on(mut self, word: &Word) -> Self {
        let quotes = if word.quoted { 2 } else { 0 };
        let length = u32::try_from(word.text.len() + quotes).unwrap_or(u32::MAX);
        self.focus = Some(Focus {
            position: word.position,
            length,
        });
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same where the configuration can do without what failed.
    #[must_use]
    pub fn harmless(mut self) -> Self {
        self.is_harmless = true;
        self
    }

    /// Whether a configuration with such an error must not be used.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.level < Level::Warn && !self.is_harmless
    }

    /// The error for a directive that nobody knows: says which module of nginx or of others has
    /// it, or which of the `known` names is nearest.
    #[must_use]
    pub fn unknown_directive<'a>(
        directive: &Directive,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let name = directive.name.display();
        let error = Self::of(directive, format!("unknown directive \"{name}\""));
        if let Some(rest) = name.strip_prefix('\u{feff}') {
            return error.with_hint(format!(
                "the file starts with a byte order mark; save it as UTF-8 without one, so that \
                 this reads \"{rest}\""
            ));
        }
        if let Some(foreign) = foreign_module(&name) {
            return error.with_hint(foreign.to_string());
        }
        match nearest(&name, known) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    }

    /// The line that nginx prints: `nginx: [emerg] unknown directive "foo" in FILE:LINE`.
    #[must_use]
    pub fn nginx_line(&self, tree: &Tree) -> String {
        format!("nginx: [{}] {}", self.level, self.located(tree))
    }

    /// Message and place without the prefix, as it goes to an error log.
    #[must_use]
    pub fn located(&self, tree: &Tree) -> String {
        let message = cut(&self.message);
        let place = self.position.and_then(|at| Some((at, tree.file(at.file)?)));
        match place {
            Some((_, file)) if file.kind == FileKind::CommandLine => {
                format!("{message} in command line")
            }
            Some((at, file)) => format!("{message} in {}:{}", file.path.display(), at.line),
            None => message.to_owned(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The message without what nginx's buffer could not hold.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

/// Puts errors in the order in which nginx would have met them, those without any place last.
///
/// nginx checks each directive as it reads it, so its first error may be one of meaning or one
/// of syntax; sorted, the first line printed here is the one that nginx prints.
pub fn sort_errors(errors: &mut [Error]) {
    errors.sort_by_key(|error| {
        let place = error.position.or(error.focus.map(|focus| focus.position));
        place.map_or(u32::MAX, |position| position.sequence)
    });
}
