//! What is logged of a request once its tunnel has ended: all that nginx knows of it by then.

use harness::scripted::{Scripted, Step, read_head};
use harness::{Binary, Client, Server, clock, skip};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

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
const REQUESTS: [(&str, &str); 6] = [
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
    // What frames a body is part of the request's length.
    (
        "POST /chunks HTTP/1.1",
        "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n",
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
    let upstream = Scripted::answering(|_, stream, head| {
        echo(stream, head);
        false
    });
    let port = upstream.port();
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

/// A server whose tunnels lead to `upstream`, and a client with one of them.
fn tunnel(binary: &Binary, upstream: &Scripted, rules: &str) -> (Server, Client) {
    let text = format!(
        "server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 proxy_pass http://127.0.0.1:{{port_up}};
                 proxy_http_version 1.1;
                 proxy_set_header Upgrade $http_upgrade;
                 proxy_set_header Connection upgrade;
                 {rules}
             }}
         }}"
    );
    let server = Server::new(&text).binary(binary.clone());
    let server = server.with_port("up", upstream.port()).start();
    let mut client = server.connect();
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n");
    client.send(request).expect("sent");
    (server, client)
}

/// A server that resets its end is told of, as one that stays silent is.
#[test]
fn a_broken_tunnel_is_told_of() {
    let answers = [Step::Request, Step::send(ANSWER)];
    let resets = [&answers[..], &[Step::Pause, Step::Reset]].concat();
    let stays = [&answers[..], &[Step::Stay]].concat();
    let cases = [
        (&resets, "recv() failed (104: Connection reset by peer)"),
        (&stays, "upstream timed out (110: Connection timed out)"),
    ];
    let both = [Binary::Tidegate, Binary::Nginx];
    for binary in both.iter().filter(|binary| binary.is_available()) {
        for (steps, told) in cases {
            let upstream = Scripted::new(steps);
            let (server, mut client) = tunnel(binary, &upstream, "proxy_read_timeout 500ms;");
            let bytes = client.read_to_end().expect("an end");
            assert!(bytes.ends_with(b"\r\n\r\nhi "), "{binary:?}: {bytes:?}");
            server.wait_for_error_log(&format!("{told} while proxying upgraded connection"));
        }
    }
}

/// A client that takes nothing is told of as such.
#[test]
fn a_client_that_does_not_read_is_told_of() {
    let flood = Step::Repeat(vec![b'x'; 64 << 10], 1000);
    let upstream = Scripted::new(&[Step::Request, Step::send(ANSWER), flood, Step::Stay]);
    let both = [Binary::Tidegate, Binary::Nginx];
    for binary in both.iter().filter(|binary| binary.is_available()) {
        let (server, _client) = tunnel(binary, &upstream, "send_timeout 500ms;");
        let told =
            "client timed out (110: Connection timed out) while proxying upgraded connection";
        server.wait_for_error_log(told);
    }
}

/// What came with the answer does not give silence a second time: it did where the first bytes
/// were moved in the tunnel's first turn.
#[test]
fn silence_has_its_time_once() {
    let upstream = Scripted::new(&[Step::Request, Step::send(ANSWER), Step::Stay]);
    let started = clock::now();
    let rules = "proxy_read_timeout 2s;";
    let (_server, mut client) = tunnel(&Binary::Tidegate, &upstream, rules);
    client.read_to_end().expect("an end");
    let took = started.elapsed();
    let limits = Duration::from_secs(2)..Duration::from_secs(4);
    assert!(limits.contains(&took), "{took:?}");
}
