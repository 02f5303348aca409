//! Settings of `auth_jwt`, and the directives that set them.

use super::keys::{KeyFile, KeyRequest};
use super::variables::{Place, write_member};
use crate::map::variable_name;
use crate::requirements::Requirement;
use engine::directive::{custom, keyword, millis, seconds, set_once};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, Template, inherit_fields};
use http::Request;
use http::variable::{Caching, define};
use std::path::PathBuf;
use std::rc::Rc;

/// Whom a location asks for a token, and what it must be.
#[derive(Clone)]
pub(super) struct Settings {
    /// `None` for `off`.
    pub(super) asked: Setting<Option<Asked>>,
    pub(super) files: Setting<Vec<Rc<KeyFile>>>,
    pub(super) requests: Setting<Vec<Rc<KeyRequest>>>,
    /// Milliseconds for which keys are not read again.
    pub(super) key_cache: Setting<u64>,
    /// Seconds by which clocks may differ.
    pub(super) leeway: Setting<u64>,
    /// Index in [`KINDS`].
    kind: Setting<usize>,
    pub(super) requirements: Setting<Vec<Requirement>>,
}

/// What a client is asked.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) realm: Template,
    /// Where the token is, unless in `Authorization`.
    pub(super) token: Option<Template>,
}

/// What a token is, by `auth_jwt_type`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Signed,
    Encrypted,
    Nested,
}

const KINDS: &[&str] = &["signed", "encrypted", "nested"];

impl Settings {
    pub(super) fn kind(&self) -> Kind {
        match *self.kind {
            0 => Kind::Signed,
            1 => Kind::Encrypted,
            _ => Kind::Nested,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            asked: Setting::new(None),
            files: Setting::new(Vec::new()),
            requests: Setting::new(Vec::new()),
            key_cache: Setting::new(0),
            leeway: Setting::new(0),
            kind: Setting::new(0),
            requirements: Setting::new(Vec::new()),
        }
    }
}

inherit_fields!(Settings {
    asked,
    files,
    requests,
    key_cache,
    leeway,
    kind,
    requirements,
});

const CONTEXTS: Contexts = Contexts::ALL.with(Contexts::LIMIT_EXCEPT);
const AT_LEAST_TWO: Arity = Arity::between(2, usize::MAX);

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("auth_jwt", CONTEXTS, Arity::between(1, 2), read),
    custom(
        "auth_jwt_claim_set",
        Contexts::HTTP,
        AT_LEAST_TWO,
        |_, line| define_member(line, Place::Claims),
    ),
    custom(
        "auth_jwt_header_set",
        Contexts::HTTP,
        AT_LEAST_TWO,
        |_, line| define_member(line, Place::Header),
    ),
    millis("auth_jwt_key_cache", Contexts::ALL, |s| &mut s.key_cache),
    custom("auth_jwt_key_file", CONTEXTS, Arity::ONE, |s, line| {
        let folder: PathBuf = line.loading.full_conf_path(b"");
        let file = KeyFile::new(folder, line.template(0)?);
        s.files.edit().push(Rc::new(file));
        Ok(())
    }),
    custom("auth_jwt_key_request", CONTEXTS, Arity::ONE, |s, line| {
        let request = KeyRequest::new(line.template(0)?);
        s.requests.edit().push(Rc::new(request));
        Ok(())
    }),
    seconds("auth_jwt_leeway", Contexts::ALL, |s| &mut s.leeway),
    custom(
        "auth_jwt_require",
        CONTEXTS,
        Arity::between(1, usize::MAX),
        |s, line| {
            let requirement = Requirement::read(line, 401, |status| matches!(status, 401 | 403))?;
            s.requirements.edit().push(requirement);
            Ok(())
        },
    ),
    keyword("auth_jwt_type", CONTEXTS, KINDS, |s| &mut s.kind),
];

pub(super) static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// `auth_jwt string [token=$variable]`, `auth_jwt off`
fn read(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let token = match line
        .args()
        .get(1)
        .map(|word| word.text.strip_prefix(b"token="))
    {
        None => None,
        Some(Some(token)) if token.starts_with(b"$") && line.arg(0) != b"off" => {
            Some(line.compile(token)?)
        }
        Some(_) => return Err(line.invalid_parameter(1)),
    };
    let asked = if line.arg(0) == b"off" {
        None
    } else {
        let realm = line.template(0)?;
        Some(Asked { realm, token })
    };
    set_once(&mut settings.asked, asked)
}

/// `auth_jwt_claim_set $variable name ...`, `auth_jwt_header_set $variable name ...`
fn define_member(line: &mut Line<'_>, place: Place) -> Result<(), Refused> {
    let name = variable_name(line.arg(0))?;
    let path: Result<Vec<String>, _> = (1..line.args().len())
        .map(|index| String::from_utf8(line.arg(index).to_vec()))
        .collect();
    let path = path.map_err(|_| Refused::new("the name is not UTF-8, as names in tokens are"))?;
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        write_member(request, place, path.iter().map(String::as_str), out)
    };
    // What it is changes when the token has been judged.
    define(line.loading, name, Caching::Never, Rc::new(compute))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words() {
        check(
            "auth_jwt $host token=$arg_token; auth_jwt_key_file a; auth_jwt_key_file b$uri;
             auth_jwt_key_request /a; auth_jwt_key_request /b; auth_jwt_key_cache 1h;
             auth_jwt_leeway 5s; auth_jwt_type nested; auth_jwt_require $jwt_claim_a $args;
             auth_jwt_require $uri error=403; auth_jwt_claim_set $a b \"c d\";
             auth_jwt_header_set $h x; server { auth_jwt off; }",
            "",
        );
        check("auth_jwt a token=b;", "invalid parameter \"token=b\"");
        check("auth_jwt a b;", "invalid parameter \"b\"");
        check("auth_jwt off token=$a;", "invalid parameter \"token=$a\"");
        check(
            "auth_jwt a; auth_jwt b;",
            "\"auth_jwt\" directive is duplicate",
        );
        check("auth_jwt_type plain;", "invalid value \"plain\"");
        check(
            "auth_jwt_require $uri error=402;",
            "invalid parameter \"error=402\"",
        );
        check("auth_jwt_require uri;", "invalid value \"uri\"");
        check("auth_jwt_claim_set a b;", "invalid variable name \"a\"");
        check(
            "auth_jwt_claim_set $host b;",
            "the duplicate \"host\" variable",
        );
        check(
            "auth_jwt_claim_set $a b; auth_jwt_header_set $a c;",
            "the duplicate \"a\" variable",
        );
        check(
            "auth_jwt_leeway 5ms;",
            "\"auth_jwt_leeway\" directive invalid value",
        );
    }
}
