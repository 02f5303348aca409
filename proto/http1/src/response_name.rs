//! The field names of responses that a gateway has a use for.

use crate::names::names;

names! {
    /// A field name of a response.
    ResponseName, RESPONSE_NAMES

    AcceptRanges "Accept-Ranges";
    CacheControl "Cache-Control";
    Connection "Connection";
    ContentEncoding "Content-Encoding";
    ContentLength "Content-Length";
    ContentRange "Content-Range";
    ContentType "Content-Type";
    Date "Date";
    ETag "ETag";
    Expires "Expires";
    KeepAlive "Keep-Alive";
    LastModified "Last-Modified";
    Link "Link";
    Location "Location";
    ProxyAuthenticate "Proxy-Authenticate";
    Refresh "Refresh";
    Server "Server";
    SetCookie "Set-Cookie";
    Status "Status", ", which FastCGI programs send";
    Trailer "Trailer";
    TransferEncoding "Transfer-Encoding";
    Upgrade "Upgrade";
    Vary "Vary";
    WwwAuthenticate "WWW-Authenticate";
    XAccelBuffering "X-Accel-Buffering";
    XAccelCharset "X-Accel-Charset";
    XAccelExpires "X-Accel-Expires";
    XAccelLimitRate "X-Accel-Limit-Rate";
    XAccelRedirect "X-Accel-Redirect";
}
