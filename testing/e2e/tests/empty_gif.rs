//! `empty_gif`: one picture, whatever is asked for.

use harness::{Differential, Exchange, Server};

#[test]
fn the_picture_is_nginxs_for_every_uri_and_method() {
    let inside = "location / {
            empty_gif;
            location /nested/ { }
            if ($arg_if) { add_header X-If yes; }
        }
        location /limited/ {
            empty_gif;
            limit_except GET { }
        }";
    let ask = |method: &str, path: &str| {
        Exchange::new(format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    Differential::new(Server::of_one(inside).with_file("html/limited/a", "file"))
        .with_exchanges([
            ask("GET", "/"),
            ask("GET", "/any/thing?x"),
            ask("GET", "/x?if=1"),
            ask("GET", "/nested/a"),
            ask("HEAD", "/a.gif"),
            ask("POST", "/a.gif"),
            ask("PUT", "/a.gif"),
            ask("GET", "/limited/a"),
            ask("PUT", "/limited/a"),
            Exchange::get(
                "/a.gif",
                "If-Modified-Since: Mon, 28 Sep 1970 06:00:00 GMT\r\n",
            ),
            Exchange::get("/a.gif", "Range: bytes=0-5\r\n"),
        ])
        .run();
}
