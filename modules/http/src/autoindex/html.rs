//! Listings for people: a page in which every column has its place.

use crate::listing::Entry;
use base::escape::{self, Uri};
use std::io::Write;

/// Characters of a name that are shown, a folder's slash included.
const NAME_WIDTH: usize = 50;

/// How names, sizes and times are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Bytes, and not rounded to K, M and G.
    pub(super) exact_size: bool,
    /// Minutes that times are east of UTC.
    pub(super) offset_minutes: i32,
    /// Whether names are counted in characters of UTF-8 and not in bytes.
    pub(super) is_utf8: bool,
}

/// The page for the folder at `uri`.
pub(super) fn page(uri: &[u8], entries: &[Entry], style: Style) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + 2 * uri.len() + entries.len() * 160);
    out.extend_from_slice(b"<html>\r\n<head><title>Index of ");
    escape::html(uri, &mut out);
    out.extend_from_slice(b"</title></head>\r\n<body>\r\n<h1>Index of ");
    escape::html(uri, &mut out);
    out.extend_from_slice(b"</h1><hr><pre><a href=\"../\">../</a>\r\n");
    for entry in entries {
        row(entry, style, &mut out);
    }
    out.extend_from_slice(b"</pre><hr></body>\r\n</html>\r\n");
    out
}

fn row(entry: &Entry, style: Style, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<a href=\"");
    escape::uri(Uri::Component, &entry.name, out);
    if entry.is_folder() {
        out.push(b'/');
    }
    out.extend_from_slice(b"\">");
    name(entry, style.is_utf8, out);
    let time = base::date::autoindex(entry.mtime, style.offset_minutes);
    // Writing to memory does not fail.
    let _ = match (entry.is_folder(), style.exact_size) {
        (true, true) => write!(out, " {time} {:>19}\r\n", "-"),
        (true, false) => write!(out, " {time} {:>7}\r\n", "-"),
        (false, true) => write!(out, " {time} {:>19}\r\n", entry.size),
        (false, false) => write!(out, " {time} {}\r\n", rounded(entry.size)),
    };
}

/// Writes the link's text, its end, and spaces up to the next column.
fn name(entry: &Entry, is_utf8: bool, out: &mut Vec<u8>) {
    let (shown, width) = cut(&entry.name, is_utf8);
    escape::html(shown, out);
    if width > NAME_WIDTH {
        out.extend_from_slice(b"..&gt;</a>");
        return;
    }
    let has_slash = entry.is_folder() && width < NAME_WIDTH;
    if has_slash {
        out.push(b'/');
    }
    out.extend_from_slice(b"</a>");
    let used = width + usize::from(has_slash);
    out.resize(out.len() + NAME_WIDTH - used, b' ');
}

/// What is shown of `name`, and how many characters it has. Names that are not UTF-8 have as
/// many as bytes.
fn cut(name: &[u8], is_utf8: bool) -> (&[u8], usize) {
    let text = std::str::from_utf8(name).ok().filter(|_| is_utf8);
    let width = text.map_or(name.len(), |text| text.chars().count());
    if width <= NAME_WIDTH {
        return (name, width);
    }
    // "..>" takes the last three places.
    let kept = NAME_WIDTH - 3;
    let end = match text {
        Some(text) => text
            .char_indices()
            .nth(kept)
            .map_or(name.len(), |(at, _)| at),
        None => kept,
    };
    (name.get(..end).unwrap_or(name), width)
}

/// A size in seven places: bytes up to 9999, then K, M and G, rounded half up.
fn rounded(size: u64) -> String {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    const G: u64 = 1 << 30;
    let in_units = |unit: u64| size / unit + u64::from(size % unit >= unit / 2);
    match size {
        0..=9999 => format!(" {size:6}"),
        10_000..M => format!("{:6}K", in_units(K)),
        M..G => format!("{:6}M", in_units(M)),
        _ => format!("{:6}G", in_units(G)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::file::Kind;

    fn line(name: &str, kind: Kind, is_utf8: bool) -> String {
        let entry = Entry {
            name: name.into(),
            kind,
            size: 10_240,
            mtime: 0,
        };
        let style = Style {
            exact_size: false,
            offset_minutes: 90,
            is_utf8,
        };
        let mut out = Vec::new();
        row(&entry, style, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn names_take_fifty_places_whatever_their_length() {
        let at_the_end = " 01-Jan-1970 01:30     10K\r\n";
        for (length, shown) in [
            (1, format!("n</a>{}", " ".repeat(49))),
            (50, format!("{}</a>", "n".repeat(50))),
            (51, format!("{}..&gt;</a>", "n".repeat(47))),
        ] {
            let name = "n".repeat(length);
            let expected = format!("<a href=\"{name}\">{shown}{at_the_end}");
            assert_eq!(line(&name, Kind::File, false), expected);
        }
    }

    #[test]
    fn folders_have_a_slash_where_there_is_room() {
        let at_the_end = " 01-Jan-1970 01:30       -\r\n";
        for (length, shown) in [(49, "n".repeat(49) + "/"), (50, "n".repeat(50))] {
            let name = "n".repeat(length);
            let expected = format!("<a href=\"{name}/\">{shown}</a>{at_the_end}");
            assert_eq!(line(&name, Kind::Directory, false), expected);
        }
    }

    #[test]
    fn characters_are_counted_only_in_utf8() {
        let name = "ф".repeat(26);
        assert!(line(&name, Kind::File, true).contains(&format!("{name}</a>{}", " ".repeat(24))));
        // Half of the 24th character is left, and that is no UTF-8.
        let cut = format!("{}\u{fffd}..&gt;", "ф".repeat(23));
        assert!(line(&name, Kind::File, false).contains(&cut));
        let long = line(&"ф".repeat(60), Kind::File, true);
        assert!(long.contains(&format!(">{}..&gt;</a> 01-Jan", "ф".repeat(47))));
    }

    #[test]
    fn names_are_escaped_after_they_are_cut() {
        let long = line(&"<".repeat(60), Kind::File, false);
        assert!(long.contains(&format!("\"{}\"", "%3C".repeat(60))));
        assert!(long.contains(&format!(">{}..&gt;</a>", "&lt;".repeat(47))));
    }

    #[test]
    fn sizes_are_rounded_half_up() {
        for (size, expected) in [
            (0, "      0"),
            (9999, "   9999"),
            (10_000, "    10K"),
            (10_751, "    10K"),
            (10_752, "    11K"),
            ((1 << 20) - 1, "  1024K"),
            (1 << 20, "     1M"),
            ((1 << 30) - 1, "  1024M"),
            (3 << 29, "     2G"),
        ] {
            assert_eq!(rounded(size), expected);
        }
    }
}
