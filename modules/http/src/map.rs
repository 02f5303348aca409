//! `map`: a variable whose value follows from other variables through a table.
//!
//! A line of the table is a string, a name of a host with a wildcard (`hostnames`), or a regular
//! expression (`~`). Strings are compared without case, and found before expressions are tried.
//!
//! Source: nginx documentation, ngx_http_map_module.

use crate::table::{self, Keys, Matches};
use engine::directive::{block, lossy, number};
use engine::host_names::{HostName, HostNames};
use engine::variable::VariableNames;
use engine::{
    Arity, Contexts, Directive, Pattern, Refused, Setting, Slot, Template, inherit_fields,
};
use http::Module;
use std::borrow::Cow;

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
    block("map", Contexts::HTTP, Arity::TWO, |_, line| {
        table::read::<Map>(line)
    }),
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

/// The keys of one `map`.
#[derive(Default)]
struct Map {
    strings: HostNames<Template>,
    patterns: Vec<(Pattern, Template)>,
    /// Whether keys are names of hosts, so that a dot at the end of one means nothing.
    is_of_hosts: bool,
}

impl Keys for Map {
    const DIRECTIVE: &'static str = "map";

    fn option(&mut self, word: &[u8]) -> bool {
        self.is_of_hosts |= word == b"hostnames";
        word == b"hostnames"
    }

    fn add(
        &mut self,
        key: &[u8],
        value: Template,
        variables: &mut VariableNames,
    ) -> Result<(), Refused> {
        match key {
            [b'~', b'*', pattern @ ..] => {
                let pattern = Pattern::compile(pattern, true, variables)?;
                self.patterns.push((pattern, value));
            }
            [b'~', pattern @ ..] => {
                let pattern = Pattern::compile(pattern, false, variables)?;
                self.patterns.push((pattern, value));
            }
            [b'\\', rest @ ..] => self.add_string(rest, value)?,
            whole => self.add_string(whole, value)?,
        }
        Ok(())
    }

    fn find(&self, subject: &[u8], matches: Matches<'_>) -> Option<&Template> {
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
        self.strings.find(&key).or_else(|| {
            let found = patterns.find(|(pattern, _)| matches(pattern, subject));
            found.map(|(_, value)| value)
        })
    }
}

impl Map {
    fn add_string(&mut self, key: &[u8], value: Template) -> Result<(), Refused> {
        let name = key.to_ascii_lowercase();
        let parsed = if self.is_of_hosts {
            HostName::parse(&name).ok_or("invalid hostname or wildcard")
        } else {
            Ok(HostName::Exact(&name))
        };
        let added = parsed.and_then(|name| {
            let is_new = self.strings.insert(name, value);
            is_new.then_some(()).ok_or("conflicting parameter")
        });
        added.map_err(|why| Refused::new(format!("{why} \"{}\"", lossy(key))))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[track_caller]
    fn check_find(lines: &str, subject: &str, expected: Option<&str>) {
        table::check_find::<Map>(lines, subject, expected);
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
