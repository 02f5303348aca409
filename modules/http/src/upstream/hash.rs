//! `hash key [consistent]`: one peer for one key.
//!
//! Keys go where nginx sends them, so that a cache behind either stays warm through a change of
//! server. Source: nginx documentation; the ketama points as Cache::Memcached::Fast has them.

use super::crc32::Crc32;
use super::{Nothing, choose};
use engine::directive::custom;
use engine::peer::{Attempt, Balancer, Peer, PeerId, Peers, Session};
use engine::{Arity, Contexts, Directive, Line, Refused, Slot, Template};
use http::Module;
use std::rc::Rc;

/// Points of a peer on the circle, for each unit of weight.
const POINTS: u32 = 160;

/// How often another peer is looked for before they take turns.
const REHASHES_MAX: u32 = 20;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "hash",
    Contexts::UPSTREAM,
    Arity::between(1, 2),
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// One peer for one key.
pub(crate) static MODULE: Module = Module {
    name: "upstream_hash",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let key = line.template(0)?;
    match line.arg(1) {
        b"" if line.args().len() < 2 => choose(line, Box::new(Plain { key }), false),
        b"consistent" => {
            let points = Vec::new();
            choose(line, Box::new(Consistent { key, points }), false)
        }
        _ => Err(line.invalid_parameter(1)),
    }
}

/// The key's checksum, divided by the weights: any change of the group moves most keys.
struct Plain {
    key: Template,
}

impl Balancer for Plain {
    fn pick(
        &self,
        peers: &mut Peers,
        attempt: &mut Attempt,
        session: &dyn Session,
    ) -> Option<PeerId> {
        let total: u32 = peers.all().iter().map(|peer| peer.config.weight).sum();
        let key = self.key.eval(session);
        if peers.is_single() || total == 0 || key.is_empty() {
            return peers.next_in_turn(attempt, |_| true);
        }
        let mut sum = attempt.hash.unwrap_or(0);
        while attempt.rehashes <= REHASHES_MAX {
            let crc = match attempt.rehashes {
                0 => Crc32::new(),
                count => Crc32::new().with(count.to_string().as_bytes()),
            };
            let hash = crc.with(&key).value() >> 16 & 0x7fff;
            sum = sum.wrapping_add(hash);
            attempt.hash = Some(sum);
            attempt.rehashes += 1;
            let id = at_weight(peers.all(), sum % total);
            if peers.is_available(id, attempt) {
                return Some(id);
            }
        }
        peers.next_in_turn(attempt, |_| true)
    }
}

/// The peer within whose share `weight` falls.
fn at_weight(peers: &[Peer], mut weight: u32) -> PeerId {
    for (index, peer) in peers.iter().enumerate() {
        match weight.checked_sub(peer.config.weight) {
            Some(left) => weight = left,
            None => return PeerId(index),
        }
    }
    PeerId(0)
}

/// Points of all servers on a circle; a key belongs to the next point. A server that comes or
/// goes moves only the keys next to its points.
struct Consistent {
    key: Template,
    points: Vec<(u32, Rc<str>)>,
}

impl Balancer for Consistent {
    fn prepare(&mut self, peers: &Peers) {
        for peer in peers.all() {
            let start = base_of(&peer.config.server);
            let mut previous = 0_u32;
            for _ in 0..POINTS.saturating_mul(peer.config.weight) {
                previous = start.with(&previous.to_le_bytes()).value();
                self.points.push((previous, Rc::clone(&peer.config.server)));
            }
        }
        self.points.sort_by_key(|(hash, _)| *hash);
        self.points.dedup_by_key(|(hash, _)| *hash);
    }

    fn pick(
        &self,
        peers: &mut Peers,
        attempt: &mut Attempt,
        session: &dyn Session,
    ) -> Option<PeerId> {
        let key = self.key.eval(session);
        if peers.is_single() || self.points.is_empty() || key.is_empty() {
            return peers.next_in_turn(attempt, |_| true);
        }
        let len = self.points.len();
        let mut at = match attempt.hash {
            Some(at) => at as usize,
            None => {
                let hash = Crc32::new().with(&key).value();
                self.points.partition_point(|(point, _)| *point < hash)
            }
        };
        while attempt.rehashes <= REHASHES_MAX {
            let (_, server) = &self.points[at % len];
            let found = peers.next_in_turn(attempt, |peer| peer.config.server == *server);
            if found.is_some() {
                attempt.hash = u32::try_from(at % len).ok();
                return found;
            }
            at = at % len + 1;
            attempt.rehashes += 1;
        }
        peers.next_in_turn(attempt, |_| true)
    }
}

/// Host, NUL and port of a server as the configuration names it; of a socket, its path.
fn base_of(server: &str) -> Crc32 {
    let crc = Crc32::new();
    if let Some(path) = server.strip_prefix("unix:") {
        return crc.with(path.as_bytes()).with(b"\0");
    }
    match server.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            crc.with(host.as_bytes()).with(b"\0").with(port.as_bytes())
        }
        _ => crc.with(server.as_bytes()).with(b"\0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::peer::{Outcome, PeerConfig};
    use engine::variable::{Lookup, VariableId};
    use std::net::{IpAddr, SocketAddr};

    struct Key(String);

    impl Lookup for Key {
        fn write_variable(&self, _: VariableId, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(self.0.as_bytes());
            true
        }

        fn write_capture(&self, _: usize, _: &mut Vec<u8>) -> bool {
            false
        }
    }

    impl Session for Key {
        fn client_ip(&self) -> Option<IpAddr> {
            None
        }
    }

    fn peers(ports: &[u16]) -> Peers {
        let address = |port| engine::address::Address::Ip(SocketAddr::from(([127, 0, 0, 1], port)));
        Peers::new(ports.iter().map(|&port| PeerConfig::new(address(port))))
    }

    fn key() -> Template {
        Template::compile(b"$key", &mut Default::default()).expect("a template")
    }

    /// The port that each of 200 keys goes to.
    fn spread(peers: &mut Peers, balancer: &dyn Balancer) -> Vec<String> {
        (0..200)
            .map(|number| {
                let key = Key(format!("key{number}"));
                let id = peers
                    .choose(balancer, &mut Attempt::default(), &key)
                    .expect("a peer");
                peers.release(id, Outcome::Answered, 0);
                peers.all()[id.0].config.name.to_string()
            })
            .collect()
    }

    fn consistent(peers: &Peers) -> Consistent {
        let mut balancer = Consistent {
            key: key(),
            points: Vec::new(),
        };
        balancer.prepare(peers);
        balancer
    }

    #[test]
    fn a_key_keeps_its_peer() {
        let mut group = peers(&[1, 2, 3]);
        let plain = Plain { key: key() };
        let first = spread(&mut group, &plain);
        assert_eq!(first, spread(&mut group, &plain));
        let distinct: std::collections::HashSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 3);
    }

    #[test]
    fn a_server_that_goes_moves_only_its_own_keys() {
        let mut all = peers(&[1, 2, 3]);
        let mut fewer = peers(&[1, 2]);
        let circle = consistent(&all);
        let before = spread(&mut all, &circle);
        let circle = consistent(&fewer);
        let after = spread(&mut fewer, &circle);
        let moved = before.iter().zip(&after).filter(|(b, a)| b != a);
        let mut count = 0;
        for (old, _) in moved {
            assert_eq!(old, "127.0.0.1:3");
            count += 1;
        }
        assert!((20..140).contains(&count), "{count}");
    }
}
