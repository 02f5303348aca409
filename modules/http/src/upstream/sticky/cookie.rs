//! `sticky cookie`: the client brings back the name of its server.

use engine::directive::lossy;
use engine::variable::Lookup;
use engine::{Line, Refused, Template, VariableId};
use http::gateway::sticky::Sticky;
use http::{Bytes, Request};
use runtime::Millis;
use std::rc::Rc;

/// How long a browser keeps the cookie.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expires {
    /// As long as it runs.
    WithBrowser,
    /// For so many seconds.
    After(u64),
    /// As long as can be said.
    Never,
}

struct Cookie {
    name: Vec<u8>,
    value: VariableId,
    expires: Expires,
    domain: Option<Template>,
    samesite: Option<Template>,
    path: Option<Vec<u8>>,
    is_http_only: bool,
    is_secure: bool,
}

/// `sticky cookie name [expires=time] [domain=domain] [httponly]
/// [samesite=strict|lax|none|$variable] [secure] [path=path]`
pub(super) fn read(line: &mut Line<'_>) -> Result<Rc<dyn Sticky>, Refused> {
    let name = line.arg(1).to_vec();
    if name.is_empty() {
        return Err(refuse("empty cookie name"));
    }
    let value = line.variable(&[b"cookie_", name.as_slice()].concat());
    let mut cookie = Cookie {
        name,
        value,
        expires: Expires::WithBrowser,
        domain: None,
        samesite: None,
        path: None,
        is_http_only: false,
        is_secure: false,
    };
    for index in 2..line.args().len() {
        cookie.read_parameter(line, index)?;
    }
    Ok(Rc::new(cookie))
}

fn refuse(why: &str) -> Refused {
    Refused::new(format!("\"sticky\" directive {why}"))
}

impl Cookie {
    fn read_parameter(&mut self, line: &mut Line<'_>, index: usize) -> Result<(), Refused> {
        let word = line.arg(index);
        let (name, value) = match word.iter().position(|&byte| byte == b'=') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        let is_duplicate = match (name, value) {
            (b"domain", Some(b"")) => return Err(refuse("no value for \"domain\"")),
            (b"domain", Some(text)) => self.domain.replace(line.compile(text)?).is_some(),
            (b"path", Some(b"")) => return Err(refuse("no value for \"path\"")),
            (b"path", Some(text)) => self.path.replace(text.to_vec()).is_some(),
            (b"expires", Some(text)) => {
                let before = std::mem::replace(&mut self.expires, parse_expires(text)?);
                before != Expires::WithBrowser
            }
            (b"samesite", Some(text)) => {
                let template = line.compile(text)?;
                if template.as_constant().is_some() && !is_same_site(text) {
                    return Err(refuse("invalid \"samesite\" parameter value"));
                }
                self.samesite.replace(template).is_some()
            }
            (b"httponly", None) => std::mem::replace(&mut self.is_http_only, true),
            (b"secure", None) => std::mem::replace(&mut self.is_secure, true),
            _ => {
                let word = lossy(word);
                return Err(Refused::new(format!("unknown parameter \"{word}\"")));
            }
        };
        if is_duplicate {
            let name = lossy(name);
            return Err(refuse(&format!("parameter \"{name}\" is duplicate")));
        }
        Ok(())
    }

    /// The value of `Set-Cookie` for the server `session_id` at `now` in seconds since 1970.
    fn text(&self, request: &Request, session_id: &str, now: i64) -> Vec<u8> {
        let mut out = [&self.name, &b"="[..], session_id.as_bytes()].concat();
        let mut add = |name: &str, value: &[u8]| {
            out.extend_from_slice(b"; ");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value);
        };
        match self.expires {
            Expires::WithBrowser => {}
            Expires::Never => {
                add("expires=", b"Thu, 31-Dec-37 23:55:55 GMT");
                add("max-age=", b"315360000");
            }
            Expires::After(seconds) => {
                let at = base::date::cookie(now.saturating_add_unsigned(seconds));
                add("expires=", at.as_bytes());
                add("max-age=", seconds.to_string().as_bytes());
            }
        }
        let domain = self.domain.as_ref().map(|domain| domain.eval(request));
        if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
            add("domain=", &domain);
        }
        if self.is_http_only {
            add("httponly", b"");
        }
        if self.is_secure {
            add("secure", b"");
        }
        let samesite = self
            .samesite
            .as_ref()
            .map(|samesite| samesite.eval(request));
        if let Some(samesite) = samesite.filter(|samesite| !samesite.is_empty()) {
            // What makes no sense is taken for what is safest.
            let is_known = is_same_site(&samesite);
            add("samesite=", if is_known { &samesite } else { b"strict" });
        }
        if let Some(path) = &self.path {
            add("path=", path);
        }
        out
    }
}

fn parse_expires(text: &[u8]) -> Result<Expires, Refused> {
    if text == b"max" {
        return Ok(Expires::Never);
    }
    let seconds = base::units::parse_time_sec(text);
    let seconds = seconds.map_err(|_| refuse("invalid \"expires\" parameter value"))?;
    Ok(Expires::After(seconds))
}

/// Whether it is one of the values that `SameSite` may have.
fn is_same_site(text: &[u8]) -> bool {
    let known = ["strict", "lax", "none"];
    let mut known = known.into_iter().map(str::as_bytes);
    known.any(|known| text.eq_ignore_ascii_case(known))
}

impl Sticky for Cookie {
    fn bound_to(&self, request: &Request, _: Millis) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let is_there = request.write_variable(self.value, &mut value) && !value.is_empty();
        is_there.then_some(value)
    }

    fn chosen(&self, request: &mut Request, session_id: &str) {
        let now = request.connection.http.worker.wall().unix_secs;
        let text = self.text(request, session_id, now);
        let start = [&self.name, &b"="[..]].concat();
        let fields = &mut request.extra_fields;
        // That of a server that was tried before.
        fields.retain(|(name, value)| &**name != b"Set-Cookie" || !value.starts_with(&start));
        fields.push((Bytes::Static(b"Set-Cookie"), Bytes::from(text)));
    }
}
