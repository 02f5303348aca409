//! The error log's lines: what identifies a request, as text and as JSON.

use harness::Server;

const TAGGED: &str = r#"
    error_log logs/tagged.log;
    error_log logs/tagged.json error json;
    log_format when '$time_iso8601_ms|$time_iso8601';
    map $arg_x $cyclic { default $cyclic2; }
    map $arg_x $cyclic2 { default $cyclic; }
    server {
        listen 127.0.0.1:{port};
        server_name example.com;
        error_log_tag host_of_server $server_name;
        error_log_tag "odd name" "$arg_x";
        access_log logs/when.log when;
        location /own/ { error_log_tag id $request_uri; }
        location /cycle/ { error_log_tag id $cyclic; }
        location / { }
        location /up/ { proxy_pass http://127.0.0.1:{port_closed}; }
    }
"#;

#[test]
fn tags_are_added_to_what_identifies_a_request() {
    let server = Server::new(TAGGED).start();
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        server.request(request)
    };
    assert_eq!(get("/gone?x=a%22b").status, 404);
    assert_eq!(get("/own/gone?x=1").status, 404);
    let lines = server.log_lines("tagged.log", 2);
    let end =
        r#", client: 127.0.0.1, server: example.com, request: "GET /gone?x=a%22b HTTP/1.1", "#;
    let tags = r#"host: "h", host_of_server: "example.com", odd name: "a%22b""#;
    assert!(lines[0].ends_with(&format!("{end}{tags}")), "{}", lines[0]);
    assert!(
        lines[1].ends_with(r#", host: "h", id: "/own/gone?x=1""#),
        "a level's own replace"
    );
}

#[test]
fn json_has_a_member_for_each_fact() {
    let server = Server::new(TAGGED).start();
    assert_eq!(server.get("/gone?x=%5c\\").status, 404);
    assert_eq!(server.get("/up/").status, 502);
    let lines = server.log_lines("tagged.json", 2);
    let shown = lines.join("\n");
    for member in [
        r#"{"level":"error","timestamp":""#,
        r#","client":"127.0.0.1","server":"example.com","request":"GET /gone?x=%5c\\ HTTP/1.1","host":""#,
        r#","odd name":"%5c\\","errno":2,"errtext":"No such file or directory"}"#,
        r#""msg":"connect() failed while connecting to upstream","#,
        r#","upstream":"http://127.0.0.1:"#,
        r#""errno":111,"errtext":"Connection refused"}"#,
    ] {
        assert!(shown.contains(member), "{member} in {shown}");
    }
}

#[test]
fn a_tag_that_cannot_be_computed_ends_nothing() {
    let server = Server::new(TAGGED).start();
    assert_eq!(server.get("/cycle/gone").status, 404);
    let lines = server.log_lines("tagged.log", 2);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("cycle while evaluating variable"))
    );
    assert!(lines.iter().any(|line| line.ends_with(r#", id: """#)));
}

#[test]
fn times_have_milliseconds() {
    let server = Server::new(TAGGED).start();
    assert_eq!(server.get("/gone").status, 404);
    let line = &server.log_lines("when.log", 1)[0];
    let (long, short) = line.split_once('|').expect("two times");
    assert_eq!([&long[..19], &long[23..]].concat(), short);
    assert!(long[19..].starts_with('.'), "{long}");
}
