//! What is logged of a request once its tunnel has ended: all that nginx knows of it by then.

use harness::{Binary, Server, skip};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use tidegate_e2e::upstream::{read_head, scripted};

/// Variables of every kind: of the request as received and as changed since, of the answer, of
/// the peer, of patterns, and those that directives make.
const FORMAT: &str = "$remote_addr:$remote_port|$remote_user|$request|$status|$body_bytes_sent|\
    $request_method|$request_uri|$uri|$args|$arg_a|$is_args|$document_uri|$server_protocol|\
    $host|$http_host|$http_cookie|$cookie_c|$http_user_agent|$http_upgrade|$http_x_many|\
    $http_x_none|$server_name|$server_addr|$scheme|$group|$room|$mine|$mapped|$late|$limit_rate|\
    $request_length|$content_length|$request_completion|$sent_http_upgrade|$sent_http_x_added|\
    $sent_http_connection|$upstream_http_x_peer|$upstream_cookie_s|$upstream_status|\
    $upstream_addr|$upstream_response_length|$upstream_bytes_received|$realip_remote_addr|$connection_requests|\
    $request_filename|$content_type|$http_content_length|$pipe";

const RULES: &str = "
    set_real_ip_from 127.0.0.1;
    map $http_upgrade $mapped { default close; echo upgrade; }
    map $sent_http_x_added $late { default none; ~ed(.*)$ some; }
    server {
        listen 127.0.0.1:{port};
        server_name ~^(?<sub>.+)\\.test$;
        set $mine 'of $sub';
        location / {
            set $early_id $request_id;
            proxy_pass http://127.0.0.1:{port_back};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $mapped;
            add_header X-Added added always;
            access_log logs/tunnels.log tunnels;
            access_log logs/ids.log ids;
        }
        location ~ ^/(?<room>[a-z]+)/(\\d+)$ {
            set $group $1;
            limit_rate 1m;
            rewrite ^/chat/(.*)$ /rooms/$1?b=2 break;
            proxy_pass http://127.0.0.1:{port_back};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $mapped;
            mirror /mirrored;
            access_log logs/tunnels.log tunnels;
            access_log logs/ids.log ids;
        }
        location = /mirrored { internal; return 204; }
    }";

const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nX-Peer: 1\r\n\
    Set-Cookie: s=session; Path=/\r\nConnection: upgrade\r\n\r\nhi ";

const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: echo\r\n";

/// Requests for tunnels: the first line, and fields with what follows them.
const REQUESTS: [(&str, &str); 5] = [
    ("GET / HTTP/1.1", "\r\n"),
    (
        "GET /%61/../b?a=%20x&b HTTP/1.1",
        "User-Agent: \"quoted\\\"\r\nCookie: c=1; d=2\r\nCookie: e=3\r\nX-Many: 1\r\nX_Under: 2\r\n\
         Authorization: Basic dXNlcjpwYXNz\r\n\r\n",
    ),
    ("GET /chat/42?a=1 HTTP/1.1", "X-Real-IP: 192.0.2.7\r\n\r\n"),
    (
        "POST /post HTTP/1.1",
        "Content-Type: a/b\r\nContent-Length: 3\r\n\r\nabc",
    ),
    (
        "POST /chat/7 HTTP/1.1",
        "X-Real-IP: 2001:db8::1\r\nContent-Length: 3\r\n\r\nabc",
    ),
];

/// Agrees to every switch, then sends back what it gets.
fn echo(stream: &mut TcpStream, head: &[u8]) {
    let mut body = [0; 3];
    let has_body = head.starts_with(b"POST ");
    if has_body && stream.read_exact(&mut body).is_err() || stream.write_all(ANSWER).is_err() {
        return;
    }
    let mut bytes = [0; 64];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// The lines that `binary` logs of the tunnels, and the numbers of the requests.
fn logged(binary: Binary, back: u16) -> (Vec<String>, Vec<String>) {
    let formats = format!("log_format tunnels '{FORMAT}'; log_format ids '$early_id $request_id';");
    let server = Server::new(&(formats + RULES))
        .binary(binary)
        .with_port("back", back)
        .start();
    let mut lines = Vec::new();
    for (number, (line, rest)) in REQUESTS.iter().enumerate() {
        let mut client = server.connect();
        let request = format!("{line}\r\nHost: a.test\r\n{UPGRADE}{rest}");
        client.send(request).expect("sent");
        let mut stream = client.stream().try_clone().expect("a clone");
        let head = read_head(&mut stream).expect("a head");
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{line}");
        for word in ["hi ", "there"] {
            if word != "hi " {
                stream.write_all(word.as_bytes()).expect("sent");
            }
            let mut got = vec![0; word.len()];
            stream.read_exact(&mut got).expect("an echo");
            assert_eq!(got, word.as_bytes(), "{line}");
        }
        stream.shutdown(Shutdown::Write).expect("ended");
        assert_eq!(stream.read(&mut [0; 1]).expect("closed"), 0, "{line}");
        let own = client.stream().local_addr().expect("an address").port();
        let last = server.log_lines("tunnels.log", number + 1).pop();
        let place = server.prefix().path().display().to_string();
        let last = last.unwrap_or_default().replace(&place, "{prefix}");
        lines.push(last.replace(&format!(":{own}|"), ":{client}|"));
    }
    (lines, server.log_lines("ids.log", REQUESTS.len()))
}

#[test]
fn lines_of_tunnels() {
    let (port, _seen) = scripted(|_, stream, head| {
        echo(stream, head);
        false
    });
    let (ours, ids) = logged(Binary::Tidegate, port);
    for line in &ours {
        assert!(line.contains("|101|8|"), "{line}");
    }
    for ids in ids {
        // Made before the tunnel where it was asked for, and the same after it.
        let (early, late) = ids.split_once(' ').expect("two numbers");
        assert!(early == late || early.is_empty() || early == "-", "{ids}");
        assert_eq!(late.len(), 32, "{ids}");
    }
    if !Binary::Nginx.is_available() {
        skip::skip("nginx is not installed");
        return;
    }
    let (theirs, _) = logged(Binary::Nginx, port);
    let differences: Vec<String> = theirs
        .iter()
        .zip(&ours)
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| format!("- {theirs}\n+ {ours}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
