//! Asking servers how they are, in the one worker that has the lease of their group.

use super::lease::Lease;
use super::settings::{Check, Found, SETTINGS};
use super::standing::{Bits, Streak};
use super::test_set::{BODY_MAX, Stage};
use crate::proxy;
use engine::address::Address;
use engine::peer::{Chosen, Health, PeerId};
use http::connection::Connection;
use http::core::error_log::ERROR_LOG;
use http::gateway::{NoAnswer, PeerStream, Probe, Upstream};
use http::worker::HttpWorker;
use http::{Location, Request, Server};
use runtime::Millis;
use runtime::log::Level;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;

/// Milliseconds between two looks at who does the checks, whether the worker is to end, and which
/// peers there are.
const LOOK: Millis = 200;

/// Begins to look after the groups that have checks.
pub(super) fn start(server: &Rc<HttpWorker>) {
    let mut groups: Vec<Group> = Vec::new();
    for location in server.generation.levels() {
        for check in SETTINGS.of(&location.settings).checks.iter() {
            let Some(found) = &check.found else {
                continue;
            };
            let index = groups
                .iter()
                .position(|group| Rc::ptr_eq(&group.upstream, &found.upstream));
            let index = index.unwrap_or_else(|| {
                groups.push(Group::new(server, found));
                groups.len() - 1
            });
            groups[index]
                .checks
                .extend(Duty::new(server, location, check, found));
        }
    }
    for group in groups {
        server.worker.spawn(Rc::new(group).look_after());
    }
}

/// A group with checks, as one worker sees it.
struct Group {
    server: Rc<HttpWorker>,
    upstream: Rc<Upstream>,
    checks: Vec<Rc<Duty>>,
    lease: Lease,
    /// Whether this worker does the checks.
    leads: Cell<bool>,
    /// Who is being looked after: a peer, and the number of the check.
    attended: RefCell<BTreeSet<(PeerId, u32)>>,
}

/// One check, and where it stands.
struct Duty {
    check: Check,
    found: Found,
    server: Rc<Server>,
    location: Rc<Location>,
}

impl Duty {
    fn new(
        server: &HttpWorker,
        location: &Rc<Location>,
        check: &Check,
        found: &Found,
    ) -> Option<Rc<Self>> {
        let servers = &server.generation.servers;
        let server = servers.iter().find(|known| known.root.id == found.server)?;
        Some(Rc::new(Self {
            check: check.clone(),
            found: found.clone(),
            server: Rc::clone(server),
            location: Rc::clone(location),
        }))
    }
}

impl Group {
    fn new(server: &Rc<HttpWorker>, found: &Found) -> Self {
        Self {
            server: Rc::clone(server),
            upstream: Rc::clone(&found.upstream),
            checks: Vec::new(),
            lease: Lease {
                all: Rc::clone(&found.leases),
                row: found.lease,
            },
            leads: Cell::new(false),
            attended: RefCell::default(),
        }
    }

    /// Sees to it that every peer is checked by somebody, until the worker is to end.
    async fn look_after(self: Rc<Self>) {
        let pid = sys::process::id();
        let peers = &self.upstream.peers;
        while !self.server.is_draining.get() {
            let now = self.server.worker.now();
            let leads = peers.with(|_| self.lease.take(pid, now));
            self.leads.set(leads);
            if leads {
                self.attend();
            }
            self.server.worker.sleep(LOOK).await;
        }
        self.leads.set(false);
        peers.with(|_| self.lease.release(pid));
    }

    /// Begins to check peers that nobody here checks yet, and leaves those that are gone.
    fn attend(self: &Rc<Self>) {
        let peers = self.upstream.peers.list();
        let present: BTreeSet<PeerId> = peers.iter().map(|peer| peer.id).collect();
        let is_present = |(id, _): &(PeerId, u32)| present.contains(id);
        self.attended.borrow_mut().retain(is_present);
        for peer in peers.into_iter().filter(|peer| !peer.config.is_down) {
            for duty in &self.checks {
                let key = (peer.id, duty.found.number);
                if self.attended.borrow_mut().insert(key) {
                    let attending = Attending {
                        group: Rc::clone(self),
                        duty: Rc::clone(duty),
                        peer: peer.clone(),
                        streak: Streak::default(),
                        idle: None,
                    };
                    self.server.worker.spawn(attending.run());
                }
            }
        }
    }

    /// Whether a check of a peer is to end.
    fn must_leave(&self, key: (PeerId, u32)) -> bool {
        let is_attended = || self.attended.borrow().contains(&key);
        !self.leads.get() || self.server.is_draining.get() || !is_attended()
    }
}

/// One check of one peer, again and again.
struct Attending {
    group: Rc<Group>,
    duty: Rc<Duty>,
    peer: Chosen,
    streak: Streak,
    /// A connection for the next check.
    idle: Option<PeerStream>,
}

/// Somebody else may look after the peer from now on.
impl Drop for Attending {
    fn drop(&mut self) {
        self.group.attended.borrow_mut().remove(&self.key());
    }
}

/// What a check came to.
enum Outcome {
    Passed,
    Failed(Stage),
    Unanswered(NoAnswer),
}

impl Attending {
    /// What it is known by in [`Group::attended`].
    fn key(&self) -> (PeerId, u32) {
        (self.peer.id, self.duty.found.number)
    }

    async fn run(mut self) {
        let worker = Rc::clone(&self.group.server.worker);
        let mut due = worker.now().saturating_add(self.jitter());
        while self.rest_until(due).await {
            let pause = self.duty.check.interval.saturating_add(self.jitter());
            due = worker.now().saturating_add(pause);
            let Some(outcome) = self.ask().await else {
                return;
            };
            if let Outcome::Unanswered(NoAnswer {
                is_ours: true,
                message,
                ..
            }) = &outcome
            {
                self.log(Level::Error, message);
                continue;
            }
            let passed = matches!(outcome, Outcome::Passed);
            let Some(change) = self.record(passed) else {
                return;
            };
            self.tell(&outcome, change);
        }
    }

    /// Waits; `false` when the peer is gone, or this worker does not do the checks any more.
    async fn rest_until(&self, due: Millis) -> bool {
        let worker = &self.group.server.worker;
        while !self.group.must_leave(self.key()) {
            let left = due.saturating_sub(worker.now());
            if left == 0 {
                return true;
            }
            worker.sleep(left.min(LOOK)).await;
        }
        false
    }

    fn jitter(&self) -> Millis {
        match self.duty.check.jitter {
            0 => 0,
            most => u64::from_ne_bytes(sys::random::bytes()) % (most + 1),
        }
    }

    /// Asks; `None` when the peer is gone, or this worker does not do the checks any more.
    async fn ask(&mut self) -> Option<Outcome> {
        let (group, key) = (Rc::clone(&self.group), self.key());
        let mut asking = pin!(self.ask_twice());
        loop {
            match group.server.worker.timeout(LOOK, asking.as_mut()).await {
                Ok(outcome) => return Some(outcome),
                Err(_) if group.must_leave(key) => return None,
                Err(_) => {}
            }
        }
    }

    /// Asks over the connection of the check before, and over a new one where that was closed
    /// meanwhile.
    async fn ask_twice(&mut self) -> Outcome {
        let worker = &self.group.server.worker;
        let keeps = self.duty.check.keepalive_time;
        let fits = |idle: &PeerStream| {
            worker.now().saturating_sub(idle.started) < keeps
                && !idle.stream.peer_closed()
                && !idle.stream.is_readable_hint()
        };
        if let Some(idle) = self.idle.take().filter(fits) {
            let outcome = self.ask_over(Some(idle)).await;
            if !matches!(outcome, Outcome::Unanswered(_)) {
                return outcome;
            }
        }
        self.ask_over(None).await
    }

    async fn ask_over(&mut self, connection: Option<PeerStream>) -> Outcome {
        match self.try_ask(connection).await {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(stage)) => Outcome::Failed(stage),
            Err(unanswered) => Outcome::Unanswered(unanswered),
        }
    }

    async fn try_ask(
        &mut self,
        connection: Option<PeerStream>,
    ) -> Result<Result<(), Stage>, NoAnswer> {
        let duty = Rc::clone(&self.duty);
        let (check, tests) = (&duty.check, &duty.found.tests);
        let mut request = self.request().map_err(|message| NoAnswer {
            message,
            is_ours: true,
            ..NoAnswer::default()
        })?;
        let keeps = check.keepalive_time > 0;
        let whom = Probe {
            address: with_port(&self.peer.config.address, check.port),
            name: Rc::clone(&self.peer.config.name),
            server: Rc::clone(&self.peer.config.server),
            connection,
            body_max: if keeps || tests.needs_body() {
                BODY_MAX
            } else {
                0
            },
        };
        let answer = proxy::probe::probe(&mut request, whom).await?;
        self.idle = answer.connection.filter(|_| keeps);
        let head = &answer.head;
        let text = |span: http1::Span| span.of(&head.bytes);
        let fields = head.fields.iter().map(|f| (text(f.name), text(f.value)));
        Ok(tests
            .judge_head(head.status, fields)
            .and_then(|()| tests.judge_body(&answer.body))
            .and_then(|()| tests.judge_variables(|id| request.variable(id))))
    }

    fn request(&self) -> Result<Box<Request>, String> {
        let duty = &self.duty;
        let connection = Connection::own(&self.group.server).map_err(|error| error.to_string())?;
        Request::own(&connection, &duty.server, &duty.location, &duty.check.uri)
            .map_err(|error| error.to_string())
    }

    /// Keeps a result where all workers see it. Gives the health before and after; `None` when
    /// the peer is gone, or another worker does the checks.
    fn record(&mut self, passed: bool) -> Option<(Health, Health)> {
        let (check, number) = (&self.duty.check, self.duty.found.number);
        let (lease, streak) = (&self.group.lease, &mut self.streak);
        let now = self.group.server.worker.now();
        self.group.upstream.peers.with(|group| {
            if !lease.is_held_by(sys::process::id()) {
                return None;
            }
            let peer = group.get(self.peer.id)?;
            let counters = peer.counters;
            let before = counters.health();
            let bits = Bits {
                failed: counters.failed_checks(),
                pending: counters.pending_checks(),
            };
            let bits = streak.add(passed, check, number, bits);
            let after = bits.health();
            counters.set_failed_checks(bits.failed);
            counters.set_pending_checks(bits.pending);
            counters.set_checks(counters.checks().wrapping_add(1));
            counters.set_last_passed(u64::from(passed));
            if !passed {
                counters.set_check_fails(counters.check_fails().wrapping_add(1));
            }
            if after == Health::Unhealthy && before != after {
                let times = counters.times_unhealthy().wrapping_add(1);
                counters.set_times_unhealthy(times);
            }
            peer.set_health(after, now);
            Some((before, after))
        })
    }

    /// Says in the log what was wrong, and what follows from it.
    fn tell(&self, outcome: &Outcome, (before, after): (Health, Health)) {
        let tests = &self.duty.found.tests;
        let doing = match outcome {
            Outcome::Passed => tests.last_stage().text(),
            Outcome::Failed(stage) => stage.text(),
            Outcome::Unanswered(unanswered) => {
                self.log(Level::Error, &unanswered.message);
                unanswered.doing
            }
        };
        match after {
            Health::Unhealthy if before != after => {
                self.log(Level::Warn, &format!("peer is unhealthy {doing}"));
            }
            Health::Up if !before.is_usable() => {
                self.log(Level::Notice, &format!("peer is healthy {doing}"));
            }
            _ => {}
        }
    }

    fn log(&self, level: Level, message: &str) {
        let (name, peer) = (&self.duty.found.tests.name, &self.peer.config.name);
        let upstream = &self.group.upstream.name;
        let mut text =
            format!("{message}, health check \"{name}\" of peer {peer} in upstream \"{upstream}\"");
        if let Some(port) = self.duty.check.port {
            text += &format!(", port {port}");
        }
        let logger = ERROR_LOG.of(&self.duty.location.settings).logs.logger();
        logger.log(level, &text);
    }
}

/// `address`, at `port` where there is one.
fn with_port(address: &Address, port: Option<u16>) -> Address {
    match (address, port) {
        (Address::Ip(at), Some(port)) => {
            let mut at = *at;
            at.set_port(port);
            Address::Ip(at)
        }
        _ => address.clone(),
    }
}
