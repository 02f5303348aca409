//! `return`: a status, with a text or an address to go to.

use base::units;
use engine::{Line, Refused, Template};
use http::core::files;
use http::{Bytes, Flow, Request, Response, redirect};

/// What `return` answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    text: Text,
}

/// The text of a response or the address of a redirect.
#[derive(Clone, Debug)]
enum Text {
    None,
    /// Shared by all responses: nothing is copied for one.
    Constant(Bytes),
    Template(Template),
}

/// The greatest status that `return` takes.
const STATUS_MAX: u64 = 999;

impl Answer {
    /// Reads `return code [text]`, `return code URL` or `return URL`.
    ///
    /// # Errors
    ///
    /// `invalid return code "..."`, and what a template is refused for.
    pub(super) fn read(line: &mut Line<'_>) -> Result<Self, Refused> {
        let (status, text) = split(line.args().len(), line.arg(0))?;
        let text = match text {
            Some(index) => Text::of(line.template(index)?),
            None => Text::None,
        };
        Ok(Self { status, text })
    }

    /// Makes the answer. Errors without a text get their `error_page` or the built-in page.
    pub(super) fn make(&self, request: &mut Request) -> Flow {
        let status = self.status;
        // The text may name it.
        request.sent.status = status;
        match (status, &self.text) {
            (400.., Text::None) => Flow::Status(status),
            (301 | 302 | 303 | 307 | 308, text) => {
                let location = text.value(request);
                redirect::client(request, status, location)
            }
            (_, text) => {
                let kind = files::content_type(request);
                Flow::respond(Response::text(status, kind, text.value(request)))
            }
        }
    }
}

impl Text {
    fn of(template: Template) -> Self {
        match template.as_constant() {
            Some(b"") => Self::None,
            Some(text) => Self::Constant(Bytes::Shared(text.into())),
            None => Self::Template(template),
        }
    }

    fn value(&self, request: &Request) -> Bytes {
        match self {
            Self::None => Bytes::EMPTY,
            Self::Constant(text) => text.clone(),
            Self::Template(template) => template.eval(request).into(),
        }
    }
}

/// The status of a `return` with `count` arguments of which `first` is the first, and which of
/// them is the text.
fn split(count: usize, first: &[u8]) -> Result<(u16, Option<usize>), Refused> {
    let status = units::parse_decimal(first)
        .ok()
        .filter(|&status| status <= STATUS_MAX)
        .and_then(|status| u16::try_from(status).ok());
    match status {
        Some(status) => Ok((status, (count > 1).then_some(1))),
        None if count == 1 && is_url(first) => Ok((302, Some(0))),
        None => Err(Refused::new(format!(
            "invalid return code \"{}\"",
            String::from_utf8_lossy(first)
        ))),
    }
}

/// Whether `text` is an address of another server, to be redirected to without being told so.
pub(super) fn is_url(text: &[u8]) -> bool {
    [&b"http://"[..], b"https://", b"$scheme"]
        .iter()
        .any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expected: Result<(u16, Option<usize>), &str>) {
        let got = split(words.len(), words[0].as_bytes());
        let got = got.as_ref().map_err(Refused::message).copied();
        assert_eq!(got, expected, "{words:?}");
    }

    #[test]
    fn a_code_a_text_or_a_url() {
        check(&["200"], Ok((200, None)));
        check(&["200", "text"], Ok((200, Some(1))));
        check(&["999"], Ok((999, None)));
        check(&["https://example.com/"], Ok((302, Some(0))));
        check(&["$scheme://example.com"], Ok((302, Some(0))));
    }

    #[test]
    fn what_is_neither_is_refused() {
        check(&["1000"], Err("invalid return code \"1000\""));
        check(&["/path"], Err("invalid return code \"/path\""));
        check(&["-1"], Err("invalid return code \"-1\""));
        check(
            &["http://a", "text"],
            Err("invalid return code \"http://a\""),
        );
    }

    #[test]
    fn an_empty_text_is_none() {
        assert!(matches!(Text::of(Template::default()), Text::None));
        let text = Text::of(Template::constant(b"x"));
        assert!(matches!(text, Text::Constant(_)));
    }
}
