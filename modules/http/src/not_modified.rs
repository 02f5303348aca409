//! Conditional requests: what the client has already is not sent again.
//!
//! Runs before every other filter, on the answer as its handler made it, since conditions are
//! about the stored file and not about what filters make of it.
//!
//! Source: RFC 9110 section 13; nginx documentation, `if_modified_since`.

use base::date;
use http::core::files::IF_MODIFIED_SINCE;
use http::{Body, Error, Filter, Module, Request, ResponseHead, Stage};
use http1::Known;
use http1::etag::{Comparison, matches};

/// Conditional requests.
pub(crate) static MODULE: Module = Module {
    name: "not_modified",
    filters: &[Filter::new(Stage::Conditional, http::module::always, start)],
    ..Module::EMPTY
};

/// Sends 304 or 412 in place of a 200 where the request's conditions say so.
fn start(request: &mut Request, head: &mut ResponseHead, body: &mut Body) -> Result<(), Error> {
    if head.status != 200 || request.is_subrequest || head.is_final {
        return Ok(());
    }
    let condition = |known| request.header(known);
    if let Some(date) = condition(Known::IfUnmodifiedSince)
        && !is_unmodified_since(date, head.modified())
    {
        return Err(failed("If-Unmodified-Since"));
    }
    if let Some(list) = condition(Known::IfMatch)
        && !matches(list, head.etag.as_deref(), Comparison::Strong)
    {
        return Err(failed("If-Match"));
    }
    let since = condition(Known::IfModifiedSince);
    let tags = condition(Known::IfNoneMatch);
    if since.is_none() && tags.is_none() {
        return Ok(());
    }
    let rule = IF_MODIFIED_SINCE[*request.location.files.if_modified_since];
    // nginx wants both conditions to hold, where the RFC lets the tags decide alone.
    let is_fresh = since.is_none_or(|date| !is_modified_since(rule, date, head.modified()))
        && tags.is_none_or(|list| matches(list, head.etag.as_deref(), Comparison::Weak));
    if !is_fresh {
        return Ok(());
    }
    head.status = 304;
    head.reason = None;
    head.content_type = None;
    head.content_encoding = None;
    head.clear_content_length();
    *body = Body::Empty;
    Ok(())
}

fn failed(condition: &str) -> Error {
    Error::client(412, format!("\"{condition}\" does not hold"))
}

fn is_unmodified_since(date: &[u8], last_modified: Option<i64>) -> bool {
    match (date::parse_http(date), last_modified) {
        (Some(date), Some(modified)) => date >= modified,
        _ => false,
    }
}

/// `rule` is a word of `if_modified_since`.
fn is_modified_since(rule: &str, date: &[u8], last_modified: Option<i64>) -> bool {
    let (Some(date), Some(modified)) = (date::parse_http(date), last_modified) else {
        return true;
    };
    match rule {
        "off" => true,
        "before" => date < modified,
        _ => date != modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    const UNIX: i64 = 784_111_777;

    #[test]
    fn dates_by_each_rule() {
        for (rule, earlier, same, later) in [
            ("off", true, true, true),
            ("exact", true, false, true),
            ("before", false, false, true),
        ] {
            // When the file was modified, compared with the client's date.
            let modified = |time| is_modified_since(rule, DATE, Some(time));
            assert_eq!(modified(UNIX - 1), earlier, "{rule}");
            assert_eq!(modified(UNIX), same, "{rule}");
            assert_eq!(modified(UNIX + 1), later, "{rule}");
            assert!(is_modified_since(rule, DATE, None));
            assert!(is_modified_since(rule, b"yesterday", Some(UNIX)));
        }
    }

    #[test]
    fn unmodified_means_not_after() {
        assert!(is_unmodified_since(DATE, Some(UNIX)));
        assert!(is_unmodified_since(DATE, Some(UNIX - 1)));
        assert!(!is_unmodified_since(DATE, Some(UNIX + 1)));
        assert!(!is_unmodified_since(DATE, None));
        assert!(!is_unmodified_since(b"yesterday", Some(UNIX)));
    }
}
