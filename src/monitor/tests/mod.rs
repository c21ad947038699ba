//! Scripted servers for the probes, in paused time.

mod answers;
mod members;
mod probing;
pub mod snapshots;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::{Monitor, Secret};
use crate::topology::ServerId;

/// The state of a scripted server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Power {
    /// It answers.
    On,
    /// Connections are reset, new ones refused.
    Off,
    /// SIGSTOP: everything waits.
    Frozen,
}

/// One scripted MariaDB.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub power: Power,
    pub read_only: bool,
    pub source: Option<String>,
    pub server_id: u32,
    /// The number of the last write that it has: `0-1-1` and so on.
    pub position: u64,
    pub password: String,
    pub latency: Duration,
    pub may_see_replication: bool,
    /// The first write in its binary log; None: it has none.
    pub first_own: Option<&'static str>,
    pub may_see_log: bool,
    /// True for a node of a Galera cluster.
    pub galera: bool,
    /// Each statement, and when it came.
    pub probes: Vec<(Instant, String)>,
    /// When each connection was requested.
    pub connects: Vec<Instant>,
    /// The number of statements in flight, and its maximum.
    pub in_flight: (u32, u32),
    /// The number of the server's life: connections of an earlier life are reset.
    life: u32,
}

/// The servers by address.
#[derive(Clone)]
pub(crate) struct Cluster {
    hosts: Rc<RefCell<HashMap<String, Host>>>,
    changes: Rc<watch::Sender<()>>,
    /// A connection that a session has left idle.
    idle: Rc<RefCell<Option<Link>>>,
}

impl Cluster {
    /// `db-0`, `db-1` … at `db-0:3306` …; the first is the primary, the others replicate from it.
    pub fn of(names: &[&str]) -> Self {
        let changes = Rc::new(watch::channel(()).0);
        let cluster = Cluster { hosts: Rc::default(), changes, idle: Rc::default() };
        for (at, name) in names.iter().enumerate() {
            let host = Host {
                power: Power::On,
                read_only: at > 0,
                source: (at > 0).then(|| names[0].to_owned()),
                server_id: u32::try_from(at).unwrap() + 1,
                position: 1,
                password: "monitor".to_owned(),
                latency: Duration::from_millis(1),
                may_see_replication: true,
                first_own: None,
                may_see_log: true,
                galera: false,
                probes: Vec::new(),
                connects: Vec::new(),
                in_flight: (0, 0),
                life: 0,
            };
            cluster.hosts.borrow_mut().insert(format!("{name}:3306"), host);
        }
        cluster
    }

    /// Changes a server; its connections notice at once.
    pub fn host<T>(&self, name: &str, change: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.get_mut(&format!("{name}:3306")).expect("a scripted server");
        let result = change(host);
        self.changes.send_replace(());
        result
    }

    pub fn kill(&self, name: &str) {
        self.host(name, |h| (h.power, h.life) = (Power::Off, h.life + 1));
    }

    fn link(&self, address: String, life: u32) -> Link {
        let greeting = Greeting {
            version: "5.5.5-10.11.6-MariaDB".into(),
            capabilities: 1 << 35,
            collation: 45,
            encryption: Encryption::Plain,
        };
        Link { cluster: self.clone(), address, life, greeting }
    }

    /// Gives the pools an idle connection to this server.
    pub fn open_pooled(&self, name: &str) {
        let life = self.host(name, |h| h.life);
        self.idle.replace(Some(self.link(format!("{name}:3306"), life)));
    }

    /// Resets the connections; the server stays up.
    pub fn reset_connections(&self, name: &str) {
        self.host(name, |h| h.life += 1);
    }

    pub fn power(&self, name: &str, power: Power) {
        self.host(name, |h| h.power = power);
    }

    pub fn promote(&self, name: &str) {
        self.host(name, |h| (h.read_only, h.source) = (false, None));
    }

    /// Waits while the server is frozen, then returns its state.
    async fn thawed(&self, address: &str) -> Host {
        let mut changes = self.changes.subscribe();
        loop {
            let host = self.hosts.borrow()[address].clone();
            if host.power != Power::Frozen {
                return host;
            }
            changes.changed().await.unwrap();
        }
    }
}

impl Connector for Cluster {
    type Connection = Link;

    async fn connect(&self, target: &Target) -> Result<Link, Error> {
        let address = target.address.to_string();
        {
            let mut hosts = self.hosts.borrow_mut();
            let host = hosts.get_mut(&address).ok_or(Error::Lost("no such host".to_owned()))?;
            host.connects.push(Instant::now());
        }
        let host = self.thawed(&address).await;
        if host.power == Power::Off {
            return Err(Error::Lost("connection refused".to_owned()));
        }
        sleep(host.latency).await;
        if target.password.expose() != host.password {
            return Err(Error::Server { code: 1045, message: "Access denied".to_owned() });
        }
        Ok(self.link(address, host.life))
    }

    async fn ask_pooled(&self, _server: ServerId, sql: &str) -> Option<Vec<ResultSet>> {
        let mut idle = self.idle.borrow_mut().take()?;
        let answer = idle.query(sql).await.ok()?;
        self.idle.replace(Some(idle));
        Some(answer)
    }
}

/// A connection to a scripted server.
pub(crate) struct Link {
    cluster: Cluster,
    address: String,
    life: u32,
    greeting: Greeting,
}

/// Counts a statement in flight, also when its future is dropped.
struct InFlight<'a>(&'a Link);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.cluster.hosts.borrow_mut().get_mut(&self.0.address).unwrap().in_flight.0 -= 1;
    }
}

impl Connection for Link {
    fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        {
            let mut hosts = self.cluster.hosts.borrow_mut();
            let host = hosts.get_mut(&self.address).unwrap();
            host.probes.push((Instant::now(), sql.to_owned()));
            host.in_flight.0 += 1;
            host.in_flight.1 = host.in_flight.1.max(host.in_flight.0);
        }
        let _in_flight = InFlight(self);
        sleep(self.cluster.thawed(&self.address).await.latency).await;
        let host = self.cluster.thawed(&self.address).await;
        if host.life != self.life {
            return Err(Error::Lost("connection reset".to_owned()));
        }
        let wants_replication = sql.contains("SHOW ALL SLAVES STATUS");
        if wants_replication && !host.may_see_replication {
            return Err(Error::Server { code: 1227, message: "you need SLAVE MONITOR".to_owned() });
        }
        if sql == own_log::QUESTION {
            let columns = ["Event_type", "Info"];
            let first = format!("GTID {}", host.first_own.unwrap_or_default());
            return match host.may_see_log {
                true => Ok(vec![set(&columns, &[&["Gtid_list", "[]"], &["Gtid", &first]])]),
                false => Err(Error::Server { code: 1227, message: "you need BINLOG MONITOR".to_owned() }),
            };
        }
        let id = host.server_id.to_string();
        let gtid = format!("0-1-{}", host.position);
        let read_only = if host.read_only { "1" } else { "0" };
        let mut sets = vec![set(
            &["read_only", "innodb_read_only", "identity", "gtid_slave_pos", "gtid", "binlog_state"],
            &[&[read_only, "0", &id, "", &gtid, host.first_own.unwrap_or_default()]],
        )];
        if wants_replication {
            let columns = [
                "Master_Host",
                "Master_Port",
                "Slave_IO_Running",
                "Slave_SQL_Running",
                "Seconds_Behind_Master",
            ];
            sets.push(match &host.source {
                Some(source) => set(&columns, &[&[source, "3306", "Yes", "Yes", "0"]]),
                None => set(&columns, &[]),
            });
        }
        if sql.contains("wsrep_on") {
            let rows =
                [["wsrep_on", if host.galera { "ON" } else { "OFF" }], ["wsrep_provider", "/galera.so"]];
            sets.push(set(&["Variable_name", "Value"], &[&rows[0], &rows[1]]));
        }
        if sql.contains("wsrep_local_state") {
            let rows =
                [["wsrep_cluster_status", "Primary"], ["wsrep_local_state", "4"], ["wsrep_ready", "ON"]];
            sets.push(set(&["Variable_name", "Value"], &rows.each_ref().map(|row| &row[..])));
        }
        Ok(sets)
    }

    async fn closed(&mut self) -> Closed {
        let mut changes = self.cluster.changes.subscribe();
        while self.cluster.hosts.borrow()[&self.address].life == self.life {
            changes.changed().await.unwrap();
        }
        Closed::ByServer
    }
}

pub(crate) fn set(columns: &[&str], rows: &[&[&str]]) -> ResultSet {
    let value = |text: &&str| (*text != "NULL").then(|| text.as_bytes().to_vec());
    ResultSet {
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        rows: rows.iter().map(|row| row.iter().map(value).collect()).collect(),
    }
}

pub(crate) fn monitor_account(password: &str) -> Monitor {
    let (user, password) = (Arc::from("monitor"), Secret::new(password));
    Monitor { user, password, allow_empty_password: false, interval: Duration::from_millis(100) }
}
