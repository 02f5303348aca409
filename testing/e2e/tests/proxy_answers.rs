//! What fields of another server's answer mean when they are old, repeated, empty or missing.

use harness::Server;
use harness::scripted::Scripted;
use std::io::{Read, Write};
use std::sync::mpsc::channel;

/// A server that answers each request with what `answers` has for its path.
fn answering(answers: &'static [(&str, &str)]) -> Scripted {
    Scripted::answering(move |_, stream, head| {
        let head = String::from_utf8_lossy(head);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let found = answers.iter().find(|(known, _)| *known == path);
        let (_, fields) = found.expect("a known path");
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 10\r\n\r\n0123456789");
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

/// A server before one that answers so.
fn before(answers: &'static [(&str, &str)], locations: &str) -> (Server, Scripted) {
    let upstream = answering(answers);
    let server = Server::of_one(locations)
        .with_port("up", upstream.port())
        .allow_log("upstream")
        .allow_log("too large body")
        .allow_log("[crit]")
        .allow_log("unsafe URI")
        .start();
    (server, upstream)
}

/// Dates were read in the format of today alone, so an answer with another seemed to have none.
#[test]
fn dates_in_obsolete_formats_are_dates() {
    const ANSWERS: &[(&str, &str)] = &[
        ("/imf", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        (
            "/rfc850",
            "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
        ),
        ("/asctime", "Last-Modified: Sun Nov  6 08:49:37 1994\r\n"),
        ("/none", "Last-Modified: yesterday\r\n"),
    ];
    let location = "location / {
        proxy_pass http://127.0.0.1:{port_up};
        proxy_force_ranges on;
        expires modified +1h;
    }";
    let (server, _upstream) = before(ANSWERS, location);
    for (path, fields) in ANSWERS {
        let date = "If-Range: Sun, 06 Nov 1994 08:49:37 GMT";
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\n{date}\r\n\r\n");
        let answer = server.request(request);
        let is_date = *path != "/none";
        let status = if is_date { 206 } else { 200 };
        assert_eq!(answer.status, status, "{path}");
        let expires = answer.header("Expires") == Some("Sun, 06 Nov 1994 09:49:37 GMT");
        assert_eq!(expires, is_date, "{path}");
        let said = answer.header("Last-Modified").expect("a date");
        assert!(fields.contains(said), "{said}");
    }
}

#[test]
fn a_redirecting_answer_lends_its_type() {
    const ANSWERS: &[(&str, &str)] = &[
        (
            "/to/plain",
            "X-Accel-Redirect: /plain\r\nContent-Type: text/x; charset=koi8-r\r\n",
        ),
        (
            "/to/typed",
            "X-Accel-Redirect: /typed\r\nContent-Type: text/x; charset=koi8-r\r\n",
        ),
        (
            "/to/twice",
            "X-Accel-Redirect: /to/bare\r\nContent-Type: text/x; charset=koi8-r\r\n",
        ),
        (
            "/to/bare",
            "X-Accel-Redirect: /plain\r\nContent-Type: text/z\r\n",
        ),
        ("/to/nowhere", "X-Accel-Redirect: \r\n"),
        ("/plain", "X-Up: 1\r\n"),
        ("/typed", "Content-Type: text/y\r\n"),
    ];
    let (server, _upstream) = before(
        ANSWERS,
        "location / { proxy_pass http://127.0.0.1:{port_up}; }",
    );
    let kind = |path| server.get(path).header("Content-Type").map(str::to_owned);
    assert_eq!(kind("/to/plain").as_deref(), Some("text/x; charset=koi8-r"));
    // Its charset is another matter, as in nginx.
    assert_eq!(kind("/to/typed").as_deref(), Some("text/y; charset=koi8-r"));
    // Of two the last lends each of them that it has.
    assert_eq!(kind("/to/twice").as_deref(), Some("text/z; charset=koi8-r"));
    assert_eq!(kind("/plain"), None);
    assert_eq!(server.get("/to/nowhere").status, 404);
}

#[test]
fn variables_have_of_repeated_fields_what_counts() {
    const ANSWERS: &[(&str, &str)] = &[
        (
            "/repeated",
            "ETag: a\r\nETag: b\r\nLast-Modified: c\r\nLast-Modified: d\r\nX-Accel-Expires: 1\r\n\
             X-Accel-Expires: 2\r\nX-Own: e\r\nX-Own: f\r\nDate: then\r\nServer: it\r\n\
             Content-Encoding: g\r\nContent-Encoding: h\r\n",
        ),
        ("/bare", "Content-Type:\r\n"),
    ];
    let upstream = answering(ANSWERS);
    let port = upstream.port();
    let http = "log_format seen '$upstream_http_etag|$upstream_http_last_modified|$upstream_http_x_accel_expires|'
                     '$upstream_http_x_own|$sent_http_content_encoding|'
                     '$upstream_http_date|$upstream_http_server|$upstream_http_x_none|'
                     '$sent_http_date|$sent_http_server|$sent_http_content_type';
         server {
             listen 127.0.0.1:{port};
             location / {
                 proxy_pass http://127.0.0.1:{port_up};
                 proxy_pass_header Date;
                 proxy_pass_header Server;
                 access_log logs/seen.log seen;
             }
         }";
    let server = Server::new(http)
        .with_port("up", port)
        .allow_log("upstream sent duplicate header line")
        .start();
    for path in ["/repeated", "/bare"] {
        assert_eq!(server.get(path).status, 200);
    }
    let lines = server.log_lines("seen.log", 2);
    assert_eq!(lines[0], "a|c|1|e, f|g, h|then|it|-|then|it|-");
    // nginx has an answer's Date and Server always, be there nothing in them.
    assert_eq!(lines[1], "-|-|-|-|-|||-|-|-|-");
    let log = server.error_log();
    for name in ["ETag", "Last-Modified", "X-Accel-Expires"] {
        let line = format!("upstream sent duplicate header line: \"{name}: ");
        assert!(log.contains(&line), "{name}: {log}");
    }
}

/// A kept connection that ends before an answer is nobody's fault. One that ends within an answer
/// is the server's, which was not told apart.
#[test]
fn an_answer_that_breaks_off_counts_against_its_server() {
    for (part, is_counted) in [("", false), ("HTTP/1.1 2", true)] {
        let upstream = Scripted::answering(move |number, stream, head| {
            if number == 0 && head.starts_with(b"GET /again") {
                assert!(stream.write_all(part.as_bytes()).is_ok());
                return false;
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .is_ok()
        });
        let port = upstream.port();
        let server = Server::new(&format!(
            "upstream u {{ server 127.0.0.1:{port}; server 127.0.0.1:1 backup; }}
             server {{ listen 127.0.0.1:{{port}}; location / {{ proxy_pass http://u; }} }}"
        ))
        .allow_log("prematurely closed")
        .allow_log("reset by peer")
        .allow_log("temporarily disabled")
        .allow_log("Connection refused")
        .start();
        assert_eq!(server.get("/").text(), "ok");
        let status = server.get("/again").status;
        assert_eq!(status == 200, !is_counted, "{part}: {status}");
        let line =
            "upstream server temporarily disabled while reading response header from upstream";
        assert_eq!(server.error_log().contains(line), is_counted, "{part}");
    }
}

/// What a client had no room for waited for the response, though there was room again.
#[test]
fn hints_that_had_no_room_leave_when_there_is() {
    const COUNT: usize = 80;
    let link = "a".repeat(100_000);
    let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: <{link}>\r\n\r\n");
    let mut hints = vec![0; hint.len() * COUNT];
    let (go, may_go) = channel::<()>();
    let (tell, told) = channel::<()>();
    let upstream = Scripted::answering(move |_, stream, _| {
        let are_sent = (0..COUNT).all(|_| stream.write_all(hint.as_bytes()).is_ok());
        are_sent
            && tell.send(()).is_ok()
            && may_go.recv().is_ok()
            && stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok()
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{
             proxy_pass http://127.0.0.1:{port};
             proxy_buffer_size 16m;
             proxy_buffers 8 16m;
             proxy_busy_buffers_size 16m;
             early_hints 1;
         }}
         location /turn {{ return 200 turned; }}"
    ))
    .start();
    let mut client = server.connect();
    client
        .send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut stream = client.stream().try_clone().expect("a clone");
    // By then the worker has read them all, and has nothing left to do.
    told.recv().expect("the hints are sent");
    for _ in 0..100 {
        assert_eq!(server.get("/turn").text(), "turned");
    }
    stream.read_exact(&mut hints).expect("all hints");
    go.send(()).expect("the server waits");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an answer");
    assert!(rest.starts_with("HTTP/1.1 204 "), "{rest}");
}

/// Where a server sends a request is a name as it stands, and never one that climbs: names were
/// read as a client's, so that `#` ended them and `..` was resolved.
#[test]
fn where_a_redirecting_answer_leads() {
    const ANSWERS: &[(&str, &str)] = &[
        ("/plain", "X-Accel-Redirect: /to/a?b=c\r\n"),
        ("/sharp", "X-Accel-Redirect: /to/a#b//c\r\n"),
        ("/escaped", "X-Accel-Redirect: /to/a%23%20b?c=%20\r\n"),
        ("/climbing", "X-Accel-Redirect: /to/../to/a\r\n"),
        ("/hidden", "X-Accel-Redirect: /to/%2e%2e/to/a\r\n"),
        ("/query", "X-Accel-Redirect: ?b=c\r\n"),
        ("/nowhere", "X-Accel-Redirect: to/a\r\n"),
    ];
    let (server, _upstream) = before(
        ANSWERS,
        "location / { proxy_pass http://127.0.0.1:{port_up}; }
         location /to/ { internal; return 200 \"$uri $args\"; }",
    );
    let led_to = |path| server.get(path).text();
    assert_eq!(led_to("/plain"), "/to/a b=c");
    assert_eq!(led_to("/sharp"), "/to/a#b//c ");
    assert_eq!(led_to("/escaped"), "/to/a# b c=%20");
    for path in ["/climbing", "/hidden", "/query", "/nowhere"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

/// What the configuration passes stayed hidden where it was hidden there too.
#[test]
fn a_field_that_is_passed_is_not_hidden() {
    const ANSWERS: &[(&str, &str)] = &[("/", "X-One: 1\r\nX-Two: 2\r\nX-Pad: 3\r\n")];
    let (server, _upstream) = before(
        ANSWERS,
        "location / {
             proxy_pass http://127.0.0.1:{port_up};
             proxy_hide_header X-One;
             proxy_hide_header X-Two;
             proxy_pass_header x-one;
             proxy_pass_header X-Pad;
         }",
    );
    let answer = server.get("/");
    assert_eq!(answer.header("X-One"), Some("1"));
    assert_eq!(answer.header("X-Two"), None);
    assert_eq!(answer.header("X-Pad"), Some("3"));
}

/// A charset was told in our own words: `; charset=utf-8`, whatever the server had written.
#[test]
fn types_are_passed_as_they_are_said() {
    const ANSWERS: &[(&str, &str)] = &[
        ("/plain", "Content-Type: text/html; charset=utf-8\r\n"),
        ("/narrow", "Content-Type: text/html;charset=UTF-8\r\n"),
        ("/quoted", "Content-Type: text/html; charset=\"utf-8\"\r\n"),
        ("/loud", "Content-Type: text/html ; Charset=utf-8\r\n"),
        ("/changed", "Content-Type: text/html;charset=UTF-8\r\n"),
        ("/longer", "Content-Type: text/html;charset=not-x\r\n"),
    ];
    let upstream = answering(ANSWERS);
    let server = Server::new(
        "charset_map not-x x { 80 81; }
         override_charset on;
         server {
             listen 127.0.0.1:{port};
             location / { proxy_pass http://127.0.0.1:{port_up}; }
             location /changed { proxy_pass http://127.0.0.1:{port_up}; charset utf-8; }
             location /longer { proxy_pass http://127.0.0.1:{port_up}; charset x; }
         }",
    )
    .with_port("up", upstream.port())
    .start();
    for (path, field) in ANSWERS {
        let answer = server.get(path);
        let kind = answer.header("Content-Type").expect("a type");
        match *path {
            "/changed" => assert_eq!(kind, "text/html; charset=utf-8"),
            "/longer" => assert_eq!(kind, "text/html; charset=x"),
            _ => assert_eq!(format!("Content-Type: {kind}\r\n"), *field),
        }
    }
}

/// Of a path that the client wrote without escapes, nginx replaces the beginning and changes
/// nothing; some bytes were escaped here.
#[test]
fn what_is_written_plainly_is_asked_for_plainly() {
    let upstream = Scripted::answering(|_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(answer).is_ok()
    });
    let server = Server::of_one(
        "location /a/ { proxy_pass http://127.0.0.1:{port_up}/b/; }
         location /rewritten { rewrite ^ /c|d break; proxy_pass http://127.0.0.1:{port_up}/; }
         location /body/ {
             proxy_pass http://127.0.0.1:{port_up};
             proxy_set_header X-Own 1;
         }",
    )
    .with_port("up", upstream.port())
    .start();
    let asked = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(server.request(request).status, 200, "{path}");
        let (_, head) = upstream.requests().pop().expect("a request");
        head.split(' ').nth(1).map(str::to_owned)
    };
    let is_asked = |path, expected: &str| assert_eq!(asked(path).as_deref(), Some(expected));
    is_asked("/a/x|{y}//\u{e4}?\"z", "/b/x|{y}/\u{e4}?\"z");
    is_asked("/a/x|%7By%7D/\u{e4}?z", "/b/x%7C%7By%7D/%C3%A4?z");
    is_asked("/rewritten", "/c%7Cd");
}

/// What is not the server's doing is not its status, and what operators look for is in the log.
#[test]
fn faults_that_are_no_servers_are_told_as_such() {
    const ANSWERS: &[(&str, &str)] = &[("/", "")];
    let (server, _upstream) = before(
        ANSWERS,
        "location / { proxy_pass http://127.0.0.1:{port_up}; }
         location /small/ { proxy_pass http://127.0.0.1:{port_up}; client_max_body_size 1; }
         location /far/ {
             proxy_pass http://127.0.0.1:{port_up};
             proxy_bind 192.0.2.1;
             error_page 500 /status;
         }
         location /status { return 200 $upstream_status; }
         location /empty/ { proxy_pass http://$arg_none; }",
    );
    assert_eq!(server.get("/far/").text(), "-");
    assert_eq!(server.get("/empty/").status, 500);
    let request = "POST /small/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(server.request(request).status, 413);
    let log = server.error_log();
    for line in [
        "bind(192.0.2.1) failed (99: Cannot assign requested address)",
        "invalid URL prefix in \"http://\"",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    let is_error =
        |line: &&str| line.contains("[error]") && line.contains("too large body: 2 bytes");
    assert!(log.lines().any(|line| is_error(&line)), "{log}");
}

#[test]
fn bytes_beyond_an_answer_are_warned_of() {
    let upstream = Scripted::answering(|_, stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay";
        let _ = stream.write_all(answer);
        false
    });
    let port = upstream.port();
    let server = Server::of_one(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; }}"
    ))
    .allow_log("more data than specified")
    .start();
    assert_eq!(server.get("/").text(), "ok");
    let line = "[warn] upstream sent more data than specified in \"Content-Length\" header while";
    let log = server.error_log();
    let has_it = log.lines().any(|one| {
        line.split_once(' ')
            .is_some_and(|(level, text)| one.contains(level) && one.contains(text))
    });
    assert!(has_it, "{log}");
}

/// Whether a client got several ranges depended on how the answer had arrived.
#[test]
fn several_ranges_of_an_answer_are_all_of_it() {
    let upstream = Scripted::answering(|_, stream, _| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
        stream.write_all(head).is_ok()
    });
    let server = Server::of_one(
        "location / { proxy_pass http://127.0.0.1:{port_up}; proxy_force_ranges on; }",
    )
    .with_port("up", upstream.port())
    .start();
    for (range, status, body) in [("1-2,4-5", 200, "0123456789"), ("1-2", 206, "12")] {
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\nRange: bytes={range}\r\n\r\n");
        let answer = server.request(request);
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
    }
}
