//! The harness itself, tried on nginx: what it starts, sees, and complains about.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use harness::{Binary, Builder, Client, Differential, Exchange, Server, Signal, process, skip};

/// `builder` with nginx in it, or `None` (and a note) where nginx is not installed.
fn nginx(builder: Builder) -> Option<Builder> {
    if Binary::Nginx.is_available() {
        return Some(builder.binary(Binary::Nginx));
    }
    skip::skip("nginx is not installed");
    None
}

/// What a panic in `action` says.
fn complaint(action: impl FnOnce()) -> String {
    let Err(cause) = panic::catch_unwind(AssertUnwindSafe(action)) else {
        return String::new();
    };
    cause.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn serves_files_and_answers_on_one_connection() {
    let builder = Server::of_one("location /hello { return 200 hello; }");
    let Some(builder) = nginx(builder) else {
        return;
    };
    let server = builder.with_file("html/a.txt", "file").start();

    assert_eq!(server.get("/a.txt").text(), "file");
    assert_eq!(server.get("/b.txt").status, 404);
    let head = server.request("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(
        (head.header("content-length"), head.text().as_str()),
        (Some("5"), "")
    );

    let mut client = server.connect();
    assert_eq!(client.get("/hello").text(), "hello");
    assert!(!client.get("/a.txt").is_last());
    let two = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.0\r\n\r\n";
    client.send(two).unwrap();
    assert_eq!(
        [client.receive().text(), client.receive().text()],
        ["hello", "file"]
    );
    assert!(client.is_closed_within(Duration::from_secs(5)));
}

#[test]
fn reload_brings_new_workers_and_the_new_text() {
    let Some(before) = nginx(Server::of_one("location / { return 200 old; }")) else {
        return;
    };
    let Some(after) = nginx(Server::of_one("location / { return 200 new; }")) else {
        return;
    };
    let Some(wrong) = nginx(Server::of_one("no_such_thing on;")) else {
        return;
    };
    let mut server = before.allow_log("no_such_thing").start();

    let workers = server.workers();
    assert_eq!((workers.len(), server.get("/").text().as_str()), (1, "old"));
    assert!(server.open_descriptors() > 3);

    server.reload_with(&after).unwrap();
    assert_eq!(server.get("/").text(), "new");
    assert_ne!(server.workers(), workers);

    let refusal = server.reload_with(&wrong).unwrap_err();
    assert!(
        refusal.contains("unknown directive \"no_such_thing\""),
        "{refusal}"
    );
    assert_eq!(server.get("/").text(), "new");
}

#[test]
fn logs_are_waited_for() {
    let builder = Server::of_one("access_log logs/access.log; location / { return 204; }");
    let Some(builder) = nginx(builder) else {
        return;
    };
    let server = builder.start();

    assert_eq!(server.get("/one").status, 204);
    assert_eq!(server.get("/two").status, 204);
    let lines = server.log_lines("access.log", 2);
    assert!(
        lines[0].contains("/one") && lines[1].contains("/two"),
        "{lines:?}"
    );
    server.signal(Signal::Usr1);
    server.wait_for_error_log("reopening logs");
}

#[test]
fn a_refused_configuration_is_told_with_its_reason() {
    let Some(builder) = nginx(Server::of_one("no_such_thing on;")) else {
        return;
    };

    let error = builder.clone().try_start().unwrap_err();
    assert!(
        error.is_refused && error.said.contains("unknown directive"),
        "{error}"
    );
    let output = builder.run(&["-t"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown directive"));
}

/// A worker killed under the server is a fault that must not pass unseen.
#[test]
fn a_killed_worker_fails_the_test_unless_allowed() {
    let Some(builder) = nginx(Server::of_one("")) else {
        return;
    };
    let kill_worker = |server: &Server| {
        let workers = server.workers();
        process::send(workers[0], Signal::Kill).unwrap();
        server.wait_for_error_log("exited on signal 9");
    };

    let strict = builder.clone().start();
    kill_worker(&strict);
    let complaint = complaint(|| drop(strict));
    assert!(complaint.contains("exited on signal 9"), "{complaint:?}");

    let lenient = builder.allow_alerts().start();
    kill_worker(&lenient);
    drop(lenient);
}

/// Every server goes with its test: processes and folder.
#[test]
fn nothing_is_left_behind() {
    let Some(builder) = nginx(Server::of_one("")) else {
        return;
    };
    let server = builder.start();
    let (master, workers) = (server.master(), server.workers());
    let folder = server.prefix().path().to_path_buf();
    assert!(folder.is_dir() && process::is_running(master));

    drop(server);
    assert!(!process::is_running(master) && !process::is_running(workers[0]));
    assert!(!folder.exists());
}

/// A server that another program's connection keeps from quitting is reported and ended.
#[test]
fn a_server_that_does_not_quit_is_a_fault() {
    let Some(builder) = nginx(Server::of_one("client_header_timeout 60s;")) else {
        return;
    };
    let server = builder.quitting_within(Duration::from_millis(500)).start();
    let mut client = Client::connect(([127, 0, 0, 1], server.port()).into()).unwrap();
    assert_eq!(client.get("/").status, 403);
    client.send("GET / HTTP/1.1\r\nX: ").unwrap();
    std::thread::sleep(Duration::from_millis(50));

    let complaint = complaint(|| drop(server));
    assert!(complaint.contains("did not quit"), "{complaint:?}");
}

/// nginx against itself must agree in everything that is compared.
#[test]
fn nginx_is_like_nginx() {
    let text = "location /r { return 301 http://localhost:{port}/x; } location /c { return 444; }";
    let builder = Server::of_one(text).with_file("html/a.txt", "a");
    if nginx(builder.clone()).is_none() {
        return;
    }
    let theirs = Differential::new(builder).with_exchanges([
        Exchange::get("/a.txt", ""),
        Exchange::get("/a.txt", "Range: bytes=0-\r\n"),
        Exchange::get("/missing", "Connection: close\r\n"),
        Exchange::get("/r", ""),
        Exchange::get("/c", ""),
        Exchange::new("nonsense\r\n\r\n"),
        Exchange::pipelined("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3), 3),
    ]);
    let answers = || theirs.answers_of(Binary::Nginx);
    assert_eq!(answers(), answers());
    assert!(answers().contains("301"), "{}", answers());
}
