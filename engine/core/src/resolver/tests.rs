//! A resolver beside servers that answer, lie, or are silent.

use super::{Config, Counter, Failure, Resolver};
use crate::address::Address;
use runtime::{Millis, Worker, WorkerLimits};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TIMEOUT: Millis = 5_000;
const A: u8 = 1;
const CNAME: u8 = 5;
const AAAA: u8 = 28;

/// A DNS server on a thread of its own.
struct Server {
    addr: SocketAddr,
    /// Holds the same port, for whoever is to answer there.
    tcp: TcpListener,
    asked: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Sends whatever datagrams `answer` makes of a question.
    fn start(mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let (tcp, socket) = one_port();
        let addr = socket.local_addr().expect("an address");
        let brief = Some(Duration::from_millis(20));
        socket.set_read_timeout(brief).expect("a timeout");
        let (asked, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, over) = (Arc::clone(&asked), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut buf = [0; 512];
            while !over.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut buf) else {
                    continue;
                };
                count.fetch_add(1, Ordering::Relaxed);
                for datagram in answer(&buf[..len]) {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&datagram, from);
                }
            }
        });
        Self {
            addr,
            tcp,
            asked,
            is_over,
            thread: Some(thread),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Sockets for both protocols at one port.
fn one_port() -> (TcpListener, UdpSocket) {
    let pair = || {
        let tcp = TcpListener::bind("127.0.0.1:0").ok()?;
        let udp = UdpSocket::bind(tcp.local_addr().ok()?).ok()?;
        Some((tcp, udp))
    };
    let mut pairs = std::iter::repeat_with(pair).take(100);
    pairs.find_map(|pair| pair).expect("a port that both have")
}

fn kind(question: &[u8]) -> u8 {
    question[question.len() - 3]
}

fn is_about(question: &[u8], label: &str) -> bool {
    question[13..].starts_with(label.as_bytes())
}

/// An answer whose records are about the name in question.
fn reply(question: &[u8], rcode: u8, ttl: u8, records: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = question.to_vec();
    (out[2], out[3]) = (0x81, 0x80 | rcode);
    out[7] = u8::try_from(records.len()).expect("few records");
    for (kind, data) in records {
        out.extend_from_slice(&[0xc0, 0x0c, 0, *kind, 0, 1, 0, 0, 0, ttl, 0]);
        out.push(u8::try_from(data.len()).expect("short data"));
        out.extend_from_slice(data);
    }
    out
}

/// `192.0.2.N` for questions about IPv4, nothing for others.
fn ipv4_only(question: &[u8], last: u8, ttl: u8) -> Vec<u8> {
    match kind(question) {
        A => reply(question, 0, ttl, &[(A, &[192, 0, 2, last])]),
        _ => reply(question, 0, ttl, &[]),
    }
}

fn resolver(servers: &[SocketAddr]) -> Rc<Resolver> {
    Resolver::new(Config {
        servers: servers.iter().copied().map(Address::Ip).collect(),
        valid: None,
        ipv4: true,
        ipv6: true,
        status_zone: None,
    })
}

type Results = Rc<RefCell<Vec<String>>>;

/// Asks for each of `names` at once; gives the answers once all are there.
fn ask(resolver: &Rc<Resolver>, names: &[&str], timeout: Millis) -> Vec<String> {
    let worker = Worker::try_current().expect("a worker");
    let results = Results::default();
    for name in names {
        let (resolver, results) = (Rc::clone(resolver), Rc::clone(&results));
        let name = (*name).to_owned();
        worker.spawn(async move {
            let text = match resolver.addresses(&name, timeout).await {
                Ok(found) => {
                    let texts: Vec<_> = found.items.iter().map(ToString::to_string).collect();
                    texts.join(" ")
                }
                Err(failure) => failure.to_string(),
            };
            results.borrow_mut().push(text);
        });
    }
    let start = worker.now();
    while results.borrow().len() < names.len() {
        worker.turn(Some(100));
        assert!(worker.now() < start + 20_000, "no answer");
    }
    results.take()
}

/// Lets so much time go by that what says 0 seconds is forgotten.
fn outlive() {
    let worker = Worker::try_current().expect("a worker");
    let end = worker.now() + super::known::TTL_MIN;
    while worker.now() <= end {
        worker.turn(Some(100));
    }
}

/// A worker that is put away at the end.
struct InWorker(Rc<Worker>);

impl InWorker {
    fn new() -> Self {
        let limits = WorkerLimits {
            connections: 4096,
            ..WorkerLimits::default()
        };
        Self(Worker::new(limits).expect("a worker"))
    }
}

impl Drop for InWorker {
    fn drop(&mut self) {
        self.0.clear();
    }
}

#[test]
fn both_families_are_found_and_remembered() {
    let _worker = InWorker::new();
    let server = Server::start(|question| {
        let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        vec![match kind(question) {
            A => reply(question, 0, 60, &[(A, &[192, 0, 2, 1])]),
            _ => reply(question, 0, 60, &[(AAAA, &v6)]),
        }]
    });
    let resolver = resolver(&[server.addr]);
    let first = ask(&resolver, &["example.net"], TIMEOUT);
    assert_eq!(first, ["192.0.2.1 2001:db8::1"]);
    let then = ask(&resolver, &["EXAMPLE.net.", "example.net"], TIMEOUT);
    assert_eq!(then, ["2001:db8::1 192.0.2.1", "192.0.2.1 2001:db8::1"]);
    assert_eq!(server.asked(), 2);
}

#[test]
fn all_who_wait_for_a_name_get_one_answer() {
    let _worker = InWorker::new();
    let server = Server::start(|question| vec![ipv4_only(question, 1, 0)]);
    let got = ask(&resolver(&[server.addr]), &["a.test"; 50], TIMEOUT);
    assert_eq!(got, ["192.0.2.1"; 50]);
    assert_eq!(server.asked(), 2);
}

#[test]
fn aliases_are_asked_for() {
    let _worker = InWorker::new();
    let server = Server::start(|question| {
        vec![if is_about(question, "loop") {
            reply(question, 0, 60, &[(CNAME, &[0xc0, 0x0c])])
        } else if is_about(question, "again") {
            reply(question, 0, 60, &[(CNAME, b"\x05other\xc0\x12")])
        } else if is_about(question, "other") {
            reply(question, 0, 60, &[(CNAME, b"\x05again\xc0\x12")])
        } else if is_about(question, "alias") {
            reply(question, 0, 60, &[(CNAME, b"\x04real\xc0\x12")])
        } else {
            ipv4_only(question, 7, 60)
        }]
    });
    let resolver = resolver(&[server.addr]);
    assert_eq!(ask(&resolver, &["alias.test"], TIMEOUT), ["192.0.2.7"]);
    assert_eq!(
        ask(&resolver, &["loop.test"], TIMEOUT),
        ["3: Host not found"]
    );
    let asked = server.asked();
    assert_eq!(
        ask(&resolver, &["again.test"], TIMEOUT),
        ["3: Host not found"]
    );
    // The other family's question about the name before may be counted late.
    assert!(server.asked() - asked <= 2 * (super::ALIASES_MAX + 1) + 1);
}

#[test]
fn what_servers_say_is_told_in_nginx_words() {
    let _worker = InWorker::new();
    let server = Server::start(|question| {
        let digit = question[13] - b'0';
        vec![reply(question, digit, 60, &[])]
    });
    let resolver = resolver(&[server.addr]);
    let check = |name: &str, expected: &str| {
        assert_eq!(ask(&resolver, &[name], TIMEOUT), [expected]);
    };
    check("0.test", "3: Host not found");
    check("1.test", "1: Format error");
    check("2.test", "2: Server failure");
    check("3.test", "3: Host not found");
    check("5.test", "5: Operation refused");
    check("9.test", "9: Unknown error");
    check("a..test", "3: Host not found");
    assert_eq!(Failure::TimedOut.to_string(), "110: Operation timed out");
}

#[test]
fn forged_answers_are_passed_over() {
    let _worker = InWorker::new();
    let server = Server::start(|question| {
        let mut all = Vec::new();
        for index in 0..30_u8 {
            let mut forged = reply(question, 0, 60, &[(A, &[203, 0, 113, 1])]);
            match index % 3 {
                0 => forged[1] ^= index + 1,
                1 => forged[13] ^= 3,
                _ => forged[2] &= 0x7f,
            }
            all.push(forged);
        }
        all.push(b"garbage".to_vec());
        all.push(ipv4_only(question, 1, 60));
        all
    });
    let resolver = resolver(&[server.addr]);
    assert_eq!(ask(&resolver, &["a.test"], TIMEOUT), ["192.0.2.1"]);
    assert_eq!(resolver.counts().get(Counter::Foreign), 2 * 31);
    assert_eq!(resolver.counts().get(Counter::Answered), 2);
}

/// Makes sure that a name is asked for over TCP where `answer` comes over UDP.
#[track_caller]
fn check_asks_over_tcp(answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) {
    let _worker = InWorker::new();
    let server = Server::start(answer);
    let listener = server.tcp.try_clone().expect("a descriptor");
    let tcp = std::thread::spawn(move || {
        for _ in [A, AAAA] {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut len = [0; 2];
            stream.read_exact(&mut len).expect("a length");
            let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
            stream.read_exact(&mut question).expect("a question");
            let answer = ipv4_only(&question, 9, 60);
            let len = u16::try_from(answer.len()).expect("a short answer");
            // In pieces, as a network may cut it.
            let message = [&len.to_be_bytes()[..], &answer].concat();
            for piece in message.chunks(5) {
                stream.write_all(piece).expect("room");
            }
        }
    });
    let resolver = resolver(&[server.addr]);
    assert_eq!(ask(&resolver, &["a.test"], TIMEOUT), ["192.0.2.9"]);
    tcp.join().expect("both were asked");
}

#[test]
fn truncated_answers_are_asked_for_over_tcp() {
    check_asks_over_tcp(|question| {
        let mut cut = reply(question, 0, 60, &[]);
        cut[2] |= 2;
        vec![cut]
    });
}

#[test]
fn who_is_flooded_asks_over_tcp() {
    check_asks_over_tcp(|question| {
        let mut forged = reply(question, 0, 60, &[(A, &[203, 0, 113, 1])]);
        forged[0] ^= 0x55;
        vec![forged; 150]
    });
}

#[test]
fn the_operator_is_told_of_servers_out_of_reach_now_and_then() {
    let worker = InWorker::new();
    let told = Results::default();
    let lines = Rc::clone(&told);
    worker.0.set_report_hook(Rc::new(move |_, line| {
        lines.borrow_mut().push(line.to_owned());
    }));
    let closed = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let gone = closed.local_addr().expect("an address");
    drop(closed);
    ask(&resolver(&[gone]), &["a.test", "b.test", "c.test"], 50);
    let line = format!("recv() failed (111: Connection refused) while resolving, resolver: {gone}");
    assert_eq!(told.take(), [line]);
}

#[test]
fn silent_and_broken_servers_are_left_for_the_next() {
    let _worker = InWorker::new();
    let silent = Server::start(|_| Vec::new());
    let broken = Server::start(|question| vec![reply(question, 0, 60, &[(A, &[1])])]);
    let good = Server::start(|question| vec![ipv4_only(question, 1, 60)]);
    let closed = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let gone = closed.local_addr().expect("an address");
    drop(closed);
    let all = resolver(&[gone, broken.addr, silent.addr, good.addr]);
    assert_eq!(ask(&all, &["a.test"], TIMEOUT), ["192.0.2.1"]);
    assert_eq!(
        ask(&resolver(&[broken.addr]), &["a.test"], TIMEOUT),
        ["1: Format error"]
    );
    for server in [gone, silent.addr] {
        assert_eq!(
            ask(&resolver(&[server]), &["a.test"], 50),
            ["110: Operation timed out"]
        );
    }
}

#[test]
fn while_nobody_answers_the_last_addresses_stay() {
    let _worker = InWorker::new();
    let mut count = 0;
    let server = Server::start(move |question| {
        count += 1;
        match count {
            1 | 2 => vec![ipv4_only(question, 1, 0)],
            3 | 4 => Vec::new(),
            _ => vec![ipv4_only(question, 2, 60)],
        }
    });
    let resolver = resolver(&[server.addr]);
    assert_eq!(ask(&resolver, &["a.test"], 900), ["192.0.2.1"]);
    assert_eq!(ask(&resolver, &["a.test"], 50), ["192.0.2.1"]);
    assert_eq!(server.asked(), 2, "it is remembered a little");
    outlive();
    assert_eq!(ask(&resolver, &["a.test"], 50), ["192.0.2.1"]);
    assert!(server.asked() >= 3);
    // Nor is anybody asked again and again.
    let asked = server.asked();
    assert_eq!(ask(&resolver, &["a.test"; 9], 50), ["192.0.2.1"; 9]);
    assert!(server.asked() - asked <= 2);
}

#[test]
fn what_a_server_says_replaces_what_was_known() {
    let _worker = InWorker::new();
    let mut count = 0;
    let server = Server::start(move |question| {
        count += 1;
        match count {
            1 | 2 => vec![ipv4_only(question, 1, 0)],
            3 | 4 => vec![reply(question, 2, 0, &[])],
            _ => vec![reply(question, 3, 0, &[])],
        }
    });
    let resolver = resolver(&[server.addr]);
    let once = || ask(&resolver, &["a.test"], TIMEOUT).remove(0);
    assert_eq!(once(), "192.0.2.1");
    outlive();
    assert_eq!(once(), "2: Server failure");
    assert_eq!(once(), "3: Host not found");
}

#[test]
fn names_that_nobody_answers_for_do_not_keep_others_from_being_found() {
    let _worker = InWorker::new();
    let server = Server::start(|question| match is_about(question, "good") {
        true => vec![ipv4_only(question, 1, 60)],
        false => Vec::new(),
    });
    let mut names: Vec<_> = (0..300).map(|index| format!("{index}.test")).collect();
    names.push("good.test".to_owned());
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let got = ask(&resolver(&[server.addr]), &names, 1000);
    let busy = Failure::Busy.to_string();
    assert_eq!(got.iter().filter(|text| **text == busy).count(), 301 - 256);
    assert!(got.contains(&"192.0.2.1".to_owned()));
}

#[test]
fn a_name_that_nobody_waits_for_any_longer_is_not_asked_for() {
    let worker = InWorker::new();
    let server = Server::start(|_| Vec::new());
    let resolver = resolver(&[server.addr]);
    let is_left = Rc::new(Cell::new(false));
    let left = Rc::clone(&is_left);
    worker.0.spawn(async move {
        let worker = Worker::current();
        let looking = resolver.addresses("a.test", 60_000);
        assert!(worker.timeout(50, looking).await.is_err());
        left.set(true);
    });
    let mut most = 0;
    let start = worker.0.now();
    while !is_left.get() || worker.0.live_slots() > 0 {
        most = most.max(worker.0.live_slots());
        worker.0.turn(Some(100));
        assert!(worker.0.now() < start + 20_000, "it is asked for still");
    }
    assert_eq!(most, 2);
}
