//! What a gateway's protocol must know to take part in a conversation.

use crate::bytes::Bytes;
use crate::error::Error;
use crate::request::Request;
use http1::{ResponseFields, ResponseName, Span};
use std::ops::Range;
use std::rc::Rc;

/// The body that goes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// None.
    None,
    /// So many bytes.
    Length(u64),
    /// Of a length that is not known yet, as it comes from the client.
    Unknown,
}

/// A response's head as a peer sent it.
#[derive(Clone, Debug)]
pub struct UpstreamHead {
    /// What the spans point into; the head comes first, and what was received of the body may
    /// follow at `body_start`.
    pub bytes: Rc<[u8]>,
    /// Where in `bytes` the body's first bytes are, if they are there just as received.
    pub body_start: Option<usize>,
    /// The status.
    pub status: u16,
    /// Code and reason.
    pub status_line: Span,
    /// The fields.
    pub fields: ResponseFields,
    /// The length that the peer announced.
    pub length: Option<u64>,
    /// Whether a body follows.
    pub has_body: bool,
    /// Whether the peer takes another request after this.
    pub keep_alive: bool,
    /// Whether the connection is a tunnel from here on.
    pub is_tunnel: bool,
}

impl UpstreamHead {
    /// A part of the head, sharing its memory.
    pub fn share(&self, span: Span) -> Bytes {
        Bytes::part_of(&self.bytes, span.range())
    }

    /// The value of the first field called `known`.
    pub fn value(&self, known: ResponseName) -> Option<&[u8]> {
        Some(self.fields.find(known)?.value.of(&self.bytes))
    }
}

/// What reading a head came to.
#[derive(Debug)]
pub enum HeadStep {
    /// More is needed.
    Partial,
    /// An interim response, so many bytes long; the one that counts is still to come.
    Interim(usize, Interim),
    /// The head, so many bytes long.
    Complete(usize, Box<UpstreamHead>),
}

/// An interim response, as its peer sent it.
#[derive(Clone, Debug, Default)]
pub struct Interim {
    /// The status: 1xx, and never 101.
    pub status: u16,
    /// The fields, in the bytes that it was read from.
    pub fields: ResponseFields,
}

/// A run of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Those of them that belong to the body.
    pub data: Option<Range<usize>>,
    /// Whether the body is complete.
    pub is_done: bool,
}

/// One request and its response in the words of a protocol.
pub trait Codec: 'static {
    /// The head of the response, where a peer is asked for nothing: it counts as soon as there is
    /// a connection.
    fn head_at_connect(&self) -> Option<Box<UpstreamHead>> {
        None
    }

    /// Whether peers are asked for something, one request after another.
    fn makes_requests(&self) -> bool {
        true
    }

    /// Makes ready for the response of a peer; called before each peer is asked.
    fn restart(&mut self);

    /// Appends the request's head; called again for each peer that is tried, where
    /// `request_dynamic` says so.
    ///
    /// # Errors
    ///
    /// The configuration asks for what may not be sent.
    fn write_head(
        &mut self,
        request: &Request,
        body: RequestBody,
        out: &mut Vec<u8>,
    ) -> Result<(), Error>;

    /// Appends a part of the body.
    fn write_part(&mut self, part: &[u8], out: &mut Vec<u8>);

    /// Whether trailers of the client's body are passed on, for which its length must not have
    /// been said.
    fn passes_trailers(&self) -> bool {
        false
    }

    /// Appends what ends the body, with those of `trailers` that may be passed.
    fn write_end(&mut self, trailers: &[(Bytes, Bytes)], out: &mut Vec<u8>);

    /// Reads the response's head from `input`, which begins with the bytes of the calls
    /// before.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the log.
    fn read_head(&mut self, input: &[u8]) -> Result<HeadStep, String>;

    /// Reads on in the body.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the log.
    fn read_body(&mut self, input: &[u8]) -> Result<Decoded, String>;

    /// Whether the body may end where the peer closes.
    fn ends_at_close(&self) -> bool;

    /// Trailer fields, once the body is complete.
    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        Vec::new()
    }
}
