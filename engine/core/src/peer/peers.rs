//! A group of peers, in one worker's memory or in everybody's.

use super::bound;
use super::eject::{Change, EjectRules};
use super::group::{Group, Peer};
use super::local::Local;
use super::shared::Shared;
use super::{Attempt, Balancer, Counters, Health, Measure, Outcome, PeerConfig, PeerId, Session};
use runtime::Millis;
use shm::{Corrupt, Zone};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Milliseconds between two looks for dead workers whose connections are in the way.
const BURY_INTERVAL: Millis = 100;

/// A zone cannot hold another peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room in the shared memory zone")
    }
}

impl std::error::Error for NoRoom {}

impl From<Corrupt> for NoRoom {
    fn from(_: Corrupt) -> Self {
        Self
    }
}

/// A group of peers.
#[derive(Debug)]
pub struct Peers {
    list: RefCell<List>,
    store: Store,
    buried_at: Cell<Millis>,
    /// What is known of the health of peers that are listed from now on, and which checks they
    /// must pass before they are used, a bit for each.
    newcomers: Cell<(Health, u64)>,
}

#[derive(Debug)]
enum Store {
    Local(Local),
    Shared(Shared),
}

/// Who is in the group, as this worker knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    /// Of the group when it was read.
    pub(super) version: u64,
    /// By the numbers of their rows.
    pub(super) rows: Vec<Option<Listed>>,
    /// How many there are.
    pub(super) len: usize,
    /// How many of them may be tried in turn.
    pub(super) tries: usize,
    pub(super) has_backup: bool,
    /// Whether some peer's share grows slowly.
    pub(super) has_slow_start: bool,
    pub(super) total_weight: u32,
    /// The serial number given last, where nobody else gives any.
    pub(super) last_serial: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) serial: u32,
    pub(super) config: Rc<PeerConfig>,
    pub(super) session_id: Rc<str>,
}

impl Listed {
    pub(super) fn new(serial: u32, config: PeerConfig) -> Self {
        Self {
            serial,
            session_id: bound::session_id(&config),
            config: Rc::new(config),
        }
    }
}

impl List {
    /// Derives what is derived from the rows.
    pub(super) fn summarize(&mut self) {
        let configs = || self.rows.iter().flatten().map(|listed| &listed.config);
        self.len = configs().count();
        self.tries = configs().filter(|config| !config.is_down).count();
        self.has_backup = configs().any(|config| config.is_backup);
        self.has_slow_start = configs().any(|config| config.slow_start > 0);
        self.total_weight = configs()
            .filter(|config| !config.is_backup)
            .map(|config| config.weight)
            .fold(0, u32::saturating_add);
    }
}

/// A peer that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// To be given back by [`Peers::release`].
    pub id: PeerId,
    /// What the configuration says about it; stays when the peer is removed.
    pub config: Rc<PeerConfig>,
    /// What sessions are bound to it by.
    pub session_id: Rc<str>,
    /// Since when it is counted as waited for, if it is.
    waits_since: Option<Millis>,
}

impl Chosen {
    fn of(peer: Peer<'_>) -> Self {
        Self {
            id: peer.id,
            config: Rc::clone(peer.config),
            session_id: Rc::clone(peer.session_id),
            waits_since: None,
        }
    }
}

/// How a chosen peer did.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Now, in milliseconds of the monotonic clock.
    pub now: Millis,
    /// Milliseconds until the head of its answer, where there was one.
    pub header_time: Option<Millis>,
    /// Milliseconds until now.
    pub response_time: Millis,
}

impl Report {
    /// An end at `now` of which nothing was measured.
    pub fn new(outcome: Outcome, now: Millis) -> Self {
        Self {
            outcome,
            now,
            header_time: None,
            response_time: 0,
        }
    }
}

/// What the configuration before this one left behind in a zone.
pub struct Earlier<'a> {
    /// Its zone.
    pub zone: &'a Rc<Zone>,
    /// What becomes of a peer whose address was found while running: its new configuration, or
    /// `None` where nobody asks for it any more.
    pub keep: &'a dyn Fn(&PeerConfig) -> Option<PeerConfig>,
}

impl Peers {
    /// A group of this worker alone.
    pub fn new(configs: impl IntoIterator<Item = PeerConfig>) -> Self {
        let local = Local::default();
        let mut list = List::default();
        for config in configs {
            let begin = |counters: Counters<'_>| counters.begin(config.weight);
            local.add(&mut list, &config, begin);
        }
        Self {
            list: RefCell::new(list),
            store: Store::Local(local),
            buried_at: Cell::new(0),
            newcomers: Cell::default(),
        }
    }

    /// The group `name` in `zone`, which has none of this name yet. What is known of peers that
    /// `earlier` has too is taken over: failures, health, how fast they answer. Their connections
    /// are not: they are of workers that count in the earlier zone until they end.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the zone is too small.
    pub fn shared(
        zone: &Rc<Zone>,
        name: &str,
        configs: Vec<PeerConfig>,
        earlier: Option<Earlier<'_>>,
    ) -> Result<Self, NoRoom> {
        let shared = Shared::create(zone, name, configs.len())?;
        let group = Self {
            list: RefCell::default(),
            store: Store::Shared(shared),
            buried_at: Cell::new(0),
            newcomers: Cell::default(),
        };
        for config in configs {
            group.add(config)?;
        }
        if let Some(earlier) = earlier
            && let Some(old) = Self::of_zone(earlier.zone, name)
        {
            group.take_over(&old, earlier.keep)?;
        }
        Ok(group)
    }

    /// The group `name` that is in `zone` already.
    pub fn of_zone(zone: &Rc<Zone>, name: &str) -> Option<Self> {
        Some(Self {
            list: RefCell::default(),
            store: Store::Shared(Shared::find(zone, name)?),
            buried_at: Cell::new(0),
            newcomers: Cell::default(),
        })
    }

    /// Whether all workers share the group.
    pub fn is_shared(&self) -> bool {
        matches!(self.store, Store::Shared(_))
    }

    /// Lets `look` see the group while nobody else changes it. See the module's documentation for
    /// what it must not do.
    #[inline]
    pub fn with<R>(&self, look: impl FnOnce(&Group<'_>) -> R) -> R {
        self.hold(false, look)
    }

    #[inline]
    fn hold<R>(&self, counts: bool, look: impl FnOnce(&Group<'_>) -> R) -> R {
        match &self.store {
            Store::Local(local) => look(&Group {
                list: &self.list.borrow(),
                rows: &local.rows.borrow(),
                own: None,
            }),
            Store::Shared(shared) => {
                let mut zone = shared.zone.lock();
                // A zone that is damaged beyond repair is a group without peers.
                if shared.follow(&zone, &mut self.list.borrow_mut()).is_err() {
                    self.list.take();
                }
                if counts {
                    shared.keep_count(&mut zone);
                }
                shared.with(&mut zone, &self.list.borrow(), look)
            }
        }
    }

    /// Everybody on the list.
    pub fn list(&self) -> Vec<Chosen> {
        self.with(|group| group.iter().map(Chosen::of).collect())
    }

    /// Says that peers are checked, those that are listed from now on as well, which are not used
    /// before the checks `mandatory`, a bit for each, have passed.
    pub fn expect_checks(&self, mandatory: u64) {
        let health = match mandatory {
            0 => Health::Up,
            _ => Health::Checking,
        };
        self.newcomers.set((health, mandatory));
    }

    /// Lists another peer.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the group's zone is full; nothing is changed then.
    pub fn add(&self, config: PeerConfig) -> Result<PeerId, NoRoom> {
        let begin = |counters: Counters<'_>| {
            let (health, mandatory) = self.newcomers.get();
            counters.begin(config.weight);
            counters.set_health(health);
            counters.set_pending_checks(mandatory);
        };
        match &self.store {
            Store::Local(local) => Ok(local.add(&mut self.list.borrow_mut(), &config, begin)),
            Store::Shared(shared) => shared.add(&config, begin),
        }
    }

    /// Takes a peer off the list: no request chooses it any more, those that have keep it. Says
    /// whether it was on the list.
    pub fn remove(&self, id: PeerId) -> bool {
        match &self.store {
            Store::Local(local) => local.remove(&mut self.list.borrow_mut(), id),
            Store::Shared(shared) => shared.remove(id).unwrap_or(false),
        }
    }

    /// Says what checks found out about a peer at `now`; returns what was known before, `None`
    /// when it is not listed any more. One that comes back may begin slowly.
    pub fn set_health(&self, id: PeerId, health: Health, now: Millis) -> Option<Health> {
        self.with(|group| {
            let peer = group.get(id)?;
            let before = peer.counters.health();
            peer.set_health(health, now);
            Some(before)
        })
    }

    /// Says whether a peer gets no new sessions, but keeps those that are bound to it; `false`
    /// when it is not listed any more.
    pub fn set_draining(&self, id: PeerId, is_draining: bool) -> bool {
        let set = |peer: Peer<'_>| peer.counters.set_draining(u64::from(is_draining));
        self.with(|group| group.get(id).map(set).is_some())
    }

    /// What sessions are bound to a peer by; `None` when it is not listed any more.
    pub fn session_id(&self, id: PeerId) -> Option<Vec<u8>> {
        self.with(|group| Some(group.get(id)?.session_id.as_bytes().to_vec()))
    }

    /// How many peers may be tried in turn.
    pub fn tries(&self) -> usize {
        self.with(|group| group.list.tries)
    }

    /// Chooses a peer: a primary one by `balancer`, and when there is none a backup one. The
    /// choice counts as a connection until [`Peers::release`].
    pub fn choose(
        &self,
        balancer: &dyn Balancer,
        attempt: &mut Attempt,
        session: &dyn Session,
    ) -> Option<Chosen> {
        balancer.look(session, attempt);
        let mut chosen = self.try_choose(balancer, attempt);
        if chosen.is_none() && self.is_shared() && self.bury_at(attempt.now) {
            chosen = self.try_choose(balancer, attempt);
        }
        chosen
    }

    fn try_choose(&self, balancer: &dyn Balancer, attempt: &mut Attempt) -> Option<Chosen> {
        self.hold(true, |group| {
            let peer = group.choose(balancer, attempt)?;
            let mut chosen = Chosen::of(peer);
            if balancer.awaits().is_some() {
                peer.counters.begin_waiting(attempt.now);
                chosen.waits_since = Some(attempt.now);
            }
            Some(chosen)
        })
    }

    /// The head of a chosen peer's answer is there: for a balancer that
    /// [awaits](Balancer::awaits) no more than that, nobody waits for it any longer.
    pub fn answered(&self, balancer: &dyn Balancer, chosen: &mut Chosen) {
        if balancer.awaits() == Some(Measure::Header)
            && let Some(since) = chosen.waits_since.take()
        {
            let end = |peer: Peer<'_>| peer.counters.end_waiting(since);
            self.with(|group| group.get(chosen.id).map(end));
        }
    }

    /// Gives a peer back. Tells whether it is left alone from now on because it failed too
    /// often.
    pub fn release(&self, chosen: &Chosen, report: &Report) -> bool {
        self.with(|group| {
            if let (Some(since), Some(peer)) = (chosen.waits_since, group.get(chosen.id)) {
                peer.counters.end_waiting(since);
            }
            group.release(chosen.id, report)
        })
    }

    /// Counts how a request to a peer ended, and judges by `rules` whether the peer does worse
    /// than others; says what follows. An answer that is an error counts as [`Outcome::Failed`].
    pub fn judge(&self, id: PeerId, report: &Report, rules: &EjectRules) -> Option<Change> {
        self.with(|group| group.judge(&group.get(id)?, report, rules))
    }

    /// Gives back the connections of processes that are not to be kept; says whether there were
    /// any. A group of one worker alone has none of others.
    pub fn bury(&self, keep: impl FnMut(u32) -> bool) -> bool {
        match &self.store {
            Store::Local(_) => false,
            Store::Shared(shared) => shared.bury(keep).unwrap_or(false),
        }
    }

    /// Before anybody is refused, whether all who count connections are still there.
    fn bury_at(&self, now: Millis) -> bool {
        let last = self.buried_at.replace(now);
        if now.saturating_sub(last) < BURY_INTERVAL && last > 0 {
            self.buried_at.set(last);
            return false;
        }
        let own = sys::process::id();
        self.bury(|pid| pid == own || sys::process::is_alive(pid))
    }

    fn take_over(
        &self,
        old: &Self,
        keep: &dyn Fn(&PeerConfig) -> Option<PeerConfig>,
    ) -> Result<(), NoRoom> {
        for peer in old.list() {
            if peer.config.found_by.is_some()
                && let Some(config) = keep(&peer.config)
            {
                self.add(config)?;
            }
        }
        // Zones are not held at once: what is known of a peer is carried over in a row of ours.
        for known in self.list() {
            let row = super::counters::empty_row();
            let copy = Counters::of(&row);
            let weight = known.config.weight;
            let is_known = old.with(|group| {
                let same = |peer: &Peer<'_>| peer.config.is_same_peer(&known.config);
                let found = group.iter().find(same);
                found
                    .map(|peer| copy.take_over(peer.counters, weight))
                    .is_some()
            });
            if is_known {
                self.with(|group| {
                    if let Some(peer) = group.get(known.id) {
                        peer.counters.take_over(copy, weight);
                    }
                });
            }
        }
        Ok(())
    }
}
