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

/// Bytes of the longest name.
const LENGTH_MAX: usize = 19;

/// Where the names of each length begin in [`ORDER`], and, one further, where they end.
const BY_LENGTH: [u8; LENGTH_MAX + 2] = {
    let mut starts = [0; LENGTH_MAX + 2];
    let mut at = 0;
    while at < NAMES.len() {
        let mut longer = NAMES[at].0.len() + 1;
        while longer < starts.len() {
            starts[longer] += 1;
            longer += 1;
        }
        at += 1;
    }
    starts
};

/// The indices of names by their length, so that a name meets those of its own alone.
const ORDER: [u8; NAMES.len()] = {
    let mut order = [0; NAMES.len()];
    let mut next = BY_LENGTH;
    let mut at = 0u8;
    while (at as usize) < NAMES.len() {
        let length = NAMES[at as usize].0.len();
        order[next[length] as usize] = at;
        next[length] += 1;
        at += 1;
    }
    order
};

impl ResponseName {
    /// A bit for each name, to tell sets of them.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << (self as u32)
    }

    /// The name that `name` is, in whatever case it is written.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        let of_length = BY_LENGTH
            .get(name.len()..)
            .and_then(<[u8]>::split_first_chunk);
        let Some(([start, end], _)) = of_length else {
            return Self::Other;
        };
        let same_length = ORDER.get(usize::from(*start)..usize::from(*end));
        same_length
            .unwrap_or_default()
            .iter()
            .map(|at| &NAMES[usize::from(*at)])
            .find(|(text, _)| is_same(name, text.as_bytes()))
            .map_or(Self::Other, |(_, known)| *known)
    }
}

/// Whether `name` is `text`, which is as long, in whatever case. Most servers write names the
/// usual way.
#[inline]
fn is_same(name: &[u8], text: &[u8]) -> bool {
    let (Some(first), Some(other)) = (name.first(), text.first()) else {
        return false;
    };
    (first ^ other) & !0x20 == 0 && (name == text || name.eq_ignore_ascii_case(text))
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
        assert_eq!(ResponseName::from_name(&[b'x'; 100]), ResponseName::Other);
        assert_eq!(ResponseName::from_name(b"Dat"), ResponseName::Other);
    }
}
