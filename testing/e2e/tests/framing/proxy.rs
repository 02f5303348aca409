//! The PROXY protocol: demanded where configured, refused elsewhere, believed to the byte.

use harness::{Response, Server};

const GET: &[u8] = b"GET /who HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn start() -> Server {
    Server::new(
        "server {
             listen 127.0.0.1:{port} proxy_protocol;
             location = /who {
                 return 200 \"$proxy_protocol_addr|$proxy_protocol_port|$proxy_protocol_server_addr|$remote_addr\";
             }
         }
         server { listen 127.0.0.1:{port_plain}; location / { return 200 plain; } }",
    )
    .start()
}

/// A header of version 2: `command` and `family` as in the specification.
fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
    let length = length.to_be_bytes();
    [V2, &[0x20 | command, family], &length, addresses].concat()
}

/// 1.2.3.4:5 speaks with 6.7.8.9:80.
const IPV4: [u8; 12] = [1, 2, 3, 4, 6, 7, 8, 9, 0, 5, 0, 80];

fn texts(server: &Server, bytes: &[u8]) -> Vec<String> {
    match server.connect().converse(bytes) {
        Ok(responses) => responses.iter().map(Response::text).collect(),
        Err(error) => panic!("not closed: {error}\n{}", bytes.escape_ascii()),
    }
}

#[test]
fn headers_are_believed_to_the_byte() {
    let server = start();
    let with_tlv = [&IPV4[..], &[0x02, 0, 3], b"a.b"].concat();
    let cases = [
        (
            b"PROXY TCP4 1.2.3.4 6.7.8.9 5 80\r\n".to_vec(),
            "1.2.3.4|5|6.7.8.9|127.0.0.1",
        ),
        (
            b"PROXY TCP6 ::1 ::2 5 80\r\n".to_vec(),
            "::1|5|::2|127.0.0.1",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "|||127.0.0.1"),
        (
            b"PROXY UNKNOWN ignored to the end\r\n".to_vec(),
            "|||127.0.0.1",
        ),
        (version_2(1, 0x11, &IPV4), "1.2.3.4|5|6.7.8.9|127.0.0.1"),
        (version_2(1, 0x11, &with_tlv), "1.2.3.4|5|6.7.8.9|127.0.0.1"),
        (version_2(0, 0x00, b""), "|||127.0.0.1"),
    ];
    for (header, expected) in cases {
        // The header, and a request right behind it in the same segment.
        let answers = texts(&server, &[&header, GET].concat());
        assert_eq!(answers, [expected], "{}", header.escape_ascii());
    }
}

#[test]
fn anything_else_is_closed_without_an_answer() {
    let server = start();
    let long = [
        b"PROXY TCP4 1.2.3.4 6.7.8.9 5 80",
        &b" "[..].repeat(200)[..],
        b"\r\n",
    ]
    .concat();
    let cases: [Vec<u8>; 12] = [
        b"".to_vec(),
        b"PROXY TCP4 1.2.3.4 6.7.8.9 5\r\n".to_vec(),
        b"PROXY TCP4 1.2.3.4 6.7.8.9 5 99999\r\n".to_vec(),
        b"PROXY TCP4 1.2.3.4 6.7.8.9 5 80\n".to_vec(),
        b"PROXY TCP5 1.2.3.4 6.7.8.9 5 80\r\n".to_vec(),
        b"proxy TCP4 1.2.3.4 6.7.8.9 5 80\r\n".to_vec(),
        b" PROXY TCP4 1.2.3.4 6.7.8.9 5 80\r\n".to_vec(),
        long,
        // An address that is cut short, a version that is none, lengths beyond any header.
        version_2(1, 0x11, &IPV4[..11]),
        [V2, &[0x11, 0x11, 0, 12], &IPV4].concat(),
        [V2, &[0x21, 0x11, 0xff, 0xff], &IPV4].concat(),
        version_2(1, 0x21, &IPV4),
    ];
    for case in cases {
        let answers = texts(&server, &[&case, GET].concat());
        assert!(answers.is_empty(), "{}: {answers:?}", case.escape_ascii());
    }
}

/// Stricter than nginx, which takes three numbers for an address, and either family for the
/// other.
#[test]
fn an_address_is_one_of_its_family() {
    if harness::nginx_is_tested() {
        return;
    }
    let server = start();
    for header in [
        &b"PROXY TCP4 1.2.3 6.7.8.9 5 80\r\n"[..],
        b"PROXY TCP4 ::1 ::2 5 80\r\n",
        b"PROXY TCP6 1.2.3.4 6.7.8.9 5 80\r\n",
    ] {
        let answers = texts(&server, &[header, GET].concat());
        assert!(answers.is_empty(), "{}: {answers:?}", header.escape_ascii());
    }
}

/// On an address without the protocol its header is no request.
#[test]
fn a_header_that_nobody_asked_for_is_refused() {
    let server = start();
    let plain = server.port_of("plain");
    for header in [
        b"PROXY TCP4 1.2.3.4 6.7.8.9 5 80\r\n".to_vec(),
        version_2(1, 0x11, &IPV4),
    ] {
        let mut client = server.connect_to(plain);
        let responses = client.converse([&header, GET].concat()).unwrap();
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [400], "{}", header.escape_ascii());
    }
}

/// Cut into single bytes, the header is still one header.
#[test]
fn a_header_may_come_byte_by_byte() {
    let server = start();
    for header in [
        b"PROXY TCP4 1.2.3.4 6.7.8.9 5 80\r\n".to_vec(),
        version_2(1, 0x11, &IPV4),
    ] {
        if harness::nginx_is_tested() {
            return;
        }
        let mut client = server.connect();
        for byte in &header {
            client.send_more([*byte]).unwrap();
        }
        assert_eq!(client.request(GET).text(), "1.2.3.4|5|6.7.8.9|127.0.0.1");
    }
}
