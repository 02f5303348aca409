//! `hash key [consistent]`: one peer for one key.
//!
//! Keys go where nginx sends them, so that a cache behind either stays warm through a change of
//! server. Source: nginx documentation; the ketama points as Cache::Memcached::Fast has them.

use super::{Method, Nothing, choose};
use base::crc32::Crc32;
use engine::directive::custom;
use engine::peer::{Attempt, Balancer, Group, PeerId, Session};
use engine::{Arity, Contexts, Directive, Line, Refused, Slot, Template};
use http::Module;
use std::cell::RefCell;
use std::collections::HashMap;

/// Points of a peer on the circle, for each unit of weight.
const POINTS: u64 = 160;

/// Most points of a circle, but for one that each server has at least: 32 MB. Weights may come
/// from name servers, and are not to take all memory.
const POINTS_MAX: u64 = 1 << 22;

/// How often another peer is looked for before they take turns.
const MISSES_MAX: u32 = 20;

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
        b"" if line.args().len() < 2 => choose(line, Box::new(Plain { key }), Method::ByKey),
        b"consistent" => choose(line, Box::new(Consistent::new(key)), Method::ByKey),
        _ => Err(line.invalid_parameter(1)),
    }
}

/// The key's checksum, divided by the weights: any change of the group moves most keys.
struct Plain {
    key: Template,
}

impl Balancer for Plain {
    fn look(&self, session: &dyn Session, attempt: &mut Attempt) {
        attempt.key = self.key.eval(session);
    }

    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        let total = group.total_weight();
        if group.is_single() || total == 0 || attempt.key.is_empty() {
            return group.next_in_turn(attempt, |_| true);
        }
        let mut sum = attempt.hash.unwrap_or(0);
        while attempt.misses <= MISSES_MAX {
            let crc = match attempt.rehashes {
                0 => Crc32::new(),
                count => Crc32::new().with(count.to_string().as_bytes()),
            };
            let hash = crc.with(&attempt.key).value() >> 16 & 0x7fff;
            sum = sum.wrapping_add(hash);
            attempt.hash = Some(sum);
            attempt.rehashes += 1;
            let found = group.at_weight(sum % total);
            if let Some(peer) = found.filter(|peer| group.is_available(peer, attempt)) {
                return Some(peer.id);
            }
            attempt.misses += 1;
        }
        group.next_in_turn(attempt, |_| true)
    }
}

/// Points of all servers on a circle; a key belongs to the next point. A server that comes or
/// goes moves only the keys next to its points.
struct Consistent {
    key: Template,
    circle: RefCell<Circle>,
}

/// The points, in order, of a group as it was.
#[derive(Default)]
struct Circle {
    version: u64,
    /// The peers of each server: more than one where a name has several addresses.
    servers: Vec<Vec<PeerId>>,
    /// Each with the number of its server.
    points: Vec<(u32, u32)>,
}

impl Circle {
    fn of(group: &Group<'_>) -> Self {
        // Addresses of one name share the points of the name: those of the largest weight, among
        // which all others are.
        let mut numbers = HashMap::new();
        let mut names: Vec<(&str, u64)> = Vec::new();
        for peer in group.iter().filter(|peer| !peer.config.is_backup) {
            let (name, weight) = (&*peer.config.server, u64::from(peer.config.weight));
            let number = *numbers.entry(name).or_insert(names.len());
            match names.get_mut(number) {
                Some((_, known)) => *known = weight.max(*known),
                None => names.push((name, weight)),
            }
        }
        let mut servers = vec![Vec::new(); names.len()];
        for peer in group.iter() {
            if let Some(&number) = numbers.get(&*peer.config.server) {
                servers[number].push(peer.id);
            }
        }
        let total = names.iter().map(|(_, weight)| weight).sum();
        let mut points = Vec::new();
        for (number, (name, weight)) in (0..).zip(names) {
            let start = base_of(name);
            let mut previous = 0_u32;
            for _ in 0..points_of(weight, total) {
                previous = start.with(&previous.to_le_bytes()).value();
                points.push((previous, number));
            }
        }
        points.sort_unstable();
        points.dedup_by_key(|(hash, _)| *hash);
        let version = group.version();
        Self {
            version,
            servers,
            points,
        }
    }

    /// Whose the point number `at` is.
    fn peers(&self, at: usize) -> &[PeerId] {
        let number = self.points.get(at).map(|(_, number)| *number as usize);
        let peers = number.and_then(|number| self.servers.get(number));
        peers.map_or(&[], Vec::as_slice)
    }
}

impl Consistent {
    fn new(key: Template) -> Self {
        let circle = RefCell::default();
        Self { key, circle }
    }
}

impl Balancer for Consistent {
    fn look(&self, session: &dyn Session, attempt: &mut Attempt) {
        attempt.key = self.key.eval(session);
    }

    fn pick(&self, group: &Group<'_>, attempt: &mut Attempt) -> Option<PeerId> {
        if self.circle.borrow().version != group.version() {
            self.circle.replace(Circle::of(group));
        }
        let circle = self.circle.borrow();
        let points = &circle.points;
        if group.is_single() || points.is_empty() || attempt.key.is_empty() {
            return group.next_in_turn(attempt, |_| true);
        }
        let len = points.len();
        let mut at = match attempt.hash {
            Some(at) => at as usize,
            None => {
                let hash = Crc32::new().with(&attempt.key).value();
                points.partition_point(|(point, _)| *point < hash)
            }
        };
        while attempt.misses <= MISSES_MAX {
            let found = group.next_among(attempt, circle.peers(at % len));
            if found.is_some() {
                attempt.hash = u32::try_from(at % len).ok();
                return found;
            }
            at = at % len + 1;
            attempt.misses += 1;
        }
        group.next_in_turn(attempt, |_| true)
    }
}

/// How many points a server of `weight` has in a group whose weights add up to `total`.
fn points_of(weight: u64, total: u64) -> u64 {
    let all = total.saturating_mul(POINTS);
    if all <= POINTS_MAX {
        return weight * POINTS;
    }
    let share = u128::from(weight * POINTS) * u128::from(POINTS_MAX) / u128::from(all);
    u64::try_from(share).unwrap_or(POINTS_MAX).max(1)
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
    use engine::peer::{Health, Outcome, PeerConfig, Peers, Report};
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

    /// The server that each of 200 keys goes to.
    fn spread(peers: &Peers, balancer: &dyn Balancer) -> Vec<String> {
        (0..200)
            .map(|number| {
                let key = Key(format!("key{number}"));
                let chosen = peers
                    .choose(balancer, &mut Attempt::default(), &key)
                    .expect("a peer");
                peers.release(&chosen, &Report::new(Outcome::Answered, 0));
                chosen.config.name.to_string()
            })
            .collect()
    }

    #[test]
    fn a_key_keeps_its_peer() {
        let group = peers(&[1, 2, 3]);
        let plain = Plain { key: key() };
        let first = spread(&group, &plain);
        assert_eq!(first, spread(&group, &plain));
        let distinct: std::collections::HashSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 3);
    }

    #[test]
    fn weights_beyond_measure_become_shares_of_a_circle() {
        assert_eq!((points_of(1, 3), points_of(3, 26_214)), (160, 480));
        let most = u64::from(u32::MAX);
        assert_eq!(points_of(most, most), POINTS_MAX);
        assert_eq!(points_of(most, 4 * most), POINTS_MAX / 4);
        assert_eq!(points_of(1, 4 * most), 1);
    }

    #[test]
    fn addresses_of_one_name_share_its_points() {
        let config = |ip: u8, weight| PeerConfig {
            server: "a.test:80".into(),
            weight,
            ..PeerConfig::new(engine::address::Address::Ip(([192, 0, 2, ip], 80).into()))
        };
        let group = Peers::new([config(1, 1), config(2, 3), config(3, 2)]);
        let alone = Peers::new([config(2, 3)]);
        let points = |peers: &Peers| peers.with(Circle::of).points;
        assert_eq!(points(&group).len(), 3 * 160);
        assert_eq!(points(&group), points(&alone));
        // They take turns by their weights, those of them that can.
        let circle = Consistent::new(key());
        let first = group.list().swap_remove(0);
        group.set_health(first.id, Health::Unhealthy, 0);
        let asked = spread(&group, &circle);
        let count = |name: &str| asked.iter().filter(|asked| *asked == name).count();
        assert_eq!((count("192.0.2.2:80"), count("192.0.2.3:80")), (120, 80));
    }

    #[test]
    fn a_server_that_goes_moves_only_its_own_keys() {
        let group = peers(&[1, 2, 3]);
        let circle = Consistent::new(key());
        let before = spread(&group, &circle);
        group.remove(group.list()[2].id);
        let after = spread(&group, &circle);
        let moved = before.iter().zip(&after).filter(|(b, a)| b != a);
        let mut count = 0;
        for (old, _) in moved {
            assert_eq!(old, "127.0.0.1:3");
            count += 1;
        }
        assert!((20..140).contains(&count), "{count}");
    }
}
