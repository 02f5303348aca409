//! `map`: a variable whose value follows from other variables through a table.
//!
//! A line of the table is a string, a name of a host with a wildcard (`hostnames`), or a regular
//! expression (`~`). Strings are compared without case, and found before expressions are tried.
//!
//! Source: nginx documentation, ngx_http_map_module.

use engine::directive::{block, lossy, number};
use engine::host_names::{HostName, HostNames};
use engine::variable::VariableNames;
use engine::{
    Arity, Contexts, Directive, Line, Pattern, Refused, Setting, Slot, Template, inherit_fields,
};
use http::variable::{Caching, define};
use http::{Module, Request};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// Sizes of nginx's hash tables. Ours grow as needed; the values are checked and change nothing.
#[derive(Clone)]
struct Settings {
    max_size: Setting<u64>,
    bucket_size: Setting<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_size: Setting::new(2048),
            bucket_size: Setting::new(64),
        }
    }
}

inherit_fields!(Settings {
    max_size,
    bucket_size,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    block("map", Contexts::HTTP, Arity::TWO, |_, line| read(line)),
    number("map_hash_max_size", Contexts::HTTP, 0, u64::MAX, |s| {
        &mut s.max_size
    }),
    number("map_hash_bucket_size", Contexts::HTTP, 0, u64::MAX, |s| {
        &mut s.bucket_size
    }),
];

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Variables by table.
pub(crate) static MODULE: Module = Module {
    name: "map",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// The table of one `map`.
#[derive(Default)]
struct Map {
    strings: HostNames<Template>,
    patterns: Vec<(Pattern, Template)>,
    default: Option<Template>,
    /// Whether keys are names of hosts, so that a dot at the end of one means nothing.
    is_of_hosts: bool,
}

impl Map {
    /// The value for `subject`; `matches` tries an expression.
    fn find(&self, subject: &[u8], matches: impl Fn(&Pattern, &[u8]) -> bool) -> Option<&Template> {
        let subject = match subject {
            [name @ .., b'.'] if self.is_of_hosts => name,
            whole => whole,
        };
        let key = if subject.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(subject.to_ascii_lowercase())
        } else {
            Cow::Borrowed(subject)
        };
        let mut patterns = self.patterns.iter().filter(|_| !subject.is_empty());
        self.strings
            .find(&key)
            .or_else(|| {
                let found = patterns.find(|(pattern, _)| matches(pattern, subject));
                found.map(|(_, value)| value)
            })
            .or(self.default.as_ref())
    }

    fn write(&self, source: &Template, request: &Request, out: &mut Vec<u8>) {
        let matches = |pattern: &Pattern, subject: &[u8]| request.matches(pattern, subject);
        let found = match source.as_constant() {
            Some(subject) => self.find(subject, matches),
            None => self.find(&source.eval(request), matches),
        };
        if let Some(value) = found {
            value.write(request, out);
        }
    }
}

/// `map string $variable { ... }`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let source = line.template(0)?;
    let name = variable_name(line.arg(1))?;
    let mut table = Table::default();
    let directives = line.block();
    for directive in directives {
        table
            .add(directive, &mut line.loading.variables)
            .map_err(|refused| refused.at(directive.end))?;
    }
    let Table { map, caching, .. } = table;
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        map.write(&source, request, out);
        true
    };
    define(line.loading, name, caching, Rc::new(compute))?;
    Ok(())
}

/// The name in `$name`.
///
/// # Errors
///
/// `invalid variable name "..."` without the dollar sign or without a name.
pub(crate) fn variable_name(word: &[u8]) -> Result<&[u8], Refused> {
    match word.strip_prefix(b"$") {
        Some(name) if !name.is_empty() => Ok(name),
        _ => {
            let shown = lossy(word);
            Err(Refused::new(format!("invalid variable name \"{shown}\"")))
        }
    }
}

/// A table while it is being read.
struct Table {
    map: Map,
    caching: Caching,
    /// Values by their text: large tables have few different ones.
    values: HashMap<Vec<u8>, Template>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            map: Map::default(),
            caching: Caching::Once,
            values: HashMap::new(),
        }
    }
}

impl Table {
    /// Adds one line of the block.
    fn add(
        &mut self,
        line: &conf::Directive,
        variables: &mut VariableNames,
    ) -> Result<(), Refused> {
        let key = line.name.text.as_slice();
        let value = match (key, line.args.as_slice()) {
            (b"hostnames", []) => {
                self.map.is_of_hosts = true;
                return Ok(());
            }
            (b"volatile", []) => {
                self.caching = Caching::Never;
                return Ok(());
            }
            (_, [value]) => self.value(&value.text, variables)?,
            _ => return Err(Refused::new("invalid number of the map parameters")),
        };
        match key {
            b"default" if self.map.default.is_some() => {
                return Err(Refused::new("duplicate default map parameter"));
            }
            b"default" => self.map.default = Some(value),
            [b'~', b'*', pattern @ ..] => {
                let pattern = Pattern::compile(pattern, true, variables)?;
                self.map.patterns.push((pattern, value));
            }
            [b'~', pattern @ ..] => {
                let pattern = Pattern::compile(pattern, false, variables)?;
                self.map.patterns.push((pattern, value));
            }
            [b'\\', rest @ ..] => self.add_string(rest, value)?,
            whole => self.add_string(whole, value)?,
        }
        Ok(())
    }

    fn add_string(&mut self, key: &[u8], value: Template) -> Result<(), Refused> {
        let name = key.to_ascii_lowercase();
        let parsed = if self.map.is_of_hosts {
            HostName::parse(&name).ok_or("invalid hostname or wildcard")
        } else {
            Ok(HostName::Exact(&name))
        };
        let added = parsed.and_then(|name| {
            let is_new = self.map.strings.insert(name, value);
            is_new.then_some(()).ok_or("conflicting parameter")
        });
        added.map_err(|why| Refused::new(format!("{why} \"{}\"", lossy(key))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, table_lines};

    /// The value, which must be constant, that `table` has for `subject`.
    #[track_caller]
    fn check_find(table: &str, subject: &str, expected: Option<&str>) {
        let mut read = Table::default();
        for line in table_lines(table) {
            read.add(&line, &mut VariableNames::default()).unwrap();
        }
        let matches = |pattern: &Pattern, subject: &[u8]| pattern.is_match(subject).unwrap();
        let found = read.map.find(subject.as_bytes(), matches);
        let found = found.map(|value| value.as_constant().unwrap());
        assert_eq!(found, expected.map(str::as_bytes), "{subject}");
    }

    #[test]
    fn strings_come_before_patterns_and_the_default_last() {
        let table = "~^a 1; ab 2; ~*^B 3; default 4; \"\" 5; ~. 6; ~^$ 7;";
        check_find(table, "ab", Some("2"));
        check_find(table, "AB", Some("2"));
        check_find(table, "abc", Some("1"));
        check_find(table, "Abc", Some("6"));
        check_find(table, "bc", Some("3"));
        check_find(table, "", Some("5"));
        check_find("~^$ 1;", "", None);
    }

    #[test]
    fn special_words_are_escaped() {
        let table = r"\default 1; \hostnames 2; \~a 3; \\b 4; default 5;";
        check_find(table, "default", Some("1"));
        check_find(table, "hostnames", Some("2"));
        check_find(table, "~a", Some("3"));
        check_find(table, "b", Some("4"));
        check_find(table, "a", Some("5"));
    }

    #[test]
    fn hosts_have_wildcards_and_a_dot_that_means_nothing() {
        let table = "*.no.wildcards 0; hostnames; *.a.com 1; .b.com 2; www.c.* 3; d.com 4;";
        check_find(table, "*.no.wildcards", Some("0"));
        check_find(table, "x.a.com", Some("1"));
        check_find(table, "X.Y.A.COM.", Some("1"));
        check_find(table, "a.com", None);
        check_find(table, "b.com", Some("2"));
        check_find(table, "x.b.com", Some("2"));
        check_find(table, "www.c.org", Some("3"));
        check_find(table, "d.com.", Some("4"));
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        let conflict = "conflicting parameter \"A\"";
        check("map $uri $x { a 1; A 2; }", conflict);
        let wildcard = "invalid hostname or wildcard \"a.*.b\"";
        check("map $uri $x { hostnames; a.*.b 1; }", wildcard);
        let twice = "duplicate default map parameter";
        check("map $uri $x { default 1; default 2; }", twice);
        let count = "invalid number of the map parameters";
        check("map $uri $x { a; }", count);
        check("map $uri $x { a 1 2; }", count);
        check("map $uri x { a 1; }", "invalid variable name \"x\"");
        check("map $uri $uri { a 1; }", "the duplicate \"uri\" variable");
        check("map_hash_max_size 4096; map_hash_bucket_size 128;", "");
        check("map $uri $x { volatile; hostnames; }", "");
    }
}
