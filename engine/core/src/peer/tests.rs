//! Choosing and accounting, without a network.

use super::*;
use crate::variable::VariableId;
use std::net::SocketAddr;

struct Client(&'static str);

impl Lookup for Client {
    fn write_variable(&self, _: VariableId, _: &mut Vec<u8>) -> bool {
        false
    }

    fn write_capture(&self, _: usize, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Session for Client {
    fn client_ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

const NOBODY: Client = Client("");

fn config(port: u16, change: impl Fn(&mut PeerConfig)) -> PeerConfig {
    let mut config = PeerConfig::new(Address::Ip(SocketAddr::from(([127, 0, 0, 1], port))));
    change(&mut config);
    config
}

fn group(weights: &[u32]) -> Peers {
    Peers::new(
        weights
            .iter()
            .zip(1..)
            .map(|(&weight, port)| config(port, |c| c.weight = weight)),
    )
}

fn at(now: Millis) -> Attempt {
    Attempt {
        now,
        ..Attempt::default()
    }
}

/// The letters of the peers that `count` requests go to, one after the other.
fn turns(peers: &mut Peers, balancer: &dyn Balancer, count: usize, session: &Client) -> String {
    let mut out = String::new();
    for _ in 0..count {
        match peers.choose(balancer, &mut at(0), session) {
            Some(id) => {
                out.push(char::from(b'a' + u8::try_from(id.0).unwrap()));
                peers.release(id, Outcome::Answered, 0);
            }
            None => out.push('-'),
        }
    }
    out
}

#[test]
fn turns_are_smooth() {
    assert_eq!(
        turns(&mut group(&[5, 1, 1]), &RoundRobin, 14, &NOBODY),
        "aabacaaaabacaa"
    );
    assert_eq!(turns(&mut group(&[1, 1]), &RoundRobin, 4, &NOBODY), "abab");
}

#[test]
fn one_request_tries_each_peer_once() {
    let mut peers = group(&[1, 1, 1]);
    let mut attempt = at(0);
    let mut chosen = Vec::new();
    while let Some(id) = peers.choose(&RoundRobin, &mut attempt, &NOBODY) {
        peers.release(id, Outcome::Next, 0);
        chosen.push(id.0);
    }
    assert_eq!(chosen, [0, 1, 2]);
}

#[test]
fn failures_take_a_peer_out_until_the_time_is_over() {
    let mut peers = group(&[1, 1]);
    let id = peers.choose(&RoundRobin, &mut at(1000), &NOBODY).unwrap();
    assert!(peers.release(id, Outcome::Failed, 1000));
    assert!(!peers.is_available(id, &at(1001)));
    assert!(!peers.is_available(id, &at(11_000)));
    assert!(peers.is_available(id, &at(11_001)));

    // One success in a later period, and its failures are forgotten.
    let mut attempt = at(11_001);
    let mut found = peers.choose(&RoundRobin, &mut attempt, &NOBODY).unwrap();
    if found != id {
        found = peers.choose(&RoundRobin, &mut attempt, &NOBODY).unwrap();
    }
    assert_eq!(found, id);
    assert!(!peers.release(id, Outcome::Answered, 11_002));
    assert_eq!(peers.get(id).unwrap().counters.fails, 0);
}

#[test]
fn a_lone_peer_is_never_given_up() {
    let mut peers = group(&[1]);
    for now in 0..5 {
        let id = peers.choose(&RoundRobin, &mut at(now), &NOBODY).unwrap();
        assert!(!peers.release(id, Outcome::Failed, now));
    }
}

#[test]
fn backups_help_when_no_primary_can() {
    let mut peers = Peers::new([
        config(1, |c| c.is_down = true),
        config(2, |c| c.max_conns = 1),
        config(3, |c| c.is_backup = true),
    ]);
    assert_eq!(peers.tries(), 2);
    let first = peers.choose(&RoundRobin, &mut at(0), &NOBODY);
    let second = peers.choose(&RoundRobin, &mut at(0), &NOBODY);
    assert_eq!((first, second), (Some(PeerId(1)), Some(PeerId(2))));
    peers.release(PeerId(1), Outcome::Answered, 0);
    assert_eq!(
        peers.choose(&RoundRobin, &mut at(0), &NOBODY),
        Some(PeerId(1))
    );
}

#[test]
fn least_conn_weighs_connections() {
    let mut peers = group(&[2, 1]);
    let mut picked = Vec::new();
    for _ in 0..6 {
        picked.push(peers.choose(&LeastConn, &mut at(0), &NOBODY).unwrap().0);
    }
    assert_eq!(
        picked.iter().filter(|&&id| id == 0).count(),
        4,
        "{picked:?}"
    );
}

#[test]
fn ip_hash_keeps_a_client_and_moves_on_when_its_peer_fails() {
    let mut peers = group(&[1, 1, 1]);
    let chosen = turns(&mut peers, &IpHash, 5, &Client("192.0.2.7"));
    assert_eq!(
        chosen
            .chars()
            .collect::<std::collections::HashSet<_>>()
            .len(),
        1
    );
    // The last byte of an IPv4 address does not count.
    assert_eq!(
        chosen,
        turns(&mut peers, &IpHash, 5, &Client("192.0.2.200"))
    );

    let mut attempt = at(0);
    let first = peers.choose(&IpHash, &mut attempt, &Client("192.0.2.7"));
    let second = peers.choose(&IpHash, &mut attempt, &Client("192.0.2.7"));
    assert!(first.is_some() && second.is_some() && first != second);
}

#[test]
fn random_reaches_everybody_and_prefers_the_idle_of_two() {
    let mut peers = group(&[1, 1, 1]);
    let seen = turns(&mut peers, &RandomTwo::new(false, 7), 60, &NOBODY);
    assert!("abc".chars().all(|letter| seen.contains(letter)), "{seen}");

    let mut peers = group(&[1, 1]);
    peers.get_mut(PeerId(0)).unwrap().counters.connections = 9;
    let seen = turns(&mut peers, &RandomTwo::new(true, 7), 20, &NOBODY);
    assert_eq!(seen, "b".repeat(20));
}
