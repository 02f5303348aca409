//! Name servers from Debian, as people run them.

use super::dns::one_port;
use harness::{Prefix, Signal, clock, process, skip};
use std::fs::File;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running name server, until it is dropped.
pub(crate) struct Program {
    child: Child,
    port: u16,
    /// What it reads.
    prefix: Prefix,
}

/// The file of dnsmasq's addresses.
const HOSTS: &str = "hosts";

/// How often a program is started anew because another process took its port.
const START_ATTEMPTS: u32 = 3;

/// How long a program has to start.
const START_LIMIT: Duration = Duration::from_secs(10);

impl Program {
    /// Starts dnsmasq with the switches `records` and the addresses of `hosts`, in the form of
    /// `/etc/hosts`. `None`, with the test counted as skipped, when it is not installed.
    pub(crate) fn dnsmasq(records: &[String], hosts: &str) -> Option<Self> {
        Self::start("dnsmasq", ": started, version", |prefix, port, command| {
            let hosts = prefix.write(HOSTS, hosts.as_bytes());
            command
                .args(["--keep-in-foreground", "--conf-file=/dev/null"])
                .args(["--user=root", "--no-resolv", "--no-hosts", "--pid-file="])
                .args(["--log-facility=-", "--local=/test/", "--local-ttl=60"])
                .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
                .arg(format!("--port={port}"))
                .arg(format!("--addn-hosts={}", hosts.display()))
                .args(records);
        })
    }

    /// Starts unbound, which asks the name server at port `behind` about everything below
    /// `test`, and remembers it. `None`, with the test counted as skipped, when it is not
    /// installed.
    pub(crate) fn unbound(behind: u16) -> Option<Self> {
        Self::start("unbound", "start of service", |prefix, port, command| {
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
        })
    }

    /// Starts `program`, which logs `up` once it has its port. Another process, or a child that
    /// another test forks in this moment, may have the port before it, and may well accept
    /// connections there: only the log tells.
    fn start(
        program: &str,
        up: &str,
        prepare: impl Fn(&Prefix, u16, &mut Command),
    ) -> Option<Self> {
        let prefix = Prefix::new();
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let mut command = Command::new(program);
            prepare(&prefix, port, &mut command);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let log = File::create(prefix.path().join("log")).expect("a file");
            let mut child = match command.stderr(log).spawn() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    skip::skip(&format!("{program} is not installed"));
                    return None;
                }
                child => child.expect("an installed program runs"),
            };
            let is_up = clock::wait_for(START_LIMIT, || {
                let is_over = child.try_wait().ok().flatten().is_some();
                let is_up = prefix.read("log").contains(up);
                (is_up || is_over).then_some(is_up)
            });
            if is_up == Some(true) {
                return Some(Self {
                    child,
                    port,
                    prefix,
                });
            }
            end(&mut child);
        }
        panic!("{program} does not start:\n{}", prefix.read("log"));
    }

    /// Gives dnsmasq other addresses.
    pub(crate) fn set_hosts(&self, hosts: &str) {
        self.prefix.write(HOSTS, hosts.as_bytes());
        process::send(self.child.id(), Signal::Hup).expect("it runs");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// A port that both protocols had a moment ago.
pub(crate) fn free_port() -> u16 {
    let (_, free) = one_port();
    free.local_addr().expect("an address").port()
}

impl Drop for Program {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
