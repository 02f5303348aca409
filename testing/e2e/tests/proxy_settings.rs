//! What directives of the proxy make of one and the same answer.

use harness::scripted::Scripted;
use harness::{Differential, Exchange, Server};
use std::io::{Read, Write};

/// What the other server answers to the last part of the path.
const ANSWERS: &[(&str, &str)] = &[
    (
        "plain",
        "200 OK\r\nX-Up: one\r\nX-Up: two\r\nDate: then\r\nServer: back\r\nX-Pad: p\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("range", "200 OK\r\nContent-Length: 10\r\n\r\n0123456789"),
    (
        "ranges",
        "200 OK\r\nAccept-Ranges: bytes\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n0123456789",
    ),
    (
        "partial",
        "206 Partial Content\r\nContent-Range: bytes 0-1/10\r\nContent-Length: 2\r\n\r\n01",
    ),
    (
        "chunks",
        "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ),
    (
        "here",
        "302 Found\r\nLocation: http://127.0.0.1:1/foo/bar\r\nRefresh: 5; url=http://127.0.0.1:1/foo/bar\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "there",
        "302 Found\r\nLocation: http://one.test/in/y\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "path",
        "302 Found\r\nLocation: /rel/x\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "cookies",
        "200 OK\r\nSet-Cookie: one=1; Domain=.Example.test; path=/p/x; Secure\r\nSet-Cookie: two=2; domain=www.example.test; PATH=/P/x; SameSite=Lax\r\nSet-Cookie: three\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "instead",
        "200 OK\r\nX-Accel-Redirect: /internal/x?a=b\r\nContent-Type: text/x; charset=utf-8\r\nContent-Disposition: att\r\nSet-Cookie: q=1; path=/p/\r\nCache-Control: no-store\r\nExpires: then\r\nETag: \"gone\"\r\nX-Other: gone\r\nAccept-Ranges: none\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "named",
        "404 Not Found\r\nX-Accel-Redirect: @named\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "unsafe",
        "200 OK\r\nX-Accel-Redirect: /../x\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "escaped",
        "200 OK\r\nX-Accel-Redirect: /int%65rnal/q%20x\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "charset",
        "200 OK\r\nX-Accel-Charset: koi8-r\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "charset2",
        "200 OK\r\nX-Accel-Charset: koi8-r\r\nX-Accel-Redirect: /internal/x\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "unbuffered",
        "200 OK\r\nX-Accel-Buffering: no\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "failed",
        "500 Bad thing\r\nX-E: e\r\nContent-Length: 3\r\n\r\nerr",
    ),
    (
        "who",
        "401 U\r\nWWW-Authenticate: Basic a\r\nContent-Length: 3\r\n\r\nerr",
    ),
    (
        "same",
        "304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n",
    ),
    ("odd", "299 Odd One\r\nContent-Length: 2\r\n\r\nok"),
    (
        "times",
        "200 OK\r\nLast-Modified: garbage\r\nExpires: garbage\r\nCache-Control: max-age=5\r\nAge: 7\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "type",
        "200 OK\r\nContent-Type: text/html; charset=\"utf-8\"; x=y\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "many",
        "200 OK\r\nCache-Control: a\r\nCache-Control: b\r\nVary: x\r\nVary: y\r\nLink: l1\r\nLink: l2\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "dated",
        "404 None\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "nothing",
        "204 No Content\r\nContent-Type: text/x; charset=utf-8\r\nETag: \"x\"\r\n\r\n",
    ),
    (
        "twice",
        "200 OK\r\nContent-Encoding: a\r\nContent-Encoding: b\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "typeless",
        "200 OK\r\nContent-Type: \r\nX-Accel-Redirect: /internal/x\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "missing",
        "200 OK\r\nX-Accel-Redirect: /internal/none\r\nContent-Type: text/x\r\nAccept-Ranges: bytes\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "included",
        "200 OK\r\nX-Accel-Redirect: /internal/page\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 2\r\n\r\nok",
    ),
];

/// Locations, by what is in front of the last part of the path.
const LOCATIONS: &[(&str, &str)] = &[
    ("plain", ""),
    ("unbuffered", "proxy_buffering off;"),
    ("ranges", "proxy_force_ranges on;"),
    (
        "ignoring",
        "proxy_ignore_headers X-Accel-Redirect X-Accel-Charset X-Accel-Limit-Rate X-Accel-Buffering;",
    ),
    (
        "redirects",
        "proxy_redirect http://127.0.0.1:1/foo/ /f/;
         proxy_redirect ~^http://([^/]+)/in(.*)$ http://$1/out$2;",
    ),
    ("redirects-off", "proxy_redirect off;"),
    (
        "redirects-variable",
        "proxy_redirect http://$http_host/ http://$host/; proxy_redirect / /slash/;",
    ),
    (
        "cookies",
        "proxy_cookie_domain example.test new.test;
         proxy_cookie_domain ~\\.(example)\\.test$ $1.net;
         proxy_cookie_path /p/ /q/;
         proxy_cookie_path ~*^/p(.*) /r$1;
         proxy_cookie_flags one nosecure httponly samesite=strict;
         proxy_cookie_flags ~ secure;",
    ),
    (
        "cookies-computed",
        "set $flag httponly; proxy_cookie_flags one $flag samesite=$args SECURE;
         proxy_cookie_flags ~ samesite=$flag NoSameSite;",
    ),
    (
        "cookies-off",
        "proxy_cookie_domain off; proxy_cookie_flags two nosamesite;",
    ),
    (
        "intercepted",
        "proxy_intercept_errors on; error_page 500 =503 /internal/e; error_page 401 /internal/e;",
    ),
    (
        "hidden",
        "proxy_hide_header X-Up; proxy_hide_header Set-Cookie; proxy_pass_header Server;
         proxy_pass_header Date; proxy_pass_header X-Pad; proxy_pass_header X-Accel-Charset;",
    ),
    ("charset", "charset koi8-r; charset_types text/x;"),
    ("edited", "sub_filter ok X; sub_filter_types *;"),
    (
        "told",
        "add_header X-Told \"$upstream_status $upstream_http_age $upstream_http_etag \
         $upstream_cookie_one $proxy_host $proxy_port $proxy_add_x_forwarded_for\" always;",
    ),
];

#[test]
fn every_setting_makes_of_every_answer_what_it_does_in_nginx() {
    let upstream = Scripted::answering(|_, stream, head| {
        let line = head.split(|&byte| byte == b'\r').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
        let path = line.split(' ').nth(1).unwrap_or_default();
        let name = path.rsplit('/').next();
        let answer = ANSWERS.iter().find(|(known, _)| Some(*known) == name);
        let answer = answer.map_or("404 Not Found\r\n\r\n", |(_, answer)| answer);
        let (line, rest) = answer.split_once("\r\n").unwrap_or_default();
        let _ = write!(stream, "HTTP/1.1 {line}\r\nConnection: close\r\n{rest}");
        false
    });
    let port = upstream.port();
    let mut locations = String::new();
    for (name, rules) in LOCATIONS {
        locations +=
            &format!("location /{name}/ {{ proxy_pass http://127.0.0.1:{port}/; {rules} }}\n",);
    }
    let server = Server::new(&format!(
        "server {{
             listen 127.0.0.1:{{port}};
             root html;
             {locations}
             location /internal/ {{ internal; add_header X-Internal $args; ssi on; }}
             location @named {{ return 200 \"named $upstream_status\"; }}
         }}"
    ))
    .with_file("html/internal/x", "internal x")
    .with_file("html/internal/q x", "internal q x")
    .with_file("html/internal/page", "<!--#echo var=\"uri\" -->")
    .with_file("html/internal/e", "internal e")
    .allow_log("while reading response header from upstream");
    let fields = "Connection: close\r\nX-Forwarded-For: 192.0.2.1\r\n";
    let exchanges = LOCATIONS.iter().flat_map(|(location, _)| {
        // Of an edited body we do not say that parts of it may be asked for, which nginx does.
        let is_same = move |answer: &str| (*location, answer) != ("edited", "ranges");
        let answers = ANSWERS.iter().filter(move |(answer, _)| is_same(answer));
        answers.map(move |(answer, _)| {
            let range = answer
                .starts_with("range")
                .then_some("Range: bytes=2-4\r\n");
            let fields = format!("{fields}{}", range.unwrap_or_default());
            Exchange::get(&format!("/{location}/{answer}"), &fields)
        })
    });
    Differential::new(server).with_exchanges(exchanges).run();
}

/// Of fields that an answer has once the first counts, for the one in its place too; the log says
/// so in nginx's words. (Not beside nginx, which before 1.23 takes the last.)
#[test]
fn of_fields_that_come_once_the_first_counts() {
    let upstream = Scripted::answering(|_, stream, head| {
        let instead = match head.starts_with(b"GET /instead") {
            true => "X-Accel-Redirect: /internal/x\r\n",
            false => "",
        };
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\n{instead}Content-Type: text/x-one\r\nExpires: one\r\n\
             Content-Type: text/x-two; charset=koi8-r\r\nExpires: two\r\n\
             Content-Length: 2\r\n\r\nok"
        );
        true
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; }}
         location /internal/ {{ internal; }}"
    ))
    .with_file("html/internal/x", "internal x")
    .allow_log("duplicate header line")
    .start();
    for (path, text) in [("/plain", "ok"), ("/instead", "internal x")] {
        let answer = server.get(path);
        assert_eq!(answer.text(), text);
        assert_eq!(
            answer.headers_named("Content-Type").collect::<Vec<_>>(),
            ["text/x-one"],
            "{path}"
        );
        assert_eq!(
            answer.headers_named("Expires").collect::<Vec<_>>(),
            ["one"],
            "{path}"
        );
    }
    server.wait_for_error_log(
        "upstream sent duplicate header line: \"Expires: two\", \
         previous value: \"Expires: one\", ignored while reading response header from upstream",
    );
}

/// A `Location` that is passed on as it came was in no variable.
#[test]
fn a_location_of_the_peers_is_told() {
    let upstream = Scripted::answering(|_, stream, head| {
        let line = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap());
        let said = line
            .split(' ')
            .nth(1)
            .and_then(|path| path.strip_prefix("/?"));
        let said = said.unwrap_or_default();
        let _ = write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {said}\r\nContent-Length: 0\r\n\r\n"
        );
        true
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; add_header X-Told $sent_http_location; }}"
    ))
    .start();
    for said in ["rel", "/path", "http://elsewhere.test/x"] {
        let answer = server.get(&format!("/?{said}"));
        assert_eq!(answer.header("Location"), Some(said));
        assert_eq!(answer.header("X-Told"), Some(said));
    }
}

#[test]
fn what_cannot_be_stored_is_the_clients_all_the_same() {
    let upstream = Scripted::answering(|_, stream, _| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        );
        false
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; proxy_store /dev/null/none; }}"
    ))
    .allow_log("storing a response")
    .start();
    let answer = server.get("/");
    assert_eq!(answer.text(), "ok");
    server.wait_for_error_log("storing a response as \"/dev/null/none\" failed");
}

#[test]
fn a_request_that_may_end_elsewhere_is_the_last_of_its_connection() {
    let rules = [
        ("", true),
        ("proxy_set_header Content-Length $content_length;", true),
        ("proxy_set_header Content-Length \"\";", false),
        ("proxy_set_header Content-Length 3;", false),
        ("proxy_set_header Transfer-Encoding chunked;", false),
        (
            "proxy_pass_request_body off; proxy_set_header Content-Length $content_length;",
            false,
        ),
    ];
    for (rule, is_kept) in rules {
        let upstream = Scripted::answering(|_, stream, _| {
            // The body, or as much as there is of it, has come with the head or soon after.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            true
        });
        let port = upstream.port();
        let server = Server::new(&format!(
            "upstream kept {{ server 127.0.0.1:{port}; }}
             server {{ listen 127.0.0.1:{{port}}; location / {{ proxy_pass http://kept; {rule} }} }}"
        ))
        .start();
        let request = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
            Content-Length: 5\r\n\r\nhello";
        for _ in 0..2 {
            assert_eq!(server.request(request).text(), "ok", "{rule}");
        }
        let [first, second] = &upstream.requests()[..] else {
            panic!("{rule}: {:?}", upstream.requests());
        };
        assert_eq!(first.0 == second.0, is_kept, "{rule}");
        if !is_kept {
            assert!(second.1.starts_with("POST / "), "{rule}");
        }
    }
}

#[test]
fn sizes_are_those_of_what_was_sent() {
    let upstream = Scripted::answering(|_, stream, head| {
        let answer: &[u8] = if head.starts_with(b"GET /chunks") {
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
              2\r\nok\r\n0\r\nT: t\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
        };
        let _ = stream.write_all(answer);
        false
    });
    let port = upstream.port();
    let server = Server::new(&format!(
        "log_format sizes '$uri $body_bytes_sent $upstream_response_length $upstream_bytes_received';
         access_log logs/sizes.log sizes;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://127.0.0.1:{port}; }}
         }}"
    ))
    .start();
    let client = server.connect();
    let requests =
        b"GET /chunks HTTP/1.1\r\nHost: h\r\n\r\nGET /chunks HTTP/1.1\r\nHost: h\r\n\r\n\
        GET /length HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut stream = client.stream();
    stream.write_all(requests).expect("requests");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("answers");
    assert_eq!(
        server.log_lines("sizes.log", 3),
        ["/chunks 12 18 84", "/chunks 12 18 84", "/length 2 2 59"]
    );
}
