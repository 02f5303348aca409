//! `set_real_ip_from`.

use harness::{Differential, Exchange, Server};

/// The server's settings, locations' own, other fields, chains of proxies.
#[test]
fn clients_are_known_by_the_address_that_nginx_finds() {
    // A connection's own port differs from one to the next.
    let server = Server::new(
        r#"
        map $remote_port $port { default own; "~^\d{1,4}$" $remote_port; "" ""; }
        map x $told { default "$remote_addr $port $binary_remote_addr $realip_remote_addr"; }
        server {
        listen 127.0.0.1:{port};
        set_real_ip_from 127.0.0.0/8;
        set_real_ip_from 192.0.2.0/24;
        location / { return 200 $told; }
        location /own/ { real_ip_header X-Forwarded-For; return 200 $told; }
        location /deep/ { real_ip_header X-Forwarded-For; real_ip_recursive on; return 200 $told; }
        location /field/ { real_ip_header X-Client; real_ip_recursive on; return 200 $told; }
        location /other/ {
            set_real_ip_from 10.0.0.0/8;
            real_ip_header X-Client;
            return 200 $told;
        }
        location /allowed/ { allow 198.51.100.0/24; deny all; return 200 $told; }
        location /again/ { error_page 404 /after; return 404; }
        location /after { return 200 $told; }
        }
        "#,
    );
    let values = [
        "198.51.100.1",
        "198.51.100.1:8080",
        "2001:db8::1",
        "[2001:db8::1]:5",
        "198.51.100.1, 192.0.2.1",
        "198.51.100.1, 192.0.2.2:81,192.0.2.1",
        "x",
        "unix:",
        "198.51.100.1:0",
    ];
    let names = ["X-Real-IP", "X-Forwarded-For", "X-Client"];
    let paths = [
        "/",
        "/own/",
        "/deep/",
        "/field/",
        "/other/",
        "/allowed/",
        "/again/",
    ];
    let ask =
        |path: &str, name: &str, value: &str| Exchange::get(path, &format!("{name}: {value}\r\n"));
    let asked = paths.iter().flat_map(|path| {
        names
            .iter()
            .flat_map(|name| values.map(|value| ask(path, name, value)))
    });
    let two = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.1\r\n";
    let at_once = paths.map(|path| Exchange::get(path, two));
    Differential::new(server)
        .with_exchanges(asked)
        .with_exchanges(at_once)
        .run();
}
