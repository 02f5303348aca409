//! `autoindex`: answers a folder's URI with a list of what is in it.
//!
//! Runs in the content phase after `index`, for folders without an index file. The HTML page
//! cuts long names, which takes knowing whether they are UTF-8; that is what the response's
//! charset says, and filters decide on it after this handler. So the page is made when its body
//! is first asked for.

mod data;
mod html;

use crate::file_work;
use crate::listing::{self, Detail, Entry, Listing};
use base::place;
use engine::directive::{flag, keyword};
use engine::{Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::core::{files, variables};
use http::{
    Body, Chunk, Error, Filter, Flow, Handler, Module, Phase, Request, RequestSlot, Response,
    ResponseHead, Source, Stage,
};
use http1::Method;
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll};

/// How a location lists folders.
#[derive(Clone)]
struct Settings {
    enabled: Setting<bool>,
    /// Index in [`FORMATS`].
    format: Setting<usize>,
    /// Whether times of the HTML page are the server's and not UTC.
    local_time: Setting<bool>,
    /// Whether sizes of the HTML page are in bytes and not rounded to K, M and G.
    exact_size: Setting<bool>,
}

const FORMATS: &[&str] = &["html", "json", "jsonp", "xml"];
const JSON: usize = 1;
const JSONP: usize = 2;
const XML: usize = 3;

/// Longest name of a JSONP function, in bytes.
const CALLBACK_MAX: usize = 128;

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: Setting::new(false),
            format: Setting::new(0),
            local_time: Setting::new(false),
            exact_size: Setting::new(true),
        }
    }
}

inherit_fields!(Settings {
    enabled,
    format,
    local_time,
    exact_size,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    flag("autoindex", Contexts::ALL, |s| &mut s.enabled),
    keyword("autoindex_format", Contexts::ALL, FORMATS, |s| {
        &mut s.format
    }),
    flag("autoindex_localtime", Contexts::ALL, |s| &mut s.local_time),
    flag("autoindex_exact_size", Contexts::ALL, |s| &mut s.exact_size),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Where a page that waits for its charset finds whether it is UTF-8.
static IS_UTF8: RequestSlot<Rc<Cell<bool>>> = RequestSlot::new();

pub(crate) static MODULE: Module = Module {
    name: "autoindex",
    settings: &[&SETTINGS],
    state: &[&IS_UTF8],
    handlers: &[Handler::waiting(Phase::Content, is_enabled, |request| {
        place::pinned(|| list(request))
    })],
    // Any stage after `Charset` would do.
    filters: &[Filter::new(Stage::Trailers, is_enabled, note_charset)],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).enabled
}

/// Lists the folder that the URI names.
async fn list(request: &mut Request) -> Result<Flow, Error> {
    let may = matches!(request.method, Method::Get | Method::Head);
    if !may || !request.uri.ends_with(b"/") {
        return Ok(Flow::Decline);
    }
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let path = listing::without_slash(files::path_of(request, &request.uri)?);
    let format = match *settings.format {
        JSONP => match callback(request)? {
            Some(name) => Format::JsonP(name),
            None => Format::Json,
        },
        JSON => Format::Json,
        XML => Format::Xml,
        _ => Format::Html,
    };
    let is_head = request.is_head();
    let listing = file_work::run(request, move || read(path, is_head)).await?;
    let listing = match listing {
        Ok(listing) => listing,
        Err(failure) => return Ok(failure.answer(request)),
    };
    for failure in &listing.skipped {
        failure.log(request);
    }
    Ok(Flow::respond(respond(request, settings, &format, listing)))
}

/// Reads a folder, folders first and each kind by name. To answer HEAD it is enough to know
/// that it can be read.
fn read(path: PathBuf, is_head: bool) -> Result<Listing, file_work::Failure> {
    if is_head {
        return listing::open(&path).map(|_| Listing::default());
    }
    let mut listing = listing::read(&path, Detail::Everything)?;
    listing
        .entries
        .sort_unstable_by(|a, b| (!a.is_folder(), &a.name).cmp(&(!b.is_folder(), &b.name)));
    Ok(listing)
}

/// What a response looks like.
enum Format {
    Html,
    Json,
    /// JSON as the argument of a call of this function.
    JsonP(Vec<u8>),
    Xml,
}

/// The response, whose length is not told, as nginx does not know it either.
fn respond(
    request: &mut Request,
    settings: &Settings,
    format: &Format,
    listing: Listing,
) -> Response {
    let mut response = Response::new(200);
    response.head.content_type = Some(
        match format {
            Format::Html => "text/html",
            Format::Json => "application/json",
            Format::JsonP(_) => "application/javascript",
            Format::Xml => "text/xml",
        }
        .into(),
    );
    if matches!(format, Format::Xml) {
        response.head.charset = Some("utf-8".into());
    }
    if request.is_head() {
        return response;
    }
    response.body = match format {
        Format::Json => Body::Bytes(data::json(&listing.entries, None).into()),
        Format::JsonP(name) => Body::Bytes(data::json(&listing.entries, Some(name)).into()),
        Format::Xml => Body::Bytes(data::xml(&listing.entries).into()),
        Format::Html => {
            let is_utf8 = Rc::new(Cell::new(false));
            IS_UTF8.set(request, Rc::clone(&is_utf8));
            Body::from_source(Page {
                uri: request.uri.clone(),
                entries: Some(listing.entries),
                exact_size: *settings.exact_size,
                offset_minutes: offset_minutes(request, *settings.local_time),
                is_utf8,
            })
        }
    };
    response
}

/// Minutes that the page's times are east of UTC: the offset that holds now, for all of them.
fn offset_minutes(request: &Request, is_local: bool) -> i32 {
    if !is_local {
        return 0;
    }
    let now = request.connection.http.worker.wall().unix_secs;
    sys::clock::local(now).map_or(0, |time| time.utc_offset_minutes)
}

/// Tells the page its charset, once filters have settled on it.
fn note_charset(request: &mut Request, head: &mut ResponseHead, _: &mut Body) -> Result<(), Error> {
    if let Some(is_utf8) = IS_UTF8.get(request) {
        let charset = head.charset.as_deref().unwrap_or_default();
        is_utf8.set(charset.eq_ignore_ascii_case(b"utf-8"));
    }
    Ok(())
}

/// An HTML page to be made.
struct Page {
    uri: Vec<u8>,
    entries: Option<Vec<Entry>>,
    exact_size: bool,
    offset_minutes: i32,
    is_utf8: Rc<Cell<bool>>,
}

impl Source for Page {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        Poll::Ready(Ok(self.entries.take().map(|entries| {
            let style = html::Style {
                exact_size: self.exact_size,
                offset_minutes: self.offset_minutes,
                is_utf8: self.is_utf8.get(),
            };
            Chunk::Bytes(html::page(&self.uri, &entries, style).into())
        })))
    }
}

/// The function that JSONP is to call: the argument `callback`, if it is not empty.
///
/// # Errors
///
/// 400 for what is no name: it ends up in a script.
fn callback(request: &Request) -> Result<Option<Vec<u8>>, Error> {
    let name = variables::argument_of(&request.args, b"callback").unwrap_or_default();
    let problem = if name.len() > CALLBACK_MAX {
        "too long"
    } else if !name.iter().all(|byte| is_name_byte(*byte)) {
        "invalid"
    } else {
        return Ok((!name.is_empty()).then(|| name.to_vec()));
    };
    let shown = String::from_utf8_lossy(name);
    Err(Error::client(
        400,
        format!("client sent {problem} callback name: \"{shown}\""),
    ))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}
