//! `internal_redirect`: sends a request to another URI or named location, once it was let in.
//!
//! First before content, that is after limits and access, which is what it is for: a limit by
//! something that only a judged request has, as the subject of its token, stands where it is
//! sent to.
//!
//! Source: nginx documentation, ngx_http_internal_redirect_module.

use crate::try_files::go_to;
use engine::directive::template;
use engine::{Contexts, Directive, Setting, SettingsTable, Slot, Template, inherit_fields};
use http::{Error, Flow, Handler, Module, Phase, Request};
use std::rc::Rc;

/// Where a location sends its requests.
#[derive(Clone, Default)]
struct Settings {
    /// A URI, with arguments, or the name of a location with its `@`; empty for nowhere.
    uri: Setting<Template>,
}

inherit_fields!(Settings { uri });

const DIRECTIVES: &[Directive<Settings>] = &[template(
    "internal_redirect",
    Contexts::SERVER.with(Contexts::LOCATION),
    |s| &mut s.uri,
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Redirections after access was granted.
pub(crate) static MODULE: Module = Module {
    name: "internal_redirect",
    settings: &[&SETTINGS],
    handlers: &[Handler::now(Phase::PreContent, is_enabled, run)],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).uri.is_empty()
}

fn run(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let uri = SETTINGS.of(&location.settings).uri.eval(request);
    Ok(if uri.is_empty() {
        Flow::Decline
    } else {
        go_to(uri)
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "server { internal_redirect /a$uri?b; location / { internal_redirect @x; } }",
            "",
        );
        check(
            "server { internal_redirect a; internal_redirect b; }",
            "\"internal_redirect\" directive is duplicate",
        );
        check(
            "internal_redirect a;",
            "\"internal_redirect\" directive is not allowed here",
        );
    }
}
