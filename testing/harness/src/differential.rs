//! The same configuration and the same bytes, to nginx and to Tidegate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base::date;

use crate::binary::Binary;
use crate::builder::Builder;
use crate::response::Response;
use crate::server::Server;
use crate::skip;

/// Fields whose presence is compared and whose value is not: they name the product or the moment.
/// The order of fields of different names is never compared, since it has no meaning
/// (RFC 9110 section 5.3); values of one name must come in the same order.
const VALUE_IGNORED: [&str; 2] = ["server", "date"];

/// How long a server may take to close a connection after it said so. Lingering is part of it.
const CLOSE_LIMIT: Duration = Duration::from_secs(8);

/// One connection's worth of questions.
#[derive(Clone, Debug)]
pub struct Exchange {
    bytes: Vec<u8>,
    responses: usize,
}

impl Exchange {
    /// Sends `bytes` and expects one response, or a close in its place.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self {
            bytes: bytes.as_ref().to_vec(),
            responses: 1,
        }
    }

    /// Sends `bytes`, several requests in one go, and expects `responses` of them answered.
    #[must_use]
    pub fn pipelined(bytes: impl AsRef<[u8]>, responses: usize) -> Self {
        Self {
            bytes: bytes.as_ref().to_vec(),
            responses,
        }
    }

    /// Requests `path` by GET with the usual fields and the lines of `fields`, which end in CRLF.
    #[must_use]
    pub fn get(path: &str, fields: &str) -> Self {
        Self::new(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
        ))
    }
}

/// A comparison about to be made.
#[derive(Clone, Debug)]
pub struct Differential {
    builder: Builder,
    exchanges: Vec<Exchange>,
    ignored_headers: Vec<String>,
}

/// Compares both servers on `http` with `files`, one connection a request.
///
/// # Panics
///
/// With the differences, when there are any.
#[track_caller]
pub fn differential(http: &str, files: &[(&str, &str)], requests: &[&str]) {
    let builder = files
        .iter()
        .fold(Server::new(http), |builder, (name, text)| {
            builder.with_file(name, text)
        });
    let exchanges = requests.iter().map(Exchange::new);
    Differential::new(builder).with_exchanges(exchanges).run();
}

impl Differential {
    /// Compares what both servers make of `builder`'s configuration and files.
    #[must_use]
    pub fn new(builder: Builder) -> Self {
        Self {
            builder,
            exchanges: Vec::new(),
            ignored_headers: Vec::new(),
        }
    }

    /// Adds connections to be made, one after the other.
    #[must_use]
    pub fn with_exchanges(mut self, exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        self.exchanges.extend(exchanges);
        self
    }

    /// Leaves the field `name` out of the comparison; the test says why.
    #[must_use]
    pub fn ignoring_header(mut self, name: &str) -> Self {
        self.ignored_headers.push(name.to_ascii_lowercase());
        self
    }

    /// Makes the comparison; without nginx, says that it is skipped.
    ///
    /// # Panics
    ///
    /// With the differences, when there are any.
    #[track_caller]
    pub fn run(&self) {
        if !Binary::Nginx.is_available() {
            skip::skip("nginx is not installed");
            return;
        }
        if let Some(module) = self.builder.missing_nginx_module() {
            skip::skip(&format!("nginx's {module} is not installed"));
            return;
        }
        let nginx = self.answers(Binary::Nginx);
        let tidegate = self.answers(Binary::Tidegate);
        let mut report = String::new();
        for (exchange, (theirs, ours)) in self.exchanges.iter().zip(nginx.iter().zip(&tidegate)) {
            let differences = compare(theirs, ours);
            if !differences.is_empty() {
                let sent = exchange.bytes.escape_ascii();
                let _ = writeln!(report, "> {sent}\n{}", differences.join("\n"));
            }
        }
        assert!(
            report.is_empty(),
            "answers differ (- nginx, + tidegate):\n{report}"
        );
    }

    /// What `binary` alone answers, as the lines that [`Differential::run`] compares.
    ///
    /// # Panics
    ///
    /// When the server does not start.
    #[must_use]
    #[track_caller]
    pub fn answers_of(&self, binary: Binary) -> String {
        let answers = self.answers(binary);
        answers
            .iter()
            .flatten()
            .flat_map(lines)
            .fold(String::new(), |text, line| text + &line + "\n")
    }

    /// What `binary` answers to every exchange.
    #[track_caller]
    fn answers(&self, binary: Binary) -> Vec<Vec<Answer>> {
        let started = unix_now();
        let server = self.builder.clone().binary(binary).start();
        self.exchanges
            .iter()
            .map(|exchange| self.ask(&server, started, exchange))
            .collect()
    }

    /// Makes one exchange.
    #[track_caller]
    fn ask(&self, server: &Server, started: i64, exchange: &Exchange) -> Vec<Answer> {
        let mut client = server.connect();
        // A server may refuse and close before it has read everything.
        let _ = client.send(&exchange.bytes);
        let mut answers = Vec::new();
        for _ in 0..exchange.responses {
            match client.try_receive() {
                Ok(Some(response)) => answers.push(self.normalized(server, started, response)),
                Ok(None) => answers.push(Answer::Closed),
                Err(error) => answers.push(Answer::Nothing(error.kind().to_string())),
            }
            match answers.last() {
                Some(Answer::Response { is_last: false, .. }) => {}
                Some(Answer::Response { is_last: true, .. }) => {
                    if !client.is_closed_within(CLOSE_LIMIT) {
                        answers.push(Answer::Nothing("not closed".to_owned()));
                    }
                    break;
                }
                _ => break,
            }
        }
        answers
    }

    /// A response without what must differ between two servers, of one started in the second
    /// `started`.
    fn normalized(&self, server: &Server, started: i64, response: Response) -> Answer {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &response.headers {
            let name = name.to_ascii_lowercase();
            if self.ignored_headers.contains(&name) {
                continue;
            }
            let is_ignored = VALUE_IGNORED.contains(&name.as_str());
            let value = if is_ignored {
                "*".to_owned()
            } else if changed_at(&name, value).is_some_and(|at| at >= started) {
                "{since the server started}".to_owned()
            } else {
                neutral(server, value)
            };
            headers.entry(name).or_default().push(value);
        }
        let body = match String::from_utf8(response.body.clone()) {
            Ok(text) => without_product(&neutral(server, &text)).into_bytes(),
            Err(_) => response.body.clone(),
        };
        // An error page is as long as the product's name and version make it, also for HEAD.
        let may_be_page = response.status >= 300
            && response.body.is_empty()
            && response.header("Content-Type") == Some("text/html");
        if body.len() != response.body.len() || may_be_page {
            headers.remove("content-length");
        }
        Answer::Response {
            status_line: format!(
                "{} {} {}",
                response.version, response.status, response.reason
            ),
            is_last: response.is_last(),
            is_complete: response.is_complete,
            headers,
            body,
        }
    }
}

/// What came back in place of one response.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Answer {
    Response {
        status_line: String,
        is_last: bool,
        is_complete: bool,
        headers: BTreeMap<String, Vec<String>>,
        body: Vec<u8>,
    },
    /// The connection was closed.
    Closed,
    /// Nothing came, or not what HTTP allows.
    Nothing(String),
}

/// The present second.
fn unix_now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// When a file was changed, by a field that tells it: one that a request has made is not of the
/// same second on both servers.
fn changed_at(name: &str, value: &str) -> Option<i64> {
    match name {
        "last-modified" => date::parse_http(value.as_bytes()),
        "etag" => {
            let tag = value.trim_start_matches("W/").trim_start_matches('"');
            let (seconds, _size) = tag.split_once('-')?;
            i64::from_str_radix(seconds, 16).ok()
        }
        _ => None,
    }
}

/// `text` with this server's own ports and folder as placeholders.
fn neutral(server: &Server, text: &str) -> String {
    let place = server.prefix().path().display().to_string();
    let text = text.replace(&place, "{prefix}");
    server.ports().fold(text, |text, (name, port)| {
        text.replace(&format!(":{port}"), &format!(":{{port_{name}}}"))
    })
}

/// An error page with `PRODUCT` where the server names itself.
fn without_product(page: &str) -> String {
    const OPEN: &str = "<hr><center>";
    const CLOSE: &str = "</center>";
    let Some((before, rest)) = page.split_once(OPEN) else {
        return page.to_owned();
    };
    let Some((_, after)) = rest.split_once(CLOSE) else {
        return page.to_owned();
    };
    format!("{before}{OPEN}PRODUCT{CLOSE}{after}")
}

/// The differences between the answers of nginx and of Tidegate, as lines.
fn compare(theirs: &[Answer], ours: &[Answer]) -> Vec<String> {
    let count = theirs.len().max(ours.len());
    (0..count)
        .filter(|&index| theirs.get(index) != ours.get(index))
        .flat_map(|index| {
            let theirs = theirs.get(index).map(lines).unwrap_or_default();
            let ours = ours.get(index).map(lines).unwrap_or_default();
            let lost = theirs.iter().filter(|line| !ours.contains(line));
            let added = ours.iter().filter(|line| !theirs.contains(line));
            let lost = lost.map(|line| format!("- {line}"));
            lost.chain(added.map(|line| format!("+ {line}")))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// An answer as lines, each of which means something alone.
fn lines(answer: &Answer) -> Vec<String> {
    let Answer::Response {
        status_line,
        is_last,
        is_complete,
        headers,
        body,
    } = answer
    else {
        return vec![format!("[{answer:?}]")];
    };
    let mut lines = vec![status_line.clone()];
    for (name, values) in headers {
        lines.push(format!("{name}: {}", values.join(" | ")));
    }
    if *is_last {
        lines.push("[then closes]".to_owned());
    }
    if !is_complete {
        lines.push("[body cut short]".to_owned());
    }
    let shown = &body[..body.len().min(400)];
    lines.push(format!("[{} bytes] {}", body.len(), shown.escape_ascii()));
    if shown.len() < body.len() {
        lines.push(format!("[the rest sums to {}]", checksum(body)));
    }
    lines
}

/// Tells two long bodies apart in a report (FNV-1a).
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, field: &str, body: &str) -> Answer {
        Answer::Response {
            status_line: format!("HTTP/1.1 {status}"),
            is_last: false,
            is_complete: true,
            headers: BTreeMap::from([("x".to_owned(), vec![field.to_owned()])]),
            body: body.into(),
        }
    }

    #[test]
    fn each_difference_is_a_pair_of_lines() {
        let same = [answer("200 OK", "1", "a")];
        assert_eq!(compare(&same, &same), Vec::<String>::new());
        assert_eq!(
            compare(&same, &[answer("404 Not Found", "1", "a")]),
            ["- HTTP/1.1 200 OK", "+ HTTP/1.1 404 Not Found"]
        );
        assert_eq!(
            compare(&same, &[answer("200 OK", "2", "a")]),
            ["- x: 1", "+ x: 2"]
        );
        assert_eq!(
            compare(&same, &[answer("200 OK", "1", "b")]),
            ["- [1 bytes] a", "+ [1 bytes] b"]
        );
        assert_eq!(compare(&[Answer::Closed], &[]), ["- [Closed]"]);
    }

    #[test]
    fn the_time_of_a_change_is_told_by_two_fields() {
        let written = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(changed_at("last-modified", written), Some(784_111_777));
        assert_eq!(changed_at("etag", "\"2ebc98a1-4\""), Some(784_111_777));
        assert_eq!(changed_at("etag", "W/\"2ebc98a1-4\""), Some(784_111_777));
        assert_eq!(changed_at("etag", "\"named\""), None);
        assert_eq!(changed_at("date", written), None);
    }

    #[test]
    fn long_bodies_that_differ_late_differ() {
        let body = |end: &str| "x".repeat(1000) + end;
        let differences = compare(
            &[answer("200", "", &body("a"))],
            &[answer("200", "", &body("b"))],
        );
        assert_eq!(differences.len(), 2);
    }

    #[test]
    fn only_the_products_name_is_taken_off_an_error_page() {
        let page = "<h1>404</h1><hr><center>nginx/1.2</center></body>";
        assert_eq!(
            without_product(page),
            "<h1>404</h1><hr><center>PRODUCT</center></body>"
        );
        assert_eq!(without_product("<center>x</center>"), "<center>x</center>");
    }
}
