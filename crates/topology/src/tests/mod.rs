//! The rules as stories: servers answer, and the snapshot changes.

mod departed_pods;
mod labels;
mod lag;
mod operator;
mod outside;
mod promoted;
mod properties;
mod rules;
mod serving;

use std::sync::Arc;
use std::time::Duration;

use super::*;

/// A snapshot that gets the servers' answers one second apart.
pub struct Story {
    pub snapshot: Snapshot,
    pub now_ms: u64,
}

/// `name-address` pairs: `db-0` lives at `db-0:3306`.
fn discovered(names: &[&str]) -> Vec<Discovered> {
    names.iter().map(|name| Discovered::from(((*name).into(), format!("{name}:3306").into()))).collect()
}

impl Story {
    pub fn of(names: &[&str]) -> Self {
        let mut story = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        story.event(Event::Servers(discovered(names)));
        story
    }

    pub fn event(&mut self, event: Event) -> &mut Self {
        self.snapshot = reduce(&self.snapshot, &event, self.now_ms);
        self.now_ms += 1000;
        self
    }

    pub fn configured(&mut self, names: &[&str]) -> &mut Self {
        self.event(Event::Servers(discovered(names)))
    }

    pub fn labelled(&mut self, labels: &[(&str, Label)]) -> &mut Self {
        let mut list = discovered(&labels.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (server, (_, label)) in list.iter_mut().zip(labels) {
            server.label = Some(*label);
        }
        self.event(Event::Servers(list))
    }

    pub fn id(&self, name: &str) -> ServerId {
        self.server(name).id
    }

    pub fn server(&self, name: &str) -> &Server {
        self.snapshot.servers.iter().find(|s| &*s.name == name).expect("a server of that name")
    }

    pub fn probe(&mut self, name: &str, outcome: ProbeOutcome) -> &mut Self {
        let server = self.id(name);
        self.event(Event::Probe { server, outcome })
    }

    pub fn says(&mut self, name: &str, facts: Facts) -> &mut Self {
        let identity =
            if facts.identity.is_empty() { format!("uuid-of-{name}").into() } else { facts.identity };
        self.probe(name, ProbeOutcome::Facts(Facts { identity, ..facts }))
    }

    pub fn silent(&mut self, name: &str) -> &mut Self {
        self.probe(name, ProbeOutcome::Timeout)
    }

    pub fn refuses(&mut self, name: &str) -> &mut Self {
        self.probe(name, ProbeOutcome::Unreachable("connection refused".into()))
    }

    pub fn primary(&self) -> Option<&str> {
        self.snapshot.primary().map(|s| &*s.name)
    }

    pub fn replicas(&self) -> Vec<&str> {
        self.snapshot.replicas().map(|s| &*s.name).collect()
    }

    pub fn last_reason(&self) -> &str {
        &self.snapshot.history.back().expect("a change of primary").reason
    }
}

pub fn gtid(text: &str) -> Arc<GtidSet> {
    Arc::new(GtidSet::parse(Flavor::MariaDb, text).expect("a position"))
}

pub fn writable() -> Facts {
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
        gtid: gtid("0-1-1"),
        gtid_on: true,
        wait_timeout: None,
        life: Default::default(),
        binlog_state: Default::default(),
        first_own: Default::default(),
        max_packet: None,
        max_connections: None,
        occupied: None,
        modes: crate::TextModes::empty(),
        login: crate::LoginFlags::default(),
        identity: "".into(),
        round_trip: Duration::from_micros(200),
    }
}

pub fn read_only() -> Facts {
    Facts { read_only: true, ..writable() }
}

/// A working replica.
pub fn replica_of(source: &str) -> Facts {
    let replication = Replication {
        receiving: true,
        applying: true,
        lag: Some(Duration::ZERO),
        source: Some(format!("{source}:3306").into()),
        several: false,
    };
    Facts { replication: Some(replication), ..read_only() }
}

/// A replica that was never made read-only.
pub fn writable_replica_of(source: &str) -> Facts {
    Facts { read_only: false, ..replica_of(source) }
}

/// A replica whose position cannot be compared: the lag that it reports counts.
pub fn says_behind(source: &str, seconds: u64) -> Facts {
    let facts = with(replica_of(source), |r| r.lag = Some(Duration::from_secs(seconds)));
    Facts { gtid_on: false, ..facts }
}

pub fn with(facts: Facts, change: impl FnOnce(&mut Replication)) -> Facts {
    let mut facts = facts;
    facts.replication.as_mut().map(change);
    facts
}
