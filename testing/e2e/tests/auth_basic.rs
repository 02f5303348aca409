//! Who may come in: `auth_basic`, `allow` and `deny`, `satisfy`.

use harness::{Builder, Differential, Exchange, Server};
use std::io::ErrorKind;

/// `password` in every form, by `openssl passwd`, `openssl dgst` and `perl -e 'print crypt(...)'`.
const USERS: &str = "# users of the tests
plain:{PLAIN}password:with a comment
sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=
ssha:{SSHA}h1QbhpcpPHrlzUW5QglCeBdx6ihzYWx0MQ==
apr1:$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0
md5:$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/
sha256:$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.
bcrypt:$2y$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm
broken:xx
";

/// The same by bcrypt with a cost that takes a worker tenths of a second.
const SLOW: &str = "slow:$2y$12$abcdefghijklmnopqrstuutwZ1IOTtu3SsEBT5lI/LFncP31tIybm\n";

fn server() -> Builder {
    Server::of_one(
        r#"
        location / { }
        location /in/ { auth_basic "closed site"; auth_basic_user_file users; alias html/; }
        location /off/ { auth_basic off; auth_basic_user_file users; alias html/; }
        location /var/ { auth_basic $arg_realm; auth_basic_user_file $arg_file; alias html/; }
        location /any/ {
            satisfy any; deny all;
            auth_basic any; auth_basic_user_file users; alias html/;
        }
        location /both/ {
            allow 127.0.0.0/8; deny all;
            auth_basic both; auth_basic_user_file users; alias html/;
        }
        location /deny/ { allow 10.0.0.0/8; deny 127.0.0.1; alias html/; }
        location /unix/ { allow unix:; deny all; alias html/; }
        location /write/ { limit_except GET { deny all; } alias html/; }
        "#,
    )
    .with_file("html/a.txt", "secret")
    .with_file("users", USERS)
    .with_file("conf/users", USERS)
}

/// RFC 4648 section 4.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * position) & 63) as usize];
            out.push(if position <= chunk.len() {
                letter.into()
            } else {
                '='
            });
        }
    }
    out
}

fn credentials(user: &str, password: &str) -> String {
    let pair = base64(&format!("{user}:{password}"));
    format!("Authorization: Basic {pair}\r\n")
}

#[test]
fn every_form_of_password() {
    let users = [
        "plain", "sha", "ssha", "apr1", "md5", "sha256", "bcrypt", "broken", "nobody", "", "#",
    ];
    let exchanges = users.iter().flat_map(|user| {
        ["password", "passwore", ""]
            .map(|password| Exchange::get("/in/a.txt", &credentials(user, password)))
    });
    Differential::new(server()).with_exchanges(exchanges).run();
}

#[test]
fn who_is_asked_and_who_is_not() {
    let good = credentials("plain", "password");
    let exchanges = [
        Exchange::get("/in/a.txt", ""),
        Exchange::get("/in/a.txt", "Authorization: Basic\r\n"),
        Exchange::get("/in/a.txt", "Authorization: Basic !!\r\n"),
        Exchange::get(
            "/in/a.txt",
            "Authorization: basic   cGxhaW46cGFzc3dvcmQ\r\n",
        ),
        Exchange::get("/in/a.txt", "Authorization: Bearer x\r\n"),
        Exchange::get("/off/a.txt", ""),
        Exchange::get("/var/a.txt?realm=off", ""),
        Exchange::get("/var/a.txt?realm=r&file=users", &good),
        Exchange::get("/var/a.txt?realm=r&file=none", &good),
        Exchange::get("/any/a.txt", ""),
        Exchange::get("/any/a.txt", &good),
        Exchange::get("/both/a.txt", ""),
        Exchange::get("/both/a.txt", &good),
        Exchange::get("/deny/a.txt", ""),
        Exchange::get("/unix/a.txt", ""),
        Exchange::get("/write/a.txt", ""),
        Exchange::new("DELETE /write/a.txt HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    Differential::new(server()).with_exchanges(exchanges).run();
}

#[test]
fn refusals_are_logged() {
    let server = server().start();
    let _ = server.get("/deny/a.txt");
    server.wait_for_error_log("access forbidden by rule, client: 127.0.0.1");
    for (user, said) in [
        ("plain", "user \"plain\": password mismatch"),
        ("nobody", "user \"nobody\" was not found in \""),
    ] {
        let _ = server.request(format!(
            "GET /in/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
            credentials(user, "wrong")
        ));
        server.wait_for_error_log(said);
    }
}

/// While a password is checked that takes long, the worker serves others.
#[test]
fn a_slow_hash_holds_up_nobody_else() {
    if harness::nginx_is_tested() {
        return harness::skip::skip("nginx computes hashes in its loop");
    }
    let server = server()
        .with_file("users", SLOW)
        .with_file("conf/users", SLOW)
        .start();
    let fields = credentials("slow", "password");
    let request = format!("GET /in/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
    // A worker that computed it in its loop would answer it before what came later, every time.
    let is_overtaken = (0..5).any(|_| {
        let mut slow = server.connect();
        slow.send(&request).unwrap();
        assert_eq!(server.get("/a.txt").text(), "secret");
        slow.stream().set_nonblocking(true).unwrap();
        let come = slow.stream().peek(&mut [0]).map_err(|error| error.kind());
        slow.stream().set_nonblocking(false).unwrap();
        let answer = slow.receive();
        assert_eq!((answer.status, answer.text().as_str()), (200, "secret"));
        come == Err(ErrorKind::WouldBlock)
    });
    assert!(is_overtaken);
}

/// Clients that leave while they are held back cost nothing more; the delay is longer than a
/// server may take to quit.
#[test]
fn who_is_refused_late_may_leave_early() {
    let server = Server::new(
        "log_format status '$status $uri';
         limit_req_zone one zone=slow:1m rate=1r/m;
         server {
             listen 127.0.0.1:{port};
             access_log logs/status status;
             location /auth { auth_basic x; auth_basic_user_file users; auth_delay 1h; }
             location /rate { limit_req zone=slow burst=9; }
         }",
    )
    .with_main("error_log logs/error.log info;")
    .with_file("users", "")
    .start();
    assert_eq!(server.get("/rate/1").status, 404);
    for uri in ["/rate/2", "/auth"] {
        let mut client = server.connect();
        let request = format!("GET {uri} HTTP/1.1\r\nHost: h\r\n\r\n");
        client.send(request).expect("the server reads");
    }
    let mut lines = server.log_lines("status", 3);
    lines.sort();
    assert_eq!(lines, ["404 /rate/1", "499 /auth", "499 /rate/2"]);
    server.wait_for_error_log("client prematurely closed connection");
}
