//! HTTP/1 as machines without I/O: request heads, chunked bodies, status lines, URIs, ranges.
//!
//! Bytes go in, typed views of the same bytes come out; nothing here reads a socket or a
//! clock. The rules are nginx 1.31's, so that a site moved from nginx sees the same requests
//! accepted and refused. A refusal names the status and the words for the error log.
#![forbid(unsafe_code)]

mod chunked;
pub mod etag;
mod framing;
mod head;
mod header_line;
mod host;
mod known;
mod limits;
mod method;
mod names;
pub mod range;
mod refusal;
mod request;
mod request_line;
mod response;
mod response_fields;
mod response_name;
mod scan;
mod span;
pub mod status;
pub mod uri;

pub use chunked::{
    CHUNK_END, Chunk, ChunkHead, ChunkLimits, ChunkedDecoder, LAST_CHUNK, TRAILERS_START, Trailers,
    encode_chunk_head,
};
pub use framing::{
    BodyLength, Framing, authority, check_fields_so_far, check_method, framing, host_so_far,
};
pub use head::{Field, Head, Target, TargetForm, Version};
pub use host::{Host, InvalidHost, validate_host};
pub use known::Known;
pub use limits::Limits;
pub use method::Method;
pub use refusal::{Detail, Refusal};
pub use request::{Progress, RequestParser};
pub use response::{
    BadResponse, ResponseBody, ResponseFraming, ResponseHead, ResponseParser, response_framing,
};
pub use response_fields::{ResponseField, ResponseFields};
pub use response_name::ResponseName;
pub use span::Span;
