//! `auth_require`: access by the values of variables.
//!
//! Last in the access phase, so that the values may be those that other modules of that phase
//! have found.
//!
//! Source: nginx documentation, ngx_http_auth_require_module.

use crate::requirements::{Requirement, unmet};
use engine::directive::custom;
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, inherit_fields,
};
use http::{Error, Flow, Handler, Module, Phase, Request};

/// What a location requires, in its order.
#[derive(Clone, Default)]
struct Settings {
    /// Empty for `off`.
    requirements: Setting<Vec<Requirement>>,
}

inherit_fields!(Settings { requirements });

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "auth_require",
    Contexts::ALL.with(Contexts::LIMIT_EXCEPT),
    Arity::between(1, usize::MAX),
    read,
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Access by variables.
pub(crate) static MODULE: Module = Module {
    name: "auth_require",
    settings: &[&SETTINGS],
    handlers: &[Handler::now(Phase::Access, is_enabled, judge)],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).requirements.is_empty()
}

/// Refuses with the status of the first requirement that is not met.
fn judge(request: &mut Request) -> Result<Flow, Error> {
    let requirements = &SETTINGS.of(&request.location.settings).requirements;
    Ok(unmet(requirements, request).map_or(Flow::Allow, Flow::Status))
}

/// `auth_require $value ... [error=4xx | 5xx]`, `auth_require off`
fn read(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let is_off = matches!(line.args(), [word] if word.text == b"off");
    if settings.requirements.is_set() && (is_off || settings.requirements.is_empty()) {
        return Err(Refused::duplicate());
    }
    let requirements = settings.requirements.edit();
    if !is_off {
        let requirement = Requirement::read(line, 403, |status| (400..600).contains(&status))?;
        requirements.push(requirement);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "auth_require $host ${uri}x error=404; auth_require $args error=503;",
            "",
        );
        check("auth_require off; server { auth_require $args; }", "");
        check("auth_require host;", "invalid value \"host\"");
        check("auth_require error=403;", "no values are required");
        for status in ["399", "600", "x", ""] {
            check(
                &format!("auth_require $host error={status};"),
                &format!("invalid parameter \"error={status}\""),
            );
        }
        let twice = "\"auth_require\" directive is duplicate";
        check("auth_require off; auth_require $host;", twice);
        check("auth_require $host; auth_require off;", twice);
    }
}
