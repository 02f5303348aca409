//! One host a request, valid, and the same for everyone who asks for it.

use harness::Server;

fn start() -> Server {
    Server::new(
        "server {
             listen 127.0.0.1:{port};
             server_name first;
             location / { return 200 \"first|$host|$http_host\"; }
         }
         server {
             listen 127.0.0.1:{port};
             server_name second *.second;
             location / { return 200 \"second|$host|$http_host\"; }
         }",
    )
    .start()
}

#[test]
fn the_host_is_one_and_in_small_letters() {
    let server = start();
    for (start, fields, expected) in [
        ("GET / HTTP/1.1", "Host: second\r\n", "second|second|second"),
        ("GET / HTTP/1.1", "Host: SECOND\r\n", "second|second|SECOND"),
        (
            "GET / HTTP/1.1",
            "Host: second.\r\n",
            "second|second|second.",
        ),
        (
            "GET / HTTP/1.1",
            "Host: second:80\r\n",
            "second|second|second:80",
        ),
        (
            "GET / HTTP/1.1",
            "Host: a.second\r\n",
            "second|a.second|a.second",
        ),
        (
            "GET / HTTP/1.1",
            "Host: unknown\r\n",
            "first|unknown|unknown",
        ),
        (
            "GET / HTTP/1.1",
            "Host: [::1]:80\r\n",
            "first|[::1]|[::1]:80",
        ),
        // What the request line names wins, and the header is not asked.
        (
            "GET http://second/ HTTP/1.1",
            "Host: first\r\n",
            "second|second|first",
        ),
        (
            "GET http://second:81/ HTTP/1.1",
            "Host: first\r\n",
            "second|second|first",
        ),
        ("GET / HTTP/1.0", "", "first|first|"),
    ] {
        let response = server.request(format!("{start}\r\n{fields}Connection: close\r\n\r\n"));
        assert_eq!(response.text(), expected, "{start} {fields}");
    }
}

#[test]
fn hosts_that_are_none_are_refused() {
    let server = start();
    let mut wrong = Vec::new();
    for fields in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: first\r\nHost: first\r\n",
        "Host: first\r\nHost: second\r\n",
        "Host: first\r\nhost: second\r\n",
        "Host: first, second\r\n",
        "Host: first second\r\n",
        "Host: first/\r\n",
        "Host: first/second\r\n",
        "Host: user@first\r\n",
        "Host: first:80:81\r\n",
        "Host: first:x\r\n",
        "Host: first:65536\r\n",
        "Host: first..second\r\n",
        "Host: .\r\n",
        "Host: ..\r\n",
        "Host: [::1\r\n",
        "Host: ::1]\r\n",
        "Host: [::1]x\r\n",
        "Host: first\\\r\n",
        "Host: first?\r\n",
        "Host: first#\r\n",
        "Host: <first>\r\n",
        "Host: first\tsecond\r\n",
    ] {
        let mut client = server.connect();
        let responses = client
            .converse(format!(
                "GET / HTTP/1.1\r\n{fields}\r\nGET / HTTP/1.0\r\n\r\n"
            ))
            .unwrap();
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        if statuses != [400] {
            wrong.push(format!(
                "{fields:?}: {statuses:?} {:?}",
                responses[0].text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The host of an absolute target is held to the same rules.
#[test]
fn targets_with_broken_hosts_are_refused() {
    let server = start();
    for target in [
        "http:///",
        "http://a b/",
        "http://user@first/",
        "http://first:x/",
        "http://[::1/",
        "http://..",
        "http:/first/",
        "ht+tp//first/",
    ] {
        let response = server.request(format!(
            "GET {target} HTTP/1.1\r\nHost: first\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(response.status, 400, "{target}: {response:?}");
    }
}
