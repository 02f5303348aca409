//! Lines of the access log for the same requests: the same as in nginx.

use harness::{Binary, Builder, Server, Signal, skip};
use std::time::Duration;

/// Variables whose value is the same whoever serves, by log: its name with the parameters of
/// `log_format`, and its format. Sizes stand as `size=N`, and the status stands last where they do.
const FORMATS: [(&str, &str); 7] = [
    (
        "usual",
        "$remote_addr - $remote_user [$request] size=$body_bytes_sent $http_referer \
         $http_user_agent status $status",
    ),
    (
        "request",
        "$request|$request_method|$request_uri|$uri|$document_uri|$args|$query_string|$is_args|\
         $arg_a|$arg_b|$server_protocol|$request_length|$content_length|$content_type",
    ),
    (
        "fields",
        "$host|$http_host|$http_user_agent|$http_referer|$http_cookie|$cookie_c|$http_x_many|\
         $http_x_none|$http_accept|$remote_user",
    ),
    (
        "answer",
        "size=$body_bytes_sent size=$sent_http_content_length $sent_http_content_type|\
         $sent_http_location|$sent_http_etag|$sent_http_last_modified|$sent_http_content_range|\
         $sent_http_x_added|$request_completion|$sent_http_accept_ranges| status $status",
    ),
    (
        "place",
        "$server_name|$server_addr|$remote_addr|$scheme|$https|$document_root|$realpath_root|\
         $request_filename|$limit_rate|$pipe|$binary_remote_addr|$connection_requests",
    ),
    (
        "json escape=json",
        r#"{"u":"$uri","r":"$request","h":"$http_user_agent","x":"$http_x_none"}"#,
    ),
    ("none escape=none", "$request|$http_user_agent|$http_x_none"),
];

const SERVERS: &str = r#"
    server {
        listen 127.0.0.1:{port};
        server_name first.test;
        location / { add_header X-Added "added $uri"; }
        location /return { return 200 text; }
        location /moved { return 301 /target; }
        location /rewritten { rewrite ^ /a.txt?from=rewrite last; }
        location /gone { error_page 404 /page.html; return 404; }
        location /hangup { return 444; }
        location /quiet { access_log off; return 200 q; }
        location /conditional { access_log logs/request.log request if=$arg_log; return 200 c; }
        location /rate { limit_rate 100k; alias html/a.txt; }
    }
    server { listen 127.0.0.1:{port}; server_name second.test; return 204; }
"#;

fn builder() -> Builder {
    let mut http = String::new();
    for (head, format) in FORMATS {
        http += &format!("log_format {head} '{format}';\n");
    }
    for (head, _) in FORMATS {
        let name = name_of(head);
        http += &format!("access_log logs/{name}.log {name};\n");
    }
    Server::new(&(http + SERVERS))
        .with_file("html/a.txt", "abcdef")
        .with_file("html/page.html", "page")
        .with_file("html/folder/index.html", "index")
}

/// The name in front of a format's parameters.
fn name_of(head: &str) -> &str {
    head.split(' ').next().unwrap_or(head)
}

/// Requests of every kind, as they come.
fn requests() -> Vec<String> {
    let get = |(path, fields): (&str, &str)| {
        format!("GET {path} HTTP/1.1\r\nHost: first.test\r\n{fields}Connection: close\r\n\r\n")
    };
    let mut requests = [
        ("/a.txt", ""),
        (
            "/a.txt?a=1&b=%20x&A=2",
            "User-Agent: curl/1\r\nReferer: http://r/\r\n",
        ),
        ("/a.txt", "Cookie: c=1; d=2\r\nCookie: e=3\r\nX-Many: 1\r\n"),
        ("/a.txt", "User-Agent: \"quoted\\\" \x01\x7f \u{e9}\r\n"),
        ("/a.txt", "Range: bytes=1-2\r\n"),
        (
            "/a.txt",
            "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
        ),
        ("/folder", ""),
        ("/folder/", ""),
        ("/none", ""),
        ("/%61.txt", ""),
        ("/%22%5C%01", ""),
        ("/x/../a.txt?q", ""),
        ("/return", "Authorization: Basic dXNlcjpwYXNz\r\n"),
        ("/moved?x", ""),
        ("/rewritten?y", ""),
        ("/gone", ""),
        ("/quiet", ""),
        ("/conditional", ""),
        ("/conditional?log=1", ""),
        ("/conditional?log=0", ""),
        ("/rate", ""),
        ("/hangup", ""),
    ]
    .map(get)
    .to_vec();
    let others = [
        "HEAD /a.txt HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.0\r\n\r\n",
        "GET /a.txt\r\n",
        "GET http://second.test/x HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
    ];
    requests.extend(others.map(str::to_owned));
    requests
}

/// Requests that are refused for their first line; of that, less is logged.
fn refused() -> Vec<String> {
    [
        "GET /a b HTTP/1.1\r\nHost: first.test\r\n\r\n",
        "nonsense\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The logs called `names` of `binary` after `requests`, each line behind the name of its log.
fn logged(binary: Binary, requests: Vec<String>, names: &[&str]) -> Vec<String> {
    let mut server = builder().binary(binary).start();
    for request in requests {
        let mut client = server.connect();
        // A server that refuses a line may close before all of it was sent.
        let _ = client.send(request);
        // The end of the connection, so that the next line of the log is of the next request.
        let _ = client.read_to_end();
    }
    // A client may see the end before the line is written.
    server.signal(Signal::Quit);
    assert!(server.wait_exit(Duration::from_secs(20)).is_some());
    let place = server.prefix().path().display().to_string();
    let mut lines = Vec::new();
    for name in names {
        let text = server.prefix().read(&format!("logs/{name}.log"));
        lines.extend(text.lines().map(|line| {
            let line = line.replace(&place, "{prefix}");
            let line = line.replace(&format!(":{}", server.port()), ":{port}");
            format!("{name}: {}", without_sizes(&line))
        }));
    }
    lines
}

/// A line without the size of an error page, which depends on the product's name.
fn without_sizes(line: &str) -> String {
    let Some((_, status)) = line.rsplit_once("status ") else {
        return line.to_owned();
    };
    if status.starts_with('2') || status == "304" {
        return line.to_owned();
    }
    let words = line.split(' ').map(|word| match word.split_once('=') {
        Some(("size", _)) => "size=*",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(requests: fn() -> Vec<String>, names: &[&str], at_least: usize) {
    if !Binary::Nginx.is_available() {
        skip::skip("nginx is not installed");
        return;
    }
    let theirs = logged(Binary::Nginx, requests(), names);
    let ours = logged(Binary::Tidegate, requests(), names);
    let pairs = theirs.iter().zip(&ours);
    let differences: Vec<String> = pairs
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| format!("- {theirs}\n+ {ours}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(theirs.len(), ours.len());
    assert!(ours.len() >= at_least, "only {} lines", ours.len());
}

#[test]
fn lines_of_requests() {
    check(requests, &FORMATS.map(|(head, _)| name_of(head)), 150);
}

#[test]
fn lines_of_what_is_none() {
    check(refused, &["usual", "fields", "answer"], 9);
}
