//! Replaces strings in the text of responses.
//!
//! Runs before text is recoded and compressed. What may be the beginning of a string is held
//! back until it is known whether it is one, wherever the text is cut.
//!
//! Source: nginx documentation, ngx_http_sub_module.

pub mod editor;

use crate::media_types::{self, MediaTypes};
use editor::{Editor, Patterns};
use engine::directive::{custom, flag};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template,
    inherit_fields,
};
use http::body::Chunk;
use http::{Body, Bytes, Error, Filter, InMemory, Module, Request, ResponseHead, Source, Stage};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Most strings of one location.
const PAIRS_MAX: usize = 255;

/// What is replaced in the responses of a location.
#[derive(Clone)]
struct Settings {
    /// Strings and what they become.
    pairs: Setting<Vec<(Template, Template)>>,
    /// Whether each is replaced at its first place only.
    once: Setting<bool>,
    /// Whether the response keeps its time and tag.
    last_modified: Setting<bool>,
    /// Media types of responses that are edited.
    types: Setting<MediaTypes>,
    /// The strings, where they are the same for all requests.
    constant: Option<Rc<Patterns>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pairs: Setting::new(Vec::new()),
            once: Setting::new(true),
            last_modified: Setting::new(false),
            types: Setting::new(MediaTypes::of(&["text/html"])),
            constant: None,
        }
    }
}

inherit_fields!(Settings {
    pairs,
    once,
    last_modified,
    types,
} own: { constant });

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("sub_filter", Contexts::ALL, Arity::TWO, read_pair),
    flag("sub_filter_once", Contexts::ALL, |s| &mut s.once),
    flag("sub_filter_last_modified", Contexts::ALL, |s| {
        &mut s.last_modified
    }),
    custom("sub_filter_types", Contexts::ALL, Arity::SOME, |s, line| {
        media_types::read(&mut s.types, line);
        Ok(())
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Strings of responses replaced by others.
pub(crate) static MODULE: Module = Module {
    name: "sub",
    configure_option: Some("--with-http_sub_module"),
    settings: &[&SETTINGS],
    filters: &[Filter::new(Stage::Edit, is_enabled, start)],
    finish: Some(|finishing| {
        finishing.each(&SETTINGS, |settings, _, _| {
            let patterns: Option<Vec<&[u8]>> = settings
                .pairs
                .iter()
                .map(|(pattern, _)| pattern.as_constant())
                .collect();
            settings.constant = patterns.map(|patterns| Rc::new(Patterns::new(patterns)));
        });
        Ok(())
    }),
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).pairs.is_empty()
}

/// Edits a response.
fn start(request: &mut Request, head: &mut ResponseHead, body: &mut Body) -> Result<(), Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    if head.content_length == Some(0) || !settings.types.admit(head) {
        return Ok(());
    }
    let patterns = match &settings.constant {
        Some(patterns) => Rc::clone(patterns),
        None => {
            let pairs = settings.pairs.iter();
            let patterns: Vec<Vec<u8>> = pairs.map(|(p, _)| p.eval(request)).collect();
            if patterns.iter().all(Vec::is_empty) {
                return Ok(());
            }
            Rc::new(Patterns::new(patterns.iter().map(Vec::as_slice)))
        }
    };
    head.clear_content_length();
    if *settings.last_modified {
        head.weaken_etag();
    } else {
        head.clear_validators();
    }
    let pairs = settings.pairs.iter();
    *body = Body::from_source(Edited {
        inner: InMemory::new(request, std::mem::take(body)),
        replacements: pairs.map(|(_, value)| value.eval(request)).collect(),
        editor: Editor::new(patterns, *settings.once),
        has_ended: false,
    });
    Ok(())
}

/// A body with strings replaced.
struct Edited {
    inner: InMemory,
    replacements: Vec<Vec<u8>>,
    editor: Editor,
    has_ended: bool,
}

impl Source for Edited {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let replacements = &self.replacements;
        let replace = |number: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(replacements.get(number).map_or(b"", Vec::as_slice));
        };
        loop {
            if self.has_ended {
                return Poll::Ready(Ok(None));
            }
            let mut out = Vec::new();
            match ready!(self.inner.poll_bytes(cx))? {
                Some(bytes) if self.editor.is_done() => {
                    return Poll::Ready(Ok(Some(Chunk::Bytes(bytes))));
                }
                Some(bytes) => self.editor.feed(&bytes, &mut out, replace),
                None => {
                    self.has_ended = true;
                    self.editor.end(&mut out, replace);
                }
            }
            if !out.is_empty() {
                return Poll::Ready(Ok(Some(Chunk::Bytes(out.into()))));
            }
        }
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        self.inner.take_trailers()
    }
}

/// `sub_filter string replacement`
fn read_pair(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    if line.arg(0).is_empty() {
        return Err(Refused::new("empty search pattern"));
    }
    if settings.pairs.len() == PAIRS_MAX && settings.pairs.is_set() {
        return Err(Refused::new(format!(
            "number of search patterns exceeds {PAIRS_MAX}"
        )));
    }
    let pair = (line.template(0)?, line.template(1)?);
    settings.pairs.edit().push(pair);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "sub_filter a b; sub_filter $host $uri; sub_filter_once off; sub_filter_types *;
             sub_filter_last_modified on;",
            "",
        );
        check("sub_filter '' b;", "empty search pattern");
        let many = "sub_filter a b;".repeat(255);
        check(&many, "");
        check(
            &format!("{many} sub_filter a b;"),
            "number of search patterns exceeds 255",
        );
    }
}
