//! From a request to the answer of one of several peers.

use super::announce;
use super::answer::{self, Answer};
use super::bound;
use super::claim::{self, Choice, Claim};
use super::codec::{Codec, RequestBody};
use super::early;
use super::exchange::{Exchange, Outgoing, Received, unless_left, watches};
use super::failure::{Doing, Failure};
use super::head::Rewrite;
use super::hints::Hints;
use super::pool::PeerStream;
use super::record::{Record, records};
use super::settings::{Local, Settings, next};
use super::upstream::Upstream;
use crate::error::Error;
use crate::module::Flow;
use crate::request::Request;
use crate::request_body::ReceivedBody;
use engine::peer::{Attempt, Outcome, Session};
use http1::Method;
use runtime::log::Level;
use runtime::{Millis, Stream};
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::rc::Rc;

/// Bytes of a request's head that there is room for at once: few are longer.
const HEAD_USUAL: usize = 1024;

/// Bytes of a body that leave in one piece with the head.
const SMALL_BODY: usize = 4096;

/// Everything that a conversation needs to know beforehand.
pub struct Call<C> {
    /// Whom to ask.
    pub upstream: Rc<Upstream>,
    /// In which words.
    pub codec: C,
    /// By which rules.
    pub settings: Rc<Settings>,
    /// How the response's fields are rewritten.
    pub rewrite: &'static dyn Rewrite,
    /// What the log writes before a peer's name.
    pub scheme: &'static str,
    /// What it writes after it; `None` for the URI as received.
    pub uri: Option<Vec<u8>>,
    /// Whether the codec brings a body of its own, or none, instead of the client's.
    pub replaces_body: bool,
    /// Whether a body of unknown length can be sent.
    pub can_chunk: bool,
}

impl<C: Codec> Call<C> {
    /// Whether an idle connection will do: not for a tunnel, which begins with a connection of
    /// its own, nor where connections begin with who the client is.
    fn reuses_connections(&self) -> bool {
        self.codec.makes_requests() && *self.settings.proxy_protocol == 0
    }

    /// Whether trailers of the client's body, which follow chunks alone, are passed on.
    fn passes_trailers(&self) -> bool {
        self.can_chunk && self.codec.passes_trailers()
    }
}

impl Session for Request {
    fn client_ip(&self) -> Option<IpAddr> {
        self.remote_addr().ip()
    }
}

/// How far the search for a peer has come.
struct Search {
    attempt: Attempt,
    /// How many more peers may be tried.
    tries: usize,
    started: Millis,
    /// Whether a kept connection turned out to be gone, and none is taken any more: when a server
    /// is started anew, all of them are.
    wants_fresh: bool,
    /// Where connections come from, unless that is asked anew for each peer.
    local: Option<Local>,
    /// The request in the protocol's words, unless it is put so anew for each peer.
    head: Option<Vec<u8>>,
    /// The body that goes with it.
    plan: RequestBody,
    /// Whether that is passed as it comes, and so cannot be sent again.
    streams: bool,
    /// What came of such a body before the peer was asked.
    early: Vec<u8>,
}

/// Asks the peers of `call` until one answers.
///
/// # Errors
///
/// The client's body cannot be read, or something of ours failed.
pub async fn converse<C: Codec>(
    request: &mut Request,
    mut call: Box<Call<C>>,
) -> Result<Flow, Error> {
    let passes_body =
        !call.replaces_body && *call.settings.pass_request_body && early::is_there(request)?;
    let early = match request.body.is_none() && request.incoming.has_body() {
        true => Box::pin(read_body(request, &call, passes_body)).await?,
        false => None,
    };
    let mut search = begin(request, &mut call, early);
    if passes_body {
        search.plan = plan(request, &call, search.streams);
    }
    if !*call.settings.bind_dynamic {
        search.local = call.settings.local_address(request);
    }
    if !*call.settings.request_dynamic {
        let mut head = Vec::with_capacity(HEAD_USUAL);
        call.codec.write_head(request, search.plan, &mut head)?;
        search.head = Some(head);
    }
    loop {
        search.attempt.now = request.connection.http.worker.now();
        let chosen = match claim::choose(request, &call.upstream, &mut search.attempt) {
            Some(claim) => Choice::Peer(claim),
            None => Box::pin(claim::wait(request, &call, &mut search.attempt)).await,
        };
        let claim = match chosen {
            Choice::Peer(claim) => claim,
            Choice::Nobody(why) => {
                request.return_body_part(search.early);
                return Ok(Flow::Status(no_live(request, &call, why)));
            }
            Choice::ClientLeft => {
                return Ok(Flow::Status(
                    Failure::ClientLeft(Doing::Connecting).status(),
                ));
            }
        };
        search.tries = search.tries.saturating_sub(1);
        let mut visit = Visit {
            claim,
            is_cached: false,
            is_asked: false,
            is_last: search.tries == 0,
        };
        let failure = match visit.run(request, &mut call, &search).await {
            Ok(answer) => {
                let lesson = visit.claim.lesson.clone();
                let given = answer::give(request, call, visit.claim, answer);
                if let Some(lesson) = lesson {
                    lesson.learn(request);
                }
                return given;
            }
            Err(failure) => failure,
        };
        let is_asked = visit.is_asked;
        if let Some(flow) = search.after(request, &call, visit, failure)? {
            if !is_asked {
                // Whoever is asked instead gets all of it.
                request.return_body_part(search.early);
            }
            return Ok(flow);
        }
    }
}

/// Reads the body, unless it is to be passed on as it comes: then gives what of it is here.
async fn read_body<C: Codec>(
    request: &mut Request,
    call: &Call<C>,
    passes_body: bool,
) -> Result<Option<Vec<u8>>, Error> {
    let streams = !*call.settings.request_buffering
        && passes_body
        && (call.can_chunk || !request.incoming.is_chunked());
    let mut early = Vec::new();
    if streams && !early::take(request, &mut early).await? {
        return Ok(Some(early));
    }
    if request.body.is_none() && request.incoming.is_untouched() {
        request.read_body().await?;
    }
    Ok(None)
}

fn plan<C: Codec>(request: &Request, call: &Call<C>, streams: bool) -> RequestBody {
    if streams {
        return match request.incoming.content_length() {
            Some(length) => RequestBody::Length(length),
            None => RequestBody::Unknown,
        };
    }
    match &request.body {
        Some(body) if !body.trailers.is_empty() && call.passes_trailers() => RequestBody::Unknown,
        Some(body) if body.len > 0 || request.incoming.is_chunked() => {
            RequestBody::Length(body.len)
        }
        // One that was read may be none.
        _ => match request.incoming.content_length() {
            Some(_) => RequestBody::Length(0),
            None => RequestBody::None,
        },
    }
}

fn begin<C>(request: &mut Request, call: &mut Call<C>, early: Option<Vec<u8>>) -> Search {
    let started = request.connection.http.worker.now();
    let records = records(request);
    records.scheme = call.scheme;
    records.uri = call.uri.take();
    records.is_active = true;
    records.head = None;
    if records.attempts.is_empty() {
        // Mostly it stays at one.
        records.attempts = Vec::with_capacity(1);
    } else {
        records.attempts.push(None);
    }
    call.upstream.retries.count_request();
    let all = call.upstream.peers.tries();
    let limit = usize::try_from(*call.settings.next_upstream_tries).unwrap_or(usize::MAX);
    Search {
        attempt: Attempt::default(),
        tries: if limit == 0 { all } else { all.min(limit) },
        started,
        wants_fresh: false,
        local: None,
        head: None,
        plan: RequestBody::None,
        streams: early.is_some(),
        early: early.unwrap_or_default(),
    }
}

/// Every peer is down, full or given up.
fn no_live<C>(request: &mut Request, call: &Call<C>, why: &str) -> u16 {
    let now = request.connection.http.worker.now();
    let name = &call.upstream.name;
    let record = Record::new(Rc::clone(name), Rc::clone(name), now);
    record.status.set(502);
    record.finish(now);
    records(request).attempts.push(Some(record));
    request.log(Level::Error, &format!("{why} {}", Doing::Connecting.text()));
    502
}

impl Search {
    /// What follows from a failure: an answer, or another try.
    fn after<C>(
        &mut self,
        request: &mut Request,
        call: &Call<C>,
        mut visit: Visit,
        failure: Failure,
    ) -> Result<Option<Flow>, Error> {
        let now = request.connection.http.worker.now();
        let status = failure.status();
        let record = &visit.claim.record;
        // What the client did, or this server, is no status of the peer's.
        let is_peers = failure.bit().is_some();
        if is_peers && (record.status.get() == 0 || !matches!(failure, Failure::Status(_))) {
            record.status.set(status);
        }
        record.finish(now);
        if let Some(message) = failure.message() {
            request.log(failure.level(), &message);
        }
        // An idle connection may have been closed in the moment it was taken: no peer's fault.
        // A peer that is gone is found out with the next connection that is made.
        let is_stale = visit.is_cached && matches!(failure, Failure::Broken(..));
        let has_begun = record.received.get() > 0;
        let outcome = match &failure {
            _ if is_stale && !has_begun => Outcome::Next,
            Failure::Status(403 | 404) => Outcome::Next,
            Failure::ClientLeft(_) | Failure::Ours(_) => Outcome::Answered,
            _ => Outcome::Failed,
        };
        if visit.claim.release(outcome) {
            let doing = failure.doing().text();
            let message = format!("upstream server temporarily disabled {doing}");
            request.log(Level::Warn, &message);
        }
        if is_stale {
            self.tries += 1;
            self.wants_fresh = true;
            self.attempt.forget(visit.claim.peer.id);
        }
        let Some(bit) = failure.bit() else {
            return match failure {
                Failure::Ours(error) => Err(error),
                _ => Ok(Some(Flow::Status(status))),
            };
        };
        if self.may_go_on(request, &call.settings, bit, visit.is_asked, now)
            && (is_stale || take_retry(request, &call.upstream, now))
        {
            return Ok(None);
        }
        Ok(Some(Flow::Status(status)))
    }

    /// Whether another peer may be tried after a failure of kind `bit`.
    fn may_go_on(
        &self,
        request: &Request,
        settings: &Settings,
        bit: u32,
        is_asked: bool,
        now: Millis,
    ) -> bool {
        let mut needed = bit;
        // What was asked may have been done, and must not be done twice.
        if is_asked && matches!(request.method, Method::Post | Method::Lock | Method::Patch) {
            needed |= next::NON_IDEMPOTENT;
        }
        let timeout = *settings.next_upstream_timeout;
        self.tries > 0
            && *settings.next_upstream & (needed | next::OFF) == needed
            && !(is_asked && self.streams)
            && (timeout == 0 || now.saturating_sub(self.started) < timeout)
    }
}

/// Takes a retry out of the group's budget, if there is one left.
fn take_retry(request: &Request, upstream: &Upstream, now: Millis) -> bool {
    let has_one = has_retry(request, upstream, now);
    if has_one {
        upstream.retries.take_retry();
    }
    has_one
}

/// Whether there is a retry left in the group's budget; if not, the log says so.
fn has_retry(request: &Request, upstream: &Upstream, now: Millis) -> bool {
    let budget = &upstream.retries;
    if budget.has_retry(now) {
        return true;
    }
    if budget.must_tell(now) {
        let name = &upstream.name;
        let message = format!("retry budget of upstream \"{name}\" is exhausted");
        request.log(Level::Warn, &message);
    }
    false
}

/// One try of one peer.
struct Visit {
    claim: Claim,
    /// Whether the connection was an idle one.
    is_cached: bool,
    /// Whether some of the request may have reached the peer.
    is_asked: bool,
    is_last: bool,
}

impl Visit {
    async fn run<C: Codec>(
        &mut self,
        request: &mut Request,
        call: &mut Call<C>,
        search: &Search,
    ) -> Result<Answer, Failure> {
        if !call.settings.allow_upstream.all(request) {
            return Err(Failure::Denied);
        }
        let idle = self.take_idle(request, call, search);
        self.is_cached = idle.is_some();
        let peer = match idle {
            Some(peer) => peer,
            None => Box::pin(self.connect(request, call, search)).await?,
        };
        let record = &self.claim.record;
        let now = request.connection.http.worker.now();
        let connect_time = now.saturating_sub(record.started);
        record.connect_time.set(Some(connect_time));
        if let Some(head) = call.codec.head_at_connect() {
            record.header_time.set(Some(connect_time));
            record.status.set(head.status);
            self.claim.answered();
            let received = Received::at_connect(head);
            return Ok(Answer { peer, received });
        }
        self.is_asked = true;
        let mut out = words(request, call, search)?;
        let exchange = Exchange {
            peer: &peer,
            codec: RefCell::new(&mut call.codec),
            settings: &call.settings,
            record: &self.claim.record,
            client: Rc::clone(&request.connection),
            watches: watches(request, &call.settings),
            hints: Hints::of(request, &call.settings),
        };
        let outgoing = match &request.body {
            _ if search.plan == RequestBody::None => Outgoing::Nothing,
            None if search.plan == RequestBody::Length(0) => Outgoing::Nothing,
            None => Outgoing::Stream(request),
            Some(body) => outgoing(body, search.plan, &exchange.codec, &mut out),
        };
        let received = exchange.run(&out, outgoing).await?;
        let record = &self.claim.record;
        let now = request.connection.http.worker.now();
        let header_time = now.saturating_sub(record.started);
        record.header_time.set(Some(header_time));
        record.status.set(received.head.status);
        self.claim.answered();
        let status = received.head.status;
        if status >= 300
            && !self.is_last
            && let Some(bit) = next::of_status(status)
            && search.may_go_on(request, &call.settings, bit, true, now)
            && has_retry(request, &call.upstream, now)
        {
            return Err(Failure::Status(status));
        }
        Ok(Answer { peer, received })
    }

    /// An idle connection to the peer, where one will do.
    fn take_idle<C: Codec>(
        &self,
        request: &Request,
        call: &Call<C>,
        search: &Search,
    ) -> Option<PeerStream> {
        if search.wants_fresh || !call.reuses_connections() {
            return None;
        }
        let mut idle = bound::take(request, &call.upstream, self.claim.peer.id)?;
        idle.requests += 1;
        Some(idle)
    }

    /// Makes a connection to the peer.
    async fn connect<C: Codec>(
        &self,
        request: &Request,
        call: &Call<C>,
        search: &Search,
    ) -> Result<PeerStream, Failure> {
        let settings = &call.settings;
        let local = match &search.local {
            None if *settings.bind_dynamic => settings.local_address(request),
            local => local.clone(),
        };
        let options = settings.connect_options(local.clone());
        let address = &self.claim.peer.config.address;
        let worker = &request.connection.http.worker;
        let connecting = Stream::connect(worker, address, &options);
        match unless_left(request, settings, connecting).await {
            None => Err(Failure::ClientLeft(Doing::Connecting)),
            Some(Ok(stream)) => Ok(PeerStream {
                stream,
                requests: 1,
                started: worker.now(),
            }),
            Some(Err(error)) => {
                let name = &self.claim.record.peer;
                Err(Failure::of_connect(error, local.as_ref(), (address, name)))
            }
        }
    }
}

/// What begins the request, on the wire.
fn words<'s, C: Codec>(
    request: &Request,
    call: &mut Call<C>,
    search: &'s Search,
) -> Result<Cow<'s, [u8]>, Failure> {
    call.codec.restart();
    let mut out = Vec::new();
    announce::client(request, *call.settings.proxy_protocol, &mut out);
    match &search.head {
        None => {
            let written = call.codec.write_head(request, search.plan, &mut out);
            written.map_err(Failure::Ours)?;
        }
        Some(head) => {
            if out.is_empty() && search.early.is_empty() {
                return Ok(Cow::Borrowed(head));
            }
            out.extend_from_slice(head);
        }
    }
    if !search.early.is_empty() {
        call.codec.write_part(&search.early, &mut out);
    }
    Ok(Cow::Owned(out))
}

/// How a body that was read follows what is in `out`, which a small one is added to: one packet
/// instead of two.
fn outgoing<'b, C: Codec>(
    body: &'b ReceivedBody,
    plan: RequestBody,
    codec: &RefCell<&mut C>,
    out: &mut Cow<'_, [u8]>,
) -> Outgoing<'b> {
    let in_parts = plan == RequestBody::Unknown;
    match &body.file {
        Some(file) if in_parts => Outgoing::Parts(file.as_fd(), body.len, &body.trailers),
        Some(file) => Outgoing::File(file.as_fd(), body.len),
        None if in_parts => {
            let codec = &mut *codec.borrow_mut();
            if !body.memory.is_empty() {
                codec.write_part(&body.memory, out.to_mut());
            }
            codec.write_end(&body.trailers, out.to_mut());
            Outgoing::Nothing
        }
        None if body.memory.len() <= SMALL_BODY => {
            out.to_mut().extend_from_slice(&body.memory);
            Outgoing::Nothing
        }
        None => Outgoing::Memory(&body.memory),
    }
}
