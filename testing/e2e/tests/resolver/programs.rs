//! Name servers from Debian, as people run them.

use super::dns::one_port;
use harness::{Prefix, Signal, clock, process, skip};
use std::fs::File;
use std::io;
use std::net::TcpStream;
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

impl Program {
    /// Starts dnsmasq with the switches `records` and the addresses of `hosts`, in the form of
    /// `/etc/hosts`. `None`, with the test counted as skipped, when it is not installed.
    pub(crate) fn dnsmasq(records: &[String], hosts: &str) -> Option<Self> {
        let prefix = Prefix::new();
        let hosts = prefix.write(HOSTS, hosts.as_bytes());
        let port = free_port();
        let mut command = Command::new("dnsmasq");
        command
            .args(["--keep-in-foreground", "--conf-file=/dev/null"])
            .args(["--user=root", "--no-resolv", "--no-hosts", "--pid-file="])
            .args(["--log-facility=-", "--local=/test/", "--local-ttl=60"])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
            .arg(format!("--port={port}"))
            .arg(format!("--addn-hosts={}", hosts.display()))
            .args(records);
        Self::start(command, port, prefix)
    }

    /// Starts unbound, which asks the name server at port `behind` about everything below
    /// `test`, and remembers it. `None`, with the test counted as skipped, when it is not
    /// installed.
    pub(crate) fn unbound(behind: u16) -> Option<Self> {
        let prefix = Prefix::new();
        let port = free_port();
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
        let mut command = Command::new("unbound");
        command.arg("-c").arg(conf);
        Self::start(command, port, prefix)
    }

    fn start(mut command: Command, port: u16, prefix: Prefix) -> Option<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = File::create(prefix.path().join("log")).expect("a file");
        let child = match command.stderr(log).spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skip::skip(&format!("{program} is not installed"));
                return None;
            }
            child => child.expect("an installed program runs"),
        };
        let this = Self {
            child,
            port,
            prefix,
        };
        let is_up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let limit = Duration::from_secs(10);
        let serves = clock::becomes_true(limit, is_up);
        assert!(serves, "{program} says {}", this.prefix.read("log"));
        Some(this)
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
