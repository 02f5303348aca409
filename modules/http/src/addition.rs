//! Puts other responses before and after a response.
//!
//! Runs after whatever edits or recodes text: what is put in went through filters of its own.
//!
//! Source: nginx documentation, ngx_http_addition_module.

use crate::media_types::{self, MediaTypes};
use engine::directive::{custom, text};
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::body::Chunk;
use http::subrequest::{Nested, subrequest};
use http::{Body, Bytes, Error, Filter, Module, Request, ResponseHead, Source, Stage};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What a location's responses are framed with.
#[derive(Clone)]
struct Settings {
    /// The URI of what comes before; empty for nothing.
    before: Setting<Vec<u8>>,
    /// The URI of what comes after; empty for nothing.
    after: Setting<Vec<u8>>,
    /// Media types of responses that are framed.
    types: Setting<MediaTypes>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            before: Setting::new(Vec::new()),
            after: Setting::new(Vec::new()),
            types: Setting::new(MediaTypes::of(&["text/html"])),
        }
    }
}

inherit_fields!(Settings {
    before,
    after,
    types,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    text("add_before_body", Contexts::ALL, |s| &mut s.before),
    text("add_after_body", Contexts::ALL, |s| &mut s.after),
    custom("addition_types", Contexts::ALL, Arity::SOME, |s, line| {
        media_types::read(&mut s.types, line);
        Ok(())
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Responses before and after responses.
pub(crate) static MODULE: Module = Module {
    name: "addition",
    configure_option: Some("--with-http_addition_module"),
    settings: &[&SETTINGS],
    filters: &[
        // Before the filters of text, to which a framed response is none that is empty.
        Filter::new(Stage::Decode, is_enabled, announce),
        Filter::new(Stage::Include, is_enabled, start),
    ],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    let settings = SETTINGS.of(settings);
    !settings.before.is_empty() || !settings.after.is_empty()
}

/// Whether a response is one to be framed.
fn is_framed(settings: &Settings, request: &Request, head: &ResponseHead) -> bool {
    head.status == 200 && !request.is_subrequest && settings.types.admit(head)
}

/// Makes the head one of a response that is framed.
fn announce(request: &mut Request, head: &mut ResponseHead, _: &mut Body) -> Result<(), Error> {
    if is_framed(SETTINGS.of(&request.location.settings), request, head) {
        head.clear_content_length();
        head.weaken_etag();
    }
    Ok(())
}

/// Frames a response.
fn start(request: &mut Request, head: &mut ResponseHead, body: &mut Body) -> Result<(), Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    if request.is_head() || !is_framed(settings, request, head) {
        return Ok(());
    }
    let part = |uri: &Vec<u8>| match uri.as_slice() {
        b"" => Ok(None),
        uri => subrequest(request, uri.to_vec(), Vec::new()).map(|r| Some(Nested::new(r))),
    };
    *body = Body::from_source(Framed {
        before: part(&settings.before)?,
        after: part(&settings.after)?,
        body: Some(std::mem::take(body)),
        trailers: Vec::new(),
    });
    Ok(())
}

/// A body with others around it. Each part begins when the one before it has ended.
struct Framed {
    before: Option<Nested>,
    body: Option<Body>,
    after: Option<Nested>,
    trailers: Vec<(Bytes, Bytes)>,
}

impl Source for Framed {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        if let Some(before) = &mut self.before {
            if let Some(chunk) = ready!(before.poll_chunk(cx))? {
                return Poll::Ready(Ok(Some(chunk)));
            }
            self.before = None;
        }
        if let Some(body) = &mut self.body {
            if let Some(chunk) = ready!(body.poll_chunk(cx))? {
                return Poll::Ready(Ok(Some(chunk)));
            }
            self.trailers = body.take_trailers();
            self.body = None;
        }
        match &mut self.after {
            Some(after) => after.poll_chunk(cx),
            None => Poll::Ready(Ok(None)),
        }
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        std::mem::take(&mut self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "add_before_body /a; add_after_body \"\"; addition_types text/plain;",
            "",
        );
        check(
            "add_before_body /a; add_before_body /b;",
            "\"add_before_body\" directive is duplicate",
        );
    }
}
