//! Listings for programs: JSON, JSONP and XML.

use crate::listing::Entry;
use base::escape;
use std::io::Write;

/// The listing as an array of objects, or as the argument of a call of `callback`.
pub(super) fn json(entries: &[Entry], callback: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + entries.len() * 128);
    if let Some(name) = callback {
        // The comment keeps the name from being the first bytes of the file, which some
        // browsers took for the beginning of something else than a script.
        out.extend_from_slice(b"/* callback */\r\n");
        out.extend_from_slice(name);
        out.push(b'(');
    }
    out.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"\r\n{ \"name\":\"");
        escape::json(&entry.name, &mut out);
        let (kind, time) = (kind(entry), base::date::http(entry.mtime));
        // Writing to memory does not fail.
        let _ = write!(out, "\", \"type\":\"{kind}\", \"mtime\":\"{time}\"");
        if entry.is_file() {
            let _ = write!(out, ", \"size\":{}", entry.size);
        }
        out.extend_from_slice(b" }");
    }
    out.extend_from_slice(b"\r\n]");
    if callback.is_some() {
        out.extend_from_slice(b");");
    }
    out
}

/// The listing as XML.
pub(super) fn xml(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + entries.len() * 128);
    out.extend_from_slice(b"<?xml version=\"1.0\"?>\r\n<list>\r\n");
    for entry in entries {
        let (kind, time) = (kind(entry), base::date::Civil::from_unix(entry.mtime));
        let (year, month, day) = (time.year, time.month, time.day);
        let (hour, minute, second) = (time.hour, time.minute, time.second);
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "<{kind} mtime=\"{year:4}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z\""
        );
        if entry.is_file() {
            let _ = write!(out, " size=\"{}\"", entry.size);
        }
        out.push(b'>');
        escape::html(&entry.name, &mut out);
        let _ = write!(out, "</{kind}>\r\n");
    }
    out.extend_from_slice(b"</list>\r\n");
    out
}

fn kind(entry: &Entry) -> &'static str {
    if entry.is_folder() {
        "directory"
    } else if entry.is_file() {
        "file"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::file::Kind;

    fn entry(name: &str, kind: Kind, size: u64) -> Entry {
        Entry {
            name: name.into(),
            kind,
            size,
            mtime: 784_111_777,
        }
    }

    fn entries() -> [Entry; 3] {
        [
            entry("d", Kind::Directory, 4096),
            entry("a\"<\n", Kind::File, 42),
            entry("pipe", Kind::Other, 0),
        ]
    }

    #[test]
    fn json_has_sizes_of_files_only() {
        let expected = "[\r\n\
            { \"name\":\"d\", \"type\":\"directory\", \"mtime\":\"Sun, 06 Nov 1994 08:49:37 GMT\" },\r\n\
            { \"name\":\"a\\\"<\\n\", \"type\":\"file\", \"mtime\":\"Sun, 06 Nov 1994 08:49:37 GMT\", \"size\":42 },\r\n\
            { \"name\":\"pipe\", \"type\":\"other\", \"mtime\":\"Sun, 06 Nov 1994 08:49:37 GMT\" }\r\n]";
        assert_eq!(String::from_utf8(json(&entries(), None)).unwrap(), expected);
        assert_eq!(json(&[], None), b"[\r\n]");
        assert_eq!(json(&[], Some(b"f")), b"/* callback */\r\nf([\r\n]);");
    }

    #[test]
    fn xml_names_elements_by_kind() {
        let expected = "<?xml version=\"1.0\"?>\r\n<list>\r\n\
            <directory mtime=\"1994-11-06T08:49:37Z\">d</directory>\r\n\
            <file mtime=\"1994-11-06T08:49:37Z\" size=\"42\">a&quot;&lt;\n</file>\r\n\
            <other mtime=\"1994-11-06T08:49:37Z\">pipe</other>\r\n</list>\r\n";
        assert_eq!(String::from_utf8(xml(&entries())).unwrap(), expected);
    }
}
