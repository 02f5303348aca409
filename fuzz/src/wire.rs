//! Requests and answers as they are on the wire, read as strictly as they can be.

use crate::boxed::Outcome;
use http1::{
    BodyLength, ChunkLimits, ChunkedDecoder, Head, Limits, Method, Progress, RequestParser,
    Version, framing,
};

/// A request as it is on the wire.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Vec<u8>,
    pub(crate) is_head: bool,
    pub(crate) version: Version,
    /// The body, or what is there of it.
    pub(crate) body: Vec<u8>,
    /// Whether that is all of it.
    pub(crate) is_whole: bool,
    /// What is wrong with it from there on.
    pub(crate) fault: Option<String>,
}

/// Every request that begins in `bytes`, if whoever reads them answers all.
pub(crate) fn asked(bytes: &[u8]) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while let Some((asked, len)) = read_request(rest).ok().flatten() {
        all.push(asked);
        match len {
            Some(len) => rest = &rest[len..],
            None => break,
        }
    }
    all
}

/// One request: what it is, and how long, if all of it is there. Nothing when its head is not
/// complete, an error where it is none.
pub(crate) fn read_request(bytes: &[u8]) -> Result<Option<(Asked, Option<usize>)>, String> {
    let mut head = Head::new();
    let parsed = RequestParser::new().parse(bytes, &Limits::default(), &mut head);
    let head_len = match parsed {
        Ok(Progress::Complete { head_len }) => head_len,
        Ok(_) => return Ok(None),
        Err(refusal) => return Err(refusal.reason.to_owned()),
    };
    let body = framing(&head, bytes).map_err(|refusal| refusal.reason.to_owned())?;
    let rest = &bytes[head_len..];
    let mut fault = None;
    let (content, len) = match body.body {
        BodyLength::None => (Vec::new(), Some(0)),
        BodyLength::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let is_whole = length <= rest.len();
            let content = rest[..length.min(rest.len())].to_vec();
            (content, is_whole.then_some(length))
        }
        BodyLength::Chunked => {
            let read = chunked(rest);
            fault = read.2;
            (read.0, read.1)
        }
    };
    let asked = Asked {
        method: head.method_span.of(bytes).to_vec(),
        is_head: head.method == Method::Head,
        version: head.version,
        body: content,
        is_whole: len.is_some(),
        fault,
    };
    Ok(Some((asked, len.map(|len| head_len + len))))
}

/// The content of chunks and their length on the wire; nothing when they do not end.
pub(crate) fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    match chunked(bytes) {
        (_, _, Some(fault)) => Err(fault),
        (content, len, None) => Ok(len.map(|len| (content, len))),
    }
}

/// The content of chunks as far as it is there, their length on the wire once they end, and what
/// is wrong with them.
fn chunked(bytes: &[u8]) -> (Vec<u8>, Option<usize>, Option<String>) {
    let mut decoder = ChunkedDecoder::new(ChunkLimits::default());
    let (mut at, mut content) = (0, Vec::new());
    while at < bytes.len() && !decoder.is_done() {
        let input = &bytes[at..];
        let chunk = match decoder.decode(input) {
            Ok(chunk) => chunk,
            Err(bad) => return (content, None, Some(bad.reason.to_owned())),
        };
        content.extend_from_slice(&input[chunk.data.unwrap_or(0..0)]);
        at += chunk.consumed;
    }
    (content, decoder.is_done().then_some(at), None)
}

/// An answer as the client sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// The body, if it is complete.
    pub(crate) body: Option<Vec<u8>>,
}

/// Final answers, one a request at most; the last one alone may be cut short, and then the
/// connection is closed.
pub(crate) fn seen(outcome: &Outcome, asked: &[Asked]) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut rest = &outcome.answer[..];
    while !rest.is_empty() {
        let shown = rest.escape_ascii();
        let asker = asked.get(all.len());
        if asker.is_some_and(|one| one.version == Version::Http09) {
            // Its answers have no heads.
            return all;
        }
        assert!(rest.starts_with(b"HTTP/1.1 "), "no answer: {shown}");
        let at = rest.windows(4).position(|part| part == b"\r\n\r\n");
        let Some(at) = at else {
            panic!("a part of a head: {shown}");
        };
        let head = Fields::of(&rest[..at]);
        rest = &rest[at + 4..];
        match head.status {
            101 => return all,
            100..=199 => continue,
            _ => {}
        }
        let is_head = asker.is_some_and(|one| one.is_head);
        let (body, len) = head.body(rest, is_head);
        assert!(body.is_some() || outcome.is_closed, "not ended: {shown}");
        rest = &rest[len..];
        all.push(Seen {
            status: head.status,
            body,
        });
        assert!(all.len() <= asked.len() + 1, "{all:?} for {asked:?}");
    }
    all
}

/// What a client looks at in a head.
#[derive(Debug, Default)]
struct Fields {
    status: u16,
    length: Option<usize>,
    is_chunked: bool,
}

impl Fields {
    /// Reads a head as strictly as it can be.
    fn of(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head).into_owned();
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.get(9..12).and_then(|digits| digits.parse().ok());
        let mut this = Self {
            status: status.unwrap_or_else(|| panic!("no status: {first}")),
            ..Self::default()
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                panic!("no field: {line}");
            };
            assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                assert!(this.length.is_none() && !this.is_chunked, "{text}");
                this.length = Some(value.parse().expect("a length"));
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                assert!(this.length.is_none() && !this.is_chunked, "{text}");
                assert_eq!(value, "chunked");
                this.is_chunked = true;
            }
        }
        this
    }

    /// The body at the start of `rest`, if it is complete, and how many bytes it takes.
    fn body(&self, rest: &[u8], is_head: bool) -> (Option<Vec<u8>>, usize) {
        if is_head || matches!(self.status, 204 | 304) {
            return (Some(Vec::new()), 0);
        }
        if self.is_chunked {
            return match chunks(rest) {
                Ok(Some((content, len))) => (Some(content), len),
                Ok(None) => (None, rest.len()),
                Err(reason) => panic!("{reason}: {}", rest.escape_ascii()),
            };
        }
        match self.length {
            Some(length) if length <= rest.len() => (Some(rest[..length].to_vec()), length),
            Some(_) => (None, rest.len()),
            // It ends with the connection, and a pair of sockets has no reset to tell more.
            None => (None, rest.len()),
        }
    }
}
