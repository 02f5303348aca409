//! `rewrite`: another URI for those that match a pattern.

use super::answer::is_url;
use super::program::{NEXT, Run, STOP, Step, write};
use engine::{Line, Pattern, Refused, Template};
use http::variable::check_length;
use http::{Error, Request, redirect};
use http1::uri::{Unescape, unescape};
use runtime::log::Level;
use std::ops::ControlFlow;

/// One `rewrite`.
pub(super) struct Rewrite {
    pattern: Pattern,
    target: Target,
    /// Whether the request's arguments are added to those of the replacement.
    keeps_args: bool,
}

/// What becomes of a URI that matches.
enum Target {
    /// Another URI of this server.
    Uri {
        path: Template,
        args: Option<Template>,
        then: Then,
    },
    /// An address that the client is sent to.
    Redirect {
        status: u16,
        location: Template,
        /// Whether the replacement has a `?` of its own.
        has_args: bool,
    },
}

/// What follows a changed URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The next rule.
    GoOn,
    /// The search for a location (`last`).
    Relocate,
    /// The next phase (`break`).
    Stay,
}

/// A replacement and its flag as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written<'t> {
    /// Without the last `?`.
    text: &'t [u8],
    keeps_args: bool,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Uri(Then),
    Redirect(u16),
}

impl Rewrite {
    /// Reads `rewrite regex replacement [flag]`.
    ///
    /// # Errors
    ///
    /// `empty replacement`, `invalid parameter "..."`, and what patterns and templates are
    /// refused for.
    pub(super) fn read(line: &mut Line<'_>) -> Result<Self, Refused> {
        let flag = (line.args().len() > 2).then(|| line.arg(2));
        if line.arg(1).is_empty() {
            return Err(Refused::new("empty replacement"));
        }
        let pattern = line.pattern(line.arg(0), false)?;
        let written = parse(line.arg(1), flag).ok_or_else(|| line.invalid_parameter(2))?;
        let text = written.text;
        // A question mark is no part of a variable's name, so that the text can be cut before
        // its variables are known.
        let mark = text.iter().position(|&byte| byte == b'?');
        let target = match (written.what, mark) {
            (What::Redirect(status), mark) => Target::Redirect {
                status,
                location: line.compile(text)?,
                has_args: mark.is_some(),
            },
            (What::Uri(then), Some(mark)) => Target::Uri {
                path: line.compile(&text[..mark])?,
                args: Some(line.compile(&text[mark + 1..])?),
                then,
            },
            (What::Uri(then), None) => Target::Uri {
                path: line.compile(text)?,
                args: None,
                then,
            },
        };
        Ok(Self {
            pattern,
            target,
            keeps_args: written.keeps_args,
        })
    }

    /// Changes the request's URI, or answers with a redirect, if the pattern matches.
    ///
    /// # Errors
    ///
    /// The new URI is empty or too long.
    pub(super) fn apply(&self, request: &mut Request, run: &mut Run) -> Result<Step, Error> {
        if !run.matches(request, &self.pattern, &request.uri) {
            return Ok(NEXT);
        }
        request.is_internal = true;
        request.uri_is_original = false;
        request.location_matches_uri = false;
        run.escapes_captures = false;
        match &self.target {
            Target::Uri { path, args, then } => {
                self.change(request, run, path, args.as_ref())?;
                run.is_moved = *then != Then::Stay;
                Ok(if *then == Then::GoOn { NEXT } else { STOP })
            }
            Target::Redirect {
                status,
                location,
                has_args,
            } => {
                let location = self.location(request, location, *has_args);
                check_length(b"rewrite", &location)?;
                if run.logs {
                    let shown = String::from_utf8_lossy(&location);
                    let message = format!("rewritten redirect: \"{shown}\"");
                    request.log(Level::Notice, &message);
                }
                let flow = redirect::client(request, *status, location);
                Ok(ControlFlow::Break(Some(flow)))
            }
        }
    }

    fn change(
        &self,
        request: &mut Request,
        run: &Run,
        path: &Template,
        args: Option<&Template>,
    ) -> Result<(), Error> {
        let uri = path.eval(request);
        if let Some(template) = args {
            let mut args = Vec::new();
            write(template, request, true, &mut args);
            if self.keeps_args && !request.args.is_empty() {
                args.push(b'&');
                args.extend_from_slice(&request.args);
            }
            request.args = args;
        } else if !self.keeps_args {
            request.args.clear();
        }
        check_length(b"rewrite", &uri)?;
        check_length(b"rewrite", &request.args)?;
        if run.logs {
            let args = String::from_utf8_lossy(&request.args);
            let uri = String::from_utf8_lossy(&uri);
            let message = format!("rewritten data: \"{uri}\", args: \"{args}\"");
            request.log(Level::Notice, &message);
        }
        request.uri = uri;
        if request.uri.is_empty() {
            return Err(Error::operator("the rewritten URI has a zero length"));
        }
        Ok(())
    }

    /// The address of a redirect. Escapes that its path does not need are taken out, as nginx
    /// does; what could end the line stays escaped.
    fn location(&self, request: &Request, template: &Template, has_args: bool) -> Vec<u8> {
        let mut escaped = Vec::new();
        write(template, request, true, &mut escaped);
        let mut location = Vec::with_capacity(escaped.len() + request.args.len() + 1);
        let read = unescape(Unescape::Redirect, &escaped, &mut location);
        location.extend_from_slice(escaped.get(read..).unwrap_or_default());
        if self.keeps_args && !request.args.is_empty() {
            location.push(if has_args { b'&' } else { b'?' });
            location.extend_from_slice(&request.args);
        }
        location
    }
}

/// Reads replacement and flag; `None` for a flag that there is not.
fn parse<'t>(replacement: &'t [u8], flag: Option<&[u8]>) -> Option<Written<'t>> {
    let (text, keeps_args) = match replacement.strip_suffix(b"?") {
        Some(text) => (text, false),
        None => (replacement, true),
    };
    let what = match flag {
        Some(b"permanent") => What::Redirect(301),
        Some(b"redirect") => What::Redirect(302),
        None | Some(b"last" | b"break") if is_url(text) => What::Redirect(302),
        None => What::Uri(Then::GoOn),
        Some(b"last") => What::Uri(Then::Relocate),
        Some(b"break") => What::Uri(Then::Stay),
        Some(_) => return None,
    };
    Some(Written {
        text,
        keeps_args,
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(replacement: &str, flag: &str, expected: Option<(&str, bool, What)>) {
        let flag = (!flag.is_empty()).then_some(flag.as_bytes());
        let expected = expected.map(|(text, keeps_args, what)| Written {
            text: text.as_bytes(),
            keeps_args,
            what,
        });
        assert_eq!(parse(replacement.as_bytes(), flag), expected);
    }

    #[test]
    fn flags_say_what_follows() {
        check("/a", "", Some(("/a", true, What::Uri(Then::GoOn))));
        check("/a", "last", Some(("/a", true, What::Uri(Then::Relocate))));
        check("/a", "break", Some(("/a", true, What::Uri(Then::Stay))));
        check("/a", "redirect", Some(("/a", true, What::Redirect(302))));
        check("/a", "permanent", Some(("/a", true, What::Redirect(301))));
        check("/a", "Last", None);
        check("http://a", "other", None);
    }

    #[test]
    fn addresses_of_other_servers_are_redirects() {
        for text in ["http://a/", "https://a/", "$scheme://a/"] {
            check(text, "", Some((text, true, What::Redirect(302))));
            check(text, "break", Some((text, true, What::Redirect(302))));
            check(text, "permanent", Some((text, true, What::Redirect(301))));
        }
        check("//a/", "", Some(("//a/", true, What::Uri(Then::GoOn))));
    }

    #[test]
    fn only_the_last_question_mark_drops_arguments() {
        let last = What::Uri(Then::Relocate);
        check("/a?", "last", Some(("/a", false, last)));
        check("/a?b=c?", "last", Some(("/a?b=c", false, last)));
        check("/a?b=c", "last", Some(("/a?b=c", true, last)));
        check("?", "last", Some(("", false, last)));
    }
}
