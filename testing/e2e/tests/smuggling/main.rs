//! Requests hidden in requests: no server behind this one sees a request that no client sent.
//!
//! Every case goes through the proxy to servers that know nothing of it: nginx, Apache, Node and
//! Python. What they saw is compared with what was passed on to them, and none may ever see
//! `/admin`, which the proxy refuses to everybody and every case tries to reach.

mod cases;
mod pipelining;

use harness::{Backend, Binary, Server, clock, skip};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use cases::Case;

/// How long a client waits for the close.
const SILENCE: Duration = Duration::from_secs(10);

/// Connections at once.
const SENDERS: usize = 8;

/// A server behind the proxy.
enum Behind {
    Nginx(Server),
    Other(Backend),
}

impl Behind {
    /// The one called `name`; `None`, with the test counted as skipped, where it is missing.
    fn start(name: &str) -> Option<Self> {
        let script = |file: &str| {
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("backends");
            folder.join(file)
        };
        let started = match name {
            "nginx" => return nginx().map(Self::Nginx),
            "apache" => {
                Backend::apache("Header always set X-Saw \"expr=%{REQUEST_METHOD} %{REQUEST_URI}\"")
            }
            "node" => Backend::of_script("node", &script("echo.js")),
            _ => Backend::of_script("python3", &script("echo.py")),
        };
        started.map(Self::Other)
    }

    fn port(&self) -> u16 {
        match self {
            Self::Nginx(server) => server.port(),
            Self::Other(backend) => backend.port(),
        }
    }

    /// The requests it saw: method, URI, length, and `X-Secret` or a `-`.
    fn notes(&self) -> Vec<String> {
        match self {
            Self::Nginx(server) => server.access_log().lines().map(str::to_owned).collect(),
            Self::Other(backend) => backend.notes(),
        }
    }
}

fn nginx() -> Option<Server> {
    if !Binary::Nginx.is_available() {
        skip::skip("nginx is not installed");
        return None;
    }
    let text = "
        log_format notes '$request_method $request_uri $content_length $http_x_secret';
        access_log logs/access.log notes;
        client_max_body_size 0;
        server {
            listen 127.0.0.1:{port};
            location / {
                add_header X-Saw \"$request_method $request_uri\";
                return 200 \"$request_method $request_uri\";
            }
        }";
    Some(Server::new(text).binary(Binary::Nginx).start())
}

/// The ways to pass requests on, by the first part of the path.
const WAYS: [(&str, &str); 3] = [
    ("whole", ""),
    (
        "streamed",
        "proxy_request_buffering off; proxy_pass_request_trailers on;",
    ),
    (
        "upgraded",
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
         proxy_pass_request_trailers on;",
    ),
];

/// The proxy before the server on `port`.
fn front(port: u16) -> Server {
    let location = |(name, rules): (&str, &str)| {
        format!("location /{name}/ {{ proxy_pass http://behind; {rules} }}\n")
    };
    let text = format!(
        "log_format passed '$upstream_addr $request_method $request_uri';
         access_log logs/access.log passed;
         client_header_timeout 300ms;
         client_body_timeout 300ms;
         keepalive_timeout 300ms;
         lingering_timeout 100ms;
         proxy_read_timeout 5s;
         upstream behind {{ server 127.0.0.1:{{port_behind}}; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ return 404; }}
             location /admin {{ return 403; }}
             {}
         }}",
        WAYS.map(location).concat()
    );
    Server::new(&text).with_port("behind", port).start()
}

/// Sends `bytes` and reads up to the close; the answers, if that is what they are.
fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return answer;
    };
    let _ = stream.set_read_timeout(Some(SILENCE));
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// How often each method and URI stands in `lines`, from the word at `from`.
fn count(lines: &[String], from: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let key = words.get(from..from + 2).unwrap_or_default().join(" ");
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Sends every case in every way, several at once: most of the time is waiting.
fn send(port: u16, cases: &[Case]) {
    std::thread::scope(|scope| {
        for first in 0..SENDERS {
            scope.spawn(move || {
                for (number, case) in cases.iter().enumerate().skip(first).step_by(SENDERS) {
                    for (way, _) in WAYS {
                        exchange(port, &case.bytes(way, number));
                    }
                }
            });
        }
    });
}

/// Sends every case through the proxy to the server called `name`.
#[track_caller]
fn attack(name: &str) {
    let Some(behind) = Behind::start(name) else {
        return;
    };
    let front = front(behind.port());
    let cases = cases::all();
    send(front.port(), &cases);
    // One that is surely seen, last.
    let last = "GET /whole/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = exchange(front.port(), last.as_bytes());
    assert!(
        answer.starts_with(b"HTTP/1.1 "),
        "{}",
        answer.escape_ascii()
    );
    let has_last = |lines: &[String]| lines.iter().any(|line| line.contains("/whole/last"));
    assert!(clock::becomes_true(SILENCE, || has_last(&behind.notes())));
    let front_log = || -> Vec<String> { front.access_log().lines().map(str::to_owned).collect() };
    assert!(clock::becomes_true(SILENCE, || has_last(&front_log())));
    judge(name, &cases, &behind.notes(), &front_log());
}

/// Compares what the server behind saw with what the one before passed on.
#[track_caller]
fn judge(name: &str, cases: &[Case], seen: &[String], passed: &[String]) {
    let describe = |line: &str| {
        let number = line
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse::<usize>().ok())
            .find_map(|number| cases.get(number.checked_sub(cases::FIRST)?));
        number.map_or_else(String::new, |case| case.name.clone())
    };
    let mut wrong: Vec<String> = seen
        .iter()
        .filter(|line| line.contains("/admin") || line.ends_with(" secret"))
        .map(|line| format!("{name} saw {line} ({})", describe(line)))
        .collect();
    let passed: Vec<String> = passed
        .iter()
        .filter(|line| !line.starts_with('-'))
        .cloned()
        .collect();
    let allowed = count(&passed, 1);
    for (request, times) in count(seen, 0) {
        let passed = allowed.get(&request).copied().unwrap_or(0);
        if times > passed {
            wrong.push(format!(
                "{name} saw {request} {times} times, not {passed} ({})",
                describe(&request)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A proxy that refuses everything would pass too.
    assert!(passed.len() > cases.len() / 10, "{} passed", passed.len());
}

/// The cases are real: a server that nobody stands before sees what is hidden in them.
#[test]
fn without_a_proxy_they_are_seen() {
    let Some(behind) = Behind::start("python") else {
        return;
    };
    let cases: Vec<Case> = cases::all().into_iter().take(40).collect();
    send(behind.port(), &cases);
    let seen = || behind.notes().iter().any(|line| line.contains("/admin"));
    assert!(clock::becomes_true(SILENCE, seen));
}

#[test]
fn nothing_is_smuggled_to_nginx() {
    attack("nginx");
}

#[test]
fn nothing_is_smuggled_to_apache() {
    attack("apache");
}

#[test]
fn nothing_is_smuggled_to_node() {
    attack("node");
}

#[test]
fn nothing_is_smuggled_to_python() {
    attack("python");
}
