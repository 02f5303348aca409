//! Names that are looked up while the server works: `resolver`.

mod dns;
mod groups;
mod hostile;
mod programs;

use dns::{A, AAAA, CNAME, Dns, Question};
use harness::{Differential, Exchange, Server, clock};
use std::time::Duration;

/// A server that hands every request on to the name in `h`, to itself.
fn names(resolver: &str) -> harness::Builder {
    Server::new(&format!(
        "resolver {resolver};
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 proxy_pass http://$arg_h:{{port_app}};
                 proxy_connect_timeout 2s;
                 add_header X-Addr $upstream_addr always;
             }}
         }}
         server {{ listen 127.0.0.1:{{port_app}}; location / {{ return 200 \"app $uri\"; }} }}"
    ))
}

/// Names as nginx and we resolve them.
fn zone(question: &Question<'_>) {
    let v6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let answer = match question.name.as_str() {
        "one.test" => question.addresses(60, &[[127, 0, 0, 1]]),
        "alias.test" => question.reply(0, 60, &[(CNAME, b"\x03one\xc0\x12")]),
        "loop.test" => question.reply(0, 60, &[(CNAME, b"\xc0\x0c")]),
        "six.test" if question.kind == AAAA => question.reply(0, 60, &[(AAAA, &v6)]),
        "fails.test" => question.reply(2, 60, &[]),
        "refused.test" => question.reply(5, 60, &[]),
        "half.test" if question.kind == A => question.addresses(60, &[[127, 0, 0, 1]]),
        "half.test" => question.reply(2, 60, &[]),
        "missing.test" => question.reply(3, 60, &[]),
        _ => question.reply(0, 60, &[]),
    };
    question.send(&answer);
}

#[test]
fn names_are_resolved_as_nginx_resolves_them() {
    let dns = Dns::start(zone);
    let resolver = format!("127.0.0.1:{}", dns.port());
    let builder = names(&resolver).allow_log("could not be resolved");
    let hosts = [
        "one.test",
        "ONE.test.",
        "alias.test",
        "one.test",
        "loop.test",
        "six.test",
        "fails.test",
        "refused.test",
        "half.test",
        "missing.test",
        "nothing.test",
        "a..test",
        "127.0.0.1",
    ];
    let get = |host: &&str| Exchange::get(&format!("/?h={host}"), "");
    Differential::new(builder)
        .with_exchanges(hosts.iter().map(get))
        // A port of the server's own.
        .ignoring_header("x-addr")
        .run();
}

#[test]
fn failures_are_logged_in_nginx_words() {
    let dns = Dns::start(zone);
    let server = names(&format!("127.0.0.1:{}", dns.port()))
        .allow_log("could not be resolved")
        .start();
    for (host, text) in [
        ("fails.test", "(2: Server failure)"),
        ("missing.test", "(3: Host not found)"),
        ("nothing.test", "(3: Host not found)"),
        ("refused.test", "(5: Operation refused)"),
    ] {
        assert_eq!(server.get(&format!("/?h={host}")).status, 502);
        server.wait_for_error_log(&format!("{host} could not be resolved {text}"));
    }
}

#[test]
fn without_a_resolver_names_are_not_looked_up() {
    let server = Server::of_one("location / { proxy_pass http://$arg_h; }")
        .allow_log("no resolver defined")
        .start();
    assert_eq!(server.get("/?h=one.test").status, 502);
    server.wait_for_error_log("no resolver defined to resolve one.test");
}

/// The look-up goes on for as long as there is time, but nobody holds a request for it.
#[test]
fn a_client_that_leaves_does_not_wait_for_a_name() {
    let silent = Dns::start(|_| {});
    let server = Server::new(&format!(
        "resolver 127.0.0.1:{};
         resolver_timeout 1h;
         log_format status '$status $uri';
         server {{
             listen 127.0.0.1:{{port}};
             access_log logs/status status;
             location / {{ proxy_pass http://$arg_h; }}
             location /kept {{
                 resolver_timeout 1s;
                 proxy_ignore_client_abort on;
                 proxy_pass http://$arg_h;
             }}
         }}",
        silent.port()
    ))
    .with_main("error_log logs/error.log info;")
    .allow_log("could not be resolved")
    .start();
    for uri in ["/gone", "/kept"] {
        let asked = silent.asked();
        let mut client = server.connect();
        let request = format!("GET {uri}?h=silent.test HTTP/1.1\r\nHost: h\r\n\r\n");
        client.send(request).expect("the server reads");
        let limit = Duration::from_secs(10);
        assert!(clock::becomes_true(limit, || silent.asked() > asked));
    }
    assert_eq!(server.log_lines("status", 2), ["499 /gone", "502 /kept"]);
    server.wait_for_error_log("client prematurely closed connection");
}

#[test]
fn all_addresses_are_tried_in_turn() {
    let dns = Dns::start(|question| {
        let ips = [[127, 0, 0, 9], [127, 0, 0, 1]];
        question.send(&question.addresses(60, &ips));
    });
    let server = names(&format!("127.0.0.1:{}", dns.port()))
        .allow_log("connect() failed")
        .start();
    let port = server.port_of("app");
    let answer = server.get("/?h=two.test");
    let tried = format!("127.0.0.9:{port}, 127.0.0.1:{port}");
    assert_eq!(
        (answer.status, answer.header("x-addr")),
        (200, Some(&*tried))
    );
}

#[test]
fn answers_are_remembered_as_long_as_they_say() {
    let dns = Dns::start(zone);
    let server = names(&format!("127.0.0.1:{} ipv6=off", dns.port())).start();
    assert_eq!(server.get("/?h=one.test").status, 200);
    // On a busy machine it may be asked twice before it answers.
    let asked = dns.asked();
    for _ in 0..5 {
        assert_eq!(server.get("/?h=one.test").status, 200);
    }
    assert_eq!(dns.asked(), asked);
}

#[test]
fn questions_and_answers_are_counted() {
    let dns = Dns::start(zone);
    let server = Server::new(&format!(
        "resolver 127.0.0.1:{} status_zone=names ipv6=off;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ proxy_pass http://$arg_h:{{port}}/status; }}
             location /status {{ status_page; }}
         }}",
        dns.port()
    ))
    .allow_log("could not be resolved")
    .start();
    let hosts = [
        ("one.test", 200),
        ("one.test", 200),
        ("fails.test", 502),
        ("missing.test", 502),
    ];
    for (host, status) in hosts {
        assert_eq!(server.get(&format!("/?h={host}")).status, status, "{host}");
    }
    server.reload().expect("the configuration is good");
    let status = server.get("/status?format=json").text();
    let expected = "\"resolvers\":{\"names\":{\"requests\":{\"name\":3,\"srv\":0,\"addr\":0},\
                    \"responses\":{\"noerror\":1,\"formerr\":0,\"servfail\":1,\"nxdomain\":1,\
                    \"notimp\":0,\"refused\":0,\"timedout\":0,\"unknown\":0}}}";
    assert!(status.contains(expected), "{status}");
}

/// A name server as people run it, with answers of several kinds.
#[test]
fn dnsmasq_is_asked_over_udp_and_tcp() {
    let many = (1..=60).map(|last| format!("--host-record=many.test,127.0.0.{last}"));
    let mut records: Vec<String> = many.collect();
    records.push("--host-record=app.test,127.0.0.1".to_owned());
    records.push("--cname=www.test,app.test".to_owned());
    let Some(dnsmasq) = programs::dnsmasq(&records, "") else {
        return;
    };
    let server = names(&format!("127.0.0.1:{}", dnsmasq.port()))
        .allow_log("could not be resolved")
        .allow_log("connect() failed")
        .start();
    for host in ["app.test", "www.test", "many.test"] {
        let answer = server.get(&format!("/?h={host}"));
        assert_eq!((answer.status, &*answer.text()), (200, "app /"), "{host}");
    }
    assert_eq!(server.get("/?h=missing.test").status, 502);
    server.wait_for_error_log("missing.test could not be resolved (3: Host not found)");
}
