//! Request heads: what is read out of them, what is refused, at which byte, in which pieces.

use tidegate_http1::{
    Head, Known, Limits, Method, Progress, Refusal, RequestParser, TargetForm, Version,
};

/// Parses `wire` in pieces that end at `cuts`, each call seeing all bytes so far.
fn parse_cut(wire: &[u8], cuts: &[usize], limits: &Limits) -> (Result<Progress, Refusal>, Head) {
    let mut parser = RequestParser::new();
    let mut head = Head::new();
    for &cut in cuts.iter().chain([&wire.len()]) {
        let answer = parser.parse(&wire[..cut], limits, &mut head);
        if answer != Ok(Progress::Partial) {
            return (answer, head);
        }
    }
    (Ok(Progress::Partial), head)
}

/// Parses `wire` at once, and byte by byte and in every two pieces, which must not matter.
#[track_caller]
fn parse_with(wire: &[u8], limits: &Limits) -> (Result<Progress, Refusal>, Head) {
    let whole = parse_cut(wire, &[], limits);
    let text = |head: &Head| format!("{head:?}");
    let bytes: Vec<usize> = (0..wire.len()).collect();
    let by_byte = parse_cut(wire, &bytes, limits);
    assert_eq!(whole.0, by_byte.0, "byte by byte: {}", wire.escape_ascii());
    if matches!(whole.0, Ok(Progress::Complete { .. })) {
        assert_eq!(text(&whole.1), text(&by_byte.1), "byte by byte");
    }
    for cut in 0..wire.len().min(300) {
        let pieces = parse_cut(wire, &[cut], limits);
        assert_eq!(whole.0, pieces.0, "cut at {cut}: {}", wire.escape_ascii());
        if matches!(whole.0, Ok(Progress::Complete { .. })) {
            assert_eq!(text(&whole.1), text(&pieces.1), "cut at {cut}");
        }
    }
    whole
}

#[track_caller]
fn head_of(wire: &[u8]) -> Head {
    let (answer, head) = parse_with(wire, &Limits::default());
    assert!(
        matches!(answer, Ok(Progress::Complete { .. })),
        "{answer:?} {}",
        wire.escape_ascii()
    );
    head
}

#[track_caller]
fn refusal_of(wire: &[u8]) -> (u16, String) {
    let (answer, _) = parse_with(wire, &Limits::default());
    let refusal = answer.expect_err("refused");
    let mut text = Vec::new();
    refusal.describe(wire, &mut text);
    (refusal.status, String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn reads_a_usual_request() {
    let wire = b"GET /a/b.html?x=1 HTTP/1.1\r\nHost: Example.com\r\nuser-agent:  ua 1  \r\n\
        X-Empty:\r\n\r\nGET /next";
    let (answer, head) = parse_with(wire, &Limits::default());

    assert_eq!(
        answer,
        Ok(Progress::Complete {
            head_len: wire.len() - 9
        })
    );
    assert_eq!(head.method, Method::Get);
    assert_eq!(head.method_span.of(wire), b"GET");
    assert_eq!(head.request_line.of(wire), b"GET /a/b.html?x=1 HTTP/1.1");
    assert_eq!(head.protocol.of(wire), b"HTTP/1.1");
    assert_eq!(head.target.uri.of(wire), b"/a/b.html?x=1");
    assert_eq!(head.target.path.of(wire), b"/a/b.html");
    assert_eq!(head.target.query.unwrap().of(wire), b"x=1");
    assert!(!head.target.complex);
    assert_eq!(head.value(Known::Host, wire), Some(&b"Example.com"[..]));
    assert_eq!(head.value(Known::UserAgent, wire), Some(&b"ua 1"[..]));
    assert_eq!(head.value(Known::Range, wire), None);
    assert_eq!(head.fields[2].name.of(wire), b"X-Empty");
    assert!(head.fields[2].value.is_empty());
    assert_eq!(head.all(Known::Host).count(), 1);
}

#[test]
fn tells_methods_and_versions() {
    for (wire, method, version) in [
        (
            &b"HEAD / HTTP/1.0\r\n\r\n"[..],
            Method::Head,
            Version::Http10,
        ),
        (
            b"PROPPATCH / HTTP/1.1\n\n",
            Method::Proppatch,
            Version::Http11,
        ),
        (
            b"M-SEARCH_ / HTTP/1.1\r\n\r\n",
            Method::Other,
            Version::Http11,
        ),
        (b"GETT / HTTP/1.9\r\n\r\n", Method::Other, Version::Http11),
        (b"GET /  HTTP/1.00  \r\n\r\n", Method::Get, Version::Http10),
        (
            b"POST   / HTTP/1.999\r\n\r\n",
            Method::Post,
            Version::Http11,
        ),
        (
            b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n",
            Method::Get,
            Version::Http11,
        ),
        (b"GET /old\r\n", Method::Get, Version::Http09),
        (b"GET /old  \n", Method::Get, Version::Http09),
    ] {
        let head = head_of(wire);
        assert_eq!(head.method, method, "{}", wire.escape_ascii());
        assert_eq!(head.version, version, "{}", wire.escape_ascii());
    }
}

#[test]
fn reads_absolute_and_authority_targets() {
    for (wire, form, authority, uri, complex) in [
        (
            &b"GET http://h.x:81/p?q HTTP/1.1\r\n\r\n"[..],
            TargetForm::Absolute,
            "h.x:81",
            "/p?q",
            false,
        ),
        (
            b"GET HTTPS://[::1]/ HTTP/1.1\r\n\r\n",
            TargetForm::Absolute,
            "[::1]",
            "/",
            false,
        ),
        (
            b"GET http://h HTTP/1.1\r\n\r\n",
            TargetForm::Absolute,
            "h",
            "/",
            false,
        ),
        (
            b"GET http://h?a=b HTTP/1.1\r\n\r\n",
            TargetForm::Absolute,
            "h",
            "?a=b",
            true,
        ),
        (
            b"GET http://h:/ HTTP/1.1\r\n\r\n",
            TargetForm::Absolute,
            "h:",
            "/",
            false,
        ),
        (
            b"GET http:/// HTTP/1.1\r\n\r\n",
            TargetForm::Absolute,
            "",
            "/",
            false,
        ),
        (
            b"CONNECT h:443 HTTP/1.1\r\n\r\n",
            TargetForm::Authority,
            "h:443",
            "/",
            false,
        ),
        (
            b"CONNECT  [::1]:443  HTTP/1.1 \r\n\r\n",
            TargetForm::Authority,
            "[::1]:443",
            "/",
            false,
        ),
    ] {
        let head = head_of(wire);
        assert_eq!(head.target.form, form, "{}", wire.escape_ascii());
        assert_eq!(head.target.authority.of(wire), authority.as_bytes());
        assert_eq!(
            head.target.uri.of(wire),
            uri.as_bytes(),
            "{}",
            wire.escape_ascii()
        );
        assert_eq!(head.target.complex, complex, "{}", wire.escape_ascii());
    }
}

#[test]
fn marks_targets_that_need_normalising() {
    for (target, complex) in [
        ("/", false),
        ("/a.b/c.d", false),
        ("/a/.b", true),
        ("/a//b", true),
        ("/..", true),
        ("/%61", true),
        ("/a#f", true),
        ("/a?b#f", true),
        ("/a?b//../%2e", false),
        ("/a+b", false),
        ("/a\u{e9}", false),
    ] {
        let wire = format!("GET {target} HTTP/1.1\r\n\r\n");
        assert_eq!(head_of(wire.as_bytes()).target.complex, complex, "{target}");
    }

    let wire = b"GET /a+b?q=1#f?g HTTP/1.1\r\n\r\n";
    let head = head_of(wire);
    assert_eq!(head.target.path.of(wire), b"/a+b");
    assert_eq!(head.target.query.unwrap().of(wire), b"q=1");
    assert_eq!(head.target.uri.of(wire), b"/a+b?q=1#f?g");
    assert!(head.target.plus);

    let wire = b"GET /a#f?g HTTP/1.1\r\n\r\n";
    assert_eq!(head_of(wire).target.query, None);
}

#[test]
fn refuses_what_nginx_refuses_in_the_request_line() {
    let method = "client sent invalid method";
    let request = "client sent invalid request";
    for (wire, status, reason) in [
        (&b"get / HTTP/1.1\r\n"[..], 400, method),
        (b" GET / HTTP/1.1\r\n", 400, method),
        (b"GE T / HTTP/1.1\r\n", 400, request),
        (b"G\0T / HTTP/1.1\r\n", 400, method),
        (b"\x16\x03\x01", 400, method),
        (b"GET\r\n", 400, method),
        (b"GET \r\n", 400, request),
        (b"OPTIONS * HTTP/1.1\r\n", 400, request),
        (b"GET /a\x01 HTTP/1.1\r\n", 400, request),
        (b"GET /\x7f HTTP/1.1\r\n", 400, request),
        (b"GET /?\0 HTTP/1.1\r\n", 400, request),
        (b"GET /\ta HTTP/1.1\r\n", 400, request),
        (b"GET / HTTP/1.1 x\r\n", 400, request),
        (b"GET / x HTTP/1.1\r\n", 400, request),
        (b"GET / HTTP/1.1\rx", 400, request),
        (b"GET / http/1.1\r\n", 400, request),
        (b"GET / HTTP/01.1\r\n", 400, request),
        (b"GET / HTTP/1.\r\n", 400, request),
        (b"GET / HTTP/1\r\n", 400, request),
        (b"GET / HTTP/1.1000000\r\n", 400, request),
        (b"GET / HTTP/2.0\r\n", 505, "client sent invalid version"),
        (b"GET / HTTP/11.0\r\n", 505, "client sent invalid version"),
        (
            b"POST /\r\n",
            400,
            "client sent invalid method in HTTP/0.9 request",
        ),
        (b"GET http:/x HTTP/1.1\r\n", 400, request),
        (b"GET http//x HTTP/1.1\r\n", 400, request),
        (b"GET http://u@h/ HTTP/1.1\r\n", 400, request),
        (b"GET http://[::1/ HTTP/1.1\r\n", 400, request),
        (b"GET http://h:8x/ HTTP/1.1\r\n", 400, request),
        (b"CONNECT h HTTP/1.1\r\n", 400, request),
        (b"CONNECT h: HTTP/1.1\r\n", 400, request),
        (b"CONNECT h:443/ HTTP/1.1\r\n", 400, request),
        (b"CONNECT / HTTP/1.1\r\n", 400, request),
    ] {
        assert_eq!(
            refusal_of(wire),
            (status, reason.to_owned()),
            "{}",
            wire.escape_ascii()
        );
    }
}

#[test]
fn refuses_what_nginx_refuses_in_the_header() {
    for (header, text) in [
        (&b" Host: a\r\n"[..], r#""\x20...""#),
        (b"Host: a\r\n folded\r\n", r#""\x20...""#),
        (b"Host: a\r\n\tfolded\r\n", r#""\x09...""#),
        (b"Host : a\r\n", r#""Host\x20...""#),
        (b": a\r\n", r#""\x3a...""#),
        (b"Ho\x01st: a\r\n", r#""Ho\x01...""#),
        (b"Ho\x7fst: a\r\n", r#""Ho\x7f...""#),
        (b"Host: a\0b\r\n", r#""Host: a\x00...""#),
        (b"Host:\0\r\n", r#""Host:\x00...""#),
        (b"Host: a\rb\r\n", r#""Host: a\x0d...""#),
        (b"Host\rb\r\n", r#""Host\x0d...""#),
        (b"\rx", r#""\x0d...""#),
    ] {
        let wire = [b"GET / HTTP/1.1\r\n", header].concat();
        let expected = format!("client sent invalid header line: {text}");
        assert_eq!(
            refusal_of(&wire),
            (400, expected),
            "{}",
            wire.escape_ascii()
        );
    }
}

#[test]
fn takes_odd_line_ends_and_values() {
    let wire = b"GET / HTTP/1.1\nA: 1\nB:\t2 \t\r\r\r\nNo-Colon\r\nC: x \x01\xff y  \n\n";
    let head = head_of(wire);
    let lines: Vec<_> = head
        .fields
        .iter()
        .map(|field| (field.name.of(wire), field.value.of(wire)))
        .collect();
    assert_eq!(
        lines,
        [
            (&b"A"[..], &b"1"[..]),
            (b"B", b"\t2 \t"),
            (b"No-Colon", b""),
            (b"C", b"x \x01\xff y"),
        ]
    );
}

#[test]
fn ignores_invalid_names_unless_told_otherwise() {
    let wire = b"GET / HTTP/1.1\r\nA_b: 1\r\n_c: 2\r\nd(e: 3\r\n\xc3: 4\r\nF: 5\r\n\r\n";

    let head = head_of(wire);
    assert_eq!(head.fields.len(), 1);
    assert_eq!(head.ignored, 4);
    assert_eq!(head.first_ignored.of(wire), b"A_b: 1");

    let limits = Limits {
        underscores_in_headers: true,
        ..Limits::default()
    };
    assert_eq!(parse_with(wire, &limits).1.fields.len(), 3);

    let limits = Limits {
        ignore_invalid_headers: false,
        ..Limits::default()
    };
    assert_eq!(parse_with(wire, &limits).1.fields.len(), 5);
}

#[test]
fn counts_header_lines() {
    let limits = Limits {
        max_headers: 2,
        ..Limits::default()
    };
    let wire = b"GET / HTTP/1.1\r\nA: 1\r\nx_y: 0\r\nB: 2\r\n\r\n";
    assert!(matches!(
        parse_with(wire, &limits).0,
        Ok(Progress::Complete { .. })
    ));

    let wire = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n";
    let refusal = parse_with(wire, &limits).0.expect_err("refused");
    assert_eq!((refusal.status, refusal.wire_status()), (494, 400));
    assert_eq!(refusal.reason, "client sent too many header lines");
}

/// A line may fill a large buffer to its last byte, its line end included.
#[test]
fn bounds_the_request_line() {
    let limits = Limits {
        initial_buffer: 64,
        buffers: 2,
        line_max: 128,
        ..Limits::default()
    };
    let line = |length: usize| {
        let path = "a".repeat(length - "GET / HTTP/1.1\r\n".len());
        format!("GET /{path} HTTP/1.1\r\n\r\n").into_bytes()
    };

    assert!(matches!(
        parse_with(&line(64), &limits).0,
        Ok(Progress::Complete { .. })
    ));
    assert!(matches!(
        parse_with(&line(128), &limits).0,
        Ok(Progress::Complete { .. })
    ));
    let refusal = parse_with(&line(129), &limits).0.expect_err("refused");
    assert_eq!(
        (refusal.status, refusal.reason),
        (414, "client sent too long URI")
    );

    let blank = b"\r\n".repeat(100);
    assert_eq!(
        parse_with(&blank, &limits).0.expect_err("refused").status,
        400
    );
}

#[test]
fn bounds_header_lines_and_their_sum() {
    let limits = Limits {
        initial_buffer: 64,
        buffers: 2,
        line_max: 128,
        ..Limits::default()
    };
    let wire = |lengths: &[usize]| {
        let mut wire = b"GET / HTTP/1.1\r\n".to_vec();
        for length in lengths {
            wire.extend_from_slice(b"A: ");
            wire.extend(std::iter::repeat_n(b'x', length - b"A: \r\n".len()));
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"\r\n");
        wire
    };

    for lengths in [&[128][..], &[40, 100, 100], &[126, 126]] {
        let answer = parse_with(&wire(lengths), &limits).0;
        assert!(
            matches!(answer, Ok(Progress::Complete { .. })),
            "{lengths:?} {answer:?}"
        );
    }
    for lengths in [&[129][..], &[100, 100, 40], &[128, 128]] {
        let answer = parse_with(&wire(lengths), &limits).0;
        assert_eq!(answer.expect_err("refused").status, 494, "{lengths:?}");
    }

    let small = Limits {
        buffers: 0,
        initial_buffer: 16,
        ..limits
    };
    let refusal = parse_with(&wire(&[]), &small).0.expect_err("refused");
    assert_eq!(refusal.reason, "client sent too large request");
}
