//! Proxying: what the other server is asked, what the client gets of its answer.

use harness::scripted::{Scripted, read_head};
use harness::{Differential, Exchange, Server};
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A server that says what it was asked, and one that asks it from `locations`.
fn two(locations: &str) -> harness::Builder {
    Server::new(&format!(
        "server {{ listen 127.0.0.1:{{port}}; {locations} }}
         server {{
             listen 127.0.0.1:{{port_up}};
             location / {{
                 return 200 \"$request_method $request_uri a=$http_a b=$http_b te=$http_te up=$http_upgrade l=$content_length\\n\";
             }}
             location /to {{ return 302 /elsewhere; }}
             location /own {{
                 add_header X-Own yes;
                 add_header X-Pad yes;
                 add_header Set-Cookie \"a=b; Path=/x/; Domain=one.test\";
                 return 200 own;
             }}
             location /hidden {{ add_header X-Accel-Redirect /found?q=1; return 200 never; }}
             location /file {{ root html; }}
         }}"
    ))
    .with_file("html/file/x.txt", "0123456789".repeat(20_000))
}

#[test]
fn requests_are_put_in_the_same_words() {
    let builder = two("
        location / { proxy_pass http://127.0.0.1:{port_up}; }
        location /a/ { proxy_pass http://127.0.0.1:{port_up}/b/; }
        location = /exact { proxy_pass http://127.0.0.1:{port_up}/other; }
        location ~ ^/re(.*) { proxy_pass http://127.0.0.1:{port_up}/var$1?$args; }
        location /rw/ { rewrite ^/rw/(.*) /new/$1 break; proxy_pass http://127.0.0.1:{port_up}/x/; }
        location /set/ {
            proxy_pass http://127.0.0.1:{port_up};
            proxy_set_header A set;
            proxy_set_header B \"\";
            proxy_set_header Connection keep-alive;
        }
        location /body/ { proxy_pass http://127.0.0.1:{port_up}; proxy_set_body 12345; }
        location /method/ { proxy_pass http://127.0.0.1:{port_up}; proxy_method PUT; }
        location /none/ {
            proxy_pass http://127.0.0.1:{port_up};
            proxy_pass_request_headers off;
        }
    ");
    let paths = [
        "/",
        "/x%20y?q=%2F",
        "/a/",
        "/a/c%2fd?x",
        "/a//c/../d",
        "/exact?y",
        "/rest?z",
        "/rw/q?r",
        "/set/1",
        "/body/1",
        "/method/1",
        "/none/1",
    ];
    let fields = "A: one\r\nB: two\r\nTE: trailers\r\nUpgrade: x\r\n";
    Differential::new(builder)
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, fields)))
        .with_exchanges([Exchange::new(
            b"POST /set/2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        )])
        .run();
}

#[test]
fn answers_are_passed_on_in_the_same_words() {
    let builder = two("
        location / { proxy_pass http://127.0.0.1:{port_up}; }
        location /own { proxy_pass http://127.0.0.1:{port_up}; proxy_hide_header X-Own; }
        location /own/pad {
            proxy_pass http://127.0.0.1:{port_up};
            proxy_pass_header X-Pad;
            proxy_cookie_path /x/ /y/;
            proxy_cookie_domain one.test two.test;
            proxy_cookie_flags a secure samesite=lax;
        }
        location /found { return 200 \"found $args\"; }
        location /unbuffered/ { proxy_pass http://127.0.0.1:{port_up}/; proxy_buffering off; }
        location /intercepted/ {
            proxy_pass http://127.0.0.1:{port_up}/file/;
            proxy_intercept_errors on;
            error_page 404 = /found?by=page;
        }
    ");
    let paths = [
        "/own",
        "/own/pad",
        "/hidden",
        "/file/x.txt",
        "/file/none",
        "/unbuffered/file/x.txt",
        "/intercepted/none",
    ];
    Differential::new(builder)
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, "")))
        .with_exchanges([Exchange::new(
            b"HEAD /file/x.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )])
        .run();
}

/// What stays of an answer that sends the request elsewhere: cookies rewritten, the media type
/// where the other content has none of its own, and a few more fields.
#[test]
fn what_is_kept_of_an_answer_that_sends_elsewhere() {
    let builder = Server::new(
        "server {
             listen 127.0.0.1:{port};
             proxy_cookie_path /x/ /y/;
             proxy_cookie_domain one.test two.test;
             proxy_cookie_flags a secure samesite=lax;
             location / { proxy_pass http://127.0.0.1:{port_up}; }
             location /hide/ {
                 proxy_pass http://127.0.0.1:{port_up}/;
                 proxy_hide_header Set-Cookie;
                 proxy_hide_header Content-Type;
                 proxy_hide_header Expires;
             }
             location /force/ { proxy_pass http://127.0.0.1:{port_up}/; proxy_force_ranges on; }
             location /errors/ {
                 proxy_pass http://127.0.0.1:{port_up}/;
                 proxy_intercept_errors on;
                 error_page 401 404 /file/x.txt;
             }
             location /file/ { root html; }
             location /text { return 200 text; }
             location /gif { empty_gif; }
             location /list/ { root html; autoindex on; }
             location @named { return 200 named; }
         }
         server {
             listen 127.0.0.1:{port_up};
             add_header X-Accel-Redirect $arg_to always;
             add_header Set-Cookie \"a=b; Path=/x/; Domain=one.test\" always;
             add_header Set-Cookie \"c=d; Path=/z/\" always;
             add_header Cache-Control max-age=5 always;
             add_header Expires \"Thu, 01 Jan 2099 00:00:00 GMT\" always;
             add_header Content-Disposition attachment always;
             add_header Content-Language de always;
             add_header Accept-Ranges none always;
             add_header WWW-Authenticate \"Basic realm=up\" always;
             add_header ETag \"\\\"up\\\"\" always;
             add_header X-Own 1 always;
             location / { default_type \"text/x-up; charset=koi8-r\"; return 200 up; }
             location /plain { default_type text/x-up; return 200 up; }
             location /last {
                 add_header Set-Cookie \"p=q; Path=/x/\";
                 default_type text/x-last;
                 return 200 last;
             }
             location /s401 { return 401; }
             location /s404 { return 404; }
         }",
    )
    .with_file("html/file/x.txt", "0123456789")
    .with_file("html/list/a", "a");
    let paths = [
        "/a?to=/file/x.txt",
        "/plain?to=/file/x.txt",
        "/a?to=/file/none",
        "/a?to=/text",
        "/a?to=@named",
        "/a?to=/gif",
        "/a?to=/list/",
        "/a?to=/last",
        "/hide/a?to=/file/x.txt",
        "/force/a?to=/file/x.txt",
        "/errors/s401",
        "/errors/s404",
        "/errors/s404?to=/text",
    ];
    Differential::new(builder)
        .with_exchanges(paths.iter().map(|path| Exchange::get(path, "")))
        .run();
}

/// A server before the one at `port`, to which connections are kept.
fn through(port: u16, rules: &str) -> Server {
    let text = format!(
        "upstream kept {{ server 127.0.0.1:{port}; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://kept; {rules} }}
             location /unkept {{ proxy_pass http://127.0.0.1:{port}; }}
         }}"
    );
    Server::new(&text)
        .allow_log("upstream")
        .allow_log("SSL")
        .start()
}

#[test]
fn connections_are_kept_unless_an_answer_makes_them_worthless() {
    let upstream = Scripted::answering(|_, stream, head| {
        let answer: &[u8] = match head {
            head if head.starts_with(b"GET /surplus") => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil"
            }
            head if head.starts_with(b"GET /early") => {
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\
                  Content-Length: 2\r\n\r\nok"
            }
            head if head.starts_with(b"GET /none") => b"HTTP/1.1 204 No Content\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        };
        stream.write_all(answer).is_ok() && !head.starts_with(b"GET /surplus")
    });
    let port = upstream.port();
    let server = through(port, "");
    let mut client = server.connect();
    let paths = [
        "/unkept", "/unkept", "/1", "/early", "/none", "/surplus", "/2",
    ];
    for path in paths {
        let answer = client.get(path);
        let expected = if path == "/none" { "" } else { "ok" };
        assert_eq!(answer.text(), expected, "{path}");
    }
    let requests = upstream.requests().into_iter();
    let connections: Vec<usize> = requests.map(|(number, _)| number).collect();
    // Those to an address without a group are not, as in nginx.
    assert_eq!(connections, [0, 1, 2, 2, 2, 2, 3]);
}

#[test]
fn a_cut_answer_never_looks_complete() {
    let upstream = Scripted::answering(|_, stream, head| {
        let answer: &[u8] = if head.starts_with(b"GET /chunks") {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
        };
        let _ = stream.write_all(answer);
        false
    });
    let port = upstream.port();
    let server = through(port, "");
    for path in ["/length", "/chunks"] {
        let mut client = server.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        client.send(request).expect("sent");
        let bytes = client.read_to_end().expect("closed");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("hello"), "{text}");
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    }
    server.wait_for_error_log("upstream prematurely closed connection while reading upstream");
}

#[test]
fn an_ambiguous_answer_is_a_502() {
    let upstream = Scripted::answering(|number, stream, _| {
        let answer: &[u8] = match number {
            0 => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
            1 => b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\nok",
            2 => b"hello\r\n\r\n",
            3 => b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nok",
        };
        let _ = stream.write_all(answer);
        false
    });
    let port = upstream.port();
    let server = through(port, "");
    for _ in 0..5 {
        assert_eq!(server.get("/").status, 502);
    }
    let log = server.error_log();
    assert!(
        log.contains("\"Content-Length\" and \"Transfer-Encoding\" headers"),
        "{log}"
    );
    assert!(
        log.contains(&format!(", upstream: \"http://127.0.0.1:{port}/\"")),
        "{log}"
    );
}

#[test]
fn what_is_for_the_next_hop_alone_goes_no_further() {
    let upstream = Scripted::answering(|_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nConnection: X-Also\r\n\
                       X-Hop: 1\r\nX-Far: 1\r\nX-Also: 1\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(answer);
        false
    });
    let port = upstream.port();
    let server = through(port, "");
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Secret\r\n\
                   Connection: X-Also\r\nX-Secret: 1\r\nX-Also: 1\r\nX-Other: 1\r\n\r\n";
    let answer = server.request(request);
    assert_eq!(answer.header("X-Hop"), None);
    assert_eq!(answer.header("X-Also"), None);
    assert_eq!(answer.header("X-Far"), Some("1"));
    let (_, head) = upstream.requests().pop().expect("a request");
    assert!(
        !head.contains("X-Secret") && !head.contains("X-Also") && head.contains("X-Other: 1"),
        "{head}"
    );
}

#[test]
fn a_switch_of_protocols_joins_both_sides() {
    let upstream = Scripted::answering(|_, stream, head| {
        assert!(
            head.windows(17)
                .any(|part| part == b"Upgrade: echo\r\n\r\n" || part == b"Connection: upgra")
        );
        let _ = stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhi ",
        );
        let mut bytes = [0; 16];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            if stream.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        false
    });
    let port = upstream.port();
    let rules = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    let server = through(port, rules);
    let mut client = server.connect();
    client
        .send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        .expect("sent");
    let mut stream = client.stream();
    let head = read_head(&mut stream.try_clone().expect("a clone")).expect("a head");
    assert!(head.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    for word in ["hi ", "there"] {
        if word != "hi " {
            stream.write_all(word.as_bytes()).expect("sent");
        }
        let mut got = vec![0; word.len()];
        stream.read_exact(&mut got).expect("an echo");
        assert_eq!(got, word.as_bytes());
    }
    stream.shutdown(std::net::Shutdown::Write).expect("ended");
    assert_eq!(stream.read(&mut [0; 1]).expect("closed"), 0);
}

#[test]
fn a_client_that_leaves_takes_the_connection_with_it() {
    let (gone, is_gone) = channel();
    let upstream = Scripted::answering(move |_, stream, _| {
        // No answer: the next thing to see is the end.
        let ended = matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_));
        let _ = gone.send(ended);
        false
    });
    let port = upstream.port();
    let server = through(port, "");
    let mut client = server.connect();
    client
        .send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    assert!(upstream.waits_for(|seen| seen.iter().any(|one| !one.requests.is_empty())));
    drop(client);
    let ended = is_gone.recv_timeout(Duration::from_secs(5));
    assert_eq!(ended, Ok(true));
}

#[test]
fn what_is_stored_is_served_without_the_other_server() {
    let upstream = Scripted::answering(|_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\
                       Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nstored";
        stream.write_all(answer).is_ok()
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{ root stored; error_page 404 = @fetch; log_not_found off; }}
         location @fetch {{
             internal;
             proxy_pass http://127.0.0.1:{port};
             proxy_store on;
             proxy_store_access user:rw group:r;
             root stored;
         }}"
    ))
    .with_main("user root;")
    .start();
    for _ in 0..3 {
        let answer = server.get("/a/b.txt");
        assert_eq!((answer.status, answer.text()), (200, "stored".to_owned()));
        let modified = answer.header("Last-Modified");
        assert_eq!(modified, Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn pages_know_the_servers_that_they_come_from() {
    let shown = "[<!--#echo var=\"upstream_addr\" default=\"none\" -->|\
                 <!--#echo var=\"upstream_status\" default=\"none\" -->|\
                 <!--#echo var=\"upstream_http_x_up\" default=\"none\" -->]";
    let include = |uri: &str| format!("<!--#include virtual=\"{uri}\" wait=\"yes\" -->");
    let page = format!(
        "{shown}{}{shown}{}{shown}{}",
        include("/inc.html"),
        include("/two/inc.html"),
        include("/local/inc.html")
    );
    let builder = Server::new(
        "ssi on;
         server {
             listen 127.0.0.1:{port};
             location / { proxy_pass http://127.0.0.1:{port_up}; }
             location /two/ { proxy_pass http://127.0.0.1:{port_two}; }
             location /local/ { root html; }
         }
         server { listen 127.0.0.1:{port_up}; ssi off; add_header X-Up one; root html; }
         server { listen 127.0.0.1:{port_two}; ssi off; add_header X-Up two; root html; }",
    )
    .with_file("html/page.html", &page)
    .with_file("html/local/page.html", &page)
    .with_file("html/inc.html", shown)
    .with_file("html/two/inc.html", shown)
    .with_file("html/local/inc.html", shown);
    Differential::new(builder)
        .with_exchanges(["/page.html", "/local/page.html"].map(|path| Exchange::get(path, "")))
        .run();
}
