//! One HTTP/1 response: its bytes, and what they mean.

use std::fmt;
use std::io;

/// The longest response head read, in bytes: more than any server here sends.
const MAX_HEAD: usize = 1 << 20;

/// A response as it came.
#[derive(Clone, Eq, PartialEq)]
pub struct Response {
    /// `HTTP/1.1`; empty for an HTTP/0.9 response, which has no head.
    pub version: String,
    /// 0 for an HTTP/0.9 response.
    pub status: u16,
    /// The text after the status.
    pub reason: String,
    /// Name and value, in the order and the letters they came in.
    pub headers: Vec<(String, String)>,
    /// The content, taken out of its chunks.
    pub body: Vec<u8>,
    /// Fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Whether the body came to its end by its own framing (or by the close it allows).
    pub is_complete: bool,
    /// Everything that was read for this response.
    pub raw: Vec<u8>,
}

impl Response {
    /// The value of the first field called `name`, in any letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// The values of all fields called `name`, in order.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_wanted = move |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(is_wanted)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server said that it will close the connection.
    #[must_use]
    pub fn is_last(&self) -> bool {
        match self.header("Connection") {
            Some(value) => value.eq_ignore_ascii_case("close"),
            None => self.version != "HTTP/1.1",
        }
    }

    /// How the body ends, for a response to a request of `method`.
    fn framing(&self, method: &[u8]) -> Framing {
        let length = || {
            self.header("Content-Length")
                .and_then(|value| value.parse().ok())
        };
        let is_chunked = || {
            self.header("Transfer-Encoding")
                .is_some_and(|value| value.ends_with("chunked"))
        };
        match self.status {
            0 => Framing::Close,
            100..=199 | 204 | 304 => Framing::Length(0),
            _ if method == b"HEAD" => Framing::Length(0),
            _ if is_chunked() => Framing::Chunked,
            _ => length().map_or(Framing::Close, Framing::Length),
        }
    }
}

impl fmt::Debug for Response {
    /// The head as it came, and the body as text, cut when it is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} {}", self.version, self.status, self.reason)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let text = self.text();
        let shown: String = text.chars().take(2000).collect();
        writeln!(f, "\n{shown}")?;
        if shown.len() < text.len() {
            writeln!(f, "[{} bytes in all]", self.body.len())?;
        }
        if !self.is_complete {
            writeln!(f, "[cut short]")?;
        }
        Ok(())
    }
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// Bytes that are still to be read, and those that were.
pub(crate) trait Source {
    /// What has been read and not yet been taken.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Reads more into the buffer; `false` at the end of the connection.
    fn fill(&mut self) -> io::Result<bool>;

    /// Takes the bytes up to and with `mark` off the buffer; `None` when the end comes first.
    fn take_through(&mut self, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            let buffer = self.buffer();
            let found = buffer[searched..]
                .windows(mark.len())
                .position(|piece| piece == mark);
            if let Some(at) = found {
                return Ok(Some(buffer.drain(..searched + at + mark.len()).collect()));
            }
            searched = buffer.len().saturating_sub(mark.len() - 1);
            if buffer.len() > MAX_HEAD {
                return Err(malformed("no end of the head", buffer));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Takes `count` bytes off the buffer, fewer when the end comes first.
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer().len() < count {
            if !self.fill()? {
                break;
            }
        }
        let buffer = self.buffer();
        let count = count.min(buffer.len());
        Ok(buffer.drain(..count).collect())
    }
}

/// Reads one response to a request of `method`; `None` when the connection ended before it.
///
/// # Errors
///
/// `InvalidData` for what is not HTTP, and whatever reading fails with.
pub(crate) fn read(source: &mut dyn Source, method: &[u8]) -> io::Result<Option<Response>> {
    let start = source.take(5)?;
    if start.is_empty() {
        return Ok(None);
    }
    source.buffer().splice(..0, start.iter().copied());
    if start != b"HTTP/" {
        let body = source.take(usize::MAX)?;
        return Ok(Some(headless(body)));
    }
    let Some(head) = source.take_through(b"\r\n\r\n")? else {
        return Err(malformed("the head is cut short", source.buffer()));
    };
    let mut response = parse_head(&head)?;
    read_body(source, method, &mut response)?;
    Ok(Some(response))
}

/// An HTTP/0.9 response: a body and nothing else.
fn headless(body: Vec<u8>) -> Response {
    Response {
        version: String::new(),
        status: 0,
        reason: String::new(),
        headers: Vec::new(),
        raw: body.clone(),
        body,
        trailers: Vec::new(),
        is_complete: true,
    }
}

/// Reads the status line and the fields; the body is left empty.
fn parse_head(head: &[u8]) -> io::Result<Response> {
    let text = String::from_utf8_lossy(head);
    let (status_line, fields) = text.split_once("\r\n").unwrap_or((&text, ""));
    let mut parts = status_line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default().to_owned();
    let status = parts.next().and_then(|digits| digits.parse().ok());
    Ok(Response {
        version,
        status: status.ok_or_else(|| malformed("no status", head))?,
        reason: parts.next().unwrap_or_default().to_owned(),
        headers: parse_fields(fields)?,
        body: Vec::new(),
        trailers: Vec::new(),
        is_complete: false,
        raw: head.to_vec(),
    })
}

/// Reads `Name: value` lines up to the empty one.
fn parse_fields(text: &str) -> io::Result<Vec<(String, String)>> {
    text.split("\r\n")
        .take_while(|line| !line.is_empty())
        .map(|line| match line.split_once(':') {
            Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
            None => Err(malformed("no colon in", line.as_bytes())),
        })
        .collect()
}

/// Reads the body that the head announces.
fn read_body(source: &mut dyn Source, method: &[u8], response: &mut Response) -> io::Result<()> {
    match response.framing(method) {
        Framing::Length(length) => {
            response.body = source.take(length)?;
            response.is_complete = response.body.len() == length;
            response.raw.extend_from_slice(&response.body);
        }
        Framing::Close => {
            response.body = source.take(usize::MAX)?;
            response.is_complete = true;
            response.raw.extend_from_slice(&response.body);
        }
        Framing::Chunked => response.is_complete = read_chunks(source, response)?,
    }
    Ok(())
}

/// Reads chunks and trailers; `false` when the connection ended before the last one.
fn read_chunks(source: &mut dyn Source, response: &mut Response) -> io::Result<bool> {
    loop {
        let Some(line) = source.take_through(b"\r\n")? else {
            return Ok(false);
        };
        response.raw.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line);
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk size", &line))?;
        if size == 0 {
            return read_trailers(source, response);
        }
        let chunk = source.take(size)?;
        let is_whole = chunk.len() == size;
        response.raw.extend_from_slice(&chunk);
        response.body.extend_from_slice(&chunk);
        let end = source.take(2)?;
        response.raw.extend_from_slice(&end);
        if !is_whole || end.len() < 2 {
            return Ok(false);
        }
        if end != b"\r\n" {
            return Err(malformed("no line end after a chunk", &end));
        }
    }
}

/// Reads what follows the last chunk.
fn read_trailers(source: &mut dyn Source, response: &mut Response) -> io::Result<bool> {
    loop {
        let Some(line) = source.take_through(b"\r\n")? else {
            return Ok(false);
        };
        response.raw.extend_from_slice(&line);
        if line == b"\r\n" {
            return Ok(true);
        }
        response
            .trailers
            .extend(parse_fields(&String::from_utf8_lossy(&line))?);
    }
}

/// An error that shows the bytes at fault.
fn malformed(what: &str, bytes: &[u8]) -> io::Error {
    let start = &bytes[..bytes.len().min(200)];
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what}: {}", start.escape_ascii()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out `wire` in two pieces.
    struct Pieces<'a> {
        buffer: Vec<u8>,
        rest: Vec<&'a [u8]>,
    }

    impl Source for Pieces<'_> {
        fn buffer(&mut self) -> &mut Vec<u8> {
            &mut self.buffer
        }

        fn fill(&mut self) -> io::Result<bool> {
            let next = self.rest.pop();
            self.buffer.extend_from_slice(next.unwrap_or_default());
            Ok(next.is_some())
        }
    }

    /// Reads `wire`, cut at every byte, and returns the one answer that all cuts gave.
    #[track_caller]
    fn check(wire: &[u8], method: &[u8]) -> (Response, Vec<u8>) {
        let answers = (0..=wire.len()).map(|cut| {
            let (start, end) = wire.split_at(cut);
            let mut source = Pieces {
                buffer: start.to_vec(),
                rest: vec![end],
            };
            let response = read(&mut source, method).unwrap().unwrap();
            while source.fill().unwrap() {}
            (response, source.buffer)
        });
        answers
            .reduce(|first, next| {
                assert_eq!(first, next);
                first
            })
            .unwrap()
    }

    #[test]
    fn length_ends_the_body_and_leaves_the_next_response() {
        let (response, rest) = check(
            b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 2\r\n\r\nhiHTTP/",
            b"GET",
        );
        assert_eq!((response.status, response.text().as_str()), (200, "hi"));
        assert_eq!(response.headers_named("a").collect::<Vec<_>>(), ["1", "2"]);
        assert!(response.is_complete);
        assert_eq!(rest, b"HTTP/");
    }

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nSum: 1\r\n\r\n";
        let (response, rest) = check(wire, b"GET");
        assert_eq!(response.text(), "hello world");
        assert_eq!(response.trailers, [("Sum".to_owned(), "1".to_owned())]);
        assert_eq!(response.raw, wire);
        assert!(response.is_complete && rest.is_empty());
    }

    #[test]
    fn a_body_cut_short_is_told_from_a_whole_one() {
        let cut = |wire: &[u8]| check(wire, b"GET").0;
        assert!(!cut(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi").is_complete);
        assert!(!cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi").is_complete);
        assert!(cut(b"HTTP/1.1 200 OK\r\n\r\nhi").is_complete);
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_announce() {
        let head = check(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"HEAD").0;
        let unchanged = check(
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
            b"GET",
        )
        .0;
        assert!(head.is_complete && unchanged.is_complete);
    }

    #[test]
    fn a_response_without_a_head_is_all_body() {
        let (response, _) = check(b"hello", b"GET");
        assert_eq!((response.status, response.text().as_str()), (0, "hello"));
    }
}
