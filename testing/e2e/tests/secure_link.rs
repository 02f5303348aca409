//! `secure_link`.

use harness::{Differential, Exchange, Server};

/// Right and wrong hashes, late and early times, in both ways of linking.
#[test]
fn links_are_checked_as_nginx_checks_them() {
    let server = Server::of_one(
        r#"
        location /md5/ {
            secure_link $arg_h;
            secure_link_md5 "secret$uri";
            return 200 "$secure_link|$secure_link_expires";
        }
        location /time/ {
            secure_link $arg_h,$arg_e;
            secure_link_md5 "secret$uri$secure_link_expires";
            return 200 "$secure_link|$secure_link_expires";
        }
        location /path/ {
            secure_link_secret secret;
            if ($secure_link = "") { return 403; }
            return 200 "$secure_link";
        }
        location /off/ { return 200 "$secure_link|$secure_link_expires"; }
        location /sent-on/ {
            secure_link_secret secret;
            if ($secure_link = "") { return 403; }
            rewrite ^ /off/$secure_link last;
        }
        location /timed/ {
            secure_link $arg_h,$arg_e;
            secure_link_md5 "secret/time/a$secure_link_expires";
            if ($secure_link) { rewrite ^ /off/ last; }
            return 403;
        }
        location /own/ {
            secure_link $secure_link;
            secure_link_md5 $secure_link_expires;
            return 200 "[$secure_link|$secure_link_expires]";
        }
        "#,
    )
    .allow_log("cycle while evaluating variable");
    // MD5 of "secret/md5/a", "secret/time/a" with 1 and with 4102444800, and "linksecret".
    let paths = [
        "/md5/a?h=OV-ebroIaygsOl6Gob1P7Q",
        "/md5/a?h=OV-ebroIaygsOl6Gob1P7Q==",
        "/md5/a?h=OV-ebroIaygsOl6Gob1P7Q===",
        "/md5/b?h=OV-ebroIaygsOl6Gob1P7Q",
        "/md5/a?h=",
        "/md5/a",
        "/md5/a?h=OV-ebroIaygsOl6Gob1P7Q,5",
        "/time/a?h=7WrdpjaocdIhJWz-6vvwIA&e=1",
        "/time/a?h=lktMkcEkHxyx1yD6fC37xA&e=4102444800",
        "/time/a?h=lktMkcEkHxyx1yD6fC37xA&e=4102444801",
        "/time/a?h=lktMkcEkHxyx1yD6fC37xA&e=0",
        "/time/a?h=lktMkcEkHxyx1yD6fC37xA",
        "/path/5e814704a28d9bc1914ff19fa0c4a00a/link",
        "/path/5e814704a28d9bc1914ff19fa0c4a00a/link?",
        "/path/5e814704a28d9bc1914ff19fa0c4a00a/other",
        "/path/5e814704a28d9bc1914ff19fa0c4a00a/",
        "/path/x/link",
        "/path/link",
        "/off/",
        "/sent-on/5e814704a28d9bc1914ff19fa0c4a00a/link",
        "/sent-on/5e814704a28d9bc1914ff19fa0c4a00a/other",
        "/timed/?h=lktMkcEkHxyx1yD6fC37xA&e=4102444800",
        "/own/",
    ];
    Differential::new(server)
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .run();
}
