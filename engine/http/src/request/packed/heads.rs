//! Heads as text: that of the request, which can be parsed again, and those of responses.

use super::text::{Reader, Writer};
use crate::bytes::Bytes;
use crate::config::generation::Server;
use crate::core::client::CLIENT;
use crate::gateway::UpstreamHead;
use crate::request::RequestHead;
use crate::response::{LastModified, ResponseHead};
use http1::{Progress, RequestParser, ResponseField, ResponseName, Span};
use std::rc::Rc;

/// The head of which `bytes` are the text; `None` when they are not a whole one, by the limits
/// of `server`.
pub(super) fn parse(bytes: &[u8], server: &Server) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    let limits = CLIENT.of(&server.settings).limits();
    let parsed = RequestParser::new().parse(bytes, &limits, &mut head.parsed);
    if !matches!(parsed, Ok(Progress::Complete { head_len }) if head_len == bytes.len()) {
        return None;
    }
    head.buf = bytes.to_vec();
    Some(head)
}

/// Writes fields, whoever's they are.
pub(super) fn write_fields(fields: &[(Bytes, Bytes)], text: &mut Writer) {
    text.count(fields.len());
    for (name, value) in fields {
        text.bytes(name);
        text.bytes(value);
    }
}

pub(super) fn read_fields(text: &mut Reader<'_>) -> Vec<(Bytes, Bytes)> {
    text.several(|text| (text.bytes().to_vec().into(), text.bytes().to_vec().into()))
}

/// Writes what was sent to a client. Trailers that are still to be computed are no text: there
/// must be none.
pub(super) fn write_response(head: &ResponseHead, text: &mut Writer) {
    let ResponseHead {
        status,
        reason,
        content_type,
        charset,
        charset_said,
        content_length,
        content_encoding,
        last_modified,
        etag,
        location,
        fields,
        allows_ranges,
        is_final,
        must_close,
        date,
        server,
        trailers,
        late_trailers: _,
        expects_trailers,
    } = head;
    text.number((*status).into());
    for value in [
        reason,
        content_type,
        charset,
        charset_said,
        content_encoding,
    ] {
        text.optional_bytes(value.as_deref());
    }
    for value in [etag, location, date, server] {
        text.optional_bytes(value.as_deref());
    }
    text.optional(*content_length, Writer::number);
    text.optional(last_modified.as_ref(), write_modified);
    for flag in [allows_ranges, is_final, must_close, expects_trailers] {
        text.flag(*flag);
    }
    write_fields(fields, text);
    write_fields(trailers, text);
}

pub(super) fn read_response(text: &mut Reader<'_>) -> ResponseHead {
    ResponseHead {
        status: text.small(),
        reason: text.optional_bytes(),
        content_type: text.optional_bytes(),
        charset: text.optional_bytes(),
        charset_said: text.optional_bytes(),
        content_encoding: text.optional_bytes(),
        etag: text.optional_bytes(),
        location: text.optional_bytes(),
        date: text.optional_bytes(),
        server: text.optional_bytes(),
        content_length: text.optional(Reader::number),
        last_modified: text.optional(read_modified),
        allows_ranges: text.flag(),
        is_final: text.flag(),
        must_close: text.flag(),
        expects_trailers: text.flag(),
        fields: read_fields(text),
        trailers: read_fields(text),
        late_trailers: Vec::new(),
    }
}

fn write_modified(text: &mut Writer, modified: &LastModified) {
    match modified {
        LastModified::At(time) => {
            text.optional_bytes(None);
            text.number(time.cast_unsigned());
        }
        LastModified::Said(said) => text.optional_bytes(Some(said)),
    }
}

fn read_modified(text: &mut Reader<'_>) -> LastModified {
    match text.optional_bytes() {
        Some(said) => LastModified::Said(said),
        None => LastModified::At(text.number().cast_signed()),
    }
}

/// Writes what a peer sent: the parts that are looked at, without what is around them.
pub(crate) fn write_upstream(head: &UpstreamHead, text: &mut Writer) {
    let UpstreamHead {
        bytes,
        body_start: _,
        status,
        status_line,
        fields,
        length,
        has_body,
        keep_alive,
        is_tunnel,
    } = head;
    text.number((*status).into());
    text.optional(*length, Writer::number);
    for flag in [has_body, keep_alive, is_tunnel] {
        text.flag(*flag);
    }
    text.bytes(status_line.of(bytes));
    text.count(fields.len());
    for field in fields {
        text.bytes(field.name.of(bytes));
        text.bytes(field.value.of(bytes));
    }
}

pub(crate) fn read_upstream(text: &mut Reader<'_>) -> UpstreamHead {
    let (status, length) = (text.small(), text.optional(Reader::number));
    let (has_body, keep_alive, is_tunnel) = (text.flag(), text.flag(), text.flag());
    let mut bytes = Vec::new();
    let mut add = |part: &[u8]| {
        let start = bytes.len();
        bytes.extend_from_slice(part);
        Span::new(start, bytes.len())
    };
    let status_line = add(text.bytes());
    let fields = text.several(|text| {
        let name = text.bytes();
        ResponseField {
            known: ResponseName::from_name(name),
            name: add(name),
            value: add(text.bytes()),
        }
    });
    UpstreamHead {
        bytes: Rc::from(bytes),
        body_start: None,
        status,
        status_line,
        fields: fields.into_iter().collect(),
        length,
        has_body,
        keep_alive,
        is_tunnel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_back() {
        let bytes = |text: &'static str| Some(Bytes::from(text));
        let pairs = |name, value| vec![(Bytes::from(name), Bytes::from(value))];
        let head = ResponseHead {
            status: 206,
            reason: bytes("206 Some"),
            content_type: bytes("a/b"),
            charset: bytes("utf-8"),
            charset_said: bytes(";charset=utf-8"),
            content_length: Some(1 << 40),
            content_encoding: bytes(""),
            last_modified: Some(LastModified::At(-1)),
            etag: bytes("\"e\""),
            location: bytes("/l"),
            fields: pairs("N", "v"),
            allows_ranges: true,
            is_final: false,
            must_close: true,
            date: bytes("now"),
            server: bytes("s"),
            trailers: pairs("T", ""),
            late_trailers: Vec::new(),
            expects_trailers: true,
        };
        let said = ResponseHead {
            last_modified: Some(LastModified::Said("long ago".into())),
            ..ResponseHead::default()
        };
        for head in [head, said, ResponseHead::default()] {
            let mut text = Writer::default();
            write_response(&head, &mut text);
            let again = read_response(&mut Reader::new(&text.finish()));
            assert_eq!(format!("{again:?}"), format!("{head:?}"));
        }
    }

    #[test]
    fn what_a_peer_sent_comes_back_without_what_is_around_it() {
        let bytes: &[u8] = b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nX-A:  b \r\n\r\nrest";
        let field = |name: Span, value| ResponseField {
            known: ResponseName::from_name(name.of(bytes)),
            name,
            value,
        };
        let head = UpstreamHead {
            bytes: bytes.into(),
            body_start: None,
            status: 101,
            status_line: Span::new(9, 15),
            fields: [
                field(Span::new(17, 27), Span::new(29, 36)),
                field(Span::new(38, 41), Span::new(44, 45)),
            ]
            .into_iter()
            .collect(),
            length: Some(3),
            has_body: false,
            keep_alive: true,
            is_tunnel: true,
        };
        let mut text = Writer::default();
        write_upstream(&head, &mut text);
        let again = read_upstream(&mut Reader::new(&text.finish()));
        assert_eq!(&*again.bytes, b"101 GoConnectionupgradeX-Ab");
        assert_eq!(again.status_line.of(&again.bytes), b"101 Go");
        let known = ResponseName::from_name(b"connection");
        assert_eq!(again.value(known), Some(&b"upgrade"[..]));
        assert_eq!(&*again.share(again.fields[1].value), b"b");
        let flags = |head: &UpstreamHead| (head.has_body, head.keep_alive, head.is_tunnel);
        assert_eq!((again.status, again.length), (head.status, head.length));
        assert_eq!(flags(&again), flags(&head));
    }
}
