//! Fields of responses.

use super::SETTINGS;
use super::command::{Command, Field};
use crate::headers;
use base::{bytes, units};
use http::{Body, Bytes, Error, LastModified, Request, ResponseHead};
use std::rc::Rc;

/// Does to a response what the location says.
pub(super) fn start(
    request: &mut Request,
    head: &mut ResponseHead,
    _: &mut Body,
) -> Result<(), Error> {
    // Nobody is sent the head of what is put into another response.
    if request.is_subrequest {
        return Ok(());
    }
    let location = Rc::clone(&request.location);
    for command in SETTINGS.of(&location.settings).output.iter() {
        if !is_for(command, head) {
            continue;
        }
        for field in &command.fields {
            let value = request.with_head(head, |request| field.value.eval(request));
            if command.appends {
                head.fields.push((field.name.clone(), value.into()));
            } else if field.is_pattern {
                clear_all(field, head);
            } else {
                set(field, value.into(), head, request.is_head());
            }
        }
    }
    Ok(())
}

fn is_for(command: &Command, head: &ResponseHead) -> bool {
    let is_status = command.statuses.is_empty() || command.statuses.contains(&head.status);
    is_status && command.is_for_type(head.content_type.as_deref())
}

/// Takes all fields away that a pattern is about. Those that the server writes in the end,
/// whatever a response says, are not among them.
fn clear_all(field: &Field, head: &mut ResponseHead) {
    head.fields.retain(|(name, _)| !field.is_about(name));
    for (name, value) in [
        (&b"ETag"[..], &mut head.etag),
        (b"Location", &mut head.location),
        (b"Content-Encoding", &mut head.content_encoding),
    ] {
        if field.is_about(name) {
            *value = None;
        }
    }
    if field.is_about(b"Last-Modified") && matches!(head.last_modified, Some(LastModified::Said(_)))
    {
        head.last_modified = None;
    }
}

/// Gives a field a value, or takes it away by an empty one.
fn set(field: &Field, value: Bytes, head: &mut ResponseHead, is_head: bool) {
    let given = Some(value.clone()).filter(|value| !value.is_empty());
    let name = field.name.to_ascii_lowercase();
    match &name[..] {
        // An empty one is not sent, one that is missing would be the server's own.
        b"server" => head.server = Some(value),
        b"date" => head.date = Some(value),
        b"content-type" => set_content_type(value, head),
        b"content-length" => set_content_length(&value, head, is_head),
        b"content-encoding" => head.content_encoding = given,
        b"location" => head.location = given,
        b"etag" | b"last-modified" => {
            head.remove(&name);
            headers::add(head, &field.name, value);
        }
        _ => {
            if name == b"accept-ranges" && given.is_none() {
                head.allows_ranges = false;
            }
            set_other(field, given, head);
        }
    }
}

/// Gives a field without a place of its own a value, in the place of the first that is there.
fn set_other(field: &Field, mut value: Option<Bytes>, head: &mut ResponseHead) {
    head.fields.retain_mut(|(name, old)| {
        if !field.is_about(name) {
            return true;
        }
        let new = value.take();
        let is_kept = new.is_some();
        *old = new.unwrap_or_default();
        is_kept
    });
    if let Some(value) = value {
        head.fields.push((field.name.clone(), value));
    }
}

/// The `charset` parameter is kept apart, as filters expect it.
fn set_content_type(value: Bytes, head: &mut ResponseHead) {
    let parameters = value.iter().enumerate().filter(|(_, byte)| **byte == b';');
    for (at, _) in parameters {
        let parameter = value[at + 1..].trim_ascii_start();
        if bytes::starts_with_ignore_case(parameter, b"charset=") {
            let charset = &parameter[b"charset=".len()..];
            let charset = charset.strip_prefix(b"\"").unwrap_or(charset);
            let charset = charset.strip_suffix(b"\"").unwrap_or(charset);
            head.charset = Some(charset.to_vec().into());
            head.content_type = Some(value[..at].to_vec().into());
            return;
        }
    }
    head.content_type = Some(value);
}

/// A length is told where no body follows. Of a body that follows it is what it is, since whoever
/// reads on would take the rest for something else; without one, its end is told by chunks.
fn set_content_length(value: &[u8], head: &mut ResponseHead, is_head: bool) {
    if value.is_empty() {
        head.content_length = None;
    } else if is_head && let Ok(length) = units::parse_decimal(value) {
        head.content_length = Some(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Template;

    fn field(name: &str, is_pattern: bool) -> Field {
        Field {
            name: name.as_bytes().to_vec().into(),
            is_pattern,
            value: Template::default(),
        }
    }

    fn head() -> ResponseHead {
        let mut head = ResponseHead {
            status: 200,
            content_type: Some("text/html".into()),
            content_length: Some(10),
            etag: Some("\"a\"".into()),
            allows_ranges: true,
            ..ResponseHead::default()
        };
        for name in ["X-A", "x-b", "X-A", "Y"] {
            head.add(name, "old");
        }
        head
    }

    fn set_to(name: &str, value: &'static str, head: &mut ResponseHead) {
        set(&field(name, false), value.into(), head, false);
    }

    fn names(head: &ResponseHead) -> Vec<(&[u8], &[u8])> {
        let fields = head.fields.iter();
        fields.map(|(name, value)| (&**name, &**value)).collect()
    }

    #[test]
    fn one_field_is_left_of_several() {
        let mut head = head();
        set_to("x-a", "new", &mut head);
        let expected: [(&[u8], &[u8]); 3] = [(b"X-A", b"new"), (b"x-b", b"old"), (b"Y", b"old")];
        assert_eq!(names(&head), expected);
        set_to("Z", "new", &mut head);
        set_to("Y", "", &mut head);
        let expected: [(&[u8], &[u8]); 3] = [(b"X-A", b"new"), (b"x-b", b"old"), (b"Z", b"new")];
        assert_eq!(names(&head), expected);
        clear_all(&field("x-", true), &mut head);
        assert_eq!(names(&head), expected[2..]);
        clear_all(&field("e", true), &mut head);
        assert_eq!(head.etag, None);
    }

    #[test]
    fn fields_with_a_place_of_their_own() {
        let mut head = head();
        set_to("Server", "", &mut head);
        set_to("content-type", "text/plain; charset=\"utf-8\"", &mut head);
        set_to("ETag", "\"b\"", &mut head);
        set_to("Accept-Ranges", "", &mut head);
        set_to("Content-Length", "5", &mut head);
        assert_eq!(head.server, Some("".into()));
        assert_eq!(head.content_type, Some("text/plain".into()));
        assert_eq!(head.charset, Some("utf-8".into()));
        assert_eq!(head.etag, Some("\"b\"".into()));
        assert!(!head.allows_ranges);
        assert_eq!(head.content_length, Some(10));
        set(&field("Content-Length", false), "5".into(), &mut head, true);
        assert_eq!(head.content_length, Some(5));
        set_to("Content-Length", "", &mut head);
        assert_eq!(head.content_length, None);
    }
}
