//! Snapshots as probes would make them, for tests that only follow the snapshot.

use std::sync::Arc;
use std::time::Duration;

use crate::topology::{Discovered, Event, Facts, Flavor, GtidSet, ProbeOutcome, Snapshot, TextModes, reduce};

/// Returns a snapshot of these servers at `NAME:3306`, not probed yet.
pub fn unseen(names: &[&str]) -> Snapshot {
    let list = names.iter().map(|name| Discovered::from(((*name).into(), format!("{name}:3306").into())));
    reduce(&Snapshot::empty(), &Event::Servers(list.collect()), 0)
}

/// A MariaDB server that is writable and replicates from nobody.
pub fn facts() -> Facts {
    Facts {
        flavor: Flavor::MariaDb,
        version: "11.4.2-MariaDB".into(),
        capabilities: 0,
        collation: 45,
        tls: None,
        read_only: false,
        super_read_only: false,
        replication: None,
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
        modes: TextModes::empty(),
        login: crate::topology::LoginFlags::default(),
        identity: Default::default(),
        round_trip: Duration::from_millis(1),
    }
}

/// Returns the snapshot after probes that found this server writable and the others read-only.
pub fn with_primary(before: &Snapshot, name: &str) -> Snapshot {
    let mut now = before.clone();
    for server in before.servers.iter() {
        let facts = Facts { read_only: *server.name != *name, identity: server.name.clone(), ..facts() };
        now = reduce(&now, &Event::Probe { server: server.id, outcome: ProbeOutcome::Facts(facts) }, 0);
    }
    now
}
