//! `geo`.

use harness::{Differential, Exchange, Server};

const TABLES: &str = r#"
    geo $arg_ip $network {
        default any;
        10.0.0.0/8 ten;
        10.1.0.0/16 one;
        10.1.2.3 host;
        2001:db8::/32 doc;
        2001:db8::5 five;
        10.7.0.0/16 seven;
        delete 10.7.0.0/16;
        include {prefix}/html/networks;
        255.255.255.255 nowhere;
    }
    geo $arg_ip $range {
        ranges;
        default none;
        10.0.0.0-10.3.0.9 outer;
        10.0.0.5-10.0.0.9 inner;
        10.3.0.0-10.3.0.9 replaced;
        delete 10.2.0.0-10.2.255.255;
    }
    geo $behind { proxy 127.0.0.0/8; 192.0.2.0/24 test; 127.0.0.1 local; 2001:db8::/32 doc; }
    geo $deep { proxy 127.0.0.1; proxy 192.0.2.0/24; proxy_recursive; 198.51.100.1 far; 192.0.2.7 near; }
    geo $arg_ip $without_default { 10.0.0.0/8 $literal; }
    server {
        listen 127.0.0.1:{port};
        location / {
            return 200 "$network|$range|$behind|$deep|$without_default";
        }
    }
"#;

/// Networks, ranges, addresses of variables and of clients behind proxies.
#[test]
fn values_are_found_as_nginx_finds_them() {
    let addresses = [
        "10.9.9.9",
        "10.1.9.9",
        "10.1.2.3",
        "10.7.0.1",
        "10.0.0.4",
        "10.0.0.5",
        "10.0.0.9",
        "10.2.5.5",
        "10.3.0.5",
        "10.3.0.10",
        "2001:db8::1",
        "2001:db8::5",
        "::ffff:10.1.2.3",
        "172.16.0.1",
        "192.0.2.1",
        "",
        "none",
        "255.255.255.255",
        "10.1.2.3:80",
    ];
    let forwarded = [
        "192.0.2.7",
        "192.0.2.7:80",
        "198.51.100.1, 192.0.2.7",
        "[2001:db8::1]:5",
        "2001:db8::1",
        "x, 192.0.2.7",
        "x",
        "",
        "127.0.0.1",
        "198.51.100.1,127.0.0.1,,192.0.2.7, ",
    ];
    let by_address = addresses.map(|ip| Exchange::get(&format!("/?ip={ip}"), ""));
    let by_field =
        forwarded.map(|list| Exchange::get("/", &format!("X-Forwarded-For: {list}\r\n")));
    let two_fields = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.7\r\n";
    let server = Server::new(TABLES).with_file("html/networks", "172.16.0.0/12 included;");
    Differential::new(server)
        .with_exchanges(by_address)
        .with_exchanges(by_field)
        .with_exchanges([Exchange::get("/", two_fields)])
        .run();
}

/// A value that was found is kept for the request, unless it is volatile.
#[test]
fn a_volatile_value_is_found_each_time() {
    let http = r#"
        geo $address $kept { 10.0.0.1 first; 10.0.0.2 second; }
        geo $address $volatile { volatile; 10.0.0.1 first; 10.0.0.2 second; }
        server {
            listen 127.0.0.1:{port};
            location / {
                set $address 10.0.0.1;
                set $before "$kept $volatile";
                set $address 10.0.0.2;
                return 200 "$before, $kept $volatile";
            }
        }
    "#;
    let server = Server::new(http).start();
    assert_eq!(server.get("/").text(), "first first, first second");
}
