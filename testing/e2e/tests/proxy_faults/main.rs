//! Proxying to servers that fail in every way there is.
//!
//! Whatever such a server does, the client gets a complete right answer, or a failure that it
//! can see; nothing cut short looks whole. The connection is not used again, the worker lives,
//! and nothing is held afterwards.

mod answers;
mod clients;
mod early;
mod idle;
mod retries;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use harness::scripted::Step;
use harness::{Binary, Server};

/// How long a client waits for what never comes.
const SILENCE: Duration = Duration::from_secs(10);

/// Reads a request, sends `text` and ends the connection.
fn ends(text: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Request, Step::send(text)]
}

/// Reads a request, sends `text` and leaves the connection open.
fn stays(text: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Request, Step::send(text), Step::Stay]
}

/// Reads a request, sends `text` and resets the connection.
fn resets(text: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Request, Step::send(text), Step::Pause, Step::Reset]
}

/// A whole answer.
fn good(text: &str) -> Vec<Step> {
    stays(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    ))
}

/// A server with `text` inside its `http` block, and the ports that `ports` names.
#[track_caller]
fn start(binary: Binary, text: &str, ports: &[(String, u16)]) -> Server {
    let builder = ports
        .iter()
        .fold(Server::new(text).binary(binary), |builder, (name, port)| {
            builder.with_port(name, *port)
        });
    builder.start()
}

/// The programs to ask: this one, and nginx where it is installed.
fn binaries() -> Vec<Binary> {
    let both = [Binary::Tidegate, Binary::Nginx];
    if !Binary::Nginx.is_available() {
        harness::skip::skip("nginx is not installed");
    }
    both.into_iter().filter(Binary::is_available).collect()
}

/// What a client sees of an answer: status and text of a good one, the status of another, or
/// `cut` where it can tell that the answer is not whole.
fn outcome(port: u16, request: &str) -> String {
    let bytes = match exchange(port, request) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return "silence".to_owned(),
        Err(_) => return "cut".to_owned(),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return "cut".to_owned();
    };
    let status = head.split(' ').nth(1).unwrap_or_default();
    let lower = head.to_ascii_lowercase();
    let length = lower.split("\r\ncontent-length: ").nth(1);
    let length = length.and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok());
    let has_none = request.starts_with("HEAD") || matches!(status, "204" | "304");
    let body = match length {
        _ if has_none && body.is_empty() => body.to_owned(),
        _ if has_none => return format!("{status} with a body"),
        Some(length) if length == body.len() => body.to_owned(),
        Some(_) => return "cut".to_owned(),
        None if lower.contains("\r\ntransfer-encoding: chunked") => match unchunked(body) {
            Some(body) => body,
            None => return "cut".to_owned(),
        },
        None => body.to_owned(),
    };
    match status {
        "200" => format!("200 {body}"),
        _ => status.to_owned(),
    }
}

/// Everything that comes up to the close; an error where the connection is reset.
fn exchange(port: u16, request: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The content of chunks; `None` if they do not end, or if anything follows them.
fn unchunked(mut rest: &str) -> Option<String> {
    let mut content = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            // Trailers, up to the empty line that must be the last.
            let end = format!("\r\n{after}");
            let is_end = end.ends_with("\r\n\r\n") && end.matches("\r\n\r\n").count() == 1;
            return is_end.then_some(content);
        }
        content.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
    }
}

/// A request by POST that ends its connection.
fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab")
}

/// A request by GET that ends its connection.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
}
