//! Names the charset of text in the `Content-Type` field and recodes it from another: between
//! 8-bit charsets, and between those and UTF-8.
//!
//! Runs after whatever edits text, so that it edits text in the charset that it was written in,
//! and before compression.
//!
//! Source: nginx documentation, ngx_http_charset_module.

mod map;
pub mod recode;

use crate::media_types::{self, MediaTypes};
use engine::directive::{block, custom, flag, set_once};
use engine::variable::VariableId;
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, inherit_fields,
};
use http::body::Chunk;
use http::config::finish::Finishing;
use http::{Body, Bytes, Error, Filter, InMemory, Module, Request, ResponseHead, Source, Stage};
use map::{Charsets, Index, no_map};
use recode::{Recoder, Table};
use runtime::log::Level;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The charsets of a location's text.
#[derive(Clone)]
struct Settings {
    /// What clients get.
    charset: Setting<Choice>,
    /// What it is recoded from.
    source_charset: Setting<Choice>,
    /// Whether what has a charset already is recoded too.
    override_charset: Setting<bool>,
    /// Media types of text.
    types: Setting<MediaTypes>,
    /// All charsets; the same everywhere.
    charsets: Rc<Charsets>,
}

/// A charset, as a directive names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Off,
    Known(Index),
    Variable(VariableId),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            charset: Setting::new(Choice::Off),
            source_charset: Setting::new(Choice::Off),
            override_charset: Setting::new(false),
            types: Setting::new(MediaTypes::of(&[
                "text/html",
                "text/xml",
                "text/plain",
                "text/vnd.wap.wml",
                "application/javascript",
                "application/rss+xml",
            ])),
            charsets: Rc::default(),
        }
    }
}

inherit_fields!(Settings {
    charset,
    source_charset,
    override_charset,
    types,
} own: { charsets });

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("charset", Contexts::ALL_AND_IF, Arity::ONE, |s, line| {
        let choice = match line.arg(0) {
            b"off" => Choice::Off,
            _ => read_choice(line),
        };
        set_once(&mut s.charset, choice)
    }),
    custom(
        "source_charset",
        Contexts::ALL_AND_IF,
        Arity::ONE,
        |s, line| {
            let choice = read_choice(line);
            set_once(&mut s.source_charset, choice)
        },
    ),
    flag("override_charset", Contexts::ALL_AND_IF, |s| {
        &mut s.override_charset
    }),
    custom("charset_types", Contexts::ALL, Arity::SOME, |s, line| {
        media_types::read(&mut s.types, line);
        Ok(())
    }),
    block("charset_map", Contexts::HTTP, Arity::TWO, |_, line| {
        map::read(line)
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Charsets.
pub(crate) static MODULE: Module = Module {
    name: "charset",
    settings: &[&SETTINGS],
    filters: &[Filter::new(Stage::Charset, is_enabled, start)],
    finish: Some(finish),
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    let settings = SETTINGS.of(settings);
    *settings.charset != Choice::Off || !settings.charsets.is_empty()
}

/// The charset of a main response: what is put into it must have the same.
#[derive(Default)]
struct MainCharset(RefCell<Option<Bytes>>);

/// Sets the charset of a response and recodes its body where that is another one.
fn start(request: &mut Request, head: &mut ResponseHead, body: &mut Body) -> Result<(), Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let to = match request.is_subrequest {
        false => destination(settings, request, head)?,
        true => {
            let main = request.shared::<MainCharset>().0.borrow().clone();
            main.map(|name| named(settings, name))
        }
    };
    if let Some(to) = to {
        change(settings, request, head, body, to)?;
    }
    if settings.charsets.has_maps() && !request.is_subrequest {
        let main = request.shared::<MainCharset>();
        main.0.replace(head.charset.clone());
    }
    Ok(())
}

/// Makes `to` the charset of a response.
fn change(
    settings: &Settings,
    request: &Request,
    head: &mut ResponseHead,
    body: &mut Body,
    to: Charset,
) -> Result<(), Error> {
    let Some(from) = source(settings, request, head)? else {
        set_charset(head, to.name);
        return Ok(());
    };
    let table = match (from.index, to.index) {
        _ if from.name.eq_ignore_ascii_case(&to.name) => {
            set_charset(head, to.name);
            return Ok(());
        }
        (Some(_), Some(_)) if head.content_encoding.is_some() => return Ok(()),
        (Some(from), Some(to)) => settings.charsets.table(from, to),
        _ => None,
    };
    let Some(table) = table else {
        request.log(Level::Error, &no_map(&from.name, &to.name));
        return Ok(());
    };
    set_charset(head, to.name);
    if !table.keeps_length() {
        head.clear_content_length();
    }
    *body = Body::from_source(Recoded {
        inner: InMemory::new(request, std::mem::take(body)),
        table: Rc::clone(table),
        recoder: Recoder::default(),
    });
    Ok(())
}

/// A charset that a response is in, or shall be in.
struct Charset {
    name: Bytes,
    /// Its place, where the configuration names it.
    index: Option<Index>,
}

/// What a response shall be in; `None` where that is nobody's business.
fn destination(
    settings: &Settings,
    request: &Request,
    head: &ResponseHead,
) -> Result<Option<Charset>, Error> {
    let has_type = head.content_type.as_ref().is_some_and(|t| !t.is_empty());
    let asked = http::gateway::record::charset_asked_for(request).filter(|name| !name.is_empty());
    if let Some(name) = asked.filter(|_| has_type) {
        let asked = named(settings, name.clone());
        if asked.index.is_none() {
            let name = engine::directive::lossy(name);
            let message = format!("unknown charset \"{name}\" to override");
            request.log(Level::Error, &message);
        }
        return Ok(asked.index.is_some().then_some(asked));
    }
    let is_wanted = match &head.charset {
        Some(_) => *settings.override_charset,
        None => settings.types.admit(head),
    };
    if !has_type || !is_wanted {
        return Ok(None);
    }
    choose(settings, request, *settings.charset)
}

/// What a response is in, where it or the configuration says.
fn source(
    settings: &Settings,
    request: &Request,
    head: &ResponseHead,
) -> Result<Option<Charset>, Error> {
    match &head.charset {
        Some(name) => Ok(Some(named(settings, name.clone()))),
        None => choose(settings, request, *settings.source_charset),
    }
}

fn choose(
    settings: &Settings,
    request: &Request,
    choice: Choice,
) -> Result<Option<Charset>, Error> {
    match choice {
        Choice::Off => Ok(None),
        Choice::Known(index) => Ok(Some(Charset {
            name: settings.charsets.name(index),
            index: Some(index),
        })),
        Choice::Variable(id) => match request.variable(id) {
            Some(name) if name.is_empty() => Ok(None),
            Some(name) => Ok(Some(named(settings, name.into()))),
            None => Err(Error::operator("the variable of a charset has no value")),
        },
    }
}

fn named(settings: &Settings, name: Bytes) -> Charset {
    let index = settings.charsets.find(&name);
    Charset { name, index }
}

/// Names the charset; not that of a redirect, which old browsers took for that of the page that
/// it leads to.
fn set_charset(head: &mut ResponseHead, name: Bytes) {
    let is_redirect = matches!(head.status, 301 | 302);
    head.charset = (!is_redirect).then_some(name);
}

/// A body in another charset.
struct Recoded {
    inner: InMemory,
    table: Rc<Table>,
    recoder: Recoder,
}

impl Source for Recoded {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let Some(bytes) = ready!(self.inner.poll_bytes(cx))? else {
            return Poll::Ready(Ok(None));
        };
        let mut out = Vec::with_capacity(bytes.len());
        self.recoder.recode(&self.table, &bytes, &mut out);
        Poll::Ready(Ok(Some(Chunk::Bytes(out.into()))))
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        self.inner.take_trailers()
    }
}

fn read_choice(line: &mut Line<'_>) -> Choice {
    match line.arg(0) {
        [b'$', name @ ..] => Choice::Variable(line.variable(name)),
        name => Choice::Known(line.loading.shared::<Charsets>().intern(name)),
    }
}

/// Hands the charsets to every location and checks that there is a map wherever one is needed.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let charsets = Rc::new(finishing.loading.take_shared::<Charsets>());
    let mut missing = None;
    finishing.each(&SETTINGS, |settings, _, _| {
        settings.charsets = Rc::clone(&charsets);
        if let (Choice::Known(from), Choice::Known(to)) =
            (*settings.source_charset, *settings.charset)
            && from != to
            && charsets.table(from, to).is_none()
        {
            missing.get_or_insert((from, to));
        }
    });
    match missing {
        Some((from, to)) => Err(Refused::new(no_map(
            &charsets.name(from),
            &charsets.name(to),
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn maps_are_checked_in_nginx_words() {
        check(
            "charset_map a b { 80 81; } charset b; source_charset A;",
            "",
        );
        check(
            "charset_map a b { 80 81; } charset a; source_charset b;",
            "",
        );
        check(
            "charset utf-8; source_charset koi8-r;",
            "no \"charset_map\" between the charsets \"koi8-r\" and \"utf-8\"",
        );
        check(
            "charset_map a A { }",
            "\"charset_map\" between the same charsets \"a\" and \"A\"",
        );
        check(
            "charset_map UTF-8 a { }",
            "\"charset_map\" with \"utf-8\" charset should be given in the second column",
        );
        check(
            "charset_map a b { } charset_map B a { }",
            "duplicate \"charset_map\" between \"B\" and \"a\"",
        );
        check("charset_map a b { 80; }", "invalid parameters number");
        check("charset_map a b { 100 80; }", "invalid value \"100\"");
        check("charset_map a b { 80 x; }", "invalid value \"x\"");
        check(
            "charset_map a utf-8 { 80 E282A; }",
            "invalid value \"E282A\"",
        );
        check(
            "charset_map a utf-8 { 80 F09F9880; }",
            "invalid value \"F09F9880\"",
        );
        check(
            "charset_types text/css TEXT/CSS;",
            "duplicate MIME type \"text/css\"",
        );
        check(
            "charset a; charset b;",
            "\"charset\" directive is duplicate",
        );
        check(
            "charset $host; source_charset $scheme; override_charset on;",
            "",
        );
    }
}
