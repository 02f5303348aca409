//! Name servers from Debian, as people run them.

use harness::{Backend, Prefix, Signal};

/// The file of dnsmasq's addresses.
const HOSTS: &str = "hosts";

/// Starts dnsmasq with the switches `records` and the addresses of `hosts`, in the form of
/// `/etc/hosts`. `None`, with the test counted as skipped, when it is not installed.
pub(crate) fn dnsmasq(records: &[String], hosts: &str) -> Option<Backend> {
    Backend::of_port(
        "dnsmasq",
        |prefix, port, command| {
            let hosts = prefix.write(HOSTS, hosts.as_bytes());
            command
                .args(["--keep-in-foreground", "--conf-file=/dev/null"])
                .args(["--user=root", "--no-resolv", "--no-hosts", "--pid-file="])
                .args(["--log-facility=-", "--local=/test/", "--local-ttl=60"])
                .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
                .arg(format!("--port={port}"))
                .arg(format!("--addn-hosts={}", hosts.display()))
                .args(records);
        },
        logged(": started, version"),
    )
}

/// Gives a dnsmasq other addresses.
pub(crate) fn set_hosts(dnsmasq: &Backend, hosts: &str) {
    dnsmasq.prefix().write(HOSTS, hosts.as_bytes());
    dnsmasq.signal(Signal::Hup);
}

/// Starts unbound, which asks the name server at port `behind` about everything below `test`, and
/// remembers it. `None`, with the test counted as skipped, when it is not installed.
pub(crate) fn unbound(behind: u16) -> Option<Backend> {
    Backend::of_port(
        "unbound",
        |prefix, port, command| {
            let conf = format!(
                "server:
                     interface: 127.0.0.1@{port}
                     do-daemonize: no
                     use-syslog: no
                     chroot: \"\"
                     username: \"\"
                     pidfile: \"\"
                     directory: \"/\"
                     module-config: \"iterator\"
                     do-not-query-localhost: no
                     local-zone: \"test.\" transparent
                 remote-control:
                     control-enable: no
                 forward-zone:
                     name: \"test.\"
                     forward-addr: 127.0.0.1@{behind}\n"
            );
            let conf = prefix.write("unbound.conf", conf.as_bytes());
            command.arg("-c").arg(conf);
        },
        logged("start of service"),
    )
}

/// Whether a program has said `up`, which it does once it has its port.
fn logged(up: &str) -> impl Fn(&Prefix) -> bool {
    move |prefix| prefix.read("log").contains(up)
}
