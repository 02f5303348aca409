//! `mirror`.

use harness::scripted::{Scripted, Step};
use harness::{Server, clock};
use std::time::Duration;

/// Connections of the worker, of which a quarter may be for copies.
const CONNECTIONS: usize = 64;

fn server(mirror: &Scripted) -> Server {
    Server::of_one(
        "location / { mirror /copy; proxy_pass http://127.0.0.1:{port}/real; }
         location /bare { mirror /copy; mirror_request_body off; proxy_pass http://127.0.0.1:{port}/real; }
         location /real { return 200 real; }
         location /copy { internal; proxy_pass http://127.0.0.1:{port_mirror}$request_uri; }",
    )
    .with_events(&format!("worker_connections {CONNECTIONS};"))
    .with_port("mirror", mirror.port())
    .start()
}

#[test]
fn copies_have_what_the_request_had() {
    let answer = Step::send("HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nmirror");
    let mirror = Scripted::new(&[Step::Request, answer]);
    let server = server(&mirror);
    for path in ["/a?b=c", "/bare?b=c"] {
        let request =
            format!("PUT {path} HTTP/1.1\r\nHost: x\r\nX-A: b\r\nContent-Length: 4\r\n\r\nbody");
        let response = server.request(request);
        assert_eq!((response.status, response.text().as_ref()), (200, "real"));
    }
    assert!(mirror.waits_for(|seen| seen.iter().filter(|one| one.is_over).count() == 2));
    let mut copies: Vec<String> = mirror
        .requests()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    copies.sort();
    let [whole, bare] = &copies[..] else {
        panic!("{copies:?}");
    };
    assert!(whole.starts_with("PUT /a?b=c HTTP/1."), "{whole}");
    assert!(whole.contains("\r\nX-A: b\r\n"), "{whole}");
    assert!(whole.ends_with("\r\n\r\nbody"), "{whole}");
    assert!(bare.starts_with("PUT /bare?b=c HTTP/1."), "{bare}");
    assert!(bare.ends_with("\r\n\r\n"), "{bare}");
}

/// To look for a body, of which none is there, makes none of length 0.
#[test]
fn a_request_without_a_body_has_none_anywhere() {
    let answer = Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (real, mirror) = (
        Scripted::new(&[Step::Request, answer.clone()]),
        Scripted::new(&[Step::Request, answer]),
    );
    let server = Server::of_one(
        "location / { mirror /copy; proxy_pass http://127.0.0.1:{port_real}; }
         location /copy { internal; proxy_pass http://127.0.0.1:{port_mirror}; }",
    )
    .with_port("mirror", mirror.port())
    .with_port("real", real.port())
    .start();
    assert_eq!(server.get("/").status, 200);
    for peer in [real, mirror] {
        assert!(peer.waits_for(|seen| seen.iter().any(|one| one.is_over)));
        let requests = peer.requests();
        let [(_, text)] = &requests[..] else {
            panic!("{requests:?}");
        };
        assert!(!text.contains("Content-Length"), "{text}");
    }
}

/// Copies took all connections of the worker, and who was to be served had none.
#[test]
fn a_mirror_that_does_not_answer_leaves_room_for_others() {
    let mirror = Scripted::new(&[Step::Request, Step::Hang]);
    let server = server(&mirror);
    for number in 0..2 * CONNECTIONS {
        let response = server.get("/a");
        assert_eq!(response.status, 200, "request {number}");
    }
    server.wait_for_error_log("no copy for mirror \"/copy\": too many are under way");
    assert!(mirror.waits_for(|seen| seen.len() == CONNECTIONS / 4));
    // Once these have ended, copies are made again.
    drop(mirror);
    let is_tried = || {
        assert_eq!(server.get("/a").status, 200);
        server.error_log().contains("connect() failed")
    };
    assert!(clock::becomes_true(Duration::from_secs(10), is_tried));
}
