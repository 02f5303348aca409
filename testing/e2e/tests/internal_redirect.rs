//! `internal_redirect`.

use harness::Server;

/// To URIs and named locations, after access was judged and before content is made.
#[test]
fn requests_go_elsewhere_once_they_were_let_in() {
    let server = Server::new(
        r#"
        limit_req_zone $arg_user zone=users:1m rate=1r/m;
        server {
            listen 127.0.0.1:{port};
            location / { internal_redirect $arg_to; try_files $uri =404; }
            location /denied/ { deny all; internal_redirect /target; }
            location /args { internal_redirect /target?x=$arg_x; }
            location /limited { auth_require $arg_user; internal_redirect @limited; }
            location @limited { limit_req zone=users; try_files /file =404; }
            location /target { internal; return 200 "$uri $args $request_uri"; }
            location /round { internal_redirect /round; }
            location /nowhere { internal_redirect @missing; }
        }
        "#,
    )
    .with_file("html/file", "content")
    .start();
    assert_eq!(server.get("/file").text(), "content");
    assert_eq!(
        server.get("/file?to=/target").text(),
        "/target  /file?to=/target"
    );
    assert_eq!(server.get("/denied/file").status, 403);
    assert_eq!(server.get("/args?x=y").text(), "/target x=y /args?x=y");
    assert_eq!(server.get("/limited").status, 403);
    assert_eq!(server.get("/limited?user=ann").text(), "content");
    assert_eq!(server.get("/limited?user=ann").status, 503);
    assert_eq!(server.get("/limited?user=bob").text(), "content");
    assert_eq!(server.get("/round").status, 500);
    server.wait_for_error_log("rewrite or internal redirection cycle");
    assert_eq!(server.get("/nowhere").status, 500);
    server.wait_for_error_log("could not find named location \"@missing\"");
}
