//! `proxy_redirect`: what a proxied server says of its own address, told as ours.

use super::pass::Written;
use super::{SETTINGS, cookies};
use engine::{Line, Pattern, Refused, Setting, Template};
use http::Request;
use http::config::location_name::LocationName;
use http::gateway::Rewrite;

/// The rules of a location, in order; the first that fits is applied.
#[derive(Clone, Default)]
pub(super) struct Redirects {
    rules: Vec<Redirect>,
    is_off: bool,
}

/// One rule.
#[derive(Clone)]
pub(super) enum Redirect {
    /// From the URL of `proxy_pass` to the location.
    Default,
    /// A beginning is replaced.
    Prefix { from: Template, to: Template },
    /// Whatever matches is replaced as a whole.
    Pattern { pattern: Pattern, to: Template },
}

/// `proxy_redirect off | default | from to`
pub(super) fn read(field: &mut Setting<Redirects>, line: &mut Line<'_>) -> Result<(), Refused> {
    if field.is_off {
        return Err(Refused::duplicate());
    }
    if line.args().len() == 1 {
        return match line.arg(0) {
            b"off" if !field.rules.is_empty() => Err(Refused::duplicate()),
            b"off" => {
                field.edit().is_off = true;
                Ok(())
            }
            b"default" => {
                field.edit().rules.push(Redirect::Default);
                Ok(())
            }
            _ => Err(line.invalid_parameter(0)),
        };
    }
    let to = line.template(1)?;
    let from = line.arg(0);
    let rule = match from.strip_prefix(b"~") {
        Some(rest) => {
            let (text, ignores_case) = match rest.strip_prefix(b"*") {
                Some(text) => (text, true),
                None => (rest, false),
            };
            let pattern = line.pattern(text, ignores_case)?;
            Redirect::Pattern { pattern, to }
        }
        None => Redirect::Prefix {
            from: line.template(0)?,
            to,
        },
    };
    field.edit().rules.push(rule);
    Ok(())
}

impl Redirects {
    /// Puts the rule that `default` means, and that a location without rules has, in its
    /// place.
    pub(super) fn settle(
        &mut self,
        written: &Written,
        location: &LocationName,
    ) -> Result<(), String> {
        let is_implicit = self.rules.is_empty();
        if self.is_off {
            return Ok(());
        }
        let has_default = self
            .rules
            .iter()
            .any(|rule| matches!(rule, Redirect::Default));
        if !is_implicit && !has_default {
            return Ok(());
        }
        let Some(url) = written.url.as_constant() else {
            if is_implicit {
                return Ok(());
            }
            return Err(
                "\"proxy_redirect default\" cannot be used with \"proxy_pass\" \
                        directive with variables"
                    .to_owned(),
            );
        };
        let Some(rule) = default_rule(url, location) else {
            return Ok(());
        };
        if is_implicit {
            self.rules.push(rule);
            return Ok(());
        }
        for known in &mut self.rules {
            if matches!(known, Redirect::Default) {
                *known = rule.clone();
            }
        }
        Ok(())
    }

    /// The value after the first rule that fits; `start` is where it begins to count.
    fn apply(&self, request: &Request, value: &[u8], start: usize) -> Option<Vec<u8>> {
        let (kept, rest) = value.split_at_checked(start)?;
        self.rules.iter().find_map(|rule| {
            let mut out = kept.to_vec();
            match rule {
                Redirect::Default => return None,
                Redirect::Prefix { from, to } => {
                    let after = rest.strip_prefix(&*from.eval(request))?;
                    to.write(request, &mut out);
                    out.extend_from_slice(after);
                }
                Redirect::Pattern { pattern, to } => {
                    if !request.matches(pattern, rest) {
                        return None;
                    }
                    to.write(request, &mut out);
                }
            }
            Some(out)
        })
    }
}

/// `proxy_redirect default` in so many words.
fn default_rule(url: &[u8], location: &LocationName) -> Option<Redirect> {
    let parsed = super::target::Url::parse(url).ok()?;
    if parsed.uri.is_empty() {
        let from = [url, b"/"].concat();
        return Some(Redirect::Prefix {
            from: Template::constant(&from),
            to: Template::constant(b"/"),
        });
    }
    let to = match location {
        LocationName::Prefix { prefix, .. } => prefix,
        LocationName::Exact(uri) => uri,
        _ => return None,
    };
    Some(Redirect::Prefix {
        from: Template::constant(url),
        to: Template::constant(to.as_slice()),
    })
}

/// The rewriting of a response's fields, as the request's location says.
pub(super) struct ResponseFields;

impl Rewrite for ResponseFields {
    fn location(&self, request: &Request, value: &[u8]) -> Option<Vec<u8>> {
        let settings = SETTINGS.of(&request.location.settings);
        settings.redirects.apply(request, value, 0)
    }

    fn refresh(&self, request: &Request, value: &[u8]) -> Option<Vec<u8>> {
        let settings = SETTINGS.of(&request.location.settings);
        let start = base::bytes::find_ignore_case(value, b"url=")? + b"url=".len();
        settings.redirects.apply(request, value, start)
    }

    fn cookie(&self, request: &Request, value: &[u8]) -> Option<Vec<u8>> {
        let settings = SETTINGS.of(&request.location.settings);
        cookies::rewrite(settings, request, value)
    }

    fn passes_trailers(&self, request: &Request) -> bool {
        *SETTINGS.of(&request.location.settings).pass_trailers
    }
}
