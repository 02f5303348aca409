//! Content-Length and Transfer-Encoding: one of them, once, and exactly as written in RFC 9112.

use super::{assert_refused, assert_refused_as, assert_served, start};

/// A body that announces its length and comes in chunks ends in two places.
#[test]
fn both_lengths_are_refused() {
    let server = start();
    assert_refused(
        &server,
        [
            (
                &b"POST /tag HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\
                   Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..],
                400,
            ),
            (
                b"POST /tag HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\
                  Content-Length: 5\r\n\r\n0\r\n\r\n",
                400,
            ),
            (
                b"GET /tag HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\
                  Content-Length: 0\r\n\r\n0\r\n\r\n",
                400,
            ),
            (
                b"POST /tag HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            (
                b"POST /tag HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\
                  Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
        ],
    );
}

/// Every disguise of `chunked` is refused: what one reader does not recognise, another might.
#[test]
fn disguised_transfer_encodings_are_refused() {
    let server = start();
    let mut lines: Vec<Vec<u8>> = [
        "Transfer-Encoding: identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunke",
        "Transfer-Encoding: chunkedd",
        "Transfer-Encoding: x-chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding\r\n : chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\n ,identity",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "\tTransfer-Encoding: chunked",
    ]
    .map(Into::into)
    .to_vec();
    // Blanks around the value are no disguise, and a line feed ends the line.
    let odd_bytes = (0..=b' ').chain([b'"', b'\'', b'(', b',', b';', 0x7f, 0x80, 0xa0, 0xff]);
    for byte in odd_bytes.filter(|byte| !matches!(byte, b' ' | b'\n')) {
        lines.push([b"Transfer-Encoding:", &[byte][..], b"chunked"].concat());
        lines.push([b"Transfer-Encoding: chunked", &[byte][..], b"x"].concat());
        lines.push([b"Transfer-Encoding: chun", &[byte][..], b"ked"].concat());
    }
    let cases: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| {
            let head = b"POST /tag HTTP/1.1\r\nHost: h\r\n";
            [head, &line[..], b"\r\n\r\n0\r\n\r\n"].concat()
        })
        .collect();
    let cases = cases.iter().map(|case| (&case[..], 400));
    assert_refused_as(&server, cases, |status, _| matches!(status, 400 | 501));
}

/// A coding that is known to be unknown has a status of its own.
#[test]
fn unknown_transfer_encodings_are_not_implemented() {
    let server = start();
    let post = |value: &str| {
        format!("POST /tag HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {value}\r\n\r\n0\r\n\r\n")
    };
    let cases = ["identity", "gzip, chunked", "chunked, chunked", "x"].map(post);
    assert_refused(&server, cases.iter().map(|case| (case.as_bytes(), 501)));
}

/// A name that merely looks like Transfer-Encoding, or a name in other letters.
#[test]
fn names_are_compared_whole_and_without_case() {
    let server = start();
    assert_served(
        &server,
        [
            (
                &b"POST /tag?a HTTP/1.1\r\nHost: h\r\ntransfer-ENCODING: Chunked\r\n\r\n0\r\n\r\n"
                    [..],
                200,
            ),
            (
                b"POST /tag?a HTTP/1.1\r\nHost: h\r\nTransfer_Encoding: chunked\r\n\r\n",
                200,
            ),
            (
                b"POST /tag?a HTTP/1.1\r\nHost: h\r\nX-Transfer-Encoding: chunked\r\n\
                  Content-Length: 3\r\n\r\nabc",
                200,
            ),
            (
                b"POST /tag?a HTTP/1.1\r\nHost: h\r\nContent_Length: 3\r\n\r\n",
                200,
            ),
        ],
    );
}

/// Only plain decimal digits are a length, and only once.
#[test]
fn lengths_that_are_no_number_are_refused() {
    let server = start();
    let values = [
        "+5",
        "-1",
        "-0",
        "0x5",
        "5_0",
        "5,5",
        "5, 5",
        "5,6",
        "5 5",
        "5;",
        "5.0",
        "5e0",
        "\u{665}",
        "",
        "5a",
        "a5",
        "\t5",
        "\"5\"",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551621",
        "99999999999999999999999999",
        "5\r\nContent-Length: 5",
        "5\r\nContent-Length: 6",
        "0\r\nContent-Length: 5",
        "5\r\n 5",
    ];
    let cases: Vec<String> = values
        .iter()
        .map(|value| format!("POST /tag HTTP/1.1\r\nHost: h\r\nContent-Length: {value}\r\n\r\n"))
        .collect();
    assert_refused(&server, cases.iter().map(|case| (case.as_bytes(), 400)));
}

/// Any method may have a body, and it is not the next request.
#[test]
fn a_body_belongs_to_its_request_whatever_the_method() {
    let server = start();
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "MOVE",
    ] {
        let body = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        let length = body.len();
        let by_length = format!(
            "{method} /tag?a HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let by_chunks = format!(
            "{method} /tag?a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
             {length:x}\r\n{body}\r\n0\r\n\r\n"
        );
        assert_served(
            &server,
            [(by_length.as_bytes(), 200), (by_chunks.as_bytes(), 200)],
        );
    }
}
