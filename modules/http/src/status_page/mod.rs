//! A page that shows how the server is doing, and the same as JSON for programs
//! (`?format=json`).
//!
//! Ours, not nginx's: `status_page;` in a server or location. The page is one text without
//! anything to load from elsewhere; it holds the numbers of the moment when it was asked for,
//! and then asks for new ones every second. Who may see it is for `allow` and `deny` to say.

use base::escape;
use engine::directive::custom;
use engine::resolver::statistics::{REQUESTS, RESPONSES};
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::connection::render::decimal;
use http::core;
use http::core::variables::argument_of;
use http::worker::{Counter, HttpWorker};
use http::{Error, Flow, Handler, Module, Phase, Request, Response};
use http1::Method;
use runtime::Millis;
use std::cell::Cell;
use std::rc::Rc;

/// The page; [`DATA`] in it stands for the numbers.
const PAGE: &str = include_str!("page.html");
const DATA: &str = "\"@data@\"";

/// Whether a location answers with the page.
#[derive(Clone, Default)]
struct Settings {
    is_on: Setting<bool>,
}

inherit_fields!(Settings {} own: { is_on });

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "status_page",
    Contexts::SERVER.with(Contexts::LOCATION),
    Arity::NONE,
    |settings, _| {
        settings.is_on.set(true);
        Ok(())
    },
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// The status page.
pub(crate) static MODULE: Module = Module {
    name: "status_page",
    settings: &[&SETTINGS],
    takes_over: &["status_page"],
    handlers: &[Handler::now(Phase::Content, is_enabled, answer)],
    start_worker: Some(remember_start),
    ..Module::EMPTY
};

thread_local! {
    /// When this worker started, by the monotonic clock.
    static STARTED: Cell<Millis> = const { Cell::new(0) };
}

fn remember_start(_: &Rc<HttpWorker>) {
    if STARTED.get() == 0 {
        STARTED.set(sys::clock::monotonic_ms());
    }
}

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).is_on
}

/// Answers GET and HEAD with the page or its numbers.
fn answer(request: &mut Request) -> Result<Flow, Error> {
    if !matches!(request.method, Method::Get | Method::Head) {
        return Ok(Flow::Status(405));
    }
    let numbers = numbers(request);
    let mut response = if argument_of(&request.args, b"format") == Some(b"json") {
        Response::text(200, "application/json", numbers)
    } else {
        let mut response = Response::text(200, "text/html", page(&numbers));
        response.head.charset = Some("utf-8".into());
        // Nothing from anywhere else runs in it, whatever becomes of the text.
        response.head.add(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
        );
        response
    };
    response.head.add("Cache-Control", "no-store");
    Ok(Flow::respond(response))
}

/// The page with `numbers`, which stand in a script: no `<` of theirs may end it.
fn page(numbers: &[u8]) -> Vec<u8> {
    let (before, after) = PAGE.split_once(DATA).unwrap_or((PAGE, ""));
    let mut page = Vec::with_capacity(PAGE.len() + numbers.len());
    page.extend_from_slice(before.as_bytes());
    for byte in numbers {
        match byte {
            b'<' => page.extend_from_slice(b"\\u003c"),
            _ => page.push(*byte),
        }
    }
    page.extend_from_slice(after.as_bytes());
    page
}

/// The state of the server as one JSON object.
fn numbers(request: &Request) -> Vec<u8> {
    let server = &request.connection.http;
    server.publish_gauges();
    let mut json = Json::default();
    json.text("server", "tidegate");
    json.text("version", env!("CARGO_PKG_VERSION"));
    json.text("nginx_version", "1.31.5");
    let time = server.worker.wall().iso8601;
    json.text("time", &String::from_utf8_lossy(&time));
    json.number("pid", sys::process::id().into());
    let uptime = server.worker.now().saturating_sub(STARTED.get());
    json.number("uptime_ms", uptime);
    json.number("servers", server.generation.servers.len() as u64);
    let counts = [
        ("accepted", Counter::Accepted),
        ("handled", Counter::Handled),
        ("requests", Counter::Requests),
        ("active", Counter::Active),
        ("reading", Counter::Reading),
        ("writing", Counter::Writing),
        ("waiting", Counter::Waiting),
    ];
    for (name, counter) in counts {
        json.number(name, server.total(counter));
    }
    let sockets = server.generation.sockets.iter();
    json.texts(
        "listening",
        sockets.map(|socket| socket.address.to_string()),
    );
    let resolvers = core::resolver::statistics(&server.generation);
    json.object("resolvers", |json| {
        for zone in resolvers {
            let (requests, responses) = zone.read();
            json.object(zone.name(), |json| {
                json.numbers("requests", &REQUESTS, &requests);
                json.numbers("responses", &RESPONSES, &responses);
            });
        }
    });
    json.finish()
}

/// A JSON object being written.
#[derive(Default)]
struct Json(Vec<u8>);

impl Json {
    fn name(&mut self, name: &str) {
        match self.0.last() {
            None => self.0.push(b'{'),
            Some(b'{') => {}
            Some(_) => self.0.push(b','),
        }
        self.string(name);
        self.0.push(b':');
    }

    fn string(&mut self, text: &str) {
        self.0.push(b'"');
        escape::json(text.as_bytes(), &mut self.0);
        self.0.push(b'"');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        decimal(value, &mut self.0);
    }

    fn texts(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.name(name);
        self.0.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.string(&value);
        }
        self.0.push(b']');
    }

    fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.name(name);
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
    }

    fn numbers(&mut self, name: &str, names: &[&str], values: &[u64]) {
        self.object(name, |json| {
            for (name, value) in names.iter().zip(values) {
                json.number(name, *value);
            }
        });
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn objects() {
        let mut json = Json::default();
        json.text("a", "x\"y");
        json.number("b", 12);
        json.texts("c", ["p", "q"].map(str::to_owned).into_iter());
        json.texts("d", std::iter::empty());
        json.object("e", |_| {});
        json.numbers("f", &["g", "h"], &[1, 2]);
        let text = String::from_utf8(json.finish()).unwrap();
        assert_eq!(
            text,
            "{\"a\":\"x\\\"y\",\"b\":12,\"c\":[\"p\",\"q\"],\"d\":[],\
             \"e\":{},\"f\":{\"g\":1,\"h\":2}}\n"
        );
    }

    #[test]
    fn numbers_cannot_leave_their_script() {
        assert_eq!(PAGE.matches(DATA).count(), 1);
        let page = String::from_utf8(page(b"{\"a\":\"</script><b>\"}")).unwrap();
        assert!(page.contains("{\"a\":\"\\u003c/script>\\u003cb>\"}"));
        assert!(!page.contains(DATA));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for reference in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!PAGE.contains(reference), "{reference}");
        }
    }

    #[test]
    fn it_stands_in_servers_and_locations() {
        check("server { status_page; location / { status_page; } }", "");
        check(
            "status_page;",
            "\"status_page\" directive is not allowed here",
        );
        check(
            "server { status_page on; }",
            "invalid number of arguments in \"status_page\" directive",
        );
    }
}
