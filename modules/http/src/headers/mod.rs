//! Fields that the configuration adds to responses: `add_header`, `add_trailer`, `expires`.
//!
//! Runs after conditions were tested, so that they are tested on the stored file's own times
//! and tags, and before anything that changes the body.
//!
//! Source: nginx documentation, ngx_http_headers_module.

mod expires;

use engine::directive::{custom, keyword, lossy, set_once};
use engine::setting::Inherit;
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template};
use expires::Expires;
use http::{Body, Bytes, Error, Filter, LastModified, Module, Request, ResponseHead, Stage};
use std::rc::Rc;

/// What is added to the responses of a location.
#[derive(Clone)]
struct Settings {
    /// `add_header`.
    fields: Setting<Vec<Added>>,
    /// Index in [`INHERITANCE`].
    fields_inherit: Setting<usize>,
    /// `add_trailer`.
    trailers: Setting<Vec<Added>>,
    /// Index in [`INHERITANCE`].
    trailers_inherit: Setting<usize>,
    /// `expires`.
    expires: Setting<Expires>,
}

/// The words of `add_header_inherit`.
const INHERITANCE: &[&str] = &["on", "off", "merge"];
const OFF: usize = 1;
const MERGE: usize = 2;

/// One field or trailer.
#[derive(Clone)]
struct Added {
    name: Bytes,
    value: Template,
    /// The value, where it is the same for all requests.
    constant: Option<Bytes>,
    /// Whether it is added to failures too.
    always: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fields: Setting::new(Vec::new()),
            fields_inherit: Setting::new(0),
            trailers: Setting::new(Vec::new()),
            trailers_inherit: Setting::new(0),
            expires: Setting::new(Expires::Off),
        }
    }
}

impl Inherit for Settings {
    fn inherit(&mut self, outer: &Self) {
        self.expires.inherit(&outer.expires);
        self.fields_inherit.inherit(&outer.fields_inherit);
        inherit_added(&mut self.fields, &outer.fields, *self.fields_inherit);
        self.trailers_inherit.inherit(&outer.trailers_inherit);
        inherit_added(&mut self.trailers, &outer.trailers, *self.trailers_inherit);
    }
}

fn inherit_added(own: &mut Setting<Vec<Added>>, outer: &Setting<Vec<Added>>, rule: usize) {
    match rule {
        OFF => {}
        MERGE if own.is_set() => own.edit().extend_from_slice(outer),
        _ => own.inherit(outer),
    }
}

const DIRECTIVES: &[Directive<Settings>] = &[
    custom(
        "add_header",
        Contexts::ALL_AND_IF,
        Arity::between(2, 3),
        |settings, line| read_added(&mut settings.fields, line),
    ),
    keyword(
        "add_header_inherit",
        Contexts::ALL_AND_IF,
        INHERITANCE,
        |s| &mut s.fields_inherit,
    ),
    custom(
        "add_trailer",
        Contexts::ALL_AND_IF,
        Arity::between(2, 3),
        |settings, line| read_added(&mut settings.trailers, line),
    ),
    keyword(
        "add_trailer_inherit",
        Contexts::ALL_AND_IF,
        INHERITANCE,
        |s| &mut s.trailers_inherit,
    ),
    custom(
        "expires",
        Contexts::ALL_AND_IF,
        Arity::between(1, 2),
        |settings, line| {
            let expires = expires::read(line)?;
            set_once(&mut settings.expires, expires)
        },
    ),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Fields that the configuration adds.
pub(crate) static MODULE: Module = Module {
    name: "headers",
    settings: &[&SETTINGS],
    filters: &[Filter::new(Stage::Headers, is_enabled, start)],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    let settings = SETTINGS.of(settings);
    !settings.fields.is_empty() || !settings.trailers.is_empty() || !settings.expires.is_off()
}

/// Adds what the location says to a response.
fn start(request: &mut Request, head: &mut ResponseHead, _: &mut Body) -> Result<(), Error> {
    if request.is_subrequest {
        return Ok(());
    }
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let is_success = matches!(
        head.status,
        200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308
    );
    if is_success {
        settings.expires.apply(request, head);
    }
    for added in settings.fields.iter().filter(|a| is_success || a.always) {
        let value = match &added.constant {
            Some(value) => value.clone(),
            None => request
                .with_head(head, |request| added.value.eval(request))
                .into(),
        };
        add(head, &added.name, value);
    }
    for added in settings.trailers.iter().filter(|a| is_success || a.always) {
        head.expects_trailers = true;
        let trailer = (added.name.clone(), added.value.clone());
        head.late_trailers.push(trailer);
    }
    Ok(())
}

/// Adds a field. `Last-Modified` and `ETag` are set, or removed by an empty value; any other
/// field with an empty value is left out.
pub(crate) fn add(head: &mut ResponseHead, name: &Bytes, value: Bytes) {
    let is_empty = value.is_empty();
    if name.eq_ignore_ascii_case(b"ETag") {
        head.etag = Some(value).filter(|_| !is_empty);
    } else if name.eq_ignore_ascii_case(b"Last-Modified") {
        head.last_modified = Some(LastModified::Said(value)).filter(|_| !is_empty);
    } else if !is_empty {
        head.fields.push((name.clone(), value));
    }
}

/// `add_header name value [always]`
fn read_added(field: &mut Setting<Vec<Added>>, line: &mut Line<'_>) -> Result<(), Refused> {
    let always = match line.arg(2) {
        b"" if line.args().len() == 2 => false,
        b"always" => true,
        word => {
            return Err(Refused::new(format!(
                "invalid parameter \"{}\"",
                lossy(word)
            )));
        }
    };
    let value = line.template(1)?;
    let shared = |bytes: &[u8]| Bytes::Shared(Rc::from(bytes));
    field.edit().push(Added {
        name: shared(line.arg(0)),
        constant: value.as_constant().map(shared),
        value,
        always,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    fn values(list: &[Added]) -> Vec<&[u8]> {
        list.iter().map(|added| &*added.name).collect()
    }

    fn level(names: &[&'static str], rule: Option<usize>) -> Settings {
        let mut settings = Settings::default();
        for name in names {
            settings.fields.edit().push(Added {
                name: (*name).into(),
                value: Template::constant(b"x"),
                constant: None,
                always: false,
            });
        }
        if let Some(rule) = rule {
            settings.fields_inherit.set(rule);
        }
        settings
    }

    #[track_caller]
    fn check_inherited(outer: &Settings, mut inner: Settings, expected: &[&str]) -> Settings {
        inner.inherit(outer);
        let expected: Vec<_> = expected.iter().map(|name| name.as_bytes()).collect();
        assert_eq!(values(&inner.fields), expected);
        inner
    }

    #[test]
    fn fields_of_outer_levels() {
        let outer = level(&["A", "B"], None);
        check_inherited(&outer, level(&[], None), &["A", "B"]);
        check_inherited(&outer, level(&["C"], None), &["C"]);
        check_inherited(&outer, level(&["C"], Some(MERGE)), &["C", "A", "B"]);
        check_inherited(&outer, level(&[], Some(MERGE)), &["A", "B"]);
        let off = check_inherited(&outer, level(&[], Some(OFF)), &[]);
        check_inherited(&off, level(&[], None), &[]);
        check_inherited(&off, level(&["C"], Some(0)), &["C"]);
    }

    #[test]
    fn special_fields_replace_and_disappear() {
        let mut head = ResponseHead {
            etag: Some("\"a\"".into()),
            last_modified: Some(LastModified::At(0)),
            ..ResponseHead::default()
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        add(&mut head, &"etag".into(), "\"b\"".into());
        add(&mut head, &"Last-Modified".into(), date.into());
        assert_eq!(head.etag, Some("\"b\"".into()));
        assert_eq!(head.modified(), Some(784_111_777));
        assert!(head.fields.is_empty());

        add(&mut head, &"Last-Modified".into(), "long ago".into());
        assert_eq!(head.modified(), None);
        let said = LastModified::Said("long ago".into());
        assert_eq!(head.last_modified, Some(said));

        add(&mut head, &"ETag".into(), "".into());
        add(&mut head, &"Last-Modified".into(), "".into());
        add(&mut head, &"X".into(), "".into());
        assert_eq!((head.etag, head.last_modified), (None, None));
        assert!(head.fields.is_empty());
    }

    #[test]
    fn words() {
        check(
            "add_header A b always; add_trailer C $host; expires 1h;",
            "",
        );
        check("add_header A b often;", "invalid parameter \"often\"");
        check("add_header_inherit maybe;", "invalid value \"maybe\"");
        check(
            "expires 1h; expires 2h;",
            "\"expires\" directive is duplicate",
        );
    }
}
