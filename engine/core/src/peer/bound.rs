//! Sessions that are bound to a peer (`sticky`).

use super::{Attempt, Balancer, Group, Peer, PeerConfig, PeerId};
use md5::{Digest, Md5};
use std::fmt::Write as _;
use std::rc::Rc;

/// What sessions are bound to a peer by: its route, or the MD5 hash of its address in
/// hexadecimal. Source: nginx documentation, `sticky`.
pub(super) fn session_id(config: &PeerConfig) -> Rc<str> {
    if !config.route.is_empty() {
        return Rc::clone(&config.route);
    }
    let mut text = String::with_capacity(32);
    for byte in Md5::digest(config.name.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

impl Group<'_> {
    /// The peer that the session of `attempt` is bound to, if it can be used. Where the others take
    /// turns, it has had its own then, so that it gets fewer of the sessions that are not bound yet.
    pub(super) fn bound(&self, attempt: &Attempt, balancer: &dyn Balancer) -> Option<PeerId> {
        let bound = attempt.bound.as_deref()?;
        let is_it = |peer: &Peer<'_>| {
            peer.session_id.as_bytes() == bound
                && peer.config.is_backup == attempt.wants_backup
                && !peer.config.is_down
                && peer.counters.health().is_usable()
                && !peer.is_full()
                && !attempt.has_tried(peer.id)
                && (self.is_single()
                    || !peer.is_failing(attempt.now) && !peer.is_ejected(attempt.now))
        };
        let peer = self.iter().find(is_it)?;
        if !balancer.takes_turns() {
            return Some(peer.id);
        }
        let rest = self.iter().filter(|other| other.id != peer.id);
        let rest: u64 = rest.map(|other| self.weight(&other, attempt.now)).sum();
        // One turn in advance, and no more: else a bound session that asks often would keep all
        // others away.
        if peer.counters.credit() > -rest.cast_signed() {
            let others = self.available(attempt);
            let total: i64 = others.map(|other| self.grant(&other, attempt.now)).sum();
            peer.counters.set_credit(peer.counters.credit() - total);
        }
        Some(peer.id)
    }
}
