//! `rewrite`, `return`, `if`, `set` and `break`: rules that change a request's URI, answer it
//! or choose settings by its properties.
//!
//! The rules of a server run before its location is searched, those of a location right
//! after; when they changed the URI, the location is searched again. The rules of a block are
//! kept in the order of the file and are not inherited. An `if` in a location is a level of
//! its own: where its condition holds, its rules run at that place and its settings are the
//! request's from then on.
//!
//! Source: nginx documentation, ngx_http_rewrite_module.

mod answer;
mod condition;
mod program;
mod replacement;

use answer::Answer;
use condition::Condition;
use engine::directive::{block, custom, flag};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template, VariableId,
    inherit_fields,
};
use http::variable::define_stored_or;
use http::{Error, Flow, Handler, Module, Phase, Request};
use replacement::Rewrite;
use runtime::log::Level;
use std::rc::Rc;

/// Settings of a level.
pub(crate) struct Settings {
    /// What is done, in the order of the file.
    rules: Vec<Rule>,
    /// Whether the error log tells what matched and what became of it.
    log: Setting<bool>,
    /// Whether the error log tells of variables that are read before they are set.
    warns_of_unset: Setting<bool>,
}

/// One directive of a level.
enum Rule {
    Rewrite(Rewrite),
    Answer(Answer),
    Break,
    If(Condition, Block),
    Set(VariableId, Template),
}

/// The block of an `if`.
#[derive(Clone, Copy)]
struct Block {
    /// Number of its level.
    level: u32,
    /// Whether its settings become the request's; those of an `if` in a server do not, since
    /// the location is still to be found.
    is_entered: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            log: Setting::new(false),
            warns_of_unset: Setting::new(true),
        }
    }
}

inherit_fields!(Settings { log, warns_of_unset } own: { rules });

const RULES: Contexts = Contexts::SERVER
    .with(Contexts::SERVER_IF)
    .with(Contexts::LOCATION)
    .with(Contexts::LOCATION_IF);
const ANYWHERE: Contexts = RULES.with(Contexts::HTTP);
const OUTSIDE_IF: Contexts = Contexts::SERVER.with(Contexts::LOCATION);

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("rewrite", RULES, Arity::between(2, 3), |s, line| {
        s.rules.push(Rule::Rewrite(Rewrite::read(line)?));
        Ok(())
    }),
    custom("return", RULES, Arity::between(1, 2), |s, line| {
        s.rules.push(Rule::Answer(Answer::read(line)?));
        Ok(())
    }),
    custom("break", RULES, Arity::NONE, |s, _| {
        s.rules.push(Rule::Break);
        Ok(())
    }),
    block("if", OUTSIDE_IF, Arity::SOME, read_if),
    custom("set", RULES, Arity::TWO, read_set),
    flag("rewrite_log", ANYWHERE, |s| &mut s.log),
    flag("uninitialized_variable_warn", ANYWHERE, |s| {
        &mut s.warns_of_unset
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// The rewrite phases of server and location.
pub(crate) static MODULE: Module = Module {
    name: "rewrite",
    settings: &[&SETTINGS],
    handlers: &[
        Handler::now(Phase::ServerRewrite, has_rules, in_server),
        Handler::now(Phase::Rewrite, has_rules, in_location),
    ],
    ..Module::EMPTY
};

fn has_rules(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).rules.is_empty()
}

/// Runs the rules of the server. The location is searched next, whatever they did.
fn in_server(request: &mut Request) -> Result<Flow, Error> {
    match program::run(request)? {
        Flow::Relocate => Ok(Flow::Decline),
        flow => Ok(flow),
    }
}

/// Runs the rules of the location, unless the URI has none: those of the server, which serves
/// it then, have run already.
fn in_location(request: &mut Request) -> Result<Flow, Error> {
    if Rc::ptr_eq(&request.location, &request.server.root) {
        return Ok(Flow::Decline);
    }
    program::run(request)
}

/// `if (condition) { ... }`
fn read_if(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let condition = Condition::read(line)?;
    let is_entered = line.context == Contexts::LOCATION;
    let context = if is_entered {
        Contexts::LOCATION_IF
    } else {
        Contexts::SERVER_IF
    };
    let level = line.open_level(context);
    let block = Block { level, is_entered };
    settings.rules.push(Rule::If(condition, block));
    Ok(())
}

/// `set $variable value;`
fn read_set(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let name = match line.arg(0) {
        [b'$', name @ ..] if !name.is_empty() => name,
        word => {
            let word = String::from_utf8_lossy(word);
            return Err(Refused::new(format!("invalid variable name \"{word}\"")));
        }
    };
    let variable = define_stored_or(line.loading, name, warn_of_unset)?;
    let value = line.template(1)?;
    settings.rules.push(Rule::Set(variable, value));
    Ok(())
}

/// Logs that a variable is read which no `set` has reached for this request.
fn warn_of_unset(request: &Request, name: &[u8]) {
    if *SETTINGS.of(&request.location.settings).warns_of_unset {
        let name = String::from_utf8_lossy(name);
        let message = format!("using uninitialized \"{name}\" variable");
        request.log(Level::Warn, &message);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[track_caller]
    fn check_server(inside: &str, expected: &str) {
        check(&format!("server {{ {inside} }}"), expected);
    }

    #[test]
    fn what_nginx_takes_is_taken() {
        check_server("if ($host) { break; } rewrite ^ /a last; return 200;", "");
        check_server("rewrite ^(?<q>.) /$q; set $q 1; return 200 $q;", "");
        check_server(
            "set $arg_x 1; set $http_y 2; set $args a; return 200 $arg_x;",
            "",
        );
        check_server("location / { if ($host) { root a; rewrite_log on; } }", "");
    }

    #[test]
    fn rules_are_refused_in_nginx_words() {
        check_server("rewrite ^ \"\";", "empty replacement");
        check_server("rewrite ^ /a bad;", "invalid parameter \"bad\"");
        check_server("rewrite ^ /$;", "invalid variable name");
        check_server("return 1000;", "invalid return code \"1000\"");
        check_server("set a b;", "invalid variable name \"a\"");
        check_server("set $ b;", "invalid variable name \"$\"");
        check_server("set $host b;", "the duplicate \"host\" variable");
        check_server("set $a $nosuch;", "unknown \"nosuch\" variable");
        check_server("rewrite ^(?<uri>.) /;", "the duplicate \"uri\" variable");
    }

    #[test]
    fn conditions_and_blocks_are_refused_in_nginx_words() {
        check_server("if $a { }", "invalid condition \"$a\"");
        check_server("if ($nosuch) { }", "unknown \"nosuch\" variable");
        check_server("if (\"$host\" = a) { }", "invalid condition \"\"$host\"\"");
        check_server("if ($host == b) { }", "unexpected \"==\" in condition");
        check_server(
            "if ($host) { if ($uri) { } }",
            "\"if\" directive is not allowed here",
        );
        check_server(
            "if ($host) { root a; }",
            "\"root\" directive is not allowed here",
        );
    }
}
