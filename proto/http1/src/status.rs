//! Status lines, rendered once.

/// The answer to `Expect: 100-continue`, complete.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One table for both functions, so that they cannot disagree.
macro_rules! statuses {
    ($($status:literal $reason:literal)*) => {
        /// The reason phrase that nginx sends with `status`, for those it has one for.
        ///
        /// Source: `ngx_http_status_lines`, nginx 1.31.5.
        #[must_use]
        pub fn reason(status: u16) -> Option<&'static str> {
            match status {
                $($status => Some($reason),)*
                _ => None,
            }
        }

        /// The whole status line with its CR LF, for a `status` that has a reason phrase.
        /// It says HTTP/1.1 whatever the request said (RFC 9110 section 2.5).
        #[must_use]
        pub fn line(status: u16) -> Option<&'static [u8]> {
            match status {
                $($status => Some(concat!("HTTP/1.1 ", $status, " ", $reason, "\r\n").as_bytes()),)*
                _ => None,
            }
        }
    };
}

statuses! {
    101 "Switching Protocols"
    103 "Early Hints"
    200 "OK"
    201 "Created"
    202 "Accepted"
    204 "No Content"
    206 "Partial Content"
    301 "Moved Permanently"
    302 "Moved Temporarily"
    303 "See Other"
    304 "Not Modified"
    307 "Temporary Redirect"
    308 "Permanent Redirect"
    400 "Bad Request"
    401 "Unauthorized"
    402 "Payment Required"
    403 "Forbidden"
    404 "Not Found"
    405 "Not Allowed"
    406 "Not Acceptable"
    407 "Proxy Authentication Required"
    408 "Request Time-out"
    409 "Conflict"
    410 "Gone"
    411 "Length Required"
    412 "Precondition Failed"
    413 "Request Entity Too Large"
    414 "Request-URI Too Large"
    415 "Unsupported Media Type"
    416 "Requested Range Not Satisfiable"
    421 "Misdirected Request"
    429 "Too Many Requests"
    500 "Internal Server Error"
    501 "Not Implemented"
    502 "Bad Gateway"
    503 "Service Temporarily Unavailable"
    504 "Gateway Time-out"
    505 "HTTP Version Not Supported"
    507 "Insufficient Storage"
}

/// Appends the status line of any `status`. Without a reason phrase its place stays empty
/// (RFC 9112 section 4 keeps the space).
pub fn write_line(status: u16, out: &mut Vec<u8>) {
    match line(status) {
        Some(line) => out.extend_from_slice(line),
        None => out.extend_from_slice(format!("HTTP/1.1 {status:03} \r\n").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_lines() {
        let mut out = Vec::new();
        write_line(302, &mut out);
        write_line(299, &mut out);
        write_line(7, &mut out);
        assert_eq!(
            out,
            b"HTTP/1.1 302 Moved Temporarily\r\nHTTP/1.1 299 \r\nHTTP/1.1 007 \r\n"
        );
        assert_eq!(reason(404), Some("Not Found"));
        assert_eq!(reason(418), None);
    }
}
