//! What a keep-alive connection costs while nothing happens on it.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use harness::process;

use super::contestant::{Contestant, Running};
use super::rows::{BEFORE_IDLE, STREAM};
use super::websocket;

/// Descriptors needed beside the connections.
const OTHER_DESCRIPTORS: usize = 200;

/// How long servers may take to put away what they need no more.
const SETTLE: Duration = Duration::from_secs(1);

/// Set in a process that was started anew with a higher limit.
const RAISED: &str = "XTASK_DESCRIPTOR_LIMIT_RAISED";

/// What connections cost a server.
pub(super) struct Held {
    /// Growth of the anonymous memory of all processes, divided by the connections.
    pub(super) bytes_each: f64,
    /// Memory of all processes, shared pages counted once (Pss), without connections.
    pub(super) tree_before_kib: f64,
    /// The same with them.
    pub(super) tree_with_kib: f64,
}

/// Opens `count` connections, makes one request on each, and looks at the server's memory.
pub(super) fn measure(contestant: &Contestant, count: usize) -> Result<Held, String> {
    eprintln!("idle: {} with {count} connections", contestant.name);
    let events = format!("worker_connections {};", count + OTHER_DESCRIPTORS);
    let started = contestant.start_with(&BEFORE_IDLE, None, &events)?;
    let running = started.ok_or("it proxies and serves nothing itself")?;
    growth(&running, count, open_one)
}

/// Opens `count` WebSocket connections through the server to one behind it, and looks at the
/// server's memory: what both sides of each cost.
pub(super) fn measure_websockets(contestant: &Contestant, count: usize) -> Result<Held, String> {
    eprintln!("websocket: {} with {count} connections", contestant.name);
    let back = websocket::start().map_err(|error| format!("the server behind: {error}"))?;
    let events = format!("worker_connections {};", 2 * count + OTHER_DESCRIPTORS);
    let started = contestant.start_with(&STREAM, Some(back.port), &events)?;
    let running = started.ok_or("it proxies nothing here")?;
    growth(&running, count, websocket::open)
}

/// How the memory of a server grows with `count` connections that `open` makes.
fn growth(
    running: &Running,
    count: usize,
    open: impl Fn(SocketAddr) -> io::Result<TcpStream>,
) -> Result<Held, String> {
    let several = |count: usize| -> Result<Vec<TcpStream>, String> {
        let one = |number: usize| {
            let opened = open(running.addr());
            opened.map_err(|error| format!("connection {number}: {error}"))
        };
        (1..=count).map(one).collect()
    };
    // What the first requests need stays for good and is not the connections' doing.
    drop(several(16)?);
    thread::sleep(SETTLE);
    let (own_before, tree_before) = memory(running)?;
    let connections = several(count)?;
    thread::sleep(SETTLE);
    let (own_with, tree_with) = memory(running)?;
    drop(connections);
    #[expect(clippy::cast_precision_loss, reason = "memory sizes fit exactly")]
    let float = |number: u64| number as f64;
    #[expect(
        clippy::cast_precision_loss,
        reason = "thousands of connections fit exactly"
    )]
    let count = count as f64;
    Ok(Held {
        bytes_each: (float(own_with) - float(own_before)) / count,
        tree_before_kib: float(tree_before) / 1024.0,
        tree_with_kib: float(tree_with) / 1024.0,
    })
}

/// Anonymous memory and proportional share of all processes, in bytes.
fn memory(running: &Running) -> Result<(u64, u64), String> {
    let sum = |name: &str| -> Option<u64> {
        let figure = |pid| process::memory_bytes(pid, "smaps_rollup", name);
        running.processes().into_iter().map(figure).sum()
    };
    sum("Anonymous")
        .zip(sum("Pss"))
        .ok_or_else(|| "the kernel does not tell memory".to_owned())
}

/// One connection with one request behind it.
fn open_one(addr: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        BEFORE_IDLE.uri
    )?;
    let mut received = [0; 4096];
    let mut length = 0;
    while !is_whole(&received[..length]) {
        match stream.read(&mut received[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
    }
    Ok(stream)
}

/// Whether `received` holds a head and the row's body.
fn is_whole(received: &[u8]) -> bool {
    let head = received.windows(4).position(|piece| piece == b"\r\n\r\n");
    head.is_some_and(|at| received.len() - at - 4 >= BEFORE_IDLE.length)
}

/// Starts this very program anew with as many descriptors as the system allows, when it has too
/// few for `count` connections. Servers inherit the limit.
pub(super) fn raise_descriptor_limit(count: usize) -> Result<(), String> {
    let needed = count + OTHER_DESCRIPTORS;
    if descriptor_limit().is_none_or(|limit| limit >= needed) {
        return Ok(());
    }
    if env::var_os(RAISED).is_some() {
        return Err(format!(
            "{needed} descriptors are needed; lower --connections"
        ));
    }
    let own = env::current_exe().map_err(|error| format!("who am I: {error}"))?;
    let error = Command::new("sh")
        .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""])
        .arg(own)
        .args(env::args_os().skip(1))
        .env(RAISED, "1")
        .exec();
    Err(format!("sh: {error}"))
}

/// How many descriptors this process may have; `None` when there is no limit.
fn descriptor_limit() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
