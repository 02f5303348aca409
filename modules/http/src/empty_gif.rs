//! `empty_gif`: answers every request to a location with a transparent GIF of one pixel.
//!
//! The location's content is this and nothing else.

use engine::directive::custom;
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::{Bytes, Error, Flow, Handler, LastModified, Module, Phase, Request, Response};
use http1::Method;

/// Whether a location is one of these.
#[derive(Clone, Default)]
struct Settings {
    enabled: Setting<bool>,
}

inherit_fields!(Settings {} own: { enabled });

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "empty_gif",
    Contexts::LOCATION,
    Arity::NONE,
    |s, _| {
        s.enabled.set(true);
        Ok(())
    },
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

pub(crate) static MODULE: Module = Module {
    name: "empty_gif",
    settings: &[&SETTINGS],
    takes_over: &["empty_gif"],
    handlers: &[Handler::now(Phase::Content, is_enabled, answer)],
    ..Module::EMPTY
};

/// The picture: a screen of one pixel with two colours, the second of them transparent.
///
/// Source: GIF89a specification, sections 17 (header), 18 (screen), 19 (colours), 23 (graphic
/// control), 20 (image), 22 (data), 27 (trailer).
const PIXEL: &[u8; 43] = b"GIF89a\
    \x01\0\x01\0\x80\x01\0\
    \0\0\0\xff\xff\xff\
    \x21\xf9\x04\x01\0\0\x01\0\
    \x2c\0\0\0\0\x01\0\x01\0\0\
    \x02\x02\x4c\x01\0\
    \x3b";

/// When the picture was last changed, for caches: nginx's time of it, 1970-09-28 06:00 UTC.
const LAST_MODIFIED: i64 = 23_349_600;

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).enabled
}

fn answer(request: &mut Request) -> Result<Flow, Error> {
    if !matches!(request.method, Method::Get | Method::Head) {
        return Ok(Flow::Status(405));
    }
    let mut response = Response::text(200, "image/gif", Bytes::Static(PIXEL));
    response.head.last_modified = Some(LastModified::At(LAST_MODIFIED));
    Ok(Flow::respond(response))
}
