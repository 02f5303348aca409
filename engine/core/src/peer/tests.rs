//! Choosing and accounting, without a network.

use super::*;
use crate::variable::VariableId;
use shm::Zone;
use std::net::SocketAddr;

pub(super) struct Client(&'static str);

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

pub(super) const NOBODY: Client = Client("");

fn config(port: u16, change: impl Fn(&mut PeerConfig)) -> PeerConfig {
    let mut config = PeerConfig::new(Address::Ip(SocketAddr::from(([127, 0, 0, 1], port))));
    change(&mut config);
    config
}

/// The peers in memory of this process, and in a zone: they must not differ in anything.
fn both(configs: &[PeerConfig]) -> [Peers; 2] {
    let local = Peers::new(configs.iter().cloned());
    let shared = Peers::shared(&zone(), "u", configs.to_vec(), None).unwrap();
    [local, shared]
}

fn zone() -> Rc<Zone> {
    Rc::new(Zone::new("z", "upstream", shm::SMALLEST_ZONE).unwrap())
}

fn weighing(weights: &[u32]) -> Vec<PeerConfig> {
    let weigh = |(&weight, port)| config(port, |c| c.weight = weight);
    weights.iter().zip(1..).map(weigh).collect()
}

fn at(now: Millis) -> Attempt {
    Attempt {
        now,
        ..Attempt::default()
    }
}

/// The letter of a peer by its port: `a` for 1.
fn letter(chosen: &Chosen) -> char {
    let port = chosen.config.name.rsplit(':').next().unwrap();
    char::from(b'a' - 1 + port.parse::<u8>().unwrap())
}

/// The letters of the peers that `count` requests go to, one after the other.
fn turns(peers: &Peers, balancer: &dyn Balancer, count: usize, session: &Client) -> String {
    let mut out = String::new();
    for _ in 0..count {
        match peers.choose(balancer, &mut at(0), session) {
            Some(chosen) => {
                out.push(letter(&chosen));
                peers.release(&chosen, &Report::new(Outcome::Answered, 0));
            }
            None => out.push('-'),
        }
    }
    out
}

/// The letter of the peer that a request at `now` goes to, and stays at; `-` for none.
fn stay(peers: &Peers, balancer: &dyn Balancer, now: Millis) -> char {
    let chosen = peers.choose(balancer, &mut at(now), &NOBODY);
    chosen.map_or('-', |chosen| letter(&chosen))
}

fn connections(peers: &Peers) -> Vec<u64> {
    peers.with(|group| group.iter().map(|p| p.counters.connections()).collect())
}

#[test]
fn turns_are_smooth() {
    for peers in both(&weighing(&[5, 1, 1])) {
        let turns = turns(&peers, &RoundRobin, 14, &NOBODY);
        assert_eq!(turns, "aabacaaaabacaa");
    }
    for peers in both(&weighing(&[1, 1])) {
        assert_eq!(turns(&peers, &RoundRobin, 4, &NOBODY), "abab");
    }
}

#[test]
fn one_request_tries_each_peer_once() {
    for peers in both(&weighing(&[1, 1, 1])) {
        let mut attempt = at(0);
        let mut tried = String::new();
        while let Some(chosen) = peers.choose(&RoundRobin, &mut attempt, &NOBODY) {
            peers.release(&chosen, &Report::new(Outcome::Next, 0));
            tried.push(letter(&chosen));
        }
        assert_eq!(tried, "abc");
    }
}

#[test]
fn who_comes_later_must_pass_the_mandatory_checks_first() {
    for peers in both(&weighing(&[1])) {
        let health = |id| peers.with(|group| group.get(id).unwrap().counters.health());
        peers.expect_checks(0b100);
        let late = peers.add(config(2, |_| {})).unwrap();
        assert_eq!(health(late), Health::Checking);
        let pending = peers.with(|group| group.get(late).unwrap().counters.pending_checks());
        assert_eq!(pending, 0b100);
        assert_eq!(turns(&peers, &RoundRobin, 3, &NOBODY), "aaa");
        peers.expect_checks(0);
        let later = peers.add(config(3, |_| {})).unwrap();
        assert_eq!(health(later), Health::Up);
        assert_eq!(turns(&peers, &RoundRobin, 4, &NOBODY), "acac");
    }
}

/// Where nobody else is left, whom checks call healthy is asked though it failed.
#[test]
fn checks_know_better_than_failures() {
    for peers in both(&weighing(&[1, 1, 1])) {
        let all = peers.list();
        for _ in &all {
            let mut attempt = at(1000);
            let chosen = peers.choose(&RoundRobin, &mut attempt, &NOBODY).unwrap();
            peers.release(&chosen, &Report::new(Outcome::Failed, 1000));
        }
        assert_eq!(stay(&peers, &RoundRobin, 2000), '-');
        peers.set_health(all[0].id, Health::Unhealthy, 2000);
        peers.set_health(all[2].id, Health::Up, 2000);
        assert_eq!(stay(&peers, &RoundRobin, 2000), 'c');
        // One that did not fail comes first.
        peers.with(|group| group.get(all[1].id).unwrap().counters.set_fails(0));
        assert_eq!(stay(&peers, &RoundRobin, 2000), 'b');
    }
}

#[test]
fn failures_take_a_peer_out_until_the_time_is_over() {
    for peers in both(&weighing(&[1, 1])) {
        let first = peers.list().swap_remove(0);
        let id = first.id;
        let is_available = |now| {
            let usable = |group: &Group<'_>| {
                let peer = group.get(id);
                peer.is_some_and(|peer| group.is_available(&peer, &at(now)))
            };
            peers.with(usable)
        };
        assert_eq!(stay(&peers, &RoundRobin, 1000), 'a');
        assert!(peers.release(&first, &Report::new(Outcome::Failed, 1000)));
        assert!(!is_available(1001));
        assert!(!is_available(11_000));
        assert!(is_available(11_001));

        // One success in a later period, and its failures are forgotten.
        let mut attempt = at(11_001);
        let mut choose = || peers.choose(&RoundRobin, &mut attempt, &NOBODY).unwrap().id;
        assert!(choose() == id || choose() == id);
        assert!(!peers.release(&first, &Report::new(Outcome::Answered, 11_002)));
        assert_eq!(
            peers.with(|group| group.get(id).unwrap().counters.fails()),
            0
        );
    }
}

#[test]
fn a_lone_peer_is_never_given_up() {
    for peers in both(&weighing(&[1])) {
        for now in 0..5 {
            let chosen = peers.choose(&RoundRobin, &mut at(now), &NOBODY).unwrap();
            assert!(!peers.release(&chosen, &Report::new(Outcome::Failed, now)));
        }
    }
}

#[test]
fn backups_help_when_no_primary_can() {
    let configs = [
        config(1, |c| c.is_down = true),
        config(2, |c| c.max_conns = 1),
        config(3, |c| c.is_backup = true),
    ];
    for peers in both(&configs) {
        assert_eq!(peers.tries(), 2);
        assert_eq!(stay(&peers, &RoundRobin, 0), 'b');
        assert_eq!(stay(&peers, &RoundRobin, 0), 'c');
        peers.release(&peers.list()[1], &Report::new(Outcome::Answered, 0));
        assert_eq!(stay(&peers, &RoundRobin, 0), 'b');
    }
}

#[test]
fn the_unhealthy_and_the_draining_are_passed_over() {
    for peers in both(&weighing(&[1, 1, 1])) {
        let [a, b, _] = peers.list().try_into().unwrap();
        assert_eq!(
            peers.set_health(a.id, Health::Unhealthy, 0),
            Some(Health::Unknown)
        );
        assert_eq!(
            peers.set_health(a.id, Health::Checking, 0),
            Some(Health::Unhealthy)
        );
        assert!(peers.set_draining(b.id, true));
        assert_eq!(turns(&peers, &RoundRobin, 3, &NOBODY), "ccc");
        peers.set_health(a.id, Health::Up, 0);
        peers.set_draining(b.id, false);
        let all = turns(&peers, &RoundRobin, 3, &NOBODY);
        assert!("abc".chars().all(|letter| all.contains(letter)), "{all}");
        peers.remove(a.id);
        assert_eq!(peers.set_health(a.id, Health::Unhealthy, 0), None);
    }
}

#[test]
fn least_conn_weighs_connections() {
    for peers in both(&weighing(&[2, 1])) {
        let picked: String = (0..6).map(|_| stay(&peers, &LeastConn, 0)).collect();
        assert_eq!(picked.matches('a').count(), 4, "{picked}");
    }
}

#[test]
fn ip_hash_keeps_a_client_and_moves_on_when_its_peer_fails() {
    for peers in both(&weighing(&[1, 1, 1])) {
        let chosen = turns(&peers, &IpHash, 5, &Client("192.0.2.7"));
        assert_eq!(chosen, chosen[..1].repeat(5));
        // The last byte of an IPv4 address does not count.
        assert_eq!(chosen, turns(&peers, &IpHash, 5, &Client("192.0.2.200")));

        let mut attempt = at(0);
        let mut choose = || peers.choose(&IpHash, &mut attempt, &Client("192.0.2.7"));
        let (first, second) = (choose().unwrap(), choose().unwrap());
        assert_ne!(first.id, second.id);
    }
}

#[test]
fn random_reaches_everybody_and_prefers_the_idle_of_two() {
    for peers in both(&weighing(&[1, 1, 1])) {
        let seen = turns(&peers, &RandomTwo::new(None, 7), 60, &NOBODY);
        assert!("abc".chars().all(|letter| seen.contains(letter)), "{seen}");
    }
    for peers in both(&weighing(&[1, 1])) {
        peers.with(|group| group.iter().next().unwrap().counters.set_connections(9));
        let seen = turns(
            &peers,
            &RandomTwo::new(Some(Comparison::Connections), 7),
            20,
            &NOBODY,
        );
        assert_eq!(seen, "b".repeat(20));
    }
}

#[test]
fn random_follows_weights_and_finds_the_last_one_that_is_left() {
    let methods = || [None, Some(Comparison::Connections)].map(|by| RandomTwo::new(by, 7));
    for peers in both(&weighing(&[1, 3])) {
        let seen = turns(&peers, &RandomTwo::new(None, 7), 4000, &NOBODY);
        let share = seen.matches('b').count();
        assert!((2800..3200).contains(&share), "{share}");
    }
    let mut configs = weighing(&[1; 26]);
    configs[25].is_backup = true;
    for peers in both(&configs) {
        let all = peers.list();
        for peer in all.iter().filter(|&peer| !"qz".contains(letter(peer))) {
            peers.set_health(peer.id, Health::Unhealthy, 0);
        }
        for method in methods() {
            assert_eq!(turns(&peers, &method, 50, &NOBODY), "q".repeat(50));
        }
        peers.set_health(all[16].id, Health::Unhealthy, 0);
        for method in methods() {
            assert_eq!(turns(&peers, &method, 5, &NOBODY), "zzzzz");
        }
    }
}

#[test]
fn one_that_alone_has_the_least_is_chosen_whatever_its_turn() {
    for peers in both(&weighing(&[1, 1, 4])) {
        let loads = [4, 3, 20];
        peers.with(|group| {
            for (peer, load) in group.iter().zip(loads) {
                peer.counters.set_connections(load);
            }
        });
        assert_eq!(turns(&peers, &LeastConn, 3, &NOBODY), "bbb");
        assert_eq!(stay(&peers, &LeastConn, 0), 'b');
        // Two that are alike take turns.
        assert_eq!(turns(&peers, &LeastConn, 4, &NOBODY), "abab");
    }
}

#[test]
fn peers_come_and_go_while_requests_have_them() {
    for peers in both(&weighing(&[1, 1])) {
        let first = peers.choose(&RoundRobin, &mut at(0), &NOBODY).unwrap();
        assert!(peers.remove(first.id));
        assert!(!peers.remove(first.id));
        assert_eq!(turns(&peers, &RoundRobin, 2, &NOBODY), "bb");

        // Its row is not another's before the last request is done.
        let third = peers.add(config(3, |_| ())).unwrap();
        assert_eq!(connections(&peers), [0, 0]);
        assert!(!peers.release(&first, &Report::new(Outcome::Failed, 0)));
        assert!(!peers.release(&first, &Report::new(Outcome::Failed, 0)));
        assert_eq!(connections(&peers), [0, 0]);
        peers.add(config(4, |_| ())).unwrap();
        let mut all: Vec<char> = turns(&peers, &RoundRobin, 3, &NOBODY).chars().collect();
        all.sort_unstable();
        assert_eq!(all, ['b', 'c', 'd']);
        assert!(peers.with(|group| group.get(first.id).is_none()));
        assert!(peers.with(|group| group.get(third).is_some()));
    }
}

#[test]
fn a_group_grows_until_its_zone_is_full_and_shrinks_again() {
    let peers = Peers::shared(&zone(), "u", weighing(&[1]), None).unwrap();
    let stays = peers.choose(&RoundRobin, &mut at(0), &NOBODY).unwrap();
    let mut ids = Vec::new();
    for port in 2.. {
        match peers.add(config(port, |_| ())) {
            Ok(id) => ids.push(id),
            Err(NoRoom) => break,
        }
    }
    assert!(ids.len() > 15, "{}", ids.len());
    assert_eq!(peers.list().len(), ids.len() + 1);
    assert_eq!(connections(&peers)[0], 1, "it moved with the table");
    for id in &ids {
        assert!(peers.remove(*id));
    }
    for id in ids {
        assert!(peers.add(config(2, |_| ())).is_ok(), "{id:?}");
    }
    peers.release(&stays, &Report::new(Outcome::Answered, 0));
    assert!(connections(&peers).iter().all(|&count| count == 0));
}

/// As many peers as nginx 1.31.5 has room for, and these come one by one.
#[test]
fn a_zone_that_is_large_enough_for_nginx_is_large_enough() {
    for (kilobytes, expected) in [(32, 16), (64, 63), (256, 303), (1024, 1264)] {
        let zone = Rc::new(Zone::new("z", "upstream", kilobytes << 10).unwrap());
        let peers = Peers::shared(&zone, "u", Vec::new(), None).unwrap();
        let all = (1..).map_while(|port| peers.add(config(port, |_| ())).ok());
        let count = all.count();
        assert!(count >= expected, "{count} in {kilobytes} KB");
    }
}

#[test]
fn groups_of_one_zone_are_apart_and_another_process_sees_the_same() {
    let zone = zone();
    let first = Peers::shared(&zone, "first", weighing(&[1, 1]), None).unwrap();
    let second = Peers::shared(&zone, "second", weighing(&[1]), None).unwrap();
    stay(&first, &RoundRobin, 0);
    assert_eq!(connections(&second), [0]);

    let other = Peers::of_zone(&zone, "first").unwrap();
    assert_eq!(connections(&other), [1, 0]);
    let added = other
        .add(config(9, |c| c.found_by = Some("name".into())))
        .unwrap();
    assert_eq!(first.list()[2].id, added);
    first.remove(added);
    assert_eq!(other.list().len(), 2);
    assert!(Peers::of_zone(&zone, "third").is_none());
}

#[test]
fn connections_of_the_dead_are_given_back() {
    let full = [config(1, |c| c.max_conns = 2)];
    let peers = Peers::shared(&zone(), "u", full.to_vec(), None).unwrap();
    let held = peers.choose(&RoundRobin, &mut at(0), &NOBODY).unwrap();
    assert_eq!(stay(&peers, &RoundRobin, 0), 'a');
    assert_eq!(stay(&peers, &RoundRobin, 0), '-');
    assert!(!peers.bury(|_| true));
    // The row of a removed peer is free at once, though its requests were never given back.
    peers.remove(held.id);
    assert!(peers.bury(|_| false));
    assert!(!peers.bury(|_| false));
    peers.add(config(1, |c| c.max_conns = 2)).unwrap();
    assert_eq!(connections(&peers), [0]);
    assert_eq!(stay(&peers, &RoundRobin, 0), 'a');
}

#[test]
fn a_reload_keeps_what_is_known_of_peers_that_stay() {
    let old_zone = zone();
    let mut configs = weighing(&[1, 1]);
    configs.push(config(3, |c| c.found_by = Some("name".into())));
    configs.push(config(4, |c| c.found_by = Some("name".into())));
    let old = Peers::shared(&old_zone, "u", configs, None).unwrap();
    let [a, b, c, _] = old.list().try_into().unwrap();
    old.set_health(b.id, Health::Unhealthy, 0);
    old.set_health(c.id, Health::Up, 0);
    stay(&old, &RoundRobin, 70);
    old.release(&a, &Report::new(Outcome::Failed, 77));

    let earlier = Earlier {
        zone: &old_zone,
        keep: &|config| (*config.name == *"127.0.0.1:3").then(|| config.clone()),
    };
    let new = vec![config(2, |_| ()), config(1, |_| ()), config(5, |_| ())];
    let new = Peers::shared(&zone(), "u", new, Some(earlier)).unwrap();
    let known = new.with(|group| {
        let known = |p: Peer<'_>| {
            (
                p.config.name.to_string(),
                p.counters.health(),
                p.counters.fails(),
            )
        };
        group.iter().map(known).collect::<Vec<_>>()
    });
    let at = |port: u16| format!("127.0.0.1:{port}");
    let expected = [
        (at(2), Health::Unhealthy, 0),
        (at(1), Health::Unknown, 1),
        (at(5), Health::Unknown, 0),
        (at(3), Health::Up, 0),
    ];
    assert_eq!(known, expected);
    assert_eq!(connections(&new), [0; 4]);
}

/// Takes a turn that needs `ms` from `now` on; the letter of the peer that had it.
fn timed(peers: &Peers, balancer: &dyn Balancer, now: Millis, ms: Millis) -> char {
    let mut chosen = peers.choose(balancer, &mut at(now), &NOBODY).unwrap();
    peers.answered(balancer, &mut chosen);
    let report = Report {
        header_time: Some(ms),
        response_time: ms,
        ..Report::new(Outcome::Answered, now + ms)
    };
    peers.release(&chosen, &report);
    letter(&chosen)
}

#[test]
fn least_time_prefers_the_faster_and_tries_the_slower_again() {
    let balancer = LeastTime {
        measure: Measure::LastByte,
        counts_waiting: false,
    };
    let mut configs = weighing(&[1, 1]);
    configs[0].fail_timeout = 1000;
    for peers in both(&configs) {
        assert_eq!(timed(&peers, &balancer, 100_000, 900), 'a');
        for _ in 0..5 {
            assert_eq!(timed(&peers, &balancer, 101_000, 50), 'b');
        }
        // 900 ms halve every two seconds: 28 ms after ten.
        assert_eq!(timed(&peers, &balancer, 109_000, 50), 'b');
        assert_eq!(timed(&peers, &balancer, 110_100, 50), 'a');
    }
}

#[test]
fn least_time_counts_those_who_wait() {
    let balancer = LeastTime {
        measure: Measure::Header,
        counts_waiting: true,
    };
    for peers in both(&weighing(&[1, 1])) {
        let first = peers.choose(&balancer, &mut at(1000), &NOBODY).unwrap();
        let mut slow = peers.choose(&balancer, &mut at(1000), &NOBODY).unwrap();
        peers.release(&first, &Report::new(Outcome::Next, 1000));
        assert_eq!(stay(&peers, &balancer, 2500), 'a');
        // Both have one connection, and it is the turn of the other.
        assert_eq!(stay(&peers, &balancer, 3000), 'a');
        let waiting = || -> Vec<u64> {
            peers.with(|group| group.iter().map(|p| p.counters.waiting()).collect())
        };
        assert_eq!(waiting(), [2, 1]);
        peers.answered(&balancer, &mut slow);
        assert_eq!(waiting(), [2, 0]);
        peers.release(&slow, &Report::new(Outcome::Answered, 4000));
        assert_eq!(waiting(), [2, 0]);
    }
}

#[test]
fn a_peer_that_comes_back_begins_slowly() {
    let mut configs = weighing(&[1, 1]);
    configs[0].slow_start = 10_000;
    for peers in both(&configs) {
        let id = peers.list()[0].id;
        peers.set_health(id, Health::Unhealthy, 0);
        peers.set_health(id, Health::Up, 100_000);
        let share = |now: Millis| {
            let asked = (0..200).map(|_| {
                let chosen = peers.choose(&RoundRobin, &mut at(now), &NOBODY).unwrap();
                peers.release(&chosen, &Report::new(Outcome::Answered, now));
                letter(&chosen)
            });
            asked.filter(|&letter| letter == 'a').count()
        };
        assert!((1..=3).contains(&share(100_100)));
        let third = share(105_000);
        assert!((65..=68).contains(&third), "{third}");
        assert_eq!(share(110_000), 100);
    }
}

#[test]
fn sessions_stay_with_the_peer_they_are_bound_to() {
    let configs = [
        config(1, |c| c.route = "a".into()),
        config(2, |c| c.max_conns = 1),
        config(3, |c| c.is_draining = true),
    ];
    for peers in both(&configs) {
        let [_, b, c] = peers.list().try_into().unwrap();
        let bound = |to: &[u8]| {
            let mut attempt = Attempt {
                bound: Some(to.to_vec()),
                ..at(0)
            };
            peers.choose(&RoundRobin, &mut attempt, &NOBODY)
        };
        // The hash of "127.0.0.1:2".
        assert_eq!(&*b.session_id, "abf7a7b4e5522108bc46650d856ec400");
        let in_its_session = bound(b.session_id.as_bytes()).unwrap();
        assert_eq!(in_its_session.id, b.id);
        let full = bound(b.session_id.as_bytes()).unwrap();
        assert_eq!(letter(&full), 'a');
        assert_eq!(bound(c.session_id.as_bytes()).unwrap().id, c.id);
        assert_eq!(turns(&peers, &RoundRobin, 3, &NOBODY), "aaa");
        peers.release(&in_its_session, &Report::new(Outcome::Answered, 0));
        let asked: Vec<char> = (0..4).map(|_| letter(&bound(b"a").unwrap())).collect();
        assert_eq!(asked, ['a'; 4]);
        // It was asked often enough: new sessions go elsewhere.
        assert_eq!(stay(&peers, &RoundRobin, 0), 'b');
    }
}
