//! `log_format`: text and variables, and how values are escaped.

use base::escape;
use engine::variable::{Lookup, VariableId, VariableNames};
use engine::{Refused, template};
use std::collections::HashMap;
use std::rc::Rc;

/// What is logged where no format is named. Source: nginx documentation, `log_format`.
const COMBINED: &[u8] = b"$remote_addr - $remote_user [$time_local] \"$request\" $status \
    $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

/// The format `json`, which may be defined otherwise.
const JSON: &[u8] = b"{\"time\":\"$time_iso8601\",\"remote_addr\":\"$remote_addr\",\
    \"remote_user\":\"$remote_user\",\"host\":\"$host\",\"method\":\"$request_method\",\
    \"uri\":\"$request_uri\",\"protocol\":\"$server_protocol\",\"status\":$status,\
    \"body_bytes_sent\":$body_bytes_sent,\"request_length\":$request_length,\
    \"request_time\":$request_time,\"referer\":\"$http_referer\",\
    \"user_agent\":\"$http_user_agent\",\"request_id\":\"$request_id\"}";

/// How values are made safe for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Quotes, backslashes and what is not printable ASCII as `\xXX`; `-` for no value.
    Default,
    /// As the inside of a JSON string.
    Json,
    /// Not at all.
    None,
}

#[derive(Debug)]
enum Part {
    Text(Box<[u8]>),
    Value(VariableId),
}

/// A compiled format.
#[derive(Debug)]
pub(super) struct Format {
    parts: Box<[Part]>,
    escape: Escape,
}

impl Format {
    /// Compiles `texts`, which follow one another without anything in between.
    ///
    /// # Errors
    ///
    /// `invalid parameter "$..."` for a `$` without a name, and
    /// `the closing bracket in "..." variable is missing`.
    pub(super) fn compile<'t>(
        texts: impl IntoIterator<Item = &'t [u8]>,
        escape: Escape,
        names: &mut VariableNames,
    ) -> Result<Self, Refused> {
        let mut parts = Vec::new();
        for text in texts {
            let mut rest = text;
            while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
                push_text(&mut parts, &rest[..dollar]);
                let (name, after) = variable_name(&rest[dollar..])?;
                parts.push(Part::Value(names.resolve(name)));
                rest = after;
            }
            push_text(&mut parts, rest);
        }
        Ok(Self {
            parts: parts.into(),
            escape,
        })
    }

    /// Appends the line for `session`, without its end.
    pub(super) fn render(&self, session: &dyn Lookup, line: &mut Vec<u8>) {
        for part in &*self.parts {
            match part {
                Part::Text(text) => line.extend_from_slice(text),
                Part::Value(id) => {
                    let start = line.len();
                    if session.write_variable(*id, line) {
                        self.escape.apply(line, start);
                    } else if self.escape == Escape::Default {
                        line.push(b'-');
                    }
                }
            }
        }
    }
}

impl Escape {
    /// Escapes what `line` has from `start` on.
    fn apply(self, line: &mut Vec<u8>, start: usize) {
        let value = &line[start..];
        // Nearly all values are clean. Looking at every byte, without stopping at the first
        // bad one, takes a vector register at a time.
        let is_clean = match self {
            Self::None => true,
            Self::Default => !value
                .iter()
                .fold(false, |bad, byte| bad | needs_escape(*byte)),
            Self::Json => !value
                .iter()
                .fold(false, |bad, byte| bad | needs_json(*byte)),
        };
        if is_clean {
            return;
        }
        let value = line.split_off(start);
        match self {
            Self::Json => escape::json(&value, line),
            _ => escape::log(&value, line),
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\'
}

fn needs_json(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_text(parts: &mut Vec<Part>, text: &[u8]) {
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
}

/// Reads `$name` or `${name}`; gives the name and what follows.
///
/// A digit alone is a name here like any other: captures are not logged.
fn variable_name(text: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    let invalid = || {
        let shown = String::from_utf8_lossy(text);
        Refused::new(format!("invalid parameter \"{shown}\""))
    };
    let rest = text.get(1..).unwrap_or_default();
    let bracketed = rest.strip_prefix(b"{");
    let inner = bracketed.unwrap_or(rest);
    let end = inner
        .iter()
        .position(|byte| !template::is_name_byte(*byte))
        .unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    if bracketed.is_none() {
        return if name.is_empty() {
            Err(invalid())
        } else {
            Ok((name, after))
        };
    }
    match after.split_first() {
        _ if inner.is_empty() => Err(invalid()),
        Some((b'}', after)) if !name.is_empty() => Ok((name, after)),
        Some((b'}', _)) => Err(invalid()),
        _ => Err(Refused::new(format!(
            "the closing bracket in \"{}\" variable is missing",
            String::from_utf8_lossy(name)
        ))),
    }
}

/// The formats of a load by name.
#[derive(Default)]
pub(super) struct Formats {
    defined: HashMap<Vec<u8>, Rc<Format>>,
    combined: Option<Rc<Format>>,
    json: Option<Rc<Format>>,
}

impl Formats {
    /// Adds a format.
    ///
    /// # Errors
    ///
    /// `duplicate "log_format" name "..."`.
    pub(super) fn define(&mut self, name: &[u8], format: Format) -> Result<(), Refused> {
        if name == b"combined" || self.defined.contains_key(name) {
            let shown = String::from_utf8_lossy(name);
            return Err(Refused::new(format!(
                "duplicate \"log_format\" name \"{shown}\""
            )));
        }
        self.defined.insert(name.to_vec(), Rc::new(format));
        Ok(())
    }

    /// The format called `name`, in any case as nginx has it: defined above, or built in.
    pub(super) fn find(&mut self, name: &[u8], names: &mut VariableNames) -> Option<Rc<Format>> {
        let (slot, text, escape) = if name.eq_ignore_ascii_case(b"combined") {
            (&mut self.combined, COMBINED, Escape::Default)
        } else {
            if let Some(format) = self.defined.get(name) {
                return Some(Rc::clone(format));
            }
            let mut others = self.defined.iter();
            if let Some((_, format)) = others.find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Some(Rc::clone(format));
            }
            if name != b"json" {
                return None;
            }
            (&mut self.json, JSON, Escape::Json)
        };
        if slot.is_none() {
            *slot = Format::compile([text], escape, names).ok().map(Rc::new);
        }
        slot.clone()
    }
}
