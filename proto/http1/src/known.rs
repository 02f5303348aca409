//! The header names that the server itself has a use for.

/// A header name that can be asked for without comparing text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Known {
    /// `Host`.
    Host,
    /// `Connection`.
    Connection,
    /// `Proxy-Connection`.
    ProxyConnection,
    /// `Keep-Alive`.
    KeepAlive,
    /// `Content-Length`.
    ContentLength,
    /// `Content-Type`.
    ContentType,
    /// `Content-Range`.
    ContentRange,
    /// `Content-Encoding`.
    ContentEncoding,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Expect`.
    Expect,
    /// `If-Modified-Since`.
    IfModifiedSince,
    /// `If-Unmodified-Since`.
    IfUnmodifiedSince,
    /// `If-None-Match`.
    IfNoneMatch,
    /// `If-Match`.
    IfMatch,
    /// `If-Range`.
    IfRange,
    /// `Range`.
    Range,
    /// `User-Agent`.
    UserAgent,
    /// `Referer`.
    Referer,
    /// `Authorization`.
    Authorization,
    /// `Proxy-Authorization`.
    ProxyAuthorization,
    /// `Cookie`.
    Cookie,
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `X-Forwarded-Proto`.
    XForwardedProto,
    /// `X-Forwarded-Host`.
    XForwardedHost,
    /// `X-Real-IP`.
    XRealIp,
    /// `X-Request-ID`.
    XRequestId,
    /// `Forwarded`.
    Forwarded,
    /// `Upgrade`.
    Upgrade,
    /// `TE`.
    Te,
    /// `Trailer`.
    Trailer,
    /// `Accept`.
    Accept,
    /// `Accept-Encoding`.
    AcceptEncoding,
    /// `Accept-Language`.
    AcceptLanguage,
    /// `Accept-Charset`.
    AcceptCharset,
    /// `Via`.
    Via,
    /// `Origin`.
    Origin,
    /// `Cache-Control`.
    CacheControl,
    /// `Pragma`.
    Pragma,
    /// `Depth`.
    Depth,
    /// `Destination`.
    Destination,
    /// `Overwrite`.
    Overwrite,
    /// `Date`.
    Date,
    /// `Proxy`.
    Proxy,
    /// Any other name.
    Other,
}

impl Known {
    /// What `name` is, in whatever case it is written.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        // Length and first letter leave one or two candidates, and most clients spell them
        // the usual way.
        let Some(first) = name.first() else {
            return Self::Other;
        };
        let candidates: &[Self] = match (name.len(), first | 0x20) {
            (2, b't') => &[Self::Te],
            (3, b'v') => &[Self::Via],
            (4, b'd') => &[Self::Date],
            (4, b'h') => &[Self::Host],
            (5, b'd') => &[Self::Depth],
            (5, b'p') => &[Self::Proxy],
            (5, b'r') => &[Self::Range],
            (6, b'a') => &[Self::Accept],
            (6, b'c') => &[Self::Cookie],
            (6, b'e') => &[Self::Expect],
            (6, b'o') => &[Self::Origin],
            (6, b'p') => &[Self::Pragma],
            (7, b'r') => &[Self::Referer],
            (7, b't') => &[Self::Trailer],
            (7, b'u') => &[Self::Upgrade],
            (8, b'i') => &[Self::IfMatch, Self::IfRange],
            (9, b'f') => &[Self::Forwarded],
            (9, b'o') => &[Self::Overwrite],
            (9, b'x') => &[Self::XRealIp],
            (10, b'c') => &[Self::Connection],
            (10, b'k') => &[Self::KeepAlive],
            (10, b'u') => &[Self::UserAgent],
            (11, b'd') => &[Self::Destination],
            (12, b'c') => &[Self::ContentType],
            (12, b'x') => &[Self::XRequestId],
            (13, b'a') => &[Self::Authorization],
            (13, b'c') => &[Self::ContentRange, Self::CacheControl],
            (13, b'i') => &[Self::IfNoneMatch],
            (14, b'a') => &[Self::AcceptCharset],
            (14, b'c') => &[Self::ContentLength],
            (15, b'a') => &[Self::AcceptEncoding, Self::AcceptLanguage],
            (15, b'x') => &[Self::XForwardedFor],
            (16, b'c') => &[Self::ContentEncoding],
            (16, b'p') => &[Self::ProxyConnection],
            (16, b'x') => &[Self::XForwardedHost],
            (17, b'i') => &[Self::IfModifiedSince],
            (17, b't') => &[Self::TransferEncoding],
            (17, b'x') => &[Self::XForwardedProto],
            (19, b'i') => &[Self::IfUnmodifiedSince],
            (19, b'p') => &[Self::ProxyAuthorization],
            _ => return Self::Other,
        };
        let is_it = |known: &&Self| {
            let usual = known.name().as_bytes();
            name == usual || name.eq_ignore_ascii_case(usual)
        };
        candidates
            .iter()
            .find(is_it)
            .copied()
            .unwrap_or(Self::Other)
    }

    /// The name in its usual spelling; empty for [`Known::Other`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Connection => "Connection",
            Self::ProxyConnection => "Proxy-Connection",
            Self::KeepAlive => "Keep-Alive",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::ContentRange => "Content-Range",
            Self::ContentEncoding => "Content-Encoding",
            Self::TransferEncoding => "Transfer-Encoding",
            Self::Expect => "Expect",
            Self::IfModifiedSince => "If-Modified-Since",
            Self::IfUnmodifiedSince => "If-Unmodified-Since",
            Self::IfNoneMatch => "If-None-Match",
            Self::IfMatch => "If-Match",
            Self::IfRange => "If-Range",
            Self::Range => "Range",
            Self::UserAgent => "User-Agent",
            Self::Referer => "Referer",
            Self::Authorization => "Authorization",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::Cookie => "Cookie",
            Self::XForwardedFor => "X-Forwarded-For",
            Self::XForwardedProto => "X-Forwarded-Proto",
            Self::XForwardedHost => "X-Forwarded-Host",
            Self::XRealIp => "X-Real-IP",
            Self::XRequestId => "X-Request-ID",
            Self::Forwarded => "Forwarded",
            Self::Upgrade => "Upgrade",
            Self::Te => "TE",
            Self::Trailer => "Trailer",
            Self::Accept => "Accept",
            Self::AcceptEncoding => "Accept-Encoding",
            Self::AcceptLanguage => "Accept-Language",
            Self::AcceptCharset => "Accept-Charset",
            Self::Via => "Via",
            Self::Origin => "Origin",
            Self::CacheControl => "Cache-Control",
            Self::Pragma => "Pragma",
            Self::Depth => "Depth",
            Self::Destination => "Destination",
            Self::Overwrite => "Overwrite",
            Self::Date => "Date",
            Self::Proxy => "Proxy",
            Self::Other => "",
        }
    }

    /// This name's place in a set of 64.
    #[inline]
    pub(crate) const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

const _: () = assert!((Known::Other as u8) < 64);
