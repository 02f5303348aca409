//! The environment fails: processes are killed, disks are full, files change under our hands.

use harness::{Client, Server, Signal, clock, process};
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

fn addr(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// One request on a connection of its own: whether it was answered, and whole.
fn is_answered(addr: SocketAddr) -> bool {
    let bytes = "GET /tag?x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    Client::connect(addr)
        .and_then(|mut client| client.converse(bytes))
        .is_ok_and(|responses| matches!(&responses[..], [one] if one.text() == "x"))
}

/// A worker that is killed is replaced at once, and only requests that it had are lost.
#[test]
fn a_killed_worker_is_replaced() {
    const KILLS: usize = 3;
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .with_main("worker_processes 2;")
        .allow_log("exited on signal 9")
        .start();
    let addr = addr(&server);
    let is_done = AtomicBool::new(false);
    let (mut failed, mut replaced) = (0, Vec::new());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut failures = 0;
                    while !is_done.load(Ordering::Relaxed) {
                        failures += usize::from(!is_answered(addr));
                    }
                    failures
                })
            })
            .collect();
        for _ in 0..KILLS {
            // A worker that lived shorter than a second would wait for its successor.
            thread::sleep(Duration::from_millis(1100));
            let old = server.workers();
            process::send(old[0], Signal::Kill).unwrap();
            let started = clock::now();
            let is_back = || {
                let now = process::workers(server.master());
                now.len() == 2 && !now.contains(&old[0])
            };
            assert!(
                clock::becomes_true(LIMIT, is_back),
                "no worker in its place"
            );
            replaced.push(started.elapsed());
        }
        is_done.store(true, Ordering::Relaxed);
        failed = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum();
    });
    eprintln!("failed: {failed}, replaced after {replaced:?}");
    // Each of four clients has one request at a time, which the killed worker may have had.
    assert!(failed <= 4 * KILLS, "{failed} requests failed");
    assert!((0..50).all(|_| is_answered(addr)), "afterwards");
}

/// Without its master, a worker serves on.
#[test]
fn workers_outlive_a_killed_master() {
    let server = Server::of_one("location = /tag { return 200 $args; }")
        .allow_alerts()
        .start();
    let workers = server.workers();
    let mut client = server.connect();
    assert_eq!(client.get("/tag?a").text(), "a");
    process::send(server.master(), Signal::Kill).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(client.get("/tag?a").text(), "a");
    assert!((0..20).all(|_| is_answered(addr(&server))));
    for pid in workers {
        process::send(pid, Signal::Quit).unwrap();
        assert!(clock::becomes_true(LIMIT, || !process::is_running(pid)));
    }
}

/// Logs that cannot be written cost no request.
#[test]
fn full_logs_cost_no_request() {
    let server = Server::new(
        "access_log /dev/full;
         access_log logs/second.log;
         access_log /dev/full combined buffer=1k flush=1s;
         server {
             listen 127.0.0.1:{port};
             location = /tag { return 200 $args; }
         }",
    )
    .with_file("html/a.txt", "static")
    .allow_log("/dev/full")
    .start();
    let mut client = server.connect();
    for _ in 0..500 {
        assert_eq!(client.get("/tag?a").text(), "a");
    }
    for _ in 0..20 {
        assert_eq!(server.get("/a.txt").text(), "static");
    }
    assert_eq!(server.log_lines("second.log", 520).len(), 520);
    // What was lost is told, and not once for every line.
    server.wait_for_error_log("/dev/full");
    let told = server.error_log().matches("/dev/full").count();
    assert!(told < 50, "{told} lines about it");
}

/// An error log that is full costs no request either, and does not fill another.
#[test]
fn a_full_error_log_costs_no_request() {
    let server = Server::of_one("error_log /dev/full info; location = /tag { return 200 $args; }")
        .allow_log("/dev/full")
        .start();
    for _ in 0..50 {
        assert_eq!(server.get("/missing").status, 404);
        assert_eq!(server.get("/tag?a").text(), "a");
    }
}

/// A file system of one MiB, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` for one who may not mount.
    fn mount(place: &Path) -> Option<Self> {
        fs::create_dir_all(place).ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=0777", "tmpfs"])
            .arg(place)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(place.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

/// Fills the disk at `place` to the last byte, with a file that is to be removed.
fn fill(place: &Path) -> PathBuf {
    let path = place.join("filler");
    let mut file = fs::File::create(&path).expect("an empty file needs no room");
    while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
    path
}

/// Logs whose disk is full cost no request, and go on as soon as there is room.
#[test]
fn logs_go_on_when_there_is_room_again() {
    let place = harness::Prefix::new();
    let small = place.path().join("small");
    let Some(_disk) = SmallDisk::mount(&small) else {
        harness::skip::skip("not allowed to mount a small file system");
        return;
    };
    let shown = small.display();
    let server = Server::new(&format!(
        "error_log logs/error.log info;
         error_log {shown}/error.log info;
         access_log {shown}/access.log;
         access_log {shown}/buffered.log combined buffer=4k flush=100ms;
         access_log {shown}/$arg_name.log;
         server {{
             listen 127.0.0.1:{{port}};
             location = /tag {{ return 200 $args; }}
         }}"
    ))
    .allow_log("No space left on device")
    .start();
    assert_eq!(server.get("/tag?name=a").text(), "name=a");
    let filler = fill(&small);
    let started = clock::now();
    let mut client = server.connect();
    for _ in 0..300 {
        assert_eq!(client.get("/tag?name=lost").text(), "name=lost");
        assert_eq!(client.get("/missing?name=lost").status, 404);
    }
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    fs::remove_file(filler).unwrap();
    for log in ["access", "buffered", "found", "error"] {
        let goes_on = || {
            assert_eq!(server.get("/missing?name=found").status, 404);
            let text = fs::read_to_string(small.join(format!("{log}.log")));
            text.is_ok_and(|text| text.contains("/missing?name=found"))
        };
        assert!(clock::becomes_true(LIMIT, goes_on), "{log}.log");
    }
    // A line that did not fit is not there by half: what follows stands in a line of its own.
    let text = fs::read_to_string(small.join("access.log")).unwrap();
    let is_whole = |line: &str| line.starts_with("127.0.0.1 - - [");
    let broken = text.lines().filter(|line| !is_whole(line)).count();
    assert!(broken <= 1, "{broken} lines are broken");
}

/// An answer that is to wait on a disk that is full, or becomes full, waits at the server behind.
/// nginx cuts it off.
#[test]
fn answers_that_the_disk_cannot_hold_are_whole() {
    if harness::nginx_is_tested() {
        return;
    }
    let place = harness::Prefix::new();
    let small = place.path().join("small");
    let Some(_disk) = SmallDisk::mount(&small) else {
        harness::skip::skip("not allowed to mount a small file system");
        return;
    };
    let size = 16 << 20;
    let server = Server::new(&format!(
        "proxy_temp_path {}/temp; proxy_buffers 4 8k;
         server {{
             listen 127.0.0.1:{{port}};
             location /up/ {{ proxy_pass http://127.0.0.1:{{port}}/; }}
             location = /tag {{ return 200 $args; }}
         }}",
        small.display()
    ))
    .with_file("html/large", "a".repeat(size))
    .allow_log("No space left on device")
    .start();
    let answer = || {
        let mut client = server.connect();
        client
            .send("GET /up/large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .unwrap();
        // The client reads no sooner than the server behind has filled whatever there is.
        let told = || {
            server
                .error_log()
                .matches("No space left on device")
                .count()
        };
        let before = told();
        let is_full = clock::becomes_true(LIMIT, || told() > before);
        assert!(is_full, "{}", server.error_log());
        let response = client.receive();
        response.is_complete && response.body.len() == size
    };
    assert!(answer(), "becomes full");
    let filler = fill(&small);
    assert!(answer(), "is full");
    assert_eq!(server.get("/tag?a").text(), "a");
    fs::remove_file(filler).unwrap();
    assert!(answer(), "is free again");
    let is_clear = || {
        fill(&small)
            .metadata()
            .is_ok_and(|filler| filler.len() > 900_000)
    };
    assert!(
        clock::becomes_true(LIMIT, is_clear),
        "nothing was left behind"
    );
}

/// A body that the disk has no room for is an error of that request alone.
#[test]
fn bodies_that_the_disk_cannot_hold_fail_alone() {
    let server = Server::of_one(
        "client_body_temp_path {prefix}/small/temp; client_body_buffer_size 1k;
         client_max_body_size 100m;
         location /put/ { root {prefix}; dav_methods PUT; }
         location = /tag { return 200 $args; }",
    )
    .with_file("put/old", "old")
    .allow_log("No space left on device")
    .with_file("small/keep", "");
    let server = server.start();
    let Some(_disk) = SmallDisk::mount(&server.path("small")) else {
        harness::skip::skip("not allowed to mount a small file system");
        return;
    };
    fs::create_dir(server.path("small/temp")).unwrap();
    for folder in ["small/temp", "put"] {
        fs::set_permissions(server.path(folder), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let put = |name: &str, size: usize| {
        let body = "x".repeat(size);
        server.request(format!(
            "PUT /put/{name} HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}"
        ))
    };
    assert_eq!(put("fits", 100_000).status, 201);
    for _ in 0..3 {
        let response = put("old", 4 << 20);
        assert!(matches!(response.status, 500 | 507), "{response:?}");
        assert_eq!(server.get("/tag?a").text(), "a");
    }
    assert_eq!(server.prefix().read("put/old"), "old");
    if harness::nginx_is_tested() {
        return;
    }
    // The room is free again: nothing of what failed is left.
    assert_eq!(put("fits", 500_000).status, 204);
    assert_eq!(server.prefix().read("put/fits").len(), 500_000);
}

/// Temporary folders that are gone or not writable are an error of one request as well.
#[test]
fn a_missing_temporary_folder_fails_one_request() {
    let server = Server::of_one(
        "client_body_temp_path {prefix}/temp; client_body_buffer_size 1k;
         location /put/ { root {prefix}; dav_methods PUT; }
         location = /tag { return 200 $args; }",
    )
    .allow_log("No such file or directory")
    .start();
    fs::remove_dir_all(server.path("temp")).unwrap();
    let body = "x".repeat(5000);
    let response = server.request(format!(
        "PUT /put/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n{body}"
    ));
    assert_eq!(response.status, 500);
    assert_eq!(server.get("/tag?a").text(), "a");
}

/// A file that shrinks while it is sent: the client can see that it is short, gets no other
/// bytes, and the worker does not spin.
#[test]
fn files_that_shrink_while_sent_are_seen_to_be_short() {
    let size = 16 << 20;
    for how in [
        "sendfile on;",
        "sendfile off;",
        "sendfile off; output_buffers 1 64k; directio 1m;",
    ] {
        let server = Server::of_one(how)
            .with_file("html/large", "a".repeat(size))
            .allow_log("sendfile() reported that")
            .allow_log("read only 0 of")
            .start();
        let mut client = server.connect();
        client
            .send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        let mut start = [0; 1000];
        client.stream().read_exact(&mut start).unwrap();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(server.path("html/large"));
        file.unwrap().set_len(4096).unwrap();
        let rest = client.read_to_end().unwrap();
        assert!(
            rest.len() + start.len() < size,
            "{how}: {} bytes",
            rest.len()
        );
        // What lies in the socket already is still the file's memory after sendfile, and the
        // system clears it: its zeros are no bytes of ours.
        let is_own = |byte: &u8| *byte == b'a' || *byte == 0 && how == "sendfile on;";
        assert!(rest.iter().all(is_own), "{how}");

        let worker = server.workers()[0];
        let ticks = || process::stat(worker).unwrap().cpu_ticks;
        let before = ticks();
        thread::sleep(Duration::from_millis(500));
        assert!(ticks() - before < 25, "{how}: {} ticks", ticks() - before);
        assert_eq!(server.get("/large").body.len(), 4096, "{how}");
    }
}

/// A file that is replaced while it is sent: what was begun is what is finished.
#[test]
fn files_that_are_replaced_while_sent_are_sent_as_they_were() {
    let size = 16 << 20;
    let server = Server::of_one("open_file_cache max=10;")
        .with_file("html/large", "a".repeat(size))
        .start();
    let mut client = server.connect();
    client
        .send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    // The file is open once something of it has come.
    client.stream().peek(&mut [0]).unwrap();
    server
        .prefix()
        .write("html/next", "b".repeat(size).as_bytes());
    fs::rename(server.path("html/next"), server.path("html/large")).unwrap();
    let response = client.receive();
    assert!(response.is_complete && response.body.iter().all(|byte| *byte == b'a'));
}
