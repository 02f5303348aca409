//! One question, put to one server after the other until one answers.

use super::Failure;
use crate::address::Address;
use dns::limits::{DATAGRAM_MAX, MESSAGE_MAX};
use dns::{Answer, Kind, Name, Query, Rejected};
use runtime::log::{Level, os_error};
use runtime::{ConnectOptions, Millis, Stream, Worker};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use sys::socket::Kind as SocketKind;

/// Milliseconds until a silent server is left for the next one: longer each time, so that a
/// server that is slow by nature still answers. nginx waits 5 seconds every time.
const PATIENCE: [Millis; 3] = [1_000, 2_000, 4_000];

/// The same, from then on.
const PATIENCE_MAX: Millis = 5_000;

/// Questions that may still be answered at a time. Each is a socket; an answer to an earlier
/// one counts as well.
const OUTSTANDING_MAX: usize = 4;

/// Wrong answers from one server's address to one question before it is put over TCP, where
/// they cannot be forged blindly. One in 65536 guesses of the id is right, for who knows the
/// port.
const FORGED_MAX: u32 = 100;

/// Datagrams read before others in the worker get their turn.
const DATAGRAMS_AT_ONCE: u32 = 32;

/// Milliseconds in which the operator is told of one trouble with servers, and no more.
const TELL_INTERVAL: Millis = 1_000;

/// Milliseconds for a question over TCP. Source: nginx's `tcp_timeout`.
const STREAM_TIMEOUT: Millis = 5_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Questions sent.
    Asked,
    /// Answers taken, failures among them.
    Answered,
    /// Datagrams that answered something else: late or forged.
    Foreign,
    /// Answers that were broken.
    Malformed,
    /// Questions put over TCP.
    Stream,
}

/// How often each happened, and when that was last told.
#[derive(Debug, Default)]
pub struct Counts {
    cells: [Cell<u64>; 5],
    told_at: Cell<Option<Millis>>,
}

impl Counts {
    fn add(&self, counter: Counter) {
        let cell = &self.cells[counter as usize];
        cell.set(cell.get() + 1);
    }

    /// How often it happened.
    pub fn get(&self, counter: Counter) -> u64 {
        self.cells[counter as usize].get()
    }

    /// Tells the operator of `trouble` with `server`, unless there was some to tell just now.
    fn tell(&self, worker: &Worker, trouble: &str, server: &Address) {
        let now = worker.now();
        if self
            .told_at
            .get()
            .is_some_and(|at| now < at + TELL_INTERVAL)
        {
            return;
        }
        self.told_at.set(Some(now));
        let text = format!("{trouble} while resolving, resolver: {server}");
        worker.report(Level::Error, &text);
    }
}

/// Why a server gave no answer. `Display` is for the log.
enum Trouble {
    /// It cannot be reached: what the system call said.
    Unreachable(&'static str, io::Error),
    /// It answered, and the answer cannot be read.
    Malformed,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(call, error) => {
                write!(f, "{call} failed ({})", os_error(error))
            }
            Self::Malformed => f.write_str("malformed DNS response"),
        }
    }
}

/// What makes trouble of a failed system call.
fn failed(call: &'static str) -> impl Fn(io::Error) -> Trouble {
    move |error| Trouble::Unreachable(call, error)
}

type Attempt = Pin<Box<dyn Future<Output = Result<(Query, Answer), Trouble>>>>;

/// Whom to ask.
pub(super) struct Servers<'s> {
    /// Everyone.
    pub(super) all: &'s [Address],
    /// Who is asked first.
    pub(super) start: usize,
    /// What happens is counted there.
    pub(super) counts: &'s Rc<Counts>,
}

impl Servers<'_> {
    /// Asks until `deadline`, which may be put off meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure::TimedOut`]; [`Failure::FORMAT`] when every server sends what cannot be read.
    pub(super) async fn ask(
        &self,
        worker: &Rc<Worker>,
        name: &Name,
        kind: Kind,
        deadline: &Cell<Millis>,
    ) -> Result<(Query, Answer), Failure> {
        let mut attempts = VecDeque::new();
        let mut tries = 0;
        let mut malformed = 0;
        while worker.now() < deadline.get() {
            let server = self.all[(self.start + tries) % self.all.len()].clone();
            if attempts.len() == OUTSTANDING_MAX {
                attempts.pop_front();
            }
            attempts.push_back(self.attempt(worker, server, name, kind));
            let patience = PATIENCE.get(tries / self.all.len()).copied();
            let until = worker.now() + patience.unwrap_or(PATIENCE_MAX);
            tries += 1;
            // The next one is asked at once when this one cannot answer, but only once a round.
            let is_round = tries.is_multiple_of(self.all.len());
            loop {
                match first(worker, &mut attempts, until.min(deadline.get())).await {
                    Some(Ok(found)) => return Ok(found),
                    Some(Err(trouble)) => {
                        malformed += usize::from(matches!(trouble, Trouble::Malformed));
                        if malformed >= self.all.len() {
                            return Err(Failure::FORMAT);
                        }
                        if !is_round {
                            break;
                        }
                    }
                    None => break,
                }
            }
        }
        Err(Failure::TimedOut)
    }

    fn attempt(&self, worker: &Rc<Worker>, server: Address, name: &Name, kind: Kind) -> Attempt {
        let query = Query {
            id: u16::from_ne_bytes(sys::random::bytes()),
            name: name.clone(),
            kind,
        };
        let (worker, counts) = (Rc::clone(worker), Rc::clone(self.counts));
        Box::pin(async move {
            let answer = attempt(&worker, &server, &query, &counts).await;
            if let Err(trouble) = &answer {
                counts.tell(&worker, &trouble.to_string(), &server);
            }
            answer.map(|answer| (query, answer))
        })
    }
}

async fn attempt(
    worker: &Rc<Worker>,
    server: &Address,
    query: &Query,
    counts: &Counts,
) -> Result<Answer, Trouble> {
    counts.add(Counter::Asked);
    let answer = match by_datagram(worker, server, query, counts).await? {
        Some(answer) if !answer.is_truncated => answer,
        _ => {
            counts.add(Counter::Stream);
            let asked = by_stream(worker, server, query);
            let late = |_| failed("recv()")(io::ErrorKind::TimedOut.into());
            let answer = worker.timeout(STREAM_TIMEOUT, asked).await;
            answer.map_err(late).flatten()?
        }
    };
    counts.add(Counter::Answered);
    Ok(answer)
}

/// The result of whichever attempt is done first, which is taken out; `None` at `until`.
async fn first(
    worker: &Worker,
    attempts: &mut VecDeque<Attempt>,
    until: Millis,
) -> Option<Result<(Query, Answer), Trouble>> {
    let mut sleep = pin!(worker.sleep_until(until));
    poll_fn(|cx| {
        for index in 0..attempts.len() {
            if let Poll::Ready(result) = attempts[index].as_mut().poll(cx) {
                attempts.remove(index);
                return Poll::Ready(Some(result));
            }
        }
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Asks from a new socket, whose port the kernel chooses at random and which takes datagrams
/// from this server only. `None` when so many wrong ones came that somebody seems to guess.
async fn by_datagram(
    worker: &Rc<Worker>,
    server: &Address,
    query: &Query,
    counts: &Counts,
) -> Result<Option<Answer>, Trouble> {
    let options = ConnectOptions {
        kind: SocketKind::Datagram,
        // Clients that wait for the name are connections themselves.
        is_background: true,
        ..ConnectOptions::default()
    };
    let connecting = Stream::connect(worker, server, &options);
    let stream = connecting.await.map_err(failed("connect()"))?;
    stream
        .try_write(&query.encode())
        .map_err(failed("send()"))?;
    let mut buf = vec![0; DATAGRAM_MAX];
    let mut foreign = 0;
    loop {
        let len = match stream.try_read(&mut buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.readable().await.map_err(failed("recv()"))?;
                continue;
            }
            read => read.map_err(failed("recv()"))?,
        };
        match query.read(&buf[..len]) {
            Ok(answer) => return Ok(Some(answer)),
            Err(Rejected::Malformed) => {
                counts.add(Counter::Malformed);
                return Err(Trouble::Malformed);
            }
            Err(Rejected::Foreign) => {
                counts.add(Counter::Foreign);
                foreign += 1;
            }
        }
        if foreign == FORGED_MAX {
            counts.tell(worker, "too many DNS responses to other questions", server);
            return Ok(None);
        }
        if foreign % DATAGRAMS_AT_ONCE == 0 {
            worker.turn_ended().await;
        }
    }
}

/// Asks over a connection of its own. Source: RFC 7766.
async fn by_stream(
    worker: &Rc<Worker>,
    server: &Address,
    query: &Query,
) -> Result<Answer, Trouble> {
    let options = ConnectOptions {
        is_background: true,
        ..ConnectOptions::default()
    };
    let connecting = Stream::connect(worker, server, &options);
    let stream = connecting.await.map_err(failed("connect()"))?;
    let message = query.encode_stream();
    write_all(&stream, &message)
        .await
        .map_err(failed("send()"))?;
    let message = read_message(&stream).await.map_err(failed("recv()"))?;
    match query.read(&message) {
        // A server that cannot say it all over TCP cannot say it.
        Ok(answer) if !answer.is_truncated => Ok(answer),
        _ => Err(Trouble::Malformed),
    }
}

async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            sent => bytes = &bytes[sent?..],
        }
    }
    Ok(())
}

/// A message as TCP carries it. Source: RFC 1035, 4.2.2.
async fn read_message(stream: &Stream) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    read_exact(stream, &mut len).await?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    debug_assert!(message.len() <= MESSAGE_MAX);
    read_exact(stream, &mut message).await?;
    Ok(message)
}

async fn read_exact(stream: &Stream, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match stream.try_read(buf) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => buf = &mut buf[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
