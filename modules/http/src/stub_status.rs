//! How many connections and requests there are: nginx's status page, which monitoring reads.
//!
//! Counts are sums over all workers. The numbers of connections are those of the end of each
//! worker's last turn, and of this very moment for the worker that answers.
//!
//! Source: nginx documentation, ngx_http_stub_status_module.

use engine::directive::custom;
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::connection::render::decimal;
use http::worker::{Counter, HttpWorker};
use http::{Error, Flow, Handler, Module, Phase, Request, Response, Variable};
use http1::Method;

/// Whether a location answers with the page.
#[derive(Clone, Default)]
struct Settings {
    is_on: Setting<bool>,
}

inherit_fields!(Settings {} own: { is_on });

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "stub_status",
    Contexts::SERVER.with(Contexts::LOCATION),
    // An argument, whatever it says, was needed before nginx 1.7.5.
    Arity::between(0, 1),
    |settings, _| {
        settings.is_on.set(true);
        Ok(())
    },
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// nginx's status page.
pub(crate) static MODULE: Module = Module {
    name: "stub_status",
    configure_option: Some("--with-http_stub_status_module"),
    settings: &[&SETTINGS],
    takes_over: &["stub_status"],
    handlers: &[Handler::now(Phase::Content, is_enabled, answer)],
    variables: &[
        Variable::new("connections_active", |r, out| {
            count(r, Counter::Active, out)
        }),
        Variable::new("connections_reading", |r, out| {
            count(r, Counter::Reading, out)
        }),
        Variable::new("connections_writing", |r, out| {
            count(r, Counter::Writing, out)
        }),
        Variable::new("connections_waiting", |r, out| {
            count(r, Counter::Waiting, out)
        }),
    ],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).is_on
}

/// Answers GET and HEAD with the page.
fn answer(request: &mut Request) -> Result<Flow, Error> {
    if !matches!(request.method, Method::Get | Method::Head) {
        return Ok(Flow::Status(405));
    }
    let server = &request.connection.http;
    server.publish_gauges();
    let page = page(|counter| server.total(counter));
    Ok(Flow::respond(Response::text(200, "text/plain", page)))
}

fn page(count: impl Fn(Counter) -> u64) -> String {
    format!(
        "Active connections: {} \nserver accepts handled requests\n {} {} {} \n\
         Reading: {} Writing: {} Waiting: {} \n",
        count(Counter::Active),
        count(Counter::Accepted),
        count(Counter::Handled),
        count(Counter::Requests),
        count(Counter::Reading),
        count(Counter::Writing),
        count(Counter::Waiting),
    )
}

fn count(request: &Request, counter: Counter, out: &mut Vec<u8>) -> bool {
    let server: &HttpWorker = &request.connection.http;
    server.publish_gauges();
    decimal(server.total(counter), out);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn the_page_is_the_one_that_tools_read() {
        let count = |counter| [10, 9, 30, 6, 1, 2, 3][counter as usize];
        assert_eq!(
            page(count),
            "Active connections: 6 \nserver accepts handled requests\n 10 9 30 \n\
             Reading: 1 Writing: 2 Waiting: 3 \n"
        );
    }

    #[test]
    fn it_stands_in_servers_and_locations() {
        check("server { stub_status; location / { stub_status on; } }", "");
        check(
            "stub_status;",
            "\"stub_status\" directive is not allowed here",
        );
    }
}
