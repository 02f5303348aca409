//! dnsmasq, a name server from Debian.

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running dnsmasq, until it is dropped.
pub(crate) struct Dnsmasq {
    child: Child,
    port: u16,
}

impl Dnsmasq {
    /// Starts it with `records` and no others; `None` when it is not installed.
    pub(crate) fn start(records: &[String]) -> Option<Self> {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let started = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--user=root",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--pid-file=",
                "--log-facility=-",
            ])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
            .args(["--local=/test/", "--local-ttl=60"])
            .arg(format!("--port={port}"))
            .args(records)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            child => child.expect("dnsmasq runs"),
        };
        let this = Self { child, port };
        let is_up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let limit = Duration::from_secs(10);
        assert!(harness::clock::becomes_true(limit, is_up), "dnsmasq serves");
        Some(this)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
