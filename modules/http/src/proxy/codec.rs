//! HTTP/1 as a gateway's protocol.

use super::Settings;
use super::target::Target;
use http::gateway::record::asked_uri;
use http::gateway::{self, Codec, Decoded, HeadStep, Interim, RequestBody, UpstreamHead};
use http::request_body::trailers_of;
use http::{Bytes, Error, Request};
use http1::{
    ChunkLimits, ChunkedDecoder, ResponseBody, ResponseFields, ResponseHead, ResponseParser,
    response_framing,
};
use std::rc::Rc;

/// Fields that there is room for at once: few servers send more.
const FIELDS_USUAL: usize = 16;

/// One request and its response.
pub(super) struct Http1 {
    settings: Rc<Settings>,
    /// Whether fields of the client's request are passed on.
    passes_fields: bool,
    target: Rc<Target>,
    /// Whether the response will have no body, since only its head was asked for.
    is_head: bool,
    is_chunked: bool,
    /// Whether the request's fields say where it ends.
    tells_end: bool,
    parser: ResponseParser,
    parsed: ResponseHead,
    body: Body,
}

/// How the end of the response's body is found.
enum Body {
    Length(u64),
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
}

impl Http1 {
    pub(super) fn new(
        settings: Rc<Settings>,
        common: &gateway::Settings,
        target: Rc<Target>,
    ) -> Self {
        Self {
            settings,
            passes_fields: *common.pass_request_headers,
            target,
            is_head: false,
            is_chunked: false,
            tells_end: true,
            parser: ResponseParser::default(),
            parsed: ResponseHead {
                fields: ResponseFields::with_capacity(FIELDS_USUAL),
                ..ResponseHead::default()
            },
            body: Body::Length(0),
        }
    }

    /// Judges a head that is complete at `len`.
    fn complete(&mut self, input: &[u8], len: usize) -> Result<HeadStep, String> {
        let framing = response_framing(&self.parsed, input, self.is_head)
            .map_err(|bad| describe(&bad, input))?;
        self.body = match framing.body {
            ResponseBody::None => Body::Length(0),
            ResponseBody::Length(length) => Body::Length(length),
            ResponseBody::Chunked => {
                Body::Chunked(Box::new(ChunkedDecoder::new(ChunkLimits::default())))
            }
            ResponseBody::UntilClose => Body::UntilClose,
        };
        let has_body = match framing.body {
            ResponseBody::None => false,
            ResponseBody::Length(length) => length > 0,
            ResponseBody::Chunked | ResponseBody::UntilClose => true,
        };
        let is_plain = matches!(framing.body, ResponseBody::Length(_));
        let head = UpstreamHead {
            bytes: input.into(),
            body_start: is_plain.then_some(len),
            status: self.parsed.status,
            status_line: self.parsed.status_line,
            fields: std::mem::take(&mut self.parsed.fields),
            length: framing.length,
            has_body,
            // What the server takes for the end of the request may be another place.
            keep_alive: framing.keep_alive && self.tells_end,
            is_tunnel: self.parsed.status == 101,
        };
        Ok(HeadStep::Complete(len, Box::new(head)))
    }
}

fn describe(bad: &http1::BadResponse, input: &[u8]) -> String {
    let mut out = Vec::new();
    bad.describe(input, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

impl Codec for Http1 {
    fn restart(&mut self) {
        self.parser = ResponseParser::default();
        self.parsed.reset();
    }

    fn write_head(
        &mut self,
        request: &Request,
        body: RequestBody,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let settings = &self.settings;
        self.is_chunked = body == RequestBody::Unknown;
        let start = out.len();
        if settings.method.is_empty() {
            out.extend_from_slice(request.method_name());
        } else {
            settings.method.write(request, out);
        }
        let method = &out[start..];
        if method.is_empty() || !method.iter().all(u8::is_ascii_graphic) {
            return Err(Error::operator("\"proxy_method\" gives no valid method"));
        }
        self.is_head = method.eq_ignore_ascii_case(b"HEAD");
        out.push(b' ');
        out.extend_from_slice(asked_uri(request));
        let version: &[u8] = match super::VERSIONS.get(*settings.version) {
            Some(&"1.0") => b" HTTP/1.0\r\n",
            _ => b" HTTP/1.1\r\n",
        };
        out.extend_from_slice(version);
        let own_body = settings.set_body.as_ref().map(|body| body.eval(request));
        let body = match &own_body {
            Some(own) => RequestBody::Length(own.len() as u64),
            None => body,
        };
        let fields = &settings.fields;
        self.tells_end = fields.write(request, &self.target, body, out)?;
        if self.passes_fields {
            fields.write_passed(request, out);
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(own_body.as_deref().unwrap_or_default());
        Ok(())
    }

    fn write_part(&mut self, part: &[u8], out: &mut Vec<u8>) {
        if self.is_chunked {
            let head = http1::encode_chunk_head(part.len() as u64);
            out.extend_from_slice(head.as_bytes());
        }
        out.extend_from_slice(part);
        if self.is_chunked {
            out.extend_from_slice(http1::CHUNK_END);
        }
    }

    fn passes_trailers(&self) -> bool {
        let settings = &self.settings;
        // What the configuration says of the length would no longer be true.
        *settings.pass_request_trailers && !settings.fields.says_length()
    }

    fn write_end(&mut self, trailers: &[(Bytes, Bytes)], out: &mut Vec<u8>) {
        if !self.is_chunked {
            return;
        }
        if trailers.is_empty() || !self.passes_trailers() {
            out.extend_from_slice(http1::LAST_CHUNK);
            return;
        }
        out.extend_from_slice(http1::TRAILERS_START);
        let fields = &self.settings.fields;
        fields.write_trailers(trailers, out);
        out.extend_from_slice(b"\r\n");
    }

    fn read_head(&mut self, input: &[u8]) -> Result<HeadStep, String> {
        let parsed = self.parser.parse(input, &mut self.parsed);
        match parsed.map_err(|bad| describe(&bad, input))? {
            None => Ok(HeadStep::Partial),
            Some(len) if self.parsed.status < 200 && self.parsed.status != 101 => {
                if self.parsed.version < http1::Version::Http11 {
                    return Err("upstream sent HTTP/1.0 response with early hints".to_owned());
                }
                let interim = Interim {
                    status: self.parsed.status,
                    fields: std::mem::take(&mut self.parsed.fields),
                };
                self.parser = ResponseParser::default();
                let repeats_status_line = self.parsed.repeats_status_line;
                self.parsed.reset();
                self.parsed.repeats_status_line = repeats_status_line;
                Ok(HeadStep::Interim(len, interim))
            }
            Some(len) => self.complete(input, len),
        }
    }

    fn read_body(&mut self, input: &[u8]) -> Result<Decoded, String> {
        match &mut self.body {
            Body::Length(left) => {
                let count =
                    usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= count as u64;
                Ok(Decoded {
                    consumed: count,
                    data: (count > 0).then_some(0..count),
                    is_done: *left == 0,
                })
            }
            Body::Chunked(decoder) => {
                let chunk = decoder
                    .decode(input)
                    .map_err(|_| "upstream sent invalid chunked response".to_owned())?;
                Ok(Decoded {
                    consumed: chunk.consumed,
                    data: chunk.data,
                    is_done: chunk.done,
                })
            }
            Body::UntilClose => Ok(Decoded {
                consumed: input.len(),
                data: Some(0..input.len()),
                is_done: false,
            }),
        }
    }

    fn ends_at_close(&self) -> bool {
        matches!(self.body, Body::UntilClose)
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        match &self.body {
            Body::Chunked(decoder) => trailers_of(decoder),
            Body::Length(_) | Body::UntilClose => Vec::new(),
        }
    }
}
