//! What heads mean for the connection, and the framing attacks that are refused.

use tidegate_http1::{
    BodyLength, Framing, Head, Limits, Progress, Refusal, RequestParser, check_fields_so_far,
    check_method, framing,
};

/// Parses `wire` and hands what [`framing`] says of it to `judge`.
#[track_caller]
fn judged<T>(wire: &[u8], judge: impl FnOnce(&Head, Result<Framing<'_>, Refusal>) -> T) -> T {
    let mut head = Head::new();
    let answer = RequestParser::new().parse(wire, &Limits::default(), &mut head);
    assert!(
        matches!(answer, Ok(Progress::Complete { .. })),
        "{}",
        wire.escape_ascii()
    );
    judge(&head, framing(&head, wire))
}

fn request(version: &str, headers: &str) -> Vec<u8> {
    format!("POST / HTTP/{version}\r\n{headers}\r\n").into_bytes()
}

#[track_caller]
fn check(version: &str, headers: &str, body: BodyLength, keep_alive: bool) {
    judged(&request(version, headers), |_, framing| {
        let framing = framing.expect("accepted");
        assert_eq!(
            (framing.body, framing.keep_alive),
            (body, keep_alive),
            "{headers:?}"
        );
    });
}

#[track_caller]
fn refused(version: &str, headers: &str) -> (u16, String) {
    let wire = request(version, headers);
    judged(&wire, |_, framing| {
        let refusal = framing.expect_err(headers);
        let mut text = Vec::new();
        refusal.describe(&wire, &mut text);
        (refusal.status, String::from_utf8_lossy(&text).into_owned())
    })
}

#[test]
fn bodies_and_persistence() {
    check("1.1", "Host: a\r\n", BodyLength::None, true);
    check(
        "1.1",
        "Host: a\r\nContent-Length: 0\r\n",
        BodyLength::Length(0),
        true,
    );
    check(
        "1.1",
        "Host: a\r\nContent-Length:  17  \r\n",
        BodyLength::Length(17),
        true,
    );
    check(
        "1.1",
        "Host: a\r\nTransfer-Encoding: Chunked\r\n",
        BodyLength::Chunked,
        true,
    );
    check(
        "1.1",
        "Host: a\r\nConnection: close\r\n",
        BodyLength::None,
        false,
    );
    check(
        "1.1",
        "Host: a\r\nConnection: a, Close\r\n",
        BodyLength::None,
        false,
    );
    check(
        "1.1",
        "Host: a\r\nConnection: close\r\nConnection: keep-alive\r\n",
        BodyLength::None,
        false,
    );
    check(
        "1.1",
        "Host: a\r\nConnection: closed\r\n",
        BodyLength::None,
        true,
    );
    check("1.0", "", BodyLength::None, false);
    check("1.0", "Connection: keep-alive\r\n", BodyLength::None, true);
    check(
        "1.0",
        "Content-Length: 9223372036854775807\r\n",
        BodyLength::Length(i64::MAX as u64),
        false,
    );
}

#[test]
fn hosts_upgrades_and_expectations() {
    judged(
        b"GET http://A.b:81/ HTTP/1.1\r\nHost: c\r\nUpgrade: x\r\n\r\n",
        |_, framing| {
            let framing = framing.unwrap();
            let host = framing.host.unwrap();
            assert_eq!((host.name.as_ref(), host.port), (&b"a.b"[..], Some(81)));
            assert!(framing.upgrade && !framing.expect_continue);
        },
    );
    judged(
        b"GET / HTTP/1.1\r\nHost: C\r\nExpect: 100-Continue\r\n\r\n",
        |_, framing| {
            let framing = framing.unwrap();
            assert_eq!(framing.host.unwrap().name.as_ref(), b"c");
            assert!(framing.expect_continue && !framing.upgrade);
        },
    );
    judged(
        b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
        |_, framing| {
            let framing = framing.unwrap();
            assert!(framing.host.is_none() && !framing.expect_continue);
        },
    );
    judged(b"GET /\r\n", |_, framing| {
        assert!(!framing.unwrap().keep_alive)
    });
}

/// S-1 to S-3: whatever two readers could read differently.
#[test]
fn refuses_ambiguous_bodies() {
    let both = "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(
        refused("1.1", both).1,
        "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time"
    );
    for value in [
        "+5",
        "-1",
        "0x5",
        "5_0",
        "5,5",
        "5, 6",
        "05",
        "00",
        "",
        "5 5",
        "5;",
        "1e3",
        "\t5",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        let headers = format!("Host: a\r\nContent-Length: {value}\r\n");
        let expected = (
            400,
            "client sent invalid \"Content-Length\" header".to_owned(),
        );
        assert_eq!(refused("1.1", &headers), expected, "{value:?}");
    }
    for value in [
        "identity",
        "chunked, chunked",
        "identity, chunked",
        ",chunked",
        "chunked,",
        "\"chunked\"",
        "chunked;a",
        "\tchunked",
        "\u{b}chunked",
        "xchunked",
        "chunke",
        "gzip, chunked",
        "",
    ] {
        let headers = format!("Host: a\r\nTransfer-Encoding: {value}\r\n");
        let refusal = refused("1.1", &headers);
        assert_eq!(refusal.0, 501, "{value:?}");
        assert!(
            refusal
                .1
                .starts_with("client sent unknown \"Transfer-Encoding\": \"")
        );
    }
    assert_eq!(
        refused("1.0", "Transfer-Encoding: chunked\r\n"),
        (
            400,
            "client sent HTTP/1.0 request with \"Transfer-Encoding\" header".to_owned()
        )
    );
}

/// As nginx, which judges line by line, though we do when there are several.
#[test]
fn the_first_broken_line_is_told() {
    let host = "client sent invalid host header";
    let line = r#"client sent duplicate header line: "Expect: x", previous value: "Expect: x""#;
    let again = r#"client sent duplicate host header: "Host: a/b", previous value: "Host: a""#;
    for (headers, text) in [
        ("Host: a/b\r\nExpect: x\r\nExpect: x\r\n", host),
        ("Expect: x\r\nExpect: x\r\nHost: a/b\r\n", line),
        ("Expect: x\r\nHost: a/b\r\nExpect: x\r\n", host),
        ("Host: a/b\r\nHost: a\r\n", host),
        ("Host: a\r\nHost: a/b\r\n", again),
    ] {
        let (status, said) = refused("1.1", headers);
        assert_eq!((status, said.as_str()), (400, text), "{headers:?}");
        let said = judged(&request("1.1", headers), |head, _| {
            let wire = request("1.1", headers);
            let refusal = check_fields_so_far(head, &wire).expect_err(headers);
            let mut said = Vec::new();
            refusal.describe(&wire, &mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        assert_eq!(said, text, "{headers:?}");
    }
}

#[test]
fn refuses_repeated_headers() {
    for (headers, text) in [
        (
            "Host: a\r\nHost: b\r\n",
            r#"client sent duplicate host header: "Host: b", previous value: "Host: a""#,
        ),
        (
            "Host: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n",
            r#"client sent duplicate header line: "content-length: 5", previous value: "Content-Length: 5""#,
        ),
        (
            "Host: a\r\nTransfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: chunked\r\n",
            r#"client sent duplicate header line: "Transfer-Encoding: chunked", previous value: "Transfer-Encoding: chunked""#,
        ),
    ] {
        assert_eq!(refused("1.1", headers), (400, text.to_owned()));
    }
    for name in [
        "If-Modified-Since",
        "If-Unmodified-Since",
        "If-Match",
        "If-None-Match",
        "If-Range",
        "Content-Range",
        "Expect",
        "Authorization",
        "Proxy-Authorization",
    ] {
        assert_eq!(
            refused("1.1", &format!("Host: a\r\n{name}: x\r\n{name}: x\r\n")).0,
            400
        );
    }
    check(
        "1.1",
        "Host: a\r\nCookie: 1\r\nCookie: 2\r\nX: 1\r\nX: 2\r\n",
        BodyLength::None,
        true,
    );
}

#[test]
fn refuses_bad_and_missing_hosts() {
    assert_eq!(
        refused("1.1", ""),
        (
            400,
            "client sent HTTP/1.1 request without \"Host\" header".to_owned()
        )
    );
    for host in ["", "a b", "a/b", "a..b", "[::1", "a:70000", "u@a"] {
        let refusal = refused("1.1", &format!("Host: {host}\r\n"));
        assert_eq!(
            refusal,
            (400, "client sent invalid host header".to_owned()),
            "{host}"
        );
    }
    judged(b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", |_, framing| {
        assert_eq!(
            framing.unwrap_err().reason,
            "client sent invalid host in request line"
        );
    });
}

#[test]
fn judges_methods() {
    let status = |wire: &[u8], allow| {
        judged(wire, |head, framing| {
            check_method(head, wire, framing.unwrap().body, allow).map_err(|refusal| refusal.status)
        })
    };
    assert_eq!(
        status(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        Err(405)
    );
    assert_eq!(status(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false), Ok(()));
    let connect = b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status(connect, false), Err(405));
    assert_eq!(status(connect, true), Ok(()));
    assert_eq!(
        status(b"CONNECT a:1 HTTP/1.2\r\nHost: a\r\n\r\n", true),
        Err(405)
    );
    assert_eq!(status(b"CONNECT a:1 HTTP/1.0\r\n\r\n", true), Err(405));
    let body = b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(status(body, true), Err(400));
}
