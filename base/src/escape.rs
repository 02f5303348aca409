//! Bytes made safe for where they go: URIs, HTML, JSON, log lines.
//!
//! Every function appends to `out`, and copies what needs no escape in runs.

/// A set of bytes, one flag each.
type Set = [bool; 256];

/// Where in a URI, or in what other text, the bytes will stand. Each kind escapes what nginx's
/// constant of that name does.
///
/// Source: `ngx_escape_uri()`, nginx 1.31.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uri {
    /// `NGX_ESCAPE_URI`: a path with its slashes.
    Path,
    /// `NGX_ESCAPE_ARGS`: a value in a query.
    Args,
    /// `NGX_ESCAPE_URI_COMPONENT`: everything but letters, digits and `-._~`.
    Component,
    /// `NGX_ESCAPE_HTML`: a URI inside a quoted HTML attribute.
    Html,
    /// `NGX_ESCAPE_REFRESH`: a URI inside a `Refresh` header or `meta` element.
    Refresh,
    /// `NGX_ESCAPE_MEMCACHED`: a memcached key.
    Memcached,
    /// `NGX_ESCAPE_MAIL_AUTH`: a header of the mail authentication request.
    MailAuth,
    /// `NGX_ESCAPE_MAIL_XTEXT`: RFC 3461 section 4, with `+` in place of `%`.
    MailXtext,
}

/// `<`, `>`, backslash, `^`, the back-tick, `{`, `|`, `}`: in no kind of URI.
const NEVER_IN_URI: &[u8] = b"\"<>\\^`{|}";

const PATH: Set = set(&[b" #%?", NEVER_IN_URI], Controls::AndHigh);
const ARGS: Set = set(&[b" #%&+;?", NEVER_IN_URI], Controls::AndHigh);
const HTML_URI: Set = set(&[b" #%'", NEVER_IN_URI], Controls::AndHigh);
// nginx escapes `~` here and leaves `}`.
const REFRESH: Set = set(&[b" '\"<>\\^`{|~"], Controls::AndHigh);
const COMPONENT: Set = set(&[b" !#$%&'()*+,/:;=?@[]", NEVER_IN_URI], Controls::AndHigh);
const MEMCACHED: Set = set(&[b" %"], Controls::Low);
const XTEXT: Set = set(&[b" +="], Controls::AndHigh);
const LOG: Set = set(&[b"\"\\"], Controls::AndHigh);
const JSON: Set = set(&[b"\"\\"], Controls::Low);
const HTML: Set = set(&[b"<>&\""], Controls::None);

/// Which bytes beside the listed ones are in a set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Controls {
    /// None.
    None,
    /// 0x00-0x1F.
    Low,
    /// 0x00-0x1F and 0x7F-0xFF.
    AndHigh,
}

const fn set(lists: &[&[u8]], controls: Controls) -> Set {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        set[byte] = match controls {
            Controls::None => false,
            Controls::Low => byte < 0x20,
            Controls::AndHigh => byte < 0x20 || byte >= 0x7f,
        };
        byte += 1;
    }

    let mut list = 0;
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            set[lists[list][at] as usize] = true;
            at += 1;
        }
        list += 1;
    }
    set
}

/// Appends `bytes` to `out`, replacing each byte of `set` by what `replace` appends.
#[inline]
fn escape_set(set: &Set, bytes: &[u8], out: &mut Vec<u8>, replace: impl Fn(u8, &mut Vec<u8>)) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| set[usize::from(byte)]) {
        let (run, tail) = rest.split_at(at);
        out.extend_from_slice(run);
        let Some((&byte, tail)) = tail.split_first() else {
            return;
        };
        replace(byte, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// Two upper-case hexadecimal digits.
const fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}

/// Appends `bytes` with what may not stand there replaced by `%XX` (`+XX` for
/// [`Uri::MailXtext`]).
pub fn uri(kind: Uri, bytes: &[u8], out: &mut Vec<u8>) {
    let prefix = if kind == Uri::MailXtext { b'+' } else { b'%' };
    escape_set(uri_set(kind), bytes, out, |byte, out| {
        let [high, low] = hex(byte);
        out.extend_from_slice(&[prefix, high, low]);
    });
}

/// Whether [`uri`] would change anything.
#[must_use]
pub fn needs_uri(kind: Uri, bytes: &[u8]) -> bool {
    let set = uri_set(kind);
    bytes.iter().any(|&byte| set[usize::from(byte)])
}

fn uri_set(kind: Uri) -> &'static Set {
    match kind {
        Uri::Path => &PATH,
        Uri::Args => &ARGS,
        Uri::Component => &COMPONENT,
        Uri::Html => &HTML_URI,
        Uri::Refresh => &REFRESH,
        Uri::Memcached | Uri::MailAuth => &MEMCACHED,
        Uri::MailXtext => &XTEXT,
    }
}

/// Appends `bytes` as HTML text or as a value in double quotes.
///
/// Source: `ngx_escape_html()`, nginx 1.31.5.
pub fn html(bytes: &[u8], out: &mut Vec<u8>) {
    escape_set(&HTML, bytes, out, |byte, out| {
        out.extend_from_slice(match byte {
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'&' => b"&amp;",
            _ => b"&quot;",
        });
    });
}

/// Appends `bytes` as the inside of a JSON string. Bytes from 0x80 are copied: whether they
/// are UTF-8 is for the reader to judge, as with nginx's `escape=json`.
///
/// Source: `ngx_escape_json()`, nginx 1.31.5.
pub fn json(bytes: &[u8], out: &mut Vec<u8>) {
    escape_set(&JSON, bytes, out, |byte, out| {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex(byte));
                return;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    });
}

/// Appends `bytes` for a log line: quotes, backslashes, control bytes and bytes from 0x7F
/// become `\xXX`. It is `escape=default` of `log_format`, and what error logs quote.
///
/// Source: nginx documentation, `log_format`.
pub fn log(bytes: &[u8], out: &mut Vec<u8>) {
    escape_set(&LOG, bytes, out, |byte, out| {
        let [high, low] = hex(byte);
        out.extend_from_slice(&[b'\\', b'x', high, low]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(escape: impl Fn(&[u8], &mut Vec<u8>), text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Every byte that is kept by a kind, as nginx's tables have it.
    #[test]
    fn kept_bytes_of_each_kind() {
        let printable = |kind: Uri| -> String {
            let kept = |byte: &u8| !needs_uri(kind, &[*byte]);
            (0u8..=0x7f)
                .filter(kept)
                .filter(u8::is_ascii_punctuation)
                .map(char::from)
                .collect()
        };

        assert_eq!(printable(Uri::Path), "!$&'()*+,-./:;=@[]_~");
        assert_eq!(printable(Uri::Args), "!$'()*,-./:=@[]_~");
        assert_eq!(printable(Uri::Component), "-._~");
        assert_eq!(printable(Uri::Html), "!$&()*+,-./:;=?@[]_~");
        assert_eq!(printable(Uri::Refresh), "!#$%&()*+,-./:;=?@[]_}");
        assert_eq!(
            printable(Uri::Memcached),
            "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
        );
        assert_eq!(
            printable(Uri::MailXtext),
            "!\"#$%&'()*,-./:;<>?@[\\]^_`{|}~"
        );
    }

    #[test]
    fn letters_and_digits_are_kept_and_controls_are_not() {
        for kind in [
            Uri::Path,
            Uri::Args,
            Uri::Component,
            Uri::Html,
            Uri::MailXtext,
        ] {
            for byte in 0..=255u8 {
                let is_text = byte.is_ascii_alphanumeric();
                let is_control = !(0x21..0x7f).contains(&byte);
                assert!(!(is_text && needs_uri(kind, &[byte])), "{kind:?} {byte}");
                assert!(!is_control || needs_uri(kind, &[byte]), "{kind:?} {byte}");
            }
        }
        assert!(!needs_uri(Uri::Memcached, b"\x7f\xff"));
    }

    #[test]
    fn each_form_has_its_spelling() {
        let text = b"a b\"\x00\xe9\n<&>\\";
        assert_eq!(
            escaped(|t, o| uri(Uri::Path, t, o), text),
            "a%20b%22%00%E9%0A%3C&%3E%5C"
        );
        assert_eq!(
            escaped(|t, o| uri(Uri::MailXtext, t, o), b"a+b=c d"),
            "a+2Bb+3Dc+20d"
        );
        assert_eq!(
            escaped(html, b"<a href=\"x&y\">"),
            "&lt;a href=&quot;x&amp;y&quot;&gt;"
        );
        assert_eq!(
            escaped(json, b"\"\\\n\r\t\x08\x0c\x1f\x00/"),
            "\\\"\\\\\\n\\r\\t\\b\\f\\u001F\\u0000/"
        );
        assert_eq!(escaped(log, text), "a b\\x22\\x00\\xE9\\x0A<&>\\x5C");
    }
}
