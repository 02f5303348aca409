//! `$proxy_protocol_tlv_aws_vpce_id` and its like.

use harness::Server;

/// A header of version 2 for a connection over IPv4, with `records`.
fn header(records: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = vec![192, 0, 2, 1, 192, 0, 2, 2, 0, 80, 0, 81];
    for (kind, value) in records {
        let length = u16::try_from(value.len()).expect("a short record");
        body.push(*kind);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(value);
    }
    let length = u16::try_from(body.len()).expect("a short header");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&body);
    header
}

#[test]
fn platforms_tell_who_is_connected() {
    let server = Server::new(
        r#"server {
            listen 127.0.0.1:{port} proxy_protocol;
            location / {
                return 200 "$proxy_protocol_tlv_aws_vpce_id|$proxy_protocol_tlv_azure_pel_id|$proxy_protocol_tlv_gcp_conn_id|$proxy_protocol_tlv_unique_id";
            }
        }"#,
    )
    .start();
    let told = |records: &[(u8, &[u8])]| {
        let request = [&header(records), &b"GET / HTTP/1.0\r\n\r\n"[..]].concat();
        server.connect().request(request).text()
    };
    assert_eq!(told(&[(0xEA, b"\x01vpce-08d2")]), "vpce-08d2|||");
    assert_eq!(told(&[(0xEE, b"\x01\x02\x01\x00\x01")]), "|16777474||");
    assert_eq!(
        told(&[(5, b"id"), (0xE0, b"\xff\xff\xff\xff\xff\xff\xff\xff")]),
        "||18446744073709551615|id"
    );
    assert_eq!(
        told(&[(0xEA, b"\x02x"), (0xEE, b"\x01"), (0xE0, b"")]),
        "|||"
    );
    assert_eq!(told(&[]), "|||");
}
