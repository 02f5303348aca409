//! Asking one given server on one's own account, as health checks do: nobody chooses it, nobody
//! is tried after it, and no client waits for the answer.

use super::announce;
use super::codec::{Codec, RequestBody, UpstreamHead};
use super::exchange::{Exchange, Outgoing, Received, set_timeout};
use super::failure::{Doing, Failure};
use super::pool::PeerStream;
use super::record::{Record, records};
use super::settings::Settings;
use crate::request::Request;
use engine::address::Address;
use runtime::Stream;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// Bytes of a body read at once.
const READ_MAX: usize = 16 << 10;

/// Who is asked, and for how much.
pub struct Probe {
    /// Where the server is.
    pub address: Address,
    /// The address as logs and `$upstream_addr` write it.
    pub name: Rc<str>,
    /// The server as the configuration names it.
    pub server: Rc<str>,
    /// A connection that is used instead of a new one.
    pub connection: Option<PeerStream>,
    /// Bytes of the body that are wanted.
    pub body_max: usize,
}

/// What a server answered.
pub struct Probed {
    /// The head.
    pub head: Box<UpstreamHead>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// The connection, where the answer was read to its end and not a byte further.
    pub connection: Option<PeerStream>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoAnswer {
    /// What the log says.
    pub message: String,
    /// What was being done, as the log says it: the end of the message.
    pub doing: &'static str,
    /// Whether the server is not to blame: it was not asked.
    pub is_ours: bool,
}

impl NoAnswer {
    fn new(failure: Failure, doing: Doing) -> Self {
        let is_ours = matches!(failure, Failure::Ours(_));
        let message = match failure {
            Failure::Ours(error) => format!("{error} {}", doing.text()),
            failure => failure.message().unwrap_or_default(),
        };
        let known = [Doing::Connecting, Doing::Sending, Doing::ReadingHead];
        let said = known.iter().find(|known| message.ends_with(known.text()));
        Self {
            doing: said.unwrap_or(&doing).text(),
            message,
            is_ours,
        }
    }
}

/// Sends `request`, which has no body, to a server by the rules of `settings`, and reads as much of
/// the answer as is wanted. What variables tell of an upstream's answer they tell of this one afterwards.
///
/// # Errors
///
/// The server cannot be reached, is too slow, or sends what makes no sense.
pub async fn probe<C: Codec>(
    request: &mut Request,
    mut codec: C,
    settings: &Settings,
    mut probe: Probe,
) -> Result<Probed, NoAnswer> {
    let worker = Rc::clone(&request.connection.http.worker);
    let record = Record::new(
        Rc::clone(&probe.name),
        Rc::clone(&probe.server),
        worker.now(),
    );
    let known = records(request);
    known.attempts = vec![Some(Rc::clone(&record))];
    known.head = None;
    let peer = connect(request, settings, &mut probe)
        .await
        .map_err(|failure| NoAnswer::new(failure, Doing::Connecting))?;
    let connect_time = worker.now().saturating_sub(record.started);
    record.connect_time.set(Some(connect_time));
    let asked = ask(request, &mut codec, settings, (&peer, &record)).await;
    let received = asked.map_err(|failure| NoAnswer::new(failure, Doing::ReadingHead))?;
    let header_time = worker.now().saturating_sub(record.started);
    record.header_time.set(Some(header_time));
    record.status.set(received.head.status);
    records(request).head = Some(received.head.clone());
    let keep_alive = received.head.keep_alive && received.is_sent && !received.head.is_tunnel;
    let mut reading = Reading {
        peer: &peer,
        codec: &mut codec,
        timeout: *settings.read_timeout,
        input: received.input,
        at: received.consumed,
        body: Vec::new(),
    };
    let is_whole = match received.head.has_body {
        false => true,
        true if probe.body_max == 0 => false,
        true => {
            let read = reading.read(probe.body_max).await;
            read.map_err(|failure| NoAnswer::new(failure, Doing::ReadingBody))?
        }
    };
    let keeps = keep_alive && is_whole && reading.at == reading.input.len();
    let body = reading.body;
    record.response_length.set(body.len() as u64);
    record.finish(worker.now());
    Ok(Probed {
        head: received.head,
        body,
        connection: keeps.then_some(peer),
    })
}

async fn connect(
    request: &Request,
    settings: &Settings,
    probe: &mut Probe,
) -> Result<PeerStream, Failure> {
    if let Some(mut idle) = probe.connection.take() {
        idle.requests += 1;
        return Ok(idle);
    }
    let worker = &request.connection.http.worker;
    let options = settings.connect_options(settings.local_address(request));
    let stream = Stream::connect(worker, &probe.address, &options)
        .await
        .map_err(|error| Failure::of_connect(error, None, (&probe.address, &probe.name)))?;
    Ok(PeerStream {
        stream,
        requests: 1,
        started: worker.now(),
    })
}

async fn ask<C: Codec>(
    request: &Request,
    codec: &mut C,
    settings: &Settings,
    (peer, record): (&PeerStream, &Record),
) -> Result<Received, Failure> {
    let mut out = Vec::with_capacity(256);
    // On a connection that is used again this has been said.
    if peer.requests == 1 {
        announce::client(request, *settings.proxy_protocol, &mut out);
    }
    codec
        .write_head(request, RequestBody::None, &mut out)
        .map_err(Failure::Ours)?;
    let exchange = Exchange {
        peer,
        codec: RefCell::new(codec),
        settings,
        record,
        client: Rc::clone(&request.connection),
        watches: false,
        hints: None,
    };
    exchange.run(&out, Outgoing::Nothing).await
}

/// A body on its way.
struct Reading<'r, C> {
    peer: &'r PeerStream,
    codec: &'r mut C,
    /// Milliseconds for the whole of it.
    timeout: u64,
    /// What was received and is not decoded yet, from `at`.
    input: Vec<u8>,
    at: usize,
    body: Vec<u8>,
}

impl<C: Codec> Reading<'_, C> {
    /// Reads to the body's end, which gives `true`, or until there are `max` bytes of it.
    async fn read(&mut self, max: usize) -> Result<bool, Failure> {
        set_timeout(&self.peer.stream, self.timeout);
        loop {
            while self.at < self.input.len() {
                let input = &self.input[self.at..];
                let decoded = self.codec.read_body(input).map_err(|why| {
                    Failure::Invalid(format!("{why} {}", Doing::ReadingBody.text()))
                })?;
                let data = decoded.data.and_then(|range| input.get(range));
                self.body.extend_from_slice(data.unwrap_or_default());
                self.at += decoded.consumed;
                if decoded.is_done {
                    return Ok(true);
                }
                if self.body.len() >= max {
                    self.body.truncate(max);
                    return Ok(false);
                }
                if decoded.consumed == 0 {
                    break;
                }
            }
            self.input.drain(..self.at);
            self.at = 0;
            if !self.receive().await? {
                if self.codec.ends_at_close() {
                    return Ok(false);
                }
                return Err(Failure::premature(Doing::ReadingBody));
            }
        }
    }

    /// Waits for more; `false` when the server closed.
    async fn receive(&mut self) -> Result<bool, Failure> {
        let stream = &self.peer.stream;
        let broken = |error| Failure::of_io(&error, "recv()", Doing::ReadingBody);
        loop {
            match stream.try_read_append(&mut self.input, READ_MAX) {
                Ok(count) => return Ok(count > 0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.readable().await.map_err(broken)?;
                }
                Err(error) => return Err(broken(error)),
            }
        }
    }
}
