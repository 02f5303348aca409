//! What `map` and `num_map` have in common: a block of keys with values, and a variable that has
//! the value of the key that is found.

use crate::map::variable_name;
use engine::variable::VariableNames;
use engine::{Line, Pattern, Refused, Template};
use http::Request;
use http::variable::{Caching, define};
use std::collections::HashMap;
use std::rc::Rc;

/// Whether a pattern matches a text.
pub(crate) type Matches<'m> = &'m dyn Fn(&Pattern, &[u8]) -> bool;

/// The keys of a table, with their values.
pub(crate) trait Keys: Default + 'static {
    /// The directive, as errors name it.
    const DIRECTIVE: &'static str;

    /// Takes in a word that stands alone and says something of the keys; `false` for an unknown
    /// one.
    fn option(&mut self, word: &[u8]) -> bool;

    /// Adds a key.
    fn add(
        &mut self,
        key: &[u8],
        value: Template,
        variables: &mut VariableNames,
    ) -> Result<(), Refused>;

    /// The value for `subject`; `matches` tries a pattern.
    fn find(&self, subject: &[u8], matches: Matches<'_>) -> Option<&Template>;
}

/// A table.
#[derive(Default)]
struct Table<K> {
    keys: K,
    /// For what no key is found for.
    default: Option<Template>,
}

impl<K: Keys> Table<K> {
    fn find(&self, subject: &[u8], matches: Matches<'_>) -> Option<&Template> {
        let found = self.keys.find(subject, matches);
        found.or(self.default.as_ref())
    }

    fn write(&self, source: &Template, request: &Request, out: &mut Vec<u8>) {
        let matches = |pattern: &Pattern, subject: &[u8]| request.matches(pattern, subject);
        let found = match source.as_constant() {
            Some(subject) => self.find(subject, &matches),
            None => self.find(&source.eval(request), &matches),
        };
        if let Some(value) = found {
            value.write(request, out);
        }
    }
}

/// `DIRECTIVE string $variable { ... }`
pub(crate) fn read<K: Keys>(line: &mut Line<'_>) -> Result<(), Refused> {
    let source = line.template(0)?;
    let name = variable_name(line.arg(1))?;
    let mut reader = Reader::<K>::default();
    for directive in line.block() {
        reader
            .add(directive, &mut line.loading.variables)
            .map_err(|refused| refused.at(directive.end))?;
    }
    let caching = if reader.is_volatile {
        Caching::Never
    } else {
        Caching::Once
    };
    let table = reader.table;
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        table.write(&source, request, out);
        true
    };
    define(line.loading, name, caching, Rc::new(compute))?;
    Ok(())
}

/// A table while it is being read.
#[derive(Default)]
struct Reader<K> {
    table: Table<K>,
    is_volatile: bool,
    /// Values by their text: large tables have few different ones.
    values: HashMap<Vec<u8>, Template>,
}

impl<K: Keys> Reader<K> {
    /// Adds one line of the block.
    fn add(
        &mut self,
        line: &conf::Directive,
        variables: &mut VariableNames,
    ) -> Result<(), Refused> {
        let key = line.name.text.as_slice();
        let value = match (key, line.args.as_slice()) {
            (b"volatile", []) => {
                self.is_volatile = true;
                return Ok(());
            }
            (option, []) if self.table.keys.option(option) => return Ok(()),
            (_, [value]) => self.value(&value.text, variables)?,
            _ => {
                let name = K::DIRECTIVE;
                let message = format!("invalid number of the {name} parameters");
                return Err(Refused::new(message));
            }
        };
        if key != b"default" {
            return self.table.keys.add(key, value, variables);
        }
        match self.table.default.replace(value) {
            None => Ok(()),
            Some(_) => {
                let name = K::DIRECTIVE;
                let message = format!("duplicate default {name} parameter");
                Err(Refused::new(message))
            }
        }
    }

    fn value(&mut self, text: &[u8], variables: &mut VariableNames) -> Result<Template, Refused> {
        if let Some(value) = self.values.get(text) {
            return Ok(value.clone());
        }
        let value = Template::compile(text, variables)?;
        self.values.insert(text.to_vec(), value.clone());
        Ok(value)
    }
}

/// Checks the value, which must be constant, that the table with these `lines` has for `subject`.
#[cfg(test)]
#[track_caller]
pub(crate) fn check_find<K: Keys>(lines: &str, subject: &str, expected: Option<&str>) {
    let mut reader = Reader::<K>::default();
    for line in crate::testing::table_lines(lines) {
        reader.add(&line, &mut VariableNames::default()).unwrap();
    }
    let matches = |pattern: &Pattern, subject: &[u8]| pattern.is_match(subject).unwrap();
    let found = reader.table.find(subject.as_bytes(), &matches);
    let found = found.map(|value| value.as_constant().unwrap());
    assert_eq!(found, expected.map(str::as_bytes), "{subject}");
}
