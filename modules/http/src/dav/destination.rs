//! The header fields of WebDAV: `Destination`, `Depth`, `Overwrite`.

use crate::file_work::Failure;
use http::Request;
use http::core::files::Root;
use http1::{Known, uri, validate_host};

/// `Depth` (RFC 4918 section 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Only the resource itself.
    Zero,
    /// The resource and what is directly in it.
    One,
    /// All of it.
    Infinity,
}

/// The request's `Depth`, if it has one.
///
/// # Errors
///
/// 400 for any other word than the three there are.
pub(super) fn depth(request: &Request) -> Result<Option<Depth>, Failure> {
    let Some(value) = request.header(Known::Depth) else {
        return Ok(None);
    };
    match value {
        b"0" => Ok(Some(Depth::Zero)),
        b"1" => Ok(Some(Depth::One)),
        b"infinity" => Ok(Some(Depth::Infinity)),
        _ => Err(invalid("Depth", value)),
    }
}

/// Whether what is at the destination may be replaced: yes, unless the request says no
/// (RFC 4918 section 10.6).
///
/// # Errors
///
/// 400 for anything but `T` and `F`.
pub(super) fn overwrite(request: &Request) -> Result<bool, Failure> {
    match request.header(Known::Overwrite) {
        None | Some(b"T" | b"t") => Ok(true),
        Some(b"F" | b"f") => Ok(false),
        Some(value) => Err(invalid("Overwrite", value)),
    }
}

/// The normalised path of the request's `Destination` (RFC 4918 section 10.3), which is known to
/// be in the location that the request is in, as far as an `alias` tells.
///
/// # Errors
///
/// 400 for a missing or malformed field, another scheme or host, a `..`, or a path that an
/// `alias` does not cover: what is cut off for the alias would not be there (CVE-2026-27654).
pub(super) fn destination(request: &Request) -> Result<Vec<u8>, Failure> {
    let Some(value) = request.header(Known::Destination) else {
        let message = "client sent no \"Destination\" header";
        return Err(Failure::refused(400, message));
    };
    let uri = if value.starts_with(b"/") {
        value
    } else {
        own_path(value, request.connection.scheme(), &request.host)?
    };
    let refuse = |_| invalid("Destination", value);
    // No ".." at all, not even one that stays inside: nginx refuses them, too.
    uri::split_unsafe(uri).map_err(refuse)?;
    let (path, _) = uri::normalize(uri, true).map_err(refuse)?;
    if let Root::Alias {
        prefix: Some(length),
        ..
    } = &*request.location.files.root
    {
        let prefix = request.uri.get(..*length);
        if prefix.is_none() || prefix != path.get(..*length) {
            return Err(invalid("Destination", value));
        }
    }
    Ok(path)
}

/// The path of `http://host/path`, if that is this server.
fn own_path<'v>(value: &'v [u8], scheme: &[u8], host: &[u8]) -> Result<&'v [u8], Failure> {
    if host.is_empty() {
        let message = "client sent no \"Host\" header";
        return Err(Failure::refused(400, message));
    }
    let rest = value
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix(b"://"))
        .ok_or_else(|| invalid("Destination", value))?;
    let slash = memchr::memchr(b'/', rest).ok_or_else(|| invalid("Destination", value))?;
    let (authority, path) = rest.split_at(slash);
    match validate_host(authority) {
        Ok(named) if *named.name == *host => Ok(path),
        Ok(_) => {
            let shown = String::from_utf8_lossy(value);
            let message = format!(
                "\"Destination\" URI \"{shown}\" is handled by different repository than the source URI"
            );
            Err(Failure::refused(400, message))
        }
        Err(_) => Err(invalid("Destination", value)),
    }
}

fn invalid(name: &str, value: &[u8]) -> Failure {
    let shown = String::from_utf8_lossy(value);
    Failure::refused(
        400,
        format!("client sent invalid \"{name}\" header: \"{shown}\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        let path = own_path(value.as_bytes(), b"http", b"localhost").ok();
        assert_eq!(path, expected.map(str::as_bytes), "{value}");
    }

    #[test]
    fn only_this_server_is_a_destination() {
        check("http://localhost/a/b", Some("/a/b"));
        check("http://LOCALHOST:8080/", Some("/"));
        check("http://localhost", None);
        check("https://localhost/a", None);
        check("http://localhost.evil/a", None);
        check("http://localhostevil/a", None);
        check("http://local/a", None);
        check("http://user@localhost/a", None);
        check("http:///a", None);
        check("a/b", None);
        check("", None);
    }

    #[test]
    fn without_a_host_no_destination_has_the_same() {
        assert!(own_path(b"http://localhost/a", b"http", b"").is_err());
    }
}
