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
        // Length and first letter leave one or two candidates.
        let Some(first) = name.first() else {
            return Self::Other;
        };
        let candidates: &[(&[u8], Self)] = match (name.len(), first | 0x20) {
            (2, b't') => &[(b"te", Self::Te)],
            (3, b'v') => &[(b"via", Self::Via)],
            (4, b'd') => &[(b"date", Self::Date)],
            (4, b'h') => &[(b"host", Self::Host)],
            (5, b'd') => &[(b"depth", Self::Depth)],
            (5, b'p') => &[(b"proxy", Self::Proxy)],
            (5, b'r') => &[(b"range", Self::Range)],
            (6, b'a') => &[(b"accept", Self::Accept)],
            (6, b'c') => &[(b"cookie", Self::Cookie)],
            (6, b'e') => &[(b"expect", Self::Expect)],
            (6, b'o') => &[(b"origin", Self::Origin)],
            (6, b'p') => &[(b"pragma", Self::Pragma)],
            (7, b'r') => &[(b"referer", Self::Referer)],
            (7, b't') => &[(b"trailer", Self::Trailer)],
            (7, b'u') => &[(b"upgrade", Self::Upgrade)],
            (8, b'i') => &[(b"if-match", Self::IfMatch), (b"if-range", Self::IfRange)],
            (9, b'f') => &[(b"forwarded", Self::Forwarded)],
            (9, b'o') => &[(b"overwrite", Self::Overwrite)],
            (9, b'x') => &[(b"x-real-ip", Self::XRealIp)],
            (10, b'c') => &[(b"connection", Self::Connection)],
            (10, b'k') => &[(b"keep-alive", Self::KeepAlive)],
            (10, b'u') => &[(b"user-agent", Self::UserAgent)],
            (11, b'd') => &[(b"destination", Self::Destination)],
            (12, b'c') => &[(b"content-type", Self::ContentType)],
            (12, b'x') => &[(b"x-request-id", Self::XRequestId)],
            (13, b'a') => &[(b"authorization", Self::Authorization)],
            (13, b'c') => &[
                (b"content-range", Self::ContentRange),
                (b"cache-control", Self::CacheControl),
            ],
            (13, b'i') => &[(b"if-none-match", Self::IfNoneMatch)],
            (14, b'a') => &[(b"accept-charset", Self::AcceptCharset)],
            (14, b'c') => &[(b"content-length", Self::ContentLength)],
            (15, b'a') => &[
                (b"accept-encoding", Self::AcceptEncoding),
                (b"accept-language", Self::AcceptLanguage),
            ],
            (15, b'x') => &[(b"x-forwarded-for", Self::XForwardedFor)],
            (16, b'c') => &[(b"content-encoding", Self::ContentEncoding)],
            (16, b'p') => &[(b"proxy-connection", Self::ProxyConnection)],
            (16, b'x') => &[(b"x-forwarded-host", Self::XForwardedHost)],
            (17, b'i') => &[(b"if-modified-since", Self::IfModifiedSince)],
            (17, b't') => &[(b"transfer-encoding", Self::TransferEncoding)],
            (17, b'x') => &[(b"x-forwarded-proto", Self::XForwardedProto)],
            (19, b'i') => &[(b"if-unmodified-since", Self::IfUnmodifiedSince)],
            (19, b'p') => &[(b"proxy-authorization", Self::ProxyAuthorization)],
            _ => return Self::Other,
        };
        let found = candidates
            .iter()
            .find(|(text, _)| name.eq_ignore_ascii_case(text));
        found.map_or(Self::Other, |(_, known)| *known)
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
