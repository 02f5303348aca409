//! A peer that was chosen: found at once or by waiting, and given back.

use super::bound;
use super::conversation::Call;
use super::exchange;
use super::queue::Queue;
use super::record::{Record, records};
use super::sticky::Lesson;
use super::upstream::Upstream;
use crate::core::error_log::ERROR_LOG;
use crate::request::Request;
use crate::worker::HttpWorker;
use engine::peer::{Attempt, Change, Chosen, EjectRules, Outcome, Report};
use runtime::Millis;
use runtime::log::Level;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// What the log says when no peer can be chosen. Source: nginx.
const NOBODY: &str = "no live upstreams";

/// A peer that was chosen. Dropped, it is given back: a client that leaves costs it nothing.
pub(super) struct Claim {
    upstream: Rc<Upstream>,
    pub(super) http: Rc<HttpWorker>,
    pub(super) peer: Chosen,
    /// What is remembered of the attempt.
    pub(super) record: Rc<Record>,
    /// What is to be learned about the session that the peer answers, if anything.
    pub(super) lesson: Option<Rc<Lesson>>,
    is_open: bool,
    /// Whether its answer was cut off, or made no sense in the end.
    pub(super) is_cut: bool,
}

impl Claim {
    /// The head of the peer's answer is there.
    pub(super) fn answered(&mut self) {
        let upstream = &self.upstream;
        upstream.peers.answered(&*upstream.balancer, &mut self.peer);
    }

    /// Gives the peer back. Tells whether it is left alone from now on.
    pub(super) fn release(&mut self, outcome: Outcome) -> bool {
        if !std::mem::replace(&mut self.is_open, false) {
            return false;
        }
        let (now, record) = (self.http.worker.now(), &self.record);
        let until_now = now.saturating_sub(record.started);
        let report = Report {
            outcome,
            now,
            header_time: record.header_time.get(),
            response_time: record.response_time.get().unwrap_or(until_now),
        };
        let is_given_up = self.upstream.peers.release(&self.peer, &report);
        if let (Outcome::Answered, Some(lesson)) = (outcome, &self.lesson) {
            lesson.end();
        }
        if let Some(rules) = &self.upstream.eject {
            self.judge(report, rules);
        }
        self.upstream.queue.peer_is_free();
        is_given_up
    }

    /// Judges whether the peer does worse than others.
    fn judge(&self, mut report: Report, rules: &EjectRules) {
        let is_answer = report.header_time.is_some();
        if is_answer && self.record.status.get() >= 500 || self.is_cut {
            report.outcome = Outcome::Failed;
        }
        let upstream = &self.upstream;
        let Some(change) = upstream.peers.judge(self.peer.id, &report, rules) else {
            return;
        };
        let level = match change {
            Change::Ejected(..) => Level::Warn,
            Change::Readmitted => Level::Notice,
        };
        let (peer, group) = (&self.peer.config.name, &upstream.name);
        let message = format!("{change}, peer {peer} in upstream \"{group}\"");
        let settings = &self.http.generation.level(0).settings;
        let logger = ERROR_LOG.of(settings).logs.logger();
        logger.log(level, &message);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release(Outcome::Answered);
    }
}

/// What waiting for a peer came to.
pub(super) enum Choice {
    /// A peer.
    Peer(Claim),
    /// Every peer is down, full or given up; in words for the log.
    Nobody(&'static str),
    /// The client left while it waited for one.
    ClientLeft,
}

/// Chooses a peer, where there is one now, and begins to keep record of it. Those who wait in the
/// group's queue go first.
pub(super) fn choose(
    request: &mut Request,
    upstream: &Rc<Upstream>,
    attempt: &mut Attempt,
) -> Option<Claim> {
    if !upstream.queue.is_empty() {
        return None;
    }
    let chosen = choose_now(request, upstream, attempt)?;
    Some(claim(request, upstream, chosen, attempt.now, None))
}

/// Where no peer could be chosen: waits in the group's queue, if it has one, until one can.
pub(super) async fn wait<C>(
    request: &mut Request,
    call: &Call<C>,
    attempt: &mut Attempt,
) -> Choice {
    let upstream = &call.upstream;
    let began = attempt.now;
    let Some(place) = upstream.queue.enter() else {
        return Choice::Nobody(match upstream.queue.number {
            0 => NOBODY,
            _ => "no live upstreams and the queue is full",
        });
    };
    let worker = Rc::clone(&request.connection.http.worker);
    Queue::listen(upstream, &worker);
    let end = began.saturating_add(upstream.queue.timeout);
    loop {
        attempt.now = worker.now();
        if place.is_first()
            && let Some(chosen) = choose_now(request, upstream, attempt)
        {
            let waited = attempt.now.saturating_sub(began);
            drop(place);
            let claim = claim(request, upstream, chosen, attempt.now, Some(waited));
            return Choice::Peer(claim);
        }
        if attempt.now >= end {
            return Choice::Nobody("no live upstreams until the queue timed out");
        }
        let mut sleep = pin!(worker.sleep(place.patience(end - attempt.now)));
        let turn = poll_fn(|cx| match place.poll_turn(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => sleep.as_mut().poll(cx),
        });
        if exchange::unless_left(request, &call.settings, turn)
            .await
            .is_none()
        {
            return Choice::ClientLeft;
        }
    }
}

fn choose_now(request: &mut Request, upstream: &Upstream, attempt: &mut Attempt) -> Option<Chosen> {
    if let Some(sticky) = &upstream.sticky {
        attempt.bound = sticky.bound_to(request, attempt.now);
    }
    if let Some(own) = bound::peer(request, upstream) {
        attempt.bound = upstream.peers.session_id(own);
    }
    let peers = &upstream.peers;
    peers.choose(&*upstream.balancer, attempt, request)
}

fn claim(
    request: &mut Request,
    upstream: &Rc<Upstream>,
    peer: Chosen,
    now: Millis,
    waited: Option<Millis>,
) -> Claim {
    let lesson = upstream.sticky.as_ref().and_then(|sticky| {
        sticky.chosen(request, &peer.session_id);
        Lesson::new(sticky, &peer.session_id)
    });
    let config = &peer.config;
    let record = Record::new(Rc::clone(&config.name), Rc::clone(&config.server), now);
    record.queue_time.set(waited);
    records(request).attempts.push(Some(Rc::clone(&record)));
    Claim {
        upstream: Rc::clone(upstream),
        http: Rc::clone(&request.connection.http),
        peer,
        record,
        lesson,
        is_open: true,
        is_cut: false,
    }
}
