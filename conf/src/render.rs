//! An error as a terminal shows it: nginx's line, the place in the text, and what to do.

use std::fmt::Write;

use crate::{Error, Focus, Level, Tree};

/// Longest excerpt of a line, in characters.
const MAX_EXCERPT_CHARS: usize = 160;

impl Error {
    /// nginx's line, then the excerpt with the cause underlined, then the hint.
    ///
    /// The first line is what [`Error::nginx_line`] gives, so that tools find what they look for.
    /// Control characters of the text are shown as `?`: a configuration cannot drive a terminal.
    #[must_use]
    pub fn render_terminal(&self, tree: &Tree, color: bool) -> String {
        let paint = Paint {
            color,
            code: if self.level < Level::Warn { "31" } else { "33" },
        };
        let mut shown = format!("{}\n", paint.bold(&self.nginx_line(tree)));
        if let Some(excerpt) = self.excerpt(tree, &paint) {
            shown.push_str(&excerpt);
        }
        if let Some(hint) = &self.hint {
            // Writing to a string does not fail.
            let _ = writeln!(shown, "  {} {hint}", paint.marked("hint:"));
        }
        shown
    }

    /// The line of the cause with a line of carets below.
    fn excerpt(&self, tree: &Tree, paint: &Paint) -> Option<String> {
        let focus = match (self.focus, self.position) {
            (Some(focus), _) => focus,
            (None, position) => Focus {
                position: position?,
                length: 1,
            },
        };
        let text = &tree.file(focus.position.file)?.text;
        let line = usize::try_from(focus.position.line).ok()?.checked_sub(1)?;
        let line = text.split(|&byte| byte == b'\n').nth(line)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);

        let column = usize::try_from(focus.position.column)
            .ok()?
            .saturating_sub(1);
        let (before, marked) = line.split_at(column.min(line.len()));
        let length = usize::try_from(focus.length).ok()?.min(marked.len());
        let (marked, after) = marked.split_at(length);

        let before = tail(&visible(before), MAX_EXCERPT_CHARS / 2);
        let marked = head(&visible(marked), MAX_EXCERPT_CHARS / 2);
        let after = head(&visible(after), MAX_EXCERPT_CHARS / 2);
        let number = focus.position.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(before.chars().count());
        let carets = "^".repeat(marked.chars().count().max(1));
        Some(format!(
            "  {number} | {before}{}{after}\n  {margin} | {indent}{}\n",
            paint.marked(&marked),
            paint.marked(&carets),
        ))
    }
}

/// Whether and in which colour the cause is shown.
struct Paint {
    color: bool,
    /// The SGR parameter of the level.
    code: &'static str,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn marked(&self, text: &str) -> String {
        self.wrap(self.code, text)
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Text that takes one column a character: tabs as a space, control characters as `?`.
fn visible(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '?',
            c => c,
        })
        .collect()
}

/// The first `limit` characters.
fn head(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The last `limit` characters.
fn tail(text: &str, limit: usize) -> String {
    let skipped = text.chars().count().saturating_sub(limit);
    text.chars().skip(skipped).collect()
}
