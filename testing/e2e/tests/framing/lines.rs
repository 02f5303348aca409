//! Request lines and header lines: line ends, blanks, folding, versions, methods, hosts.

use super::{PROBE, answers, assert_refused, assert_served, start};

#[test]
fn broken_request_lines_are_refused() {
    let server = start();
    assert_refused(
        &server,
        [
            (&b"GET /tag HTTP/1.1\rX\r\nHost: h\r\n\r\n"[..], 400),
            (b"GET /tag\rHTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /t\0ag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /t\x01ag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /t\x7fag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET\t/tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag\tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GE\0T /tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"G@T /tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"get /tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b" GET /tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /../.. HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /% HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ],
    );
}

#[test]
fn versions_are_those_of_http_1() {
    let server = start();
    assert_refused(
        &server,
        [
            (&b"GET /tag HTTP/2.0\r\nHost: h\r\n\r\n"[..], 505),
            (b"GET /tag HTTP/3.0\r\nHost: h\r\n\r\n", 505),
            (b"GET /tag HTTP/99.1\r\nHost: h\r\n\r\n", 505),
            (b"GET /tag HTTP/1.1000\r\nHost: h\r\n\r\n", 400),
            (
                b"GET /tag HTTP/99999999999999999999.1\r\nHost: h\r\n\r\n",
                505,
            ),
            (b"GET /tag HTTP/0.9\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag HTTP/1.\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag HTTP/1\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag HTTP/1.1x\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag HTTP/x.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag http/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag HTTPS/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /tag XTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ],
    );
    assert_served(
        &server,
        [
            (&b"GET /tag?a HTTP/1.2\r\nHost: h\r\n\r\n"[..], 200),
            (b"GET /tag?a  HTTP/1.1\r\nHost: h\r\n\r\n", 200),
            (b"GET /tag?a HTTP/1.1 \r\nHost: h\r\n\r\n", 200),
            (b"\r\n\r\nGET /tag?a HTTP/1.1\r\nHost: h\r\n\r\n", 200),
            (b"GET http://h/tag?a HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ],
    );
}

/// HTTP/0.9 has no head, and its connection ends with the answer.
#[test]
fn http_0_9_is_answered_with_the_content_alone() {
    let server = start();
    let bytes = [b"GET /tag?a\r\n", super::HIDDEN, PROBE].concat();
    assert_eq!(answers(&server, &bytes), [(0, "a".to_owned())]);
}

#[test]
fn broken_header_lines_are_refused() {
    let server = start();
    let lines: [&[u8]; 15] = [
        b"A: b\rc",
        b"A: b\r\n c",
        b"A: b\r\n\tc",
        b"A : b",
        b"A\t: b",
        b" A: b",
        b"\tA: b",
        b"A: b\0c",
        b"A\0: b",
        b"A\x01: b",
        b"A\x7f: b",
        b"A b: c",
        b": b",
        b"A\r\n: b",
        b"A\r: b",
    ];
    let cases: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| [&b"GET /tag HTTP/1.1\r\n"[..], line, b"\r\nHost: h\r\n\r\n"].concat())
        .collect();
    assert_refused(&server, cases.iter().map(|case| (&case[..], 400)));
}

/// What nginx takes although RFC 9112 would let it refuse: none of it is ever passed on.
#[test]
fn harmless_oddities_are_served_as_by_nginx() {
    let server = start();
    assert_served(
        &server,
        [
            (&b"GET /tag?a HTTP/1.1\nHost: h\n\n"[..], 200),
            (b"GET /tag?a HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", 200),
            (b"GET /tag?a HTTP/1.1\r\nHost:h\r\nA:\r\n\r\n", 200),
            (
                b"GET /tag?a HTTP/1.1\r\nHost: h  \r\nA:    b  \r\n\r\n",
                200,
            ),
            (
                b"GET /tag?a HTTP/1.1\r\nHost: h\r\nA: \x80\xff\x7f\r\n\r\n",
                200,
            ),
            (b"GET /tag?a HTTP/1.1\r\nHost: h\r\nA_B: c\r\n\r\n", 200),
            (b"GET /tag?a HTTP/1.1\r\nHost: h\r\nA(B): c\r\n\r\n", 200),
            (b"GET /tag?a HTTP/1.1\r\nHost: h\r\nA\r\n\r\n", 200),
            (b"PROPFIND /tag?a HTTP/1.1\r\nHost: h\r\n\r\n", 200),
        ],
    );
}

/// Methods that nginx's core refuses, and such as would make a tunnel of the connection.
#[test]
fn methods_that_would_change_the_connection_are_refused() {
    let server = start();
    assert_refused(
        &server,
        [
            (&b"TRACE /tag HTTP/1.1\r\nHost: h\r\n\r\n"[..], 405),
            (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
            (b"CONNECT /tag HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ],
    );
    assert_served(
        &server,
        [
            (
                &b"GET /tag?a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"[..],
                200,
            ),
            (
                b"POST /tag?a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Content-Length: 3\r\n\r\nabc",
                200,
            ),
        ],
    );
}
