//! `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_cookie_flags`: cookies of proxied servers
//! made to fit where clients see them.

use super::Settings;
use engine::{Line, Pattern, Refused, Setting, Template};
use http::Request;

/// One rule for a domain or a path.
#[derive(Clone)]
pub(super) struct Replacement {
    from: From,
    to: Template,
}

#[derive(Clone)]
enum From {
    /// The whole of a domain, in any case, without its leading dot.
    Domain(Template),
    /// The beginning of a path.
    Prefix(Template),
    /// What matches.
    Pattern(Pattern),
}

/// `proxy_cookie_domain off | from to`, `proxy_cookie_path off | from to`
pub(super) fn read_replacement(
    field: &mut Setting<Vec<Replacement>>,
    line: &mut Line<'_>,
    is_domain: bool,
) -> Result<(), Refused> {
    if field.is_set() && field.is_empty() {
        return Err(Refused::duplicate());
    }
    if line.args().len() == 1 {
        if line.arg(0) != b"off" {
            return Err(line.invalid_parameter(0));
        }
        if field.is_set() {
            return Err(Refused::duplicate());
        }
        field.set(Vec::new());
        return Ok(());
    }
    let to = line.template(1)?;
    let word = line.arg(0);
    let from = match word.strip_prefix(b"~") {
        Some(text) if is_domain => From::Pattern(line.pattern(text, true)?),
        Some(rest) => match rest.strip_prefix(b"*") {
            Some(text) => From::Pattern(line.pattern(text, true)?),
            None => From::Pattern(line.pattern(rest, false)?),
        },
        None if is_domain => From::Domain(line.compile(word.strip_prefix(b".").unwrap_or(word))?),
        None => From::Prefix(line.template(0)?),
    };
    field.edit().push(Replacement { from, to });
    Ok(())
}

impl Replacement {
    /// The value after this rule, if it fits.
    fn apply(&self, request: &Request, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match &self.from {
            From::Domain(template) => {
                let (dot, domain) = match value.strip_prefix(b".") {
                    Some(domain) => (&value[..1], domain),
                    None => (&b""[..], value),
                };
                if !domain.eq_ignore_ascii_case(&template.eval(request)) {
                    return None;
                }
                out.extend_from_slice(dot);
                self.to.write(request, &mut out);
            }
            From::Prefix(template) => {
                let rest = value.strip_prefix(&*template.eval(request))?;
                self.to.write(request, &mut out);
                out.extend_from_slice(rest);
            }
            From::Pattern(pattern) => {
                if !request.matches(pattern, value) {
                    return None;
                }
                self.to.write(request, &mut out);
            }
        }
        Some(out)
    }
}

/// `proxy_cookie_flags cookie flag...` for one or several cookies.
#[derive(Clone)]
pub(super) struct CookieFlags {
    cookie: Name,
    flags: Vec<Flag>,
}

/// What a cookie gets or loses.
#[derive(Clone)]
enum Flag {
    Fixed(Change),
    /// The word of a change, or of none.
    Computed(Template),
}

/// A change of one attribute.
#[derive(Clone, Copy)]
enum Change {
    /// It is there, with its value.
    Set(&'static str, Option<&'static str>),
    /// It is not.
    Unset(&'static str),
}

impl Change {
    /// The change that `word` names, in any case of letters.
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_slice() {
            b"secure" => Self::Set("Secure", None),
            b"httponly" => Self::Set("HttpOnly", None),
            b"samesite=strict" => Self::Set("SameSite", Some("Strict")),
            b"samesite=lax" => Self::Set("SameSite", Some("Lax")),
            b"samesite=none" => Self::Set("SameSite", Some("None")),
            b"nosecure" => Self::Unset("Secure"),
            b"nohttponly" => Self::Unset("HttpOnly"),
            b"nosamesite" => Self::Unset("SameSite"),
            _ => return None,
        })
    }
}

#[derive(Clone)]
enum Name {
    Text(Template),
    Pattern(Pattern),
}

/// `proxy_cookie_flags off | cookie [flag...]`
pub(super) fn read_flags(
    field: &mut Setting<Vec<CookieFlags>>,
    line: &mut Line<'_>,
) -> Result<(), Refused> {
    if line.args().len() == 1 {
        if line.arg(0) != b"off" {
            return Err(line.invalid_parameter(0));
        }
        if field.is_set() {
            return Err(Refused::duplicate());
        }
        field.set(Vec::new());
        return Ok(());
    }
    let word = line.arg(0);
    let cookie = match word.strip_prefix(b"~") {
        Some(text) => Name::Pattern(line.pattern(text, true)?),
        None => Name::Text(line.template(0)?),
    };
    let mut flags = Vec::new();
    for index in 1..line.args().len() {
        let template = line.template(index)?;
        match template.as_constant().map(Change::of) {
            None => flags.push(Flag::Computed(template)),
            Some(Some(change)) => flags.push(Flag::Fixed(change)),
            Some(None) => {
                let shown = String::from_utf8_lossy(line.arg(index)).into_owned();
                line.warn(format!("unknown flag \"{shown}\", ignored"));
            }
        }
    }
    field.edit().push(CookieFlags { cookie, flags });
    Ok(())
}

/// The attributes of a cookie, its name and value first.
struct Cookie {
    parts: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    is_changed: bool,
}

impl Cookie {
    fn parse(text: &[u8]) -> Self {
        let part = |piece: &[u8]| match piece.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let (name, value) = (&piece[..at], &piece[at + 1..]);
                (
                    name.trim_ascii().to_vec(),
                    Some(value.trim_ascii().to_vec()),
                )
            }
            None => (piece.trim_ascii().to_vec(), None),
        };
        Self {
            parts: text.split(|&byte| byte == b';').map(part).collect(),
            is_changed: false,
        }
    }

    /// Rewrites the value of each attribute `name`.
    fn replace(&mut self, name: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        for (known, value) in self.parts.iter_mut().skip(1) {
            if !known.eq_ignore_ascii_case(name.as_bytes()) {
                continue;
            }
            if let Some(new) = value.as_deref().and_then(&change) {
                *value = Some(new);
                self.is_changed = true;
            }
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(|value| value.as_bytes().to_vec());
        let known =
            |part: &&mut (Vec<u8>, Option<Vec<u8>>)| part.0.eq_ignore_ascii_case(name.as_bytes());
        self.is_changed = true;
        match self.parts.iter_mut().skip(1).find(known) {
            Some(part) => {
                if value.is_some() {
                    *part = (name.as_bytes().to_vec(), value);
                }
            }
            None => self.parts.push((name.as_bytes().to_vec(), value)),
        }
    }

    fn unset(&mut self, name: &str) {
        let mut index = 0;
        self.parts.retain(|(known, _)| {
            index += 1;
            index == 1 || !known.eq_ignore_ascii_case(name.as_bytes())
        });
        self.is_changed = true;
    }

    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, (name, value)) in self.parts.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b"; ");
            }
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
        out
    }
}

/// The cookie as `settings` have it; `None` to leave it as it is.
pub(super) fn rewrite(settings: &Settings, request: &Request, value: &[u8]) -> Option<Vec<u8>> {
    let has_rules = !settings.cookie_domains.is_empty()
        || !settings.cookie_paths.is_empty()
        || !settings.cookie_flags.is_empty();
    if !has_rules {
        return None;
    }
    let mut cookie = Cookie::parse(value);
    cookie.parts.first()?.1.as_ref()?;
    let first = |rules: &[Replacement], value: &[u8]| {
        rules.iter().find_map(|rule| rule.apply(request, value))
    };
    cookie.replace("domain", |value| first(&settings.cookie_domains, value));
    cookie.replace("path", |value| first(&settings.cookie_paths, value));
    let name = cookie.parts.first()?.0.clone();
    let flags = settings
        .cookie_flags
        .iter()
        .find(|flags| match &flags.cookie {
            Name::Text(template) => template.eval(request).eq_ignore_ascii_case(&name),
            Name::Pattern(pattern) => request.matches(pattern, &name),
        });
    if let Some(flags) = flags {
        let changes = flags.flags.iter().filter_map(|flag| match flag {
            Flag::Fixed(change) => Some(*change),
            Flag::Computed(word) => Change::of(&word.eval(request)),
        });
        for change in changes {
            match change {
                Change::Set(name, value) => cookie.set(name, value),
                Change::Unset(name) => cookie.unset(name),
            }
        }
    }
    cookie.is_changed.then(|| cookie.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_set_changed_and_removed() {
        let mut cookie = Cookie::parse(b"a=b;Path=/x; secure ; SameSite=None");
        cookie.replace("path", |value| (value == b"/x").then(|| b"/y".to_vec()));
        cookie.set("Secure", None);
        cookie.set("SameSite", Some("Lax"));
        cookie.set("HttpOnly", None);
        assert_eq!(
            cookie.text(),
            b"a=b; Path=/y; secure; SameSite=Lax; HttpOnly"
        );
        cookie.unset("secure");
        cookie.unset("a");
        assert_eq!(cookie.text(), b"a=b; Path=/y; SameSite=Lax; HttpOnly");
    }

    #[test]
    fn misuse_is_refused() {
        let check = crate::testing::check;
        check("proxy_cookie_path /a /b; proxy_cookie_path ~*^/c /d;", "");
        check("proxy_cookie_path maybe;", "invalid parameter \"maybe\"");
        check(
            "proxy_cookie_flags a secures Secure $host;",
            "unknown flag \"secures\", ignored",
        );
    }
}
