//! The field names of responses that a gateway has a use for.

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident $text:literal,)*) => {
        /// A field name of a response.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ResponseName {
            $($(#[$doc])* $variant,)*
            /// Any other.
            Other,
        }

        const NAMES: &[(&str, ResponseName)] = &[$(($text, ResponseName::$variant),)*];
    };
}

names! {
    /// `Accept-Ranges`
    AcceptRanges "Accept-Ranges",
    /// `Cache-Control`
    CacheControl "Cache-Control",
    /// `Connection`
    Connection "Connection",
    /// `Content-Encoding`
    ContentEncoding "Content-Encoding",
    /// `Content-Length`
    ContentLength "Content-Length",
    /// `Content-Range`
    ContentRange "Content-Range",
    /// `Content-Type`
    ContentType "Content-Type",
    /// `Date`
    Date "Date",
    /// `ETag`
    ETag "ETag",
    /// `Expires`
    Expires "Expires",
    /// `Keep-Alive`
    KeepAlive "Keep-Alive",
    /// `Last-Modified`
    LastModified "Last-Modified",
    /// `Link`
    Link "Link",
    /// `Location`
    Location "Location",
    /// `Proxy-Authenticate`
    ProxyAuthenticate "Proxy-Authenticate",
    /// `Refresh`
    Refresh "Refresh",
    /// `Server`
    Server "Server",
    /// `Set-Cookie`
    SetCookie "Set-Cookie",
    /// `Status`, which FastCGI programs send.
    Status "Status",
    /// `Trailer`
    Trailer "Trailer",
    /// `Transfer-Encoding`
    TransferEncoding "Transfer-Encoding",
    /// `Upgrade`
    Upgrade "Upgrade",
    /// `Vary`
    Vary "Vary",
    /// `WWW-Authenticate`
    WwwAuthenticate "WWW-Authenticate",
    /// `X-Accel-Buffering`
    XAccelBuffering "X-Accel-Buffering",
    /// `X-Accel-Charset`
    XAccelCharset "X-Accel-Charset",
    /// `X-Accel-Expires`
    XAccelExpires "X-Accel-Expires",
    /// `X-Accel-Limit-Rate`
    XAccelLimitRate "X-Accel-Limit-Rate",
    /// `X-Accel-Redirect`
    XAccelRedirect "X-Accel-Redirect",
}

impl ResponseName {
    /// The name that `name` is, in whatever case it is written.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        let Some(first) = name.first().map(u8::to_ascii_lowercase) else {
            return Self::Other;
        };
        // No name of a letter that none of the table begins with is compared at all.
        if !matches!(first, b'a' | b'c' | b'd' | b'e' | b'k' | b'l' | b'p'..=b'x') {
            return Self::Other;
        }
        NAMES
            .iter()
            .find(|(text, _)| {
                text.len() == name.len() && name.eq_ignore_ascii_case(text.as_bytes())
            })
            .map_or(Self::Other, |(_, known)| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (text, known) in NAMES {
            assert_eq!(ResponseName::from_name(text.as_bytes()), *known);
            let upper = text.to_ascii_uppercase();
            assert_eq!(ResponseName::from_name(upper.as_bytes()), *known);
        }
        assert_eq!(ResponseName::from_name(b""), ResponseName::Other);
        assert_eq!(ResponseName::from_name(b"Dat"), ResponseName::Other);
    }
}
