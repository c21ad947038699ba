//! Routing with snapshots made by the reducer, as in operation.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::topology::{Event, Facts, Flavor, GtidSet, ProbeOutcome, Replication, reduce};

fn facts(read_only: bool) -> Facts {
    let replication = read_only.then_some(Replication {
        receiving: true,
        applying: true,
        lag: Some(Duration::ZERO),
        source: None,
        several: false,
    });
    Facts {
        flavor: Flavor::MariaDb,
        version: "10.11".into(),
        capabilities: 0,
        collation: 45,
        tls: None,
        read_only,
        super_read_only: false,
        replication,
        tells_replication: true,
        gtid: Arc::new(GtidSet::empty(Flavor::MariaDb)),
        gtid_on: true,
        wait_timeout: None,
        life: Default::default(),
        binlog_state: Default::default(),
        first_own: Default::default(),
        max_packet: None,
        max_connections: None,
        occupied: None,
        modes: crate::topology::TextModes::empty(),
        login: crate::topology::LoginFlags::default(),
        identity: "x".into(),
        round_trip: Duration::from_micros(100),
    }
}

/// Returns a snapshot of servers with these states: None is down, Some(read_only) is up.
fn snapshot(states: &[Option<bool>]) -> Snapshot {
    let named = |i: usize| (Arc::from(format!("db-{i}")), Arc::from(format!("h{i}:3306")));
    let servers = (0..states.len()).map(|i| named(i).into()).collect();
    let mut s = reduce(&Snapshot::empty(), &Event::Servers(servers), 0);
    for (i, state) in states.iter().enumerate() {
        let server = s.servers[i].id;
        let outcome = match state {
            Some(read_only) => {
                ProbeOutcome::Facts(Facts { identity: format!("id{i}").into(), ..facts(*read_only) })
            }
            None => ProbeOutcome::Unreachable("refused".into()),
        };
        s = reduce(&s, &Event::Probe { server, outcome }, 1);
    }
    s
}

fn go(decision: Decision) -> usize {
    match decision {
        Decision::Go { server, .. } => server.0 as usize,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_primary_port_goes_to_the_primary_or_waits() {
    let s = snapshot(&[Some(true), Some(false)]);
    assert_eq!(go(route(Want::Primary, &s, 7, &[], |_| 0)), s.servers[1].id.0 as usize);
    let none = snapshot(&[Some(true), None]);
    assert_eq!(route(Want::Primary, &none, 7, &[], |_| 0), Decision::WaitForPrimary);
}

#[test]
fn the_replica_port_spreads_by_load_and_falls_back() {
    let s = snapshot(&[Some(false), Some(true), Some(true)]);
    let want = Want::Replica { or_primary: true };
    let primary = s.servers[0].id;
    let mut seen = [0; 3];
    for random in 0..1000u64 {
        let random = random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        seen[go(route(want, &s, random, &[], |_| 0)) - primary.0 as usize] += 1;
    }
    assert_eq!(seen[0], 0);
    assert!(seen[1] > 200 && seen[2] > 200, "{seen:?}");
    // The idle server is chosen whenever both are picked.
    let busy = s.servers[1].id;
    let to_busy = (0..1000u64)
        .map(|r| r.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .filter(|r| go(route(want, &s, *r, &[], |id| usize::from(id == busy))) as u32 == busy.0)
        .count();
    assert!(to_busy < 400, "{to_busy}");
    let alone = snapshot(&[Some(false), None]);
    assert_eq!(go(route(want, &alone, 1, &[], |_| 0)), alone.servers[0].id.0 as usize);
    assert_eq!(route(Want::Replica { or_primary: false }, &alone, 1, &[], |_| 0), Decision::NoReplica);
    let tried = [s.servers[1].id, s.servers[2].id];
    assert_eq!(go(route(want, &s, 1, &tried, |_| 0)), primary.0 as usize);
}

#[test]
fn a_session_stays_while_its_server_keeps_its_role() {
    let s = snapshot(&[Some(false), Some(true)]);
    let (primary, replica) = (s.servers[0].id, s.servers[1].id);
    assert!(may_stay(Want::Primary, &s, primary, s.generation, &[]));
    assert!(!may_stay(Want::Primary, &s, primary, s.generation + 1, &[]));
    assert!(!may_stay(Want::Primary, &s, replica, s.generation, &[]));
    let want = Want::Replica { or_primary: true };
    assert!(may_stay(want, &s, replica, 0, &[]));
    assert!(!may_stay(want, &s, primary, s.generation, &[]), "a replica serves again");
    let alone = snapshot(&[Some(false), None]);
    assert!(may_stay(want, &alone, alone.servers[0].id, alone.generation, &[]));
}

/// Otherwise a session that checks again after it was attached would loop for ever.
#[test]
fn what_is_chosen_may_stay() {
    for states in [
        [Some(false), Some(true), Some(true)],
        [Some(false), Some(true), None],
        [Some(false), None, None],
        [None, Some(true), Some(true)],
    ] {
        let s = snapshot(&states);
        let all: Vec<_> = s.servers.iter().map(|s| s.id).collect();
        for avoid in [&all[..0], &all[1..2], &all[2..], &all[1..]] {
            for want in
                [Want::Primary, Want::Replica { or_primary: true }, Want::Replica { or_primary: false }]
            {
                let Decision::Go { server, .. } = route(want, &s, 1, avoid, |_| 0) else { continue };
                assert!(may_stay(want, &s, server, s.generation, avoid), "{states:?}, {avoid:?}, {want:?}");
            }
        }
    }
}
