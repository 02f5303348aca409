//! `try_files`: serves the first of several files that exists, or goes to another URI.
//!
//! Runs once access is granted and before content is made. What it finds becomes the
//! request's URI; how that is served is left to the content handlers. Not inherited, as in
//! nginx: an `if` block or a nested location has none unless it says so itself.
//!
//! Source: nginx documentation, ngx_http_core_module.

use crate::file_test;
use engine::directive::{custom, set_once};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template,
    inherit_fields,
};
use http::core::files::{self, Root};
use http::{Error, Flow, Handler, Module, Phase, Request, redirect};
use std::rc::Rc;

/// Settings of a location.
#[derive(Default)]
struct Settings {
    /// Files to try; `None` without the directive.
    tries: Setting<Option<Tries>>,
}

/// The arguments of `try_files`.
struct Tries {
    files: Vec<Candidate>,
    last: Last,
}

/// A file or folder to look for.
#[derive(Debug, PartialEq)]
struct Candidate {
    name: Template,
    /// Whether a folder is asked for, by a slash at the end.
    is_directory: bool,
}

/// What happens when nothing was found.
#[derive(Debug, PartialEq)]
enum Last {
    /// `=code`
    Status(u16),
    /// A URI, or a location's name with its `@`.
    Uri(Template),
}

inherit_fields!(Settings {} own: { tries });

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "try_files",
    Contexts::SERVER.with(Contexts::LOCATION),
    Arity::between(2, usize::MAX),
    read,
)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// The precontent phase.
pub(crate) static MODULE: Module = Module {
    name: "try_files",
    settings: &[&SETTINGS],
    handlers: &[Handler::now(Phase::PreContent, is_enabled, run)],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    SETTINGS.of(settings).tries.is_some()
}

fn run(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let Some(tries) = &*SETTINGS.of(&location.settings).tries else {
        return Ok(Flow::Decline);
    };
    let alias = Alias::of(&location.files.root);
    for candidate in &tries.files {
        if find(request, candidate, alias)? {
            return Ok(Flow::Decline);
        }
    }
    Ok(match &tries.last {
        Last::Status(code) => Flow::Status(*code),
        Last::Uri(template) => go_to(alias.strip(request, template)),
    })
}

/// Sends the request to `uri`, arguments and all, or to the location that it names.
pub(crate) fn go_to(uri: Vec<u8>) -> Flow {
    if let Some(name) = uri.strip_prefix(b"@") {
        return Flow::Named(name.to_vec());
    }
    let (path, args) = redirect::split_args(&uri);
    Flow::Redirect {
        uri: path.to_vec(),
        args: args.to_vec(),
    }
}

/// Looks for `candidate`, and makes it the request's URI when it is there.
fn find(request: &mut Request, candidate: &Candidate, alias: Alias) -> Result<bool, Error> {
    let name = alias.strip(request, &candidate.name);
    let uri = match alias {
        Alias::Prefix(len) => {
            let prefix = request.uri.get(..len).unwrap_or_default();
            [prefix, &name].concat()
        }
        Alias::None | Alias::Pattern => name,
    };
    request.uri_follows_alias = alias == Alias::Pattern;
    let path = files::path_of(request, &uri)?;
    let stat = file_test::look(request, &path);
    let is_found = stat.is_some_and(|stat| stat.is_directory() == candidate.is_directory);
    // The alias of a pattern is the whole path of a folder.
    let is_new_uri = is_found && !(alias == Alias::Pattern && candidate.is_directory);
    if is_new_uri {
        request.uri = uri;
    } else {
        request.uri_follows_alias = false;
    }
    Ok(is_found)
}

/// How `alias` of the location leads from a URI to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alias {
    /// Not at all: there is a `root`.
    None,
    /// It stands for so many bytes at the start of the URI.
    Prefix(usize),
    /// It stands for the whole URI.
    Pattern,
}

impl Alias {
    fn of(root: &Root) -> Self {
        match root {
            Root::Root(_) => Self::None,
            Root::Alias { prefix, .. } => prefix.map_or(Self::Pattern, Self::Prefix),
        }
    }

    /// The value of `name`, as it follows the alias: without the location's prefix that
    /// `$uri` brings along.
    ///
    /// Names without variables keep it. The last argument loses it just as files do, and
    /// configurations rely on that: they write `/prefix//prefix/fallback?$args`.
    fn strip(self, request: &Request, name: &Template) -> Vec<u8> {
        let mut value = name.eval(request);
        if let Self::Prefix(len) = self
            && name.as_constant().is_none()
            && let Some(prefix) = request.uri.get(..len)
            && value.starts_with(prefix)
        {
            value.drain(..len);
        }
        value
    }
}

/// `try_files file ... uri;` or `try_files file ... =code;`
fn read(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let count = line.args().len();
    let mut files = Vec::with_capacity(count);
    for index in 0..count - 1 {
        let word = line.arg(index);
        let name = word.strip_suffix(b"/");
        files.push(Candidate {
            name: line.compile(name.unwrap_or(word))?,
            is_directory: name.is_some(),
        });
    }
    let last = match status(line.arg(count - 1))? {
        Some(status) => Last::Status(status),
        None => Last::Uri(line.template(count - 1)?),
    };
    set_once(&mut settings.tries, Some(Tries { files, last }))
}

/// The status in `=code`; `None` for a URI.
fn status(word: &[u8]) -> Result<Option<u16>, Refused> {
    let Some(code) = word.strip_prefix(b"=") else {
        return Ok(None);
    };
    base::units::parse_decimal(code)
        .ok()
        .filter(|&code| code <= 999)
        .and_then(|code| u16::try_from(code).ok())
        // As in nginx, "=0" is no status and so a URI.
        .map(|code| (code > 0).then_some(code))
        .ok_or_else(|| {
            let word = String::from_utf8_lossy(word);
            Refused::new(format!("invalid code \"{word}\""))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_status(word: &str, expected: Result<Option<u16>, &str>) {
        let got = status(word.as_bytes());
        let got = got.as_ref().map_err(Refused::message).copied();
        assert_eq!(got, expected);
    }

    #[test]
    fn misuse_is_refused_in_nginx_words() {
        let check = |inside: &str, expected: &str| {
            crate::testing::check(&format!("server {{ {inside} }}"), expected);
        };
        check("location / { try_files $uri $uri/ @a; }", "");
        check("try_files a =x;", "invalid code \"=x\"");
        check(
            "try_files a;",
            "invalid number of arguments in \"try_files\" directive",
        );
        check(
            "try_files a b; try_files a b;",
            "\"try_files\" directive is duplicate",
        );
        check(
            "if ($host) { try_files a b; }",
            "\"try_files\" directive is not allowed here",
        );
    }

    #[test]
    fn a_last_argument_may_be_a_status() {
        check_status("=404", Ok(Some(404)));
        check_status("/a=404", Ok(None));
        check_status("@name", Ok(None));
        check_status("=0", Ok(None));
        check_status("=", Err("invalid code \"=\""));
        check_status("=1000", Err("invalid code \"=1000\""));
        check_status("=x", Err("invalid code \"=x\""));
    }

    #[test]
    fn a_last_argument_may_be_a_location_or_a_uri() {
        assert!(matches!(go_to(b"@a".to_vec()), Flow::Named(name) if name == b"a"));
        let flow = go_to(b"/a?b=c?d".to_vec());
        assert!(matches!(flow, Flow::Redirect { uri, args } if uri == b"/a" && args == b"b=c?d"));
    }

    #[test]
    fn aliases_of_prefixes_and_patterns_differ() {
        let path = Template::constant(b"/data/");
        let alias = |prefix| Root::Alias {
            path: path.clone(),
            prefix,
        };
        assert_eq!(Alias::of(&alias(Some(3))), Alias::Prefix(3));
        assert_eq!(Alias::of(&alias(None)), Alias::Pattern);
        assert_eq!(Alias::of(&Root::Root(path.clone())), Alias::None);
    }
}
