//! A response: status, fields, body.

use crate::body::Body;
use crate::bytes::Bytes;

/// What answers a request.
#[derive(Debug, Default)]
pub struct Response {
    /// Status and fields.
    pub head: Box<ResponseHead>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// An answer without a body yet.
    pub fn new(status: u16) -> Self {
        Self {
            head: base::place::boxed(|| ResponseHead {
                status,
                ..ResponseHead::default()
            }),
            body: Body::Empty,
        }
    }

    /// The same with `body`, whose length is told where it is known.
    #[must_use]
    pub fn with_body(mut self, content_type: impl Into<Bytes>, body: Body) -> Self {
        self.head.content_type = Some(content_type.into());
        self.head.content_length = body.len();
        self.body = body;
        self
    }

    /// An answer with text.
    pub fn text(status: u16, content_type: impl Into<Bytes>, text: impl Into<Bytes>) -> Self {
        Self::new(status).with_body(content_type, Body::Bytes(text.into()))
    }
}

/// Status and fields of a response. The fields that the engine or a filter must know of
/// have a place of their own; all others are in `fields`, in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Status code.
    pub status: u16,
    /// The whole status line's text after the version, where it is not the usual one.
    pub reason: Option<Bytes>,
    /// Content-Type, without charset parameter.
    pub content_type: Option<Bytes>,
    /// The `charset` parameter of Content-Type.
    pub charset: Option<Bytes>,
    /// That parameter from its semicolon on, where another server wrote it otherwise than this one
    /// does. It counts as long as its charset is the one above.
    pub charset_said: Option<Bytes>,
    /// Length of the body, where it is known.
    pub content_length: Option<u64>,
    /// Content-Encoding.
    pub content_encoding: Option<Bytes>,
    /// Last-Modified.
    pub last_modified: Option<LastModified>,
    /// ETag, with its quotes.
    pub etag: Option<Bytes>,
    /// Location, made absolute when sent if it begins with a slash (`absolute_redirect`).
    pub location: Option<Bytes>,
    /// Every other field.
    pub fields: Vec<(Bytes, Bytes)>,
    /// Whether byte ranges may be cut out of this body.
    pub allows_ranges: bool,
    /// Whether another server has answered: conditional requests and ranges are its own matter
    /// then, and what it says of its body stays whatever the status is.
    pub is_final: bool,
    /// Where the client will find more in a failure: the connection is closed after this.
    pub must_close: bool,
    /// An expiry time or Date set by a handler or upstream instead of ours.
    pub date: Option<Bytes>,
    /// Server field set by an upstream instead of ours.
    pub server: Option<Bytes>,
    /// Trailer fields known in advance, sent after a chunked body.
    pub trailers: Vec<(Bytes, Bytes)>,
    /// Trailer fields whose values are known when the body was sent; empty values are left out.
    pub late_trailers: Vec<(Bytes, engine::Template)>,
    /// Whether trailers are announced, which needs a chunked body.
    pub expects_trailers: bool,
}

/// How a charset is added to a type.
pub(crate) const CHARSET: &[u8] = b"; charset=";

/// When what is sent was changed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastModified {
    /// In seconds since 1970. What was before is not told.
    At(i64),
    /// As another server or the configuration says it, which may be no date. It is passed on as
    /// it is, and read only where somebody asks for the time.
    Said(Bytes),
}

impl LastModified {
    /// Seconds since 1970, if it is a date in one of the formats that HTTP has had.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        match self {
            Self::At(time) => Some(*time),
            Self::Said(text) => base::date::parse_http(text),
        }
    }
}

impl ResponseHead {
    /// Appends Content-Type; says whether there is one.
    pub(crate) fn write_content_type(&self, out: &mut Vec<u8>) -> bool {
        let Some(kind) = self.content_type.as_ref().filter(|kind| !kind.is_empty()) else {
            return false;
        };
        out.extend_from_slice(kind);
        let Some(charset) = &self.charset else {
            return true;
        };
        let is_it = |said: &&Bytes| {
            let said = said.strip_suffix(b"\"").unwrap_or(said);
            let before = said.strip_suffix(&**charset);
            before.is_some_and(|before| before.ends_with(b"=") || before.ends_with(b"=\""))
        };
        if let Some(said) = self.charset_said.as_ref().filter(is_it) {
            out.extend_from_slice(said);
        } else {
            out.extend_from_slice(CHARSET);
            out.extend_from_slice(charset);
        }
        true
    }

    /// The time of Last-Modified, in seconds since 1970.
    pub fn modified(&self) -> Option<i64> {
        self.last_modified.as_ref()?.time()
    }

    /// Adds a field.
    pub fn add(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.fields.push((name.into(), value.into()));
    }

    /// The first value of field `name` among `fields`; case does not matter.
    pub fn find(&self, name: &[u8]) -> Option<&Bytes> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    /// Removes every field `name` from `fields`.
    pub fn remove(&mut self, name: &[u8]) {
        self.fields
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// The body's length is no longer known: what a filter that changes the body calls.
    pub fn clear_content_length(&mut self) {
        self.content_length = None;
        self.allows_ranges = false;
        self.remove(b"Accept-Ranges");
        // Of a 304, which tells the length of a body that it does not have.
        self.remove(b"Content-Length");
    }

    /// The body is no longer byte for byte what it was: a strong ETag becomes a weak one.
    pub fn weaken_etag(&mut self) {
        if let Some(etag) = self.etag.take() {
            self.etag = Some(if etag.starts_with(b"W/") {
                etag
            } else {
                [b"W/", &*etag].concat().into()
            });
        }
    }

    /// The body is no longer the stored one: neither its ETag nor its time hold.
    pub fn clear_validators(&mut self) {
        self.last_modified = None;
        self.etag = None;
    }
}
