//! What is wrong with answers: one row a fault, in every mode.

mod bodies;
mod framing;
mod heads;

use super::{ends, get, outcome, resets, start, stays};
use harness::scripted::{Refusing, Scripted, Step, Unreachable};
use harness::{Binary, Server, clock, skip};
use std::fmt::Write as _;
use std::time::Duration;

/// A fault, what a client sees of it here, and what of it behind nginx.
struct Fault {
    name: &'static str,
    steps: Vec<Step>,
    ours: &'static str,
    /// Several, separated by `|`, where versions or modes of it differ; empty for the same.
    nginx: &'static str,
}

/// A fault that nginx takes the same way.
fn same(name: &'static str, steps: Vec<Step>, ours: &'static str) -> Fault {
    differs(name, steps, ours, "")
}

/// A fault that nginx takes in another way, on purpose.
fn differs(name: &'static str, steps: Vec<Step>, ours: &'static str, nginx: &'static str) -> Fault {
    Fault {
        name,
        steps,
        ours,
        nginx,
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const CLOSE: &str = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";

/// What a server does after a part of an answer.
#[derive(Clone, Copy)]
enum End {
    Closes,
    Resets,
    /// Leaves the connection open, and says no more.
    Stays,
}

impl End {
    /// Reads a request, answers `text`, and ends so.
    fn after(self, text: &str) -> Vec<Step> {
        match self {
            Self::Closes => ends(text),
            Self::Resets => resets(text),
            Self::Stays => stays(text),
        }
    }
}

/// The modes of proxying, by the first part of the path.
const MODES: [(&str, &str); 3] = [
    ("buffered", ""),
    ("unbuffered", "proxy_buffering off;"),
    ("old", "proxy_http_version 1.0;"),
];

/// What stands in the path for the ways that lead nowhere at all.
const NOWHERE: [(&str, &str); 2] = [("refuses", "502"), ("unreachable", "504")];

/// A server with a location for each way to each of `ports`.
fn serve(binary: Binary, ports: &[(String, u16)]) -> Server {
    let mut locations = String::new();
    let mut groups = String::new();
    for (name, _) in ports {
        // Connections to groups are kept where that is possible.
        let _ = writeln!(
            groups,
            "upstream to_{name} {{ server 127.0.0.1:{{port_{name}}}; }}"
        );
        for (mode, rules) in MODES {
            let _ = writeln!(
                locations,
                "location = /{mode}/{name} {{ proxy_pass http://to_{name}; {rules} }}"
            );
        }
    }
    let text = format!(
        "proxy_connect_timeout 600ms;
         proxy_read_timeout 600ms;
         keepalive_timeout 0;
         {groups}
         server {{ listen 127.0.0.1:{{port}}; {locations} }}"
    );
    start(binary, &text, ports)
}

/// Servers that do what `faults` say, and one before all of them, with a number each.
fn serve_all(binary: &Binary, faults: &[Fault]) -> (Vec<Scripted>, Server) {
    let upstreams: Vec<Scripted> = faults.iter().map(|f| Scripted::new(&f.steps)).collect();
    let ports: Vec<(String, u16)> = upstreams
        .iter()
        .enumerate()
        .map(|(number, upstream)| (number.to_string(), upstream.port()))
        .collect();
    let server = serve(binary.clone(), &ports);
    (upstreams, server)
}

/// Asks for the fault `number` in every mode, twice, as the first one's connection must not serve
/// the second; gives a line for each answer that is not `expected`.
fn ask(server: &Server, number: usize, fault: &Fault, expected: &str) -> Vec<String> {
    let requests = MODES.iter().flat_map(|(mode, _)| {
        let request = get(&format!("/{mode}/{number}"));
        [(*mode, request.clone()), (*mode, request)]
    });
    let seen = requests.map(|(mode, request)| (mode, outcome(server.port(), &request)));
    let wrong = seen.filter(|(_, seen)| !expected.split('|').any(|one| one == seen));
    wrong
        .map(|(mode, seen)| format!("{}, {mode}: {seen}, not {expected}", fault.name))
        .collect()
}

/// Plays all of `faults` through `binary`, and gives a line for each client that saw something
/// else than `expected` says.
fn play(binary: &Binary, faults: &[Fault], expected: fn(&Fault) -> &'static str) -> Vec<String> {
    let (upstreams, server) = serve_all(binary, faults);
    let before = server.open_descriptors();
    let mut wrong: Vec<String> = std::thread::scope(|scope| {
        let asking = |(number, fault)| {
            let server = &server;
            scope.spawn(move || ask(server, number, fault, expected(fault)))
        };
        let threads: Vec<_> = faults.iter().enumerate().map(asking).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|lines| lines.expect("no panic")).collect()
    });
    if *binary != Binary::Tidegate {
        return wrong;
    }
    for (fault, upstream) in faults.iter().zip(&upstreams) {
        let is_used_again = upstream.seen().iter().any(|one| one.heads() > 1);
        if is_used_again {
            wrong.push(format!("{}: the connection was used again", fault.name));
        }
    }
    drop(upstreams);
    let limit = Duration::from_secs(10);
    if !clock::becomes_true(limit, || server.open_descriptors() <= before) {
        wrong.push(format!(
            "{} descriptors, {before} before",
            server.open_descriptors()
        ));
    }
    wrong
}

/// Compares with the table, ours and nginx's.
#[track_caller]
fn check(faults: &[Fault]) {
    let ours = play(&Binary::Tidegate, faults, |fault| fault.ours);
    assert!(ours.is_empty(), "{}", ours.join("\n"));
    if !Binary::Nginx.is_available() {
        return skip::skip("nginx is not installed");
    }
    let theirs = play(&Binary::Nginx, faults, |fault| match fault.nginx {
        "" => fault.ours,
        own => own,
    });
    assert!(theirs.is_empty(), "nginx:\n{}", theirs.join("\n"));
}

#[test]
fn nothing_before_the_head() {
    check(&heads::before());
}

#[test]
fn heads_that_are_none() {
    check(&heads::bad());
}

#[test]
fn framing_in_two_ways() {
    check(&framing::double());
}

#[test]
fn bodies_cut_short() {
    check(&bodies::short());
}

#[test]
fn chunks_that_are_none() {
    check(&framing::chunks());
}

#[test]
fn more_than_an_answer() {
    check(&bodies::surplus());
}

/// Ways that lead to no server.
#[test]
fn nobody_there() {
    let (refusing, full) = (Refusing::new(), Unreachable::new());
    let ports = [
        ("refuses".to_owned(), refusing.port()),
        ("unreachable".to_owned(), full.port()),
    ];
    let server = serve(Binary::Tidegate, &ports);
    for (name, expected) in NOWHERE {
        for (mode, _) in MODES {
            let seen = outcome(server.port(), &get(&format!("/{mode}/{name}")));
            assert_eq!(seen, expected, "{name}, {mode}");
        }
    }
    server.wait_for_error_log("connect() failed (111: Connection refused) while connecting");
    server.wait_for_error_log("upstream timed out (110: Connection timed out) while connecting");
}

/// A body that ends with its connection looks whole however it ends, unless it ends by a reset.
#[test]
fn old_clients_see_what_is_cut_too() {
    let faults = bodies::short();
    let (_upstreams, server) = serve_all(&Binary::Tidegate, &faults);
    let mut wrong = Vec::new();
    for (number, fault) in faults.iter().enumerate() {
        for (mode, _) in MODES {
            let seen = outcome(
                server.port(),
                &format!("GET /{mode}/{number} HTTP/1.0\r\n\r\n"),
            );
            if seen != "cut" {
                wrong.push(format!("{}, {mode}: {seen}", fault.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An answer to HEAD has no body, whatever follows it.
#[test]
fn heads_alone_have_no_body() {
    let whole = format!("{LENGTH}0123456789");
    let chunked = format!("{CHUNKS}2\r\nok\r\n0\r\n\r\n");
    for (text, is_kept) in [
        (&*whole, false),
        (&chunked, false),
        (LENGTH, true),
        (CHUNKS, true),
    ] {
        let upstream = Scripted::new(&stays(text));
        let server = serve(Binary::Tidegate, &[("0".to_owned(), upstream.port())]);
        for (mode, _) in MODES {
            let request =
                format!("HEAD /{mode}/0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            assert_eq!(outcome(server.port(), &request), "200 ", "{text}, {mode}");
        }
        let is_left = |seen: &[harness::scripted::Seen]| seen.iter().all(|one| one.is_over);
        if is_kept {
            assert!(!is_left(&upstream.seen()), "{text}");
        } else {
            assert!(upstream.waits_for(is_left), "{text}");
        }
    }
}
