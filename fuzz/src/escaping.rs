//! Escapes.

use base::escape::{self, Uri};
use http1::uri::{Unescape, unescape};

/// Escapes the input for every place it could go to.
///
/// # Panics
///
/// When something comes out that means something there, or cannot be taken back.
pub fn escaping(data: &[u8]) {
    let log = escaped(escape::log, data);
    assert!(
        log.iter()
            .all(|&byte| (0x20..0x7f).contains(&byte) && byte != b'"')
    );

    let json = escaped(escape::json, data);
    assert!(json.iter().all(|&byte| byte >= 0x20));
    let quotes = json.iter().enumerate().filter(|&(_, &byte)| byte == b'"');
    for (at, _) in quotes {
        let backslashes = json[..at]
            .iter()
            .rev()
            .take_while(|&&byte| byte == b'\\')
            .count();
        assert!(
            backslashes % 2 == 1,
            "a quote ends the string: {}",
            json.escape_ascii()
        );
    }

    let html = escaped(escape::html, data);
    assert!(!html.iter().any(|byte| b"<>\"".contains(byte)));

    for kind in [
        Uri::Path,
        Uri::Args,
        Uri::Component,
        Uri::Html,
        Uri::Memcached,
    ] {
        let uri = escaped(|data, out| escape::uri(kind, data, out), data);
        assert!(
            uri.iter().all(|&byte| byte > 0x20),
            "{kind:?}: {}",
            uri.escape_ascii()
        );
        assert_eq!(uri != data, escape::needs_uri(kind, data));

        let mut back = Vec::new();
        unescape(Unescape::All, &uri, &mut back);
        assert_eq!(back, data, "{kind:?}");
    }
}

fn escaped(escape: impl Fn(&[u8], &mut Vec<u8>), data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    escape(data, &mut out);
    out
}
