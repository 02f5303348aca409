//! Honest clients beside an attack: what they ask for, and how long they wait for it.

use harness::{Client, clock, length};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between two requests: 50 a second.
const PAUSE: Duration = Duration::from_millis(20);

/// Who asks.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A new connection for every request.
    New,
    /// New connections, GET and POST on kept ones, in turns.
    All,
}

/// How honest clients fared.
#[derive(Debug, Default)]
pub(crate) struct Report {
    waits: Vec<Duration>,
    pub(crate) failed: usize,
}

impl Report {
    pub(crate) fn asked(&self) -> usize {
        self.waits.len() + self.failed
    }

    /// How long all but one in a hundred waited at most.
    pub(crate) fn p99(&self) -> Duration {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let place = (waits.len() * 99).div_ceil(100).saturating_sub(1);
        waits.get(place).copied().unwrap_or_default()
    }

    /// How many were answered within a second.
    pub(crate) fn served(&self) -> usize {
        let second = Duration::from_secs(1);
        self.waits.iter().filter(|wait| **wait <= second).count()
    }

    /// Every request was answered, and hardly later than in `quiet` times.
    #[track_caller]
    pub(crate) fn assert_undisturbed(&self, quiet: &Self) {
        eprintln!(
            "{} of {} honest requests failed; p99 {:?}, in quiet times {:?}",
            self.failed,
            self.asked(),
            self.p99(),
            quiet.p99()
        );
        assert_eq!(self.failed, 0, "of {} requests", self.asked());
        let bound = (quiet.p99() * 3).max(Duration::from_millis(100));
        // In a short run one late request is one in a hundred, and the machine has other work.
        let bound = length::of(Duration::from_secs(1), bound);
        assert!(self.p99() <= bound, "{:?} > {bound:?}", self.p99());
    }
}

/// Asks for `/tag` at `addr` while `attack` runs.
pub(crate) fn during<T>(addr: SocketAddr, kind: Kind, attack: impl FnOnce() -> T) -> (Report, T) {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let prober = scope.spawn(|| ask(addr, kind, &is_done));
        let result = attack();
        is_done.store(true, Ordering::Relaxed);
        let report = prober.join().unwrap_or_default();
        (report, result)
    })
}

/// How honest clients fare while nothing else happens.
pub(crate) fn quiet(addr: SocketAddr) -> Report {
    let wait = length::of(Duration::from_secs(1), Duration::from_secs(10));
    during(addr, Kind::All, || thread::sleep(wait)).0
}

fn ask(addr: SocketAddr, kind: Kind, is_done: &AtomicBool) -> Report {
    let mut report = Report::default();
    let mut kept = [None, None];
    for turn in 0.. {
        if is_done.load(Ordering::Relaxed) {
            break;
        }
        let started = clock::now();
        let answered = match (kind, turn % 4) {
            (Kind::All, 1) => ask_on(&mut kept[0], addr, "GET /tag?x HTTP/1.1\r\nHost: h\r\n\r\n"),
            (Kind::All, 3) => ask_on(
                &mut kept[1],
                addr,
                "POST /tag?x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            ),
            _ => {
                let closing = "GET /tag?x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                ask_on(&mut None, addr, closing)
            }
        };
        match answered {
            Ok(()) => report.waits.push(started.elapsed()),
            Err(error) => {
                eprintln!("an honest request failed: {error}");
                report.failed += 1;
            }
        }
        thread::sleep(PAUSE.saturating_sub(started.elapsed()));
    }
    report
}

/// One request on the connection that is kept, or on a new one.
fn ask_on(kept: &mut Option<Client>, addr: SocketAddr, request: &str) -> io::Result<()> {
    let mut client = kept.take().map_or_else(|| Client::connect(addr), Ok)?;
    client.send(request)?;
    match client.try_receive()? {
        Some(response) if response.text() == "x" => {
            *kept = (!response.is_last()).then_some(client);
            Ok(())
        }
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}
