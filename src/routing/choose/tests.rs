//! Replicas by weight, load and zone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::topology::{Health, ServerId};

/// Returns a snapshot of replicas that serve reads, with these weights and zones.
fn snapshot(servers: &[(u16, Option<&str>)]) -> Snapshot {
    let server = |(i, (weight, zone)): (usize, &(u16, Option<&str>))| {
        let id = ServerId(u32::try_from(i).unwrap());
        let mut server = Server::new(id, format!("db-{i}").into(), format!("db-{i}:3306").into());
        (server.weight, server.zone) = (*weight, zone.map(Arc::from));
        (server.health, server.serves_reads) = (Health::Up, true);
        Arc::new(server)
    };
    Snapshot { servers: servers.iter().enumerate().map(server).collect(), ..Snapshot::empty() }
}

/// Random numbers as a worker's generator makes them.
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), |x| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    })
}

const ROUNDS: usize = 40_000;

/// Returns the per mille of the reads that each server gets, without load.
fn shares(snapshot: &Snapshot, zone: Option<&str>, fits: impl Fn(&Server) -> bool) -> Vec<usize> {
    let mut counts = vec![0; snapshot.servers.len()];
    for random in numbers().take(ROUNDS) {
        if let Some(id) = choose_replica(snapshot, random, &[], zone, &fits, |_| 0) {
            counts[id.0 as usize] += 1;
        }
    }
    counts.iter().map(|count| count * 1000 / ROUNDS).collect()
}

fn assert_near(shares: &[usize], expected: &[usize]) {
    assert_eq!(shares.len(), expected.len());
    for (share, expected) in shares.iter().zip(expected) {
        let exact = *expected == 0 || *expected == 1000;
        let allowed = if exact { 0 } else { 15 };
        assert!(share.abs_diff(*expected) <= allowed, "{shares:?}, not {expected}");
    }
}

#[test]
fn without_load_the_weights_share_the_reads() {
    for (weights, expected) in [
        (&[1, 1][..], &[500, 500][..]),
        (&[1, 1, 1, 1, 1], &[200, 200, 200, 200, 200]),
        (&[3, 1], &[750, 250]),
        (&[1000, 1, 0], &[999, 1, 0]),
        (&[5, 3, 2], &[500, 300, 200]),
        (&[7], &[1000]),
    ] {
        let servers: Vec<_> = weights.iter().map(|w| (*w, None)).collect();
        let shares = shares(&snapshot(&servers), None, |_| true);
        if weights[0] == 1000 {
            assert!(shares[0] >= 995 && shares[2] == 0, "{shares:?}");
        } else {
            assert_near(&shares, expected);
        }
    }
}

#[test]
fn the_less_loaded_of_two_wins_whatever_the_draw() {
    let s = snapshot(&[(1, None), (1, None)]);
    for random in numbers().take(1000) {
        let choose = |loads: [usize; 2]| {
            choose_replica(&s, random, &[], None, |_| true, |id| loads[id.0 as usize]).unwrap().0
        };
        assert_eq!((choose([3, 2]), choose([2, 3]), choose([0, 1])), (1, 0, 0));
        assert_eq!(choose([usize::MAX, 0]), 1);
    }
    let s = snapshot(&[(4, None), (1, None)]);
    for random in numbers().take(1000) {
        let choose = |loads: [usize; 2]| {
            choose_replica(&s, random, &[], None, |_| true, |id| loads[id.0 as usize]).unwrap().0
        };
        assert_eq!((choose([7, 2]), choose([9, 2]), choose([3, 1])), (0, 1, 0), "in flight per weight");
    }
}

/// Each read takes a while: the loads settle in proportion to the weights, and no server is far off.
#[test]
fn under_load_statements_in_flight_follow_the_weights() {
    let s = snapshot(&[(2, None), (1, None), (1, None), (4, None)]);
    let mut in_flight = BTreeMap::<u32, usize>::new();
    let mut running = std::collections::VecDeque::new();
    for random in numbers().take(10_000) {
        let load = |id: ServerId| in_flight.get(&id.0).copied().unwrap_or(0);
        let id = choose_replica(&s, random, &[], None, |_| true, load).unwrap();
        *in_flight.entry(id.0).or_default() += 1;
        running.push_back(id.0);
        if running.len() > 80 {
            let done = running.pop_front().unwrap();
            *in_flight.get_mut(&done).unwrap() -= 1;
        }
    }
    for (id, weight) in [(0, 2), (1, 1), (2, 1), (3, 4)] {
        assert!(in_flight[&id].abs_diff(weight * 10) <= weight * 5, "{in_flight:?}");
    }
}

#[test]
fn the_own_zone_comes_first_as_long_as_one_serves_and_fits() {
    let s = snapshot(&[(1, Some("a")), (1, Some("b")), (3, Some("b")), (1, None)]);
    let all = |_: &Server| true;
    assert_near(&shares(&s, Some("a"), all), &[1000, 0, 0, 0]);
    assert_near(&shares(&s, Some("b"), all), &[0, 250, 750, 0]);
    assert_near(&shares(&s, Some("c"), all), &[166, 166, 500, 166]);
    assert_near(&shares(&s, None, all), &[166, 166, 500, 166]);
    assert_near(&shares(&s, Some("b"), |server| server.id.0 != 2), &[0, 1000, 0, 0]);
    assert_near(&shares(&s, Some("a"), |server| server.id.0 != 0), &[0, 200, 600, 200]);
}

#[test]
fn who_was_tried_does_not_serve_or_does_not_fit_is_never_chosen() {
    let mut s = snapshot(&[(1, None), (1, None), (1, None)]);
    for random in numbers().take(1000) {
        let chosen = choose_replica(&s, random, &[ServerId(0)], None, |server| server.id.0 != 1, |_| 0);
        assert_eq!(chosen, Some(ServerId(2)));
        assert_eq!(choose_replica(&s, random, &[], None, |_| false, |_| 0), None);
    }
    s.servers = s
        .servers
        .iter()
        .map(|server| Arc::new(Server { serves_reads: false, ..Server::clone(server) }))
        .collect();
    assert_eq!(choose_replica(&s, 1, &[], None, |_| true, |_| 0), None);
    assert_eq!(choose_replica(&Snapshot::empty(), 1, &[], Some("a"), |_| true, |_| 0), None);
}

#[test]
fn a_session_moves_for_its_own_zone_or_for_a_quarter_of_the_load_by_weight() {
    // Weight, zone and load of the session's replica, then of the other one.
    for (own, other, zone, moves) in [
        ((1, None, 50), (1, None, 36), None, false),
        ((1, None, 51), (1, None, 36), None, true),
        // By chance.
        ((1, None, 5), (1, None, 0), None, false),
        ((1, None, 6), (1, None, 0), None, true),
        // By weight.
        ((2, None, 51), (1, None, 36), None, false),
        ((2, None, 101), (1, None, 36), None, true),
        ((1, None, 26), (2, None, 36), None, true),
        // The proxy's zone counts more than the load; other zones count nothing.
        ((1, Some("b"), 0), (1, Some("a"), 90), Some("a"), true),
        ((1, Some("a"), 90), (1, Some("b"), 0), Some("a"), false),
        ((1, Some("a"), 90), (1, Some("a"), 0), Some("a"), true),
        ((1, Some("b"), 0), (1, Some("c"), 0), Some("a"), false),
        ((1, Some("b"), 90), (1, None, 0), None, true),
    ] {
        let snapshot = snapshot(&[(own.0, own.1), (other.0, other.1)]);
        let load = |id: ServerId| if id.0 == 0 { own.2 } else { other.2 };
        let found = is_worth_a_move(&snapshot.servers[0], &snapshot.servers[1], zone, load);
        assert_eq!(found, moves, "{own:?} {other:?} {zone:?}");
    }
}
