//! Shared hosting: names by list, wildcard, expression and table; strangers get nothing.

use crate::Site;

fn start() -> Site {
    Site::start(
        "vhosts",
        &[
            ("srv/alpha/index.html", b"alpha"),
            ("srv/beta/index.html", b"beta"),
            ("srv/users/ann/index.html", b"home of ann"),
            ("srv/shared/shared-error.html", b"shared error"),
        ],
    )
}

#[test]
fn names_lead_to_their_server() {
    let site = start();
    for (host, body) in [
        ("alpha.test", "alpha"),
        ("ALPHA.test:8080", "alpha"),
        ("any.thing.alpha.test", "alpha"),
        ("www.alpha.test", "alpha"),
        ("beta.test", "beta"),
        ("beta.co.uk", "beta"),
        ("beta-dev.example", "beta"),
        ("ann.users.test", "home of ann"),
    ] {
        let response = site.get(host, "/");
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, body),
            "{host}"
        );
    }
    let stage = site.get("beta-test.example", "/");
    assert_eq!(stage.header("X-Stage"), Some("test"));
    assert_eq!(site.get("beta.test", "/").header("X-Stage"), None);
}

#[test]
fn strangers_get_no_answer() {
    let site = start();
    for request in [
        "GET / HTTP/1.1\r\nHost: stranger.test\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: beta-prod.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ] {
        let mut client = site.connect();
        client.send(request).unwrap();
        assert_eq!(client.read_to_end().unwrap(), b"", "{request}");
    }
    let lines = site.log("vhosts.log", 4);
    let stranger = "unknown stranger.test \"GET / HTTP/1.1\" 444".to_owned();
    assert!(lines.contains(&stranger), "{lines:?}");
}

#[test]
fn redirects_and_shared_errors() {
    let site = start();
    let location = |host: &str, path: &str| {
        let response = site.get(host, path);
        let target = response.header("Location").unwrap_or_default().to_owned();
        (response.status, target)
    };
    assert_eq!(
        location("www.gamma.test", "/x?y=z"),
        (301, "http://gamma.test/x?y=z".to_owned())
    );
    assert_eq!(
        location("alpha.test", "/shop/1?a"),
        (302, "https://shop.alpha.test/shop/1?a".to_owned())
    );
    assert_eq!(
        location("bob.users.test", "/~ann/x"),
        (301, "http://ann.users.test/x".to_owned())
    );
    for (host, path) in [
        ("alpha.test", "/none"),
        ("beta.test", "/none"),
        ("nobody.users.test", "/"),
        ("alpha.test", "/shared-error.html"),
    ] {
        let response = site.get(host, path);
        assert_eq!(response.status, 404, "{host}{path}");
        assert_eq!(response.text(), "shared error", "{host}{path}");
    }
}

/// The table of hosts is its own matching, whatever server answers.
#[test]
fn customers_in_the_log() {
    let site = start();
    let hosts = ["alpha.test", "x.alpha.test", "beta.org", "ann.users.test"];
    for host in hosts {
        assert_eq!(site.get(host, "/").status, 200, "{host}");
    }
    // Two workers write it, in whatever order.
    let mut customers: Vec<String> = site
        .log("vhosts.log", hosts.len())
        .iter()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    customers.sort();
    assert_eq!(customers, ["alpha", "alpha", "beta", "users"]);
}
