//! The server that a request goes to, and the URI that it is asked for.

use super::fields;
use super::variables::TARGET;
use base::bytes::starts_with_ignore_case;
use base::escape;
use engine::Template;
use http::gateway::{self, Groups, Upstream};
use http::{Error, Flow, Request};
use std::borrow::Cow;
use std::rc::Rc;

/// A URL in parts.
#[derive(Debug, PartialEq)]
pub(super) struct Url<'t> {
    /// `host[:port]` or `unix:path`.
    pub(super) authority: &'t [u8],
    /// What follows it, if anything does.
    pub(super) uri: &'t [u8],
}

impl<'t> Url<'t> {
    /// Splits `http://authority/uri`.
    pub(super) fn parse(text: &'t [u8]) -> Result<Self, String> {
        if starts_with_ignore_case(text, b"https://") {
            return Err("https protocol requires SSL support".to_owned());
        }
        if !starts_with_ignore_case(text, b"http://") {
            return Err("invalid URL prefix".to_owned());
        }
        let rest = &text[b"http://".len()..];
        let end = match rest.strip_prefix(b"unix:") {
            // The path of a socket ends at a colon.
            Some(path) => path.iter().position(|&b| b == b':').map(|at| at + 5),
            None => rest.iter().position(|&byte| matches!(byte, b'/' | b'?')),
        };
        let (authority, uri) = rest.split_at(end.unwrap_or(rest.len()));
        let uri = uri.strip_prefix(b":").unwrap_or(uri);
        Ok(Self { authority, uri })
    }
}

/// Where a request goes.
pub(super) struct Target {
    pub(super) upstream: Rc<Upstream>,
    /// `$proxy_host`
    pub(super) host: Vec<u8>,
    /// `$proxy_port`
    pub(super) port: Vec<u8>,
    /// The host as a field of the request; `None` where it may not be one.
    host_line: Option<Vec<u8>>,
    /// The URI of the URL, with nothing in it that could end a request line; empty for none.
    uri: Vec<u8>,
    /// Bytes of the request's path that it stands for.
    replaced: usize,
    /// Whether the URI is for this request alone, and so stands for all of its.
    is_whole: bool,
}

impl Target {
    pub(super) fn new(
        upstream: Rc<Upstream>,
        url: &Url<'_>,
        is_group: bool,
        replaced: usize,
    ) -> Self {
        let (host, port) = host_and_port(url.authority, is_group);
        let mut uri = url.uri.to_vec();
        if uri.starts_with(b"?") {
            uri.insert(0, b'/');
        }
        let mut host_line = Vec::new();
        let is_field = fields::line(b"Host", &host, &mut host_line).is_ok();
        Self {
            upstream,
            host,
            port,
            host_line: is_field.then_some(host_line),
            uri: clean(&uri).into_owned(),
            replaced,
            is_whole: false,
        }
    }

    /// The target whose URL has variables.
    pub(super) async fn at_run_time(
        request: &mut Request,
        settings: &gateway::Settings,
        template: &Template,
        groups: &Groups,
    ) -> Result<Rc<Self>, Result<Flow, Error>> {
        let text = template.eval(request);
        let url = Url::parse(&text).ok();
        let Some(url) = url.filter(|_| text.len() > b"http://".len()) else {
            let reason = format!("invalid URL prefix in \"{}\"", text.escape_ascii());
            return Err(Err(Error::operator(reason)));
        };
        let group = groups.get(&url.authority.to_ascii_lowercase());
        let upstream =
            gateway::group_of(request, settings, groups, url.authority, Some(80)).await?;
        let is_group = group.is_some_and(|group| {
            engine::address::split_host(&group.name).is_none_or(|(_, port)| port.is_none())
        });
        let mut target = Self::new(upstream, &url, is_group, 0);
        target.is_whole = !target.uri.is_empty();
        let target = Rc::new(target);
        TARGET.set(request, Rc::clone(&target));
        Ok(target)
    }

    /// Appends the field that names the host.
    ///
    /// # Errors
    ///
    /// It would be more than one field.
    pub(super) fn write_host(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(line) = &self.host_line else {
            return fields::line(b"Host", &self.host, out);
        };
        out.extend_from_slice(line);
        Ok(())
    }

    /// The URI to ask for. Never with bytes that could end a request line. What the client wrote
    /// without escapes, and nothing has changed, stays without, as in nginx.
    pub(super) fn uri<'r>(&'r self, request: &'r Request) -> Cow<'r, [u8]> {
        if self.is_whole {
            return Cow::Borrowed(&self.uri);
        }
        if self.uri.is_empty() && request.uri_is_original {
            return Cow::Borrowed(request.original_uri());
        }
        let mut out = Vec::with_capacity(self.uri.len() + request.uri.len() + 16);
        let mut path: &[u8] = &request.uri;
        if request.location_matches_uri {
            out.extend_from_slice(&self.uri);
            if !self.uri.is_empty() {
                path = path.get(self.replaced..).unwrap_or_default();
            }
        }
        if request.uri_is_original && !has_escapes(request.original_uri()) {
            out.extend_from_slice(&clean(path));
        } else {
            escape::uri(escape::Uri::Path, path, &mut out);
        }
        if !request.args.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&clean(&request.args));
        }
        Cow::Owned(out)
    }
}

/// Whether the path of `uri` has any.
fn has_escapes(uri: &[u8]) -> bool {
    matches!(memchr::memchr3(b'%', b'?', b'#', uri), Some(at) if uri[at] == b'%')
}

/// `$proxy_host` and `$proxy_port` for an authority.
fn host_and_port(authority: &[u8], is_group: bool) -> (Vec<u8>, Vec<u8>) {
    if authority.starts_with(b"unix:") {
        return (b"localhost".to_vec(), Vec::new());
    }
    let text = String::from_utf8_lossy(authority);
    let port = match engine::address::split_host(&text) {
        Some((_, Some(port))) if !is_group => port,
        _ => "80",
    };
    let host = text.strip_suffix(":80").unwrap_or(&text);
    (host.as_bytes().to_vec(), port.as_bytes().to_vec())
}

/// Escapes what would end or split a request line.
fn clean(uri: &[u8]) -> Cow<'_, [u8]> {
    let is_bad = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    if !uri.iter().any(is_bad) {
        return Cow::Borrowed(uri);
    }
    let mut out = Vec::with_capacity(uri.len() + 8);
    for byte in uri {
        if is_bad(byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        let got = Url::parse(text.as_bytes());
        let got = got.as_ref().map(|url| (url.authority, url.uri));
        let expected = expected.map(|(authority, uri)| (authority.as_bytes(), uri.as_bytes()));
        assert_eq!(got.map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn urls() {
        check("http://a", Ok(("a", "")));
        check("HTTP://a:8/b?c", Ok(("a:8", "/b?c")));
        check("http://a?c", Ok(("a", "?c")));
        check("http://unix:/tmp/a:/b", Ok(("unix:/tmp/a", "/b")));
        check("http://unix:/tmp/a", Ok(("unix:/tmp/a", "")));
        check("a", Err("invalid URL prefix"));
    }

    #[test]
    fn hosts_and_ports() {
        let check = |authority: &str, is_group, host: &str, port: &str| {
            let expected = (host.as_bytes().to_vec(), port.as_bytes().to_vec());
            assert_eq!(host_and_port(authority.as_bytes(), is_group), expected);
        };
        check("127.0.0.1:81", false, "127.0.0.1:81", "81");
        check("127.0.0.1:80", false, "127.0.0.1", "80");
        check("127.0.0.1", false, "127.0.0.1", "80");
        check("unix:/a", false, "localhost", "");
        check("group", true, "group", "80");
    }

    #[test]
    fn escapes_of_a_path() {
        assert!(has_escapes(b"/a%20b?c"));
        assert!(!has_escapes(b"/a|b?c=%20"));
        assert!(!has_escapes(b"/"));
    }

    #[test]
    fn nothing_ends_a_request_line() {
        assert_eq!(&*clean(b"/a b\r\nX: y\0"), b"/a%20b%0D%0AX:%20y%00");
        assert_eq!(&*clean(b"/a%20b?c"), b"/a%20b?c");
    }
}
