//! Response heads, whole and in every split.

use tidegate_http1::{BadResponse, ResponseHead, ResponseParser, response_framing};

/// Parses `wire` cut at `cut`; gives the head and where it ends.
fn parse_cut(wire: &[u8], cut: usize) -> Result<Option<(ResponseHead, usize)>, BadResponse> {
    let mut parser = ResponseParser::new(0);
    let mut head = ResponseHead::default();
    for end in [cut, wire.len()] {
        if let Some(len) = parser.parse(&wire[..end], &mut head)? {
            return Ok(Some((head, len)));
        }
    }
    Ok(None)
}

/// Reads `wire` in every split and gives what a reader can tell of it.
#[track_caller]
fn read(wire: &str, to_head: bool) -> String {
    let wire = wire.as_bytes();
    let tell = |cut| match parse_cut(wire, cut) {
        Ok(None) => "partial".to_owned(),
        Ok(Some((head, len))) => match response_framing(&head, &wire[..len], to_head) {
            Ok(framing) => format!(
                "{} \"{}\" {} fields, {:?}, keep {}, {} left",
                head.status,
                head.status_line.of(wire).escape_ascii(),
                head.fields.len(),
                framing.body,
                framing.keep_alive,
                wire.len() - len
            ),
            Err(bad) => describe(bad, wire),
        },
        Err(bad) => match bad {
            // How much of a bad line is quoted depends on what was received of it.
            BadResponse::HeaderLine(_) => "invalid header".to_owned(),
            other => describe(other, wire),
        },
    };
    let whole = tell(wire.len());
    for cut in 0..wire.len() {
        assert_eq!(tell(cut), whole, "cut at byte {cut}");
    }
    whole
}

fn describe(bad: BadResponse, wire: &[u8]) -> String {
    let mut out = Vec::new();
    bad.describe(wire, &mut out);
    String::from_utf8(out).expect("text")
}

#[track_caller]
fn check(wire: &str, expected: &str) {
    assert_eq!(read(wire, false), expected, "{wire:?}");
}

#[test]
fn heads_and_their_framing() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nabc",
        "200 \"200 OK\" 2 fields, Length(3), keep true, 3 left",
    );
    check(
        "HTTP/1.0 200 OK\nContent-Length: 0\n\n",
        "200 \"200 OK\" 1 fields, Length(0), keep false, 0 left",
    );
    check(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n",
        "200 \"200 OK\" 2 fields, Length(1), keep true, 0 left",
    );
    check(
        "HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n",
        "200 \"200\" 1 fields, Chunked, keep true, 0 left",
    );
    check(
        "HTTP/1.1 403.1 No\r\nConnection: x, close\r\nContent-Length: 1\r\n\r\n",
        "403 \"403.1 No\" 2 fields, Length(1), keep false, 0 left",
    );
    check(
        "HTTP/1.1 200 \r\n\r\n",
        "200 \"200 \" 0 fields, UntilClose, keep false, 0 left",
    );
    check(
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/",
        "204 \"204 No Content\" 1 fields, None, keep true, 5 left",
    );
    check(
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        "304 \"304 Not Modified\" 1 fields, None, keep true, 0 left",
    );
    check(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "103 \"103 Early Hints\" 1 fields, None, keep true, 19 left",
    );
    // Programs behind servers print another, which nginx takes no notice of.
    check(
        "HTTP/1.1 200 OK\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\nHTTP/ a\0b\n\r\n",
        "200 \"200 OK\" 1 fields, Length(1), keep false, 0 left",
    );
    for line in ["HTTP/1.1", "HTTP/", "HTTP/1.1:x", "HTTP/x: 1"] {
        check(
            &format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 1\r\n\r\n"),
            "200 \"200 OK\" 1 fields, Length(1), keep false, 0 left",
        );
    }
    check("HTTP/1.1 200 OK\r\nX: y\r\n", "partial");
    check("HTTP/999.999 200 OK\r\nX: y\r\n", "partial");
    check("HTTP/1.1 20", "partial");
}

#[test]
fn answers_to_head_have_no_body() {
    assert_eq!(
        read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true),
        "200 \"200 OK\" 1 fields, None, keep true, 0 left"
    );
}

#[test]
fn ambiguous_framing_is_refused() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "upstream sent duplicate header line: \"Content-Length: 0\", previous value: \"Content-Length: 0\"",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "upstream sent duplicate header line: \"Transfer-Encoding: chunked\", previous value: \"Transfer-Encoding: chunked\"",
    );
    for length in [
        "foo",
        "+1",
        "-1",
        "1,1",
        "0x1",
        "",
        "1 1",
        "99999999999999999999",
    ] {
        check(
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
            &format!(
                "upstream sent invalid \"Content-Length\" header: \"Content-Length: {length}\""
            ),
        );
    }
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "upstream sent unknown \"Transfer-Encoding\": \"gzip, chunked\"",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        "upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
    );
}

#[test]
fn broken_heads_are_refused() {
    for line in [
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/1.1 200 a\0b\r\n\r\n",
        "HTTP/1.1 200 a\rb\r\n\r\n",
        "HTTP/x 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "hello",
    ] {
        check(line, "upstream sent no valid HTTP/1.0 header");
    }
    for line in [
        " folded: x",
        "\tfolded",
        "X: a\0b",
        "X: a\rb",
        "a b: c",
        ": x",
    ] {
        check(
            &format!("HTTP/1.1 200 OK\r\nX: y\r\n{line}\r\n\r\n"),
            "invalid header",
        );
    }
}

/// As nginx quotes them: up to the byte that does not belong there, and that by its number.
#[test]
fn broken_lines_are_quoted() {
    for (line, quoted) in [
        ("a b: c", r"a\x20..."),
        (" folded", r"\x20..."),
        (": x", r"\x3a..."),
        ("X: a\0b", r"X: a\x00..."),
        ("X: a\r\rb", r"X: a\x0d..."),
        ("HTTP: /\0", r"HTTP: /\x00..."),
        ("http/1.1 200 OK", r"http/1.1\x20..."),
    ] {
        let wire = format!("HTTP/1.1 200 OK\r\nX: y\r\n{line}\r\n\r\n");
        let parsed = parse_cut(wire.as_bytes(), wire.len());
        let told = parsed.map_err(|bad| describe(bad, wire.as_bytes())).err();
        let expected = format!("upstream sent invalid header: \"{quoted}\"");
        assert_eq!(told.as_deref(), Some(&*expected), "{line:?}");
    }
}
