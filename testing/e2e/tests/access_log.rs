//! `access_log`: what is written where, and when.

use harness::{Binary, Differential, Exchange, Server, skip};

/// The lines that `server` has written to `logs/NAME` by its end.
fn lines_at_end(server: Server, name: &str) -> Vec<String> {
    let path = server.path(format!("logs/{name}"));
    server.signal(harness::Signal::Quit);
    let mut server = server;
    server.wait_exit(std::time::Duration::from_secs(10));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn combined_is_what_tools_parse() {
    let server =
        Server::of_one("access_log logs/access.log; location / { return 200 hello; }").start();
    let _ = server.request(
        "GET /a?b=%22 HTTP/1.1\r\nHost: x\r\nUser-Agent: a\"b\\\x01\r\nReferer: /r\r\n\
         Authorization: Basic YW5uOng=\r\nConnection: close\r\n\r\n",
    );
    let _ = server.request("HEAD / HTTP/1.0\r\n\r\n");
    let _ = server.request("nonsense\r\n\r\n");
    let lines = server.log_lines("access.log", 3);
    let without_time = |line: &String| {
        let (start, rest) = line.split_once('[').expect("a time");
        let (time, end) = rest.split_once(']').expect("the end of the time");
        assert_eq!(time.len(), "10/Oct/2000:13:55:36 +0000".len());
        format!("{start}{end}")
    };
    let lines: Vec<String> = lines.iter().map(without_time).collect();
    assert_eq!(
        lines[0],
        "127.0.0.1 - ann  \"GET /a?b=%22 HTTP/1.1\" 200 5 \"/r\" \"a\\x22b\\x5C\\x01\""
    );
    assert_eq!(
        lines[1],
        "127.0.0.1 - -  \"HEAD / HTTP/1.0\" 200 0 \"-\" \"-\""
    );
    assert!(
        lines[2].starts_with("127.0.0.1 - -  \"nonsense\" 400 "),
        "{}",
        lines[2]
    );
}

#[test]
fn conditions_choose_and_off_ends_it() {
    let server = Server::new(
        "log_format uri $uri;
         server {
             listen 127.0.0.1:{port};
             access_log logs/all.log uri;
             location / { return 200 x; }
             location /some { access_log logs/some.log uri if=$arg_log; return 200 x; }
             location /two { access_log logs/some.log uri; access_log logs/all.log uri; return 200 x; }
             location /off { access_log off; return 200 x; }
         }",
    )
    .start();
    for path in ["/some/1", "/some/2?log=0", "/some/3?log=", "/some/4?log=1"] {
        let _ = server.get(path);
    }
    for path in ["/off", "/two", "/"] {
        let _ = server.get(path);
    }
    assert_eq!(server.log_lines("some.log", 2), ["/some/4", "/two"]);
    assert_eq!(server.log_lines("all.log", 2), ["/two", "/"]);
}

/// Lines wait in the buffer, until it is full, it is time, or the server ends.
#[test]
fn buffers_are_written_at_the_latest_at_the_end() {
    let server = Server::new(
        "log_format uri $uri;
         server {
             listen 127.0.0.1:{port};
             location / { access_log logs/end.log uri buffer=1m; return 200 x; }
             location /soon { access_log logs/soon.log uri buffer=1m flush=50ms; return 200 x; }
         }",
    )
    .start();
    let _ = server.get("/1");
    let _ = server.get("/soon");
    assert_eq!(server.log_lines("soon.log", 1), ["/soon"]);
    let text = std::fs::read_to_string(server.path("logs/end.log"));
    assert_eq!(text.unwrap_or_default(), "", "not yet");
    assert_eq!(lines_at_end(server, "end.log"), ["/1"]);
}

#[test]
fn a_log_is_compressed_buffer_by_buffer() {
    let server = Server::new(
        "log_format uri $uri;
         server {
             listen 127.0.0.1:{port};
             location / { access_log logs/small.gz uri gzip flush=20ms; return 200 x; }
         }",
    )
    .start();
    let _ = server.get("/1");
    let log = server.path("logs/small.gz");
    let is_written = || std::fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0);
    assert!(harness::clock::becomes_true(
        std::time::Duration::from_secs(20),
        is_written
    ));
    let bytes = std::fs::read(&log).unwrap_or_default();
    assert_eq!(bytes.get(..3), Some(&[0x1f, 0x8b, 8][..]), "a gzip member");
}

/// Clients must not make files by naming hosts that there are not.
#[test]
fn variables_name_files_only_of_roots_that_are() {
    let server = Server::new(
        "log_format uri $uri;
         server {
             listen 127.0.0.1:{port};
             root html/$arg_host;
             access_log logs/$arg_host.log uri;
             location / { return 200 x; }
             location /kept { open_log_file_cache max=2; return 200 x; }
         }",
    )
    // The worker makes the files, in a folder of whoever runs the test.
    .with_main("user root;")
    .with_file("html/here/x", "")
    .allow_log("open() ")
    .start();
    let _ = server.get("/1?host=here");
    let _ = server.get("/kept/2?host=here");
    let _ = server.get("/kept/3?host=here");
    let _ = server.get("/4?host=nowhere");
    assert_eq!(
        server.log_lines("here.log", 3),
        ["/1", "/kept/2", "/kept/3"]
    );
    server.wait_for_error_log("existence failed (2: No such file or directory)");
    assert!(!server.path("logs/nowhere.log").exists());
}

#[test]
fn json_is_there_without_being_defined() {
    if harness::nginx_is_tested() {
        return skip::skip("the format json is ours");
    }
    let server =
        Server::of_one("access_log logs/j.log json; location / { return 200 hello; }").start();
    let _ = server.request(
        "GET /a\"b HTTP/1.1\r\nHost: x\r\nUser-Agent: q\"\\\tz\r\nConnection: close\r\n\r\n",
    );
    let line = server.log_lines("j.log", 1).remove(0);
    for part in [
        "\"remote_addr\":\"127.0.0.1\",",
        "\"method\":\"GET\",",
        "\"uri\":\"/a\\\"b\",",
        "\"status\":200,",
        "\"body_bytes_sent\":5,",
        "\"referer\":\"\",",
        "\"user_agent\":\"q\\\"\\\\\\tz\",",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(
        line.starts_with("{\"time\":\"20") && line.ends_with("\"}"),
        "{line}"
    );
}

#[test]
fn own_formats_come_before_the_built_in_one() {
    let server = Server::new(
        "log_format json escape=json '{\"u\":\"$uri\",\"n\":\"$http_nosuch\"}';
         log_format none escape=none $arg_q;
         server {
             listen 127.0.0.1:{port};
             access_log logs/json.log json;
             access_log logs/none.log none;
             location / { return 200 x; }
         }",
    )
    .start();
    let _ = server.get("/%22%01?q=\"%\\");
    assert_eq!(
        server.log_lines("json.log", 1),
        ["{\"u\":\"/\\\"\\u0001\",\"n\":\"\"}"]
    );
    assert_eq!(server.log_lines("none.log", 1), ["\"%\\"]);
}

#[test]
fn refusals_are_worded_as_nginx_words_them() {
    for (inside, message) in [
        ("access_log a nosuch;", "unknown log format \"nosuch\""),
        (
            "access_log a combined buffer=x;",
            "invalid buffer size \"x\"",
        ),
        (
            "access_log a combined flush=1s;",
            "no buffer is defined for access_log \"a\"",
        ),
        (
            "access_log a$uri combined gzip;",
            "buffered logs cannot have variables in name",
        ),
    ] {
        let output = Server::of_one(inside).run(&["-t"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(message), "{said}");
        assert!(!output.status.success());
    }
}

/// Logging must not change an answer, whatever its way of ending.
#[test]
fn answers_are_the_same_with_a_log() {
    let builder = Server::of_one(
        "access_log logs/a.log; access_log logs/$host.log;
         location /close { return 444; }
         location /error { return 500; }
         location / { return 200 x; }",
    );
    Differential::new(builder)
        .with_exchanges([
            Exchange::get("/", ""),
            Exchange::get("/close", ""),
            Exchange::get("/error", ""),
            Exchange::new("nonsense\r\n\r\n"),
        ])
        .run();
}

/// Links that `disable_symlinks` refuses are not followed to logs that requests name either.
#[test]
fn logs_that_requests_name_are_no_links() {
    let conf = r#"
        location /on { disable_symlinks on; access_log logs/$arg_to; return 200 x; }
        location /cached {
            disable_symlinks on; open_log_file_cache max=4; access_log logs/$arg_to; return 200 x;
        }
        location /off { access_log logs/$arg_to; return 200 x; }
        location /owner { disable_symlinks if_not_owner; access_log logs/$arg_to; return 200 x; }
    "#;
    for binary in [Binary::Tidegate, Binary::Nginx] {
        if !binary.is_available() {
            skip::skip("nginx is not installed");
            continue;
        }
        let server = Server::of_one(conf)
            .binary(binary.clone())
            .with_main("user root;")
            .allow_log("open")
            .with_file("html/a", "")
            .start();
        let logs = server.path("logs");
        std::os::unix::fs::symlink("target.log", logs.join("link.log")).unwrap();
        std::fs::write(logs.join("target.log"), "").unwrap();
        std::os::unix::fs::symlink("/", logs.join("folder")).unwrap();
        for path in ["/on", "/cached"] {
            assert_eq!(server.get(&format!("{path}?to=link.log")).status, 200);
            assert_eq!(server.get(&format!("{path}?to=plain.log")).status, 200);
            assert_eq!(
                server
                    .get(&format!("{path}?to=folder/tmp/none/x.log"))
                    .status,
                200
            );
        }
        assert_eq!(server.log_lines("plain.log", 2).len(), 2);
        assert_eq!(server.prefix().read("logs/target.log"), "", "{binary:?}");
        for path in ["/owner", "/off"] {
            assert_eq!(server.get(&format!("{path}?to=link.log")).status, 200);
        }
        let followed = server.log_lines("target.log", 1);
        assert!(followed[0].contains("/off"), "{followed:?}");
        server.wait_for_error_log("Too many levels of symbolic links");
    }
}
