//! A peer that was chosen, and is given back.

use super::conversation::Call;
use super::record::{Record, records};
use super::upstream::Upstream;
use crate::request::Request;
use engine::peer::{Attempt, Chosen, Outcome, Report};
use runtime::{Millis, Worker};
use std::rc::Rc;

/// A peer that was chosen. Dropped, it is given back: a client that leaves costs it nothing.
pub(super) struct Claim {
    upstream: Rc<Upstream>,
    worker: Rc<Worker>,
    pub(super) peer: Chosen,
    record: Rc<Record>,
    is_open: bool,
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
        let (now, record) = (self.worker.now(), &self.record);
        let until_now = now.saturating_sub(record.started);
        let report = Report {
            outcome,
            now,
            header_time: record.header_time.get(),
            response_time: record.response_time.get().unwrap_or(until_now),
        };
        self.upstream.peers.release(&self.peer, &report)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release(Outcome::Answered);
    }
}

/// Chooses a peer and begins to keep record of it.
pub(super) fn choose<C>(
    request: &mut Request,
    call: &Call<C>,
    attempt: &mut Attempt,
) -> Option<(Claim, Rc<Record>)> {
    let upstream = &call.upstream;
    let peers = &upstream.peers;
    let chosen = peers.choose(&*upstream.balancer, attempt, request)?;
    Some(claim(request, upstream, chosen, attempt.now))
}

fn claim(
    request: &mut Request,
    upstream: &Rc<Upstream>,
    peer: Chosen,
    now: Millis,
) -> (Claim, Rc<Record>) {
    let config = &peer.config;
    let record = Record::new(Rc::clone(&config.name), Rc::clone(&config.server), now);
    records(request).attempts.push(Some(Rc::clone(&record)));
    let claim = Claim {
        upstream: Rc::clone(upstream),
        worker: Rc::clone(&request.connection.http.worker),
        peer,
        record: Rc::clone(&record),
        is_open: true,
    };
    (claim, record)
}
