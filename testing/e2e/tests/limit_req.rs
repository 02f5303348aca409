//! `limit_req`.

use harness::{Differential, Exchange, Server};
use std::time::Duration;

const ZONES: &str = r#"
    limit_req_zone $arg_key zone=slow:1m rate=1r/m;
    limit_req_zone $arg_key zone=other:1m rate=1r/m;
    limit_req_zone $arg_key zone=quick:1m rate=2r/s;
"#;

/// Requests at once, of which a burst passes and the rest is refused.
#[test]
fn bursts_pass_and_the_rest_is_refused_as_by_nginx() {
    let http = format!(
        r#"{ZONES}
        server {{
            listen 127.0.0.1:{{port}};
            add_header X-Status $limit_req_status always;
            location /plain {{ limit_req zone=slow; limit_req_status 429; }}
            location /burst {{ limit_req zone=slow burst=2 nodelay; }}
            location /both {{
                limit_req zone=slow burst=4 nodelay;
                limit_req zone=other burst=1 nodelay;
            }}
            location /dry {{ limit_req zone=slow; limit_req_dry_run on; }}
            location /again {{
                limit_req zone=slow;
                error_page 404 /plain;
                return 404;
            }}
            location /page {{ limit_req zone=slow; error_page 503 = @busy; }}
            location @busy {{ return 200 "busy $limit_req_status"; }}
            location /none {{ }}
        }}"#
    );
    let server = ["plain", "burst", "both", "dry", "again", "page", "none"]
        .iter()
        .fold(Server::new(&http), |server, name| {
            server.with_file(&format!("html/{name}"), name.as_bytes())
        })
        .allow_log("limiting requests");
    let many = |path: &str, count: usize| {
        std::iter::repeat_n(Exchange::get(path, ""), count).collect::<Vec<_>>()
    };
    let longest = format!("/plain?key={}", "x".repeat(4000));
    let exchanges = [
        many("/plain?key=a", 3),
        many("/plain?key=A", 1),
        many("/plain", 3),
        many("/burst?key=b", 5),
        many("/both?key=c", 4),
        many("/dry?key=d", 2),
        many("/again?key=e", 2),
        many("/page?key=f", 2),
        many("/none?key=a", 1),
        many(&longest, 2),
    ];
    Differential::new(server)
        .with_exchanges(exchanges.concat())
        .run();
}

/// A request beyond the rate is answered when its turn has come.
#[test]
fn a_request_waits_for_its_turn() {
    let http = format!(
        r#"{ZONES}
        server {{
            listen 127.0.0.1:{{port}};
            add_header X-Status $limit_req_status;
            location / {{ limit_req zone=quick burst=5 delay=1; }}
        }}"#
    );
    let server = Server::new(&http)
        .with_file("html/a", "a")
        .allow_log("delaying request")
        .start();
    // Half a second after the first one there is room for the third: on a busy machine it may
    // come late, and others are tried.
    let is_delayed = (0..10).any(|key| {
        let path = format!("/a?key={key}");
        let status = || server.get(&path).header("x-status").map(str::to_owned);
        let before = harness::clock::now();
        assert_eq!(status().as_deref(), Some("PASSED"));
        assert_eq!(status().as_deref(), Some("PASSED"));
        let is_delayed = status().as_deref() == Some("DELAYED");
        let took = before.elapsed();
        assert!(took >= Duration::from_millis(450), "{took:?}");
        is_delayed
    });
    assert!(is_delayed);
    server.wait_for_error_log("delaying request, excess: ");
    server.wait_for_error_log(", by zone \"quick\", client: 127.0.0.1");
}

/// What was counted outlives a reload, unless the zone has become another.
#[test]
fn counts_are_kept_over_a_reload() {
    let text = |key: &str, size: &str| {
        format!(
            "limit_req_zone {key} zone=kept:{size} rate=1r/m;
             server {{ listen 127.0.0.1:{{port}}; location / {{ limit_req zone=kept; }} }}"
        )
    };
    let file = |http: &str| Server::new(http).with_file("html/a", "a");
    let mut server = file(&text("$arg_key", "1m"))
        .allow_log("limiting requests")
        .allow_log("key while previously it used")
        .start();
    assert_eq!(server.get("/a?key=x").status, 200);
    assert_eq!(server.get("/a?key=x").status, 503);
    server.reload().unwrap();
    assert_eq!(server.get("/a?key=x").status, 503);
    let refused = server
        .reload_with(&file(&text("$arg_other", "1m")))
        .unwrap_err();
    assert!(refused.contains("uses the \"$arg_other\" key"), "{refused}");
    server.reload_with(&file(&text("$arg_key", "2m"))).unwrap();
    assert_eq!(server.get("/a?key=x").status, 200);
}
