//! Workers that are killed at any moment while they use a group that all share.
//!
//! Not run by the standard harness: forking wants a process of a single thread.

#![expect(clippy::unwrap_used, reason = "a test without the standard harness")]

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use harness::process::child;
use shm::Zone;
use sys::process;
use sys::signal::Signal;
use tidegate_engine::address::Address;
use tidegate_engine::peer::{
    Attempt, Chosen, EjectRules, LeastConn, LeastTime, Measure, Outcome, PeerConfig, PeerId, Peers,
    Report, Session,
};
use tidegate_engine::variable::{Lookup, VariableId};

const ROUNDS: u64 = 150;

/// Fewer kills that hit a held lock prove nothing.
const REPAIRS_MIN: u32 = 5;

/// Most connections that a worker has at once, and most peers that it adds.
const HELD_MAX: usize = 20;

struct Nobody;

impl Lookup for Nobody {
    fn write_variable(&self, _: VariableId, _: &mut Vec<u8>) -> bool {
        false
    }

    fn write_capture(&self, _: usize, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Session for Nobody {
    fn client_ip(&self) -> Option<IpAddr> {
        None
    }
}

fn main() {
    let zone = Rc::new(Zone::new("test", "upstream", 1 << 20).unwrap());
    let peers = Peers::shared(&zone, "u", vec![config(1), config(2)], None).unwrap();
    let own: Vec<Chosen> = (0..3).map(|_| choose(&peers).unwrap()).collect();
    let stay: Vec<PeerId> = peers.list().iter().map(|peer| peer.id).collect();
    let repairs = || zone.lock().repairs().unwrap();
    let mut round = 0;
    // On a busy machine many children are killed before they have begun.
    while round < ROUNDS || (repairs() <= REPAIRS_MIN && round < 20 * ROUNDS) {
        let pids = [round, round + 1_000_000].map(|seed| child(|| hammer(&peers, seed)));
        std::thread::sleep(Duration::from_micros(500 + round * 37 % 3000));
        kill(&zone, &pids);
        check(&zone, &peers, &stay, round);
        round += 1;
    }
    let repairs = repairs();
    assert!(
        repairs > REPAIRS_MIN,
        "only {repairs} kills hit a held lock: the test proves nothing"
    );
    for chosen in &own {
        peers.release(chosen, &Report::new(Outcome::Answered, 1));
    }
    assert_eq!(connections(&peers), 0);
    eprintln!("test a_group_survives_kills_at_any_moment ... ok ({repairs} in the middle)");
}

fn config(port: u16) -> PeerConfig {
    PeerConfig {
        // Nobody is left alone for failing.
        max_fails: 0,
        ..PeerConfig::new(Address::Ip(([127, 0, 0, 1], port).into()))
    }
}

fn choose(peers: &Peers) -> Option<Chosen> {
    let balancer = LeastTime {
        measure: Measure::Header,
        counts_waiting: true,
    };
    peers.choose(&balancer, &mut Attempt::default(), &Nobody)
}

fn connections(peers: &Peers) -> u64 {
    peers.with(|group| group.iter().map(|peer| peer.counters.connections()).sum())
}

/// Kills workers, and does what the master does about it.
fn kill(zone: &Zone, pids: &[u32]) {
    for &pid in pids {
        process::send_signal(pid, Signal::KILL).unwrap();
    }
    let mut left = pids.to_vec();
    while !left.is_empty() {
        if let Some(reaped) = process::reap().unwrap() {
            assert_eq!(reaped.status.code(), None, "a worker failed by itself");
            left.retain(|&pid| pid != reaped.pid);
            zone.force_unlock(reaped.pid);
        }
    }
}

/// A worker: requests come and go, and so do peers.
fn hammer(peers: &Peers, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut held = Vec::new();
    let mut added = Vec::new();
    let rules = EjectRules {
        errors_percent: Some(50),
        ..EjectRules::default()
    };
    loop {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let port = u16::try_from(state >> 50).unwrap() | 16;
        match state >> 61 {
            0 if added.len() < HELD_MAX => added.extend(peers.add(config(port))),
            0 | 1 => drop(added.pop().map(|id| peers.remove(id))),
            2..=4 if held.len() < HELD_MAX => held.extend(choose(peers)),
            _ => {
                if let Some(chosen) = held.pop() {
                    let report = Report::new(Outcome::Failed, 1);
                    peers.release(&chosen, &report);
                    peers.judge(chosen.id, &report, &rules);
                }
            }
        }
    }
}

/// Nothing of the dead is left but the peers that they added, and whoever knew the group before
/// knows it as it is now.
fn check(zone: &Rc<Zone>, peers: &Peers, stay: &[PeerId], round: u64) {
    let own = process::id();
    peers.bury(|pid| pid == own);
    let ids = |peers: &Peers| -> Vec<PeerId> { peers.list().iter().map(|peer| peer.id).collect() };
    let new = Peers::of_zone(zone, "u").unwrap();
    assert_eq!(ids(peers), ids(&new), "round {round}");
    assert_eq!(connections(peers), 3, "round {round}");
    for id in ids(peers).iter().filter(|id| !stay.contains(id)) {
        assert!(peers.remove(*id), "round {round}");
    }
    assert_eq!(ids(peers), stay, "round {round}");
    let chosen = peers.choose(&LeastConn, &mut Attempt::default(), &Nobody);
    peers.release(&chosen.unwrap(), &Report::new(Outcome::Answered, 1));
    assert_eq!(connections(peers), 3, "round {round}");
}
