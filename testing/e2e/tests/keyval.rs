//! `keyval`: tables that are changed by requests, shared by workers, kept in files.

use harness::{Client, Server, Signal, clock, process};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long something may take that takes a moment.
const LIMIT: Duration = Duration::from_secs(10);

const TABLES: &str = r#"
    keyval_zone zone=text:64k state=state/text.json;
    keyval_zone zone=short:32k timeout=2s;
    keyval_zone zone=small:32k;
    keyval $arg_key $text zone=text;
    keyval $arg_key $short zone=short;
    keyval $arg_key $small zone=small;
    server {
        listen 127.0.0.1:{port} reuseport;
        location /get { return 200 "$pid $text"; }
        location /set { set $text $arg_value; return 200 "<$text>"; }
        location /short { return 200 $short; }
        location /short/set { set $short x; return 204; }
        location /small { return 200 $small; }
        location /small/set { set $small "$args$args$args$args"; return 204; }
        location /if { if ($text = a) { return 403; } return 204; }
    }
"#;

fn tables() -> harness::Builder {
    Server::new(TABLES)
        .with_main("worker_processes 2; user root;")
        .with_file("state/other", "")
}

/// What `/get` says of `key`, by every worker.
#[track_caller]
fn value(server: &Server, key: &str) -> String {
    let mut seen = BTreeSet::new();
    let mut values = BTreeSet::new();
    let is_seen_by_both = clock::becomes_true(LIMIT, || {
        let text = server.get(&format!("/get?key={key}")).text();
        let (pid, value) = text.split_once(' ').unwrap_or_default();
        seen.insert(pid.to_owned());
        values.insert(value.to_owned());
        seen.len() == 2
    });
    assert!(is_seen_by_both, "one worker only: {seen:?}");
    assert_eq!(values.len(), 1, "{values:?}");
    values.pop_first().unwrap_or_default()
}

#[track_caller]
fn set(server: &Server, key: &str, value: &str) {
    let response = server.get(&format!("/set?key={key}&value={value}"));
    assert_eq!(response.text(), format!("<{value}>"));
}

#[track_caller]
fn wait_for_state(server: &Server, expected: &str) {
    let read = || server.prefix().read("state/text.json");
    let is_there = clock::becomes_true(LIMIT, || read() == expected);
    assert!(is_there, "{}", read());
}

#[test]
fn what_one_worker_sets_all_have() {
    let server = tables().start();
    assert_eq!(value(&server, "a"), "");
    set(&server, "a", "one");
    assert_eq!(value(&server, "a"), "one");
    assert_eq!(value(&server, "A"), "");
    set(&server, "a", "");
    assert_eq!(value(&server, "a"), "");
    assert_eq!(server.get("/if?key=b").status, 204);
    set(&server, "b", "a");
    assert_eq!(server.get("/if?key=b").status, 403);
    // Without a key there is nothing to set.
    assert_eq!(server.get("/set?value=x").text(), "<>");
    server.wait_for_error_log("key \"\" not set in keyval zone \"text\": invalid key format");
}

#[test]
fn pairs_end_when_their_time_is_over() {
    let server = tables().start();
    assert_eq!(server.get("/short/set?key=a").status, 204);
    assert_eq!(server.get("/short?key=a").text(), "x");
    let is_over = || server.get("/short?key=a").text().is_empty();
    assert!(clock::becomes_true(LIMIT, is_over));
}

#[test]
fn a_full_table_takes_no_more_and_loses_nothing() {
    let server = tables().start();
    let padding = "x".repeat(400);
    for index in 0..60 {
        let path = format!("/small/set?key={index}&{padding}");
        assert_eq!(server.get(&path).status, 204);
    }
    server.wait_for_error_log("not set in keyval zone \"small\": no room");
    assert!(server.get("/small?key=0").text().contains(&padding));
    assert_eq!(server.get("/small?key=59").text(), "");
}

/// The table outlives a reload, a worker that is killed, and the server.
#[test]
fn tables_are_kept() {
    let mut server = tables()
        .with_file("state/text.json", "{\"z\": \"old\"}")
        .start();
    assert_eq!(value(&server, "z"), "old");
    set(&server, "a", "one");
    let both = "{\n\"z\": \"old\",\n\"a\": \"one\"\n}\n";
    wait_for_state(&server, both);
    server.reload().unwrap();
    assert_eq!(value(&server, "a"), "one");
    // What the file says is of no interest to who has the table.
    server.prefix().write("state/text.json", b"{}");
    server.reload().unwrap();
    assert_eq!(value(&server, "a"), "one");
    // A larger table has what the smaller had.
    let larger = Server::new(&TABLES.replace("zone=text:64k", "zone=text:128k"))
        .with_main("worker_processes 2; user root;");
    server.reload_with(&larger).unwrap();
    assert_eq!(value(&server, "a"), "one");
    set(&server, "b", "two");
    // What was set a moment ago is not lost when the server ends.
    server.signal(Signal::Quit);
    assert!(server.wait_exit(LIMIT).is_some());
    wait_for_state(
        &server,
        "{\n\"z\": \"old\",\n\"a\": \"one\",\n\"b\": \"two\"\n}\n",
    );
    let litter = std::fs::read_dir(server.path("state")).unwrap().count();
    assert_eq!(litter, 2);
}

/// A worker that is killed before it has written leaves that to the next.
#[test]
fn a_killed_worker_leaves_its_work_to_the_next() {
    let server = tables().allow_alerts().start();
    let old = server.workers();
    set(&server, "a", "one");
    for pid in &old {
        process::send(*pid, Signal::Kill).unwrap();
    }
    let are_new = || {
        let workers = server.workers();
        workers.len() == 2 && workers.iter().all(|pid| !old.contains(pid))
    };
    assert!(clock::becomes_true(LIMIT, are_new));
    assert_eq!(value(&server, "a"), "one");
    wait_for_state(&server, "{\n\"a\": \"one\"\n}\n");
}

/// Sets `key` to itself; `false` when the worker that was asked did not live to say so.
fn try_set(server: &Server, key: &str) -> bool {
    let request = format!("GET /set?key={key}&value={key} HTTP/1.0\r\n\r\n");
    let asked = Client::connect(([127, 0, 0, 1], server.port()).into()).and_then(|mut client| {
        client.send(request)?;
        client.try_receive()
    });
    asked.is_ok_and(|response| response.is_some_and(|response| response.status == 200))
}

/// Workers that are killed while they write lose nothing that was acknowledged.
#[test]
fn killed_workers_leave_the_table_whole() {
    let server = tables().allow_alerts().start();
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let victim = server.workers()[0];
        let killer = std::thread::spawn(move || process::send(victim, Signal::Kill));
        for index in 0..30 {
            let key = format!("{round}-{index}");
            if try_set(&server, &key) {
                acknowledged.push(key);
            }
        }
        killer.join().unwrap().unwrap();
        let is_replaced = || {
            let workers = server.workers();
            workers.len() == 2 && !workers.contains(&victim)
        };
        assert!(clock::becomes_true(LIMIT, is_replaced));
    }
    assert!(acknowledged.len() > 60, "{}", acknowledged.len());
    for key in &acknowledged {
        let text = server.get(&format!("/get?key={key}")).text();
        assert!(text.ends_with(&format!(" {key}")), "{key}: {text}");
    }
    let is_written = || {
        let text = server.prefix().read("state/text.json");
        acknowledged
            .iter()
            .all(|key| text.contains(&format!("\"{key}\": \"{key}\"")))
    };
    assert!(clock::becomes_true(LIMIT * 2, is_written));
}

#[test]
fn addresses_and_prefixes_are_found_by_what_is_around_them() {
    let server = Server::new(
        r#"
        keyval_zone zone=banned:32k type=ip state=state/banned.json;
        keyval_zone zone=paths:32k type=prefix state=state/paths.json;
        keyval $arg_address $banned zone=banned;
        keyval $remote_addr $own zone=banned;
        keyval $uri $path zone=paths;
        server {
            listen 127.0.0.1:{port};
            if ($own != loop) { return 500; }
            location / { return 200 "$banned|$path"; }
            location /set { set $banned 1; return 204; }
        }
        "#,
    )
    .with_file(
        "state/banned.json",
        r#"{"127.0.0.0/8": "loop", "10.0.0.0/8": "ten", "10.1.0.0/16": "one", "::1": "six"}"#,
    )
    .with_main("user root;")
    .with_file("state/paths.json", r#"{"/a": "short", "/a/b": "long"}"#)
    .start();
    for (path, expected) in [
        ("/x?address=10.2.0.1", "ten|"),
        ("/a?address=10.1.0.1", "one|short"),
        ("/a/b?address=::1", "six|long"),
        ("/%61/bc?address=::ffff:10.1.0.1", "one|long"),
        ("/?address=unix:", "|"),
        ("/?address=11.0.0.1", "|"),
    ] {
        assert_eq!(server.get(path).text(), expected, "{path}");
    }
    assert_eq!(server.get("/set?address=11.0.0.0/24").status, 204);
    assert_eq!(server.get("/?address=11.0.0.1").text(), "1|");
    assert_eq!(server.get("/set?address=x").status, 204);
    server.wait_for_error_log("key \"x\" not set in keyval zone \"banned\": invalid key format");
    let state = || server.prefix().read("state/banned.json");
    let is_there = || state().contains("\"11.0.0.0/24\": \"1\"");
    assert!(clock::becomes_true(LIMIT, is_there), "{}", state());
}

/// What cannot be written is told, and everything else goes on.
#[test]
fn a_file_that_cannot_be_written_is_told() {
    let server = Server::new(
        "keyval_zone zone=a:32k state=missing/folder/a.json;
         keyval $arg_key $a zone=a;
         server { listen 127.0.0.1:{port}; set $a x; return 200 $a; }",
    )
    .start();
    assert_eq!(server.get("/?key=k").text(), "x");
    server.wait_for_error_log("cannot write state file");
    assert_eq!(server.get("/?key=k").text(), "x");
}
