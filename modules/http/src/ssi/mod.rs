//! Server side includes: commands in the text of responses, which include other responses, set
//! and write variables, and choose what is shown.
//!
//! Runs after text was edited and recoded, since what is included went through filters of its
//! own.
//!
//! Source: nginx documentation, ngx_http_ssi_module.

mod commands;
mod memory;
mod page;
pub mod scanner;
pub mod text;

use crate::media_types::{self, MediaTypes};
use engine::directive::{custom, flag, size};
use engine::{Arity, Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::{Body, Error, Filter, Module, Request, RequestSlot, ResponseHead, Stage, Variable};
use page::Page;
use std::ffi::{CStr, CString};
use std::rc::Rc;
use sys::clock::{self, Zone};

/// How a location's pages are read.
#[derive(Clone)]
struct Settings {
    enabled: Setting<bool>,
    /// Whether nothing is shown in the place of a command that fails.
    silent_errors: Setting<bool>,
    /// Whether the response keeps its time and tag.
    last_modified: Setting<bool>,
    /// Most bytes of a parameter's value.
    value_length: Setting<u64>,
    /// Media types of pages.
    types: Setting<MediaTypes>,
    /// Bytes from which nginx sends parts of a file by sendfile; ours are read into memory.
    min_file_chunk: Setting<u64>,
    /// About nginx's buffers; ours are not recycled.
    ignore_recycled_buffers: Setting<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: Setting::new(false),
            silent_errors: Setting::new(false),
            last_modified: Setting::new(false),
            // Documented as 256; a byte less is what nginx takes.
            value_length: Setting::new(255),
            types: Setting::new(MediaTypes::of(&["text/html"])),
            min_file_chunk: Setting::new(1024),
            ignore_recycled_buffers: Setting::new(false),
        }
    }
}

inherit_fields!(Settings {
    enabled,
    silent_errors,
    last_modified,
    value_length,
    types,
    min_file_chunk,
    ignore_recycled_buffers,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    flag("ssi", Contexts::ALL_AND_IF, |s| &mut s.enabled),
    flag("ssi_silent_errors", Contexts::ALL, |s| &mut s.silent_errors),
    flag("ssi_last_modified", Contexts::ALL, |s| &mut s.last_modified),
    size("ssi_value_length", Contexts::ALL, |s| &mut s.value_length),
    custom("ssi_types", Contexts::ALL, Arity::SOME, |s, line| {
        media_types::read(&mut s.types, line);
        Ok(())
    }),
    size("ssi_min_file_chunk", Contexts::ALL, |s| {
        &mut s.min_file_chunk
    }),
    flag("ssi_ignore_recycled_buffers", Contexts::ALL, |s| {
        &mut s.ignore_recycled_buffers
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// How a page tells the time, where its `config` command says so.
static TIME_FORMAT: RequestSlot<CString> = RequestSlot::new();

/// Server side includes.
pub(crate) static MODULE: Module = Module {
    name: "ssi",
    settings: &[&SETTINGS],
    state: &[&TIME_FORMAT],
    filters: &[Filter::new(Stage::Include, is_enabled, start)],
    variables: &[
        Variable::new("date_gmt", |request, out| date(request, Zone::Utc, out)),
        Variable::new("date_local", |request, out| date(request, Zone::Local, out)),
    ],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).enabled
}

/// Reads a response as a page.
fn start(request: &mut Request, head: &mut ResponseHead, body: &mut Body) -> Result<(), Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    if head.content_length == Some(0) || !settings.types.admit(head) {
        return Ok(());
    }
    head.clear_content_length();
    if *settings.last_modified {
        head.weaken_etag();
    } else {
        head.clear_validators();
    }
    if request.is_head() {
        return Ok(());
    }
    let page = Page::new(Box::new(request.snapshot()), std::mem::take(body));
    *body = Body::from_source(page);
    Ok(())
}

/// A format as `strftime` takes it: what follows a NUL is cut off.
fn time_format(text: &[u8]) -> CString {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

/// The time, as the page wants it told.
fn date(request: &Request, zone: Zone, out: &mut Vec<u8>) -> bool {
    const FORMAT: &CStr = c"%A, %d-%b-%Y %H:%M:%S %Z";
    let format = TIME_FORMAT.get(request).map_or(FORMAT, CString::as_c_str);
    let now = request.connection.http.worker.wall().unix_secs;
    let text = match format.to_bytes() {
        b"%s" => Some(now.to_string().into_bytes()),
        _ => clock::format(now, zone, format),
    };
    out.extend_from_slice(text.as_deref().unwrap_or_default());
    text.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "ssi on; ssi_silent_errors on; ssi_last_modified on; ssi_value_length 1k;
             ssi_types *; ssi_min_file_chunk 1k; ssi_ignore_recycled_buffers on;",
            "",
        );
        check("ssi on; ssi off;", "\"ssi\" directive is duplicate");
        check("ssi_types text/html;", "duplicate MIME type \"text/html\"");
    }

    #[test]
    fn a_format_ends_at_nul() {
        assert_eq!(time_format(b"%Y\0%m").as_bytes(), b"%Y");
    }
}
