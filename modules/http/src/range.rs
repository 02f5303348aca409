//! Byte ranges: parts of a body for clients that resume a download or seek in a film.
//!
//! Runs after everything that changes bytes, so that positions are those of what is sent; who
//! changes bytes takes `allows_ranges` away. Together the parts are never longer than the body:
//! a client that asks for the same bytes again and again gets the whole body, once.
//!
//! Source: RFC 9110 section 14; nginx documentation, `max_ranges`.

use http::{Body, Bytes, Chunk, Error, Filter, Module, Request, ResponseHead, Source, Stage};
use http1::etag::{if_range_matches, is_etag};
use http1::range::{Ranges, parse_ranges};
use http1::{Known, Version};
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Byte ranges.
pub(crate) static MODULE: Module = Module {
    name: "range",
    filters: &[Filter::new(Stage::Range, http::module::always, start)],
    ..Module::EMPTY
};

/// Cuts out what the request asks for.
fn start(request: &mut Request, head: &mut ResponseHead, body: &mut Body) -> Result<(), Error> {
    let Some(length) = head.content_length else {
        return Ok(());
    };
    let applies = head.allows_ranges
        && head.status == 200
        && !request.is_subrequest
        && request.version() >= Version::Http10;
    let max_ranges = &request.location.files.max_ranges;
    if !applies || **max_ranges == 0 {
        return Ok(());
    }
    let max = match body {
        // What comes in order and once cannot be sent in another order. What another server answers
        // comes so mostly, and should not depend on it.
        Body::Source(_) => Some(1),
        _ if head.is_final => Some(1),
        _ if max_ranges.is_set() => Some(usize::try_from(**max_ranges).unwrap_or(usize::MAX)),
        _ => None,
    };
    let ranges = match request.header(Known::Range) {
        Some(value) if is_wanted(request.header(Known::IfRange), head) => {
            parse_ranges(value, length, max)
        }
        _ => Ranges::None,
    };
    match ranges {
        Ranges::None => {
            head.add("Accept-Ranges", "bytes");
            Ok(())
        }
        Ranges::Single(range) => {
            *body = single(head, std::mem::take(body), range, length);
            Ok(())
        }
        Ranges::Multiple(ranges) => {
            *body = multiple(head, std::mem::take(body), &ranges, length);
            Ok(())
        }
        Ranges::Unsatisfiable => {
            // What was added to the response that was meant stays on what takes its place.
            request.extra_fields.append(&mut head.fields);
            let range = format!("bytes */{length}");
            request
                .extra_fields
                .push(("Content-Range".into(), range.into()));
            Err(Error::client(416, "requested range is not satisfiable"))
        }
    }
}

/// Whether `If-Range` names just this body; without that field, any will do.
fn is_wanted(if_range: Option<&[u8]>, head: &ResponseHead) -> bool {
    let Some(value) = if_range else {
        return true;
    };
    if is_etag(value) {
        return if_range_matches(value, head.etag.as_deref());
    }
    let modified = head.modified();
    modified.is_some() && base::date::parse_http(value) == modified
}

/// One part, as the whole body of a 206.
fn single(head: &mut ResponseHead, body: Body, range: Range<u64>, length: u64) -> Body {
    head.status = 206;
    head.reason = None;
    head.remove(b"Content-Range");
    head.add(
        "Content-Range",
        format!("bytes {}-{}/{length}", range.start, range.end - 1),
    );
    head.content_length = Some(range.end - range.start);
    match body {
        Body::Source(inner) => Body::from_source(Window {
            inner,
            at: 0,
            range,
        }),
        other => whole(other).part(&range),
    }
}

/// Several parts, as `multipart/byteranges`.
fn multiple(head: &mut ResponseHead, body: Body, ranges: &[Range<u64>], length: u64) -> Body {
    // A random boundary: nobody can prepare a file that contains it.
    let boundary = format!("{:020}", u64::from_ne_bytes(sys::random::bytes::<8>()));
    let mut prefix = format!("\r\n--{boundary}\r\n").into_bytes();
    if let Some(kind) = head.content_type.take() {
        prefix.extend_from_slice(b"Content-Type: ");
        prefix.extend_from_slice(&kind);
        if let Some(charset) = head.charset.take() {
            prefix.extend_from_slice(b"; charset=");
            prefix.extend_from_slice(&charset);
        }
        prefix.extend_from_slice(b"\r\n");
    }
    prefix.extend_from_slice(b"Content-Range: bytes ");

    let whole = whole(body);
    let mut chunks = Vec::with_capacity(ranges.len() * 2 + 1);
    for range in ranges {
        let (first, last) = (range.start, range.end - 1);
        let mut part_head = prefix.clone();
        part_head.extend_from_slice(format!("{first}-{last}/{length}\r\n\r\n").as_bytes());
        chunks.push(Chunk::Bytes(part_head.into()));
        whole.add_part(range, &mut chunks);
    }
    chunks.push(Chunk::Bytes(format!("\r\n--{boundary}--\r\n").into()));

    head.status = 206;
    head.reason = None;
    head.remove(b"Content-Range");
    head.content_type = Some(format!("multipart/byteranges; boundary={boundary}").into());
    head.content_length = Some(chunks.iter().map(Chunk::len).sum());
    Body::from_source(Parts(chunks.into_iter()))
}

/// A body all of which is at hand, so that parts can be taken in any order.
struct Whole(Vec<Chunk>);

fn whole(body: Body) -> Whole {
    Whole(match body {
        Body::Empty | Body::Source(_) => Vec::new(),
        // Shared, so that parts are no copies.
        Body::Bytes(Bytes::Owned(bytes)) => vec![Chunk::Bytes(Bytes::Shared(Rc::from(bytes)))],
        Body::Bytes(bytes) => vec![Chunk::Bytes(bytes)],
        Body::File(range) => vec![Chunk::File(range)],
        Body::Chunks(chunks) => chunks,
    })
}

impl Whole {
    /// The bytes of `range`.
    fn part(&self, range: &Range<u64>) -> Body {
        let mut chunks = Vec::new();
        self.add_part(range, &mut chunks);
        if chunks.len() > 1 {
            return Body::from_source(Parts(chunks.into_iter()));
        }
        match chunks.pop() {
            None => Body::Empty,
            Some(Chunk::Bytes(bytes)) => Body::Bytes(bytes),
            Some(Chunk::File(range)) => Body::File(range),
        }
    }

    /// Adds the bytes of `range` to `out`.
    fn add_part(&self, range: &Range<u64>, out: &mut Vec<Chunk>) {
        let mut at = 0;
        for chunk in &self.0 {
            if let Some(part) = overlap(chunk, at, range) {
                out.push(part);
            }
            at += chunk.len();
        }
    }
}

/// What of `chunk`, which begins at position `at`, lies in `range`.
fn overlap(chunk: &Chunk, at: u64, range: &Range<u64>) -> Option<Chunk> {
    let end = at.saturating_add(chunk.len()).min(range.end);
    let start = at.max(range.start);
    (start < end).then(|| chunk.clone().slice(start - at, end - at))
}

/// Chunks that are ready.
struct Parts(std::vec::IntoIter<Chunk>);

impl Source for Parts {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        Poll::Ready(Ok(self.0.next()))
    }
}

/// One range of a body that comes in order. What lies outside is pulled all the same: behind
/// it may be somebody who stores the whole.
struct Window {
    inner: Box<dyn Source>,
    /// Position of the next byte.
    at: u64,
    range: Range<u64>,
}

impl Source for Window {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        loop {
            let Some(chunk) = ready!(self.inner.poll_chunk(cx))? else {
                return Poll::Ready(Ok(None));
            };
            let part = overlap(&chunk, self.at, &self.range);
            self.at += chunk.len();
            if part.is_some() {
                return Poll::Ready(Ok(part));
            }
        }
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        self.inner.take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::LastModified;
    use std::task::Waker;

    const TEXT: &[u8] = b"0123456789";

    /// The same ten bytes in every form a body has.
    fn bodies() -> Vec<Body> {
        let parts = || -> Vec<Chunk> {
            let cut = |start, end| Chunk::Bytes(Bytes::Static(&TEXT[start..end]));
            vec![cut(0, 3), cut(3, 4), cut(4, 10)]
        };
        vec![
            Body::Bytes(Bytes::Static(TEXT)),
            Body::Bytes(Bytes::Owned(TEXT.to_vec())),
            Body::Chunks(parts()),
            Body::from_source(Parts(parts().into_iter())),
        ]
    }

    fn read(mut body: Body) -> String {
        let mut text = String::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok(Some(Chunk::Bytes(bytes)))) = body.poll_chunk(&mut cx) {
            text += std::str::from_utf8(&bytes).unwrap();
        }
        text
    }

    fn head() -> ResponseHead {
        ResponseHead {
            status: 200,
            content_type: Some("text/plain".into()),
            content_length: Some(10),
            ..ResponseHead::default()
        }
    }

    #[test]
    fn one_range_of_every_form() {
        for (start, end) in [(0, 10), (0, 1), (2, 5), (9, 10)] {
            for body in bodies() {
                let mut head = head();
                let body = single(&mut head, body, start..end, 10);
                let expected =
                    &TEXT[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
                assert_eq!(read(body).as_bytes(), expected);
                assert_eq!((head.status, head.content_length), (206, Some(end - start)));
                let field = format!("bytes {start}-{}/10", end - 1);
                assert_eq!(head.find(b"content-range"), Some(&field.into()));
            }
        }
    }

    #[test]
    fn several_ranges_are_framed() {
        for body in bodies().into_iter().take(3) {
            let mut head = head();
            let body = multiple(&mut head, body, &[8..10, 2..5], 10);
            let kind = String::from_utf8(head.content_type.unwrap().to_vec()).unwrap();
            let boundary = kind
                .strip_prefix("multipart/byteranges; boundary=")
                .unwrap();
            let text = read(body);
            assert_eq!(
                text,
                format!(
                    "\r\n--{boundary}\r\nContent-Type: text/plain\r\n\
                     Content-Range: bytes 8-9/10\r\n\r\n89\
                     \r\n--{boundary}\r\nContent-Type: text/plain\r\n\
                     Content-Range: bytes 2-4/10\r\n\r\n234\r\n--{boundary}--\r\n"
                )
            );
            assert_eq!(head.content_length, Some(text.len() as u64));
            assert_eq!(boundary.len(), 20);
        }
    }

    #[test]
    fn if_range_names_this_body_or_nothing_is_cut() {
        let mut head = head();
        let date = Some(&b"Sun, 06 Nov 1994 08:49:37 GMT"[..]);
        assert!(is_wanted(None, &head));
        assert!(!is_wanted(Some(b"\"a\""), &head));
        assert!(!is_wanted(date, &head));
        head.etag = Some("\"a\"".into());
        head.last_modified = Some(LastModified::At(784_111_777));
        assert!(is_wanted(Some(b"\"a\""), &head));
        assert!(!is_wanted(Some(b"\"b\""), &head));
        assert!(!is_wanted(Some(b"W/\"a\""), &head));
        assert!(is_wanted(date, &head));
        assert!(!is_wanted(Some(b"Sun, 06 Nov 1994 08:49:38 GMT"), &head));
        assert!(!is_wanted(Some(b"nonsense"), &head));
    }
}
