//! S-11: every answer is the one to its own request, in order, whoever else asks.

use super::{Behind, exchange, front};

/// Requests on one connection.
const DEPTH: usize = 40;

/// Asks from several connections at once, with bodies of any kind in between, and compares every
/// answer's own word of what it answers.
#[track_caller]
fn check(name: &str) {
    let Some(behind) = Behind::start(name) else {
        return;
    };
    let front = front(behind.port());
    let port = front.port();
    std::thread::scope(|scope| {
        for client in 0..6 {
            scope.spawn(move || one(port, client));
        }
    });
}

fn one(port: u16, client: usize) {
    let mut bytes = String::new();
    let mut expected = Vec::new();
    for number in 0..DEPTH {
        let way = ["whole", "streamed"][number % 2];
        let path = format!("/{way}/{client}-{number}");
        let end = if number + 1 == DEPTH {
            "close"
        } else {
            "keep-alive"
        };
        let (method, rest) = match number % 4 {
            0 | 1 => ("GET", "\r\n".to_owned()),
            2 => ("POST", "Content-Length: 5\r\n\r\nhello".to_owned()),
            _ => (
                "PUT",
                "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
            ),
        };
        bytes += &format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: {end}\r\n{rest}");
        expected.push(format!("{method} {path}"));
    }
    let answer = String::from_utf8_lossy(&exchange(port, bytes.as_bytes())).into_owned();
    let saw = |line: &str| line.strip_prefix("X-Saw: ").map(str::to_owned);
    let seen: Vec<String> = answer.lines().filter_map(saw).collect();
    assert_eq!(seen, expected);
}

#[test]
fn answers_of_nginx_are_in_order() {
    check("nginx");
}

#[test]
fn answers_of_apache_are_in_order() {
    check("apache");
}

#[test]
fn answers_of_node_are_in_order() {
    check("node");
}

#[test]
fn answers_of_python_are_in_order() {
    check("python");
}
