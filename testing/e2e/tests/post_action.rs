//! `post_action`: what is done about a request once it is answered, and what logs say of it.

use harness::{Binary, Builder, Server, skip};

const SERVERS: &str = r#"
    log_format main "$request -> $uri?$args size=$body_bytes_sent [$request_completion] "
        "$sent_http_x_sent $upstream_status $request_method $status";
    log_format back "$request_method $uri $http_x_from $args";
    access_log logs/main.log main;
    server {
        listen 127.0.0.1:{port};
        root html;
        location / { post_action /after; add_header X-Sent sent always; }
        location /after { internal; add_header X-Sent never; return 204; }
        location /after2 { return 302 /elsewhere; }
        location /named { post_action @named; return 200 body; }
        location @named { return 404; }
        location /created { post_action /page.txt; return 201 body; }
        location = /page.txt { }
        location /proxied { post_action @proxy; return 200 body; }
        location /both { proxy_pass http://127.0.0.1:{port_back}; post_action @proxy; }
        location @proxy {
            rewrite ^ /told$uri break;
            proxy_set_header X-From $remote_addr;
            proxy_pass http://127.0.0.1:{port_back};
        }
        location /with/args { post_action /after2?a=1; return 200 x; }
        location /if { if ($arg_a) { post_action @named; } return 200 body; }
        location /error { post_action /after; error_page 404 =200 /error_page; return 404; }
        location /error_page { return 200 page; post_action /after2; }
        location /refused { deny all; post_action /after; }
        location /hangup { return 444; post_action /after; }
        location /quiet { access_log off; post_action /after; return 200 body; }
        location /to/quiet { post_action /silent; return 200 body; }
        location /silent { access_log off; return 200 body; }
        location /circle { post_action /circle; return 200 body; }
        location /nowhere { post_action @nowhere; return 200 body; }
        location /fails { post_action /failure; return 200 body; }
        location /failure { return 500; }
    }
    server {
        listen 127.0.0.1:{port_back};
        access_log logs/back.log back;
        return 200 back;
    }
"#;

fn builder() -> Builder {
    Server::new(SERVERS)
        .with_file("html/a.txt", "0123456789")
        .with_file("html/page.txt", "a page")
}

const PATHS: [&str; 17] = [
    "/a.txt",
    "/none",
    "/named",
    "/created",
    "/proxied",
    "/both",
    "/with/args",
    "/if",
    "/if?a=1",
    "/error",
    "/refused",
    "/hangup",
    "/quiet",
    "/to/quiet",
    "/circle",
    "/nowhere",
    "/fails",
];

/// What clients got, the first line and the last bytes, and the lines of both logs.
fn observed(binary: Binary) -> Vec<String> {
    let server = builder().binary(binary).start();
    let mut requests: Vec<String> = PATHS
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
        .to_vec();
    requests.extend([
        "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /a.txt HTTP/1.0\r\n\r\n".to_owned(),
        "POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
            .to_owned(),
        "GET /proxied HTTP/1.1\r\nHost: a\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\
         Connection: close\r\n\r\n"
            .to_owned(),
    ]);
    let mut seen = Vec::new();
    for request in requests {
        let mut client = server.connect();
        client.send(&request).expect("the server reads");
        let answer = client.read_to_end().expect("the server answers and closes");
        let text = String::from_utf8_lossy(&answer);
        let ends = (text.lines().next(), text.lines().last());
        seen.push(format!("{request:?}: {ends:?}"));
    }
    // One request of those is not logged.
    for (name, count) in [("main", 21), ("back", 6)] {
        let lines = server.log_lines(&format!("{name}.log"), count);
        seen.extend(
            lines
                .iter()
                .map(|line| format!("{name}: {}", without_size(line))),
        );
    }
    let errors = server.error_log();
    let cycles = errors
        .lines()
        .filter_map(|line| line.split_once("cycle while"));
    seen.extend(
        cycles.map(|(_, rest)| format!("cycle{rest}").replace(&server.port().to_string(), "port")),
    );
    seen
}

/// A line without the size of an error page, which depends on the product's name.
fn without_size(line: &str) -> String {
    let words = line
        .split(' ')
        .map(|word| match word.strip_prefix("size=") {
            Some(size) if size.len() == 3 => "size=*",
            _ => word,
        });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn requests_go_on_as_in_nginx() {
    if !Binary::Nginx.is_available() {
        skip::skip("nginx is not installed");
        return;
    }
    let theirs = observed(Binary::Nginx);
    let ours = observed(Binary::Tidegate);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

/// The client has its answer before, and its leaving ends nothing.
#[test]
fn it_is_done_after_the_client_has_left() {
    let server = Server::new(
        "limit_req_zone $server_port zone=a:1m rate=5r/s;
         server {
             listen 127.0.0.1:{port};
             location / { return 200 body; post_action /later; }
             location /later {
                 internal;
                 limit_req zone=a burst=5;
                 proxy_pass http://127.0.0.1:{port}/told;
             }
             location /told { access_log logs/told.log; return 204; }
         }",
    )
    .start();
    for _ in 0..3 {
        let mut client = server.connect();
        assert_eq!(client.get("/").text(), "body");
    }
    assert_eq!(server.log_lines("told.log", 3).len(), 3);
}
