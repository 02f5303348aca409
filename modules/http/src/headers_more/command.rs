//! One directive: its options, and the fields that it is about.

use engine::directive::lossy;
use engine::{Line, Refused, Template};
use http::Bytes;
use std::rc::Rc;

/// What one directive says.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    /// Statuses that it is for; empty for all.
    pub(super) statuses: Vec<u16>,
    /// Media types that it is for; empty for all.
    pub(super) types: Vec<Vec<u8>>,
    /// Whether fields are added beside those that are there.
    pub(super) appends: bool,
    /// Whether only fields that are there get a new value.
    pub(super) replaces: bool,
    pub(super) fields: Vec<Field>,
}

impl Command {
    /// Whether it is for a message with a body of `content_type`.
    pub(super) fn is_for_type(&self, content_type: Option<&[u8]>) -> bool {
        let wanted = |content_type: &[u8]| self.types.iter().any(|known| known == content_type);
        self.types.is_empty() || content_type.is_some_and(wanted)
    }
}

/// A field, or several.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Without the asterisk at the end of a pattern.
    pub(super) name: Bytes,
    /// Whether it stands for all fields whose names begin so.
    pub(super) is_pattern: bool,
    /// The new value; an empty one takes the field away.
    pub(super) value: Template,
}

impl Field {
    /// Whether this is about a field of this name.
    pub(super) fn is_about(&self, name: &[u8]) -> bool {
        if self.is_pattern {
            base::bytes::starts_with_ignore_case(name, &self.name)
        } else {
            name.eq_ignore_ascii_case(&self.name)
        }
    }
}

/// What a directive takes.
#[derive(Clone, Copy)]
pub(super) struct Syntax {
    /// The letters of its options.
    options: &'static [u8],
    /// Whether values are read, and not passed over.
    has_values: bool,
}

pub(super) const OUTPUT: Syntax = Syntax {
    options: b"tsa",
    has_values: true,
};
pub(super) const OUTPUT_CLEAR: Syntax = Syntax {
    options: b"ts",
    has_values: false,
};
pub(super) const INPUT: Syntax = Syntax {
    options: b"tr",
    has_values: true,
};
pub(super) const INPUT_CLEAR: Syntax = Syntax {
    options: b"tr",
    has_values: false,
};

/// Fields of responses that are there once, whatever is added.
const SINGLE: [&str; 14] = [
    "Server",
    "Date",
    "Content-Encoding",
    "Location",
    "Refresh",
    "Last-Modified",
    "Content-Range",
    "Accept-Ranges",
    "WWW-Authenticate",
    "Expires",
    "E-Tag",
    "Content-Length",
    "Content-Type",
    "Cache-Control",
];

/// Reads `[-t types] [-s statuses] [-a] [-r] field...`.
pub(super) fn read(line: &mut Line<'_>, syntax: Syntax) -> Result<Command, Refused> {
    let mut command = Command::default();
    let mut index = 0;
    while index < line.args().len() {
        let word = line.arg(index);
        index += 1;
        let letter = match word {
            [b'-', letter] if syntax.options.contains(letter) => *letter,
            [b'-', ..] => {
                let (name, shown) = (line.name(), lossy(word));
                let message = format!("{name}: invalid option name: \"{shown}\"");
                return Err(Refused::new(message));
            }
            [] => continue,
            _ => {
                let field = read_field(line, word, syntax.has_values)?;
                command.fields.push(field);
                continue;
            }
        };
        match letter {
            b'a' => command.appends = true,
            b'r' => command.replaces = true,
            letter => {
                if index == line.args().len() {
                    let (name, letter) = (line.name(), char::from(letter));
                    let message = format!("{name}: option -{letter} takes an argument.");
                    return Err(Refused::new(message));
                }
                let list = line.arg(index);
                index += 1;
                if letter == b't' {
                    command.types.extend(types(list));
                } else {
                    command.statuses.extend(statuses(line.name(), list)?);
                }
            }
        }
    }
    let is_single = |field: &&Field| SINGLE.iter().any(|name| field.is_about(name.as_bytes()));
    if let Some(single) = command.fields.iter().find(is_single)
        && command.appends
    {
        let (name, shown) = (line.name(), lossy(&single.name));
        let message = format!("{name}: can not append builtin headers \"{shown}\"");
        return Err(Refused::new(message));
    }
    Ok(command)
}

/// Media types, between spaces or semicolons.
fn types(list: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let words = list.split(|byte| byte.is_ascii_whitespace() || *byte == b';');
    words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec)
}

/// Statuses, between spaces.
fn statuses(directive: &str, list: &[u8]) -> Result<Vec<u16>, Refused> {
    let is_wrong = |byte: &&u8| !byte.is_ascii_digit() && !byte.is_ascii_whitespace();
    if let Some(wrong) = list.iter().find(is_wrong) {
        let (wrong, shown) = (char::from(*wrong), lossy(list));
        return Err(Refused::new(format!(
            "{directive}: invalid digit \"{wrong}\" found in the status code list \"{shown}\""
        )));
    }
    let words = list.split(u8::is_ascii_whitespace);
    let status = |word: &[u8]| base::units::parse_decimal(word).ok()?.try_into().ok();
    // No response has a status of five digits or more.
    Ok(words.filter_map(status).collect())
}

/// Reads `name: value`, `name:` or `name`.
fn read_field(line: &mut Line<'_>, word: &[u8], has_value: bool) -> Result<Field, Refused> {
    let is_end = |byte: &u8| *byte == b':' || byte.is_ascii_whitespace();
    let told = |line: &Line<'_>, what: &str| {
        let (name, shown) = (line.name(), lossy(word));
        Refused::new(format!("{name}: {what}: {shown}"))
    };
    let text = word.trim_ascii_start();
    if text.is_empty() {
        return Err(told(line, "no key found in the header argument"));
    }
    // A colon at the very start belongs to the name, which then cannot be sent.
    let end = text[1..].iter().position(is_end);
    let (name, rest) = text.split_at(end.map_or(text.len(), |end| end + 1));
    let (name, is_pattern) = match name.strip_suffix(b"*") {
        Some(b"") => return Err(told(line, "wildcard key too short")),
        Some(start) => (start, true),
        None => (name, false),
    };
    if name
        .iter()
        .any(|byte| byte.is_ascii_control() || *byte == b':')
    {
        return Err(told(line, "invalid key in the header argument"));
    }
    let start = rest.iter().position(|byte| !is_end(byte));
    let value = match start {
        Some(start) if has_value => line.compile(&rest[start..])?,
        _ => Template::default(),
    };
    Ok(Field {
        name: Bytes::Shared(Rc::from(name)),
        is_pattern,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::line;

    fn read_text(text: &str, syntax: Syntax) -> Command {
        line(text, |line| read(line, syntax)).unwrap()
    }

    /// Name, whether it is a pattern, and value, as `name`, `name*` and `: value` write them.
    fn fields(command: &Command) -> Vec<String> {
        let field = |field: &Field| {
            let star = if field.is_pattern { "*" } else { "" };
            let value = field.value.as_constant().unwrap();
            format!("{}{star}: {}", lossy(&field.name), lossy(value))
        };
        command.fields.iter().map(field).collect()
    }

    #[test]
    fn options_and_fields() {
        let command = read_text(
            "x -s '404 500' -t 'text/html; text/plain' -s 503 'A: b: c ' B 'C :d' D:",
            OUTPUT,
        );
        assert_eq!(command.statuses, [404, 500, 503]);
        assert_eq!(command.types, [&b"text/html"[..], b"text/plain"]);
        assert_eq!(fields(&command), ["A: b: c ", "B: ", "C: d", "D: "]);
        assert!(!command.appends && !command.replaces);
        assert!(read_text("x -a A:b", OUTPUT).appends);
        assert!(read_text("x -r A:b", INPUT).replaces);
    }

    #[test]
    fn patterns_and_names() {
        let command = read_text("x 'X-*: value' Y", OUTPUT_CLEAR);
        assert_eq!(fields(&command), ["X-*: ", "Y: "]);
        assert!(command.fields[0].is_about(b"x-any"));
        assert!(!command.fields[0].is_about(b"x"));
        assert!(command.fields[1].is_about(b"y"));
        assert!(!command.fields[1].is_about(b"yy"));
    }

    #[test]
    fn types_are_those_named() {
        let command = read_text("x -t text/html A:b", OUTPUT);
        assert!(command.is_for_type(Some(b"text/html")));
        assert!(!command.is_for_type(Some(b"text/plain")));
        assert!(!command.is_for_type(None));
        assert!(read_text("x A:b", OUTPUT).is_for_type(None));
    }
}
