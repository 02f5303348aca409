//! `sticky`: sessions stay with the server that they began with.
//!
//! Of the three ways, `cookie` writes the server into a cookie, `route` finds it in variables,
//! and `learn` remembers in a zone which server's answer began which session.
//!
//! Source: nginx documentation, ngx_http_upstream_module.

mod cookie;
mod learn;

use super::{Nothing, current};
use crate::map::variable_name;
use engine::directive::{custom, lossy};
use engine::variable::Lookup;
use engine::{Arity, Contexts, Directive, Line, Refused, Slot, VariableId};
use http::gateway::sticky::Sticky;
use http::{Module, Request};
use runtime::Millis;
use std::rc::Rc;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "sticky",
    Contexts::UPSTREAM,
    Arity::SOME,
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Sessions of groups.
pub(crate) static MODULE: Module = Module {
    name: "upstream_sticky",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    if current(line.loading, level)?.sticky.is_some() {
        return Err(Refused::duplicate());
    }
    if line.args().len() < 2 {
        return Err(Refused::new(
            "invalid number of arguments in \"sticky\" directive",
        ));
    }
    let sticky: Rc<dyn Sticky> = match line.arg(0) {
        b"cookie" => cookie::read(line)?,
        b"route" => Rc::new(Route(Found::read(line)?)),
        b"learn" => learn::read(line)?,
        other => {
            let other = lossy(other);
            return Err(Refused::new(format!("unknown parameter \"{other}\"")));
        }
    };
    current(line.loading, level)?.sticky = Some(sticky);
    Ok(())
}

/// Variables of which the first that is not empty counts.
#[derive(Default)]
struct Found(Vec<VariableId>);

impl Found {
    /// The variables after the line's first word.
    fn read(line: &mut Line<'_>) -> Result<Self, Refused> {
        let mut found = Self::default();
        for index in 1..line.args().len() {
            let name = variable_name(line.arg(index))?;
            found.0.push(line.variable(name));
        }
        Ok(found)
    }

    fn of(&self, request: &Request) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let mut write = |id: &VariableId| {
            value.clear();
            request.write_variable(*id, &mut value) && !value.is_empty()
        };
        self.0.iter().any(&mut write).then_some(value)
    }
}

/// `sticky route $variable ...`
struct Route(Found);

impl Sticky for Route {
    fn bound_to(&self, request: &Request, _: Millis) -> Option<Vec<u8>> {
        self.0.of(request)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[track_caller]
    fn says(sticky: &str, expected: &str) {
        let block = format!("upstream u {{ server 127.0.0.1:1 route=a; {sticky} }}");
        check(&block, expected);
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        says("sticky route $arg_a $cookie_a;", "");
        says("sticky route a;", "invalid variable name \"a\"");
        says("sticky route $;", "invalid variable name \"$\"");
        says("sticky other x;", "unknown parameter \"other\"");
        says(
            "sticky route $uri; sticky route $uri;",
            "\"sticky\" directive is duplicate",
        );
        says(
            "sticky cookie a expires=1h domain=.$host httponly samesite=$arg_a secure path=/;",
            "",
        );
        says(
            "sticky cookie a samesite=some;",
            "\"sticky\" directive invalid \"samesite\" parameter value",
        );
        says(
            "sticky cookie a expires=x;",
            "\"sticky\" directive invalid \"expires\" parameter value",
        );
        says("sticky cookie a other;", "unknown parameter \"other\"");
        says(
            "sticky cookie a path=/ path=/;",
            "\"sticky\" directive parameter \"path\" is duplicate",
        );
        let learn = |rest: &str| format!("sticky learn lookup=$uri create=$uri {rest};");
        says(&learn("zone=a:32k timeout=5 header"), "");
        says(
            &learn(""),
            "\"sticky\" directive \"zone\" parameter is not specified",
        );
        says(
            &learn("zone=a:1k"),
            "\"sticky\" directive zone is too small",
        );
        says(
            &learn("zone=a:32k timeout=0"),
            "\"sticky\" directive invalid timeout",
        );
        says("sticky learn lookup=$;", "invalid variable name \"$\"");
        says(
            "sticky learn lookup=uri;",
            "\"sticky\" directive missing variable in the \"lookup\" parameter",
        );
        says(
            "sticky learn create=$uri zone=a:32k;",
            "\"sticky\" directive \"lookup\" parameter is not specified",
        );
    }
}
