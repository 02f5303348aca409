//! URIs to paths.

use base::escape;
use http1::uri::{Unescape, normalize, split_unsafe, unescape};

/// Normalises, unescapes and splits a URI.
///
/// # Panics
///
/// When a path is not clean, does not stay as it is, or could leave its root.
pub fn uri(data: &[u8]) {
    for merge_slashes in [true, false] {
        let Ok((path, found)) = normalize(data, merge_slashes) else {
            continue;
        };
        assert_clean(&path, merge_slashes);
        if let Some(query) = found.query {
            assert!(!data[query.clone()].contains(&b'#') && data[query.start - 1] == b'?');
        }

        let mut escaped = Vec::new();
        escape::uri(escape::Uri::Path, &path, &mut escaped);
        let again = normalize(&escaped, merge_slashes).map(|(path, _)| path);
        assert_eq!(
            again.as_ref(),
            Ok(&path),
            "not stable: {}",
            data.escape_ascii()
        );
    }

    if let Ok((path, _)) = split_unsafe(data) {
        assert!(!path.is_empty() && !path.contains(&0));
        assert!(
            path.split(|&byte| byte == b'/')
                .all(|segment| segment != b"..")
        );
    }

    for kind in [Unescape::All, Unescape::Path, Unescape::Redirect] {
        let mut out = Vec::new();
        let read = unescape(kind, data, &mut out);
        assert!(read <= data.len() && out.len() <= read);
        assert!(kind != Unescape::All || read == data.len());
    }
}

fn assert_clean(path: &[u8], merge_slashes: bool) {
    let segments = || path.split(|&byte| byte == b'/');
    assert!(
        path.starts_with(b"/") && !path.contains(&0),
        "{}",
        path.escape_ascii()
    );
    assert!(segments().all(|segment| segment != b"." && segment != b".."));
    if merge_slashes {
        assert!(
            !path.windows(2).any(|pair| pair == b"//"),
            "{}",
            path.escape_ascii()
        );
    }
}
