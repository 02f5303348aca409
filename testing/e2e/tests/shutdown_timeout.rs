//! What becomes of requests that outlive `worker_shutdown_timeout`.

use harness::scripted::{Scripted, Step};
use harness::{Server, clock, process};
use std::time::Duration;

/// As in nginx, each is in the access log, whatever it was about; and the old worker goes.
#[test]
fn what_a_worker_cuts_short_is_logged() {
    let silent = Scripted::new(&[Step::Head, Step::Hang]);
    let upgraded =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello";
    let tunnel = Scripted::new(&[Step::Head, Step::Send(upgraded.into()), Step::Hang]);
    let server = Server::new(&format!(
        "log_format cut '$request_uri $body_bytes_sent';
         access_log logs/cut.log cut;
         server {{
             listen 127.0.0.1:{{port}};
             location /silent {{ proxy_pass http://127.0.0.1:{}; }}
             location /tunnel {{
                 proxy_pass http://127.0.0.1:{};
                 proxy_http_version 1.1;
                 proxy_set_header Upgrade $http_upgrade;
                 proxy_set_header Connection upgrade;
             }}
             location /slow {{ alias html/large; limit_rate 16k; }}
         }}",
        silent.port(),
        tunnel.port(),
    ))
    .with_main("worker_shutdown_timeout 300ms;")
    .with_file("html/large", vec![b'a'; 1 << 20])
    .start();
    let requests = [
        "GET /silent HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /silent/body HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
    ];
    let clients: Vec<_> = requests
        .iter()
        .map(|request| {
            let mut client = server.connect();
            client.send(request).expect("sent");
            client
        })
        .collect();
    assert!(silent.waits_for(|seen| seen.iter().any(|one| !one.requests.is_empty())));
    assert!(tunnel.waits_for(|seen| seen.iter().any(|one| !one.requests.is_empty())));
    server.reload().expect("a reload");
    let mut lines = server.log_lines("cut.log", requests.len());
    lines.sort();
    assert_eq!(lines[0], "/silent 0");
    assert_eq!(lines[1], "/silent/body 0");
    assert!(lines[2].starts_with("/slow "), "{lines:?}");
    assert_eq!(lines[3], "/tunnel 5");
    let is_alone = || process::children(server.master()).len() == 1;
    assert!(clock::becomes_true(Duration::from_secs(10), is_alone));
    drop(clients);
}
