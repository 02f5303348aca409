//! Text with `$variables`, compiled when the configuration loads (nginx: complex value).

use crate::line::Refused;
use crate::variable::{Lookup, VariableId, VariableNames};
use std::rc::Rc;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Variable(VariableId),
    Capture(usize),
}

/// Text with variables in it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Rc<[Part]>,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            parts: Rc::from([]),
        }
    }
}

impl Template {
    /// A template without variables.
    pub fn constant(text: &[u8]) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self {
            parts: Rc::from([Part::Text(text.into())]),
        }
    }

    /// Compiles `text`, in which `$name`, `${name}` and `$1` stand for values.
    ///
    /// # Errors
    ///
    /// `invalid variable name` after a `$` without one, and
    /// `the closing bracket in "..." variable is missing`.
    pub fn compile(text: &[u8], names: &mut VariableNames) -> Result<Self, Refused> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(dollar) = rest.iter().position(|&byte| byte == b'$') {
            push_text(&mut parts, &rest[..dollar]);
            let (part, after) = reference(&rest[dollar + 1..], names)?;
            parts.push(part);
            rest = after;
        }
        push_text(&mut parts, rest);
        Ok(Self {
            parts: parts.into(),
        })
    }

    /// The text, if it has no variables.
    pub fn as_constant(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the text is empty whatever the request.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a capture of a regular expression (`$1`) is used.
    pub fn uses_captures(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Capture(_)))
    }

    /// The variables used, in order.
    pub fn variables(&self) -> impl Iterator<Item = VariableId> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(id) => Some(*id),
            _ => None,
        })
    }

    /// Appends the value for `session` to `out`. What has no value adds nothing.
    #[inline]
    pub fn write(&self, session: &dyn Lookup, out: &mut Vec<u8>) {
        for part in &*self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(id) => {
                    session.write_variable(*id, out);
                }
                Part::Capture(number) => {
                    session.write_capture(*number, out);
                }
            }
        }
    }

    /// The value for `session`.
    pub fn eval(&self, session: &dyn Lookup) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(session, &mut out);
        out
    }

    /// Walks over the pieces: constant text to `text`, variables and captures to `value`.
    ///
    /// For users that treat values otherwise than text, as access logs (escaping) and
    /// `rewrite` (quoting of captures) do.
    pub fn for_each(&self, mut visit: impl FnMut(Piece<'_>)) {
        for part in &*self.parts {
            visit(match part {
                Part::Text(text) => Piece::Text(text),
                Part::Variable(id) => Piece::Variable(*id),
                Part::Capture(number) => Piece::Capture(*number),
            });
        }
    }
}

/// One piece of a template, for [`Template::for_each`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Constant text.
    Text(&'t [u8]),
    /// A variable.
    Variable(VariableId),
    /// A capture of the last match.
    Capture(usize),
}

fn push_text(parts: &mut Vec<Part>, text: &[u8]) {
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
}

/// Reads what follows a `$`.
fn reference<'t>(text: &'t [u8], names: &mut VariableNames) -> Result<(Part, &'t [u8]), Refused> {
    if let Some(digit @ b'1'..=b'9') = text.first() {
        return Ok((Part::Capture(usize::from(digit - b'0')), &text[1..]));
    }
    let (name, rest) = match text.strip_prefix(b"{") {
        Some(inner) => {
            let Some(close) = inner.iter().position(|&byte| byte == b'}') else {
                return Err(Refused::new(format!(
                    "the closing bracket in \"{}\" variable is missing",
                    String::from_utf8_lossy(inner)
                )));
            };
            (&inner[..close], &inner[close + 1..])
        }
        None => {
            let end = text
                .iter()
                .position(|byte| !is_name_byte(*byte))
                .unwrap_or(text.len());
            text.split_at(end)
        }
    };
    if name.is_empty() || !name.iter().all(|&byte| is_name_byte(byte)) {
        return Err(Refused::new("invalid variable name"));
    }
    if let [digit @ b'1'..=b'9'] = name {
        return Ok((Part::Capture(usize::from(digit - b'0')), rest));
    }
    Ok((Part::Variable(names.resolve(name)), rest))
}

/// Whether `byte` may stand in a variable's name.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Lookup for Fixed {
        fn write_variable(&self, id: VariableId, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(format!("<{}>", id.index()).as_bytes());
            true
        }

        fn write_capture(&self, number: usize, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(format!("({number})").as_bytes());
            true
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let mut names = VariableNames::default();
        let got = Template::compile(text.as_bytes(), &mut names)
            .map(|template| String::from_utf8(template.eval(&Fixed)).unwrap());
        match expected {
            Ok(value) => assert_eq!(got.as_deref().ok(), Some(value)),
            Err(message) => assert_eq!(got.unwrap_err().message(), message),
        }
    }

    #[test]
    fn values_stand_between_text() {
        check("", Ok(""));
        check("plain", Ok("plain"));
        check("$a-$b$A", Ok("<0>-<1><0>"));
        check("${a}b$1x${2}", Ok("<0>b(1)x(2)"));
        check("/$12", Ok("/(1)2"));
    }

    #[test]
    fn bad_names_are_refused_in_nginx_words() {
        check("a$", Err("invalid variable name"));
        check("$-", Err("invalid variable name"));
        check("${}", Err("invalid variable name"));
        check(
            "${a",
            Err("the closing bracket in \"a\" variable is missing"),
        );
    }

    #[test]
    fn constants_are_known() {
        assert_eq!(Template::constant(b"x").as_constant(), Some(&b"x"[..]));
        assert_eq!(Template::default().as_constant(), Some(&b""[..]));
        let mut names = VariableNames::default();
        assert_eq!(
            Template::compile(b"$x", &mut names).unwrap().as_constant(),
            None
        );
    }
}
