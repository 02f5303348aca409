//! The header names that the server itself has a use for.

use crate::names::names;

names! {
    /// A header name of a request that can be asked for without comparing text.
    Known, KNOWN

    Host "Host";
    Connection "Connection";
    ProxyConnection "Proxy-Connection";
    KeepAlive "Keep-Alive";
    ContentLength "Content-Length";
    ContentType "Content-Type";
    ContentRange "Content-Range";
    ContentEncoding "Content-Encoding";
    TransferEncoding "Transfer-Encoding";
    Expect "Expect";
    IfModifiedSince "If-Modified-Since";
    IfUnmodifiedSince "If-Unmodified-Since";
    IfNoneMatch "If-None-Match";
    IfMatch "If-Match";
    IfRange "If-Range";
    Range "Range";
    UserAgent "User-Agent";
    Referer "Referer";
    Authorization "Authorization";
    ProxyAuthorization "Proxy-Authorization";
    Cookie "Cookie";
    XForwardedFor "X-Forwarded-For";
    XForwardedProto "X-Forwarded-Proto";
    XForwardedHost "X-Forwarded-Host";
    XRealIp "X-Real-IP";
    XRequestId "X-Request-ID";
    Forwarded "Forwarded";
    Upgrade "Upgrade";
    Te "TE";
    Trailer "Trailer";
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AcceptCharset "Accept-Charset";
    Via "Via";
    Origin "Origin";
    CacheControl "Cache-Control";
    Pragma "Pragma";
    Depth "Depth";
    Destination "Destination";
    Overwrite "Overwrite";
    Date "Date";
    Proxy "Proxy";
}
