//! Access by the answer of a subrequest: 2xx lets in, 401 and 403 refuse.
//!
//! Runs in the access phase after what can be answered without asking anybody. The subrequest
//! has no body: the one that the client sends is for whom it let in.
//!
//! Source: nginx documentation, ngx_http_auth_request_module.

use crate::map::variable_name;
use base::place;
use engine::directive::{custom, set_once};
use engine::variable::VariableId;
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template,
    inherit_fields,
};
use http::subrequest::{self, subrequest};
use http::variable::define_stored;
use http::{Error, Flow, Handler, Module, Phase, Request};
use runtime::log::Level;
use std::rc::Rc;

/// Whom a location asks.
#[derive(Clone)]
struct Settings {
    /// The URI of the subrequest.
    uri: Setting<Option<Vec<u8>>>,
    /// Variables that get values from it.
    variables: Setting<Vec<(VariableId, Template)>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uri: Setting::new(None),
            variables: Setting::new(Vec::new()),
        }
    }
}

inherit_fields!(Settings { uri, variables });

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("auth_request", Contexts::ALL, Arity::ONE, |s, line| {
        let uri = match line.arg(0) {
            b"off" => None,
            uri => Some(uri.to_vec()),
        };
        set_once(&mut s.uri, uri)
    }),
    custom("auth_request_set", Contexts::ALL, Arity::TWO, read_variable),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Access by the answer of a subrequest.
pub(crate) static MODULE: Module = Module {
    name: "auth_request",
    configure_option: Some("--with-http_auth_request_module"),
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::Access, is_enabled, |request| {
        place::pinned(|| ask(request))
    })],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    SETTINGS.of(settings).uri.is_some()
}

/// Asks, and takes the answer over.
async fn ask(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let Some(uri) = &*settings.uri else {
        return Ok(Flow::Decline);
    };
    let mut question = subrequest(request, uri.clone(), Vec::new())?;
    question.body = None;
    let answer = subrequest::serve(&mut question).await?;
    let (status, head) = (answer.head.status, answer.head);
    question.sent.head = Some(head);
    subrequest::finish(&mut question);
    for (variable, value) in settings.variables.iter() {
        let value = value.eval(&*question);
        request.set_variable(*variable, &value);
    }
    match status {
        403 => Ok(Flow::Status(403)),
        401 => {
            let head = question.sent.head.take().unwrap_or_default();
            let is_challenge = |name: &[u8]| name.eq_ignore_ascii_case(b"WWW-Authenticate");
            let fields = head.fields.into_iter();
            request
                .extra_fields
                .extend(fields.filter(|(name, _)| is_challenge(name)));
            Ok(Flow::Status(401))
        }
        200..300 => Ok(Flow::Allow),
        _ => {
            let message = format!("auth request unexpected status: {status}");
            request.log(Level::Error, &message);
            Ok(Flow::Status(500))
        }
    }
}

/// `auth_request_set $variable value`
fn read_variable(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let name = variable_name(line.arg(0))?;
    let id = define_stored(line.loading, name)?;
    let value = line.template(1)?;
    settings.variables.edit().push((id, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "auth_request /a; auth_request_set $user $upstream_http_x_user;",
            "",
        );
        check("auth_request off; auth_request_set $args $uri;", "");
        check("auth_request_set user x;", "invalid variable name \"user\"");
        check(
            "auth_request_set $host x;",
            "the duplicate \"host\" variable",
        );
        check(
            "auth_request /a; auth_request off;",
            "\"auth_request\" directive is duplicate",
        );
    }
}
