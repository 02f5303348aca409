//! A line of the error log as a JSON object.
//!
//! Source: nginx documentation, core module, `error_log ... json`.

use super::subject::Subject;
use super::{Level, MAX_LINE};
use std::io::Write;

/// What ends a line that did not have room for everything.
const TRUNCATED: &[u8] = b",\"truncated\":1";

/// The object for a message: level, time, numbers, the message without its system error, the
/// tags of `subject`, and the system error apart.
pub(super) fn line(level: Level, timestamp: &[u8], message: &[u8], subject: &Subject) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    let pid = std::process::id();
    let _ = write!(line, "{{\"level\":\"{level}\",\"timestamp\":\"");
    line.extend_from_slice(timestamp);
    // Writing to memory does not fail. A worker's one thread has its process's number.
    let _ = write!(line, "\",\"pid\":{pid},\"tid\":{pid}");
    if let Some(connection) = subject.connection {
        let _ = write!(line, ",\"cnum\":{connection}");
    }
    let split = SystemError::split(message);
    let mut is_whole = member(&mut line, "msg", &split.message);
    for tag in subject.tags() {
        is_whole = is_whole && member(&mut line, &tag.name, &tag.value);
    }
    if let Some((number, text)) = split.error {
        let number = format!(",\"errno\":{number}");
        if is_whole && has_room(&line, number.len()) {
            line.extend_from_slice(number.as_bytes());
            is_whole = member(&mut line, "errtext", text);
        }
    }
    if !is_whole {
        line.extend_from_slice(TRUNCATED);
    }
    line.push(b'}');
    line
}

/// A message and the system's error that it names: `connect() failed (111: Connection refused)
/// while connecting` names 111.
struct SystemError<'m> {
    message: Vec<u8>,
    error: Option<(u32, &'m [u8])>,
}

impl<'m> SystemError<'m> {
    fn split(message: &'m [u8]) -> Self {
        let found = memchr::memmem::rfind(message, b" (").and_then(|start| {
            let inner = &message[start + 2..];
            let end = inner.iter().position(|byte| *byte == b')')?;
            let colon = inner[..end].iter().position(|byte| *byte == b':')?;
            let number = std::str::from_utf8(&inner[..colon]).ok()?.parse().ok()?;
            let rest = &inner[end + 1..];
            let text = inner[colon + 1..end].trim_ascii_start();
            Some((number, text, [&message[..start], rest].concat()))
        });
        match found {
            Some((number, text, message)) => Self {
                message,
                error: Some((number, text)),
            },
            None => Self {
                message: message.to_vec(),
                error: None,
            },
        }
    }
}

/// Whether `more` bytes fit beside what must end the line.
fn has_room(line: &[u8], more: usize) -> bool {
    line.len() + more + TRUNCATED.len() < MAX_LINE
}

/// Appends a member with a string, or as much of the string as fits. Gives whether all did.
fn member(line: &mut Vec<u8>, name: &str, value: &[u8]) -> bool {
    if !has_room(line, name.len() + 6) {
        return false;
    }
    let start = line.len();
    line.extend_from_slice(b",\"");
    string(line, name.as_bytes());
    line.extend_from_slice(b"\":\"");
    if !has_room(line, 1) {
        line.truncate(start);
        return false;
    }
    let is_whole = string(line, value);
    line.push(b'"');
    is_whole
}

/// Appends what stands between the quotes of a string, as far as it fits. Controls, of
/// terminals above all, and bytes that are not UTF-8 are escaped.
fn string(line: &mut Vec<u8>, text: &[u8]) -> bool {
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            let mut buf = [0; 4];
            let escaped;
            let shown = match char {
                '"' => "\\\"",
                '\\' => "\\\\",
                _ if char.is_control() => {
                    escaped = format!("\\u{:04x}", u32::from(char));
                    &escaped
                }
                _ => char.encode_utf8(&mut buf),
            };
            if !has_room(line, shown.len() + 1) {
                return false;
            }
            line.extend_from_slice(shown.as_bytes());
        }
        for byte in chunk.invalid() {
            if !has_room(line, 6) {
                return false;
            }
            let _ = write!(line, "\\\\x{byte:02X}");
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &[u8], subject: &Subject) -> String {
        let line = line(Level::Error, b"T", message, subject);
        assert!(line.len() <= MAX_LINE, "{}", line.len());
        String::from_utf8(line).unwrap()
    }

    fn rest(message: &[u8], subject: &Subject) -> String {
        let pid = std::process::id();
        let start =
            format!("{{\"level\":\"error\",\"timestamp\":\"T\",\"pid\":{pid},\"tid\":{pid}");
        let line = written(message, subject);
        line.strip_prefix(&start).unwrap().to_owned()
    }

    /// The documentation's example.
    #[test]
    fn members_are_as_documented() {
        let mut subject = Subject::connection(3);
        subject.tag("client", "192.168.1.10");
        subject.quote("request", "GET /api HTTP/1.1");
        assert_eq!(
            rest(b"connect() failed (111: Connection refused)", &subject),
            ",\"cnum\":3,\"msg\":\"connect() failed\",\"client\":\"192.168.1.10\",\
             \"request\":\"GET /api HTTP/1.1\",\"errno\":111,\"errtext\":\"Connection refused\"}"
        );
    }

    #[test]
    fn an_error_in_the_middle_is_taken_out() {
        let message = b"connect() failed (111: Connection refused) while connecting to upstream";
        let rest = rest(message, Subject::NONE);
        assert!(rest.starts_with(",\"msg\":\"connect() failed while connecting to upstream\""));
        for kept in [&b"a (b) c"[..], b"\"x\" (GET): y", b" (1", b"(2: x)"] {
            assert_eq!(SystemError::split(kept).message, kept);
        }
    }

    #[test]
    fn what_strings_may_not_hold_is_escaped() {
        assert_eq!(
            rest(
                b"say \"hi\"\n\x1b[2J \xff \\ \xc3\xa9\xc2\x9b",
                Subject::NONE
            ),
            ",\"msg\":\"say \\\"hi\\\"\\u000a\\u001b[2J \\\\xFF \\\\ \u{e9}\\u009b\"}"
        );
    }

    #[test]
    fn long_lines_say_that_they_were_cut() {
        for byte in [b'a', b'"', b'\n', 0xff] {
            for len in [1800, 1900, 1950, 2000, 5000] {
                let mut subject = Subject::default();
                subject.quote("request", vec![byte; len]);
                subject.quote("host", "late");
                let line = written(b"long", &subject);
                assert!(line.ends_with("}") && line.matches('{').count() == 1);
                let is_whole = line.ends_with("\"host\":\"late\"}");
                assert_eq!(!is_whole, line.ends_with("\",\"truncated\":1}"), "{line}");
            }
        }
    }
}
