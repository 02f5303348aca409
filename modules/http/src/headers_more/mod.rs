//! `more_set_headers`, `more_clear_headers` and their `input` halves: fields of responses and of
//! requests are set, replaced or taken away, whoever made them.
//!
//! Responses are changed after conditions were tested and before `add_header` adds to them, be
//! they successes or failures; requests at the end of the rewrite phase. What an outer level says
//! is done first, then what the inner one says.
//!
//! Source: the documentation of headers-more-nginx-module 0.39, a third-party module for nginx.

mod command;
mod input;
mod output;

use command::Command;
use engine::directive::custom;
use engine::setting::Inherit;
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot};
use http::{Filter, Handler, Module, Phase, Stage};

/// What is done to the fields of a location.
#[derive(Clone, Default)]
struct Settings {
    output: Setting<Vec<Command>>,
    input: Setting<Vec<Command>>,
}

impl Inherit for Settings {
    fn inherit(&mut self, outer: &Self) {
        prepend(&mut self.output, &outer.output);
        prepend(&mut self.input, &outer.input);
    }
}

fn prepend(own: &mut Setting<Vec<Command>>, outer: &Setting<Vec<Command>>) {
    if own.is_set() {
        let commands = outer.iter().chain(own.iter()).cloned().collect();
        own.set(commands);
    } else {
        own.inherit(outer);
    }
}

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("more_set_headers", CONTEXTS, Arity::SOME, |s, line| {
        s.output.edit().push(command::read(line, command::OUTPUT)?);
        Ok(())
    }),
    custom("more_clear_headers", CONTEXTS, Arity::SOME, |s, line| {
        let command = command::read(line, command::OUTPUT_CLEAR)?;
        s.output.edit().push(command);
        Ok(())
    }),
    custom(
        "more_set_input_headers",
        CONTEXTS,
        Arity::SOME,
        |s, line| {
            s.input.edit().push(command::read(line, command::INPUT)?);
            Ok(())
        },
    ),
    custom(
        "more_clear_input_headers",
        CONTEXTS,
        Arity::SOME,
        |s, line| {
            let command = command::read(line, command::INPUT_CLEAR)?;
            s.input.edit().push(command);
            Ok(())
        },
    ),
];

const CONTEXTS: Contexts = Contexts::ALL_AND_IF;

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Fields of responses and requests.
pub(crate) static MODULE: Module = Module {
    name: "headers_more_filter",
    settings: &[&SETTINGS],
    handlers: &[Handler::now(Phase::Rewrite, has_input, input::run)],
    filters: &[Filter::new(Stage::Headers, has_output, output::start)],
    ..Module::EMPTY
};

fn has_input(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).input.is_empty()
}

fn has_output(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).output.is_empty()
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn mistakes_are_told() {
        check("more_set_headers -s '404 500' -t 'text/html' 'A: b' B;", "");
        check("more_set_headers -a 'A: $host';", "");
        check("more_clear_headers -s 404 X-*;", "");
        check("more_set_input_headers -r -t text/plain 'A: b';", "");
        check("more_clear_input_headers A 'B*';", "");
        check(
            "more_set_headers -t;",
            "more_set_headers: option -t takes an argument.",
        );
        check(
            "more_set_headers -s 40x A;",
            "more_set_headers: invalid digit \"x\" found in the status code list \"40x\"",
        );
        check(
            "more_set_input_headers -s 404 A;",
            "more_set_input_headers: invalid option name: \"-s\"",
        );
        check(
            "more_clear_headers -a A;",
            "more_clear_headers: invalid option name: \"-a\"",
        );
        check(
            "more_set_headers -a 'Server: x';",
            "more_set_headers: can not append builtin headers \"Server\"",
        );
        check(
            "more_clear_headers *;",
            "more_clear_headers: wildcard key too short: *",
        );
        check(
            "more_set_headers ' ';",
            "more_set_headers: no key found in the header argument:  ",
        );
        check(
            "more_set_headers 'A: ${b';",
            "the closing bracket in \"b\" variable is missing",
        );
    }
}
