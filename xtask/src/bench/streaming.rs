//! How much later what a server streams arrives when it passes through another.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use harness::clock;

use super::contestant::Contestant;
use super::report;
use super::rows::STREAM;
use super::websocket::read_head;

/// Events of one response.
const EVENTS: usize = 2_000;

/// From one to the next. Long enough for each to find everybody idle.
const PAUSE: Duration = Duration::from_micros(500);

/// An event as it is sent: a chunk that holds when it was, in nanoseconds since the start.
const EVENT: usize = b"14\r\n".len() + 20 + b"\r\n".len();

/// Microseconds from sending to arriving, at the median.
pub(super) struct Latency {
    pub(super) direct: f64,
    pub(super) through: f64,
}

/// Streams events straight from the server behind, then through `contestant`.
pub(super) fn measure(contestant: &Contestant, rounds: u32) -> Result<Latency, String> {
    eprintln!("streaming: {} with {EVENTS} events", contestant.name);
    let failed = |error: io::Error| format!("{}: {error}", contestant.name);
    let started = clock::now();
    let back = start(started).map_err(failed)?;
    let running = contestant.start(&STREAM, Some(back))?;
    let running = running.ok_or("it streams nothing here")?;
    let straight = SocketAddr::from(([127, 0, 0, 1], back));
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        direct.extend(receive(straight, started).map_err(failed)?);
        through.extend(receive(running.addr(), started).map_err(failed)?);
    }
    let median = |all: Vec<f64>| report::median(all.into_iter()).unwrap_or_default();
    Ok(Latency {
        direct: median(direct),
        through: median(through),
    })
}

/// Starts a server that answers everybody with a stream of events. Gives its port.
fn start(started: std::time::Instant) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            thread::spawn(move || send(stream, started));
        }
    });
    Ok(port)
}

fn send(mut stream: TcpStream, started: std::time::Instant) -> io::Result<()> {
    stream.set_nodelay(true)?;
    read_head(&mut stream)?;
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    for _ in 0..EVENTS {
        thread::sleep(PAUSE);
        let sent = clock::now().duration_since(started).as_nanos();
        stream.write_all(format!("14\r\n{sent:020}\r\n").as_bytes())?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// How long each event took, in microseconds.
fn receive(addr: SocketAddr, started: std::time::Instant) -> io::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    read_head(&mut stream)?;
    let mut times = Vec::with_capacity(EVENTS);
    let mut event = [0; EVENT];
    for _ in 0..EVENTS {
        stream.read_exact(&mut event)?;
        let now = clock::now().duration_since(started).as_nanos();
        times.push(elapsed_us(&event, now)?);
    }
    Ok(times)
}

/// Microseconds from the time in `event` to `now`.
fn elapsed_us(event: &[u8], now: u128) -> io::Result<f64> {
    let sent = std::str::from_utf8(&event[4..24]).ok();
    let sent: Option<u128> = sent.and_then(|digits| digits.parse().ok());
    let sent = sent.ok_or_else(|| io::Error::other("an event was cut in another place"))?;
    let elapsed = u32::try_from(now.saturating_sub(sent)).unwrap_or(u32::MAX);
    Ok(f64::from(elapsed) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_its_age() {
        let event = format!("14\r\n{:020}\r\n", 1_500);
        assert_eq!(event.len(), EVENT);
        assert_eq!(elapsed_us(event.as_bytes(), 4_000).unwrap(), 2.5);
        assert!(elapsed_us(&[b'x'; EVENT], 0).is_err());
    }
}
